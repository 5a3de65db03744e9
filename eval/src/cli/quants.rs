//! `nibble quants`: the methods, and what a recipe means.

use super::Context;
use super::failure::{Failure, Outcome, Status};
use super::loading;
use super::spelling::nearest;
use super::table::{Align, Cell, FormatFlag, Record, Table};
use clap::{Args, Subcommand};
use quant::method::{self, Method, Needs};
use quant::recipe::shared_options;
use serde_json::json;

/// List quantization methods, explain a recipe
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  nibble quants ls
  nibble quants show rtn                   a method: widths, groups, options
  nibble quants show rtn:w4g32:head=w8     a recipe: what it stores, and how it is multiplied
  nibble quants show paper                 a preset: the ten recipes of Jin et al. 2024")]
pub enum Command {
    /// List the quantization methods
    Ls(ListArguments),
    /// Explain a method or a recipe
    Show(ShowArguments),
}

/// What `nibble quants ls` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ListArguments {
    #[command(flatten)]
    format: FormatFlag,
}

/// What `nibble quants show` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct ShowArguments {
    /// Name of a method, a recipe, or several recipes separated by commas
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    format: FormatFlag,
}

/// Runs the command.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Ls(arguments) => list(arguments, context),
        Command::Show(arguments) => match method::find(&arguments.name) {
            Some(method) => show_method(method, arguments, context),
            None => show_recipes(arguments, context),
        },
    }
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Outcome {
    let columns = [
        ("method", Align::Left),
        ("bits", Align::Left),
        ("groups", Align::Left),
        ("example", Align::Left),
        ("title", Align::Left),
        ("paper", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for method in method::all() {
        table.push(vec![
            method.name.into(),
            numbers(widths(method)),
            numbers(method.groups.to_vec()),
            method.example.into(),
            method.title.into(),
            method.paper.into(),
        ]);
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn widths(method: &Method) -> Vec<usize> {
    method.widths.iter().map(|width| width.bits() as usize).collect()
}

fn numbers(numbers: Vec<usize>) -> Cell {
    let texts: Vec<String> = numbers.iter().map(usize::to_string).collect();
    Cell::new(texts.join(" "), numbers)
}

fn show_method(method: &Method, arguments: &ShowArguments, context: &mut Context<'_>) -> Outcome {
    let mut record = Record::default();
    record.push("method", method.name);
    record.push("title", method.title);
    record.push("summary", method.summary);
    record.push("paper", method.paper);
    record.push("example", method.example);
    record.push("bits", numbers(widths(method)));
    record.push("groups", numbers(method.groups.to_vec()));
    let needs = match method.needs {
        Needs::Weights => "none: looks at weights alone",
        Needs::Inputs => "needed: looks at the inputs of layers (--calibration, by default a built-in text)",
        Needs::Magnitudes => "needed: looks at how large inputs are (--calibration, by default a built-in text)",
    };
    record.push("calibration", Cell::new(needs, method.needs.calibration()));
    let mut options: Vec<(String, &str, String)> = Vec::new();
    for option in method.options {
        let spelling = format!("{}={}", option.name, option.default_spelling());
        options.push((spelling, option.summary, option.values().join("; ")));
    }
    options.extend(
        shared_options(method)
            .map(|option| (option.spelling.into(), option.summary, format!("default: {}", option.default))),
    );
    let lines: Vec<String> =
        options.iter().map(|(name, summary, values)| format!("{name}\n    {summary}\n    {values}")).collect();
    let objects: Vec<_> = options
        .iter()
        .map(|(name, summary, values)| json!({"option": name, "summary": summary, "values": values}))
        .collect();
    record.push("options", Cell::new(lines.join("\n"), objects));
    record.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

fn show_recipes(arguments: &ShowArguments, context: &mut Context<'_>) -> Outcome {
    let recipes = loading::recipes(std::slice::from_ref(&arguments.name)).map_err(|failure| {
        let known = method::all().iter().map(|method| method.name);
        match nearest(&arguments.name, known).filter(|_| !arguments.name.contains(':')) {
            Some(name) => {
                let what = format!("no method or recipe is called `{}`", arguments.name);
                Failure::usage(what, "NAME", format!("did you mean `{name}`? `nibble quants ls` lists the methods"))
            }
            None => failure,
        }
    })?;
    let columns = [
        ("recipe", Align::Left),
        ("method", Align::Left),
        ("bits", Align::Right),
        ("group", Align::Right),
        ("activations", Align::Left),
        ("meaning", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for recipe in recipes {
        let scheme = recipe.scheme();
        let bits = scheme.map_or(Cell::empty(), |scheme| Cell::new(scheme.bits.bits().to_string(), scheme.bits.bits()));
        let group = scheme.map(|scheme| match scheme.group {
            Some(group) => Cell::new(group.to_string(), group),
            None => Cell::new("row", json!(null)),
        });
        table.push(vec![
            recipe.to_string().into(),
            recipe.method().name.into(),
            bits,
            group.unwrap_or_else(Cell::empty),
            scheme.map_or("f32", |scheme| quant::recipe::activations_word(scheme.activations)).into(),
            recipe.describe().into(),
        ]);
    }
    table.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}
