//! What a comparison could have found: the smallest true difference that its test would detect.
//!
//! For tests at 5 % (two-sided) that are to miss a real difference once in five times. A result that is not significant
//! says that the difference is probably smaller than this, not that there is none.

use super::Confidence;

/// The quantile of the standard normal distribution below which four values in five lie: a power of 80 %.
const Z_POWER: f64 = 0.841_621_233_572_914_3;

/// Of a mean with this standard error: `(z(0.975) + z(0.8)) * standard_error` (Miller 2024, equation 9, solved for the
/// effect).
pub fn detectable_mean(standard_error: f64) -> f64 {
    (Confidence::NinetyFive.z() + Z_POWER) * standard_error
}

/// Of two paired proportions of which `discordant` of `items` pairs differ.
///
/// Miettinen's number of pairs for McNemar's test, `n = (z_a sqrt(psi) + z_b sqrt(psi - d²))² / d²` with psi the
/// discordant share and d the difference of the proportions (Connor 1987, equation 3), solved for d:
/// `d = sqrt(psi) (z_a sqrt(n) + z_b sqrt(n - z_a² + z_b²)) / (n + z_b²)`. `None` where that is more than psi, the largest
/// difference that so many discordant pairs can make: no difference could have been found.
pub fn detectable_proportion(discordant: u64, items: u64) -> Option<f64> {
    if discordant == 0 || items == 0 {
        return None;
    }
    let (n, z) = (items as f64, Confidence::NinetyFive.z());
    let share = discordant as f64 / n;
    let inner = n - z * z + Z_POWER * Z_POWER;
    if inner < 0.0 {
        return None;
    }
    let effect = share.sqrt() * (z * n.sqrt() + Z_POWER * inner.sqrt()) / (n + Z_POWER * Z_POWER);
    (effect <= share).then_some(effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effect_solves_the_equation_of_the_number_of_pairs() {
        // scipy.optimize.brentq on n d² = (z_a sqrt(psi) + z_b sqrt(psi - d²))²
        let cases =
            [(1000, 12_500, 0.007086843841466513), (98, 817, 0.0338975241798619), (30, 100, 0.1516470912146709)];
        for (discordant, items, expected) in cases {
            let effect = detectable_proportion(discordant, items).unwrap();
            assert!((effect - expected).abs() < 1e-12, "{discordant}/{items}: {effect:?}");
        }
        assert_eq!(detectable_proportion(1, 50), None);
        assert_eq!(detectable_proportion(0, 50), None);
        assert_eq!(detectable_proportion(1, 1), None);
        assert!((detectable_mean(0.25) - 0.25 * 2.8015852181129683).abs() < 1e-14);
    }
}
