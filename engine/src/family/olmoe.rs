//! OLMoE (`OlmoeForCausalLM`).
//!
//! The Llama layout with experts in every block, RMSNorm over all heads of queries and of keys together, and `clip_qkv`, which
//! limits queries, keys and values. Absent keys: as many key/value heads as query heads, context 4096. Follows transformers'
//! `modeling_olmoe.py`.

use super::projections::{self, Experts, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{Blueprint, Norm, QkNorm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "olmoe",
    architectures: &["OlmoeForCausalLM"],
    description: "OLMoE-1B-7B: the Llama layout with experts and normalised queries and keys",
    paper: "Muennighoff et al. 2024, arXiv:2409.02060",
    verified: &["olmoe"],
    switches: &["num_experts", "num_local_experts", "clip_qkv"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let variant = Variant {
        query_key_value: attention,
        output: attention,
        norm: Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-5)?, offset: 0.0 },
        ..Variant::new(config, FAMILY.name, 4096)?
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    projections::normalize_queries_and_keys(&mut blueprint, QkNorm::Whole);
    let experts = Experts::read(config, "intermediate_size")?;
    projections::give_experts(&mut blueprint, &experts, |_| true);
    let qkv_limit = config.positive_number("clip_qkv")?;
    Ok(Blueprint { qkv_limit, windows: windows::none(config, blueprint.layers)?, ..blueprint })
}
