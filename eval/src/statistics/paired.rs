//! Two variants on the same items.
//!
//! Quantized and unquantized models answer the same questions, and most answers agree: the difference of two scores is
//! far surer than either score. Everything here therefore works on pairs, item by item.

use super::{Confidence, Error, Interval, mean_estimate, two_sided_p};

/// The mean of variant minus baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// mean difference, variant minus baseline
    pub mean: f64,
    /// its standard error, `sqrt(sample variance of the differences / n)`; `None` for one item
    pub standard_error: Option<f64>,
    /// number of pairs
    pub items: usize,
}

/// How two variants differ on yes-or-no items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discordant {
    /// right in the baseline, wrong in the variant
    pub lost: u64,
    /// wrong in the baseline, right in the variant
    pub gained: u64,
    /// items on which both agree
    pub agreed: u64,
}

impl Discordant {
    /// Number of pairs.
    pub fn items(&self) -> u64 {
        self.lost + self.gained + self.agreed
    }
}

/// Student's t test of a mean difference against zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// mean difference over its standard error
    pub t: f64,
    /// degrees of freedom, n - 1
    pub degrees: usize,
    /// two-sided p-value
    pub p: f64,
}

/// Variant minus baseline, item by item.
///
/// # Errors
/// [`Error::Unpaired`].
pub fn differences(baseline: &[f64], variant: &[f64]) -> Result<Vec<f64>, Error> {
    if baseline.len() != variant.len() {
        return Err(Error::Unpaired { baseline: baseline.len(), variant: variant.len() });
    }
    Ok(baseline.iter().zip(variant).map(|(before, after)| after - before).collect())
}

/// The mean difference with its standard error.
///
/// # Errors
/// [`Error::Unpaired`], [`Error::TooFew`] for no items, [`Error::NotFinite`].
pub fn paired_difference(baseline: &[f64], variant: &[f64]) -> Result<PairedDifference, Error> {
    let estimate = mean_estimate(&differences(baseline, variant)?)?;
    Ok(PairedDifference { mean: estimate.value, standard_error: estimate.standard_error, items: estimate.items })
}

/// Student's t test of the differences.
///
/// The test for scores that are not yes or no: losses of windows, MC2, log-probabilities. Where all differences are the
/// same, t is 0 with p = 1 if that is zero, else infinite with p = 0.
///
/// # Errors
/// [`Error::Unpaired`], [`Error::TooFew`] for less than two items, [`Error::NotFinite`].
pub fn paired_t(baseline: &[f64], variant: &[f64]) -> Result<TTest, Error> {
    let difference = paired_difference(baseline, variant)?;
    let Some(standard_error) = difference.standard_error else {
        return Err(Error::TooFew { needed: 2, found: difference.items });
    };
    let degrees = difference.items - 1;
    let t = if difference.mean == 0.0 { 0.0 } else { difference.mean / standard_error };
    Ok(TTest { t, degrees, p: two_sided_p(t, degrees) })
}

/// Counts where two variants disagree.
///
/// # Errors
/// [`Error::Unpaired`].
pub fn discordant(baseline: &[bool], variant: &[bool]) -> Result<Discordant, Error> {
    if baseline.len() != variant.len() {
        return Err(Error::Unpaired { baseline: baseline.len(), variant: variant.len() });
    }
    let mut counts = Discordant { lost: 0, gained: 0, agreed: 0 };
    for pair in baseline.iter().zip(variant) {
        match pair {
            (true, false) => counts.lost += 1,
            (false, true) => counts.gained += 1,
            _ => counts.agreed += 1,
        }
    }
    Ok(counts)
}

/// Two-sided p-value of McNemar's exact test.
///
/// Were losing and gaining an item equally likely, `gained` would be binomial over the `n = lost + gained` disagreements
/// with probability 1/2: `p = min(1, 2 * sum over k <= min(lost, gained) of C(n, k) / 2^n)` (McNemar 1947). Without
/// disagreement p is 1. The paper does not name its test; this one is exact for accuracies, needs no seed, and is as
/// sharp as the data allows.
///
/// Only multiplications and divisions: the largest term is built factor by factor, halved whenever it exceeds one, the
/// others follow from it. Below 1e-300 the result may be 0.
pub fn mcnemar_exact(lost: u64, gained: u64) -> f64 {
    let n = lost + gained;
    let fewer = lost.min(gained);
    if lost == gained {
        return 1.0;
    }
    let mut term = 1.0;
    let mut halvings = n;
    for k in 1..=fewer {
        term *= (n - fewer + k) as f64 / k as f64;
        while term > 1.0 && halvings > 0 {
            term *= 0.5;
            halvings -= 1;
        }
    }
    while halvings > 0 && term > 0.0 {
        term *= 0.5;
        halvings -= 1;
    }
    let mut sum = 0.0;
    let mut k = fewer;
    loop {
        sum += term;
        if k == 0 || term <= 1e-20 * sum {
            break;
        }
        term *= k as f64 / (n - k + 1) as f64;
        k -= 1;
    }
    (2.0 * sum).min(1.0)
}

/// An interval for the difference of two paired proportions, variant minus baseline.
///
/// Wald's interval after one pair was added to each kind of disagreement, with n + 2 pairs (Bonett and Price 2012): with
/// `g = (gained + 1) / (n + 2)` and `l = (lost + 1) / (n + 2)`, `g - l ± z sqrt((g + l - (g - l)²) / (n + 2))`. It does not
/// shrink to a point where no item changed.
///
/// # Errors
/// [`Error::TooFew`] for no items.
pub fn discordant_interval(counts: &Discordant, confidence: Confidence) -> Result<Interval, Error> {
    let items = counts.items();
    if items == 0 {
        return Err(Error::TooFew { needed: 1, found: 0 });
    }
    let n = (items + 2) as f64;
    let (gained, lost) = ((counts.gained + 1) as f64 / n, (counts.lost + 1) as f64 / n);
    let difference = gained - lost;
    let half = confidence.z() * ((gained + lost - difference * difference) / n).sqrt();
    Ok(Interval { low: (difference - half).max(-1.0), high: (difference + half).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcnemar_equals_scipy() {
        // scipy.stats.binomtest(min(lost, gained), lost + gained, 0.5).pvalue
        for (lost, gained, expected) in [
            (0, 1, 1.0),
            (1, 5, 0.21875),
            (0, 6, 0.03125),
            (3, 12, 0.03515625),
            (20, 33, 0.09837064844049181),
            (117, 160, 0.011483101682460063),
            (700, 812, 0.004293681537359062),
            (4100, 3950, 0.09676983627024811),
            (10, 90, 3.0632901754379845e-17),
            (3000, 3400, 6.067610453848047e-07),
        ] {
            let p = mcnemar_exact(lost, gained);
            assert!((p - expected).abs() <= 1e-11 * expected, "{lost}, {gained}: {p:e}, expected {expected:e}");
            assert_eq!(p, mcnemar_exact(gained, lost));
        }
        assert_eq!(mcnemar_exact(0, 0), 1.0);
        assert_eq!(mcnemar_exact(5, 5), 1.0);
        assert_eq!(mcnemar_exact(0, 2000), 0.0);
    }

    const BASELINE: [f64; 8] = [2.31, 1.95, 3.10, 2.77, 2.05, 1.60, 2.90, 2.44];
    const VARIANT: [f64; 8] = [2.40, 1.99, 3.05, 2.93, 2.21, 1.58, 3.04, 2.60];

    #[test]
    fn the_t_test_equals_scipy() {
        // scipy.stats.ttest_rel(variant, baseline)
        let test = paired_t(&BASELINE, &VARIANT).unwrap();
        assert!((test.t - 2.8111107680061242).abs() < 1e-12, "{test:?}");
        assert!((test.p - 0.026104254826791264).abs() < 1e-13, "{test:?}");
        assert_eq!(test.degrees, 7);
        let difference = paired_difference(&BASELINE, &VARIANT).unwrap();
        assert!((difference.mean - 0.085).abs() < 1e-15);
        assert!((difference.standard_error.unwrap() - 0.030237157840738223).abs() < 1e-15);
    }

    #[test]
    fn equal_differences_are_all_or_nothing() {
        let same = paired_t(&BASELINE, &BASELINE).unwrap();
        assert_eq!((same.t, same.p), (0.0, 1.0));
        let shifted = paired_t(&[0.0, 0.0, 0.0], &[1.0, 1.0, 1.0]).unwrap();
        assert_eq!((shifted.t, shifted.p), (f64::INFINITY, 0.0));
    }

    #[test]
    fn pairs_must_match() {
        assert_eq!(discordant(&[true], &[]), Err(Error::Unpaired { baseline: 1, variant: 0 }));
        let counts = discordant(&[true, true, false, false], &[true, false, true, false]).unwrap();
        assert_eq!(counts, Discordant { lost: 1, gained: 1, agreed: 2 });
        assert!(paired_difference(&[1.0], &[1.0, 2.0]).is_err());
        assert!(paired_t(&[1.0], &[2.0]).is_err());
    }

    #[test]
    fn the_interval_of_a_difference_is_that_of_bonett_and_price() {
        // The formula in numpy.
        for (lost, gained, agreed, low, high) in [
            (20, 33, 447, -0.002969976144836531, 0.05476280483009549),
            (0, 0, 40, -0.06599542020712751, 0.06599542020712751),
            (5, 0, 95, -0.09896063200067898, 0.000921416314404476),
        ] {
            let counts = Discordant { lost, gained, agreed };
            let interval = discordant_interval(&counts, Confidence::NinetyFive).unwrap();
            assert!((interval.low - low).abs() < 1e-14 && (interval.high - high).abs() < 1e-14, "{interval:?}");
        }
        assert!(discordant_interval(&Discordant { lost: 0, gained: 0, agreed: 0 }, Confidence::Ninety).is_err());
    }
}
