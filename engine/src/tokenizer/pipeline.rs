//! `tokenizer.json`: normalizer, pre-tokenizer, vocabulary, post-processor and decoder, checked before the library sees it.
//!
//! The library trusts its files in places: a merge longer than every token, a character map shorter than it claims or a
//! group length of zero ends in a panic, a duplicate id in an arbitrary choice, an added token with the wrong id in a
//! warning. What is known is checked here by name; what is not known is caught (`guarded`) and becomes an error.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl};

use super::TokenizerError;
use super::base64;
use super::model::Vocabulary;

/// The library's tokenizer over [`Vocabulary`].
pub(super) type Pipeline =
    TokenizerImpl<Vocabulary, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// Ids from here on are refused: no vocabulary is that large, and the library adds to them.
const ID_LIMIT: u64 = 1 << 31;

/// Unigram tokens longer than this are refused: the library's prefix tree recurses once a byte.
const UNIGRAM_TOKEN_BYTES: usize = 1024;

/// Parses and checks the bytes of a `tokenizer.json`.
pub(super) fn parse(bytes: &[u8], file: &Path) -> Result<Pipeline, TokenizerError> {
    from_value(parse_json(bytes, file)?, file)
}

/// Parses `bytes` as JSON.
pub(super) fn parse_json(bytes: &[u8], file: &Path) -> Result<Value, TokenizerError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        TokenizerError::NotJson {
            file: file.to_path_buf(),
            line: error.line(),
            column: error.column(),
            reason: message.split(" at line ").next().unwrap_or(&message).to_string(),
        }
    })
}

/// Builds the pipeline from the contents of a `tokenizer.json`, without its truncation, padding and dropout.
pub(super) fn from_value(mut value: Value, file: &Path) -> Result<Pipeline, TokenizerError> {
    let check = Check { file };
    let Some(root) = value.as_object_mut() else {
        return Err(check.malformed("the file", "a JSON object", kind(&value)));
    };
    // A text is scored whole: these two would cut it or fill it up. Dropout is for training, and random.
    root.remove("truncation");
    root.remove("padding");
    check.normalizer(root.get("normalizer").unwrap_or(&Value::Null))?;
    check.pre_tokenizer(root.get("pre_tokenizer").unwrap_or(&Value::Null))?;
    check.post_processor(root.get("post_processor").unwrap_or(&Value::Null))?;
    let Some(model) = root.get_mut("model").and_then(Value::as_object_mut) else {
        return Err(check.malformed("model", "an object with the vocabulary", "none".to_string()));
    };
    model.remove("dropout");
    check.model(model)?;
    let added = check.added_tokens(root.get("added_tokens").unwrap_or(&Value::Null))?;

    let pipeline: Pipeline = guarded(|| serde_json::from_value(value).map_err(|error| error.to_string()))
        .map_err(|reason| TokenizerError::Rejected { file: file.to_path_buf(), reason })?;
    for (token, expected) in added {
        let found = pipeline.token_to_id(&token).unwrap_or(u32::MAX);
        if found != expected {
            return Err(TokenizerError::AddedTokenId { file: file.to_path_buf(), token, expected, found });
        }
    }
    Ok(pipeline)
}

/// Runs a call into the library, turning a panic into an error text.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result,
        Err(payload) => {
            let message = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(format!("the tokenizers library panicked: {message}"))
        }
    }
}

/// What kind of JSON value this is, for messages.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the string {:?}", value.chars().take(60).collect::<String>()),
        Value::Array(values) => format!("an array of {} values", values.len()),
        Value::Object(entries) => format!("an object of {} entries", entries.len()),
    }
}

/// The checks of one file.
struct Check<'a> {
    file: &'a Path,
}

impl Check<'_> {
    fn malformed(&self, place: &str, expected: &str, found: String) -> TokenizerError {
        TokenizerError::Malformed {
            file: self.file.to_path_buf(),
            place: place.to_string(),
            expected: expected.to_string(),
            found,
        }
    }

    /// A character map holds at least the prefix tree that it announces.
    fn normalizer(&self, normalizer: &Value) -> Result<(), TokenizerError> {
        if let Some(inner) = normalizer.get("normalizers").and_then(Value::as_array) {
            inner.iter().try_for_each(|normalizer| self.normalizer(normalizer))?;
        }
        let Some(map) = normalizer.get("precompiled_charsmap") else {
            return Ok(());
        };
        let place = "normalizer.precompiled_charsmap";
        let expected = "base64 of a prefix tree's length, the tree and UTF-8 text";
        let bytes = map.as_str().and_then(base64::decode).ok_or_else(|| self.malformed(place, expected, kind(map)))?;
        let announced = bytes
            .first_chunk::<4>()
            .map(|length| u32::from_le_bytes(*length) as usize)
            .ok_or_else(|| self.malformed(place, expected, format!("{} bytes", bytes.len())))?;
        match bytes.get(4..).and_then(|rest| rest.get(announced / 4 * 4..)) {
            Some(text) if announced >= 4 && std::str::from_utf8(text).is_ok() => Ok(()),
            _ => {
                let found = format!("{} bytes that announce a tree of {announced}", bytes.len());
                Err(self.malformed(place, expected, found))
            }
        }
    }

    /// No piece length is zero.
    fn pre_tokenizer(&self, pre_tokenizer: &Value) -> Result<(), TokenizerError> {
        if let Some(inner) = pre_tokenizer.get("pretokenizers").and_then(Value::as_array) {
            inner.iter().try_for_each(|pre_tokenizer| self.pre_tokenizer(pre_tokenizer))?;
        }
        match pre_tokenizer.get("length").and_then(Value::as_u64) {
            Some(0) => Err(self.malformed("pre_tokenizer.length", "at least 1", "0".to_string())),
            _ => Ok(()),
        }
    }

    /// A template holds the text once, and tokens that it defines.
    fn post_processor(&self, post_processor: &Value) -> Result<(), TokenizerError> {
        if let Some(inner) = post_processor.get("processors").and_then(Value::as_array) {
            inner.iter().try_for_each(|post_processor| self.post_processor(post_processor))?;
        }
        let Some(pieces) = post_processor.get("single").and_then(Value::as_array) else {
            return Ok(());
        };
        let malformed = |found| {
            let expected = "the text once, and tokens that special_tokens lists";
            self.malformed("post_processor.single", expected, found)
        };
        let mut texts = 0;
        for piece in pieces {
            let id = |kind: &str| piece.get(kind).and_then(|piece| piece.get("id")).and_then(Value::as_str);
            if id("Sequence") == Some("A") {
                texts += 1;
                continue;
            }
            let token = id("SpecialToken");
            let listed = token.and_then(|token| post_processor.get("special_tokens")?.get(token));
            if listed.is_none() {
                return Err(malformed(piece.to_string()));
            }
        }
        match texts {
            1 => Ok(()),
            _ => Err(malformed(format!("the text {texts} times"))),
        }
    }

    /// Ids are unique and of a sensible size, merges join tokens into tokens; a missing type is filled in.
    fn model(&self, model: &mut Map<String, Value>) -> Result<(), TokenizerError> {
        if model.get("type").is_none_or(Value::is_null) {
            // Files of before 2020 leave the type to be guessed from the entries.
            let guess = if model.contains_key("merges") {
                "BPE"
            } else if model.get("vocab").is_some_and(Value::is_array) {
                "Unigram"
            } else if model.contains_key("continuing_subword_prefix") {
                "WordPiece"
            } else {
                "WordLevel"
            };
            model.insert("type".to_string(), Value::from(guess));
        }
        match model.get("vocab") {
            Some(Value::Object(vocab)) => {
                self.vocabulary_ids(vocab)?;
                let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or_default();
                match model.get("merges") {
                    Some(Value::Array(merges)) => self.merges(merges, vocab, prefix),
                    Some(other) => Err(self.malformed("model.merges", "an array", kind(other))),
                    None => Ok(()),
                }
            }
            Some(Value::Array(pieces)) => self.unigram_pieces(pieces),
            other => {
                let found = other.map_or("none".to_string(), kind);
                Err(self.malformed("model.vocab", "tokens and their ids, or tokens and their scores", found))
            }
        }
    }

    fn vocabulary_ids(&self, vocab: &Map<String, Value>) -> Result<(), TokenizerError> {
        let mut token_of: BTreeMap<u64, &str> = BTreeMap::new();
        for (token, id) in vocab {
            let place = || format!("model.vocab[{token:?}]");
            let number = id
                .as_u64()
                .filter(|&id| id < ID_LIMIT)
                .ok_or_else(|| self.malformed(&place(), "an id, an integer below 2147483648", kind(id)))?;
            if let Some(other) = token_of.insert(number, token) {
                let found = format!("{number}, which is also the id of {other:?}");
                return Err(self.malformed(&place(), "an id of its own", found));
            }
        }
        Ok(())
    }

    fn merges(&self, merges: &[Value], vocab: &Map<String, Value>, prefix: &str) -> Result<(), TokenizerError> {
        for (index, merge) in merges.iter().enumerate() {
            let place = || format!("model.merges[{index}]");
            let pair = match merge {
                Value::String(pair) if pair.starts_with("#version") => continue,
                Value::String(pair) => pair.split_once(' '),
                Value::Array(pair) => match pair.as_slice() {
                    [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
                    _ => None,
                },
                _ => None,
            };
            let Some((left, right)) = pair else {
                return Err(self.malformed(&place(), "two tokens", kind(merge)));
            };
            let joined = right.strip_prefix(prefix).map(|rest| format!("{left}{rest}"));
            let missing = [Some(left), Some(right), joined.as_deref()]
                .into_iter()
                .find(|token| token.is_none_or(|token| !vocab.contains_key(token)));
            if let Some(missing) = missing {
                let found = match missing {
                    Some(token) => format!("{left:?} and {right:?}, with {token:?} not in the vocabulary"),
                    None => format!("{right:?}, which does not begin with {prefix:?}"),
                };
                return Err(self.malformed(&place(), "two tokens that join into a third", found));
            }
        }
        Ok(())
    }

    fn unigram_pieces(&self, pieces: &[Value]) -> Result<(), TokenizerError> {
        for (index, piece) in pieces.iter().enumerate() {
            let token = match piece.as_array().map(Vec::as_slice) {
                Some([Value::String(token), Value::Number(_)]) => Some(token),
                _ => None,
            };
            if token.is_none_or(|token| token.len() > UNIGRAM_TOKEN_BYTES) {
                let expected = format!("a token of at most {UNIGRAM_TOKEN_BYTES} bytes and its score");
                return Err(self.malformed(&format!("model.vocab[{index}]"), &expected, kind(piece)));
            }
        }
        Ok(())
    }

    /// The added tokens and the ids the file gives them.
    fn added_tokens(&self, added: &Value) -> Result<Vec<(String, u32)>, TokenizerError> {
        let entries = match added {
            Value::Null => return Ok(Vec::new()),
            Value::Array(entries) => entries,
            other => return Err(self.malformed("added_tokens", "an array", kind(other))),
        };
        entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let content = entry.get("content").and_then(Value::as_str);
                let id = entry.get("id").and_then(Value::as_u64).filter(|&id| id < ID_LIMIT);
                match (content, id) {
                    (Some(content), Some(id)) => Ok((content.to_string(), id as u32)),
                    _ => Err(self.malformed(
                        &format!("added_tokens[{index}]"),
                        "a content and an id below 2147483648",
                        kind(entry),
                    )),
                }
            })
            .collect()
    }
}
