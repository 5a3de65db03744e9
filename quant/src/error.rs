//! The error of quantization.

use crate::linear_algebra::NotPositiveDefinite;
use crate::recipe::RecipeError;
use std::path::PathBuf;

/// Everything that can go wrong between a recipe's text and a quantized model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe cannot be read.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// A matrix of the checkpoint has no elements.
    #[error(
        "tensor `{tensor}`: expected a matrix with elements, found {rows} x {columns}; \
         the checkpoint is damaged: download it again"
    )]
    EmptyMatrix {
        /// Tensor.
        tensor: String,
        /// Output features.
        rows: usize,
        /// Input features.
        columns: usize,
    },
    /// A tensor pattern of a recipe speaks of no matrix that the model has.
    #[error(
        "recipe `{recipe}`: the pattern `{pattern}` matches no matrix of a block; expected a tensor name such as \
         `{example}`, with `*` for any part of it; for the output head and the embeddings write `head=` and \
         `embeddings=`"
    )]
    UnmatchedPattern {
        /// Recipe, in canonical spelling.
        recipe: String,
        /// Pattern.
        pattern: String,
        /// A matrix that the model has.
        example: String,
    },
    /// The matrices of the checkpoint are quantized already.
    #[error(
        "recipe `{recipe}`: the checkpoint is quantized already ({stored}); \
         use the recipe `none`, which runs it as it is stored, or the checkpoint that it was quantized from"
    )]
    AlreadyQuantized {
        /// Recipe, in canonical spelling.
        recipe: String,
        /// How the checkpoint stores its matrices.
        stored: String,
    },
    /// The model has no matrix of this name.
    #[error("no matrix of the model is called `{name}`; {fix}")]
    NoSuchMatrix {
        /// Name.
        name: String,
        /// What to do.
        fix: String,
    },
    /// A method that looks at inputs has no text to gather them from.
    #[error(
        "recipe `{recipe}`: its method needs calibration text, and none is given; pass --calibration builtin or FILE"
    )]
    NoCalibration {
        /// Recipe, in canonical spelling.
        recipe: String,
    },
    /// A build needs more memory than there is.
    #[error(
        "recipe `{recipe}`: not enough memory; quantizing needs {need}; \
         use fewer or shorter calibration sequences (--calibration_samples, --calibration_length), or a larger machine"
    )]
    Memory {
        /// Recipe, in canonical spelling.
        recipe: String,
        /// The parts of what it needs, and what there is.
        need: String,
    },
    /// Calibration text cannot be read or used.
    #[error("calibration text {place}: {problem}; {fix}")]
    Calibration {
        /// File, with the record or line where it is known, or `builtin`.
        place: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// Finished blocks cannot be kept or removed.
    #[error(
        "cannot write {path}: {source}; check that the disk has room and that you may write there (--quant_cache DIR)"
    )]
    Cache {
        /// Directory.
        path: PathBuf,
        /// Reason given by the operating system.
        source: std::io::Error,
    },
    /// A Hessian cannot be factored.
    #[error("tensor `{tensor}`: {source}")]
    Factor {
        /// The first tensor that reads the input.
        tensor: String,
        /// Where it fails, and what helps.
        source: NotPositiveDefinite,
    },
}
