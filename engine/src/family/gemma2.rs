//! Gemma 2 (`Gemma2ForCausalLM`).
//!
//! As Gemma, with a norm before and after each half of a block, scores divided by sqrt(query_pre_attn_scalar), soft caps on
//! scores and logits, and a window in every other block, beginning with the first, unless `layer_types` says otherwise. Absent
//! keys: 4 key/value heads of 256 dimensions, context 8192, a window of 4096, caps of 50 and 30. Follows transformers'
//! `modeling_gemma2.py`.

use super::gemma;
use super::projections::{self, name};
use super::{Family, windows};
use crate::blueprint::{Blueprint, NormTensors};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gemma2",
    architectures: &["Gemma2ForCausalLM"],
    description: "Gemma 2: Gemma with norms around the halves, soft caps and alternating windows",
    paper: "Gemma Team 2024, arXiv:2408.00118",
    verified: &["gemma2"],
    switches: &["attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let mut blueprint = projections::blueprint(config, checkpoint, gemma::variant(config, FAMILY.name, 4)?)?;
    surround(&mut blueprint);
    let window = if config.has("sliding_window") { config.optional_size("sliding_window")? } else { Some(4096) };
    let cap = |key, default| if config.has(key) { config.positive_number(key) } else { Ok(Some(default)) };
    Ok(Blueprint {
        windows: windows::by_layer(config, blueprint.layers, window, |layer| layer % 2 == 0)?,
        score_scales: score_scales(config, blueprint.layers)?,
        score_cap: cap("attn_logit_softcapping", 50.0)?,
        logit_cap: cap("final_logit_softcapping", 30.0)?,
        ..gemma::scaled(blueprint)
    })
}

/// Gives norms before and after the halves.
pub(super) fn surround(blueprint: &mut Blueprint) {
    projections::normalize_outputs(blueprint);
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        block.feed_forward_norm = Some(NormTensors::rms(&name(layer, "pre_feedforward_layernorm")));
    }
}

/// 1 / sqrt(query_pre_attn_scalar), rounded once.
pub(super) fn score_scales(config: &Config<'_>, layers: usize) -> Result<Vec<f32>, Error> {
    let scalar = config.positive_number("query_pre_attn_scalar")?.unwrap_or(256.0);
    Ok(vec![(1.0 / f64::from(scalar).sqrt()) as f32; layers])
}
