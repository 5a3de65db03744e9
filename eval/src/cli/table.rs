//! Listings: the same rows as an aligned table, JSON, CSV or Markdown.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// How a listing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for reading
    #[default]
    Table,
    /// An array of objects, values unrounded
    Json,
    /// A header line and one line a row (RFC 4180), values unrounded
    Csv,
    /// A Markdown table
    Md,
}

/// One value: what is read by people, and what by programs.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    value: Value,
}

impl Cell {
    /// A value that reads as `text`.
    pub fn new(text: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { text: text.into(), value: value.into() }
    }

    /// Nothing to say.
    pub fn empty() -> Self {
        Self::new("", Value::Null)
    }

    /// A number of bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self::new(human_bytes(bytes), bytes)
    }

    /// A count.
    pub fn count(count: u64) -> Self {
        Self::new(human_count(count), count)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { value: Value::from(text.clone()), text }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

/// Side on which the texts of a column line up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under named columns.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table; the names are the keys of the JSON form.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it does not have one cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "cells of a row");
        self.rows.push(row);
    }

    /// Writes all rows.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_aligned(out),
            Format::Json => write_json(&self.to_json(), out),
            Format::Csv => self.write_csv(out),
            Format::Md => self.write_markdown(out),
        }
    }

    fn to_json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().zip(row).map(|((name, _), cell)| (name.to_string(), cell.value.clone()));
            Value::Object(Map::from_iter(pairs))
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    fn widths(&self) -> Vec<usize> {
        let width = |(index, (name, _)): (usize, &(&str, Align))| {
            let texts = self.rows.iter().map(|row| row[index].text.chars().count());
            texts.chain([name.chars().count()]).max().unwrap_or(0)
        };
        self.columns.iter().enumerate().map(width).collect()
    }

    fn write_aligned(&self, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.replace('_', " ")).collect();
        let header = names.iter().map(String::as_str).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect());
        let widths = self.widths();
        for row in std::iter::once(header).chain(rows) {
            writeln!(out, "{}", self.aligned(row, &widths, "  ").trim_end())?;
        }
        Ok(())
    }

    fn write_markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let escaped: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| cell.text.replace('|', "\\|")).collect()).collect();
        let mut widths = self.widths();
        for row in &escaped {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = text.chars().count().max(*width).max(3);
            }
        }
        let names = self.columns.iter().map(|(name, _)| *name).collect();
        writeln!(out, "| {} |", self.aligned(names, &widths, " | "))?;
        let rules: Vec<String> = self
            .columns
            .iter()
            .zip(&widths)
            .map(|((_, align), &width)| match align {
                Align::Left => "-".repeat(width),
                Align::Right => format!("{}:", "-".repeat(width - 1)),
            })
            .collect();
        writeln!(out, "| {} |", rules.join(" | "))?;
        for row in &escaped {
            let row = row.iter().map(String::as_str).collect();
            writeln!(out, "| {} |", self.aligned(row, &widths, " | "))?;
        }
        Ok(())
    }

    fn aligned(&self, texts: Vec<&str>, widths: &[usize], separator: &str) -> String {
        let padded: Vec<String> = texts
            .into_iter()
            .zip(&self.columns)
            .zip(widths)
            .map(|((text, (_, align)), &width)| match align {
                Align::Left => format!("{text:<width$}"),
                Align::Right => format!("{text:>width$}"),
            })
            .collect();
        padded.join(separator)
    }

    fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        writeln!(out, "{}", names.join(","))?;
        for row in &self.rows {
            let fields: Vec<String> = row.iter().map(|cell| csv_field(&cell.value)).collect();
            writeln!(out, "{}", fields.join(","))?;
        }
        Ok(())
    }
}

/// One thing with named properties.
#[derive(Clone, Debug, Default)]
pub struct Record {
    properties: Vec<(String, Cell)>,
}

impl Record {
    /// Adds a property; the name is its key in JSON.
    pub fn push(&mut self, name: impl Into<String>, cell: impl Into<Cell>) {
        self.properties.push((name.into(), cell.into()));
    }

    /// Writes all properties: one a line, or a JSON object.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => {
                let width = self.properties.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
                for (name, cell) in &self.properties {
                    let mut label = name.replace('_', " ");
                    for line in cell.text.split('\n') {
                        writeln!(out, "{}", format!("{label:<width$}  {line}").trim_end())?;
                        label.clear();
                    }
                }
                Ok(())
            }
            Format::Json => {
                let pairs = self.properties.iter().map(|(name, cell)| (name.clone(), cell.value.clone()));
                write_json(&Value::Object(Map::from_iter(pairs)), out)
            }
            Format::Csv | Format::Md => {
                let mut table = Table::new(&[("property", Align::Left), ("value", Align::Left)]);
                for (name, cell) in &self.properties {
                    table.push(vec![name.as_str().into(), cell.clone()]);
                }
                table.write(format, out)
            }
        }
    }
}

/// The flag that chooses how a listing is written.
#[derive(Args, Clone, Copy, Debug)]
#[command(rename_all = "snake_case")]
pub struct FormatFlag {
    /// How it is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, help_heading = "Output")]
    pub format: Format,
}

/// Writes a JSON document, indented, with a line break at its end.
///
/// # Errors
/// Those of `out`.
pub fn write_json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// A field of RFC 4180: quoted where it holds a comma, a quote or a line break.
pub fn csv_field(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Bytes in binary units, three significant digits or more.
pub fn human_bytes(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A count with a decimal suffix.
pub fn human_count(count: u64) -> String {
    scaled(count, 1000.0, &["", "K", "M", "B", "T"]).trim_end().to_string()
}

fn scaled(amount: u64, base: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (amount as f64, 0);
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    match unit {
        0 => format!("{amount} {}", units[0]),
        _ => format!("{value:.2} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut table = Table::new(&[("model_name", Align::Left), ("bytes", Align::Right)]);
        table.push(vec!["a|b, c".into(), Cell::bytes(1536)]);
        table.push(vec!["d".into(), Cell::empty()]);
        let mut out = Vec::new();
        table.write(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_aligned_table() {
        assert_eq!(written(Format::Table), "model name     bytes\na|b, c      1.50 KiB\nd\n");
    }

    #[test]
    fn json_has_the_unrounded_values() {
        let value: Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(value[0]["bytes"], 1536);
        assert_eq!(value[1]["bytes"], Value::Null);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(written(Format::Csv), "model_name,bytes\n\"a|b, c\",1536\nd,\n");
    }

    #[test]
    fn markdown_escapes_bars() {
        let expected = "| model_name |    bytes |\n| ---------- | -------: |\n| a\\|b, c    | 1.50 KiB |\n| d          |          |\n";
        assert_eq!(written(Format::Md), expected);
    }

    #[test]
    fn units() {
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(5 << 30), "5.00 GiB");
        assert_eq!(human_count(260_032), "260.03 K");
        assert_eq!(human_count(12), "12");
    }
}
