//! Metrics: how the outcome of an item becomes a score, and how scores become one number.
//!
//! One file a family of metrics. Each says by which rule it decides, gives the formula, and names the published code
//! that it equals; a new one is a new file and a word in the `registry!` line below. Aggregates sum in item order in
//! f64.

/// What a metric is called and how it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// the key in results, as lm-evaluation-harness writes it
    pub key: &'static str,
    /// what it says, in one sentence
    pub summary: &'static str,
    /// how it is computed
    pub formula: &'static str,
    /// which way is better
    pub direction: Direction,
    /// the published definition or code that it equals
    pub source: &'static str,
}

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// more is better
    HigherIsBetter,
    /// less is better
    LowerIsBetter,
}

impl Metric {
    /// The value of the key `higher_is_better` in results.
    pub fn higher_is_better(&self) -> bool {
        self.direction == Direction::HigherIsBetter
    }
}

/// Why an item cannot be scored.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// nothing to choose from
    #[error("no choices to decide between")]
    NoChoices,
    /// a score that is not a number
    #[error("choice {choice} has the log-likelihood {value}, expected a number or -inf")]
    NotANumber {
        /// index of the choice, from 0
        choice: usize,
        /// its log-likelihood
        value: f64,
    },
    /// a length of zero to divide by
    #[error("choice {choice} is empty: its score per character is undefined")]
    EmptyChoice {
        /// index of the choice, from 0
        choice: usize,
    },
    /// a question whose labels do not suit the metric
    #[error("needs {needed}, found {right} true and {wrong} false answers")]
    Labels {
        /// what the metric is defined for
        needed: &'static str,
        /// number of true answers
        right: usize,
        /// number of false answers
        wrong: usize,
    },
    /// nothing to compare a generated text with
    #[error("needs at least one reference to compare the text with")]
    NoReferences,
    /// every answer has probability 0
    #[error("every answer has the log-likelihood -inf: their shares are undefined")]
    AllImpossible,
    /// an average over no words, bytes or tokens
    #[error("no {unit} to divide by")]
    NoUnits {
        /// what is counted
        unit: &'static str,
    },
    /// values that have no mean or error
    #[error(transparent)]
    Statistics(#[from] crate::statistics::Error),
}

/// The sum of the counts of segments.
///
/// # Errors
/// [`Error::NoUnits`] without segments.
fn sum<'a, T>(segments: impl IntoIterator<Item = &'a T>) -> Result<T, Error>
where
    T: Default + std::ops::AddAssign<&'a T> + 'a,
{
    let mut segments = segments.into_iter().peekable();
    segments.peek().ok_or(Error::NoUnits { unit: "segments" })?;
    let mut sum = T::default();
    for segment in segments {
        sum += segment;
    }
    Ok(sum)
}

macro_rules! registry {
    ($($file:ident),* $(,)?) => {
        $(pub mod $file;)*

        /// Every metric, file by file.
        pub fn metrics() -> impl Iterator<Item = &'static Metric> {
            [$($file::METRICS),*].into_iter().flatten().copied().chain(bbq::category_metrics())
        }
    };
}

registry! {
    accuracy, bbq, bleu, chrf, exact_match, followbench, ifeval, perplexity, rouge, ter, truthful, truthful_text,
}

mod ngram;
pub mod signature;

/// The metric with this key.
pub fn find(key: &str) -> Option<&'static Metric> {
    metrics().find(|metric| metric.key == key)
}

/// Index of the largest score; of equal ones the first.
///
/// # Errors
/// [`Error::NoChoices`], [`Error::NotANumber`]. Minus infinity is a score like any other; plus infinity is no
/// log-probability.
pub fn first_largest(scores: &[f64]) -> Result<usize, Error> {
    let mut best: Option<(usize, f64)> = None;
    for (choice, &value) in scores.iter().enumerate() {
        check_log_likelihood(choice, value)?;
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((choice, value));
        }
    }
    best.map(|(choice, _)| choice).ok_or(Error::NoChoices)
}

/// Refuses NaN and plus infinity.
fn check_log_likelihood(choice: usize, value: f64) -> Result<(), Error> {
    if value.is_nan() || value == f64::INFINITY { Err(Error::NotANumber { choice, value }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_every_card_is_filled_in() {
        let mut keys: Vec<&str> = metrics().map(|metric| metric.key).collect();
        for metric in metrics() {
            for text in [metric.key, metric.summary, metric.formula, metric.source] {
                assert!(!text.is_empty(), "{metric:?}");
            }
            assert_eq!(find(metric.key), Some(metric));
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), metrics().count());
        assert!(find("acc").is_some_and(Metric::higher_is_better));
        assert!(find("word_perplexity").is_some_and(|metric| !metric.higher_is_better()));
        assert_eq!(find("rougeL").map(Metric::higher_is_better), Some(true));
        assert_eq!(find("ter").map(Metric::higher_is_better), Some(false));
        assert_eq!(find("bertscore"), None);
    }

    #[test]
    fn ties_go_to_the_first() {
        assert_eq!(first_largest(&[-2.0, -1.0, -1.0]), Ok(1));
        assert_eq!(first_largest(&[f64::NEG_INFINITY, f64::NEG_INFINITY]), Ok(0));
        assert_eq!(first_largest(&[-0.0, 0.0]), Ok(0));
        assert_eq!(first_largest(&[]), Err(Error::NoChoices));
        assert!(matches!(first_largest(&[0.0, f64::NAN]), Err(Error::NotANumber { choice: 1, .. })));
        assert!(matches!(first_largest(&[f64::INFINITY]), Err(Error::NotANumber { choice: 0, .. })));
    }
}
