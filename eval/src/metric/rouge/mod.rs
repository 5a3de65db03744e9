//! ROUGE: how many words of a reference summary a generated one has, and in which order.
//!
//! A text is its runs of ASCII letters and digits in lower case, all else separates; on request words of four
//! characters or more are reduced to their stems. Of what both texts have, precision is the share of the generated
//! text, recall that of the reference, and F the harmonic mean (Lin 2004):
//!
//! * `rouge1`, `rouge2`: words, and pairs of neighbouring words, each counted at most as often as in either text;
//! * `rougeL`: the longest common subsequence of words;
//! * `rougeLsum`: lines are sentences; the words of a reference sentence that are in its longest common subsequence
//!   with some generated sentence, each counted at most as often as it is in either text.
//!
//! Scores are 0 to 1, those of a corpus are means over documents. Equal to rouge-score 0.1.2 (`rouge_scorer.py`,
//! `tokenize.py`), whose stemmer is NLTK's. Letters outside ASCII separate words too: texts in other scripts have no
//! score worth the name.

pub mod porter;
mod subsequence;

use super::ngram::{Counts, total};
use crate::python::words;
use super::{Direction, Error, Metric};
use std::collections::BTreeMap;

/// F over words.
pub static ROUGE1: Metric = Metric {
    key: "rouge1",
    summary: "agreement with the reference in words, 0 to 1",
    formula: "mean of F = 2 P R / (P + R), P and R shares of the words that both texts have",
    direction: Direction::HigherIsBetter,
    source: "Lin 2004; rouge-score 0.1.2, rouge_scorer.py",
};

/// F over pairs of words.
pub static ROUGE2: Metric = Metric {
    key: "rouge2",
    summary: "agreement with the reference in pairs of neighbouring words, 0 to 1",
    formula: "mean of F = 2 P R / (P + R), P and R shares of the word pairs that both texts have",
    direction: Direction::HigherIsBetter,
    source: "Lin 2004; rouge-score 0.1.2, rouge_scorer.py",
};

/// F over the longest common subsequence.
pub static ROUGE_L: Metric = Metric {
    key: "rougeL",
    summary: "agreement with the reference in the longest common subsequence of words, 0 to 1",
    formula: "mean of F = 2 P R / (P + R), P and R shares of the longest common subsequence",
    direction: Direction::HigherIsBetter,
    source: "Lin 2004; rouge-score 0.1.2, rouge_scorer.py",
};

/// F over the union of subsequences, line by line.
pub static ROUGE_LSUM: Metric = Metric {
    key: "rougeLsum",
    summary: "agreement with the reference in common subsequences of its lines, 0 to 1",
    formula: "mean of F = 2 P R / (P + R), P and R shares of the union over lines of longest common subsequences",
    direction: Direction::HigherIsBetter,
    source: "Lin 2004, section 3.2; rouge-score 0.1.2, rouge_scorer.py",
};

pub(super) const METRICS: &[&Metric] = &[&ROUGE1, &ROUGE2, &ROUGE_L, &ROUGE_LSUM];

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rouge {
    /// what words are reduced to
    pub stemmer: Stemmer,
}

/// What words are reduced to before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stemmer {
    /// words as they are; rouge-score's default
    #[default]
    None,
    /// stems of [`porter`], of words longer than three characters
    Porter,
}

/// One of the measures for one text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// share of the generated text, 0 to 1
    pub precision: f64,
    /// share of the reference, 0 to 1
    pub recall: f64,
    /// harmonic mean of both; 0 if both are
    pub f_measure: f64,
}

/// All measures for one text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// [`ROUGE1`]
    pub rouge1: Score,
    /// [`ROUGE2`]
    pub rouge2: Score,
    /// [`ROUGE_L`]
    pub rouge_l: Score,
    /// [`ROUGE_LSUM`]
    pub rouge_lsum: Score,
}

impl Score {
    /// Both texts have `hits` of their `hypothesis` and `reference` units in common.
    fn of(hits: u64, hypothesis: u64, reference: u64) -> Self {
        let precision = hits as f64 / hypothesis.max(1) as f64;
        let recall = hits as f64 / reference.max(1) as f64;
        let sum = precision + recall;
        let f_measure = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f_measure }
    }
}

impl Rouge {
    /// All measures of a generated text against one reference.
    pub fn score(&self, reference: &str, hypothesis: &str) -> Scores {
        let lines = |text: &str| text.split('\n').map(|line| self.tokens(line)).collect::<Vec<_>>();
        let rouge_lsum = by_lines(&lines(reference), &lines(hypothesis));
        let (reference, hypothesis) = (self.tokens(reference), self.tokens(hypothesis));
        let by_ngrams = |order| {
            let hits = Counts::of(&hypothesis, order).clipped(&[Counts::of(&reference, order)]);
            Score::of(hits, total(hypothesis.len(), order), total(reference.len(), order))
        };
        let hits = subsequence::length(&reference, &hypothesis) as u64;
        Scores {
            rouge1: by_ngrams(1),
            rouge2: by_ngrams(2),
            rouge_l: Score::of(hits, hypothesis.len() as u64, reference.len() as u64),
            rouge_lsum,
        }
    }

    /// Of several references, for each measure the one with the best F; of equal ones the first.
    ///
    /// # Errors
    /// [`Error::NoReferences`].
    pub fn score_multi(&self, references: &[&str], hypothesis: &str) -> Result<Scores, Error> {
        let mut scores = references.iter().map(|reference| self.score(reference, hypothesis));
        let first = scores.next().ok_or(Error::NoReferences)?;
        let better = |best: Score, other: Score| if other.f_measure > best.f_measure { other } else { best };
        Ok(scores.fold(first, |best, other| Scores {
            rouge1: better(best.rouge1, other.rouge1),
            rouge2: better(best.rouge2, other.rouge2),
            rouge_l: better(best.rouge_l, other.rouge_l),
            rouge_lsum: better(best.rouge_lsum, other.rouge_lsum),
        }))
    }

    /// The words of a text.
    fn tokens(&self, text: &str) -> Vec<String> {
        let lower = text.to_lowercase();
        let words = lower.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words
            .map(|word| match self.stemmer {
                Stemmer::Porter if word.len() > 3 => porter::stem(word),
                Stemmer::Porter | Stemmer::None => word.to_owned(),
            })
            .filter(|word| !word.is_empty())
            .collect()
    }
}

/// ROUGE-Lsum of the words of lines.
fn by_lines(reference: &[Vec<String>], hypothesis: &[Vec<String>]) -> Score {
    let mut left: [BTreeMap<&str, usize>; 2] = [reference, hypothesis].map(|lines| {
        let mut counts = BTreeMap::new();
        for word in lines.iter().flatten() {
            *counts.entry(word.as_str()).or_default() += 1;
        }
        counts
    });
    let mut hits = 0;
    for sentence in reference {
        let mut marks = vec![false; sentence.len()];
        for other in hypothesis {
            subsequence::mark(sentence, other, &mut marks);
        }
        for (word, _) in sentence.iter().zip(&marks).filter(|(_, marked)| **marked) {
            // As long as neither text has used it up.
            if left.iter().all(|counts| counts.get(word.as_str()).is_some_and(|&count| count > 0)) {
                hits += 1;
                for counts in &mut left {
                    counts.entry(word).and_modify(|count| *count -= 1);
                }
            }
        }
    }
    let [reference, hypothesis] = [reference, hypothesis].map(|lines| lines.iter().map(Vec::len).sum::<usize>() as u64);
    Score::of(hits, hypothesis, reference)
}

/// A text on one line, its words one space apart: what lm-evaluation-harness compares for `cnn_dailymail`.
pub fn collapse_white_space(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(hits: u64, hypothesis: u64, reference: u64) -> Score {
        Score::of(hits, hypothesis, reference)
    }

    #[test]
    fn four_measures_of_a_summary() {
        let reference = "The cat sat on the mat.\nIt purred.";
        let hypothesis = "It purred:\nthe Cat, on the mat, café-sat";
        let scores = Rouge::default().score(reference, hypothesis);
        // it purred the cat on the mat caf sat; the cat sat on the mat it purred.
        assert_eq!(scores.rouge1, score(8, 9, 8));
        assert_eq!(scores.rouge2, score(4, 8, 7));
        assert_eq!(scores.rouge_l, score(5, 9, 8));
        assert_eq!(scores.rouge_lsum, score(7, 9, 8));
        assert_eq!(Rouge::default().score("", "?"), Scores::default());
    }

    #[test]
    fn stems_are_compared_on_request() {
        let (reference, hypothesis) = ("running dogs ran", "run dog ran");
        assert_eq!(Rouge::default().score(reference, hypothesis).rouge1, score(1, 3, 3));
        let stemmed = Rouge { stemmer: Stemmer::Porter };
        assert_eq!(stemmed.score(reference, hypothesis).rouge1, score(3, 3, 3));
        // Words of three characters are left alone.
        assert_eq!(stemmed.score("cat its", "cats it").rouge1, score(1, 2, 2));
    }

    #[test]
    fn each_measure_takes_its_best_reference() {
        let rouge = Rouge::default();
        let scores = rouge.score_multi(&["b a", "a b c d e", "x"], "a b").unwrap();
        assert_eq!(scores.rouge1, score(2, 2, 2));
        assert_eq!(scores.rouge2, score(1, 1, 4));
        assert_eq!(scores.rouge_l, rouge.score("a b c d e", "a b").rouge_l);
        assert_eq!(rouge.score_multi(&[], "a"), Err(Error::NoReferences));
    }

    #[test]
    fn white_space_is_collapsed() {
        assert_eq!(collapse_white_space(" a\n\tb\u{a0}c\u{1d} "), "a b c");
    }
}
