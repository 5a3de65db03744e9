//! Intervals for a proportion.

use super::Error;

/// How often an interval is to hold the true value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// nine times in ten
    Ninety,
    /// nineteen times in twenty
    NinetyFive,
    /// ninety-nine times in a hundred
    NinetyNine,
}

impl Confidence {
    /// The quantile of the standard normal distribution that leaves half of the rest above it.
    pub fn z(self) -> f64 {
        match self {
            Confidence::Ninety => 1.644_853_626_951_472_2,
            Confidence::NinetyFive => 1.959_963_984_540_054,
            Confidence::NinetyNine => 2.575_829_303_548_900_4,
        }
    }
}

/// A range of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// lower end
    pub low: f64,
    /// upper end
    pub high: f64,
}

/// Wilson's score interval for `successes` in `trials`.
///
/// `(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)` (Wilson 1927). Unlike the mean plus or minus some standard
/// errors it stays in [0, 1] and is not empty at 0 or 100 %.
///
/// # Errors
/// [`Error::TooFew`] for no trials, [`Error::Proportion`] for more successes than trials.
pub fn wilson(successes: u64, trials: u64, confidence: Confidence) -> Result<Interval, Error> {
    if trials == 0 {
        return Err(Error::TooFew { needed: 1, found: 0 });
    }
    if successes > trials {
        return Err(Error::Proportion { successes, trials });
    }
    let n = trials as f64;
    let p = successes as f64 / n;
    let z = confidence.z();
    let z2 = z * z;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
    // At the ends the bound is exact; rounding must not push it outside.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (centre + half).min(1.0) };
    Ok(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_equal_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(count, nobs, alpha, method="wilson")
        for (successes, trials, confidence, low, high) in [
            (0, 10, Confidence::Ninety, 0.0, 0.2129419700834071),
            (10, 10, Confidence::NinetyFive, 0.7224672001371106, 1.0),
            (33, 40, Confidence::NinetyFive, 0.6805000966821227, 0.9125458625396409),
            (7985, 14042, Confidence::NinetyFive, 0.5604418718043297, 0.5768229553441521),
            (1, 3, Confidence::NinetyNine, 0.04042662929608465, 0.855783984952333),
            (250, 817, Confidence::Ninety, 0.28015502809802384, 0.3331207359474192),
        ] {
            let interval = wilson(successes, trials, confidence).unwrap();
            assert!((interval.low - low).abs() < 1e-14, "{successes}/{trials}: {interval:?}");
            assert!((interval.high - high).abs() < 1e-14, "{successes}/{trials}: {interval:?}");
        }
    }

    #[test]
    fn impossible_counts_are_errors() {
        assert!(wilson(0, 0, Confidence::NinetyFive).is_err());
        assert!(wilson(3, 2, Confidence::NinetyFive).is_err());
    }
}
