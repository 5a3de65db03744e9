//! `nibble models`: which checkpoints there are, what is in one, which families are supported.

use super::Context;
use super::failure::{Failure, Outcome, Status};
use super::inspect::{self, Summary};
use super::lab::{self, Builtin};
use super::loading::{self, Source, cache_directories};
use super::table::{Align, Cell, FormatFlag, Record, Table, human_bytes, human_count};
use clap::{Args, Subcommand};
use engine::family;
use serde_json::json;
use std::path::PathBuf;

/// List checkpoints, show what is in one, list the supported families
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  nibble models ls                 checkpoints below this directory and in the Hugging Face cache
  nibble models ls ~/models --format json
  nibble models show DIR           parameters, bytes by part, context, tokenizer, supported or why not
  nibble models families           architectures that are supported")]
pub enum Command {
    /// List the checkpoints below some directories
    Ls(ListArguments),
    /// Show what is in a checkpoint, and whether it can be run
    Show(ShowArguments),
    /// List the supported model families
    Families(FamiliesArguments),
}

/// What `nibble models ls` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ListArguments {
    /// Directories to look below, four levels deep [default: this directory and the Hugging Face cache]
    #[arg(value_name = "DIR")]
    directories: Vec<PathBuf>,
    #[command(flatten)]
    format: FormatFlag,
}

/// What `nibble models show` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ShowArguments {
    /// Checkpoint directory, an entry of a Hugging Face cache, or `builtin[:s|:m|:l|:seeded]`
    #[arg(value_name = "DIR")]
    model: String,
    #[command(flatten)]
    format: FormatFlag,
}

/// What `nibble models families` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct FamiliesArguments {
    #[command(flatten)]
    format: FormatFlag,
}

/// Runs the command.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Ls(arguments) => list(arguments, context),
        Command::Show(arguments) => show(arguments, context),
        Command::Families(arguments) => families(arguments, context),
    }
}

/// The directories that are searched where none is given.
pub fn usual_directories() -> Vec<PathBuf> {
    std::iter::once(PathBuf::from(".")).chain(cache_directories()).collect()
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Outcome {
    let directories = match arguments.directories.as_slice() {
        [] => usual_directories(),
        given => given.to_vec(),
    };
    if let Some(missing) = directories.iter().find(|directory| !directory.is_dir()) {
        let fix = "check the spelling, or leave it out to search the usual places";
        return Err(Failure::new(Status::Input, "no such directory", missing.display(), fix));
    }
    let columns = [
        ("name", Align::Left),
        ("family", Align::Left),
        ("parameters", Align::Right),
        ("bytes", Align::Right),
        ("element_type", Align::Left),
        ("context", Align::Right),
        ("directory", Align::Left),
        ("supported", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for size in datasets::lab::SIZES {
        // Sizes that are not part of the program may not be here.
        if let Ok(source) = Builtin::Trained(size).open() {
            table.push(row(&source, &format!("{}:{size}", lab::NAME)));
        }
    }
    table.push(row(&Builtin::Seeded.open()?, lab::SEEDED));
    for directory in inspect::find_checkpoints(&directories) {
        let place = directory.display().to_string();
        table.push(match inspect::open_found(&directory) {
            Ok(source) => row(&source, &place),
            Err(failure) => {
                let mut row = vec![Cell::empty(); columns.len()];
                row[0] = loading::model_name(&directory).into();
                row[6] = place.into();
                row[7] = Cell::new(format!("no: {}", failure.what()), failure.what());
                row
            }
        });
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn row(source: &Source, place: &str) -> Vec<Cell> {
    let summary = inspect::summarize(source);
    let (family, context_len, supported) = match &summary.blueprint {
        Ok(blueprint) => {
            (blueprint.family.into(), Cell::new(blueprint.context_len.to_string(), blueprint.context_len), "yes".into())
        }
        Err(error) => (Cell::empty(), Cell::empty(), unsupported(error)),
    };
    vec![
        source.name.as_str().into(),
        family,
        Cell::count(summary.parameters),
        Cell::bytes(summary.weight_bytes),
        summary.element_types.into(),
        context_len,
        place.into(),
        supported,
    ]
}

/// Why a checkpoint is not supported, in short for a column.
fn unsupported(error: &engine::Error) -> Cell {
    let text = match error {
        engine::Error::Unsupported { key, found, .. } => format!("no: {key} {found}"),
        other => format!("no: {other}"),
    };
    Cell::new(text, error.to_string())
}

fn show(arguments: &ShowArguments, context: &mut Context<'_>) -> Outcome {
    let source = loading::open(&arguments.model, false, context.verbosity)?;
    let summary = inspect::summarize(&source);
    let mut record = Record::default();
    record.push("name", source.name.as_str());
    record.push("directory", source.checkpoint.directory().display().to_string());
    match &summary.blueprint {
        Ok(blueprint) => {
            record.push("supported", Cell::new("yes", true));
            record.push("family", blueprint.family);
        }
        Err(error) => {
            record.push("supported", Cell::new("no", false));
            record.push("reason", error.to_string());
        }
    }
    if let Some(quantization) = &summary.quantization {
        record.push("quantization", quantization.as_str());
    }
    record.push("parameters", Cell::new(spelled(summary.parameters, human_count), summary.parameters));
    record.push("bytes", Cell::new(spelled(summary.weight_bytes, human_bytes), summary.weight_bytes));
    record.push("element_type", summary.element_types.as_str());
    push_blueprint(&mut record, &source, &summary);
    match &summary.tokenizer {
        Ok((vocab_size, file)) => {
            let value = json!({"file": file, "tokens": vocab_size});
            record.push("tokenizer", Cell::new(format!("{vocab_size} tokens, {file}"), value));
        }
        Err(reason) => record.push("tokenizer", Cell::new(format!("unusable: {reason}"), json!({"error": reason}))),
    }
    let template = if summary.has_chat_template { "yes" } else { "none" };
    record.push("chat_template", Cell::new(template, summary.has_chat_template));
    record.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn push_blueprint(record: &mut Record, source: &Source, summary: &Summary) {
    let Ok(blueprint) = &summary.blueprint else { return };
    let (mut lines, mut objects) = (Vec::new(), serde_json::Map::new());
    for (part, parameters, bytes) in inspect::parts(&source.checkpoint, blueprint) {
        if bytes > 0 {
            let share = 100.0 * bytes as f64 / summary.weight_bytes as f64;
            lines.push(format!("{:<13} {:>10}  {share:>5.1} %", part.replace('_', " "), human_bytes(bytes)));
        }
        objects.insert(part.into(), json!({"parameters": parameters, "bytes": bytes}));
    }
    record.push("parts", Cell::new(lines.join("\n"), objects));
    if summary.quantization.is_none() {
        push_memory(record, source, blueprint);
    }
    let context_len = blueprint.context_len;
    record.push("context", Cell::new(format!("{context_len} tokens"), context_len));
    for (name, text) in inspect::architecture(blueprint) {
        record.push(name, text);
    }
}

/// Recipes whose memory is shown, besides those of the paper.
const OTHER_RECIPES: &str = "rtn:w4g128,awq:w4g128,hqq:w4g64,nf4:w4g64";

/// What the weights take under common recipes.
fn push_memory(record: &mut Record, source: &Source, blueprint: &engine::blueprint::Blueprint) {
    let recipes = ["paper", OTHER_RECIPES].into_iter().filter_map(|list| quant::Recipe::parse_list(list).ok());
    let (mut lines, mut objects) = (Vec::new(), serde_json::Map::new());
    for recipe in recipes.flatten() {
        let Ok(bytes) = quant::build::model_bytes(&source.checkpoint, blueprint, &recipe) else { continue };
        lines.push(format!("{:<13} {:>10}", recipe.to_string(), human_bytes(bytes)));
        objects.insert(recipe.to_string(), bytes.into());
    }
    record.push("memory", Cell::new(lines.join("\n"), objects));
}

/// A number in full, with its short form where that says more.
fn spelled(number: u64, short: fn(u64) -> String) -> String {
    if number < 1000 { number.to_string() } else { format!("{number} ({})", short(number)) }
}

fn families(arguments: &FamiliesArguments, context: &mut Context<'_>) -> Outcome {
    let columns = ["family", "architectures", "members", "verified", "paper"].map(|name| (name, Align::Left));
    let mut table = Table::new(&columns);
    for family in family::all() {
        let architectures = Cell::new(family.architectures.join(", "), json!(family.architectures));
        let verified = Cell::new(family.verified.join(", "), json!(family.verified));
        table.push(vec![family.name.into(), architectures, family.description.into(), verified, family.paper.into()]);
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}
