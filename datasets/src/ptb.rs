//! Penn Treebank, as language models are scored on it: lower-cased news with rare words replaced by `<unk>`.
//!
//! Layouts: `ptb.{train,valid,test}.txt` of Mikolov's `simple-examples.tgz` (`simple-examples/data`), one sentence a
//! line between spaces; the Hugging Face copy (ptb-text-only/ptb_text_only) has a column `sentence` in
//! `penn_treebank/{train,validation,test}-00000-of-00001.parquet`, the same lines without the spaces around them. Two
//! conventions of scoring read them:
//!
//! * GPTQ and its followers join the *validation* sentences with a blank line ([`gptq_join`]);
//! * their newer scripts join the *test* sentences with spaces ([`join_with_spaces`]).

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::wikitext::is_space;
use crate::{DataRoots, Error, Result};
use serde::Deserialize;

/// Penn Treebank.
pub static PTB: Dataset = Dataset {
    name: "ptb",
    title: "Penn Treebank, the text for language models",
    description: "sentences of the Wall Street Journal, lower-cased, 10,000 words and <unk>: 3,761 test, 3,370 validation, 42,068 training",
    licence: "LDC User Agreement for Non-Members",
    source: "simple-examples.tgz of Tomas Mikolov, data/ptb.{train,valid,test}.txt (ptb-text-only/ptb_text_only on the Hugging Face hub)",
    paper: "Marcus et al., Building a Large Annotated Corpus of English: The Penn Treebank, 1993; Mikolov et al., Interspeech 2010",
    layout: &["ptb/ptb.{test,valid}.txt", "simple-examples/data/ptb.{test,valid}.txt"],
    examine: check,
};

/// Which part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 42,068 sentences
    Train,
    /// 3,370 sentences: older GPTQ scripts score these
    Validation,
    /// 3,761 sentences
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

    fn file(self) -> &'static str {
        match self {
            Split::Train => "ptb.train.txt",
            Split::Validation => "ptb.valid.txt",
            Split::Test => "ptb.test.txt",
        }
    }
}

/// Reads the sentences of one split, without the spaces around them.
///
/// Beneath each root it tries `ptb/`, `simple-examples/data/`, `penn_treebank/` and the root itself.
///
/// # Errors
/// [`Error::Missing`], [`Error::Pin`], [`Error::Utf8`], [`Error::Empty`], or what is wrong with a row.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<String>>> {
    let mut files = vec![split.file().to_owned()];
    files.extend(hub("penn_treebank", split.name()));
    roots.load(&PTB, &["ptb/", "simple-examples/data/", "penn_treebank/"], &files, parse)
}

fn parse(source: &Source) -> Result<Vec<String>> {
    const EXPECTED: &str = "one sentence a line";
    if !source.name.ends_with(".txt") {
        #[derive(Deserialize)]
        struct Row {
            sentence: String,
        }
        return rows::parse(source, "rows with a field sentence", |row: Row| {
            if row.sentence.is_empty() { wrong("a sentence", "an empty string") } else { Ok(Some(row.sentence)) }
        });
    }
    let text = source.text(EXPECTED)?;
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let sentences: Vec<String> = lines.map(|line| line.trim_matches(is_space).to_owned()).collect();
    match sentences.iter().position(String::is_empty) {
        None => Ok(sentences),
        Some(index) => {
            let place = format!("line {}", index + 1);
            Err(Error::Row { file: source.label(), place, message: "the line is empty; fetch the file again".into() })
        }
    }
}

/// The string that GPTQ-style perplexity tokenizes: the sentences joined by a blank line.
pub fn gptq_join(sentences: &[String]) -> String {
    sentences.join("\n\n")
}

/// The string of the newer scripts: the sentences joined by a space.
pub fn join_with_spaces(sentences: &[String]) -> String {
    sentences.join(" ")
}

/// The two splits that are scored.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let state = |split: Split| {
        let outcome = read(roots, split).map(|loaded| (loaded.content.len(), loaded.files));
        file_check(format!("ptb/{}", split.file()), outcome)
    };
    vec![state(Split::Test), state(Split::Validation)]
}
