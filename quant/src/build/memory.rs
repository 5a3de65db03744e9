//! What quantizing block by block takes at its peak, said before it begins.

use crate::error::Error;
use crate::method::Needs;
use crate::recipe::Recipe;
use crate::statistics::InputStatistics;
use engine::blueprint::Blueprint;
use engine::checkpoint::Checkpoint;
use std::fmt;

/// Parts of the peak, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// What, and how much.
    pub parts: Vec<(&'static str, u64)>,
    /// What can be had without swapping, where that is known.
    pub available: Option<u64>,
}

/// Keys, values, the workspace of a pass and what a kernel packs.
const ACTIVATION_BYTES: u64 = 256 << 20;

impl MemoryNeed {
    /// All parts together.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Fails where it is known that the peak does not fit.
    pub(crate) fn check(&self, recipe: &Recipe) -> Result<(), Error> {
        match self.available {
            Some(available) if available < self.total() => {
                Err(Error::Memory { recipe: recipe.to_string(), need: self.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// The need of `recipe`, calibrated with `tokens` tokens.
    pub(crate) fn of(
        checkpoint: &Checkpoint,
        blueprint: &Blueprint,
        recipe: &Recipe,
        tokens: usize,
        available: Option<u64>,
    ) -> Result<Self, Error> {
        let (mut quantized, mut largest_block, mut largest_matrix) = (0, 0, 0);
        let (mut hessians, true_sequential) = (0, recipe.is_true_sequential());
        for (layer, tensors) in blueprint.tensors.blocks.iter().enumerate() {
            let inputs =
                tensors.inputs().into_iter().map(|input| InputStatistics::bytes(input.columns(blueprint, layer)));
            // One kind of input after the other: of an expert's there are as many as experts.
            let of_block = if true_sequential {
                inputs.clone().max().unwrap_or(0) * tensors.mlps().len() as u64
            } else {
                inputs.sum()
            };
            hessians = hessians.max(of_block);
            let mut block = 0;
            for matrix in matrices(checkpoint, blueprint, layer, recipe)? {
                largest_matrix = largest_matrix.max(matrix.weights);
                block += matrix.stored_bytes;
                quantized += matrix.quantized_bytes.unwrap_or(0);
            }
            largest_block = largest_block.max(block);
        }
        if recipe.method().needs != Needs::Inputs {
            hessians = 0;
        }
        let parts = vec![
            ("quantized weights", quantized),
            ("one block as it is stored", largest_block),
            ("hidden states of the calibration tokens", 4 * (tokens * blueprint.d_model) as u64),
            ("Hessians of a block", hessians),
            // Codes of a matrix before and after they are packed, their statistics, and the rows in f64 that threads hold.
            ("the solver", 4 * largest_matrix),
            ("activations", ACTIVATION_BYTES),
        ];
        Ok(Self { parts, available })
    }
}

/// A matrix of a block.
struct MatrixSize {
    weights: u64,
    /// As the checkpoint has it.
    stored_bytes: u64,
    /// As the recipe makes it, about; none where it stays as it is.
    quantized_bytes: Option<u64>,
}

/// The matrices of block `layer`.
fn matrices(
    checkpoint: &Checkpoint,
    blueprint: &Blueprint,
    layer: usize,
    recipe: &Recipe,
) -> Result<Vec<MatrixSize>, Error> {
    let (shapes, mut sizes) = (blueprint.matrix_shapes(), Vec::new());
    let Some(block) = blueprint.tensors.blocks.get(layer) else { return Ok(sizes) };
    for role in block.roles() {
        let Some(names) = block.linear(role) else { continue };
        let tensor = names.weight.tensor.as_str();
        let [rows, columns] = shapes.get(tensor).copied().unwrap_or_default();
        let weights = (names.weight.rows_of(rows) * columns) as u64;
        let quantized_bytes = recipe.scheme_of(tensor, role).map(|scheme| {
            let group = scheme.group.unwrap_or(columns).max(1) as u64;
            let extra = (weights as f64 * recipe.method().extra_bits / 8.0) as u64;
            weights * u64::from(scheme.bits.bits()) / 8 + weights.div_ceil(group) * 5 + extra
        });
        let stored_bytes = weights * checkpoint.tensor(tensor)?.dtype.bytes() as u64;
        sizes.push(MatrixSize { weights, stored_bytes, quantized_bytes });
    }
    Ok(sizes)
}

/// Bytes that a model quantized by `recipe` takes, about: outliers are guessed, embedding and head counted as they are
/// stored.
///
/// # Errors
/// Tensors that `checkpoint` lacks.
pub fn model_bytes(checkpoint: &Checkpoint, blueprint: &Blueprint, recipe: &Recipe) -> Result<u64, Error> {
    let mut bytes = checkpoint.weight_bytes();
    for layer in 0..blueprint.layers {
        for matrix in matrices(checkpoint, blueprint, layer, recipe)? {
            if let Some(quantized) = matrix.quantized_bytes {
                bytes = bytes.saturating_sub(matrix.stored_bytes) + quantized;
            }
        }
    }
    Ok(bytes)
}

impl fmt::Display for MemoryNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: u64| match bytes {
            0..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
            1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
            _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
        };
        let parts: Vec<String> = self.parts.iter().map(|(what, bytes)| format!("{what} {}", size(*bytes))).collect();
        write!(f, "about {}: {}", size(self.total()), parts.join(" + "))?;
        match self.available {
            Some(available) => write!(f, "; this machine has {} available", size(available)),
            None => Ok(()),
        }
    }
}
