//! BLEU: how many of the word n-grams of a generated text occur in its references.
//!
//! Over a corpus, for the orders n = 1 to 4: `p_n` is the number of n-grams of the hypotheses that are found in the
//! references, each at most as often as in the reference that has most of it, divided by the number of n-grams. `c`
//! is the length of the hypotheses in words, `r` that of the references, of each segment the reference that comes
//! closest in length, of two the shorter. Then
//!
//! `BLEU = 100 min(1, exp(1 - r / c)) exp((ln p_1 + ln p_2 + ln p_3 + ln p_4) / 4)`
//!
//! (Papineni et al. 2002). An order without matches would make the score zero: smoothing gives it a small precision.
//! An order without n-grams has no precision; it makes the score zero, unless only the orders that the text has are
//! averaged ([`Orders::Effective`]), as is usual for single sentences.
//!
//! All of it equals sacreBLEU 2.6.0 (`metrics/bleu.py` and `tokenizers/`), and its signature says how it was computed.
//! A segment is reduced to counts first ([`SegmentCounts`]); a corpus is their sum, so that it can be resampled without
//! being tokenized again.

mod tokenizer;

use super::ngram::{Counts, total};
use crate::python::{is_space, words};
pub use super::signature::{Case, References};
use super::{Direction, Error, Metric, signature::SACREBLEU_VERSION};
use kernels::math::{exp, ln};
pub use tokenizer::Tokenizer;

/// Corpus BLEU.
pub static BLEU: Metric = Metric {
    key: "bleu",
    summary: "geometric mean of the shares of word n-grams found in the references, less for short texts, 0 to 100",
    formula: "100 min(1, exp(1 - r / c)) exp(mean over n = 1..4 of ln p_n)",
    direction: Direction::HigherIsBetter,
    source: "Papineni et al. 2002; sacreBLEU 2.6.0, metrics/bleu.py",
};

pub(super) const METRICS: &[&Metric] = &[&BLEU];

/// The longest n-grams that count.
pub const ORDERS: usize = 4;

/// How BLEU is computed: all that its signature names, but the number of references.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bleu {
    /// how texts are cut into words
    pub tokenizer: Tokenizer,
    /// the precision of an order without matches
    pub smoothing: Smoothing,
    /// whether capitals count
    pub case: Case,
    /// the orders that are averaged
    pub orders: Orders,
}

/// The precision of an order without matches (Chen and Cherry 2014, methods 1 to 3).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Smoothing {
    /// `exp`: of the k-th such order, 1 / 2^k of one match; the default
    #[default]
    Exp,
    /// `none`: zero, and so is the score
    None,
    /// `floor`: this many matches, by sacreBLEU's default 0.1
    Floor(f64),
    /// `add-k`: this many more matches and n-grams for every order but the first, by sacreBLEU's default 1
    AddK(f64),
}

/// The orders whose precisions are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orders {
    /// `eff:no`: all four
    #[default]
    All,
    /// `eff:yes`: those of which the hypotheses have n-grams
    Effective,
}

/// What a segment adds to a corpus: all that its texts have to do with the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentCounts {
    /// words of the hypothesis
    pub hypothesis_words: u64,
    /// words of the reference that comes closest in length
    pub reference_words: u64,
    /// n-grams found in references, by order
    pub matches: [u64; ORDERS],
    /// n-grams of the hypothesis, by order
    pub totals: [u64; ORDERS],
}

impl std::ops::AddAssign<&Self> for SegmentCounts {
    fn add_assign(&mut self, other: &Self) {
        self.hypothesis_words += other.hypothesis_words;
        self.reference_words += other.reference_words;
        for order in 0..ORDERS {
            self.matches[order] += other.matches[order];
            self.totals[order] += other.totals[order];
        }
    }
}

/// A score and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// BLEU, 0 to 100
    pub bleu: f64,
    /// precisions after smoothing, 0 to 100, by order
    pub precisions: [f64; ORDERS],
    /// the factor for texts shorter than their references, 0 to 1
    pub brevity_penalty: f64,
    /// sums over the segments, before smoothing
    pub counts: SegmentCounts,
}

impl Bleu {
    /// sacreBLEU's `sentence_bleu`: as the default, averaging the orders that the sentence has.
    pub const SENTENCE: Self =
        Self { tokenizer: Tokenizer::V13a, smoothing: Smoothing::Exp, case: Case::Mixed, orders: Orders::Effective };

    /// The counts of one segment.
    ///
    /// # Errors
    /// [`Error::NoReferences`].
    pub fn segment(&self, hypothesis: &str, references: &[&str]) -> Result<SegmentCounts, Error> {
        let hypothesis = self.tokenized(hypothesis);
        let references: Vec<String> = references.iter().map(|reference| self.tokenized(reference)).collect();
        let hypothesis: Vec<&str> = words(&hypothesis).collect();
        let references: Vec<Vec<&str>> = references.iter().map(|reference| words(reference).collect()).collect();
        let closest = references
            .iter()
            .map(Vec::len)
            .min_by_key(|&length| (length.abs_diff(hypothesis.len()), length))
            .ok_or(Error::NoReferences)?;
        let mut counts = SegmentCounts {
            hypothesis_words: hypothesis.len() as u64,
            reference_words: closest as u64,
            ..SegmentCounts::default()
        };
        for order in 1..=ORDERS {
            let found: Vec<_> = references.iter().map(|reference| Counts::of(reference, order)).collect();
            counts.matches[order - 1] = Counts::of(&hypothesis, order).clipped(&found);
            counts.totals[order - 1] = total(hypothesis.len(), order);
        }
        Ok(counts)
    }

    fn tokenized(&self, text: &str) -> String {
        self.tokenizer.tokenize(self.case.apply(text).trim_end_matches(is_space))
    }

    /// The score of a corpus, or of a resample of one.
    ///
    /// # Errors
    /// [`Error::NoUnits`] without segments.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = &'a SegmentCounts>) -> Result<Score, Error> {
        Ok(self.score(super::sum(segments)?))
    }

    /// The score of counts that are already summed.
    pub fn score(&self, counts: SegmentCounts) -> Score {
        let (length, reference) = (counts.hypothesis_words as f64, counts.reference_words as f64);
        let brevity_penalty = match counts.hypothesis_words {
            words if words >= counts.reference_words => 1.0,
            0 => 0.0,
            _ => exp(1.0 - reference / length),
        };
        let mut score = Score { bleu: 0.0, precisions: [0.0; ORDERS], brevity_penalty, counts };
        if counts.matches == [0; ORDERS] {
            return score;
        }
        let added = |order| if let (Smoothing::AddK(k), 1..) = (self.smoothing, order) { k } else { 0.0 };
        let mut halvings = 1.0;
        let mut averaged = ORDERS;
        for order in 0..ORDERS {
            let matches = counts.matches[order] as f64 + added(order);
            let total = counts.totals[order] as f64 + added(order);
            if total == 0.0 {
                break;
            }
            if self.orders == Orders::Effective {
                averaged = order + 1;
            }
            score.precisions[order] = if matches != 0.0 {
                100.0 * matches / total
            } else {
                match self.smoothing {
                    Smoothing::Exp => {
                        halvings *= 2.0;
                        100.0 / (halvings * total)
                    }
                    Smoothing::Floor(matches) => 100.0 * matches / total,
                    Smoothing::None | Smoothing::AddK(_) => 0.0,
                }
            };
        }
        let mut logarithms = 0.0;
        for &precision in &score.precisions[..averaged] {
            logarithms += ln(precision);
        }
        score.bleu = brevity_penalty * exp(logarithms / averaged as f64);
        score
    }

    /// The signature, as sacreBLEU writes it.
    pub fn signature(&self, references: References) -> String {
        let orders = match self.orders {
            Orders::All => "no",
            Orders::Effective => "yes",
        };
        let smoothing = match self.smoothing {
            Smoothing::Exp => "exp".to_owned(),
            Smoothing::None => "none".to_owned(),
            Smoothing::Floor(matches) => format!("floor[{matches:.2}]"),
            Smoothing::AddK(k) => format!("add-k[{k:.2}]"),
        };
        let (case, tokenizer) = (self.case.name(), self.tokenizer.name());
        format!(
            "nrefs:{references}|case:{case}|eff:{orders}|tok:{tokenizer}|smooth:{smoothing}|version:{SACREBLEU_VERSION}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_segment() {
        let counts = Bleu::default().segment("the the the cat.", &["The cat.", "the cat, the dog, the end"]).unwrap();
        let expected = SegmentCounts {
            hypothesis_words: 5,
            // 3 and 8 words against 5.
            reference_words: 3,
            matches: [5, 2, 0, 0],
            totals: [5, 4, 3, 2],
        };
        assert_eq!(counts, expected);
        // Of references as close, the shorter.
        assert_eq!(Bleu::default().segment("a b c", &["a b c d", "a b"]).unwrap().reference_words, 2);
        assert_eq!(Bleu::default().segment("a", &[]), Err(Error::NoReferences));
    }

    #[test]
    fn a_corpus_is_the_sum_of_its_segments() {
        let bleu = Bleu::default();
        let segments = [
            bleu.segment("a b c d e", &["a b c d e f"]).unwrap(),
            bleu.segment("f g h i", &["f g x i", "f g h"]).unwrap(),
        ];
        let score = bleu.corpus(&segments).unwrap();
        assert_eq!(score.counts.matches, [5 + 4, 4 + 2, 3 + 1, 2]);
        assert_eq!(score.counts.totals, [9, 7, 5, 3]);
        // Of the references of the second segment, the one of four words: 10 in all against 9.
        assert_eq!(score.counts.reference_words, 10);
        let expected = 100.0 * exp(1.0 - 10.0 / 9.0) * (6.0 / 7.0 * 4.0 / 5.0 * 2.0 / 3.0_f64).sqrt().sqrt();
        assert!((score.bleu - expected).abs() < 1e-12, "{score:?}");
        assert_eq!(bleu.corpus(&[]), Err(Error::NoUnits { unit: "segments" }));
    }

    #[test]
    fn smoothing_decides_orders_without_matches() {
        let score = |smoothing| {
            let bleu = Bleu { smoothing, ..Bleu::default() };
            bleu.corpus(&[bleu.segment("a b x c d", &["a b c d y"]).unwrap()]).unwrap()
        };
        assert_eq!(score(Smoothing::Exp).precisions, [80.0, 50.0, 100.0 / 6.0, 12.5]);
        assert_eq!(score(Smoothing::None).bleu, 0.0);
        assert_eq!(score(Smoothing::Floor(0.1)).precisions[3], 5.0);
        assert_eq!(score(Smoothing::AddK(1.0)).precisions, [80.0, 60.0, 25.0, 100.0 / 3.0]);
    }

    #[test]
    fn short_sentences_have_scores_only_by_effective_orders() {
        let counts = Bleu::SENTENCE.segment("a b", &["a b"]).unwrap();
        assert_eq!(Bleu::default().score(counts).bleu, 0.0);
        assert!((Bleu::SENTENCE.score(counts).bleu - 100.0).abs() < 1e-12);
        assert_eq!(Bleu::SENTENCE.score(SegmentCounts::default()).bleu, 0.0);
    }
}
