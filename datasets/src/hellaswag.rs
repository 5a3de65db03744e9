//! HellaSwag: which of four endings follows?
//!
//! Layouts: `hellaswag_{train,val,test}.jsonl` of rowanz/hellaswag and the parquet files of Rowan/hellaswag on the
//! Hugging Face hub have `ind`, `activity_label`, `ctx_a`, `ctx_b`, `endings`, `label` and more; OLMo's requests
//! (`hellaswag.validation.sample1000.jsonl`, 1,000 of the 10,042 validation items) have `ind`, `query`, `choices`,
//! `gold` and are prepared already. Texts are prepared here as lm-evaluation-harness does (`tasks/hellaswag/utils.py`):
//! see [`prepared`].

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, integer, wrong};
use crate::source::Source;
use crate::wikitext::is_space;
use crate::{DataRoots, Result};
use serde::Deserialize;

/// HellaSwag.
pub static HELLASWAG: Dataset = Dataset {
    name: "hellaswag",
    title: "HellaSwag",
    description: "10,042 validation items: the beginning of a description and four endings, one of them real",
    licence: "MIT",
    source: "rowanz/hellaswag on GitHub, data/hellaswag_val.jsonl (Rowan/hellaswag on the Hugging Face hub)",
    paper: "Zellers et al., HellaSwag: Can a Machine Really Finish Your Sentence?, ACL 2019",
    layout: &[
        "hellaswag/hellaswag_val.jsonl",
        "hellaswag/data/validation-00000-of-00001.parquet",
        "hellaswag/hellaswag.validation.sample1000.jsonl",
    ],
    examine: check,
};

/// The beginning of a description and four endings, as they are put to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// number of the item in the whole data set
    pub ind: i64,
    /// activity and beginning, prepared
    pub query: String,
    /// the endings, prepared
    pub endings: [String; 4],
    /// index of the real ending
    pub answer: usize,
}

/// A part of the benchmark whose labels are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples are drawn from these 39,905
    Train,
    /// the 10,042 items that are scored
    Validation,
}

/// Reads the items, in file order.
///
/// Beneath each root it tries `hellaswag/`, `hellaswag/data/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Item>>> {
    let (word, official) = match split {
        Split::Train => ("train", "train"),
        Split::Validation => ("validation", "val"),
    };
    let mut files = vec![format!("hellaswag_{official}.jsonl")];
    files.extend(hub("default", word));
    if split == Split::Validation {
        files.push("hellaswag.validation.sample1000.jsonl".to_owned());
    }
    roots.load(&HELLASWAG, &["hellaswag/", "hellaswag/data/"], &files, parse)
}

#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "integer")]
    ind: i64,
    activity_label: Option<String>,
    ctx_a: Option<String>,
    ctx_b: Option<String>,
    query: Option<String>,
    #[serde(alias = "choices")]
    endings: Vec<String>,
    #[serde(alias = "gold", deserialize_with = "integer")]
    label: i64,
}

fn parse(source: &Source) -> Result<Vec<Item>> {
    rows::parse(source, "objects with activity_label, ctx_a, ctx_b, endings and label, one a line", |row: Row| {
        let (query, endings) = match (row.query, row.activity_label, row.ctx_a, row.ctx_b) {
            (Some(query), ..) => (query, row.endings),
            (None, Some(activity), Some(a), Some(b)) => {
                let query = prepared(&format!("{activity}: {a} {}", capitalized(&b)));
                (query, row.endings.iter().map(|ending| prepared(ending)).collect())
            }
            _ => return wrong("activity_label, ctx_a and ctx_b", "an item without one of them"),
        };
        let endings = match <[String; 4]>::try_from(endings) {
            Ok(endings) => endings,
            Err(endings) => return wrong("four endings", endings.len().to_string()),
        };
        match usize::try_from(row.label) {
            Ok(answer) if answer < 4 => Ok(Some(Item { ind: row.ind, query, endings, answer })),
            _ => wrong("a label from 0 to 3", row.label.to_string()),
        }
    })
}

/// A text without the marks of WikiHow: trimmed, ` [title]` made a full stop, other brackets dropped, two spaces made
/// one.
pub fn prepared(text: &str) -> String {
    let text = text.trim_matches(is_space).replace(" [title]", ". ");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, inside)) = rest.split_once('[') {
        out.push_str(before);
        let line = inside.split('\n').next().unwrap_or_default();
        match line.find(']') {
            Some(end) => rest = &inside[end + 1..],
            None => {
                out.push('[');
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    out.replace("  ", " ")
}

/// Python's `str.capitalize`: the first character in upper case, the others in lower case.
fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters.as_str().to_lowercase().chars()).collect(),
        None => String::new(),
    }
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots, Split::Validation).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check("hellaswag/hellaswag_val.jsonl".to_owned(), outcome)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are the output of lm-evaluation-harness's `preprocess` on the same strings.
    #[test]
    fn texts_are_prepared_as_the_harness_does() {
        for (text, expected) in [
            (
                " Pets: How to. [header] Feed [title] Wash it.  Then [step] dry ",
                "Pets: How to. Feed. Wash it. Then dry",
            ),
            ("a [b\nc] d", "a [b\nc] d"),
            ("[ [x] y", " y"),
            ("a   b", "a  b"),
            ("open [ only", "open [ only"),
        ] {
            assert_eq!(prepared(text), expected, "{text:?}");
        }
        assert_eq!(capitalized("then HE left"), "Then he left");
        assert_eq!(capitalized(""), "");
    }
}
