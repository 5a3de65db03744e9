//! Mixtral (`MixtralForCausalLM`).
//!
//! The Llama layout with experts in every block: `block_sparse_moe.gate` chooses, `w1` is the gate, `w3` the up and `w2` the
//! down projection of an expert; the weights of those chosen add up to 1. Absent keys: 8 key/value heads, 8 experts of which
//! a token goes to 2, base 1e6, context 131072. Follows transformers' `modeling_mixtral.py`.

use super::projections::{self, Variant, name};
use super::rotary::Heads;
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{
    Blueprint, ExpertTensors, FeedForwardTensors, LinearTensors, MlpTensors, Norm, Routing, RoutingWeights,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "mixtral",
    architectures: &["MixtralForCausalLM"],
    description: "Mixtral 8x7B and 8x22B: the Llama layout with experts",
    paper: "Jiang et al. 2024, arXiv:2401.04088",
    verified: &["mixtral"],
    switches: &["num_local_experts"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let base = Variant::new(config, FAMILY.name, 131_072)?;
    let heads = Heads { theta: ("rope_theta", 1e6), ..base.heads };
    let norm = Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-5)?, offset: 0.0 };
    let variant = Variant { default_kv_heads: Some(8), heads, norm, ..base };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    let (count, top_k) = (config.size_or("num_local_experts", 8)?, config.size_or("num_experts_per_tok", 2)?);
    if top_k > count {
        return Err(config.wrong("num_experts_per_tok", &format!("at most num_local_experts ({count})")));
    }
    blueprint.routing = Some(Routing { top_k, weights: RoutingWeights::OfChosen });
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        let linear = |part: &str| LinearTensors::named(&name(layer, &format!("block_sparse_moe.{part}")), Bias::Absent);
        let expert = |index: usize| MlpTensors {
            gate: Some(linear(&format!("experts.{index}.w1"))),
            up: linear(&format!("experts.{index}.w3")),
            down: linear(&format!("experts.{index}.w2")),
            width: blueprint.d_ff,
        };
        let experts = (0..count).map(expert).collect();
        block.feed_forward =
            FeedForwardTensors::Experts(ExpertTensors { router: linear("gate"), experts, shared: None });
    }
    let window = config.optional_size("sliding_window")?;
    Ok(Blueprint { windows: windows::by_layer(config, blueprint.layers, window, |_| true)?, ..blueprint })
}
