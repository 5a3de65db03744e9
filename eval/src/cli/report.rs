//! `nibble report`: what finished runs found.

use super::Context;
use super::failure::{Outcome, Status};
use super::style;
use clap::{Args, ValueEnum};
use eval::report;
use std::path::PathBuf;

/// Report what finished runs found
///
/// From run directories, or directories that contain them; of one model or several. The table has one row a model and
/// recipe and one column a benchmark, with marks for significant changes from the baseline, and three sentences of
/// verdict. The page (--format html) has everything: the paper's findings held against the numbers, figures, tables,
/// tests, the protocol with its hashes. It is one file without scripts, and the same bytes for the same runs.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble report RUN                                        the overview of a run
  nibble report RUN --format html -o report.html           the page, for a browser
  nibble report SMALL LARGE                                two models beside each other
  nibble report RUN --format csv                           one row a metric"
)]
pub struct Arguments {
    /// Run directories, as --output_path of `nibble eval` named them, or directories with run directories in them
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// How it is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, help_heading = "Output")]
    format: Format,
    /// File to write to [default: stdout]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output_path: Option<PathBuf>,
}

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The overview and the verdict, for a terminal
    Table,
    /// Overview, verdict, findings and correlations in Markdown
    Md,
    /// One row a metric (RFC 4180), values unrounded
    Csv,
    /// Everything that is computed
    Json,
    /// The whole report as a page
    Html,
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let runs = report::runs(&arguments.runs)?;
    let style = if arguments.output_path.is_none() { style::of_stdout() } else { report::Style::Plain };
    let text = match arguments.format {
        Format::Table => report::overview(&runs, style),
        Format::Md => report::markdown(&runs),
        Format::Csv => report::csv(&runs),
        Format::Json => format!("{:#}\n", report::json(&runs)),
        Format::Html => report::html(&runs),
    };
    match &arguments.output_path {
        Some(path) => {
            report::write(path, &text)?;
            context.verbosity.note(format!("report: {}", path.display()));
        }
        None => {
            write!(context.out, "{text}")?;
            context.out.flush()?;
        }
    }
    Ok(Status::Done)
}
