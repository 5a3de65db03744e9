//! TruthfulQA, multiple choice: questions with true and false answers.
//!
//! Official layout (sylinrl/TruthfulQA): `data/mc_task.json`, a list of objects `{"question", "mc1_targets",
//! "mc2_targets"}`; the targets map an answer to 1 (true) or 0 (false), and their order matters: item files, ties and
//! lm-evaluation-harness's gold index all go by it. In `mc1_targets` exactly one answer is true, and it is written
//! first: whoever shows the answers to a model must shuffle them.
//!
//! Two editions are known by digest: `v2021-10` (817 questions, the one behind the Hugging Face copy,
//! lm-evaluation-harness and published numbers) and `v2025-01` (790 questions, revised). Where several files are found
//! the former is taken; the manifest names the edition.

use crate::catalogue::{FileCheck, TRUTHFULQA, file_check};
use crate::manifest::{Loaded, Pin};
use crate::source::Source;
use crate::{DataRoots, Error, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

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

pub(crate) const FILE_NAME: &str = "truthfulqa/data/mc_task.json";

pub(crate) const PINS: &[Pin] = &[
    Pin { edition: "v2021-10", sha256: "b3799639bc76c939836d587de7d30b48d91012cb34be04806d33106ce06c162a" },
    Pin { edition: "v2025-01", sha256: "c90d853454fd48c676accb33e16923ac438dbb6fb37ecc7c6a70e33c9e556e87" },
];

/// Reads the questions.
///
/// Beneath each root it tries `truthfulqa/` and `TruthfulQA/` with `v2021-10/data/`, `v2021-10/`, `data/`, nothing and
/// `v2025-01/data/` below them, then the same without the first folder. Of several files the one with the digest of
/// `v2021-10` is taken, else the first.
///
/// # Errors
/// [`Error::Missing`], [`Error::Pin`], [`Error::Utf8`], [`Error::Empty`], [`Error::Json`] with line and column,
/// [`Error::Item`] for a question that cannot be scored.
pub fn read(roots: &DataRoots) -> Result<Loaded<Vec<TruthfulQuestion>>> {
    let mut candidates = Vec::new();
    for folder in ["truthfulqa/", "TruthfulQA/", ""] {
        for inner in ["v2021-10/data/", "v2021-10/", "data/", "", "v2025-01/data/"] {
            candidates.push(format!("{folder}{inner}mc_task.json"));
        }
    }
    let mut first = None;
    let mut chosen = None;
    for path in roots.find_all(&candidates) {
        let source = Source::read(&path, FILE_NAME)?;
        if PINS.first().is_some_and(|pin| pin.sha256 == source.sha256) {
            chosen = Some(source);
            break;
        }
        first.get_or_insert(source);
    }
    let source = chosen.or(first).ok_or_else(|| roots.missing(&TRUTHFULQA, FILE_NAME, candidates))?;
    let file = source.identify(roots.pinning(), PINS)?;
    Ok(Loaded { content: parse(&source)?, files: vec![file] })
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
        let wrong = |expected, found| Err(Error::Item { file: source.label(), item, expected, found });
        if question.question.trim().is_empty() {
            return wrong("a question", "an empty string".to_owned());
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
        questions.push(question);
    }
    Ok(questions)
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

/// The one file of the benchmark.
pub(crate) fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check(FILE_NAME.to_owned(), outcome)]
}
