//! `nibble quantize`: a quantized model as a checkpoint on disk.

use super::Context;
use super::calibration::CalibrationFlags;
use super::failure::{Outcome, Status};
use super::loading::{ModelFlags, RecipeFlag};
use super::runtime::RuntimeFlags;
use super::table::{Cell, FormatFlag, Record, human_bytes};
use clap::Args;
use engine::save::{Existing, save};
use eval::manifest::NUMERICS_VERSION;
use serde_json::{Map, json};
use std::path::PathBuf;

/// Write a quantized model as a checkpoint that others can read
///
/// Matrices with one scale a group or row are stored as compressed-tensors has them (`pack-quantized`; `int-quantized` of
/// 8 bits with 8-bit activations), scales in f32. What that layout cannot say, such as SpQR's outliers, 32-bit
/// activations or groups that do not divide a row, is stored as it lies in memory (docs/checkpoint-format.md). Other
/// tensors and the tokenizer's files are copied. This program reads back what it wrote, with the recipe `none`, and gives
/// the same bits of every logit.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble quantize -m DIR --quant rtn:w4g128 -o OUT
  nibble quantize -m DIR --quant gptq:w4g128:act_order=true --calibration train.txt -o OUT
  nibble eval -m OUT --tasks mmlu --data DATA            the checkpoint that was written, as it is stored"
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    recipe: RecipeFlag,
    #[command(flatten)]
    calibration: CalibrationFlags,
    #[command(flatten)]
    runtime: RuntimeFlags,
    /// Directory of the checkpoint; it appears when it is complete
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    output_path: PathBuf,
    /// Replace the checkpoint that is there
    #[arg(long, help_heading = "Output")]
    overwrite: bool,
    #[command(flatten)]
    format: FormatFlag,
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let recipe = arguments.recipe.recipe()?;
    let source = arguments.model.open(context.verbosity)?;
    let existing = if arguments.overwrite { Existing::Replace } else { Existing::Refuse };
    let output = &arguments.output_path;
    // Found out before hours of work, not after.
    engine::save::check(output, &source.checkpoint, existing)?;
    let runtime = arguments.runtime.runtime(context.verbosity)?;
    let calibration = arguments.calibration.read(&source, &recipe)?;
    let model = arguments.calibration.build(&source, &recipe, calibration.as_ref(), &runtime, context)?;
    let mut provenance = Map::from_iter([("numerics_version".to_string(), NUMERICS_VERSION.into())]);
    if let Some(calibration) = &calibration {
        provenance.insert("calibration".into(), calibration.identity().to_json());
    }
    let spelling = recipe.to_string();
    let saved = save(&model, &source.checkpoint, output, existing, &spelling, &provenance)?;
    let size = model.size();
    let (nominal, stored) = (size.nominal_bits_per_weight(), size.true_bits_per_weight());
    let mut record = Record::default();
    record.push("model", source.name.as_str());
    record.push("recipe", spelling);
    record.push("layout", saved.layout);
    record.push("nominal_bits", Cell::new(format!("{nominal:.2}"), nominal));
    record.push("true_bits", Cell::new(format!("{stored:.2}"), stored));
    record.push("tensor_bytes", Cell::new(human_bytes(saved.tensor_bytes), saved.tensor_bytes));
    record.push("directory", output.display().to_string());
    record.push("files", Cell::new(saved.files.join(", "), json!(saved.files)));
    record.write(arguments.format.format, context.out)?;
    Ok(Status::Done)
}
