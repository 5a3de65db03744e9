//! `nibble tasks`: the benchmarks, and how one is asked and scored.

mod prompt;

use super::Context;
use super::failure::{Failure, Outcome, Status};
use super::table::{Align, Cell, FormatFlag, Record, Table};
use clap::{Args, Subcommand};
use eval::task::{self, Entry};
use serde_json::{Value, json};

/// List benchmarks, explain one, print its prompts
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  nibble tasks ls
  nibble tasks ls --names --format csv     every name, the subjects of groups too
  nibble tasks show mmlu                   prompt, protocols, metrics, data files and licence
  nibble tasks prompt gsm8k@lm-eval --data DATA --doc 3      what a model is asked, byte for byte")]
pub enum Command {
    /// List the benchmarks
    Ls(ListArguments),
    /// Explain a benchmark: its prompt, protocols, metrics and files
    Show(ShowArguments),
    /// Print what a model is asked, to the letter
    Prompt(prompt::PromptArguments),
}

/// What `nibble tasks ls` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ListArguments {
    /// List every name that --tasks takes, one a line, such as all subjects of mmlu
    #[arg(long, help_heading = "Output")]
    names: bool,
    #[command(flatten)]
    format: FormatFlag,
}

/// What `nibble tasks show` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ShowArguments {
    /// Name of a task, with or without `:variant` and `@protocol`
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    format: FormatFlag,
}

/// Runs the command.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Ls(arguments) if arguments.names => list_names(arguments, context),
        Command::Ls(arguments) => list(arguments, context),
        Command::Show(arguments) => show(arguments, context),
        Command::Prompt(arguments) => prompt::run(arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Outcome {
    let columns = [
        ("task", Align::Left),
        ("protocols", Align::Left),
        ("metrics", Align::Left),
        ("data", Align::Left),
        ("summary", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for entry in task::all() {
        let protocols: Vec<&str> = entry.protocols.iter().map(|protocol| protocol.name).collect();
        table.push(vec![
            entry.name.into(),
            words(&protocols),
            words(entry.metrics),
            words(&entry.datasets.iter().map(|dataset| dataset.name).collect::<Vec<_>>()),
            entry.summary.into(),
        ]);
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn list_names(arguments: &ListArguments, context: &mut Context<'_>) -> Outcome {
    let mut table = Table::new(&[("name", Align::Left), ("task", Align::Left)]);
    for entry in task::all() {
        for name in entry.names() {
            table.push(vec![name.into(), entry.name.into()]);
        }
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn words(words: &[&str]) -> Cell {
    Cell::new(words.join(" "), json!(words))
}

fn show(arguments: &ShowArguments, context: &mut Context<'_>) -> Outcome {
    let name = arguments.name.split([':', '@']).next().unwrap_or_default();
    // The line for all subjects is itself no task.
    let entry = match task::all().iter().find(|entry| entry.name == name) {
        Some(entry) => entry,
        None => task::parse(&arguments.name).map_err(Failure::from)?.entry,
    };
    let mut record = Record::default();
    record.push("task", entry.name);
    record.push("summary", entry.summary);
    record.push("split", entry.split);
    record.push("metrics", words(entry.metrics));
    record.push("protocols", protocols(entry));
    record.push(
        "default_protocol",
        Cell::new(format!("{}: {}", entry.default_protocol, entry.default_reason), entry.default_protocol),
    );
    let variants: Vec<String> =
        entry.variants.iter().map(|(name, meaning)| format!(":{name}\n    {meaning}")).collect();
    let objects: Vec<Value> =
        entry.variants.iter().map(|(name, meaning)| json!({"name": name, "meaning": meaning})).collect();
    record.push("variants", Cell::new(variants.join("\n"), objects));
    for dataset in entry.datasets {
        let mut text = vec![
            dataset.title.to_string(),
            dataset.description.to_string(),
            format!("licence  {}", dataset.licence),
            format!("source   {}", dataset.source),
            format!("paper    {}", dataset.paper),
        ];
        if !dataset.layout.is_empty() {
            text.push(format!("files    {}", dataset.layout.join(", ")));
        }
        let object = json!({
            "name": dataset.name, "title": dataset.title, "description": dataset.description, "licence": dataset.licence,
            "source": dataset.source, "paper": dataset.paper, "layout": dataset.layout,
        });
        record.push(format!("data_{}", dataset.name), Cell::new(text.join("\n"), object));
    }
    record.push("example", entry.example);
    record.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn protocols(entry: &Entry) -> Cell {
    let text = |protocol: &task::Protocol| {
        format!("@{}\n    {}\n    source: {}", protocol.name, protocol.summary, protocol.source)
    };
    let object = |protocol: &task::Protocol| json!({"name": protocol.name, "summary": protocol.summary, "source": protocol.source});
    let lines: Vec<String> = entry.protocols.iter().map(text).collect();
    Cell::new(lines.join("\n"), entry.protocols.iter().map(object).collect::<Vec<Value>>())
}
