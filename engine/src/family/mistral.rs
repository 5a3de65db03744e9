//! Mistral without experts (`MistralForCausalLM`).
//!
//! Every block sees a window of `sliding_window` tokens; null means that all attend to everything. No biases. Absent
//! keys: 8 key/value heads, a window of 4096 tokens, context 131072.

use super::projections::{self, Variant};
use super::{Family, windows};
use crate::blueprint::Blueprint;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "mistral",
    architectures: &["MistralForCausalLM"],
    description: "Mistral 7B and its dense successors: the Llama layout with a sliding window in every block",
    paper: "Jiang et al. 2023, arXiv:2310.06825",
    verified: &["mistral", "mistral-nosw"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let window = if config.has("sliding_window") { config.optional_size("sliding_window")? } else { Some(4096) };
    let windows = windows::by_layer(config, config.layers("num_hidden_layers")?, window, |_| true)?;
    // The published code has one window for all blocks and does not look at layer_types.
    if windows.iter().any(|of_layer| *of_layer != window) {
        return Err(config.unsupported("layer_types", "the same type in all layers of this family"));
    }
    let variant = Variant { default_kv_heads: Some(8), ..Variant::new(config, FAMILY.name, 131_072)? };
    Ok(Blueprint { windows, ..projections::blueprint(config, checkpoint, variant)? })
}
