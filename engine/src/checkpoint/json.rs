//! JSON that names every key once: a second one would silently replace the first.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::Error;

/// Longest JSON file that is read, in bytes; an index of a million tensors has about a tenth of it.
pub(super) const LIMIT_BYTES: u64 = 1 << 30;

/// Parses the contents of `file`.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes)
        .map(|Strict(value)| value)
        .map_err(|error| Error::Json { file: file.to_path_buf(), reason: error.to_string() })
}

/// Reads and parses `file`; also returns its bytes.
pub(super) fn read(file: &Path) -> Result<(Value, Vec<u8>), Error> {
    let bytes = read_bytes(file)?;
    Ok((parse(file, &bytes)?, bytes))
}

/// Reads a file that is not a weight file.
pub(super) fn read_bytes(file: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { file: file.to_path_buf(), source };
    let metadata = std::fs::metadata(file).map_err(io)?;
    if !metadata.is_file() || metadata.len() > LIMIT_BYTES {
        return Err(io(std::io::Error::other("not a regular file below 1 GiB")));
    }
    std::fs::read(file).map_err(io)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictSeed.deserialize(deserializer).map(Self)
    }
}

struct StrictSeed;

impl<'de> DeserializeSeed<'de> for StrictSeed {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(StrictSeed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(StrictSeed)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key `{key}` occurs twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
