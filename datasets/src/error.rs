//! What can go wrong between a directory and the items in it.

use std::path::PathBuf;

/// Why benchmark items could not be read. Every variant says what was expected, what was found, and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// none of the places in which the official layouts keep a file holds it
    #[error(
        "{dataset}: {file} was not found\n  looked for: {}\n  in: {}\n  {advice}",
        looked_for.join(", "),
        list(looked_in)
    )]
    Missing {
        /// name of the data set in the catalogue
        dataset: &'static str,
        /// canonical name of the file that is wanted
        file: String,
        /// the relative paths that were tried in every directory
        looked_for: Vec<String>,
        /// the directories that were searched
        looked_in: Vec<PathBuf>,
        /// where the file comes from and where to put it
        advice: String,
    },
    /// a file or directory that is there cannot be read
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// the file
        path: PathBuf,
        /// what the operating system says
        source: std::io::Error,
    },
    /// bytes that are not UTF-8
    #[error(
        "{file}, line {line}: byte {offset} of the file is not UTF-8; official files are UTF-8, fetch this one again or convert it"
    )]
    Utf8 {
        /// the file
        file: String,
        /// line of the first bad byte, from 1
        line: usize,
        /// offset of the first bad byte in the file, from 0
        offset: usize,
    },
    /// a file without content
    #[error("{file}: the file is empty, expected {expected}; fetch it again")]
    Empty {
        /// the file
        file: String,
        /// what a file of this kind holds
        expected: &'static str,
    },
    /// a table that is not CSV
    #[error("{file}, row {row}: not CSV: {message}")]
    Csv {
        /// the file
        file: String,
        /// row, from 1
        row: usize,
        /// what the CSV reader says
        message: String,
    },
    /// a row with too few or too many columns
    #[error(
        "{file}, row {row} (line {line}): expected {expected} columns, found {found}; \
         a comma or a line break inside a field needs quotes"
    )]
    Columns {
        /// the file
        file: String,
        /// row, from 1
        row: usize,
        /// line on which the row begins, from 1
        line: u64,
        /// columns of the official layout
        expected: usize,
        /// columns of this row
        found: usize,
    },
    /// an answer that is not one of the letters
    #[error(
        "{file}, row {row} (line {line}): expected the answer as one of A, B, C, D in the last column, found {found:?}; \
         the official files have no header row and letters, not numbers"
    )]
    Answer {
        /// the file
        file: String,
        /// row, from 1
        row: usize,
        /// line on which the row begins, from 1
        line: u64,
        /// the text in the last column
        found: String,
    },
    /// a file that is not the JSON it should be
    #[error("{file}, line {line}, column {column}: {message}")]
    Json {
        /// the file
        file: String,
        /// line, from 1
        line: usize,
        /// column, from 1
        column: usize,
        /// what the JSON reader says
        message: String,
    },
    /// an item that parses but cannot be scored
    #[error("{file}, item {item}: expected {expected}, found {found}")]
    Item {
        /// the file
        file: String,
        /// item, from 0, as it is numbered in results
        item: usize,
        /// what the metric needs
        expected: &'static str,
        /// what the item holds
        found: String,
    },
    /// a file that differs from the official release
    #[error(
        "{file}: this is not the official {name}: its {what} has SHA-256 {found}, expected {}\n  \
         fetch the official file, or pass --allow_unpinned to score this one: the result will then say so",
        expected.join(" or ")
    )]
    Pin {
        /// the file
        file: String,
        /// canonical name
        name: String,
        /// what the digest is taken over
        what: &'static str,
        /// digests of the official editions
        expected: Vec<String>,
        /// digest of this file
        found: String,
    },
    /// a row or record of a table that lacks a field, or holds another kind of value in it
    #[error("{file}, {place}: {message}")]
    Row {
        /// the file
        file: String,
        /// line or row, from 1
        place: String,
        /// what is missing or wrong
        message: String,
    },
    /// a file with too many or too few lines or items
    #[error("{file}: expected {expected} {what}, found {found}; fetch it again")]
    Count {
        /// the file
        file: String,
        /// what is counted
        what: &'static str,
        /// how many the official file has
        expected: usize,
        /// how many this one has
        found: usize,
    },
    /// a file whose reader was left out when this program was built
    #[error(
        "{file}: this program was built without its parquet reader; build with --features parquet, or put the {instead} there"
    )]
    Feature {
        /// the file
        file: String,
        /// other layouts of the same data
        instead: &'static str,
    },
    /// a file that is not the parquet file its name says
    #[error("{file}: not a parquet file that can be read: {message}; fetch it again")]
    Parquet {
        /// the file
        file: String,
        /// what the parquet reader says
        message: String,
    },
    /// a subject, language or category that the benchmark does not have
    #[error("{dataset} has no {what} {name:?}{}", did_you_mean.map(|other| format!("; did you mean {other:?}?")).unwrap_or_default())]
    UnknownSubject {
        /// name of the data set
        dataset: &'static str,
        /// what kind of part was asked for
        what: &'static str,
        /// what was asked for
        name: String,
        /// the nearest name there is
        did_you_mean: Option<&'static str>,
    },
    /// several files where one has to be chosen
    #[error("{dataset}: several files could be meant: {}; {advice}", list(found))]
    Ambiguous {
        /// name of the data set
        dataset: &'static str,
        /// the files
        found: Vec<PathBuf>,
        /// how to choose
        advice: String,
    },
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no directory (none was given)".to_owned();
    }
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    shown.join(", ")
}
