//! The natural logarithm in f64.
//!
//! # Method outline
//!
//! 1. x = 2^k m with m in [sqrt(1/2), sqrt(2)), and ln x = k ln 2 + ln m.
//! 2. s = (m - 1) / (m + 1), |s| <= 0.1716, and ln m = 2 atanh s = 2 (s + s^3 / 3 + s^5 / 5 + ... + s^31 / 31); the
//!    first term left out is below 2^-86 of the sum.
//! 3. Everything in double-double, because [`super::pow`] multiplies the logarithm by up to 2^10 and then needs 53
//!    bits after the point. Where s is small the series keeps its *relative* precision: nothing cancels.

use super::double_double::DoubleDouble;
use super::exp::{LN2_HIGH, LN2_LOW};

/// Bits of the f64 nearest to sqrt(1/2).
const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;

/// ln x in f64, at most 0.501 ULP from the exact value.
///
/// NaN for NaN and for x < 0, minus infinity for 0 and -0, infinity for infinity.
pub fn ln(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    ln_sum(x).high
}

/// ln x with a relative error below 2^-85, for finite x > 0.
pub(super) fn ln_sum(x: f64) -> DoubleDouble {
    // A subnormal is made normal first.
    let (bits, scale) = if x < f64::MIN_POSITIVE {
        ((x * 18_014_398_509_481_984.0).to_bits(), 54) // 2^54
    } else {
        (x.to_bits(), 0)
    };
    let k = (bits.wrapping_sub(SQRT_HALF_BITS) as i64) >> 52;
    let m = f64::from_bits(bits.wrapping_sub((k as u64) << 52));
    // m - 1 is exact: both lie within a factor 2 of each other.
    let s = DoubleDouble { high: m - 1.0, low: 0.0 }.divide(DoubleDouble::sum(m, 1.0));
    let square = s.multiply(s);
    let mut series = DoubleDouble { high: 0.0, low: 0.0 };
    for odd in (1..=31).rev().step_by(2) {
        let reciprocal = DoubleDouble { high: 1.0, low: 0.0 }.divide(DoubleDouble { high: f64::from(odd), low: 0.0 });
        series = series.multiply(square).add(reciprocal);
    }
    let ln_m = series.multiply(DoubleDouble { high: 2.0 * s.high, low: 2.0 * s.low });
    let k = (k - scale) as f64;
    if k == 0.0 {
        return ln_m;
    }
    DoubleDouble::ordered_sum(k * LN2_HIGH, k * LN2_LOW).add(ln_m)
}
