//! The incomplete beta function and its inverse, for quantiles of the binomial and of Student's distribution.

use kernels::math::{exp, ln};

/// I_x(a, b), with `rest = 1 - x` given for its own accuracy; relative error below 1e-10 for a and b up to 10,000.
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64, rest: f64) -> f64 {
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

/// The x with I_x(a, b) = `probability`, by bisection until two neighbouring numbers enclose it.
pub(super) fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if incomplete_beta(a, b, middle, 1.0 - middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incomplete_beta_function_equals_scipy() {
        // scipy.stats.beta.cdf(x, a, b)
        for (a, b, x, expected) in [
            (2.5, 3.5, 0.4, 0.4869041915261176),
            (0.5, 0.5, 0.1, 0.20483276469913345),
            (7985.0, 6058.0, 0.57, 0.6299496302156903),
            (1.0, 10.0, 0.3, 0.9717524751),
            (100.0, 1.0, 0.99, 0.36603234127322914),
        ] {
            let found = incomplete_beta(a, b, x, 1.0 - x);
            assert!((found - expected).abs() <= 1e-10 * expected, "{a}, {b}, {x}: {found}");
            assert!((beta_quantile(a, b, found) - x).abs() <= 1e-14, "{a}, {b}, {expected}");
        }
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
