//! A small embedded set, so that an evaluation runs where there are no files.
//!
//! Questions, answers and text were written for this project, in the layouts of the official files, and are read by the
//! same readers. With 24 questions a standard error is about ten percentage points: the set shows that a model, a
//! recipe and a protocol work together, and is no measure of quality.

use crate::catalogue::Dataset;
use crate::manifest::{Loaded, PinStatus};
use crate::mmlu::{self, MultipleChoice, Split};
use crate::source::Source;
use crate::text::{self, Text};
use crate::truthfulqa::{self, TruthfulQuestion};
use crate::{Error, Result};

/// The embedded set.
pub static BUILTIN: Dataset = Dataset {
    name: "builtin",
    title: "Embedded questions and text",
    description: "24 multiple-choice questions in 2 subjects, 8 questions with true and false answers, 6 KB of English text: shows that everything works, measures little",
    licence: "Apache-2.0",
    source: "part of this program",
    paper: "none",
    layout: &[],
    examine: |_| Vec::new(),
};

/// The subjects of the embedded multiple-choice questions: 12 test questions and 5 examples each.
pub static SUBJECTS: [&str; 2] = ["everyday_science", "words_and_numbers"];

/// The embedded questions of one subject; there is no validation split.
///
/// # Errors
/// [`Error::UnknownSubject`], [`Error::Empty`] for the validation split.
pub fn multiple_choice(subject: &str, split: Split) -> Result<Loaded<Vec<MultipleChoice>>> {
    let word = split.name();
    let name = format!("builtin/mmlu/{word}/{subject}_{word}.csv");
    let text = match (subject, split) {
        ("everyday_science", Split::Dev) => {
            include_str!("../builtin/mmlu/dev/everyday_science_dev.csv")
        }
        ("everyday_science", Split::Test) => {
            include_str!("../builtin/mmlu/test/everyday_science_test.csv")
        }
        ("words_and_numbers", Split::Dev) => {
            include_str!("../builtin/mmlu/dev/words_and_numbers_dev.csv")
        }
        ("words_and_numbers", Split::Test) => {
            include_str!("../builtin/mmlu/test/words_and_numbers_test.csv")
        }
        (known, Split::Validation) if SUBJECTS.contains(&known) => "",
        _ => {
            return Err(Error::UnknownSubject {
                dataset: BUILTIN.name,
                what: "subject",
                name: subject.to_owned(),
                did_you_mean: None,
            });
        }
    };
    load(Source::embedded(name, text), mmlu::parse)
}

/// The embedded questions with true and false answers.
///
/// # Errors
/// None in practice: the text is part of the program and a test reads it.
pub fn truthful() -> Result<Loaded<Vec<TruthfulQuestion>>> {
    let text = include_str!("../builtin/truthfulqa/data/mc_task.json");
    load(Source::embedded("builtin/truthfulqa/data/mc_task.json", text), truthfulqa::parse)
}

/// The embedded English text, for perplexity.
///
/// # Errors
/// None in practice: the text is part of the program and a test reads it.
pub fn english() -> Result<Loaded<Text>> {
    load(Source::embedded("builtin/text.txt", include_str!("../builtin/text.txt")), text::parse)
}

/// Embedded bytes cannot differ from themselves: they count as pinned.
fn load<T>(source: Source, parse: fn(&Source) -> Result<T>) -> Result<Loaded<T>> {
    let content = parse(&source)?;
    let file = source.identity(PinStatus::Pinned, Some("builtin"));
    Ok(Loaded { content, files: vec![file] })
}
