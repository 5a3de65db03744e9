//! `nibble data`: where benchmark files come from, where to put them, and what is there.

use super::Context;
use super::failure::{Failure, Outcome, Status};
use super::spelling::nearest;
use super::table::{Align, Cell, FormatFlag, Record, Table};
use clap::{Args, Subcommand};
use datasets::catalogue::FileCheck;
use datasets::{DataRoots, Dataset, PinStatus, catalogue};
use serde_json::{Value, json};
use std::path::PathBuf;

/// List data sets, say where to get one, check what is there
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  nibble data ls
  nibble data show gsm8k                   source, licence, where to put it, SHA-256 of its files
  nibble data check ~/benchmarks           what is there, how many items, whether the bytes are the official ones
  nibble data check --datasets bbq,mmlu --files ~/benchmarks")]
pub enum Command {
    /// List the data sets that can be read
    Ls(ListArguments),
    /// Say where a data set comes from, its licence, its files and where to put them
    Show(ShowArguments),
    /// Read every file in a directory to its end and say what it is
    Check(CheckArguments),
}

/// What `nibble data ls` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ListArguments {
    #[command(flatten)]
    format: FormatFlag,
}

/// What `nibble data show` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ShowArguments {
    /// Name of a data set
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    format: FormatFlag,
}

/// What `nibble data check` takes.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_long_help = "The exit code is 3 where a file is damaged, differs from the official one (unless \
                       --allow_unpinned), belongs to a data set named with --datasets and is missing, or where nothing \
                       is found at all."
)]
pub struct CheckArguments {
    /// Directories to look in [default: ./data]
    #[arg(value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Only these data sets, all of whose files must be there [default: whatever is there]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "What is checked")]
    datasets: Vec<String>,
    /// Accept files that differ from the official ones
    #[arg(long, help_heading = "What is checked")]
    allow_unpinned: bool,
    /// One row a file instead of one a data set
    #[arg(long, help_heading = "Output")]
    files: bool,
    #[command(flatten)]
    format: FormatFlag,
}

/// Runs the command.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Ls(arguments) => list(arguments, context),
        Command::Show(arguments) => show(arguments, context),
        Command::Check(arguments) => check(arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Outcome {
    let columns =
        [("data_set", Align::Left), ("licence", Align::Left), ("pinned_files", Align::Right), ("summary", Align::Left)];
    let mut table = Table::new(&columns);
    for dataset in catalogue() {
        let pinned = dataset.expected().len();
        table.push(vec![
            dataset.name.into(),
            dataset.licence.into(),
            Cell::new(pinned.to_string(), pinned),
            dataset.description.into(),
        ]);
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn find(name: &str) -> Result<&'static Dataset, Failure> {
    if let Some(dataset) = catalogue().iter().find(|dataset| dataset.name == name) {
        return Ok(dataset);
    }
    let near = nearest(name, catalogue().iter().map(|dataset| dataset.name));
    let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let fix = format!("{hint}`nibble data ls` lists the data sets");
    Err(Failure::usage(format!("no data set is called `{name}`"), "NAME", fix))
}

fn show(arguments: &ShowArguments, context: &mut Context<'_>) -> Outcome {
    let dataset = find(&arguments.name)?;
    let mut record = Record::default();
    record.push("data_set", dataset.name);
    record.push("title", dataset.title);
    record.push("summary", dataset.description);
    record.push("licence", dataset.licence);
    record.push("source", dataset.source);
    record.push("paper", dataset.paper);
    let place = match dataset.layout {
        [] => "nowhere: it is part of this program".to_string(),
        layout => {
            let paths: Vec<String> = layout.iter().map(|path| format!("DIR/{path}")).collect();
            format!("{}\nwith --data DIR; DIR may also be the data set's own directory", paths.join("\nor "))
        }
    };
    record.push("place", Cell::new(place, json!(dataset.layout)));
    let expected = dataset.expected();
    let lines: Vec<String> = expected
        .iter()
        .map(|file| {
            let over = if file.over == "content" { String::new() } else { format!(", over its {}", file.over) };
            format!("{}  {}  ({}{over})", file.sha256, file.name, file.edition)
        })
        .collect();
    let objects: Vec<Value> = expected
        .iter()
        .map(|file| json!({"name": file.name, "sha256": file.sha256, "edition": file.edition, "over": file.over}))
        .collect();
    let text = match (lines.is_empty(), dataset.layout.is_empty()) {
        (true, true) => "of files that this program makes: results name them".into(),
        (true, false) => "no digest is known: files are read and recorded as unknown".into(),
        (false, _) => lines.join("\n"),
    };
    record.push("sha256", Cell::new(text, objects));
    record.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

/// What there is of a data set.
pub struct Found {
    /// the state of every file
    pub checks: Vec<FileCheck>,
}

impl Found {
    /// Reads every file of `dataset` beneath `roots`.
    pub fn of(dataset: &Dataset, roots: &DataRoots) -> Self {
        Self { checks: dataset.check(roots) }
    }

    /// How many files can be read.
    pub fn readable(&self) -> usize {
        self.checks.iter().filter(|check| check.state.is_ok()).count()
    }

    /// How many items these hold.
    pub fn items(&self) -> usize {
        self.checks.iter().filter_map(|check| check.state.as_ref().ok()).map(|(count, _)| count).sum()
    }

    /// How many have one status.
    pub fn count(&self, status: PinStatus) -> usize {
        let of_status = |check: &&FileCheck| check.state.as_ref().is_ok_and(|(_, file)| file.status == status);
        self.checks.iter().filter(of_status).count()
    }

    /// Whether none of the files is there.
    pub fn is_absent(&self) -> bool {
        self.readable() == 0 && self.damaged().next().is_none()
    }

    /// Files that are there and cannot be read.
    pub fn damaged(&self) -> impl Iterator<Item = (&str, &datasets::Error)> {
        let problems = self.checks.iter().filter_map(|check| Some((check.name.as_str(), check.state.as_ref().err()?)));
        problems.filter(|(_, error)| !matches!(error, datasets::Error::Missing { .. }))
    }

    /// What is wrong first, in one line: damage before absence.
    pub fn problem(&self) -> Option<String> {
        let first_line = |error: &datasets::Error| error.to_string().lines().next().unwrap_or_default().to_string();
        let damage = self.damaged().next().map(|(_, error)| first_line(error));
        damage.or_else(|| self.checks.iter().find_map(|check| check.state.as_ref().err()).map(first_line))
    }
}

/// The directories to look in: those given, or `data`.
pub fn directories(given: &[PathBuf]) -> Vec<PathBuf> {
    if given.is_empty() { vec![PathBuf::from("data")] } else { given.to_vec() }
}

fn check(arguments: &CheckArguments, context: &mut Context<'_>) -> Outcome {
    let directories = directories(&arguments.directories);
    if let Some(missing) = directories.iter().find(|directory| !directory.is_dir()) {
        let fix = "name the directory that holds the benchmark files; `nibble data show NAME` says how they lie there";
        return Err(Failure::new(Status::Input, "no such directory", missing.display(), fix));
    }
    let asked: Vec<&Dataset> = arguments.datasets.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
    let all = || catalogue().iter().copied().filter(|dataset| !dataset.layout.is_empty()).collect();
    let wanted: Vec<&Dataset> = if asked.is_empty() { all() } else { asked.clone() };
    let roots = DataRoots::new(&directories);
    let mut table = Table::new(if arguments.files { &FILE_COLUMNS[..] } else { &SET_COLUMNS[..] });
    let (mut good, mut anything) = (true, false);
    for dataset in wanted {
        let found = Found::of(dataset, &roots);
        let complete = found.readable() == found.checks.len();
        good &= found.damaged().next().is_none() && (asked.is_empty() || complete);
        good &= arguments.allow_unpinned || found.count(PinStatus::Unpinned) == 0;
        anything |= !found.is_absent() || dataset.layout.is_empty();
        match arguments.files {
            false => table.push(set_row(dataset, &found)),
            true if asked.is_empty() && found.is_absent() => {}
            true => found.checks.iter().for_each(|check| table.push(file_row(dataset, check))),
        }
    }
    table.write(arguments.format.format, context.out)?;
    Ok(if good && anything { Status::Done } else { Status::Input })
}

const SET_COLUMNS: [(&str, Align); 7] = [
    ("data_set", Align::Left),
    ("files", Align::Right),
    ("items", Align::Right),
    ("pinned", Align::Right),
    ("unpinned", Align::Right),
    ("unknown", Align::Right),
    ("note", Align::Left),
];

const FILE_COLUMNS: [(&str, Align); 7] = [
    ("data_set", Align::Left),
    ("file", Align::Left),
    ("items", Align::Right),
    ("status", Align::Left),
    ("edition", Align::Left),
    ("sha256", Align::Left),
    ("note", Align::Left),
];

fn set_row(dataset: &Dataset, found: &Found) -> Vec<Cell> {
    let number = |count: usize| Cell::new(count.to_string(), count);
    let files = format!("{} of {}", found.readable(), found.checks.len());
    let note = match found.problem() {
        _ if found.is_absent() => "not found".to_string(),
        Some(problem) => problem,
        None if found.count(PinStatus::Unpinned) > 0 => "not the official bytes: --allow_unpinned accepts them".into(),
        None => String::new(),
    };
    vec![
        dataset.name.into(),
        Cell::new(files, json!({"found": found.readable(), "wanted": found.checks.len()})),
        number(found.items()),
        number(found.count(PinStatus::Pinned)),
        number(found.count(PinStatus::Unpinned)),
        number(found.count(PinStatus::Unknown)),
        note.into(),
    ]
}

fn file_row(dataset: &Dataset, check: &FileCheck) -> Vec<Cell> {
    let mut row = vec![dataset.name.into(), check.name.as_str().into()];
    match &check.state {
        Ok((count, file)) => {
            let status = match file.status {
                PinStatus::Pinned => "pinned",
                PinStatus::Unpinned => "unpinned",
                PinStatus::Unknown => "unknown",
            };
            let edition = file.edition.map_or_else(Cell::empty, Cell::from);
            let note = match file.status {
                PinStatus::Unpinned => "not the official bytes: --allow_unpinned accepts them",
                _ => "",
            };
            row.extend([
                Cell::new(count.to_string(), *count),
                status.into(),
                edition,
                file.sha256.as_str().into(),
                note.into(),
            ]);
        }
        Err(error) => {
            let (status, note) = match error {
                datasets::Error::Missing { .. } => ("missing", String::new()),
                other => ("damaged", other.to_string().lines().next().unwrap_or_default().to_string()),
            };
            row.extend([Cell::empty(), status.into(), Cell::empty(), Cell::empty(), note.into()]);
        }
    }
    row
}
