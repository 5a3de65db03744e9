//! A checkpoint quantized by a recipe, ready to run.

use crate::error::Error;
use crate::recipe::Recipe;
use engine::checkpoint::Checkpoint;
use engine::model::Model;
use engine::runtime::Runtime;

/// Reads `checkpoint` and quantizes it as `recipe` says, on the threads of `runtime`.
///
/// Matrices are quantized one after the other, the rows of each in parallel; beside the mapped checkpoint and the
/// quantized model no more than a panel of rows a thread is held.
///
/// # Errors
/// What the checkpoint lacks or holds wrongly; a pattern of the recipe that matches no matrix of a block.
pub fn build_model(checkpoint: &Checkpoint, recipe: &Recipe, runtime: &Runtime) -> Result<Model, Error> {
    runtime.run(|| {
        let mut unmatched = recipe.patterns().collect::<Vec<_>>();
        let mut example = None;
        let model = Model::build(checkpoint, &mut |source| {
            if source.role.is_in_block() {
                unmatched.retain(|pattern| !pattern.matches(&source.tensor));
                example.get_or_insert_with(|| source.tensor.clone());
            }
            recipe.choose_with(runtime.kernels(), source)
        })?;
        match unmatched.first() {
            None => Ok(model.with_kv_precision(recipe.kv_precision())?),
            Some(pattern) => Err(Error::UnmatchedPattern {
                recipe: recipe.to_string(),
                pattern: pattern.to_string(),
                example: example.unwrap_or_default(),
            }),
        }
    })
}
