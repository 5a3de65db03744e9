//! What a task is, for a reader: the card that `nibble tasks show` prints.

use super::{Inputs, Suite, TaskId};
use crate::error::Error;
use datasets::Dataset;

/// One line of the registry: a name, what it means, and how it is made.
pub struct Entry {
    /// Name as typed, for example `mmlu`; `mmlu_<subject>` stands for a name for each subject.
    pub name: &'static str,
    /// What it measures, in one sentence.
    pub summary: &'static str,
    /// Data sets it reads; a file of the user's is none.
    pub datasets: &'static [&'static Dataset],
    /// Which part of the data set is scored, and which gives worked examples.
    pub split: &'static str,
    /// What may stand after `:`.
    pub variants: &'static [(&'static str, &'static str)],
    /// Its protocols.
    pub protocols: &'static [Protocol],
    /// The protocol taken where none is given.
    pub default_protocol: &'static str,
    /// Why it is the default.
    pub default_reason: &'static str,
    /// Metrics it reports, the main one first.
    pub metrics: &'static [&'static str],
    /// A prompt in full, of a document of our own writing.
    pub example: &'static str,
    /// The names that this line answers to.
    pub(super) names: fn() -> Vec<String>,
    /// The protocol that a word means, in its canonical spelling.
    pub(super) canonical_protocol: fn(&str) -> Option<String>,
    /// Adds the task, or the members and groups of a group, to a suite.
    pub(super) build: for<'a> fn(&TaskId, &Inputs<'a>, &mut Suite<'a>) -> Result<(), Error>,
}

/// One published way of asking and scoring.
pub struct Protocol {
    /// Word after `@`; `<tokens>` stands for a number.
    pub name: &'static str,
    /// What it does, exactly enough to tell it from the others.
    pub summary: &'static str,
    /// The code that it follows.
    pub source: &'static str,
}

/// The word of lm-evaluation-harness's protocol.
pub(super) const LM_EVAL: &str = "lm-eval";

/// Why a benchmark that the paper does not have goes by lm-evaluation-harness.
pub(super) const ONLY_LM_EVAL: &str = "published numbers are measured so; the paper does not have this benchmark";

/// The protocol called `word`.
pub(super) fn find_protocol(protocols: &[Protocol], word: &str) -> Option<String> {
    protocols.iter().find(|protocol| protocol.name == word).map(|protocol| protocol.name.to_string())
}

impl Entry {
    /// Every name that this line answers to: one, or one a subject.
    pub fn names(&self) -> Vec<String> {
        (self.names)()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}
