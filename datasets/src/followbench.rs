//! FollowBench: instructions to which constraints are added one by one.
//!
//! Official layout (YJiangcm/FollowBench): `data/<type>_constraints.json` in English, `data_zh/<type>_constraints.json`
//! in Chinese, each a list of `{"example_id", "category", "source", "level", "instruction", "target"}`; items of the
//! type `example` in English have `answer` as well. Level 0 is the instruction without constraints, which is not
//! scored; level n has n of them. The order matters: the items of an example follow each other by level, and the
//! authors' scripts count on it.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;

/// FollowBench.
pub static FOLLOWBENCH: Dataset = Dataset {
    name: "followbench",
    title: "FollowBench, instructions with 1 to 5 constraints",
    description: "820 English items at levels 1 to 5 (content 125, situation 110, style 150, format 150, example 200, mixed 85), 350 of them scored by rules; 790 Chinese",
    licence: "Apache-2.0",
    source: "YJiangcm/FollowBench on GitHub, data and data_zh (the same files at YuxinJiang/FollowBench on the Hugging Face hub)",
    paper: "Jiang et al., FollowBench: A Multi-level Fine-grained Constraints Following Benchmark for Large Language Models, ACL 2024",
    layout: &["followbench/data/<type>_constraints.json", "followbench/data_zh/<type>_constraints.json"],
    examine: check,
};

/// In which language the instructions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// the folder `data`
    English,
    /// the folder `data_zh`
    Chinese,
}

impl Language {
    fn folder(self) -> &'static str {
        match self {
            Language::English => "data",
            Language::Chinese => "data_zh",
        }
    }
}

/// A type of constraint, and a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constraint {
    /// what the answer must say
    Content,
    /// circumstances that change the answer
    Situation,
    /// how the answer sounds
    Style,
    /// how the answer is laid out
    Format,
    /// a pattern shown by examples
    Example,
    /// several types in one chain
    Mixed,
}

impl Constraint {
    /// All types, in the order of the authors' scripts.
    pub const ALL: [Constraint; 6] = [
        Constraint::Content,
        Constraint::Situation,
        Constraint::Style,
        Constraint::Format,
        Constraint::Example,
        Constraint::Mixed,
    ];

    /// The word in file names and results.
    pub fn name(self) -> &'static str {
        match self {
            Constraint::Content => "content",
            Constraint::Situation => "situation",
            Constraint::Style => "style",
            Constraint::Format => "format",
            Constraint::Example => "example",
            Constraint::Mixed => "mixed",
        }
    }
}

/// One instruction with the constraints of its level.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// number of the example within its file, from 1; its levels share it
    pub example_id: u32,
    /// types of the constraints added so far, separated by a comma and a space
    pub category: String,
    /// where the instruction comes from: says which rule scores it
    pub source: String,
    /// how many constraints were added, 0 to 5
    pub level: u8,
    /// the whole text for the model; some are empty at level 0
    pub instruction: String,
    /// what rules compare with; often empty
    pub target: String,
    /// the right answer inside the pattern, of English items of the type `example`
    #[serde(default)]
    pub answer: Option<String>,
}

/// Reads the items of one file, level 0 included, in file order.
///
/// Beneath each root it tries `followbench/`, `FollowBench/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file:
/// [`Item`](crate::Error::Item) where the levels of an example are not all there or not in order.
pub fn read(roots: &DataRoots, language: Language, constraint: Constraint) -> Result<Loaded<Vec<Item>>> {
    let files = [file(language, constraint)];
    roots.load(&FOLLOWBENCH, &["followbench/", "FollowBench/"], &files, |source| parse(source, constraint))
}

fn file(language: Language, constraint: Constraint) -> String {
    format!("{}/{}_constraints.json", language.folder(), constraint.name())
}

pub(crate) fn parse(source: &Source, constraint: Constraint) -> Result<Vec<Item>> {
    let first_level = if constraint == Constraint::Example { 1 } else { 0 };
    // Example and level of the item before.
    let mut last = (0, 5);
    let items = rows::parse(source, "a JSON list of instructions", |item: Item| {
        let due = match last {
            (example, 5) => (example + 1, first_level),
            (example, level) => (example, level + 1),
        };
        let found = (item.example_id, item.level);
        if found != due {
            return wrong(
                "the levels of one example after the other, each from its first level to 5",
                format!("example {} level {} where example {} level {} is due", found.0, found.1, due.0, due.1),
            );
        }
        if item.level > 0 && item.instruction.trim().is_empty() {
            return wrong("an instruction", "an empty string");
        }
        last = found;
        Ok(Some(item))
    })?;
    if last.1 != 5 {
        let found = format!("a file that ends with level {} of example {}", last.1, last.0);
        let item = items.len() - 1;
        return Err(crate::Error::Item { file: source.label(), item, expected: "every example up to level 5", found });
    }
    Ok(items)
}

/// The English files, and the Chinese ones where they are.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for language in [Language::English, Language::Chinese] {
        for constraint in Constraint::ALL {
            let scored = |items: Vec<Item>| items.iter().filter(|item| item.level > 0).count();
            let outcome = read(roots, language, constraint).map(|loaded| (scored(loaded.content), loaded.files));
            if language == Language::English || !matches!(outcome, Err(crate::Error::Missing { .. })) {
                checks.push(file_check(format!("followbench/{}", file(language, constraint)), outcome));
            }
        }
    }
    checks
}
