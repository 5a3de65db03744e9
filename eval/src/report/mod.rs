//! Reports: what a run found, for reading and for other programs.

mod changes;
mod csv;
mod figures;
mod grid;
mod table;

use crate::runner::{RunSummary, summary_json};

/// A form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For a terminal: one row a variant, the main metric of each task that was asked for.
    #[default]
    Table,
    /// The content of `summary.json`: every metric of every task.
    Json,
    /// One row a metric, with its difference from the baseline.
    Csv,
    /// The table in Markdown.
    Markdown,
}

impl Format {
    /// All of them, with the words they have on the command line.
    pub const ALL: [(&'static str, Format); 4] =
        [("table", Format::Table), ("json", Format::Json), ("csv", Format::Csv), ("md", Format::Markdown)];
}

/// The report of a run, with a line break at its end.
pub fn render(summary: &RunSummary, format: Format) -> String {
    match format {
        Format::Table => table::text(summary),
        Format::Markdown => table::markdown(summary),
        Format::Csv => csv::rows(summary),
        Format::Json => format!("{:#}\n", summary_json(summary)),
    }
}
