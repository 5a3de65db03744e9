//! Granite 3 (`GraniteForCausalLM`).
//!
//! The Llama layout with four factors: `embedding_multiplier` on embeddings, `attention_multiplier` on scores (in place of
//! 1/sqrt(head_dim)), `residual_multiplier` on what a half adds, and logits divided by `logits_scaling`. Absent keys: the
//! factors are 1, as many key/value heads as query heads, context 2048. Follows transformers' `modeling_granite.py`.

use super::projections::{self, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::Blueprint;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "granite",
    architectures: &["GraniteForCausalLM"],
    description: "Granite 3, dense: the Llama layout with scaled embeddings, scores, residuals and logits",
    paper: "Granite Team 2024, Granite 3.0 Language Models; Yang et al. 2022, arXiv:2203.03466",
    verified: &["granite"],
    switches: &["attention_multiplier", "embedding_multiplier", "logits_scaling", "residual_multiplier"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let variant = Variant {
        query_key_value: attention,
        output: attention,
        feed_forward: Bias::from_flag(config, "mlp_bias")?,
        ..Variant::new(config, FAMILY.name, 2048)?
    };
    let blueprint = projections::blueprint(config, checkpoint, variant)?;
    let factor = |key| Ok::<f32, Error>(config.positive_number(key)?.unwrap_or(1.0));
    Ok(Blueprint {
        windows: windows::none(config, blueprint.layers)?,
        embedding_scale: factor("embedding_multiplier")?,
        score_scales: vec![factor("attention_multiplier")?; blueprint.layers],
        residual_scale: factor("residual_multiplier")?,
        logit_scale: 1.0 / factor("logits_scaling")?,
        ..blueprint
    })
}
