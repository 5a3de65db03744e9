//! The error of quantization.

use crate::linear_algebra::NotPositiveDefinite;
use crate::recipe::RecipeError;

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
    /// A Hessian has no factor.
    #[error(transparent)]
    Factor(#[from] NotPositiveDefinite),
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
}
