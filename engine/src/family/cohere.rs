//! Command R (`CohereForCausalLM`).
//!
//! The Llama layout with LayerNorm without bias and both halves of a block reading the same normalised stream; pairs of
//! neighbours are rotated; logits are multiplied by `logit_scale`. With `use_qk_norm` each head of queries and keys has a norm
//! with weights of its own. Absent keys: as many key/value heads as query heads, context 8192, a tied head, a scale of 0.0625.
//! Follows transformers' `modeling_cohere.py`.

use super::projections::{self, Variant};
use super::rotary::Heads;
use super::tensors::Bias;
use super::{Family, head, windows};
use crate::blueprint::{Blueprint, Norm, QkNorm, Residual};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::rope::Pairing;

pub(super) const FAMILY: Family = Family {
    name: "cohere",
    architectures: &["CohereForCausalLM"],
    description: "Command R and Aya 23: parallel halves, LayerNorm, scaled logits",
    paper: "Cohere 2024, Command R; Aryabumi et al. 2024, arXiv:2405.15032",
    verified: &["cohere"],
    switches: &["logit_scale", "use_qk_norm"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let base = Variant::new(config, FAMILY.name, 8192)?;
    let variant = Variant {
        norm: Norm::Layer { eps: config.norm_eps("layer_norm_eps", 1e-5)? },
        query_key_value: attention,
        output: attention,
        heads: Heads { pairing: Pairing::Neighbours, ..base.heads },
        tied: head::Default::Tied,
        ..base
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    if config.flag("use_qk_norm", false)? {
        projections::normalize_queries_and_keys(&mut blueprint, QkNorm::PerHead);
        let shapes = [blueprint.heads, blueprint.kv_heads].map(|heads| vec![heads, blueprint.head_dim]);
        for norms in blueprint.tensors.blocks.iter_mut().filter_map(|block| block.query_key_norm.as_mut()) {
            norms.iter_mut().zip(&shapes).for_each(|(norm, shape)| norm.shape = shape.clone());
        }
    }
    for block in &mut blueprint.tensors.blocks {
        block.feed_forward_norm = None;
    }
    Ok(Blueprint {
        windows: windows::none(config, blueprint.layers)?,
        residual: Residual::Parallel,
        logit_scale: config.positive_number("logit_scale")?.unwrap_or(0.0625),
        ..blueprint
    })
}
