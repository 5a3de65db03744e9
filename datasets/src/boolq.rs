//! BoolQ: yes or no, according to a paragraph of Wikipedia.
//!
//! Layouts: Google's `{train,dev}.jsonl`, objects `{"question", "title", "answer": true, "passage"}`; SuperGLUE's
//! `BoolQ/{train,val}.jsonl`, objects `{"question", "passage", "idx", "label": true}`; the parquet files of
//! google/boolq and super_glue (configuration boolq, `label` 1 for yes) on the Hugging Face hub. Google's passages and
//! SuperGLUE's are not the same strings: SuperGLUE's begin with the title of the page.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;
use serde_json::Value;

/// BoolQ.
pub static BOOLQ: Dataset = Dataset {
    name: "boolq",
    title: "BoolQ",
    description: "3,270 development questions with a paragraph of Wikipedia that answers yes or no",
    licence: "CC BY-SA 3.0",
    source: "BoolQ.zip of SuperGLUE, val.jsonl (super_glue on the Hugging Face hub, configuration boolq), which lm-evaluation-harness reads; dev.jsonl of google-research-datasets/boolean-questions",
    paper: "Clark et al., BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions, NAACL 2019",
    layout: &["boolq/val.jsonl", "boolq/boolq/validation-00000-of-00001.parquet", "boolq/dev.jsonl"],
    examine: check,
};

/// A question and the paragraph that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// the question, without a question mark
    pub question: String,
    /// the paragraph
    pub passage: String,
    /// the answer
    pub answer: Answer,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// label 0
    No,
    /// label 1
    Yes,
}

/// A part of the benchmark whose answers are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples are drawn from these 9,427
    Train,
    /// the 3,270 questions that are scored
    Validation,
}

/// Reads the questions, in file order.
///
/// Beneath each root it tries `boolq/`, `BoolQ/`, `super_glue/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Item>>> {
    let (word, official): (_, &[&str]) = match split {
        Split::Train => ("train", &["train.jsonl"]),
        Split::Validation => ("validation", &["val.jsonl", "dev.jsonl"]),
    };
    let mut files: Vec<String> = official.iter().map(|file| (*file).to_owned()).collect();
    files.extend(hub("boolq", word).into_iter().filter(|file| file != official[0]));
    roots.load(&BOOLQ, &["boolq/", "BoolQ/", "super_glue/"], &files, parse)
}

fn parse(source: &Source) -> Result<Vec<Item>> {
    #[derive(Deserialize)]
    struct Row {
        question: String,
        passage: String,
        #[serde(alias = "label")]
        answer: Value,
    }
    rows::parse(source, "objects with question, passage and answer, one a line", |row: Row| {
        let text = row.answer.as_str().map_or_else(|| row.answer.to_string(), str::to_owned);
        let answer = match text.as_str() {
            "false" | "False" | "0" => Answer::No,
            "true" | "True" | "1" => Answer::Yes,
            other => return wrong("the answer true or false, or the label 1 or 0", other),
        };
        Ok(Some(Item { question: row.question, passage: row.passage, answer }))
    })
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots, Split::Validation).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check("boolq/val.jsonl".to_owned(), outcome)]
}
