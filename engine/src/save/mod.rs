//! A model as a checkpoint on disk: what was quantized in a layout that others read, where one can say it.
//!
//! Matrices that are packed with one scale a group or row become those of compressed-tensors; where one of the model's
//! is of another kind, all are stored as they lie in memory (`docs/checkpoint-format.md`). Tensors that were not
//! quantized are copied as they are, and so are the files beside the weights. Nothing is held beside the model but one
//! matrix as it is written, and a directory is there as a whole or not at all.

mod compressed_tensors;
mod directory;
mod tensors;

pub use directory::Existing;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::linear::Weights;
use crate::model::{BlockInput, Model};
use crate::prequantized::Prequantized;
use directory::Output;
use serde_json::{Map, Value, json};
use std::path::Path;
use tensors::Tensors;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Layout of the quantized matrices: `compressed-tensors`, `nibble`, or `as the checkpoint has them`.
    pub layout: String,
    /// Bytes of all tensors.
    pub tensor_bytes: u64,
    /// Names of the files, sorted.
    pub files: Vec<String>,
}

/// A quantized matrix, and what it is called.
struct Matrix<'a> {
    /// Name of its tensor without `.weight`.
    stem: String,
    /// (index, number of equal parts) of a fused tensor.
    part: (usize, usize),
    /// Whether the checkpoint stores it as torch's `Linear` does.
    is_linear: bool,
    weights: &'a Weights,
}

/// Name of the output head.
const HEAD: &str = "lm_head";
const TIED: &str = "tie_word_embeddings";

/// Writes `model`, made of `checkpoint`, to `directory`, which must not exist unless it is to be replaced. `recipe` is
/// filed in `config.json`, with what `provenance` says.
///
/// # Errors
/// [`Error::Exists`], [`Error::Write`]; tensors of `checkpoint` that cannot be read.
pub fn save(
    model: &Model,
    checkpoint: &Checkpoint,
    directory: &Path,
    existing: Existing,
    recipe: &str,
    provenance: &Map<String, Value>,
) -> Result<Saved, Error> {
    let matrices = matrices(model);
    let output = Output::begin(directory, checkpoint, existing)?;
    let mut config = checkpoint.config().clone();
    let mut tensors = Tensors::of(checkpoint)?;
    let layout = match Prequantized::of(checkpoint)? {
        Some(format) => format.method().to_string(),
        None if matrices.is_empty() => "as the checkpoint has them".into(),
        None => {
            untie(model, &mut tensors, &mut config)?;
            matrices.iter().for_each(|matrix| tensors.remove(&format!("{}.weight", matrix.stem)));
            let quantization = match matrices.iter().all(compressed_tensors::can_hold) {
                true => compressed_tensors::push(&matrices, &unquantized(model), &mut tensors),
                false => tensors::push_as_in_memory(&matrices, recipe, &mut tensors),
            };
            let layout = quantization["quant_method"].as_str().unwrap_or_default().to_string();
            config["quantization_config"] = quantization;
            let mut about = Map::from_iter([("recipe".to_string(), Value::from(recipe))]);
            about.extend(provenance.clone());
            config["nibble"] = about.into();
            layout
        }
    };
    let tensor_bytes = tensors.bytes();
    output.write_json("config.json", &config)?;
    output.write_tensors("model.safetensors", tensors)?;
    output.copy_companions(checkpoint)?;
    Ok(Saved { layout, tensor_bytes, files: output.finish()? })
}

/// Whether [`save`] may write to `directory`.
///
/// # Errors
/// [`Error::Exists`].
pub fn check(directory: &Path, checkpoint: &Checkpoint, existing: Existing) -> Result<(), Error> {
    directory::check(directory, checkpoint, existing)
}

/// The quantized matrices of a model.
fn matrices(model: &Model) -> Vec<Matrix<'_>> {
    let tensors = &model.blueprint.tensors;
    let stem = |tensor: &str| tensor.strip_suffix(".weight").unwrap_or(tensor).to_string();
    let whole = |stem: String, weights| Matrix { stem, part: (0, 1), is_linear: true, weights };
    let embedding = Matrix { is_linear: false, ..whole(stem(&tensors.embedding), &model.embedding) };
    let mut matrices = vec![embedding];
    for (names, block) in tensors.blocks.iter().zip(&model.blocks) {
        for role in BlockInput::ALL.iter().flat_map(|input| input.roles()) {
            let (Some(names), Some(linear)) = (names.linear(*role), block.linear(*role)) else { continue };
            let part = &names.weight;
            let is_linear = part.orientation == crate::blueprint::Orientation::OutIn;
            matrices.push(Matrix { stem: stem(&part.tensor), part: part.part, is_linear, weights: &linear.weights });
        }
    }
    matrices.push(whole(HEAD.into(), &model.head.weights));
    matrices.retain(|matrix| !matches!(matrix.weights, Weights::Dense(_)));
    matrices
}

/// Names of the linear layers that are not quantized.
fn unquantized(model: &Model) -> Vec<String> {
    let tensors = &model.blueprint.tensors;
    let mut names = Vec::new();
    for (block_names, block) in tensors.blocks.iter().zip(&model.blocks) {
        for role in BlockInput::ALL.iter().flat_map(|input| input.roles()) {
            let (Some(linear_names), Some(linear)) = (block_names.linear(*role), block.linear(*role)) else { continue };
            if matches!(linear.weights, Weights::Dense(_)) {
                let tensor = &linear_names.weight.tensor;
                names.push(tensor.strip_suffix(".weight").unwrap_or(tensor).to_string());
            }
        }
    }
    if matches!(model.head.weights, Weights::Dense(_)) {
        names.push(HEAD.into());
    }
    names
}

/// Gives a head that shares the embedding's tensor one of its own, where either is quantized.
fn untie(model: &Model, tensors: &mut Tensors<'_>, config: &mut Value) -> Result<(), Error> {
    let names = &model.blueprint.tensors;
    let is_dense = |weights: &Weights| matches!(weights, Weights::Dense(_));
    if names.head.is_some() || is_dense(&model.embedding) && is_dense(&model.head.weights) {
        return Ok(());
    }
    let head = format!("{HEAD}.weight");
    if names.embedding == head {
        return Err(Error::Unsupported {
            file: "config.json".into(),
            key: TIED.into(),
            found: format!("an embedding stored as `{head}`"),
            supported: "recipes without `head=` and `embeddings=` for such a checkpoint".into(),
        });
    }
    tensors.remove(&head);
    if is_dense(&model.head.weights) {
        tensors.copy(&names.embedding, &head);
    }
    config[TIED] = false.into();
    Ok(())
}

/// The entry of a layout's name.
fn method(name: &str) -> Map<String, Value> {
    let json = json!({"quant_method": name});
    json.as_object().cloned().unwrap_or_default()
}
