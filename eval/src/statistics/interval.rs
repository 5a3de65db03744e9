//! Intervals for a proportion and for a mean.

use super::beta::beta_quantile;
use super::{Error, critical_t};

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

    /// How often the interval may miss it.
    pub fn miss(self) -> f64 {
        match self {
            Confidence::Ninety => 0.1,
            Confidence::NinetyFive => 0.05,
            Confidence::NinetyNine => 0.01,
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
    check_counts(successes, trials)?;
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

/// Clopper and Pearson's exact interval for `successes` in `trials`: it misses at most as often as it says, whatever the
/// true proportion and however few the trials.
///
/// The low end is the quantile miss/2 of the beta distribution (s, n - s + 1), the high end the quantile 1 - miss/2 of
/// (s + 1, n - s) (Clopper and Pearson 1934).
///
/// # Errors
/// As [`wilson`].
pub fn clopper_pearson(successes: u64, trials: u64, confidence: Confidence) -> Result<Interval, Error> {
    check_counts(successes, trials)?;
    let (s, rest, tail) = (successes as f64, (trials - successes) as f64, confidence.miss() / 2.0);
    let low = if successes == 0 { 0.0 } else { beta_quantile(s, rest + 1.0, tail) };
    // 1 - quantile of the mirrored distribution, whose probability is exact.
    let high = if successes == trials { 1.0 } else { 1.0 - beta_quantile(rest, s + 1.0, tail) };
    Ok(Interval { low, high })
}

fn check_counts(successes: u64, trials: u64) -> Result<(), Error> {
    if trials == 0 {
        return Err(Error::TooFew { needed: 1, found: 0 });
    }
    if successes > trials { Err(Error::Proportion { successes, trials }) } else { Ok(()) }
}

/// Student's interval: `value` plus and minus the critical t times its standard error.
///
/// `units` are what varies independently: documents, or clusters of them; the degrees of freedom are one less.
///
/// # Errors
/// [`Error::TooFew`] for less than two units.
pub fn student_interval(
    value: f64,
    standard_error: f64,
    units: usize,
    confidence: Confidence,
) -> Result<Interval, Error> {
    if units < 2 {
        return Err(Error::TooFew { needed: 2, found: units });
    }
    let half = critical_t(confidence.miss(), units - 1) * standard_error;
    Ok(Interval { low: value - half, high: value + half })
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
        assert!(clopper_pearson(0, 0, Confidence::NinetyFive).is_err());
        assert!(clopper_pearson(3, 2, Confidence::NinetyFive).is_err());
        assert!(student_interval(1.0, 0.1, 1, Confidence::NinetyFive).is_err());
    }

    #[test]
    fn exact_intervals_equal_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(count, nobs, alpha, method="beta")
        for (successes, trials, confidence, low, high) in [
            (0, 10, Confidence::Ninety, 0.0, 0.2588655508930523),
            (10, 10, Confidence::NinetyFive, 0.6915028921812392, 1.0),
            (33, 40, Confidence::NinetyFive, 0.6722098666384142, 0.9266172706479148),
            (7985, 14042, Confidence::NinetyFive, 0.5604104172077127, 0.5768635009292433),
            (1, 3, Confidence::NinetyNine, 0.0016694521863086672, 0.9585998492839569),
            (250, 817, Confidence::Ninety, 0.27941675704822055, 0.33362126004575626),
            (1, 1, Confidence::NinetyFive, 0.025, 1.0),
            (1000, 100_000, Confidence::NinetyFive, 0.009392556089098503, 0.010636111529354269),
        ] {
            let interval = clopper_pearson(successes, trials, confidence).unwrap();
            assert!((interval.low - low).abs() < 1e-12, "{successes}/{trials}: {interval:?}");
            assert!((interval.high - high).abs() < 1e-12, "{successes}/{trials}: {interval:?}");
        }
    }

    #[test]
    fn the_interval_of_a_mean_equals_scipy() {
        // scipy.stats.t.interval(0.95, 7, loc=mean, scale=sem) of paired.rs's variant
        let values = [2.40, 1.99, 3.05, 2.93, 2.21, 1.58, 3.04, 2.60];
        let estimate = super::super::mean_estimate(&values).unwrap();
        let error = estimate.standard_error.unwrap();
        let interval = student_interval(estimate.value, error, values.len(), Confidence::NinetyFive).unwrap();
        assert!((interval.low - 2.029851802254642).abs() < 1e-12, "{interval:?}");
        assert!((interval.high - 2.920148197745358).abs() < 1e-12, "{interval:?}");
    }
}
