//! Accuracy: the share of items answered right.
//!
//! A multiple-choice item is answered by the choice with the largest score; three scores are in use. Let `l_i` be the
//! sum of the log-probabilities of the tokens of choice i given the context, `c_i` its number of characters and `b_i`
//! of UTF-8 bytes, both without the space that joins it to the context:
//!
//! * `acc`: argmax of `l_i`;
//! * `acc_norm`: argmax of `l_i / c_i`, which takes away the advantage of short answers;
//! * `acc_bytes`: argmax of `l_i / b_i`.
//!
//! Of equal scores the first wins.

use super::{Direction, Error, Metric, first_largest};
use crate::statistics::{self, Estimate};

/// Accuracy by log-likelihood; also the share of generated answers that are right.
pub static ACC: Metric = Metric {
    key: "acc",
    summary: "share of items answered right",
    formula: "mean of [argmax_i l_i = gold], l_i = sum of the log-probabilities of choice i",
    direction: Direction::HigherIsBetter,
    source: "lm-evaluation-harness, output_type multiple_choice",
};

/// Accuracy by log-likelihood a character.
pub static ACC_NORM: Metric = Metric {
    key: "acc_norm",
    summary: "share of items answered right, choices scored per character",
    formula: "mean of [argmax_i l_i / characters_i = gold]",
    direction: Direction::HigherIsBetter,
    source: "lm-evaluation-harness, output_type multiple_choice",
};

/// Accuracy by log-likelihood a byte.
pub static ACC_BYTES: Metric = Metric {
    key: "acc_bytes",
    summary: "share of items answered right, choices scored per byte of UTF-8",
    formula: "mean of [argmax_i l_i / bytes_i = gold]",
    direction: Direction::HigherIsBetter,
    source: "lm-evaluation-harness, output_type multiple_choice",
};

/// Replies in which no answer was found.
pub static NO_ANSWER: Metric = Metric {
    key: "no_answer",
    summary: "share of replies in which no answer was found; they count as wrong",
    formula: "mean of [no rule of the protocol finds an answer]",
    direction: Direction::LowerIsBetter,
    source: "counted here; the protocols say nothing of it",
};

pub(super) const METRICS: &[&Metric] = &[&ACC, &ACC_NORM, &ACC_BYTES, &NO_ANSWER];

/// One choice of an item, scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// sum of the log-probabilities of its tokens
    pub log_likelihood: f64,
    /// its length in characters (Unicode scalar values)
    pub characters: usize,
    /// its length in bytes of UTF-8
    pub bytes: usize,
}

impl Choice {
    /// The choice `text` (without the space that joins it to the context) and its score.
    pub fn new(text: &str, log_likelihood: f64) -> Self {
        Self { log_likelihood, characters: text.chars().count(), bytes: text.len() }
    }
}

/// The choice that [`ACC`] takes.
///
/// # Errors
/// [`Error::NoChoices`], [`Error::NotANumber`].
pub fn by_log_likelihood(choices: &[Choice]) -> Result<usize, Error> {
    let scores: Vec<f64> = choices.iter().map(|choice| choice.log_likelihood).collect();
    first_largest(&scores)
}

/// The choice that [`ACC_NORM`] takes.
///
/// # Errors
/// [`Error::NoChoices`], [`Error::NotANumber`], [`Error::EmptyChoice`].
pub fn by_character(choices: &[Choice]) -> Result<usize, Error> {
    per_length(choices, |choice| choice.characters)
}

/// The choice that [`ACC_BYTES`] takes.
///
/// # Errors
/// [`Error::NoChoices`], [`Error::NotANumber`], [`Error::EmptyChoice`].
pub fn by_byte(choices: &[Choice]) -> Result<usize, Error> {
    per_length(choices, |choice| choice.bytes)
}

fn per_length(choices: &[Choice], length: fn(&Choice) -> usize) -> Result<usize, Error> {
    let mut scores = Vec::with_capacity(choices.len());
    for (choice, scored) in choices.iter().enumerate() {
        if length(scored) == 0 {
            return Err(Error::EmptyChoice { choice });
        }
        scores.push(scored.log_likelihood / length(scored) as f64);
    }
    first_largest(&scores)
}

/// The share of items answered right, with the standard error of a mean.
///
/// # Errors
/// [`Error::Statistics`] for no items.
pub fn share(correct: &[bool]) -> Result<Estimate, Error> {
    let values: Vec<f64> = correct.iter().map(|&right| f64::from(u8::from(right))).collect();
    Ok(statistics::mean_estimate(&values)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_scores_choose_differently() {
        // Per token sums -4, -5, -6; per character -2, -1, -1.5; per byte -2, -1, -0.75.
        let choices = [Choice::new("ab", -4.0), Choice::new("abcde", -5.0), Choice::new("éééé", -6.0)];
        assert_eq!((choices[2].characters, choices[2].bytes), (4, 8));
        assert_eq!(by_log_likelihood(&choices), Ok(0));
        assert_eq!(by_character(&choices), Ok(1));
        assert_eq!(by_byte(&choices), Ok(2));
    }

    #[test]
    fn ties_go_to_the_first_choice() {
        let choices = [Choice::new("aa", -2.0), Choice::new("a", -1.0), Choice::new("b", -1.0)];
        assert_eq!(by_log_likelihood(&choices), Ok(1));
        assert_eq!(by_character(&choices), Ok(0));
    }

    #[test]
    fn what_cannot_be_scored_is_an_error() {
        assert_eq!(by_log_likelihood(&[]), Err(Error::NoChoices));
        let choices = [Choice::new("a", -1.0), Choice::new("", -1.0)];
        assert_eq!(by_character(&choices), Err(Error::EmptyChoice { choice: 1 }));
        assert_eq!(by_byte(&choices), Err(Error::EmptyChoice { choice: 1 }));
        let choices = [Choice::new("a", f64::NAN)];
        assert!(matches!(by_log_likelihood(&choices), Err(Error::NotANumber { choice: 0, .. })));
    }

    #[test]
    fn the_error_of_a_share_is_that_of_a_mean() {
        // For a proportion the sample variance is p (1 - p) n / (n - 1).
        let estimate = share(&[true, false, true, true]).unwrap();
        assert_eq!(estimate.value, 0.75);
        assert_eq!(estimate.standard_error, Some((0.75_f64 * 0.25 / 3.0).sqrt()));
        assert!(share(&[]).is_err());
    }
}
