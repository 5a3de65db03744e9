//! Gemma 3, its text model (`Gemma3ForCausalLM`).
//!
//! As Gemma 2 without caps, with RMSNorm over each head of queries and keys. Five of six blocks slide, unless `layer_types` says
//! otherwise; they rotate with the base `rope_local_base_freq` and without scaling, the others with `rope_theta`. Absent keys:
//! 4 key/value heads of 256 dimensions, context 131072, a window of 4096. Follows transformers' `modeling_gemma3.py`.

use super::projections::{self, Variant};
use super::rotary::{self, Heads};
use super::{Family, gemma, gemma2, windows};
use crate::blueprint::{Blueprint, Positions, QkNorm, Rotary};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gemma3_text",
    architectures: &["Gemma3ForCausalLM"],
    description: "Gemma 3 (text): Gemma 2 with normalised queries and keys and local windows with a base of their own",
    paper: "Gemma Team 2025, arXiv:2503.19786",
    verified: &["gemma3"],
    switches: &["attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let base = gemma::variant(config, FAMILY.name, 4)?;
    let context_len = config.size_or("max_position_embeddings", 131_072)?;
    let heads = Heads { context_len, theta: ("rope_theta", 1e6), ..base.heads };
    let [full, sliding] = rotary::by_layer_type(config, heads, ("rope_local_base_freq", 10_000.0))?;
    // The settings of the two types differ: what all families read is made of those of one.
    let mut blueprint = projections::blueprint_with(config, checkpoint, Variant { heads, ..base }, full.clone())?;
    gemma2::surround(&mut blueprint);
    projections::normalize_queries_and_keys(&mut blueprint, QkNorm::PerHead);
    let window = if config.has("sliding_window") { config.optional_size("sliding_window")? } else { Some(4096) };
    let pattern = match config.optional_size("_sliding_window_pattern")? {
        Some(pattern) => pattern,
        None => config.size_or("sliding_window_pattern", 6)?,
    };
    let windows = windows::by_layer(config, blueprint.layers, window, |layer| (layer + 1) % pattern != 0)?;
    let of_layer = windows.iter().map(|window| Some(usize::from(window.is_some()))).collect();
    Ok(Blueprint {
        windows,
        positions: Positions::Rotary(Rotary { ropes: vec![full, sliding], of_layer }),
        score_scales: gemma2::score_scales(config, blueprint.layers)?,
        score_cap: config.positive_number("attn_logit_softcapping")?,
        logit_cap: config.positive_number("final_logit_softcapping")?,
        ..gemma::scaled(blueprint)
    })
}
