//! Qwen1.5-MoE and Qwen2-MoE (`Qwen2MoeForCausalLM`).
//!
//! The layout of Qwen2 with experts in the blocks that `mlp_only_layers` and `decoder_sparse_step` leave sparse, and a shared
//! expert in each of them, weighted by the sigmoid of `shared_expert_gate`. Absent keys: 16 key/value heads, context 32768.
//! Follows transformers' `modeling_qwen2_moe.py`.

use super::projections::{self, Experts, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::Blueprint;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "qwen2_moe",
    architectures: &["Qwen2MoeForCausalLM"],
    description: "Qwen1.5-MoE and Qwen2-57B-A14B: the Qwen2 layout with experts and a shared one",
    paper: "Yang et al. 2024, arXiv:2407.10671",
    verified: &["qwen2_moe"],
    switches: &["num_experts", "num_local_experts"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let variant = Variant {
        default_kv_heads: Some(16),
        query_key_value: Bias::of(config.flag("qkv_bias", true)?),
        ..Variant::new(config, FAMILY.name, 32_768)?
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    let shared_width = Some(config.size("shared_expert_intermediate_size")?);
    let experts = Experts { shared_width, ..Experts::read(config, "moe_intermediate_size")? };
    let sparse = projections::sparse_layers(config, blueprint.layers)?;
    projections::give_experts(&mut blueprint, &experts, |layer| sparse[layer]);
    Ok(Blueprint { windows: windows::from_max_window_layers(config, blueprint.layers)?, ..blueprint })
}
