//! What `nibble eval` leaves behind: tables on stdout, a page in the directory of every run, one page over several.

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::style;
use crate::cli::table::Format;
use eval::report::{self, Run};
use eval::runner::{RunSummary, Status};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The reports of the models of one command.
pub struct Reports {
    format: Format,
    models: usize,
    /// What is still to be printed.
    texts: Vec<String>,
    /// Runs that are complete, those of several models.
    runs: Vec<Run>,
    /// The page of the last run.
    page: Option<PathBuf>,
}

impl Reports {
    /// None yet, of so many models.
    pub fn new(format: Format, models: usize) -> Self {
        Self { format, models, texts: Vec::new(), runs: Vec::new(), page: None }
    }

    /// Writes the page of a run, if it is complete and has a directory, and prints its table where that need not wait
    /// for other models.
    ///
    /// # Errors
    /// What cannot be read back or written.
    pub fn add(
        &mut self,
        summary: &RunSummary,
        output: Option<&Path>,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let directory = output.filter(|_| summary.status == Status::Complete);
        // The directory has more than was computed: speed and memory, for one.
        let run = directory.map_or_else(|| Ok(Run::of(summary)), Run::read)?;
        if let Some(directory) = directory {
            self.page = Some(report::write_html(std::slice::from_ref(&run), directory)?);
        }
        let is_part = self.format == Format::Table && self.models > 1 && report::is_wide(&run);
        if !summary.variants.is_empty() && !is_part {
            self.texts.push(report::render(summary, &run, self.format.into(), style::of_stdout()));
        }
        if summary.status == Status::Complete {
            self.runs.push(run);
        }
        if matches!(self.format, Format::Table | Format::Md) { self.print(context) } else { Ok(()) }
    }

    /// Prints what is left, writes the page over several models, and says where the last page is.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        self.print(context)?;
        if self.models > 1 && !self.runs.is_empty() {
            if self.format == Format::Table && self.runs.iter().all(report::is_wide) {
                write!(context.out, "{}", report::overview(&self.runs, style::of_stdout()))?;
                context.out.flush()?;
            }
            // Runs of one command lie beside each other: DIRECTORY/MODEL/report.html.
            if let Some(directory) = self.page.as_deref().and_then(Path::parent).and_then(Path::parent) {
                self.page = Some(report::write_html(&self.runs, directory)?);
            }
        }
        if let Some(page) = &self.page {
            context.verbosity.note(format!("report: {}", page.display()));
        }
        Ok(())
    }

    fn print(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        write!(context.out, "{}", joined(&std::mem::take(&mut self.texts), self.format))?;
        context.out.flush()?;
        Ok(())
    }
}

/// Reports in one form as one: lists of objects one after the other, one line of column names.
fn joined(reports: &[String], format: Format) -> String {
    match (reports, format) {
        ([] | [_], _) | (_, Format::Table | Format::Md) => reports.concat(),
        ([first, rest @ ..], Format::Csv) => {
            let rows = rest.iter().filter_map(|report| report.split_once('\n').map(|(_, rows)| rows));
            std::iter::once(first.as_str()).chain(rows).collect()
        }
        (several, Format::Json) => {
            let lists = several.iter().filter_map(|report| serde_json::from_str::<Vec<Value>>(report).ok());
            format!("{:#}\n", Value::from(lists.flatten().collect::<Vec<_>>()))
        }
    }
}

impl From<Format> for report::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => report::Format::Table,
            Format::Json => report::Format::Json,
            Format::Csv => report::Format::Csv,
            Format::Md => report::Format::Markdown,
        }
    }
}
