//! Statistics by resampling: the bootstrap for numbers without a formula for their error, permutation for tests.
//!
//! A unit is what varies independently: a document, or a cluster of documents. Draw j of resample r is a function of
//! (seed, r, j) alone ([`Draws`]), so that the same outcomes give the same bits everywhere.

use super::paired::differences;
use super::{Draws, Error, Interval, mean, sample_variance};

/// What resampling says about a statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampled {
    /// standard deviation of the resampled values
    pub standard_error: f64,
    /// from their 2.5 % to their 97.5 % quantile
    pub interval: Interval,
}

/// A bootstrap of a difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// the difference, variant minus baseline
    pub difference: f64,
    /// how it varies
    pub resampled: Resampled,
    /// two-sided p-value
    pub p: f64,
}

/// Computes something of the units with these indices, some of them more than once.
pub type Statistic<'f, T, E> = &'f mut dyn FnMut(&[usize]) -> Result<T, E>;

/// Recomputes statistics of `units` units from as many drawn with replacement, `resamples` times.
///
/// `statistics` is given the indices of the drawn units and returns one number a statistic, always as many. Intervals are
/// those of the percentiles (Efron 1979). A statistic that is not finite in some resample has no interval, which is no
/// error for the others.
///
/// # Errors
/// [`Error::TooFew`] for less than two units or less than 40 resamples, and what `statistics` returns.
pub fn bootstrap<E: From<Error>>(
    units: usize,
    resamples: usize,
    seed: u64,
    statistics: Statistic<'_, Vec<f64>, E>,
) -> Result<Vec<Result<Resampled, Error>>, E> {
    let rows = resample(units, resamples, seed, statistics)?;
    let count = rows.first().map_or(0, Vec::len);
    let column = |index: usize| rows.iter().filter_map(|row| row.get(index).copied()).collect();
    Ok((0..count).map(|index| summarize(column(index))).collect())
}

/// The same for a difference, with a test of it against zero.
///
/// `difference` gives variant minus baseline, both from the same drawn units. The p-value is the share of resamples that
/// lie at least as far from the observed difference as that lies from zero, `(1 + count) / (1 + resamples)` (Davison and
/// Hinkley 1997, 4.11), so that it is never 0.
///
/// # Errors
/// As [`bootstrap`].
pub fn bootstrap_difference<E: From<Error>>(
    units: usize,
    resamples: usize,
    seed: u64,
    difference: Statistic<'_, f64, E>,
) -> Result<Bootstrap, E> {
    let all: Vec<usize> = (0..units).collect();
    let observed = difference(&all)?;
    let values = resample(units, resamples, seed, difference)?;
    let farther = values.iter().filter(|&&value| (value - observed).abs() >= observed.abs()).count();
    let p = (1 + farther) as f64 / (1 + resamples) as f64;
    Ok(Bootstrap { difference: observed, resampled: summarize(values)?, p })
}

/// The bootstrap of a mean difference of scores.
///
/// # Errors
/// [`Error::Unpaired`], and as [`bootstrap`].
pub fn paired_bootstrap(baseline: &[f64], variant: &[f64], resamples: usize, seed: u64) -> Result<Bootstrap, Error> {
    let differences = differences(baseline, variant)?;
    mean(&differences)?;
    let n = differences.len() as f64;
    bootstrap_difference(differences.len(), resamples, seed, &mut |drawn| {
        let mut sum = 0.0;
        for &index in drawn {
            sum += differences[index];
        }
        Ok(sum / n)
    })
}

fn resample<T, E: From<Error>>(
    units: usize,
    resamples: usize,
    seed: u64,
    statistic: Statistic<'_, T, E>,
) -> Result<Vec<T>, E> {
    if units < 2 {
        return Err(Error::TooFew { needed: 2, found: units }.into());
    }
    // With fewer, the percentiles of the interval would be its extremes.
    if resamples < 40 {
        return Err(Error::TooFew { needed: 40, found: resamples }.into());
    }
    let draws = Draws::new(seed);
    let mut values = Vec::with_capacity(resamples);
    let mut drawn = Vec::with_capacity(units + 1);
    for resample in 0..resamples as u64 {
        drawn.clear();
        for pair in 0..units.div_ceil(2) as u64 {
            drawn.extend(draws.indices(resample, pair, units as u64).map(|index| index as usize));
        }
        drawn.truncate(units);
        values.push(statistic(&drawn)?);
    }
    Ok(values)
}

fn summarize(mut values: Vec<f64>) -> Result<Resampled, Error> {
    let standard_error = sample_variance(&values)?.sqrt();
    values.sort_by(f64::total_cmp);
    let tail = values.len() / 40;
    let interval = Interval { low: values[tail], high: values[values.len() - 1 - tail] };
    Ok(Resampled { standard_error, interval })
}

/// The two-sided p-value of a paired permutation test: were variant and baseline alike, every difference could as well
/// have the other sign.
///
/// `differences` are those of independent units: of documents, or sums over clusters. Where `permutations` are enough
/// for every pattern of signs, all are tried and p is exact; else patterns are drawn, and p is
/// `(1 + count) / (1 + permutations)` (Davison and Hinkley 1997, 4.11). Sums that differ by rounding alone count as equal.
///
/// # Errors
/// [`Error::TooFew`] for no units or permutations, [`Error::NotFinite`].
pub fn paired_permutation(differences: &[f64], permutations: usize, seed: u64) -> Result<f64, Error> {
    mean(differences)?;
    if permutations == 0 {
        return Err(Error::TooFew { needed: 1, found: 0 });
    }
    // A sign of zero changes nothing.
    let moved: Vec<f64> = differences.iter().copied().filter(|&difference| difference != 0.0).collect();
    let (mut sum, mut size) = (0.0, 0.0);
    for difference in &moved {
        sum += difference;
        size += difference.abs();
    }
    let reaches = |sign: &dyn Fn(usize) -> bool| {
        let mut permuted = 0.0;
        for (index, difference) in moved.iter().enumerate() {
            permuted += if sign(index) { -difference } else { *difference };
        }
        permuted.abs() >= f64::abs(sum) - 1e-12 * size
    };
    let patterns = u32::try_from(moved.len()).ok().and_then(|bits| 1u64.checked_shl(bits));
    if let Some(patterns) = patterns.filter(|&patterns| patterns <= permutations as u64) {
        let count = (0..patterns).filter(|pattern| reaches(&|index| pattern >> index & 1 == 1)).count();
        return Ok(count as f64 / patterns as f64);
    }
    let draws = Draws::new(seed);
    let mut bits: Vec<u32> = Vec::new();
    let mut count = 0;
    for permutation in 0..permutations as u64 {
        bits.clear();
        for block in 0..moved.len().div_ceil(128) as u64 {
            bits.extend(draws.words(permutation, block));
        }
        count += usize::from(reaches(&|index| bits[index / 32] >> (index % 32) & 1 == 1));
    }
    Ok((1 + count) as f64 / (1 + permutations) as f64)
}

#[cfg(test)]
mod tests {
    use super::super::paired_t;
    use super::*;

    const BASELINE: [f64; 8] = [2.31, 1.95, 3.10, 2.77, 2.05, 1.60, 2.90, 2.44];
    const VARIANT: [f64; 8] = [2.40, 1.99, 3.05, 2.93, 2.21, 1.58, 3.04, 2.60];

    #[test]
    fn the_bootstrap_repeats_and_agrees_with_the_t_test() {
        let first = paired_bootstrap(&BASELINE, &VARIANT, 4000, 1).unwrap();
        assert_eq!(first, paired_bootstrap(&BASELINE, &VARIANT, 4000, 1).unwrap());
        let other = paired_bootstrap(&BASELINE, &VARIANT, 4000, 2).unwrap();
        assert_ne!(first, other);
        assert!((first.p - other.p).abs() < 0.01);
        // 97.5 % normal quantiles of the mean, with the bootstrap's n in place of n - 1.
        let half = 1.96 * 0.030237157840738223 * (7.0_f64 / 8.0).sqrt();
        assert!(
            (first.resampled.interval.low - (0.085 - half)).abs() < 0.01
                && (first.resampled.interval.high - (0.085 + half)).abs() < 0.01,
            "{first:?}"
        );
        let nothing = paired_bootstrap(&BASELINE, &BASELINE, 100, 1).unwrap();
        assert_eq!((nothing.difference, nothing.p), (0.0, 1.0));
    }

    #[test]
    fn a_bootstrap_of_a_ratio_has_the_error_of_its_linearization() {
        // sum(y) / sum(x) over 200 pairs, and its error by the delta method.
        let draws = Draws::new(11);
        let pairs: Vec<(f64, f64)> = (0..200)
            .map(|unit| {
                let [x, y] = draws.indices(0, unit, 1000);
                (1000.0 + x as f64, 500.0 + y as f64)
            })
            .collect();
        let ratio = |drawn: &[usize]| {
            let (mut x, mut y) = (0.0, 0.0);
            for &index in drawn {
                x += pairs[index].0;
                y += pairs[index].1;
            }
            (y / x, x)
        };
        let all: Vec<usize> = (0..200).collect();
        let (value, total) = ratio(&all);
        let squares = pairs.iter().fold(0.0, |sum, (x, y)| sum + (y - value * x) * (y - value * x));
        let linearized = (squares * 200.0 / 199.0).sqrt() / total;
        let found = bootstrap::<Error>(200, 4000, 3, &mut |drawn| Ok(vec![ratio(drawn).0, f64::NAN])).unwrap();
        assert!(found[1].is_err());
        let found = found[0].unwrap();
        assert!((0.95..1.05).contains(&(found.standard_error / linearized)), "{found:?}, {linearized}");
        let half = 1.96 * linearized;
        assert!((found.interval.low - (value - half)).abs() < 0.15 * half, "{found:?}");
        assert!((found.interval.high - (value + half)).abs() < 0.15 * half, "{found:?}");
    }

    #[test]
    fn permutation_tests_equal_scipy() {
        // scipy.stats.permutation_test((variant, baseline), mean difference, permutation_type="samples").pvalue
        let all = differences(&BASELINE, &VARIANT).unwrap();
        assert_eq!(paired_permutation(&all, 10_000, 1), Ok(0.046875));
        // Sums of differences over five clusters, one of them zero.
        assert_eq!(paired_permutation(&[0.0, -2.0, -1.0, 1.0, -1.0], 10_000, 1), Ok(0.5));
        assert_eq!(paired_permutation(&[0.0; 4], 10, 1), Ok(1.0));
        // Drawn instead of all: near the exact value, the same every time, another with another seed.
        let drawn = paired_permutation(&all, 255, 1).unwrap();
        assert!((drawn - 0.046875).abs() < 0.05, "{drawn}");
        assert_eq!(paired_permutation(&all, 255, 1), Ok(drawn));
        assert_ne!(paired_permutation(&all, 255, 2), Ok(drawn));
    }

    #[test]
    fn a_permutation_test_of_many_items_agrees_with_the_t_test() {
        let draws = Draws::new(5);
        let variant: Vec<f64> = (0..600).map(|unit| draws.indices(0, unit, 1000)[0] as f64 - 470.0).collect();
        let t = paired_t(&vec![0.0; 600], &variant).unwrap();
        let p = paired_permutation(&variant, 10_000, 1).unwrap();
        assert!((p - t.p).abs() < 0.015, "{p}, {t:?}");
    }

    #[test]
    fn too_little_is_an_error() {
        assert!(paired_bootstrap(&[1.0, 2.0], &[2.0, 1.0], 10, 0).is_err());
        assert!(paired_bootstrap(&[1.0], &[2.0], 100, 0).is_err());
        assert!(paired_permutation(&[], 100, 0).is_err());
        assert!(paired_permutation(&[f64::NAN], 100, 0).is_err());
        assert!(paired_permutation(&[1.0], 0, 0).is_err());
    }
}
