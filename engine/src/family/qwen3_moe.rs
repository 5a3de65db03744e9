//! Qwen3 with experts (`Qwen3MoeForCausalLM`).
//!
//! The layout of Qwen3 with experts in the blocks that `mlp_only_layers` and `decoder_sparse_step` leave sparse, and no shared
//! one. Absent keys: 4 key/value heads, context 32768. Follows transformers' `modeling_qwen3_moe.py`.

use super::projections::{self, Experts, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{Blueprint, QkNorm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "qwen3_moe",
    architectures: &["Qwen3MoeForCausalLM"],
    description: "Qwen3-30B-A3B, Qwen3-235B-A22B: the Qwen3 layout with experts",
    paper: "Yang et al. 2025, arXiv:2505.09388",
    verified: &["qwen3_moe"],
    switches: &["num_experts", "num_local_experts"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let variant = Variant {
        default_kv_heads: Some(4),
        query_key_value: attention,
        output: attention,
        ..Variant::new(config, FAMILY.name, 32_768)?
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    projections::normalize_queries_and_keys(&mut blueprint, QkNorm::PerHead);
    let experts = Experts::read(config, "moe_intermediate_size")?;
    let sparse = projections::sparse_layers(config, blueprint.layers)?;
    projections::give_experts(&mut blueprint, &experts, |layer| sparse[layer]);
    // The published code has one window for all blocks.
    let window = if config.flag("use_sliding_window", false)? { config.optional_size("sliding_window")? } else { None };
    Ok(Blueprint { windows: windows::by_layer(config, blueprint.layers, window, |_| true)?, ..blueprint })
}
