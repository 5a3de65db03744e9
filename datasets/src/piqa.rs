//! PIQA: which of two ways reaches a goal in the physical world?
//!
//! Official layout (`physicaliqa-train-dev.zip`): `{train,dev}.jsonl`, objects `{"goal", "sol1", "sol2"}`, and
//! `{train,dev}-labels.lst`, one label 0 or 1 a line; the authors' repository calls the latter split `valid`. The
//! Hugging Face copies have columns `goal`, `sol1`, `sol2`, `label` in `plain_text/{train,validation}-*.parquet`.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::{Loaded, PinStatus};
use crate::rows::{self, hub, integer, wrong};
use crate::source::Source;
use crate::{DataRoots, Error, Result, pins};
use serde::Deserialize;
use std::path::Path;

/// PIQA.
pub static PIQA: Dataset = Dataset {
    name: "piqa",
    title: "Physical Interaction: Question Answering",
    description: "1,838 validation goals and two ways to reach each",
    licence: "AFL 3.0",
    source: "physicaliqa-train-dev.zip of AI2, or ybisk/ybisk.github.io on GitHub, piqa/data (ybisk/piqa on the Hugging Face hub)",
    paper: "Bisk et al., PIQA: Reasoning about Physical Commonsense in Natural Language, AAAI 2020",
    layout: &[
        "piqa/{dev,valid}.jsonl with piqa/{dev,valid}-labels.lst beside it",
        "piqa/plain_text/validation-00000-of-00001.parquet",
    ],
    examine: check,
};

/// A goal and two ways to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// what is to be done
    pub goal: String,
    /// two ways to do it
    pub solutions: [String; 2],
    /// index of the right one
    pub answer: usize,
}

/// A part of the benchmark whose labels are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples are drawn from these 16,113
    Train,
    /// the 1,838 goals that are scored
    Validation,
}

/// Reads the goals, in file order.
///
/// Beneath each root it tries `piqa/`, `physicaliqa-train-dev/`, `piqa/physicaliqa-train-dev/`, `piqa/data/` and the
/// root itself.
///
/// # Errors
/// [`Error::Missing`], [`Error::Pin`], [`Error::Count`] where there is not one label a goal, or what is wrong with a
/// file, with the line.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Item>>> {
    let (word, official): (_, &[&str]) = match split {
        Split::Train => ("train", &["train.jsonl"]),
        Split::Validation => ("validation", &["dev.jsonl", "valid.jsonl"]),
    };
    let mut files: Vec<String> = official.iter().map(|file| (*file).to_owned()).collect();
    files.extend(hub("plain_text", word).into_iter().filter(|file| file != official[0]));
    let folders = ["piqa/", "physicaliqa-train-dev/", "piqa/physicaliqa-train-dev/", "piqa/data/"];
    let source = roots.source(&PIQA, &folders, &files)?;
    let mut loaded = Vec::from([source.identify(roots.pinning(), &pins::of(&source.name))?]);
    let labels = match &source.path {
        Some(path) if official.iter().any(|file| source.name.ends_with(file)) => {
            let labels = labels_beside(roots, path)?;
            loaded.push(labels.identify(roots.pinning(), &pins::of(&labels.name))?);
            Some(labels)
        }
        _ => None,
    };
    Ok(Loaded { content: parse(&source, labels.as_ref())?, files: loaded })
}

/// The file of labels that belongs to the file of goals at `path`.
fn labels_beside(roots: &DataRoots, path: &Path) -> Result<Source> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}-labels.lst");
    let labels = path.with_file_name(&name);
    if !labels.is_file() {
        return Err(roots.missing(&PIQA, &format!("piqa/{name}"), vec![labels.display().to_string()]));
    }
    Source::read(&labels, format!("piqa/{name}"))
}

#[derive(Deserialize)]
struct Row {
    goal: String,
    sol1: String,
    sol2: String,
    #[serde(default = "no_label", deserialize_with = "integer")]
    label: i64,
}

fn no_label() -> i64 {
    -1
}

fn parse(source: &Source, labels: Option<&Source>) -> Result<Vec<Item>> {
    let labels = match labels {
        None => None,
        Some(file) => Some((file, file.text("one label 0 or 1 a line")?.lines().collect::<Vec<_>>())),
    };
    let mut index = 0;
    let items = rows::parse(source, "objects with goal, sol1 and sol2, one a line", |row: Row| {
        let label = match &labels {
            None => row.label.to_string(),
            Some((_, labels)) => labels.get(index).copied().unwrap_or("0").trim().to_owned(),
        };
        index += 1;
        let answer = match label.as_str() {
            "0" => 0,
            "1" => 1,
            other => return wrong("the label 0 or 1", format!("{other:?}")),
        };
        Ok(Some(Item { goal: row.goal, solutions: [row.sol1, row.sol2], answer }))
    })?;
    match labels {
        Some((file, labels)) if labels.len() != items.len() => {
            Err(Error::Count { file: file.label(), what: "labels", expected: items.len(), found: labels.len() })
        }
        _ => Ok(items),
    }
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots, Split::Validation).map(|loaded| (loaded.content.len(), loaded.files));
    // Goals are the official ones only with the official labels.
    let outcome = outcome.map(|(count, mut files)| {
        if files.iter().any(|file| file.status == PinStatus::Unpinned) {
            files.iter_mut().for_each(|file| file.status = PinStatus::Unpinned);
        }
        (count, files)
    });
    vec![file_check("piqa/dev.jsonl".to_owned(), outcome)]
}
