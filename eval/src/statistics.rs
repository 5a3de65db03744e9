//! How sure a number is: standard errors, intervals, and whether two variants differ.
//!
//! Sums run in item order in f64, elementary functions are `kernels::math`'s, and everything that draws is keyed by a
//! seed: the same outcomes give the same bits everywhere.

mod beta;
mod clustered;
mod draws;
mod interval;
mod multiple;
mod paired;
mod power;
mod resampling;
mod student;

pub use clustered::{Clusters, SmallSample, clustered_estimate};
pub use draws::Draws;
pub use interval::{Confidence, Interval, clopper_pearson, student_interval, wilson};
pub use multiple::holm;
pub use paired::{
    Discordant, PairedDifference, TTest, differences, discordant, discordant_interval, mcnemar_exact,
    paired_difference, paired_t,
};
pub use power::{detectable_mean, detectable_proportion};
pub use resampling::{
    Bootstrap, Resampled, Statistic, bootstrap, bootstrap_difference, paired_bootstrap, paired_permutation,
};
pub use student::{critical_t, two_sided_p};

/// Why a statistic is undefined for the values given.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// there are not enough values
    #[error("needs at least {needed} values, found {found}")]
    TooFew {
        /// the least number for which the statistic is defined
        needed: usize,
        /// number of values given
        found: usize,
    },
    /// two variants were not measured on the same items
    #[error("paired values must come from the same items: {baseline} of the baseline, {variant} of the variant")]
    Unpaired {
        /// number of values of the baseline
        baseline: usize,
        /// number of values of the variant
        variant: usize,
    },
    /// a value is NaN or infinite
    #[error("value {index} is {value}, expected a finite number")]
    NotFinite {
        /// its index, from 0
        index: usize,
        /// the value
        value: f64,
    },
    /// more successes than trials
    #[error("{successes} successes in {trials} trials")]
    Proportion {
        /// number of successes
        successes: u64,
        /// number of trials
        trials: u64,
    },
}

/// A number and how far it may lie from the value for infinitely many items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// the number
    pub value: f64,
    /// its standard error; `None` where one item leaves it undefined
    pub standard_error: Option<f64>,
    /// number of items behind it
    pub items: usize,
}

/// The arithmetic mean, summed in order.
///
/// # Errors
/// [`Error::TooFew`] for no values, [`Error::NotFinite`].
pub fn mean(values: &[f64]) -> Result<f64, Error> {
    if values.is_empty() {
        return Err(Error::TooFew { needed: 1, found: 0 });
    }
    let mut sum = 0.0;
    for (index, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::NotFinite { index, value });
        }
        sum += value;
    }
    Ok(sum / values.len() as f64)
}

/// The sample variance: squared deviations from the mean, summed in order, over n - 1.
///
/// # Errors
/// [`Error::TooFew`] for less than two values, [`Error::NotFinite`].
pub fn sample_variance(values: &[f64]) -> Result<f64, Error> {
    let mean = mean(values)?;
    if values.len() < 2 {
        return Err(Error::TooFew { needed: 2, found: values.len() });
    }
    let mut sum = 0.0;
    for value in values {
        sum += (value - mean) * (value - mean);
    }
    Ok(sum / (values.len() - 1) as f64)
}

/// The mean with its standard error `sqrt(sample_variance / n)`, as lm-evaluation-harness computes it.
///
/// # Errors
/// [`Error::TooFew`] for no values, [`Error::NotFinite`].
pub fn mean_estimate(values: &[f64]) -> Result<Estimate, Error> {
    let value = mean(values)?;
    let standard_error = match sample_variance(values) {
        Ok(variance) => Some((variance / values.len() as f64).sqrt()),
        Err(Error::TooFew { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(Estimate { value, standard_error, items: values.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_equal_numpy() {
        // numpy: x.mean(), x.var(ddof=1), x.std(ddof=1)/sqrt(5)
        let values = [0.1, 2.5, -3.75, 4.0, 1e-3];
        assert!((mean(&values).unwrap() - 0.5702).abs() < 1e-15);
        assert!((sample_variance(&values).unwrap() - 8.674_215_2).abs() < 1e-12);
        let estimate = mean_estimate(&values).unwrap();
        assert!((estimate.standard_error.unwrap() - 1.317_134_404_683_136_1).abs() < 1e-12);
        assert_eq!(mean_estimate(&[7.0]).unwrap(), Estimate { value: 7.0, standard_error: None, items: 1 });
    }

    #[test]
    fn undefined_is_an_error() {
        assert_eq!(mean(&[]), Err(Error::TooFew { needed: 1, found: 0 }));
        assert_eq!(sample_variance(&[1.0]), Err(Error::TooFew { needed: 2, found: 1 }));
        assert!(matches!(mean(&[1.0, f64::NAN]), Err(Error::NotFinite { index: 1, .. })));
        assert!(matches!(mean_estimate(&[f64::INFINITY]), Err(Error::NotFinite { index: 0, .. })));
    }
}
