//! Two variants on the same items.
//!
//! Quantized and unquantized models answer the same questions, and most answers agree: the difference of two scores is
//! far surer than either score. Everything here therefore works on pairs, item by item.

use super::{Draws, Error, mean_estimate, two_sided_p};

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

/// A bootstrap of a mean difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// mean difference, variant minus baseline
    pub mean: f64,
    /// 2.5 % quantile of the resampled means
    pub low: f64,
    /// 97.5 % quantile of the resampled means
    pub high: f64,
    /// two-sided p-value
    pub p: f64,
}

fn differences(baseline: &[f64], variant: &[f64]) -> Result<Vec<f64>, Error> {
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

/// Resamples items with replacement, `resamples` times, and looks at the mean differences.
///
/// Draw j of resample r is a function of (seed, r, j) alone ([`Draws`]). The interval is that of the percentiles; the
/// p-value is the share of resamples whose mean lies at least as far from the observed one as that lies from zero,
/// `(1 + count) / (1 + resamples)` (Davison and Hinkley 1997, 4.11), so that it is never 0 and never below
/// `1 / (1 + resamples)`. Costs `items * resamples` draws.
///
/// # Errors
/// [`Error::Unpaired`], [`Error::TooFew`] for less than two items or less than 40 resamples, [`Error::NotFinite`].
pub fn paired_bootstrap(baseline: &[f64], variant: &[f64], resamples: usize, seed: u64) -> Result<Bootstrap, Error> {
    let differences = differences(baseline, variant)?;
    let observed = super::mean(&differences)?;
    let n = differences.len();
    if n < 2 {
        return Err(Error::TooFew { needed: 2, found: n });
    }
    // With fewer, the percentiles of the interval would be its extremes.
    if resamples < 40 {
        return Err(Error::TooFew { needed: 40, found: resamples });
    }
    let draws = Draws::new(seed);
    let mut means = Vec::with_capacity(resamples);
    for resample in 0..resamples {
        let mut sum = 0.0;
        for pair in 0..n.div_ceil(2) {
            let drawn = draws.indices(resample as u64, pair as u64, n as u64);
            for &index in drawn.iter().take(n - 2 * pair) {
                sum += differences[index as usize];
            }
        }
        means.push(sum / n as f64);
    }
    let farther = means.iter().filter(|&&mean| (mean - observed).abs() >= observed.abs()).count();
    means.sort_by(f64::total_cmp);
    let tail = resamples / 40;
    Ok(Bootstrap {
        mean: observed,
        low: means[tail],
        high: means[resamples - 1 - tail],
        p: (1 + farther) as f64 / (1 + resamples) as f64,
    })
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
    fn the_bootstrap_repeats_and_agrees_with_the_t_test() {
        let first = paired_bootstrap(&BASELINE, &VARIANT, 4000, 1).unwrap();
        assert_eq!(first, paired_bootstrap(&BASELINE, &VARIANT, 4000, 1).unwrap());
        let other = paired_bootstrap(&BASELINE, &VARIANT, 4000, 2).unwrap();
        assert_ne!(first, other);
        assert!((first.p - other.p).abs() < 0.01);
        // 97.5 % normal quantiles of the mean, with the bootstrap's n in place of n - 1.
        let half = 1.96 * 0.030237157840738223 * (7.0_f64 / 8.0).sqrt();
        assert!((first.low - (0.085 - half)).abs() < 0.01 && (first.high - (0.085 + half)).abs() < 0.01, "{first:?}");
        let nothing = paired_bootstrap(&BASELINE, &BASELINE, 100, 1).unwrap();
        assert_eq!((nothing.mean, nothing.p), (0.0, 1.0));
    }

    #[test]
    fn pairs_must_match() {
        assert_eq!(discordant(&[true], &[]), Err(Error::Unpaired { baseline: 1, variant: 0 }));
        let counts = discordant(&[true, true, false, false], &[true, false, true, false]).unwrap();
        assert_eq!(counts, Discordant { lost: 1, gained: 1, agreed: 2 });
        assert!(paired_difference(&[1.0], &[1.0, 2.0]).is_err());
        assert!(paired_t(&[1.0], &[2.0]).is_err());
        assert!(paired_bootstrap(&[1.0, 2.0], &[2.0, 1.0], 10, 0).is_err());
    }
}
