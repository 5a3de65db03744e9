//! Values of `config.json`, read with errors that name the key, what is allowed and what is there.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::Error;

/// Largest size, length or count that a configuration may ask for.
const LARGEST_SIZE: u64 = i32::MAX as u64;
/// Most decoder blocks that a configuration may ask for.
const MOST_LAYERS: usize = 4096;

/// An object of a configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Config<'a> {
    values: &'a Map<String, Value>,
    file: PathBuf,
    /// Keys that lead to this object, each followed by a dot.
    prefix: String,
}

impl<'a> Config<'a> {
    /// The contents `value` of `file`, which must be an object.
    pub(crate) fn new(value: &'a Value, file: &Path) -> Result<Self, Error> {
        match value {
            Value::Object(values) => Ok(Self { values, file: file.to_path_buf(), prefix: String::new() }),
            other => Err(Error::ConfigValue {
                file: file.to_path_buf(),
                key: String::new(),
                expected: "an object".into(),
                found: abbreviated(other),
            }),
        }
    }

    /// All keys in the order of the file.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether the key is there, if only as null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key; `None` when it is absent or null.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// The object under a key; `None` when it is absent or null.
    pub(crate) fn section(&self, key: &str) -> Result<Option<Self>, Error> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Self { values, file: self.file.clone(), prefix: format!("{}{key}.", self.prefix) }))
            }
            Some(_) => Err(self.wrong(key, "an object or null")),
        }
    }

    /// A whole number of at least zero; `None` when it is absent or null.
    pub(crate) fn optional_count(&self, key: &str) -> Result<Option<usize>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(count) if count <= LARGEST_SIZE => Ok(Some(count as usize)),
            _ => Err(self.wrong(key, &format!("a whole number up to {LARGEST_SIZE}"))),
        }
    }

    /// A size of at least one; `None` when it is absent or null.
    pub(crate) fn optional_size(&self, key: &str) -> Result<Option<usize>, Error> {
        match self.optional_count(key)? {
            Some(0) => Err(self.wrong(key, "a number above zero")),
            size => Ok(size),
        }
    }

    /// A size of at least one.
    pub(crate) fn size(&self, key: &str) -> Result<usize, Error> {
        self.optional_size(key)?.ok_or_else(|| self.wrong(key, "a whole number above zero"))
    }

    /// A size of at least one, or `default` where the key is absent.
    pub(crate) fn size_or(&self, key: &str, default: usize) -> Result<usize, Error> {
        if self.has(key) { self.size(key) } else { Ok(default) }
    }

    /// Number of decoder blocks.
    pub(crate) fn layers(&self, key: &str) -> Result<usize, Error> {
        match self.size(key)? {
            layers if layers <= MOST_LAYERS => Ok(layers),
            _ => Err(self.wrong(key, &format!("at most {MOST_LAYERS} layers"))),
        }
    }

    /// A finite number; `None` when it is absent or null.
    pub(crate) fn optional_number(&self, key: &str) -> Result<Option<f64>, Error> {
        match self.value(key).map(Value::as_f64) {
            None => Ok(None),
            Some(Some(number)) if number.is_finite() => Ok(Some(number)),
            Some(_) => Err(self.wrong(key, "a finite number")),
        }
    }

    /// A number above 0, rounded to f32; `None` when it is absent or null.
    pub(crate) fn positive_number(&self, key: &str) -> Result<Option<f32>, Error> {
        match self.optional_number(key)? {
            None => Ok(None),
            Some(number) if number as f32 > 0.0 && (number as f32).is_finite() => Ok(Some(number as f32)),
            Some(_) => Err(self.wrong(key, "a number above 0")),
        }
    }

    /// A finite number that is not below `least`.
    pub(crate) fn number_from(&self, key: &str, least: f64) -> Result<f64, Error> {
        match self.optional_number(key)? {
            Some(number) if number >= least => Ok(number),
            _ => Err(self.wrong(key, &format!("a number of at least {least}"))),
        }
    }

    /// The term added under the root of a norm, or `default` where the key is absent.
    pub(crate) fn norm_eps(&self, key: &str, default: f32) -> Result<f32, Error> {
        if !self.has(key) {
            return Ok(default);
        }
        let eps = self.number_from(key, 0.0)? as f32;
        if eps < 1.0 { Ok(eps) } else { Err(self.wrong(key, "a number below 1")) }
    }

    /// True or false; `default` where the key is absent.
    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.values.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A text; `None` when it is absent or null.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text or null")),
        }
    }

    /// A list of texts; `None` when it is absent or null.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(key, "a list of texts or null")),
        }
    }

    /// The error of a value that is missing, of the wrong type or out of range.
    pub(crate) fn wrong(&self, key: &str, expected: &str) -> Error {
        Error::ConfigValue {
            file: self.file.clone(),
            key: format!("{}{key}", self.prefix),
            expected: expected.to_string(),
            found: self.values.get(key).map_or_else(|| "nothing".into(), abbreviated),
        }
    }

    /// The error of a value that asks for something that is not implemented.
    pub(crate) fn unsupported(&self, key: &str, supported: &str) -> Error {
        Error::Unsupported {
            file: self.file.clone(),
            key: format!("{}{key}", self.prefix),
            found: self.values.get(key).map_or_else(|| "nothing".into(), abbreviated),
            supported: supported.to_string(),
        }
    }
}

/// A value as JSON, cut where it is long.
fn abbreviated(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{} ...", &text[..end]),
    }
}
