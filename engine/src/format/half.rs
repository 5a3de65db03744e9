//! IEEE halves times a power of two: numbers of 11 bits whose range is put where they are.

/// Halves times this power of two.
pub(crate) struct Halves(pub(crate) f32);

impl Halves {
    /// The nearest half, ties to even, in integer arithmetic: the same on every machine.
    ///
    /// # Panics
    /// If `value` is not finite or lies beyond the largest half.
    pub(crate) fn of(&self, value: f64) -> u16 {
        let scaled = value / f64::from(self.0);
        let magnitude = scaled.abs();
        // The exponent of the last place: that of the number, less ten, but no smaller than that of subnormal halves.
        let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(-14);
        let places = (magnitude / power_of_two(exponent - 10)).round_ties_even();
        assert!(places <= 2048.0 && exponent <= 15, "{value} in halves of {}", self.0);
        // A carry into the exponent adds up.
        let half = ((exponent + 14) << 10) + places as i32;
        assert!(half < 0x7c00, "{value} in halves of {}", self.0);
        half as u16 | if scaled.is_sign_negative() { 0x8000 } else { 0 }
    }

    /// What a half stands for.
    pub(crate) fn value(&self, half: u16) -> f64 {
        let (exponent, places) = (i32::from(half >> 10 & 31), f64::from(half & 1023));
        let magnitude = match exponent {
            0 => places * power_of_two(-24),
            _ => (1024.0 + places) * power_of_two(exponent - 25),
        };
        f64::from(self.0) * if half & 0x8000 == 0 { magnitude } else { -magnitude }
    }
}

/// 2^exponent, for exponents of normal f64.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The power of two that puts the largest of `values` in magnitude between 2^14 and 2^15, one binary place below the
/// largest half; 1 where all are 0.
///
/// # Panics
/// If one is not finite.
pub(crate) fn power_of_two_for(values: impl Iterator<Item = f64>) -> f32 {
    let largest = values.fold(0.0, |largest, value| {
        assert!(value.is_finite(), "a value that is not finite");
        if value.abs() > largest { value.abs() } else { largest }
    });
    if largest == 0.0 {
        return 1.0;
    }
    let exponent = (largest.to_bits() >> 52) as i32 - 1023;
    power_of_two((exponent - 14).clamp(-126, 112)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back_and_rounds_as_the_half_crate_rounds() {
        for unit in [1.0, 0.125, 1024.0] {
            let halves = Halves(unit);
            for bits in (0..0x7c00).chain(0x8000..0xfc00) {
                let value = halves.value(bits);
                assert_eq!(value, f64::from(unit) * half::f16::from_bits(bits).to_f64());
                assert_eq!(halves.of(value), bits);
                if bits & 0x7fff < 0x7bff {
                    // Half way to the next, and a little to either side.
                    let middle = (value + halves.value(bits + 1)) / 2.0;
                    assert_eq!(halves.of(middle), bits + (bits & 1), "{bits:x}");
                    assert_eq!(halves.of(middle * (1.0 - 1e-12)), bits, "{bits:x}");
                    assert_eq!(halves.of(middle * (1.0 + 1e-12)), bits + 1, "{bits:x}");
                }
            }
        }
    }

    #[test]
    fn the_largest_value_just_fits() {
        for largest in [1e-30, 3.0, 1.99999, 65504.0, 1e30] {
            let unit = power_of_two_for([0.0, -largest, largest / 3.0].into_iter());
            let scaled = largest / f64::from(unit);
            assert!((16384.0..32768.0).contains(&scaled), "{largest}: {scaled}");
            assert!((Halves(unit).value(Halves(unit).of(largest)) / largest - 1.0).abs() <= 1.0 / 2048.0);
        }
        assert_eq!(power_of_two_for(std::iter::empty()), 1.0);
    }
}
