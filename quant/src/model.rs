//! A checkpoint quantized by a recipe, ready to run.

use crate::error::Error;
use crate::recipe::Recipe;
use engine::checkpoint::Checkpoint;
use engine::model::{Builder, Model};
use engine::runtime::Runtime;

/// Reads `checkpoint` and quantizes it as `recipe` says, on the threads of `runtime`.
///
/// Matrices are quantized one after the other, the rows of each in parallel; beside the mapped checkpoint and the
/// quantized model no more than a panel of rows a thread is held.
///
/// # Errors
/// What the checkpoint lacks or holds wrongly; a pattern of the recipe that matches no matrix of a block; a method that
/// looks at inputs, for which there is [`Build`](crate::Build).
pub fn build_model(checkpoint: &Checkpoint, recipe: &Recipe, runtime: &Runtime) -> Result<Model, Error> {
    if recipe.method().needs.calibration() {
        return Err(Error::NoCalibration { recipe: recipe.to_string() });
    }
    let mut builder = Builder::new(checkpoint)?;
    recipe.check(&builder)?;
    runtime.run(|| {
        let choose = &mut |source| recipe.choose_with(runtime.kernels(), source);
        let mut model = builder.without_blocks(choose)?;
        builder.blocks(&mut model, choose)?;
        Ok(model.with_kv_precision(recipe.kv_precision())?)
    })
}
