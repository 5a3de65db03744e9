//! SmolLM3 (`SmolLM3ForCausalLM`).
//!
//! The Llama layout; blocks whose entry of `no_rope_layers` is 0, by default every `no_rope_layer_interval`-th, have no
//! positions at all, and with `use_sliding_window` those that have some slide. Absent keys: 4 key/value heads, base 2e6,
//! context 32768, a tied head. Follows transformers' `modeling_smollm3.py`.

use super::projections::{self, Variant};
use super::rotary::Heads;
use super::tensors::Bias;
use super::{Family, head, windows};
use crate::blueprint::{Blueprint, Positions};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "smollm3",
    architectures: &["SmolLM3ForCausalLM"],
    description: "SmolLM3: the Llama layout with some blocks without positions",
    paper: "Bakouch et al. 2025, SmolLM3: smol, multilingual, long-context reasoner; Yang et al. 2025, arXiv:2501.18795",
    verified: &["smollm3"],
    switches: &["no_rope_layers"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let base = Variant::new(config, FAMILY.name, 32_768)?;
    let variant = Variant {
        default_kv_heads: Some(4),
        query_key_value: attention,
        output: attention,
        feed_forward: Bias::from_flag(config, "mlp_bias")?,
        tied: head::Default::Tied,
        heads: Heads { theta: ("rope_theta", 2e6), ..base.heads },
        ..base
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    let rotated = rotated_layers(config, blueprint.layers)?;
    if let Positions::Rotary(rotary) = &mut blueprint.positions {
        rotary.of_layer = rotated.iter().map(|rotated| rotated.then_some(0)).collect();
    }
    let window = if config.flag("use_sliding_window", false)? { config.optional_size("sliding_window")? } else { None };
    let windows = windows::by_layer(config, blueprint.layers, window, |layer| !rotated[layer])?;
    Ok(Blueprint { windows, ..blueprint })
}

fn rotated_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, Error> {
    const KEY: &str = "no_rope_layers";
    let Some(value) = config.value(KEY) else {
        let interval = config.size_or("no_rope_layer_interval", 4)?;
        return Ok((0..layers).map(|layer| (layer + 1) % interval != 0).collect());
    };
    let entries = value.as_array().map_or(&[][..], |entries| entries);
    let rotated: Vec<bool> = entries.iter().filter_map(|entry| Some(entry.as_u64()? != 0)).collect();
    if rotated.len() == layers && entries.len() == layers {
        return Ok(rotated);
    }
    Err(config.wrong(KEY, &format!("{layers} entries of 1 (positions) or 0 (none), one a layer")))
}
