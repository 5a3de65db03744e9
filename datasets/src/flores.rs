//! FLORES-200: the same sentences in 204 languages and scripts.
//!
//! Official layout (`flores200_dataset.tar.gz`): `{dev,devtest}/<code>.{dev,devtest}`, UTF-8 without a header, one
//! sentence a line, line i of every language being the same sentence; codes are ISO 639-3 and script (`eng_Latn`). The
//! test split was never released; results are reported on `devtest`.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::nearest::nearest;
use crate::source::Source;
use crate::{DataRoots, Error, Result};

mod languages;
pub use languages::LANGUAGES;

/// FLORES-200.
pub static FLORES: Dataset = Dataset {
    name: "flores",
    title: "FLORES-200",
    description: "997 development and 1,012 devtest sentences of Wikimedia sites, translated into 204 languages and scripts",
    licence: "CC BY-SA 4.0",
    source: "flores200_dataset.tar.gz, linked from facebookresearch/flores on GitHub (facebook/flores on the Hugging Face hub reads the same archive)",
    paper: "NLLB Team, No Language Left Behind: Scaling Human-Centered Machine Translation, 2022",
    layout: &["flores200_dataset/{dev,devtest}/<code>.{dev,devtest}", "flores/{dev,devtest}/<code>.{dev,devtest}"],
    examine: check,
};

/// A language in one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// ISO 639-3 and script: `zho_Hans`
    pub code: &'static str,
    /// the English name, with the script where a language has two
    pub name: &'static str,
}

/// Which part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 997 sentences: few-shot examples
    Dev,
    /// 1,012 sentences: the part that scores are reported on
    Devtest,
}

impl Split {
    /// The word in the official file names.
    pub fn name(self) -> &'static str {
        match self {
            Split::Dev => "dev",
            Split::Devtest => "devtest",
        }
    }

    /// How many sentences it has.
    pub fn sentences(self) -> usize {
        match self {
            Split::Dev => 997,
            Split::Devtest => 1012,
        }
    }
}

/// The language with the code `code`, or [`Error::UnknownSubject`] with the nearest code.
pub fn find_language(code: &str) -> Result<&'static Language> {
    LANGUAGES.iter().find(|language| language.code == code).ok_or_else(|| Error::UnknownSubject {
        dataset: FLORES.name,
        what: "language",
        name: code.to_owned(),
        did_you_mean: nearest(code, LANGUAGES.iter().map(|language| language.code)),
    })
}

/// Reads the sentences of one language; the same index is the same sentence in every language.
///
/// Beneath each root it tries `flores200_dataset/`, `flores/`, `flores/flores200_dataset/`, `flores200/` and the root
/// itself.
///
/// # Errors
/// [`Error::UnknownSubject`], [`Error::Missing`], [`Error::Pin`], [`Error::Utf8`], [`Error::Count`] for a file that is
/// cut or has more lines, [`Error::Row`] for an empty line.
pub fn read(roots: &DataRoots, language: &str, split: Split) -> Result<Loaded<Vec<String>>> {
    let code = find_language(language)?.code;
    let files = [format!("{0}/{code}.{0}", split.name())];
    let folders = ["flores200_dataset/", "flores/", "flores/flores200_dataset/", "flores200/"];
    roots.load(&FLORES, &folders, &files, |source| parse(source, split.sentences()))
}

pub(crate) fn parse(source: &Source, sentences: usize) -> Result<Vec<String>> {
    let text = source.text("one sentence a line")?;
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    if lines.len() != sentences {
        let (expected, found) = (sentences, lines.len());
        return Err(Error::Count { file: source.label(), what: "lines", expected, found });
    }
    if let Some(index) = lines.iter().position(|line| line.trim().is_empty()) {
        let place = format!("line {}", index + 1);
        return Err(Error::Row {
            file: source.label(),
            place,
            message: "the line is empty; fetch the file again".into(),
        });
    }
    Ok(lines.into_iter().map(str::to_owned).collect())
}

/// English and simplified Chinese, which the paper translates between, and the other languages where they are.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for split in [Split::Dev, Split::Devtest] {
        for language in &LANGUAGES {
            let outcome = read(roots, language.code, split).map(|loaded| (loaded.content.len(), loaded.files));
            let wanted = ["eng_Latn", "zho_Hans"].contains(&language.code);
            if wanted || !matches!(outcome, Err(Error::Missing { .. })) {
                checks.push(file_check(format!("flores/{0}/{1}.{0}", split.name(), language.code), outcome));
            }
        }
    }
    checks
}
