//! WinoGrande: which of two names does the blank stand for?
//!
//! Layouts: `winogrande_1.1.zip` has `winogrande_1.1/{train_<size>,dev}.jsonl`, objects `{"qID", "sentence", "option1",
//! "option2", "answer"}`, the answer being `"1"` or `"2"` and the blank `_`; the Hugging Face copy (allenai/winogrande)
//! has the same fields without `qID` in `winogrande_xl/{train,validation}-00000-of-00001.parquet`, of which exports go
//! round as `winogrande_xl.validation.jsonl`.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, identifier, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;

/// WinoGrande.
pub static WINOGRANDE: Dataset = Dataset {
    name: "winogrande",
    title: "WinoGrande",
    description: "1,267 development sentences with a blank and two names that could fill it",
    licence: "CC BY",
    source: "winogrande_1.1.zip of AI2 (allenai/winogrande on the Hugging Face hub, configuration winogrande_xl)",
    paper: "Sakaguchi et al., WinoGrande: An Adversarial Winograd Schema Challenge at Scale, AAAI 2020",
    layout: &[
        "winogrande/winogrande_1.1/dev.jsonl",
        "winogrande/winogrande_xl/validation-00000-of-00001.parquet",
        "winogrande/winogrande_xl.validation.jsonl",
    ],
    examine: check,
};

/// A sentence with a blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// the sentence, with `_` where the name is left out
    pub sentence: String,
    /// what may stand there
    pub options: [String; 2],
    /// index of the right option
    pub answer: usize,
}

impl Item {
    /// The sentence before the blank and after it.
    pub fn around_blank(&self) -> (&str, &str) {
        self.sentence.split_once('_').unwrap_or((&self.sentence, ""))
    }
}

/// A part of the benchmark whose answers are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// the largest training set: few-shot examples are drawn from its 40,398
    Train,
    /// the 1,267 sentences that are scored; the official files call it `dev`
    Validation,
}

/// Reads the sentences, in file order.
///
/// Beneath each root it tries `winogrande/`, `winogrande_1.1/`, `winogrande/winogrande_1.1/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Item>>> {
    let (word, official) = match split {
        Split::Train => ("train", "train_xl"),
        Split::Validation => ("validation", "dev"),
    };
    let mut files = vec![format!("{official}.jsonl")];
    files.extend(hub("winogrande_xl", word));
    files.push(format!("winogrande_xl.{word}.jsonl"));
    roots.load(&WINOGRANDE, &["winogrande/", "winogrande_1.1/", "winogrande/winogrande_1.1/"], &files, parse)
}

fn parse(source: &Source) -> Result<Vec<Item>> {
    #[derive(Deserialize)]
    struct Row {
        sentence: String,
        option1: String,
        option2: String,
        #[serde(deserialize_with = "identifier")]
        answer: String,
    }
    rows::parse(source, "objects with sentence, option1, option2 and answer, one a line", |row: Row| {
        let blanks = row.sentence.matches('_').count();
        if blanks != 1 {
            return wrong("a sentence with one blank _", format!("{blanks} in {:?}", row.sentence));
        }
        let answer = match row.answer.as_str() {
            "1" => 0,
            "2" => 1,
            other => return wrong("the answer 1 or 2", format!("{other:?}")),
        };
        Ok(Some(Item { sentence: row.sentence, options: [row.option1, row.option2], answer }))
    })
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots, Split::Validation).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check("winogrande/dev.jsonl".to_owned(), outcome)]
}
