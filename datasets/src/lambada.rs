//! LAMBADA: the last word of a passage of a novel, which its context tells.
//!
//! Two texts of the same 5,153 test passages: OpenAI's (`lambada_test.jsonl`, objects `{"text"}`, ordinary spacing and
//! capitals; EleutherAI/lambada_openai on the Hugging Face hub), and the authors' (`lambada_test_plain_text.txt`, one
//! passage a line, lower-cased, tokens separated by spaces; cimec/lambada on the hub). Scores on the two differ by
//! several points.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::{DataRoots, Error, Result};
use serde::Deserialize;

/// LAMBADA.
pub static LAMBADA: Dataset = Dataset {
    name: "lambada",
    title: "LAMBADA",
    description: "5,153 passages of novels whose last word follows from the whole passage; as the authors and as OpenAI wrote them",
    licence: "CC BY 4.0 (the passages), MIT (OpenAI's text)",
    source: "EleutherAI/lambada_openai on the Hugging Face hub, data/lambada_test.jsonl; lambada-dataset.tar.gz of zenodo.org/record/2630551",
    paper: "Paperno et al., The LAMBADA dataset: Word prediction requiring a broad discourse context, ACL 2016",
    layout: &["lambada/lambada_test.jsonl", "lambada/lambada_test_plain_text.txt"],
    examine: check,
};

/// Whose text of the passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// ordinary spacing and capitals: what GPT-2's and most later numbers are measured on
    Openai,
    /// lower-cased and tokenized
    Standard,
}

/// A passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// all of it, the last word included
    pub text: String,
}

impl Passage {
    /// The passage without its last word, and that word: cut at the last space, which neither part has.
    pub fn context_and_word(&self) -> (&str, &str) {
        self.text.rsplit_once(' ').unwrap_or(("", &self.text))
    }
}

/// Reads the test passages, in file order.
///
/// Beneath each root it tries `lambada/`, `lambada_openai/`, `lambada/data/`, `data/` and the root itself.
///
/// # Errors
/// [`Error::Missing`], [`Error::Pin`], or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, text: Text) -> Result<Loaded<Vec<Passage>>> {
    let files = match text {
        Text::Openai => ["lambada_test.jsonl", "lambada_test_en.jsonl"].map(str::to_owned).to_vec(),
        Text::Standard => {
            let mut files = vec!["lambada_test_plain_text.txt".to_owned()];
            files.extend(hub("plain_text", "test"));
            files
        }
    };
    roots.load(&LAMBADA, &["lambada/", "lambada_openai/", "lambada/data/", "data/"], &files, parse)
}

fn parse(source: &Source) -> Result<Vec<Passage>> {
    const EXPECTED: &str = "one passage a line";
    let words = "a passage of several words";
    if !source.name.ends_with(".txt") {
        #[derive(Deserialize)]
        struct Row {
            text: String,
        }
        return rows::parse(source, EXPECTED, |row: Row| {
            if row.text.contains(' ') {
                Ok(Some(Passage { text: row.text }))
            } else {
                wrong(words, format!("{:?}", row.text))
            }
        });
    }
    let text = source.text(EXPECTED)?;
    let mut passages = Vec::new();
    for (item, line) in text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate() {
        if !line.contains(' ') {
            let found = format!("{line:?}");
            return Err(Error::Item { file: source.label(), item, expected: words, found });
        }
        passages.push(Passage { text: line.to_owned() });
    }
    Ok(passages)
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let state = |text: Text, name: &str| {
        let outcome = read(roots, text).map(|loaded| (loaded.content.len(), loaded.files));
        file_check(format!("lambada/{name}"), outcome)
    };
    vec![state(Text::Openai, "lambada_test.jsonl"), state(Text::Standard, "lambada_test_plain_text.txt")]
}
