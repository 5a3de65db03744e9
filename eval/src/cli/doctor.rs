//! `nibble doctor`: what this machine has, what was found on it, what is missing and how to get it.

use super::data::{self, Found};
use super::failure::{Outcome, Status};
use super::inspect;
use super::models::usual_directories;
use super::runtime::{IsaFlag, processors, runtime};
use super::table::{FormatFlag, Record, human_bytes, human_count};
use super::{Context, table::Cell};
use clap::Args;
use datasets::{DataRoots, Dataset, catalogue};
use eval::machine;
use eval::manifest::NUMERICS_VERSION;
use kernels::Isa;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Say what this machine has, what was found on it, and what is missing
///
/// The exit code is 0 when an evaluation can run here; what is missing for more is listed with the exact remedy.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble doctor
  nibble doctor --models ~/models --data ~/benchmarks"
)]
pub struct Arguments {
    /// Directories to look for checkpoints in [default: this directory and the Hugging Face cache]
    #[arg(long, value_name = "DIR", help_heading = "Places")]
    models: Vec<PathBuf>,
    /// Directories to look for benchmark files in [default: ./data]
    #[arg(long, value_name = "DIR", help_heading = "Places")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    isa: IsaFlag,
    #[command(flatten)]
    format: FormatFlag,
}

/// Something that is not there, and how to get it.
struct Missing {
    what: String,
    fix: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let mut record = Record::default();
    let mut missing = Vec::new();
    let usable = push_machine(&mut record, arguments, context, &mut missing);
    push_models(&mut record, &arguments.models, &mut missing);
    push_data(&mut record, &arguments.data, &mut missing);
    let lines: Vec<String> =
        missing.iter().map(|missing| format!("{}\n  fix: {}", missing.what, missing.fix)).collect();
    let objects: Vec<_> = missing.iter().map(|missing| json!({"what": missing.what, "fix": missing.fix})).collect();
    let text = if lines.is_empty() { "nothing".into() } else { lines.join("\n") };
    record.push("missing", Cell::new(text, objects));
    let verdict = match usable {
        true => "yes: `nibble eval` runs here",
        false => "no: see what is missing",
    };
    record.push("usable", Cell::new(verdict, usable));
    record.write(arguments.format.format, context.out)?;
    Ok(if usable { Status::Done } else { Status::Input })
}

/// Processor, instruction sets, floating-point environment and memory; whether they suffice.
fn push_machine(record: &mut Record, arguments: &Arguments, context: &Context<'_>, missing: &mut Vec<Missing>) -> bool {
    record.push("version", Cell::new(format!("nibble {}", env!("CARGO_PKG_VERSION")), env!("CARGO_PKG_VERSION")));
    record.push("numerics_version", Cell::new(NUMERICS_VERSION.to_string(), NUMERICS_VERSION));
    record.push("processor", machine::processor());
    record.push("threads", Cell::new(processors().to_string(), processors()));
    let present: Vec<&str> = Isa::present().map(Isa::name).collect();
    record.push("instruction_sets", Cell::new(present.join(", "), present));
    let runtime = arguments.isa.choice().and_then(|isa| runtime(processors(), isa, context.verbosity));
    let usable = match &runtime {
        Ok(runtime) => {
            record.push("instruction_set_used", runtime.kernels().isa().name());
            true
        }
        Err(failure) => {
            missing.push(Missing { what: failure.what().into(), fix: failure.fix().into() });
            false
        }
    };
    let sound = kernels::isa::environment_is_sound();
    let environment = match sound {
        true => "round to nearest even, gradual underflow: as results require",
        false => "unsound: subnormal numbers are flushed or rounding is not to nearest even",
    };
    record.push("floating_point", Cell::new(environment, sound));
    if let Some(memory) = machine::memory() {
        let text = format!("{}, {} available", human_bytes(memory.total), human_bytes(memory.available));
        record.push("memory", Cell::new(text, json!({"total": memory.total, "available": memory.available})));
    }
    usable && sound
}

fn push_models(record: &mut Record, given: &[PathBuf], missing: &mut Vec<Missing>) {
    let directories = if given.is_empty() { usual_directories() } else { given.to_vec() };
    let (mut lines, mut objects) = (Vec::new(), Vec::new());
    for directory in directories.iter().filter(|directory| !directory.is_dir()) {
        let what = format!("models: {} is no directory", directory.display());
        missing.push(Missing { what, fix: "check the spelling of --models".into() });
    }
    for directory in inspect::find_checkpoints(&directories) {
        let problem = match inspect::open_found(&directory) {
            Err(failure) => Err(failure.what().to_string()),
            Ok(source) => {
                let summary = inspect::summarize(&source);
                match (&summary.blueprint, &summary.tokenizer) {
                    (Err(error), _) => Err(error.to_string()),
                    (Ok(_), Err(reason)) => Err(format!("tokenizer: {reason}")),
                    (Ok(blueprint), Ok(_)) => Ok(format!(
                        "{}, {} parameters, {}",
                        blueprint.family,
                        human_count(summary.parameters),
                        human_bytes(summary.weight_bytes)
                    )),
                }
            }
        };
        let place = directory.display().to_string();
        objects.push(json!({"directory": place, "usable": problem.is_ok(), "note": problem.as_ref().unwrap_or_else(|error| error)}));
        lines.push(match problem {
            Ok(text) => format!("{place}: {text}"),
            Err(reason) => format!("{place}: unusable: {reason}"),
        });
    }
    if !objects.iter().any(|object| object["usable"] == true) {
        let looked: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
        missing.push(Missing {
            what: format!("no usable checkpoint below {}", looked.join(", ")),
            fix: "give a directory with --models DIR, or fetch one elsewhere: hf download ORGANISATION/NAME --local-dir DIR; \
                  `nibble eval` without --model runs on a built-in one"
                .into(),
        });
    }
    let text = if lines.is_empty() { "none".into() } else { lines.join("\n") };
    record.push("models", Cell::new(text, objects));
}

fn push_data(record: &mut Record, given: &[PathBuf], missing: &mut Vec<Missing>) {
    let directories = data::directories(given);
    for directory in given.iter().filter(|directory| !directory.is_dir()) {
        let what = format!("data: {} is no directory", directory.display());
        missing.push(Missing { what, fix: "check the spelling of --data".into() });
    }
    let roots = DataRoots::new(&directories);
    let (mut lines, mut objects) = (Vec::new(), Vec::new());
    let width = catalogue().iter().map(|dataset| dataset.name.len()).max().unwrap_or(0);
    for dataset in catalogue() {
        let (text, complete) = describe(dataset, &roots);
        if !complete {
            let place = dataset.layout.first().copied().unwrap_or(dataset.name);
            let place = expected_place(&directories, place);
            let fix = format!("{}; put it at {place}; `nibble data show {}` says more", dataset.source, dataset.name);
            missing.push(Missing { what: format!("data set {}: {text}", dataset.name), fix });
        }
        objects.push(json!({"name": dataset.name, "complete": complete, "note": text}));
        lines.push(format!("{:<width$}  {text}", dataset.name));
    }
    record.push("data", Cell::new(lines.join("\n"), objects));
}

fn expected_place(directories: &[PathBuf], layout: &str) -> String {
    directories.first().map_or(Path::new("data"), PathBuf::as_path).join(layout).display().to_string()
}

/// What there is of a data set, and whether that is all of it.
fn describe(dataset: &Dataset, roots: &DataRoots) -> (String, bool) {
    if dataset.layout.is_empty() {
        return ("part of this program".into(), true);
    }
    let found = Found::of(dataset, roots);
    let mut text = format!("{} of {} files, {} items", found.readable(), found.checks.len(), found.items());
    let unofficial = found.count(datasets::PinStatus::Unpinned);
    if unofficial > 0 {
        text = format!("{text}, {unofficial} not the official bytes (--allow_unpinned accepts them)");
    }
    match found.problem() {
        _ if found.is_absent() => ("not found".into(), false),
        Some(problem) => (format!("{text}; {problem}"), false),
        None => (text, true),
    }
}
