//! Rows with named fields, whatever file they lie in: JSON lines, a JSON list, CSV, TSV, parquet.
//!
//! The same data set is published in several of these; a reader says once what a row holds, as a type that serde can
//! fill, and what an item of it must be.

use crate::source::Source;
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::{Map, Value};

/// Why a row that can be read is no item.
pub(crate) struct Wrong {
    expected: &'static str,
    found: String,
}

impl Wrong {
    /// The error of the item with this index in `source`.
    pub(crate) fn at(self, source: &Source, item: usize) -> Error {
        Error::Item { file: source.label(), item, expected: self.expected, found: self.found }
    }
}

/// What was expected of an item, and what it holds.
pub(crate) fn wrong<T>(expected: &'static str, found: impl Into<String>) -> std::result::Result<T, Wrong> {
    Err(Wrong { expected, found: found.into() })
}

/// Turns every row of a file into an item; rows of no item (`None`) are left out.
///
/// The ending of the file's name says how it is read: `.csv` and `.tsv` have a header row and quoting as in RFC 4180,
/// `.jsonl` has one object a line, `.json` that or a list of objects, `.parquet` columns. Fields that `R` does not name
/// are ignored.
pub(crate) fn parse<R: DeserializeOwned, T>(
    source: &Source,
    expected: &'static str,
    mut item: impl FnMut(R) -> std::result::Result<Option<T>, Wrong>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    for (index, (place, value)) in values(source, expected)?.into_iter().enumerate() {
        let row = R::deserialize(value).map_err(|error| Error::Row {
            file: source.label(),
            place,
            message: error.to_string(),
        })?;
        items.extend(item(row).map_err(|wrong| wrong.at(source, index))?);
    }
    if items.is_empty() {
        return Err(Error::Empty { file: source.label(), expected });
    }
    Ok(items)
}

/// Every row as a JSON object, and where it stands.
fn values(source: &Source, expected: &'static str) -> Result<Vec<(String, Value)>> {
    let ending = source.name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending == "parquet" {
        let rows = crate::parquet::rows(source)?;
        return Ok(rows.into_iter().enumerate().map(|(index, row)| (format!("row {}", index + 1), row)).collect());
    }
    let text = source.text(expected)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match ending {
        "csv" => table(source, text, b','),
        "tsv" => table(source, text, b'\t'),
        "json" if text.trim_start().starts_with('[') => list(source, text),
        _ => lines(source, text),
    }
}

fn table(source: &Source, text: &str, delimiter: u8) -> Result<Vec<(String, Value)>> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut header: Option<csv::StringRecord> = None;
    for (index, record) in reader.records().enumerate() {
        let row = index + 1;
        let record = record.map_err(|error| Error::Csv { file: source.label(), row, message: error.to_string() })?;
        let line = record.position().map_or(0, |position| position.line());
        let Some(names) = &header else {
            header = Some(record);
            continue;
        };
        if names.len() != record.len() {
            let (expected, found) = (names.len(), record.len());
            return Err(Error::Columns { file: source.label(), row, line, expected, found });
        }
        let fields = names.iter().zip(&record).map(|(name, field)| (name.to_owned(), Value::from(field)));
        rows.push((format!("row {row} (line {line})"), Value::Object(Map::from_iter(fields))));
    }
    Ok(rows)
}

fn lines(source: &Source, text: &str) -> Result<Vec<(String, Value)>> {
    let mut rows = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let value = serde_json::from_str(line).map_err(|error| Error::Json {
            file: source.label(),
            line: index + 1,
            column: error.column(),
            message: error.to_string(),
        })?;
        rows.push((format!("line {}", index + 1), value));
    }
    Ok(rows)
}

fn list(source: &Source, text: &str) -> Result<Vec<(String, Value)>> {
    let values: Vec<Value> = serde_json::from_str(text).map_err(|error| Error::Json {
        file: source.label(),
        line: error.line(),
        column: error.column(),
        message: error.to_string(),
    })?;
    Ok(values
        .into_iter()
        .enumerate()
        .map(|(index, value)| (format!("item {} of the list", index + 1), value))
        .collect())
}

/// An integer, or a text that is one: tables without types hold the latter.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<i64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| D::Error::custom(format!("expected an integer, found {value}")))
}

/// A text, or a number that stands for one: identifiers come as either.
pub(crate) fn identifier<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(D::Error::custom(format!("expected a text or a number, found {other}"))),
    }
}

/// Where the Hugging Face hub keeps the rows of a split, and what its library exports them as.
pub(crate) fn hub(config: &str, split: &str) -> Vec<String> {
    let mut files = Vec::new();
    for folder in [config, "data", ""] {
        let slash = if folder.is_empty() { "" } else { "/" };
        files.push(format!("{folder}{slash}{split}-00000-of-00001.parquet"));
    }
    files.extend(["jsonl", "json", "csv", "parquet"].map(|ending| format!("{split}.{ending}")));
    files
}
