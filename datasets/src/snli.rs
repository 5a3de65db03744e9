//! SNLI: does a premise entail a hypothesis, contradict it, or neither?
//!
//! Official layout (`snli_1.0.zip` of Stanford): `snli_1.0_{train,dev,test}.jsonl`, objects with `gold_label`,
//! `sentence1` (the premise), `sentence2` (the hypothesis) and more. Where annotators did not agree the gold label is
//! `-`: of the 10,000 test pairs 9,824 have one. The Hugging Face copy (stanfordnlp/snli) has columns `premise`,
//! `hypothesis`, `label` (0 entailment, 1 neutral, 2 contradiction, -1 none) in
//! `plain_text/{train,validation,test}-00000-of-00001.parquet`; tables of the same columns (`test.tsv`) go round
//! without the pairs that have no label.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;
use serde_json::Value;

/// SNLI.
pub static SNLI: Dataset = Dataset {
    name: "snli",
    title: "Stanford Natural Language Inference",
    description: "9,824 test and 9,842 development pairs with a gold label (entailment, neutral, contradiction); 176 and 158 without one",
    licence: "CC BY-SA 4.0",
    source: "snli_1.0.zip of nlp.stanford.edu/projects/snli (stanfordnlp/snli on the Hugging Face hub)",
    paper: "Bowman et al., A large annotated corpus for learning natural language inference, EMNLP 2015",
    layout: &[
        "snli/snli_1.0_{test,dev,train}.jsonl",
        "snli/plain_text/{test,validation,train}-00000-of-00001.parquet",
        "snli/{test,validation,train}.tsv",
    ],
    examine: check,
};

/// What a premise says of a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// it must be true
    Entailment,
    /// it may be true
    Neutral,
    /// it cannot be true
    Contradiction,
}

impl Label {
    /// The word in the official files.
    pub fn name(self) -> &'static str {
        match self {
            Label::Entailment => "entailment",
            Label::Neutral => "neutral",
            Label::Contradiction => "contradiction",
        }
    }
}

/// Two sentences on which the annotators agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// a caption of a photograph
    pub premise: String,
    /// a sentence about the same photograph
    pub hypothesis: String,
    /// the gold label
    pub label: Label,
}

/// The pairs of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    /// those with a gold label, in file order: these are scored
    pub labelled: Vec<Pair>,
    /// premise and hypothesis of those without one
    pub without_gold: Vec<(String, String)>,
}

/// Which part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 549,367 labelled pairs
    Train,
    /// 9,842 labelled pairs; the official files call it `dev`
    Validation,
    /// the 9,824 labelled pairs that are scored
    Test,
}

impl Split {
    /// The word of the Hugging Face copy.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    /// The word in the official file names.
    pub fn official_name(self) -> &'static str {
        match self {
            Split::Validation => "dev",
            _ => self.name(),
        }
    }
}

/// Reads the pairs of a split.
///
/// Beneath each root it tries `snli_1.0/`, `snli/`, `snli/snli_1.0/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Pairs>> {
    let mut files = vec![format!("snli_1.0_{}.jsonl", split.official_name())];
    files.extend(hub("plain_text", split.name()));
    files.push(format!("{}.tsv", split.name()));
    roots.load(&SNLI, &["snli_1.0/", "snli/", "snli/snli_1.0/"], &files, parse)
}

#[derive(Deserialize)]
struct Row {
    #[serde(alias = "sentence1")]
    premise: String,
    #[serde(alias = "sentence2")]
    hypothesis: String,
    #[serde(alias = "gold_label")]
    label: Value,
}

pub(crate) fn parse(source: &Source) -> Result<Pairs> {
    let mut pairs = Pairs::default();
    pairs.labelled = rows::parse(source, "rows of premise, hypothesis and label", |row: Row| {
        let text = row.label.as_str().map_or_else(|| row.label.to_string(), str::to_owned);
        let label = match text.as_str() {
            "entailment" | "0" => Label::Entailment,
            "neutral" | "1" => Label::Neutral,
            "contradiction" | "2" => Label::Contradiction,
            "-" | "-1" => {
                pairs.without_gold.push((row.premise, row.hypothesis));
                return Ok(None);
            }
            other => {
                return wrong("a label: entailment, neutral, contradiction, 0, 1, 2, - or -1", format!("{other:?}"));
            }
        };
        if row.hypothesis.trim().is_empty() {
            return wrong("a hypothesis", "an empty string");
        }
        Ok(Some(Pair { premise: row.premise, hypothesis: row.hypothesis, label }))
    })?;
    Ok(pairs)
}

/// The two small splits; `train` is read by nobody.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let state = |split: Split| {
        let outcome = read(roots, split).map(|loaded| (loaded.content.labelled.len(), loaded.files));
        file_check(format!("snli/snli_1.0_{}.jsonl", split.official_name()), outcome)
    };
    vec![state(Split::Test), state(Split::Validation)]
}
