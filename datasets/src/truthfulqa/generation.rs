//! The questions with reference answers, for models that answer freely.

use super::find;
use crate::manifest::Loaded;
use crate::rows::{self, wrong};
use crate::source::Source;
use crate::{DataRoots, Result, pins};
use serde::Deserialize;

pub(super) const FILE_NAME: &str = "truthfulqa/TruthfulQA.csv";

/// A question with reference answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// `Adversarial` or `Non-Adversarial`: whether the question was chosen because a model failed it
    pub kind: String,
    /// the topic
    pub category: String,
    /// the question
    pub question: String,
    /// the best true answer
    pub best_answer: String,
    /// true answers, without white space around them
    pub correct_answers: Vec<String>,
    /// false answers, without white space around them
    pub incorrect_answers: Vec<String>,
    /// where the truth is documented
    pub source: String,
}

/// Reads the questions with reference answers, in file order, which is not that of the multiple-choice file.
///
/// Layouts: `TruthfulQA.csv` of sylinrl/TruthfulQA (columns Type, Category, Question, Best Answer, Correct Answers,
/// Incorrect Answers, Source; answers separated by semicolons), and
/// `generation/validation-00000-of-00001.parquet` of the Hugging Face copy (lists). It is looked for where
/// [`read`](super::read) looks, and of several the edition `v2021-10` is taken. No full stop is added to an answer.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the row.
pub fn read_generation(roots: &DataRoots) -> Result<Loaded<Vec<OpenQuestion>>> {
    let source = find(roots, FILE_NAME, &["TruthfulQA.csv", "generation/validation-00000-of-00001.parquet"])?;
    let file = source.identify(roots.pinning(), &pins::of(&source.name))?;
    Ok(Loaded { content: parse(&source)?, files: vec![file] })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answers {
    List(Vec<String>),
    Separated(String),
}

impl Answers {
    /// The answers, trimmed; empty ones are left out, as the authors' `split_multi_answer` does.
    fn split(&self) -> Vec<String> {
        let trimmed = |answers: &mut dyn Iterator<Item = &str>| -> Vec<String> {
            answers.map(|answer| answer.trim().to_owned()).filter(|answer| !answer.is_empty()).collect()
        };
        match self {
            Answers::List(list) => trimmed(&mut list.iter().map(String::as_str)),
            Answers::Separated(text) => trimmed(&mut text.split(';')),
        }
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(alias = "Type", rename = "type")]
    kind: String,
    #[serde(alias = "Category")]
    category: String,
    #[serde(alias = "Question")]
    question: String,
    #[serde(alias = "Best Answer")]
    best_answer: String,
    #[serde(alias = "Correct Answers")]
    correct_answers: Answers,
    #[serde(alias = "Incorrect Answers")]
    incorrect_answers: Answers,
    #[serde(alias = "Source")]
    source: String,
}

fn parse(source: &Source) -> Result<Vec<OpenQuestion>> {
    rows::parse(source, "a header Type,Category,Question,Best Answer,... and rows under it", |row: Row| {
        let (correct_answers, incorrect_answers) = (row.correct_answers.split(), row.incorrect_answers.split());
        if correct_answers.is_empty() || incorrect_answers.is_empty() || row.best_answer.trim().is_empty() {
            let found = format!("{} true, {} false", correct_answers.len(), incorrect_answers.len());
            return wrong("a best answer and at least one true and one false answer", found);
        }
        Ok(Some(OpenQuestion {
            kind: row.kind,
            category: row.category,
            question: row.question,
            best_answer: row.best_answer.trim().to_owned(),
            correct_answers,
            incorrect_answers,
            source: row.source,
        }))
    })
}
