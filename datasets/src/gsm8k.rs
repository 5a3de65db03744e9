//! GSM8K: grade-school word problems with worked answers.
//!
//! Official layout (openai/grade-school-math): `grade_school_math/data/{train,test}.jsonl`, objects
//! `{"question", "answer"}`; an answer is the reasoning, with calculator annotations `<<48/2=24>>`, and a last line
//! `#### <number>`. The Hugging Face copy (openai/gsm8k) keeps both columns in
//! `main/{train,test}-00000-of-00001.parquet`.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;

/// GSM8K.
pub static GSM8K: Dataset = Dataset {
    name: "gsm8k",
    title: "GSM8K, grade-school mathematics",
    description: "1,319 test and 7,473 training word problems with worked answers",
    licence: "MIT",
    source: "openai/grade-school-math on GitHub, grade_school_math/data (openai/gsm8k on the Hugging Face hub)",
    paper: "Cobbe et al., Training Verifiers to Solve Math Word Problems, 2021",
    layout: &["gsm8k/{test,train}.jsonl", "gsm8k/main/{test,train}-00000-of-00001.parquet"],
    examine: check,
};

/// A word problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// the question
    pub question: String,
    /// the worked answer as it is written, annotations and last line included
    pub answer: String,
    /// the number after `####`, without its commas
    pub result: String,
}

/// Which part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples are drawn from these 7,473
    Train,
    /// the 1,319 problems that are scored
    Test,
}

impl Split {
    /// The word in the official file names.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
        }
    }
}

/// Reads the problems, in file order.
///
/// Beneath each root it tries `gsm8k/`, `grade_school_math/data/`, `gsm8k/data/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Problem>>> {
    let mut files = vec![format!("{}.jsonl", split.name())];
    files.extend(hub("main", split.name()).into_iter().filter(|file| *file != files[0]).collect::<Vec<_>>());
    roots.load(&GSM8K, &["gsm8k/", "grade_school_math/data/", "gsm8k/data/"], &files, parse)
}

pub(crate) fn parse(source: &Source) -> Result<Vec<Problem>> {
    #[derive(Deserialize)]
    struct Row {
        question: String,
        answer: String,
    }
    rows::parse(source, "objects with question and answer, one a line", |row: Row| {
        let Some(result) = result(&row.answer) else {
            return wrong("an answer with a line \"#### <number>\"", format!("{:?}", last_line(&row.answer)));
        };
        Ok(Some(Problem { question: row.question, answer: row.answer, result }))
    })
}

/// The first match of `#### (\-?[0-9\.\,]+)` without its commas, as in the authors' `dataset.py`.
fn result(answer: &str) -> Option<String> {
    answer.match_indices("#### ").find_map(|(at, mark)| {
        let rest = answer.get(at + mark.len()..)?;
        let (sign, digits) = rest.strip_prefix('-').map_or(("", rest), |digits| ("-", digits));
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(digits.len());
        (end > 0).then(|| format!("{sign}{}", digits[..end].replace(',', "")))
    })
}

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let state = |split: Split| {
        let outcome = read(roots, split).map(|loaded| (loaded.content.len(), loaded.files));
        file_check(format!("gsm8k/{}.jsonl", split.name()), outcome)
    };
    vec![state(Split::Test), state(Split::Train)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_those_of_the_regular_expression() {
        for (answer, expected) in [
            ("so 12\n#### 12", Some("12")),
            ("#### -1,234.5 euros", Some("-1234.5")),
            ("#### x\n#### 7", Some("7")),
            ("####8", None),
            ("#### -", None),
            ("", None),
        ] {
            assert_eq!(result(answer).as_deref(), expected, "{answer:?}");
        }
    }
}
