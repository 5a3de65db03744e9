//! Qwen3 without experts (`Qwen3ForCausalLM`).
//!
//! Each head of queries and keys passes an RMSNorm before RoPE. `attention_bias` puts a bias on all four projections of
//! attention. Windows follow the rule of Qwen2. Absent keys: heads of 128 dimensions (not hidden_size / heads), 32
//! key/value heads, context 32768.

use super::projections::{self, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{Blueprint, QkNorm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "qwen3",
    architectures: &["Qwen3ForCausalLM"],
    description: "Qwen3, dense: the Llama layout with normalised queries and keys and an optional sliding window",
    paper: "Yang et al. 2025, arXiv:2505.09388",
    verified: &["qwen3"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let variant = Variant {
        default_kv_heads: Some(32),
        query_key_value: attention,
        output: attention,
        ..Variant::new(config, FAMILY.name, 32_768)?.with_head_dim(config, 128)?
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    projections::normalize_queries_and_keys(&mut blueprint, QkNorm::PerHead);
    Ok(Blueprint { windows: windows::from_max_window_layers(config, blueprint.layers)?, ..blueprint })
}
