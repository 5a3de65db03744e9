//! Gemma (`GemmaForCausalLM`).
//!
//! The Llama layout with RMSNorm times 1 + weight, embeddings times sqrt(d_model), GELU in its gated layer and a tied head.
//! `hidden_activation` names the nonlinearity; the older `hidden_act` is not looked at, as in transformers'
//! `modeling_gemma.py`. Absent keys: 16 key/value heads of 256 dimensions, context 8192.

use super::projections::{self, Variant};
use super::tensors::Bias;
use super::{Family, activation, head, windows};
use crate::blueprint::{Activation, Blueprint, Norm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gemma",
    architectures: &["GemmaForCausalLM"],
    description: "Gemma 2B and 7B: the Llama layout with scaled embeddings and GELU",
    paper: "Gemma Team 2024, arXiv:2403.08295",
    verified: &["gemma"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let blueprint = projections::blueprint(config, checkpoint, variant(config, FAMILY.name, 16)?)?;
    Ok(Blueprint { windows: windows::none(config, blueprint.layers)?, ..scaled(blueprint) })
}

/// What the three generations share.
pub(super) fn variant(config: &Config<'_>, family: &'static str, kv_heads: usize) -> Result<Variant, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    // Not looked at by the published code; what nobody knows is refused all the same.
    activation(config, "hidden_act", Activation::GeluTanh)?;
    Ok(Variant {
        default_kv_heads: Some(kv_heads),
        norm: Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-6)?, offset: 1.0 },
        query_key_value: attention,
        output: attention,
        activation: ("hidden_activation", Activation::GeluTanh),
        tied: head::Default::Tied,
        ..Variant::new(config, family, 8192)?.with_head_dim(config, 256)?
    })
}

/// The same with embeddings times sqrt(d_model), rounded once.
pub(super) fn scaled(blueprint: Blueprint) -> Blueprint {
    Blueprint { embedding_scale: (blueprint.d_model as f64).sqrt() as f32, ..blueprint }
}
