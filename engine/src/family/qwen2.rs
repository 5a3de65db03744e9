//! Qwen1.5, Qwen2 and Qwen2.5 without experts (`Qwen2ForCausalLM`).
//!
//! Query, key and value projections always have a bias, the output projection never. With `use_sliding_window`, blocks
//! from `max_window_layers` on see a window of `sliding_window` tokens; `layer_types` says so block by block. The
//! published checkpoints set `sliding_window` without using it. Absent keys: 32 key/value heads, context 32768.

use super::projections::{self, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::Blueprint;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "qwen2",
    architectures: &["Qwen2ForCausalLM"],
    description: "Qwen1.5, Qwen2 and Qwen2.5, dense: the Llama layout with query, key and value biases and an optional \
                  sliding window",
    paper: "Yang et al. 2024, arXiv:2407.10671; Qwen Team 2024, arXiv:2412.15115",
    verified: &["qwen2-tied", "qwen2-untied"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let variant = Variant {
        default_kv_heads: Some(32),
        query_key_value: Bias::Present,
        ..Variant::new(config, FAMILY.name, 32_768)?
    };
    let blueprint = projections::blueprint(config, checkpoint, variant)?;
    Ok(Blueprint { windows: windows::from_max_window_layers(config, blueprint.layers)?, ..blueprint })
}
