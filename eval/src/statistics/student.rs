//! Student's t distribution, for the p-value of a mean difference.

use kernels::math::{exp, ln};

/// Probability that |T| reaches `t` under Student's distribution with `degrees` degrees of freedom.
///
/// `p = I_x(degrees/2, 1/2)` with `x = degrees / (degrees + t²)`, I the regularized incomplete beta function (Abramowitz
/// and Stegun 26.5.27), from its continued fraction (26.5.8). Relative error below 1e-11 for up to 100,000 degrees.
/// Infinite `t` gives 0. `degrees` must be at least 1; NaN in gives NaN out.
pub fn two_sided_p(t: f64, degrees: usize) -> f64 {
    assert!(degrees >= 1, "Student's distribution needs a degree of freedom");
    if t.is_infinite() {
        return 0.0;
    }
    let v = degrees as f64;
    let x = v / (v + t * t);
    let rest = t * t / (v + t * t);
    incomplete_beta(v / 2.0, 0.5, x, rest)
}

/// I_x(a, b), with `rest = 1 - x` given for its own accuracy.
fn incomplete_beta(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if rest <= 0.0 {
        return 1.0;
    }
    let ln_front = a * ln(x) + b * ln(rest) + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    let front = exp(ln_front);
    // The fraction converges fast on this side of its mean; the other side by I_x(a, b) = 1 - I_(1-x)(b, a).
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, rest) / b
    }
}

/// The continued fraction of the incomplete beta function, by the method of Lentz.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// ln Γ(z) for z > 0: Stirling's series at z + n ≥ 16, and the recurrence down to z.
fn ln_gamma(z: f64) -> f64 {
    const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_7;
    // Bernoulli numbers B(2k) / (2k (2k - 1))
    const SERIES: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    let mut product = 1.0;
    let mut shifted = z;
    while shifted < 16.0 {
        product *= shifted;
        shifted += 1.0;
    }
    let mut correction = 0.0;
    let mut power = 1.0 / shifted;
    for coefficient in SERIES {
        correction += coefficient * power;
        power /= shifted * shifted;
    }
    (shifted - 0.5) * ln(shifted) - shifted + HALF_LN_TWO_PI + correction - ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_equal_scipy() {
        // 2 * scipy.stats.t.sf(t, degrees)
        for (t, degrees, expected) in [
            (0.5, 1, 0.7048327646991335),
            (2.0, 1, 0.2951672353008665),
            (12.706, 1, 0.05000080235813319),
            (1.0, 2, 0.4226497308103742),
            (2.5, 7, 0.040992218585752895),
            (-3.25, 39, 0.0023800709259800914),
            (1.96, 816, 0.05033576386451509),
            (0.01, 816, 0.9920237316171389),
            (4.5, 14041, 6.849941143730844e-06),
            (8.0, 100, 2.2728648077280807e-12),
            (20.0, 30, 6.749083665771287e-19),
            (0.001, 3, 0.9992648949694609),
        ] {
            let p = two_sided_p(t, degrees);
            assert!((p - expected).abs() <= 1e-11 * expected, "t = {t}, {degrees}: {p:e}, expected {expected:e}");
        }
        assert_eq!(two_sided_p(0.0, 5), 1.0);
        assert_eq!(two_sided_p(f64::NEG_INFINITY, 5), 0.0);
        assert_eq!(two_sided_p(2.0, 9), two_sided_p(-2.0, 9));
    }

    #[test]
    fn ln_gamma_equals_scipy() {
        // scipy.special.gammaln
        for (z, expected) in [
            (0.5, 0.5723649429247),
            (1.0, 0.0),
            (1.5, -0.12078223763524526),
            (3.5, 1.2009736023470743),
            (7.0, 6.579251212010101),
            (15.75, 27.216044398727206),
            (16.0, 27.899271383840894),
            (408.5, 2045.5158435659553),
            (7020.5, 55153.67878167717),
        ] {
            let found = ln_gamma(z);
            assert!((found - expected).abs() <= 4e-15 * f64::max(1.0, expected.abs()), "{z}: {found}");
        }
    }
}
