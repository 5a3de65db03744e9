//! The text that perplexity is taken of.

use crate::error::Error;
use crate::task::world::BUILTIN;
use crate::task::{Inputs, TaskId};
use datasets::text::ByteOrderMark;
use datasets::{DatasetFile, c4, ptb, text, wikitext, world};
use std::path::Path;

/// Documents of C4 that are read for windows (IST-DASLab/gptq, `--new-eval`).
const C4_DOCUMENTS: usize = 1_100;
/// Windows that C4's tokens are cut to.
pub const C4_WINDOWS: usize = 256;

/// A text, and where it is from.
pub struct Corpus {
    kind: Kind,
    /// The files read.
    pub files: Vec<DatasetFile>,
    /// Whether the text begins with U+FEFF.
    pub byte_order_mark: ByteOrderMark,
}

enum Kind {
    /// WikiText-2 as published.
    WikiText(String),
    /// Web pages.
    C4(Vec<String>),
    /// Penn Treebank's sentences as one text, and how they were joined.
    Joined(String, &'static str),
    /// Anything else.
    Plain(String),
}

/// What log-likelihoods are summed over: text for the model, and the original for counting.
pub struct Document {
    /// What the model reads.
    pub text: String,
    /// Words of the original, white space at an end counting an empty one (`len(re.split(r"\s+", text))`).
    pub words: usize,
    /// Bytes of the original.
    pub bytes: usize,
}

impl Corpus {
    /// Reads the corpus that a task id names: `wikitext2`, `c4`, `ptb`, `ptb-new`, a text of the
    /// micro-world, or a text file.
    ///
    /// # Errors
    /// No corpus named; what the reader finds.
    pub fn read(id: &TaskId, inputs: &Inputs<'_>) -> Result<Self, Error> {
        let refused =
            |expected: &str, found: String| Error::Variant { task: id.name.clone(), expected: expected.into(), found };
        let Some(variant) = id.variant.as_deref().filter(|variant| !variant.is_empty()) else {
            let expected = "a corpus (`perplexity:wikitext2`, `:c4`, `:ptb`, `:ptb-new`, `:builtin_chronicle`, \
                            `:builtin_tales`, `:builtin_notices`) or a text file";
            return Err(refused(expected, "none".into()));
        };
        let absent = ByteOrderMark::Absent;
        let (kind, files, byte_order_mark) = match variant {
            "wikitext2" => {
                let loaded = wikitext::read(inputs.roots, wikitext::Split::Test)?;
                (Kind::WikiText(loaded.content), loaded.files, absent)
            }
            "c4" => {
                let loaded = c4::documents(inputs.roots)?;
                (Kind::C4(loaded.content), loaded.files, absent)
            }
            "ptb" => {
                let loaded = ptb::read(inputs.roots, ptb::Split::Validation)?;
                let how = "sentences of the validation split joined by \"\\n\\n\"";
                (Kind::Joined(ptb::gptq_join(&loaded.content), how), loaded.files, absent)
            }
            "ptb-new" => {
                let loaded = ptb::read(inputs.roots, ptb::Split::Test)?;
                let how = "sentences of the test split joined by \" \"";
                (Kind::Joined(ptb::join_with_spaces(&loaded.content), how), loaded.files, absent)
            }
            builtin if builtin.starts_with(BUILTIN) && !Path::new(builtin).exists() => {
                let sort = builtin.strip_prefix(BUILTIN).and_then(|rest| rest.strip_prefix('_')).unwrap_or_default();
                if !world::TEXTS.contains(&sort) {
                    let expected = "`:builtin_chronicle`, `:builtin_tales` or `:builtin_notices`";
                    return Err(refused(expected, format!("`{builtin}`")));
                }
                let loaded = world::embedded().text(sort)?;
                (Kind::Plain(loaded.content.text), loaded.files, loaded.content.byte_order_mark)
            }
            file => {
                let loaded = text::read(Path::new(file))?;
                (Kind::Plain(loaded.content.text), loaded.files, loaded.content.byte_order_mark)
            }
        };
        Ok(Self { kind, files, byte_order_mark })
    }

    /// One text for GPTQ's windows, and how it was put together.
    pub fn joined_for_gptq(&self) -> (String, &'static str) {
        match &self.kind {
            Kind::WikiText(raw) => (wikitext::gptq_join(raw), "rows of the test split joined by \"\\n\\n\""),
            Kind::C4(documents) => (first_documents(documents), "first 1,100 documents joined by \" \""),
            Kind::Joined(text, how) => (text.clone(), *how),
            Kind::Plain(text) => (text.clone(), "the file as it is"),
        }
    }

    /// One text for llama.cpp's windows: a file as that program reads it, without one line break at its end.
    pub fn joined_for_llama_cpp(&self) -> (String, &'static str) {
        let (text, how) = match &self.kind {
            Kind::WikiText(raw) => (raw.clone(), "wiki.test.raw without the line break at its end"),
            Kind::C4(documents) => (first_documents(documents), "first 1,100 documents joined by \" \""),
            Kind::Joined(text, how) => (text.clone(), *how),
            Kind::Plain(text) => (text.clone(), "the file without one line break at its end"),
        };
        (text.strip_suffix('\n').map(str::to_string).unwrap_or(text), how)
    }

    /// The documents of rolling log-likelihoods, and what they are.
    pub fn documents(&self) -> (Vec<Document>, &'static str) {
        let unchanged =
            |text: &str| Document { text: text.to_string(), words: wikitext::words(text), bytes: text.len() };
        match &self.kind {
            Kind::WikiText(raw) => {
                let pages = wikitext::pages(raw).into_iter();
                let documents = pages.map(|page| Document {
                    text: wikitext::detokenize(page),
                    words: wikitext::words(page),
                    bytes: page.len(),
                });
                (documents.collect(), "articles, detokenized; words and bytes of the original")
            }
            Kind::C4(documents) => (documents.iter().map(|text| unchanged(text)).collect(), "documents"),
            Kind::Joined(text, how) => (vec![unchanged(text)], *how),
            Kind::Plain(text) => (vec![unchanged(text)], "the file as one document"),
        }
    }

    /// Whether GPTQ's scripts cut the tokens of this corpus to [`C4_WINDOWS`] windows.
    pub fn is_cut(&self) -> bool {
        matches!(self.kind, Kind::C4(_))
    }
}

fn first_documents(documents: &[String]) -> String {
    let first: Vec<&str> = documents.iter().take(C4_DOCUMENTS).map(String::as_str).collect();
    first.join(" ")
}
