//! The noise floor: what the baseline loses when its inputs are rounded to bfloat16 before every product of weights.
//!
//! Inference in bfloat16 does that much at least, and its results are taken for those of the model. A recipe whose
//! difference is no larger has not been told apart from rounding.

use super::Filed;
use crate::comparison::Difference;
use engine::decoder::InputRounding;

/// Whether the noise floor is measured, which takes one more pass of the baseline over all tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseFloor {
    /// It is not.
    #[default]
    Omit,
    /// It is.
    Measure,
}

/// What is measured beside scores, to say how faithfully a recipe answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FidelityOptions {
    /// Whether it is measured what rounding alone does.
    pub noise_floor: NoiseFloor,
    /// Documents of each task, the first ones, whose next-token distributions are compared over the whole vocabulary.
    pub kl_documents: usize,
}

/// What the baseline is called where its inputs are rounded, after its recipe.
const SUFFIX: &str = "@bf16_noise";

impl Filed {
    /// The same recipe with inputs rounded to bfloat16.
    pub(super) fn rounded(&self) -> Self {
        let rounding = InputRounding::Bf16;
        Self { name: format!("{}{SUFFIX}", self.name), key: format!("{}{SUFFIX}", self.key), rounding }
    }
}

/// Whether results of this name are those of a baseline with rounded inputs.
pub fn is_rounded(recipe: &str) -> bool {
    recipe.ends_with(SUFFIX)
}

/// Says of every difference whether rounding alone makes one as large.
pub fn judge(differences: &mut [Difference]) {
    let rounded: Vec<Difference> = differences.iter().filter(|it| is_rounded(&it.recipe)).cloned().collect();
    for difference in differences.iter_mut().filter(|it| !is_rounded(&it.recipe)) {
        if let Some(rounded) = rounded.iter().find(|rounded| rounded.task == difference.task) {
            difference.judge(rounded);
        }
    }
}
