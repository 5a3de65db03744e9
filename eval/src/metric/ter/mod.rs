//! TER, translation edit rate: how many edits turn a generated text into its reference, per word of the reference.
//!
//! An edit puts a word in, leaves one out, replaces one, or shifts a run of words to another place. A hundred times the
//! edits of all segments, divided by the words of all references; of several references of a segment the one that needs
//! least edits counts, and the mean of their lengths (Snover et al. 2006). The least number with shifts is not known to
//! be computable fast: shifts are found greedily, as Tercom and sacreBLEU find them, and the bounds of that search are
//! part of the metric.
//!
//! Equal to sacreBLEU 2.6.0 (`metrics/ter.py`, `metrics/lib_ter.py`) as it is by default: texts in lower case, cut at
//! white space only, punctuation kept.

mod edit_distance;
mod shift;

use crate::python::words;
pub use super::signature::References;
use super::signature::{Case, SACREBLEU_VERSION};
use super::{Direction, Error, Metric};
use std::collections::BTreeMap;

/// Translation edit rate of a corpus.
pub static TER: Metric = Metric {
    key: "ter",
    summary: "edits that turn the texts into their references, per hundred words of these",
    formula: "100 sum(edits_i) / sum(mean words of the references of segment i)",
    direction: Direction::LowerIsBetter,
    source: "Snover et al. 2006; sacreBLEU 2.6.0, metrics/ter.py",
};

pub(super) const METRICS: &[&Metric] = &[&TER];

/// What a segment adds to a corpus: all that its texts have to do with the score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SegmentCounts {
    /// edits to the reference that needs least
    pub edits: u64,
    /// mean length of the references, in words
    pub reference_words: f64,
}

impl std::ops::AddAssign<&Self> for SegmentCounts {
    fn add_assign(&mut self, other: &Self) {
        self.edits += other.edits;
        self.reference_words += other.reference_words;
    }
}

impl SegmentCounts {
    /// TER, from 0; above 100 if there are more edits than words.
    pub fn score(&self) -> f64 {
        match (self.reference_words > 0.0, self.edits) {
            (true, edits) => 100.0 * (edits as f64 / self.reference_words),
            (false, 0) => 0.0,
            (false, _) => 100.0,
        }
    }
}

/// The counts of one segment.
///
/// # Errors
/// [`Error::NoReferences`].
pub fn segment(hypothesis: &str, references: &[&str]) -> Result<SegmentCounts, Error> {
    let mut numbers = BTreeMap::new();
    let hypothesis = numbered(hypothesis, &mut numbers);
    let references: Vec<Vec<u32>> = references.iter().map(|reference| numbered(reference, &mut numbers)).collect();
    let edits = references.iter().map(|reference| shift::edits(&hypothesis, reference)).min();
    let total: usize = references.iter().map(Vec::len).sum();
    Ok(SegmentCounts {
        edits: edits.ok_or(Error::NoReferences)?,
        reference_words: total as f64 / references.len() as f64,
    })
}

/// The words of a text in lower case, equal words as equal numbers.
fn numbered(text: &str, numbers: &mut BTreeMap<String, u32>) -> Vec<u32> {
    let number = |word: &str| {
        let next = numbers.len() as u32;
        *numbers.entry(word.to_owned()).or_insert(next)
    };
    words(&Case::Lower.apply(text)).map(number).collect()
}

/// The score of a corpus, or of a resample of one.
///
/// # Errors
/// [`Error::NoUnits`] without segments.
pub fn corpus<'a>(segments: impl IntoIterator<Item = &'a SegmentCounts>) -> Result<f64, Error> {
    Ok(super::sum(segments)?.score())
}

/// The signature, as sacreBLEU writes it.
pub fn signature(references: References) -> String {
    let case = Case::Lower.name();
    format!("nrefs:{references}|case:{case}|tok:tercom|norm:no|punct:yes|asian:no|version:{SACREBLEU_VERSION}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_per_word_of_the_references() {
        let counts = segment("THE cat sat down", &["down the cat sat", "a dog"]).unwrap();
        assert_eq!(counts, SegmentCounts { edits: 1, reference_words: 3.0 });
        assert_eq!(corpus(&[counts, segment("a", &["b"]).unwrap()]), Ok(50.0));
        assert_eq!(segment("a", &[]), Err(Error::NoReferences));
        assert!(corpus(&[]).is_err());
    }

    #[test]
    fn empty_texts() {
        assert_eq!(segment("", &[""]).unwrap().score(), 0.0);
        assert_eq!(segment("a b", &[" "]).unwrap().score(), 100.0);
        assert_eq!(segment(" ", &["a b"]).unwrap().score(), 100.0);
    }
}
