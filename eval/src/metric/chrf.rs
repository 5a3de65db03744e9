//! chrF and chrF++: how many character n-grams, and for chrF++ words and pairs of words, two texts have in common.
//!
//! For every order, characters 1 to 6 without white space and for chrF++ words 1 to 2, the n-grams of hypothesis,
//! reference and both are counted over the corpus: `precision = matches / hypothesis`, `recall = matches / reference`.
//! P and R are their means over the orders of which both sides have n-grams, and
//!
//! `chrF2 = 100 (1 + 2²) P R / (2² P + R)`
//!
//! (Popović 2015, 2017), recall counting twice as much. Of several references of a segment, the one with the best score
//! counts, of equal ones the first. Equal to sacreBLEU 2.6.0 (`metrics/chrf.py`), without its epsilon smoothing.

use super::ngram::{Counts, characters, total};
pub use super::signature::{Case, References};
use super::{Direction, Error, Metric, signature::SACREBLEU_VERSION};
use crate::python::words;

/// chrF2 of a corpus.
pub static CHRF: Metric = Metric {
    key: "chrf",
    summary: "F-score of character n-grams, recall weighted twice, 0 to 100",
    formula: "100 (1 + b²) P R / (b² P + R), b = 2, P and R means over character n-grams, n = 1..6",
    direction: Direction::HigherIsBetter,
    source: "Popović 2015; sacreBLEU 2.6.0, metrics/chrf.py",
};

/// chrF2++ of a corpus.
pub static CHRF_PLUS_PLUS: Metric = Metric {
    key: "chrf++",
    summary: "F-score of character n-grams, words and word pairs, recall weighted twice, 0 to 100",
    formula: "100 (1 + b²) P R / (b² P + R), b = 2, P and R means over character (1..6) and word n-grams (1..2)",
    direction: Direction::HigherIsBetter,
    source: "Popović 2017; sacreBLEU 2.6.0, metrics/chrf.py with word_order 2",
};

pub(super) const METRICS: &[&Metric] = &[&CHRF, &CHRF_PLUS_PLUS];

/// The longest character n-grams that count.
pub const CHARACTER_ORDERS: usize = 6;
/// The longest word n-grams that count in chrF++.
const WORD_ORDERS: usize = 2;

/// How chrF is computed: all that its signature names, but the number of references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chrf {
    /// with words or without
    pub variant: Variant,
    /// whether capitals count
    pub case: Case,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// chrF2: characters
    #[default]
    Chrf,
    /// chrF2++: characters and words
    ChrfPlusPlus,
}

/// N-grams of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderCounts {
    /// in the hypothesis; 0 if the reference is too short to have any
    pub hypothesis: u64,
    /// in the reference
    pub reference: u64,
    /// in both
    pub matches: u64,
}

/// What a segment adds to a corpus: all that its texts have to do with the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentCounts {
    /// characters 1 to 6, then words 1 to 2; the latter zero for chrF
    pub orders: [OrderCounts; CHARACTER_ORDERS + WORD_ORDERS],
}

impl std::ops::AddAssign<&Self> for SegmentCounts {
    fn add_assign(&mut self, other: &Self) {
        for (sum, order) in self.orders.iter_mut().zip(&other.orders) {
            sum.hypothesis += order.hypothesis;
            sum.reference += order.reference;
            sum.matches += order.matches;
        }
    }
}

impl SegmentCounts {
    /// chrF, 0 to 100.
    pub fn score(&self) -> f64 {
        const WEIGHT: f64 = 4.0; // b²
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for order in self.orders.iter().filter(|order| order.hypothesis > 0 && order.reference > 0) {
            precision += order.matches as f64 / order.hypothesis as f64;
            recall += order.matches as f64 / order.reference as f64;
            orders += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        100.0 * ((1.0 + WEIGHT) * precision * recall / (WEIGHT * precision + recall))
    }
}

/// A text as its n-grams are taken from it.
struct Text<'a> {
    characters: Vec<char>,
    words: Vec<&'a str>,
}

impl Chrf {
    /// chrF2++: words and characters.
    pub const PLUS_PLUS: Self = Self { variant: Variant::ChrfPlusPlus, case: Case::Mixed };

    /// The counts of one segment against the reference that gives it the best score.
    ///
    /// # Errors
    /// [`Error::NoReferences`].
    pub fn segment(&self, hypothesis: &str, references: &[&str]) -> Result<SegmentCounts, Error> {
        let hypothesis = self.case.apply(hypothesis);
        let hypothesis = self.text(&hypothesis);
        let mut best: Option<(f64, SegmentCounts)> = None;
        for reference in references {
            let reference = self.case.apply(reference);
            let counts = compare(&hypothesis, &self.text(&reference));
            let score = counts.score();
            if best.is_none_or(|(largest, _)| score > largest) {
                best = Some((score, counts));
            }
        }
        best.map(|(_, counts)| counts).ok_or(Error::NoReferences)
    }

    fn text<'a>(&self, text: &'a str) -> Text<'a> {
        let words = match self.variant {
            Variant::Chrf => Vec::new(),
            Variant::ChrfPlusPlus => split_words(text),
        };
        Text { characters: characters(text), words }
    }

    /// The score of a corpus, or of a resample of one, 0 to 100.
    ///
    /// # Errors
    /// [`Error::NoUnits`] without segments.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = &'a SegmentCounts>) -> Result<f64, Error> {
        Ok(super::sum(segments)?.score())
    }

    /// The signature, as sacreBLEU writes it.
    pub fn signature(&self, references: References) -> String {
        let words = match self.variant {
            Variant::Chrf => 0,
            Variant::ChrfPlusPlus => WORD_ORDERS,
        };
        let case = self.case.name();
        let orders = format!("nc:{CHARACTER_ORDERS}|nw:{words}");
        format!("nrefs:{references}|case:{case}|eff:yes|{orders}|space:no|version:{SACREBLEU_VERSION}")
    }
}

fn compare(hypothesis: &Text<'_>, reference: &Text<'_>) -> SegmentCounts {
    let mut counts = SegmentCounts::default();
    let (characters, words) = counts.orders.split_at_mut(CHARACTER_ORDERS);
    fill(characters, &hypothesis.characters, &reference.characters);
    fill(words, &hypothesis.words, &reference.words);
    counts
}

/// Counts n-grams of the orders from 1 on.
fn fill<T: Ord>(orders: &mut [OrderCounts], hypothesis: &[T], reference: &[T]) {
    for (order, counts) in (1..).zip(orders) {
        counts.reference = total(reference.len(), order);
        if counts.reference > 0 {
            counts.hypothesis = total(hypothesis.len(), order);
            counts.matches = Counts::of(hypothesis, order).clipped(&[Counts::of(reference, order)]);
        }
    }
}

/// The words of a text; one ASCII punctuation mark at the end of a word, or else at its beginning, is a word itself.
fn split_words(text: &str) -> Vec<&str> {
    let mut split = Vec::new();
    for word in words(text) {
        let last = word.char_indices().next_back().map_or(0, |(start, _)| start);
        // A word of one character stays whole.
        if last > 0 && word.ends_with(|character: char| character.is_ascii_punctuation()) {
            split.extend([&word[..last], &word[last..]]);
        } else if last > 0 && word.starts_with(|character: char| character.is_ascii_punctuation()) {
            split.extend([&word[..1], &word[1..]]);
        } else {
            split.push(word);
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_is_split_off_a_word() {
        assert_eq!(
            split_words("(hi) \"so .. . né! ¿qué?"),
            ["(hi", ")", "\"", "so", ".", ".", ".", "né", "!", "¿qué", "?"]
        );
    }

    #[test]
    fn counts_and_score_of_a_segment() {
        let counts = Chrf::PLUS_PLUS.segment("ab c", &["ab d"]).unwrap();
        let order = |hypothesis, reference, matches| OrderCounts { hypothesis, reference, matches };
        assert_eq!(counts.orders[..3], [order(3, 3, 2), order(2, 2, 1), order(1, 1, 0)]);
        assert_eq!(counts.orders[3..6], [OrderCounts::default(); 3]);
        assert_eq!(counts.orders[6..], [order(2, 2, 1), order(1, 1, 0)]);
        // P = R = (2/3 + 1/2 + 0 + 1/2 + 0) / 5.
        assert!((counts.score() - 100.0 / 3.0).abs() < 1e-12);
        // The reference is too short for n-grams of 2: those of the hypothesis do not count.
        assert_eq!(Chrf::default().segment("ab", &["a"]).unwrap().orders[..2], [order(2, 1, 1), order(0, 0, 0)]);
    }

    #[test]
    fn the_best_reference_counts() {
        let chrf = Chrf::default();
        let near = chrf.segment("kitten", &["kitten"]).unwrap();
        assert_eq!(chrf.segment("kitten", &["sitting", "kitten", "mitten"]), Ok(near));
        assert_eq!(chrf.corpus(&[near]), Ok(100.0));
        assert_eq!(chrf.segment("kitten", &[]), Err(Error::NoReferences));
        assert!(chrf.corpus(&[]).is_err());
    }
}
