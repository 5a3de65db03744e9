//! ARC: science questions of school examinations, in an easy and a challenge set.
//!
//! Layouts: AI2's archive has `ARC-V1-Feb2018-2/ARC-{Easy,Challenge}/ARC-{Easy,Challenge}-{Train,Dev,Test}.jsonl`,
//! objects `{"id", "question": {"stem", "choices": [{"text", "label"}]}, "answerKey"}`; the Hugging Face copy
//! (allenai/ai2_arc) `{"id", "question", "choices": {"text", "label"}, "answerKey"}` in
//! `ARC-{Easy,Challenge}/{train,validation,test}-00000-of-00001.parquet`, of which exports go round as
//! `ARC-Easy.validation.jsonl`; OLMo's requests have `{"id", "query", "choices", "gold"}`, the query with `Question: `
//! before and `Answer:` after the question. Questions have three to five choices, labelled by letters or numbers.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;

/// ARC.
pub static ARC: Dataset = Dataset {
    name: "arc",
    title: "AI2 Reasoning Challenge",
    description: "school science questions with 3 to 5 choices: easy 2,376 test and 570 validation, challenge 1,172 test and 299 validation",
    licence: "CC BY-SA 4.0",
    source: "ARC-V1-Feb2018-2.zip of AI2 (allenai/ai2_arc on the Hugging Face hub)",
    paper: "Clark et al., Think you have Solved Question Answering? Try ARC, the AI2 Reasoning Challenge, 2018",
    layout: &[
        "arc/ARC-{Easy,Challenge}/ARC-{Easy,Challenge}-{Test,Dev}.jsonl",
        "arc/ARC-{Easy,Challenge}/{test,validation}-00000-of-00001.parquet",
        "arc/ARC-{Easy,Challenge}.{test,validation}.jsonl",
    ],
    examine: check,
};

/// A question with three to five choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// the identifier of the question
    pub id: String,
    /// the question
    pub question: String,
    /// the texts of the choices, in file order
    pub choices: Vec<String>,
    /// index of the right choice
    pub answer: usize,
}

/// Which set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// questions that retrieval or co-occurrence answers
    Easy,
    /// questions that neither answered
    Challenge,
}

impl Set {
    /// The name in the official files.
    pub fn name(self) -> &'static str {
        match self {
            Set::Easy => "ARC-Easy",
            Set::Challenge => "ARC-Challenge",
        }
    }
}

/// Which part of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples are drawn from these
    Train,
    /// AI2 calls it `Dev`
    Validation,
    /// the questions that are scored
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

    fn official_name(self) -> &'static str {
        match self {
            Split::Train => "Train",
            Split::Validation => "Dev",
            Split::Test => "Test",
        }
    }
}

/// Reads the questions, in file order.
///
/// Beneath each root it tries `arc/`, `ai2_arc/`, `ARC-V1-Feb2018-2/`, `arc/ARC-V1-Feb2018-2/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, set: Set, split: Split) -> Result<Loaded<Vec<Question>>> {
    let (set, word) = (set.name(), split.name());
    let mut files = vec![format!("{set}/{set}-{}.jsonl", split.official_name())];
    files.extend(hub(set, word).into_iter().filter(|file| file.starts_with(set)));
    files.extend([format!("{set}/{word}.jsonl"), format!("{set}.{word}.jsonl")]);
    roots.load(&ARC, &["arc/", "ai2_arc/", "ARC-V1-Feb2018-2/", "arc/ARC-V1-Feb2018-2/"], &files, parse)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    WithChoices { stem: String, choices: Vec<Choice> },
}

#[derive(Deserialize)]
struct Choice {
    text: String,
    label: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Choices {
    Columns { text: Vec<String>, label: Vec<String> },
    Texts(Vec<String>),
}

#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(alias = "query")]
    question: Text,
    choices: Option<Choices>,
    #[serde(rename = "answerKey")]
    answer_key: Option<String>,
    gold: Option<usize>,
}

fn parse(source: &Source) -> Result<Vec<Question>> {
    rows::parse(source, "objects with id, question, choices and answerKey, one a line", |row: Row| {
        let (question, texts, labels) = match (row.question, row.choices) {
            (Text::WithChoices { stem, choices }, None) => {
                let (texts, labels) = choices.into_iter().map(|choice| (choice.text, choice.label)).unzip();
                (stem, texts, labels)
            }
            (Text::Plain(question), Some(Choices::Columns { text, label })) => (question, text, label),
            (Text::Plain(query), Some(Choices::Texts(texts))) => {
                let inner = query.strip_prefix("Question: ").and_then(|rest| rest.strip_suffix("\nAnswer:"));
                let Some(question) = inner else {
                    return wrong("a query \"Question: ...\\nAnswer:\"", format!("{query:?}"));
                };
                (question.to_owned(), texts, Vec::new())
            }
            _ => return wrong("choices, in the question or beside it", "neither"),
        };
        if !(2..=5).contains(&texts.len()) || (!labels.is_empty() && labels.len() != texts.len()) {
            return wrong(
                "2 to 5 choices with a label each",
                format!("{} texts, {} labels", texts.len(), labels.len()),
            );
        }
        let answer = match (row.gold, &row.answer_key) {
            (Some(gold), _) => Some(gold).filter(|gold| *gold < texts.len()),
            (None, Some(key)) => labels.iter().position(|label| label == key),
            (None, None) => None,
        };
        let Some(answer) = answer else {
            return wrong("an answer that is one of the choices", format!("{:?} of {labels:?}", row.answer_key));
        };
        Ok(Some(Question { id: row.id, question, choices: texts, answer }))
    })
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for set in [Set::Easy, Set::Challenge] {
        for split in [Split::Test, Split::Validation] {
            let outcome = read(roots, set, split).map(|loaded| (loaded.content.len(), loaded.files));
            checks.push(file_check(format!("arc/{0}/{0}-{1}.jsonl", set.name(), split.official_name()), outcome));
        }
    }
    checks
}
