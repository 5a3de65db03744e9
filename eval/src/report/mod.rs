//! Reports: what runs found, for reading and for other programs.
//!
//! A [`Run`] is read back from its directory, or taken from what was just computed. From it come the overview for a
//! terminal, and the report of `nibble report` in four forms. Every number is computed from the run's files, every
//! verdict by a rule that stands beside it.

mod benchmark;
mod changes;
mod correlation;
mod csv;
mod efficiency;
mod equal_bytes;
mod figures;
mod findings;
mod grid;
mod html;
mod json;
mod markdown;
mod markup;
mod overview;
mod paper;
mod pareto;
mod parse;
mod quality;
mod run;
mod svg;
#[cfg(test)]
mod synthetic;
mod table;
mod verdict;

pub use benchmark::{Column, Scale, columns};
pub use correlation::pearson;
pub use efficiency::{Efficiency, Measured, Rate};
pub use findings::{Finding, Outcome, findings};
pub use html::page as html;
pub use json::value as json;
pub use markdown::text as markdown;
pub use overview::{Style, text as overview};
pub use run::{Change, Layer, Run, Score, Task, Variant, runs};
pub use verdict::Verdict;

use crate::error::Error;
use crate::output;
use crate::runner::{REPORT, RunSummary, summary_json};
use std::path::{Path, PathBuf};

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

/// Tasks beyond which the table gives way to the overview.
const FEW_TASKS: usize = 3;

/// The report of a run, with a line break at its end. `run` is the same run with what its directory adds.
///
/// With few tasks a terminal gets every number beside its change, with more the overview.
pub fn render(summary: &RunSummary, run: &Run, format: Format, style: Style) -> String {
    match format {
        Format::Table if is_wide(run) => {
            format!("{}{}", overview(std::slice::from_ref(run), style), table::problems(summary))
        }
        Format::Table => table::text(summary),
        Format::Markdown => table::markdown(summary),
        Format::Csv => csv(std::slice::from_ref(run)),
        Format::Json => format!("{:#}\n", summary_json(summary)),
    }
}

/// Whether a run has so many tasks that a terminal gets the overview.
pub fn is_wide(run: &Run) -> bool {
    let requested = |variant: &Variant| variant.tasks.iter().filter(|task| task.requested).count();
    run.variants.first().is_some_and(|variant| requested(variant) > FEW_TASKS)
}

/// Every metric of runs as comma-separated values.
pub fn csv(runs: &[Run]) -> String {
    csv::rows(runs)
}

/// Writes the report of `runs` into `directory`, and says where it is.
///
/// # Errors
/// [`Error::Output`].
pub fn write_html(runs: &[Run], directory: &Path) -> Result<PathBuf, Error> {
    let path = directory.join(REPORT);
    write(&path, &html(runs))?;
    Ok(path)
}

/// Writes a report to `path`, whole or not at all.
///
/// # Errors
/// [`Error::Output`].
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    output::write(path, text.as_bytes())
}
