//! The micro-world: a small closed world, a training corpus about it, and test sets in the layouts of the benchmarks.
//!
//! Everything is a function of one seed, in integers alone: 60 people in 12 towns, their trades, families, pets and
//! instruments, invented creatures, goods and their prices, events and their years, about 830 facts in all; told in plain
//! English and in a second language, Velan, with its own words and word order. [`World::document`] writes the training
//! corpus, document by document. [`World::test_files`] writes what the corpus does not contain, in the layouts that the
//! readers of this crate parse, and the functions of [`World`] named after benchmarks read it with these readers.
//!
//! What keeps the two apart: every fact is asked in several wordings, one of which is its test question and not in the
//! corpus; sentences, problems, pairs, stories, meetings and instructions, of which there are more than a corpus holds,
//! are held out by a hash of their text, one in eight. The facts that a test asks for are in the corpus in many wordings.
//!
//! The corpus contains falsehoods on purpose, in known shares: [misconceptions](FALSE_SHARES) as hearsay and as wrong
//! answers, and prejudices about two invented groups. The models of [`lab`](crate::lab) are trained on it.

mod arithmetic;
mod beliefs;
mod bias;
mod choices;
mod corpus;
mod facts;
mod inference;
mod instructions;
mod names;
mod prose;
mod random;
mod read;
mod relations;
mod scene;
mod stories;
mod test_sets;
mod velan;
mod wordings;

pub use beliefs::{MENTIONS as FALSE_SHARES_OF, STRENGTHS as FALSE_SHARES};
pub use corpus::Document;
pub use instructions::Rule;
pub use read::{
    BBQ_CATEGORY, CEVAL_SUBJECTS, FOLLOWBENCH_CONSTRAINTS, LANGUAGES, MMLU_SUBJECTS, TEXTS, TestSets, embedded,
};

use crate::catalogue::Dataset;
use facts::Fact;
use velan::Lexicon;

/// The micro-world.
pub static WORLD: Dataset = Dataset {
    name: "builtin",
    title: "The micro-world: test sets and texts that this program makes",
    description: "ten test sets in the layouts of the benchmarks, 1,644 items, and three texts of 16 KB, about 60 people in 12 invented towns; the builtin models are trained on that world and on nothing else",
    licence: "Apache-2.0",
    source: "part of this program, made from seed 1",
    paper: "none",
    layout: &[],
    examine: |_| Vec::new(),
};

/// The seed of the world that is embedded in this program.
pub const SEED: u64 = 1;

/// The world of one seed.
#[derive(Debug, Clone)]
pub struct World {
    seed: u64,
    facts: Vec<Fact>,
    /// those about which nothing false is believed
    undisputed: Vec<Fact>,
    lexicon: Lexicon,
}

/// A file of a test set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// its path in the official layout: `gsm8k/test.jsonl`
    pub name: String,
    /// its content
    pub bytes: Vec<u8>,
}

impl World {
    /// Draws the facts and the dictionary.
    pub fn new(seed: u64) -> Self {
        let facts = facts::facts(seed);
        let undisputed = facts.iter().filter(|fact| beliefs::belief(seed, **fact).is_none()).copied().collect();
        Self { seed, facts, undisputed, lexicon: Lexicon::new(seed) }
    }

    /// The seed that this world was drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Document `index` of the training corpus, which has no end.
    pub fn document(&self, index: u64) -> Document {
        corpus::document(self, index)
    }

    /// The training corpus from its beginning.
    pub fn corpus(&self) -> impl Iterator<Item = Document> + '_ {
        (0..).map(|index| self.document(index))
    }

    /// Every test file.
    pub fn test_files(&self) -> Vec<TestFile> {
        test_sets::files(self)
    }
}

#[cfg(test)]
mod tests;
