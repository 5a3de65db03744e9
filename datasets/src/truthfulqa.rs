//! TruthfulQA: questions that invite a common falsehood, with true and false answers.
//!
//! Official layout (sylinrl/TruthfulQA): `data/mc_task.json`, a list of objects `{"question", "mc1_targets",
//! "mc2_targets"}`; the targets map an answer to 1 (true) or 0 (false), and their order matters: item files, ties and
//! lm-evaluation-harness's gold index all go by it. In `mc1_targets` exactly one answer is true, and it is written
//! first: whoever shows the answers to a model must shuffle them.
//!
//! Two editions are known by digest: `v2021-10` (817 questions, the one behind the Hugging Face copy,
//! lm-evaluation-harness and published numbers) and `v2025-01` (790 questions, revised). Where several files are found
//! the former is taken; the manifest names the edition.
//!
//! `TruthfulQA.csv` beside it holds the same questions in another order for free answers: see [`read_generation`].

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, Wrong, wrong};
use crate::source::Source;
use crate::{DataRoots, Error, Result, pins};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

mod generation;
pub use generation::{OpenQuestion, read_generation};

/// TruthfulQA.
pub static TRUTHFULQA: Dataset = Dataset {
    name: "truthfulqa",
    title: "TruthfulQA",
    description: "817 questions that invite a common falsehood, with true and false answers: for multiple choice (MC1, MC2, MC3) and for free answers",
    licence: "Apache-2.0",
    source: "sylinrl/TruthfulQA on GitHub, data/mc_task.json and TruthfulQA.csv as of October 2021 (817 questions; the edition of January 2025 has 790)",
    paper: "Lin et al., TruthfulQA: Measuring How Models Mimic Human Falsehoods, ACL 2022",
    layout: &[
        "truthfulqa/data/mc_task.json",
        "truthfulqa/TruthfulQA.csv",
        "truthfulqa/v2021-10/{data/mc_task.json,TruthfulQA.csv}",
        "truthfulqa/{multiple_choice,generation}/validation-00000-of-00001.parquet",
    ],
    examine: check,
};

/// A question with the answers of both multiple-choice tasks, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthfulQuestion {
    /// the question
    pub question: String,
    /// answers of the single-true task: text, and whether it is true; exactly one is
    pub mc1: Vec<(String, bool)>,
    /// answers of the multi-true task: text, and whether it is true; at least one is true and one false
    pub mc2: Vec<(String, bool)>,
}

const FILE_NAME: &str = "truthfulqa/data/mc_task.json";

/// Reads the questions of the multiple-choice tasks.
///
/// Beneath each root it tries `truthfulqa/` and `TruthfulQA/` with `v2021-10/data/`, `v2021-10/`, `data/`, nothing and
/// `v2025-01/data/` below them, then the same without the first folder. Of several files the one with the digest of
/// `v2021-10` is taken, else the first.
///
/// # Errors
/// [`Error::Missing`], [`Error::Pin`], [`Error::Utf8`], [`Error::Empty`], [`Error::Json`] with line and column,
/// [`Error::Item`] for a question that cannot be scored.
pub fn read(roots: &DataRoots) -> Result<Loaded<Vec<TruthfulQuestion>>> {
    let source = find(roots, FILE_NAME, &["mc_task.json", "multiple_choice/validation-00000-of-00001.parquet"])?;
    let file = source.identify(roots.pinning(), &pins::of(&source.name))?;
    let content = if source.name == FILE_NAME { parse(&source) } else { parse_hub(&source) }?;
    Ok(Loaded { content, files: vec![file] })
}

/// One of `files`, the first of which is to be called `name`: the edition that published numbers go by, else the first
/// that is found.
fn find(roots: &DataRoots, name: &str, files: &[&str]) -> Result<Source> {
    let mut candidates = Vec::new();
    for folder in ["truthfulqa/", "TruthfulQA/", "truthful_qa/", ""] {
        for inner in ["v2021-10/data/", "v2021-10/", "data/", "", "v2025-01/data/", "v2025-01/"] {
            candidates.extend(files.iter().map(|file| format!("{folder}{inner}{file}")));
        }
    }
    let preferred = pins::of(name).first().map(|pin| pin.sha256);
    let mut first = None;
    for path in roots.find_all(&candidates) {
        let hub = files.iter().find(|file| file.ends_with(".parquet") && path.ends_with(file));
        let source = Source::read(&path, hub.map_or(name.to_owned(), |file| format!("truthfulqa/{file}")))?;
        if Some(source.sha256.as_str()) == preferred {
            return Ok(source);
        }
        first.get_or_insert(source);
    }
    first.ok_or_else(|| roots.missing(&TRUTHFULQA, name, candidates))
}

/// Parses a file in the official layout.
///
/// An answer that is written twice in one question is an error: neither which label counts nor whether its probability
/// counts once or twice would be settled. The official files hold none. An empty answer is passed on: `v2025-01` has
/// some, true and false ones, and what to do with them is for whoever scores them to say.
///
/// # Errors
/// [`Error::Utf8`], [`Error::Empty`], [`Error::Json`] with line and column, [`Error::Item`] with the question's index.
pub(crate) fn parse(source: &Source) -> Result<Vec<TruthfulQuestion>> {
    const EXPECTED: &str = "a JSON list of questions with mc1_targets and mc2_targets";
    let text = source.text(EXPECTED)?;
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| Error::Json {
        file: source.label(),
        line: error.line(),
        column: error.column(),
        message: error.to_string(),
    })?;
    if entries.is_empty() {
        return Err(Error::Empty { file: source.label(), expected: EXPECTED });
    }
    let mut questions = Vec::with_capacity(entries.len());
    for (item, entry) in entries.into_iter().enumerate() {
        let question =
            TruthfulQuestion { question: entry.question, mc1: entry.mc1_targets.0, mc2: entry.mc2_targets.0 };
        let question = checked(question).map_err(|wrong| wrong.at(source, item))?;
        questions.push(question);
    }
    Ok(questions)
}

/// Parses rows of the Hugging Face copy (truthful_qa, configuration multiple_choice): targets are two lists.
fn parse_hub(source: &Source) -> Result<Vec<TruthfulQuestion>> {
    #[derive(serde::Deserialize)]
    struct Lists {
        choices: Vec<String>,
        labels: Vec<u64>,
    }
    #[derive(serde::Deserialize)]
    struct Row {
        question: String,
        mc1_targets: Lists,
        mc2_targets: Lists,
    }
    fn paired(lists: Lists) -> std::result::Result<Vec<(String, bool)>, Wrong> {
        let labels = lists.labels.iter().all(|label| *label < 2) && lists.labels.len() == lists.choices.len();
        if !labels {
            return wrong("one label 0 or 1 a choice", format!("{} choices, {:?}", lists.choices.len(), lists.labels));
        }
        Ok(lists.choices.into_iter().zip(lists.labels.iter().map(|label| *label == 1)).collect())
    }
    rows::parse(source, "rows of question, mc1_targets and mc2_targets", |row: Row| {
        let (mc1, mc2) = (paired(row.mc1_targets)?, paired(row.mc2_targets)?);
        checked(TruthfulQuestion { question: row.question, mc1, mc2 }).map(Some)
    })
}

/// A question that can be scored.
fn checked(question: TruthfulQuestion) -> std::result::Result<TruthfulQuestion, Wrong> {
    if question.question.trim().is_empty() {
        return wrong("a question", "an empty string");
    }
    let (right, false_answers) = count(&question.mc1);
    if right != 1 || false_answers == 0 {
        return wrong(
            "mc1_targets with one true and at least one false answer",
            format!("{right} true, {false_answers} false"),
        );
    }
    let (right, false_answers) = count(&question.mc2);
    if right == 0 || false_answers == 0 {
        return wrong(
            "mc2_targets with at least one true and one false answer",
            format!("{right} true, {false_answers} false"),
        );
    }
    Ok(question)
}

/// Number of true and of false answers.
fn count(answers: &[(String, bool)]) -> (usize, usize) {
    let right = answers.iter().filter(|(_, correct)| *correct).count();
    (right, answers.len() - right)
}

#[derive(serde::Deserialize)]
struct Entry {
    question: String,
    mc1_targets: Targets,
    mc2_targets: Targets,
}

/// A JSON object as a list: keeps the order of its keys and sees a key that comes twice.
struct Targets(Vec<(String, bool)>);

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Targets;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object that maps answers to 1 (true) or 0 (false)")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Targets, M::Error> {
                use serde::de::Error as _;
                let mut answers: Vec<(String, bool)> = Vec::new();
                while let Some((answer, label)) = map.next_entry::<String, u64>()? {
                    if answers.iter().any(|(other, _)| *other == answer) {
                        return Err(M::Error::custom(format!("the answer {answer:?} comes twice in one question")));
                    }
                    let correct = match label {
                        0 => false,
                        1 => true,
                        _ => {
                            return Err(M::Error::custom(format!(
                                "expected the label 0 or 1 for {answer:?}, found {label}"
                            )));
                        }
                    };
                    answers.push((answer, correct));
                }
                Ok(Targets(answers))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// The file of each task.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let choice = read(roots).map(|loaded| (loaded.content.len(), loaded.files));
    let open = read_generation(roots).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check(FILE_NAME.to_owned(), choice), file_check(generation::FILE_NAME.to_owned(), open)]
}
