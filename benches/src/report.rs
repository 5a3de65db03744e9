//! Results as a table, line by line as they are measured, or as one JSON object.

use crate::options::Output;
use crate::timing::Timing;
use serde_json::{Map, Value};
use std::io::Write;

/// A column: its name in JSON, and in a table with spaces for underscores.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    width: usize,
    decimals: Option<usize>,
}

/// A column of words, at least `width` wide.
pub const fn text(name: &'static str, width: usize) -> Column {
    Column { name, width, decimals: None }
}

/// A column of numbers.
pub const fn number(name: &'static str, decimals: usize) -> Column {
    Column { name, width: 9, decimals: Some(decimals) }
}

/// The columns of a spread, in milliseconds.
pub const SPREAD: [Column; 3] = [number("min_ms", 3), number("median_ms", 3), number("max_ms", 3)];

/// A result's place in its row.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count.
    Count(usize),
    /// A number.
    Number(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Count(number)
    }
}

impl Timing {
    /// The cells of [`SPREAD`].
    pub fn cells(&self) -> [Cell; 3] {
        [self.min, self.median, self.max].map(|seconds| Cell::Number(1e3 * seconds))
    }
}

/// Results on their way to stdout. Whoever closes it early is not complained about.
pub struct Report {
    output: Output,
    about: Map<String, Value>,
    columns: Vec<Column>,
    rows: Vec<Value>,
}

impl Report {
    /// A report on `bench`, with what is the same for all its rows.
    pub fn new(output: Output, bench: &str, about: &[(&str, Value)], columns: &[Column]) -> Self {
        let mut report = Self { output, about: Map::new(), columns: columns.to_vec(), rows: Vec::new() };
        report.note("bench", bench.into());
        for (name, value) in about {
            report.note(name, value.clone());
        }
        let header = report.columns.iter().map(|column| column.padded(column.name.replace('_', " ")));
        let header = header.collect::<Vec<_>>().join("  ");
        report.line(&header);
        report
    }

    /// Says something about all rows.
    pub fn note(&mut self, name: &str, value: Value) {
        self.line(&match &value {
            Value::String(text) => format!("{name}: {text}"),
            value => format!("{name}: {value}"),
        });
        self.about.insert(name.to_string(), value);
    }

    /// Adds a result: a cell a column.
    ///
    /// # Panics
    /// If there are more or fewer cells than columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "a cell a column");
        let words = self.columns.iter().zip(&cells).map(|(column, cell)| {
            column.padded(match cell {
                Cell::Text(text) => text.clone(),
                Cell::Count(count) => count.to_string(),
                Cell::Number(number) => format!("{number:.*}", column.decimals.unwrap_or(0)),
            })
        });
        let line = words.collect::<Vec<_>>().join("  ");
        self.line(line.trim_end());
        let fields = self.columns.iter().zip(cells).map(|(column, cell)| {
            let value = match cell {
                Cell::Text(text) => text.into(),
                Cell::Count(count) => count.into(),
                Cell::Number(number) => number.into(),
            };
            (column.name.to_string(), value)
        });
        self.rows.push(fields.collect::<Map<_, _>>().into());
    }

    /// Writes the object.
    pub fn finish(mut self) {
        if self.output == Output::Json {
            self.about.insert("rows".into(), self.rows.into());
            let _ = writeln!(std::io::stdout(), "{:#}", Value::Object(self.about));
        }
    }

    fn line(&self, line: &str) {
        if self.output == Output::Table {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

impl Column {
    fn padded(&self, word: String) -> String {
        let width = self.width.max(self.name.len());
        match self.decimals {
            None => format!("{word:width$}"),
            Some(_) => format!("{word:>width$}"),
        }
    }
}

/// A share in percent.
pub fn percent(part: f64, whole: f64) -> Cell {
    Cell::Number(100.0 * part / whole)
}
