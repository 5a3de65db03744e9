//! The vocabulary of a tokenizer: the library's models, with a faster search for one of them.

#![expect(
    clippy::disallowed_types,
    reason = "the library's trait returns a HashMap; nothing here depends on its order"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{Model, ModelWrapper, Result, Token};

/// How a stretch of text becomes token ids.
pub(super) enum Vocabulary {
    /// BPE, Unigram or WordLevel, by the library.
    Library(ModelWrapper),
    /// WordPiece, by the library except for the search itself.
    WordPiece(BoundedWordPiece),
}

/// WordPiece that never tries a candidate longer than the longest token.
///
/// WordPiece takes the longest token that fits, again and again. The library begins each search at the end of the text, so
/// that a text without word boundaries costs the cube of its length: 34 s for 16 KB where this takes 2 ms. The tokens
/// are the same, because a candidate longer than every token cannot be one.
pub(super) struct BoundedWordPiece {
    inner: WordPiece,
    /// Length in bytes of the longest token.
    longest_token_bytes: usize,
}

impl BoundedWordPiece {
    fn new(inner: WordPiece) -> Self {
        let longest_token_bytes = inner.get_vocab().keys().map(String::len).max().unwrap_or(0);
        Self { inner, longest_token_bytes }
    }

    /// The longest token that `text[start..]` begins with, and where it ends.
    fn longest_match(&self, text: &str, start: usize) -> Option<(Token, usize)> {
        let prefix = if start == 0 { "" } else { self.inner.continuing_subword_prefix.as_str() };
        let mut end = text.floor_char_boundary(start + self.longest_token_bytes);
        let mut candidate = String::with_capacity(prefix.len() + end.saturating_sub(start));
        candidate.push_str(prefix);
        candidate.push_str(text.get(start..end)?);
        while start < end {
            if let Some(id) = self.inner.token_to_id(&candidate) {
                return Some((Token::new(id, candidate, (start, end)), end));
            }
            end -= candidate.pop()?.len_utf8();
        }
        None
    }
}

impl Model for BoundedWordPiece {
    type Trainer = <WordPiece as Model>::Trainer;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        let unknown = || {
            let id = self
                .inner
                .token_to_id(&self.inner.unk_token)
                .ok_or_else(|| format!("the unknown token {:?} is not in the vocabulary", self.inner.unk_token))?;
            Ok(vec![Token::new(id, self.inner.unk_token.clone(), (0, text.len()))])
        };
        if text.chars().count() > self.inner.max_input_chars_per_word {
            return unknown();
        }
        let mut tokens = Vec::new();
        let mut start = 0;
        while start < text.len() {
            match self.longest_match(text, start) {
                Some((token, end)) => {
                    tokens.push(token);
                    start = end;
                }
                None => return unknown(),
            }
        }
        Ok(tokens)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.inner.get_vocab()
    }

    fn get_vocab_size(&self) -> usize {
        self.inner.get_vocab_size()
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        self.inner.save(folder, prefix)
    }

    fn get_trainer(&self) -> Self::Trainer {
        self.inner.get_trainer()
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(match ModelWrapper::deserialize(deserializer)? {
            ModelWrapper::WordPiece(inner) => Self::WordPiece(BoundedWordPiece::new(inner)),
            other => Self::Library(other),
        })
    }
}

impl Model for Vocabulary {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        match self {
            Self::Library(model) => model.tokenize(text),
            Self::WordPiece(model) => model.tokenize(text),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Library(model) => model.token_to_id(token),
            Self::WordPiece(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Library(model) => model.id_to_token(id),
            Self::WordPiece(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Library(model) => model.get_vocab(),
            Self::WordPiece(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Library(model) => model.get_vocab_size(),
            Self::WordPiece(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        match self {
            Self::Library(model) => model.save(folder, prefix),
            Self::WordPiece(model) => model.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Self::Library(model) => model.get_trainer(),
            Self::WordPiece(model) => model.get_trainer().into(),
        }
    }
}
