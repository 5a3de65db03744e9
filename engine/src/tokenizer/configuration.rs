//! The small files beside a vocabulary: special tokens, beginning and end of a sequence, the chat template.
//!
//! | file | what is read |
//! |---|---|
//! | `tokenizer_config.json` | names of the special tokens, `add_bos_token`, `add_eos_token`, `added_tokens_decoder`, `chat_template` |
//! | `special_tokens_map.json` | names of special tokens the former lacks |
//! | `generation_config.json` | `eos_token_id` (one or a list), `bos_token_id`, `chat_format` of the first-generation Qwen |
//! | `config.json` | `eos_token_id` and `bos_token_id` where no file above has them |
//! | `chat_template.jinja` | the chat template, before any other |

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::AddedToken;

use super::TokenizerError;
use super::pipeline::{kind, parse_json};
use crate::checkpoint::EmbeddedFile;

/// The keys under which a special token may be named.
const SPECIAL_TOKEN_KEYS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/// A setting that a file can leave out, switch off or give.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Setting<T> {
    /// No file mentions it.
    #[default]
    Absent,
    /// A file says `null`: there is none.
    None,
    /// The value.
    Given(T),
}

/// What the small files say; all of them may be missing.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) bos_token: Setting<String>,
    pub(super) eos_token: Setting<String>,
    /// Tokens with a name, to be recognised in text if the vocabulary has them.
    pub(super) special_tokens: Vec<String>,
    /// Tokens listed with their ids, in ascending order of id.
    pub(super) added_tokens: Vec<(u32, AddedToken)>,
    pub(super) add_bos_token: Option<bool>,
    pub(super) add_eos_token: Option<bool>,
    /// From `generation_config.json`, else `config.json`.
    pub(super) bos_id: Option<u32>,
    /// From `generation_config.json`, else `config.json`.
    pub(super) eos_ids: Vec<u32>,
    pub(super) chat_template: Option<String>,
    /// `chat_format` of `generation_config.json`: `chatml` or `raw`.
    pub(super) chat_format: Option<String>,
}

impl Configuration {
    /// Reads the small files of a checkpoint.
    pub(super) fn read(files: Files<'_>) -> Result<Self, TokenizerError> {
        let mut configuration = Self::default();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            if let Some(file) = JsonFile::read(files, name)? {
                configuration.take_special_tokens(&file)?;
            }
        }
        for name in ["generation_config.json", "config.json"] {
            if let Some(file) = JsonFile::read(files, name)? {
                configuration.take_ids(&file)?;
            }
        }
        let template = "chat_template.jinja";
        if let Some(bytes) = files.read(template)? {
            let text = String::from_utf8(bytes.into_owned()).map_err(|error| TokenizerError::Malformed {
                file: files.path(template),
                place: format!("byte {}", error.utf8_error().valid_up_to()),
                expected: "UTF-8 text".to_string(),
                found: "another encoding".to_string(),
            })?;
            configuration.chat_template = Some(text);
        }
        Ok(configuration)
    }

    fn take_special_tokens(&mut self, file: &JsonFile) -> Result<(), TokenizerError> {
        for key in SPECIAL_TOKEN_KEYS {
            let named = file.token_name(key)?;
            if let Setting::Given(token) = &named {
                self.special_tokens.push(token.clone());
            }
            match key {
                "bos_token" if self.bos_token == Setting::Absent => self.bos_token = named,
                "eos_token" if self.eos_token == Setting::Absent => self.eos_token = named,
                _ => {}
            }
        }
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            self.special_tokens.extend(file.token_names(key)?);
        }
        self.add_bos_token = self.add_bos_token.or(file.boolean("add_bos_token")?);
        self.add_eos_token = self.add_eos_token.or(file.boolean("add_eos_token")?);
        if self.added_tokens.is_empty() {
            self.added_tokens = file.added_tokens_decoder()?;
        }
        if self.chat_template.is_none() {
            self.chat_template = file.chat_template()?;
        }
        Ok(())
    }

    fn take_ids(&mut self, file: &JsonFile) -> Result<(), TokenizerError> {
        if self.eos_ids.is_empty() {
            self.eos_ids = file.ids("eos_token_id")?;
        }
        if self.bos_id.is_none() {
            self.bos_id = file.ids("bos_token_id")?.first().copied();
        }
        if self.chat_format.is_none() {
            self.chat_format = file.value.get("chat_format").and_then(Value::as_str).map(str::to_string);
        }
        Ok(())
    }
}

/// The files of a checkpoint: a directory, or its name where they are part of the program.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) directory: &'a Path,
    pub(super) embedded: Option<&'static [EmbeddedFile]>,
}

impl Files<'_> {
    /// Where a file is, for errors.
    pub(super) fn path(self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The bytes of a file, `None` if it does not exist.
    pub(super) fn read(self, name: &str) -> Result<Option<Cow<'static, [u8]>>, TokenizerError> {
        if let Some(files) = self.embedded {
            return Ok(files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| Cow::Borrowed(*bytes)));
        }
        match std::fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TokenizerError::Unreadable { file: self.path(name), source }),
        }
    }
}

/// A JSON object from a file, read key by key.
struct JsonFile {
    path: PathBuf,
    value: Value,
}

impl JsonFile {
    fn read(files: Files<'_>, name: &str) -> Result<Option<Self>, TokenizerError> {
        let Some(bytes) = files.read(name)? else {
            return Ok(None);
        };
        let path = files.path(name);
        let value = parse_json(&bytes, &path)?;
        let file = Self { path, value };
        match &file.value {
            Value::Object(_) => Ok(Some(file)),
            other => Err(file.malformed("the file", "a JSON object", other)),
        }
    }

    fn malformed(&self, place: &str, expected: &str, found: &Value) -> TokenizerError {
        TokenizerError::Malformed {
            file: self.path.clone(),
            place: place.to_string(),
            expected: expected.to_string(),
            found: kind(found),
        }
    }

    /// A token's name: a string, or an object with its text as `content`.
    fn token_name(&self, key: &str) -> Result<Setting<String>, TokenizerError> {
        match self.value.get(key) {
            None => Ok(Setting::Absent),
            Some(Value::Null) => Ok(Setting::None),
            Some(value) => match token_text(value) {
                Some(token) => Ok(Setting::Given(token)),
                None => Err(self.malformed(key, "a token as a string or an object with content", value)),
            },
        }
    }

    /// A list of tokens, or an object of them.
    fn token_names(&self, key: &str) -> Result<Vec<String>, TokenizerError> {
        let expected = "a list of tokens, each a string or an object with content";
        let read = |value: &Value| token_text(value).ok_or_else(|| self.malformed(key, expected, value));
        match self.value.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(read).collect(),
            Some(Value::Object(entries)) => entries.values().map(read).collect(),
            Some(other) => Err(self.malformed(key, expected, other)),
        }
    }

    fn boolean(&self, key: &str) -> Result<Option<bool>, TokenizerError> {
        match self.value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.malformed(key, "true or false", other)),
        }
    }

    /// One id, a list of ids, or none.
    fn ids(&self, key: &str) -> Result<Vec<u32>, TokenizerError> {
        let read = |value: &Value| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| self.malformed(key, "a token id or a list of them", value))
        };
        match self.value.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(read).collect(),
            Some(value) => Ok(vec![read(value)?]),
        }
    }

    /// `added_tokens_decoder`: tokens with their matching rules, keyed by id.
    fn added_tokens_decoder(&self) -> Result<Vec<(u32, AddedToken)>, TokenizerError> {
        let key = "added_tokens_decoder";
        let entries = match self.value.get(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Object(entries)) => entries,
            Some(other) => return Err(self.malformed(key, "an object of tokens by id", other)),
        };
        let mut tokens = Vec::with_capacity(entries.len());
        for (id, value) in entries {
            let place = format!("{key}[{id:?}]");
            let (Ok(id), Some(content)) = (id.parse(), value.get("content").and_then(Value::as_str)) else {
                return Err(self.malformed(&place, "an id and a token with content", value));
            };
            let flag = |name: &str| value.get(name).and_then(Value::as_bool);
            let token = AddedToken::from(content, flag("special").unwrap_or(false))
                .single_word(flag("single_word").unwrap_or(false))
                .lstrip(flag("lstrip").unwrap_or(false))
                .rstrip(flag("rstrip").unwrap_or(false));
            let normalized = flag("normalized").unwrap_or(token.normalized);
            tokens.push((id, token.normalized(normalized)));
        }
        tokens.sort_by_key(|&(id, _)| id);
        Ok(tokens)
    }

    /// `chat_template`: a template, or a list of named ones of which `default` is taken (or the only one).
    fn chat_template(&self) -> Result<Option<String>, TokenizerError> {
        let expected = "a template, or a list of {name, template} with one named default";
        let malformed = |found| self.malformed("chat_template", expected, found);
        match self.value.get("chat_template") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(template)) => Ok(Some(template.clone())),
            Some(found @ Value::Array(named)) => {
                let chosen = match named.as_slice() {
                    [only] => Some(only),
                    _ => named.iter().find(|entry| entry.get("name").is_some_and(|name| name == "default")),
                };
                let template = chosen.and_then(|entry| entry.get("template")).and_then(Value::as_str);
                Ok(Some(template.ok_or_else(|| malformed(found))?.to_string()))
            }
            Some(other) => Err(malformed(other)),
        }
    }
}

fn token_text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_string)
}
