//! `nibble explain`: what quantizing did to a part of a model.

mod picture;

use super::Context;
use super::calibration::{BuildReporter, CalibrationFlags};
use super::failure::{Failure, Outcome, Status};
use super::loading::{ModelFlags, RecipeFlag};
use super::runtime::RuntimeFlags;
use super::spelling::nearest;
use super::table::{Cell, FormatFlag, Record};
use clap::{Args, Subcommand};
use engine::blueprint::Blueprint;
use engine::model::Role;
use quant::explain::{Errors, Explanation, Spread, explain};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Explain what quantizing did to one layer: scales, zero points, outliers, errors
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One matrix before and after: scales, zero points, outliers, errors; as a table and a picture
    Layer(LayerArguments),
}

/// One matrix before and after: scales, zero points, outliers, errors; as a table and a picture
///
/// Errors are the mean squared error of the weights, the ratio of signal to noise (SQNR), the largest error, and, for
/// methods that look at inputs, the error of the layer's outputs on the calibration text, tr(D H D^T) with D = before -
/// after and H = (2 / n) sum of x^T x over n sequences. Beside them stand those of rounding to nearest with the same bits
/// and groups. The layer is quantized as it is in the whole model: blocks before it are, too.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble explain layer -m DIR --quant rtn:w4g128 --layer model.layers.0.mlp.down_proj
  nibble explain layer -m DIR --quant gptq:w3g128 --calibration train.txt --layer model.layers.0.mlp.down_proj -o down.svg
  nibble explain layer -m gpt2 --quant rtn:w4 --layer transformer.h.0.attn.c_attn:key     a part of a fused tensor"
)]
pub struct LayerArguments {
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    recipe: RecipeFlag,
    /// Tensor of a block, the output head or the embedding, with or without `.weight`; `:query`, `:key` or `:value` behind
    /// a fused one
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    layer: String,
    #[command(flatten)]
    calibration: CalibrationFlags,
    #[command(flatten)]
    runtime: RuntimeFlags,
    #[command(flatten)]
    format: FormatFlag,
    /// Also draw it, as SVG: where the errors are, and how weights and codes are spread
    #[arg(short, long, value_name = "FILE.svg", help_heading = "Output")]
    output_path: Option<PathBuf>,
}

/// Runs the command.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Layer(arguments) => layer(arguments, context),
    }
}

fn layer(arguments: &LayerArguments, context: &mut Context<'_>) -> Outcome {
    let recipe = arguments.recipe.recipe()?;
    let source = arguments.model.open(context.verbosity)?;
    let blueprint = engine::family::blueprint(&source.checkpoint)?;
    let (name, block, role) = find(&arguments.layer, &blueprint)?;
    let runtime = arguments.runtime.runtime(context.verbosity)?;
    let calibration = arguments.calibration.read(&source, &recipe)?;
    let cache = arguments.calibration.cache(&source, &recipe, calibration.as_ref())?;
    let mut reporter = BuildReporter::new(context.verbosity, recipe.to_string());
    let build = arguments.calibration.plan(&source, &recipe, calibration.as_ref(), cache.as_ref(), &runtime, context);
    let quantized = build.layer(block, role, &mut reporter);
    reporter.finish();
    let Some(quantized) = quantized? else {
        let fix = "run the same command again; with --quant_cache DIR it goes on from the blocks that are done";
        return Err(Failure::new(Status::Incomplete, "stopped while quantizing", recipe.to_string(), fix));
    };
    let explanation = runtime.run(|| explain(&quantized));
    let recipe = recipe.to_string();
    if let Some(path) = &arguments.output_path {
        let title = format!("{}, {name}, {recipe}", source.name);
        std::fs::write(path, picture::draw(&title, &explanation)).map_err(|error| {
            let fix = "name a file in a directory that can be written to";
            Failure::new(Status::Input, format!("cannot write: {error}"), path.display(), fix)
        })?;
    }
    let mut record = Record::default();
    record.push("model", source.name.as_str());
    record.push("layer", name);
    record.push("role", role.to_string());
    record.push("block", Cell::new(block.map_or("none".into(), |block| block.to_string()), json!(block)));
    record.push("recipe", recipe.as_str());
    fill(&mut record, &recipe, &explanation);
    record.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}

/// What `name` means: a name without `.weight`, block and role.
fn find(name: &str, blueprint: &Blueprint) -> Result<(String, Option<usize>, Role), Failure> {
    let tensors = &blueprint.tensors;
    let stem = |tensor: &str| tensor.strip_suffix(".weight").unwrap_or(tensor).to_string();
    let mut known = Vec::new();
    for (index, block) in tensors.blocks.iter().enumerate() {
        for role in block.roles() {
            let Some(names) = block.linear(role) else { continue };
            let part = &names.weight;
            let name = stem(&part.tensor);
            let name = if part.part.1 == 1 { name } else { format!("{name}:{role}") };
            known.push((name, Some(index), role));
        }
    }
    let head = tensors.head.as_ref().map_or("lm_head".into(), |head| stem(&head.weight.tensor));
    known.push((stem(&tensors.embedding), None, Role::Embedding));
    known.push((head, None, Role::Head));
    let wanted = name.replacen(".weight", "", 1);
    if let Some(found) = known.iter().find(|(name, ..)| *name == wanted) {
        return Ok(found.clone());
    }
    let names = known.iter().map(|(name, ..)| name.as_str());
    let parts: Vec<&str> = names.clone().filter(|name| name.starts_with(&format!("{wanted}:"))).collect();
    let fix = match (parts.is_empty(), nearest(&wanted, names)) {
        (false, _) => format!("it holds several: {}", parts.join(", ")),
        (true, Some(near)) => format!("did you mean `{near}`?"),
        (true, None) => format!("name one such as `{}`", known[0].0),
    };
    Err(Failure::usage(format!("no matrix of the model is called `{name}`"), "--layer", fix))
}

fn fill(record: &mut Record, recipe: &str, explanation: &Explanation) {
    let [rows, columns] = explanation.shape;
    record.push("shape", Cell::new(format!("{rows} x {columns}"), json!([rows, columns])));
    let (nominal, stored) = (explanation.nominal_bits, explanation.true_bits);
    record.push(
        "bits",
        Cell::new(format!("{nominal} nominal, {stored:.2} true"), json!({"nominal": nominal, "true": stored})),
    );
    if explanation.scales.is_some() {
        let group = explanation.group;
        record.push(
            "group",
            Cell::new(group.map_or("one scale a row".into(), |group| format!("{group} columns")), json!(group)),
        );
    }
    for (name, spread) in [("scales", explanation.scales), ("zero_points", explanation.zeros)] {
        if let Some(spread) = spread {
            record.push(name, spread_cell(spread));
        }
    }
    if let Some(outliers) = explanation.outliers {
        let share = outliers as f64 / (rows * columns) as f64;
        let value = json!({"count": outliers, "share": share});
        record.push("outliers", Cell::new(format!("{outliers} ({:.3} %)", 100.0 * share), value));
    }
    if !explanation.codes.is_empty() {
        let used = explanation.codes.iter().filter(|&&count| count > 0).count();
        let text = format!("{used} of {} in use", explanation.codes.len());
        record.push("codes", Cell::new(text, json!(explanation.codes)));
    }
    let Some(errors) = &explanation.errors else { return };
    let mut lines = vec![format!("{:>12}  {:>9}  {:>12}  {:>12}", "MSE", "SQNR dB", "largest", "tr(D H D^T)")];
    let mut objects = serde_json::Map::new();
    let nearest = explanation.nearest.as_ref().map(|nearest| ("nearest", nearest));
    for (name, errors) in nearest.into_iter().chain([(recipe, errors)]) {
        lines.push(format!("{}  {name}", error_line(errors)));
        let key = if name == "nearest" { "nearest" } else { "recipe" };
        objects.insert(key.into(), error_object(errors));
    }
    record.push("errors", Cell::new(lines.join("\n"), objects));
    let worst: Vec<String> =
        explanation.worst_rows.iter().map(|(row, mse)| format!("row {row:<6} MSE {mse:.4e}")).collect();
    let values: Vec<Value> = explanation.worst_rows.iter().map(|(row, mse)| json!({"row": row, "mse": mse})).collect();
    record.push("worst_rows", Cell::new(worst.join("\n"), values));
}

fn spread_cell(spread: Spread) -> Cell {
    let Spread { least, median, largest } = spread;
    let value = json!({"least": least, "median": median, "largest": largest});
    Cell::new(format!("{} to {}, median {}", short(least), short(largest), short(median)), value)
}

/// Four significant digits.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        magnitude if (0.01..10_000.0).contains(&magnitude) => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').into()
        }
        _ => format!("{number:.3e}"),
    }
}

fn error_line(errors: &Errors) -> String {
    let weighted = errors.hessian_weighted.map_or("-".into(), |weighted| format!("{weighted:.5e}"));
    format!("{:>12.5e}  {:>9.3}  {:>12.5e}  {:>12}", errors.mse, errors.sqnr_db, errors.largest, weighted)
}

/// JSON knows no infinity: a matrix without errors has no ratio.
fn error_object(errors: &Errors) -> Value {
    json!({
        "mse": errors.mse,
        "sqnr_db": errors.sqnr_db.is_finite().then_some(errors.sqnr_db),
        "largest": errors.largest,
        "hessian_weighted": errors.hessian_weighted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::model::Mlp;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 7.5, 128.0, 0.012345, 0.00123456, -3.0].map(short);
        assert_eq!(texts, ["0", "7.5", "128", "0.0123", "1.235e-3", "-3"]);
    }

    #[test]
    fn layers_are_found_by_name() {
        let checkpoint = engine::builtin::checkpoint().unwrap();
        let blueprint = engine::family::blueprint(&checkpoint).unwrap();
        let found = |name: &str| find(name, &blueprint);
        let down = ("model.layers.1.mlp.down_proj".to_string(), Some(1), Role::Down(Mlp::Dense));
        assert_eq!(found("model.layers.1.mlp.down_proj").unwrap(), down);
        assert_eq!(found("model.layers.1.mlp.down_proj.weight").unwrap(), down);
        assert_eq!(found("lm_head").unwrap().2, Role::Head);
        let failure = found("model.layers.1.mlp.dwn_proj").unwrap_err();
        assert!(failure.fix().contains("model.layers.1.mlp.down_proj"), "{failure:?}");
    }
}
