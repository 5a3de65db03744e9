//! OLMo 2 (`Olmo2ForCausalLM`).
//!
//! The Llama layout with its norms after the halves of a block instead of before, and RMSNorm over all heads of queries and of
//! keys together. Absent keys: as many key/value heads as query heads, context 2048. Follows transformers'
//! `modeling_olmo2.py`.

use super::projections::{self, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{Blueprint, Norm, QkNorm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "olmo2",
    architectures: &["Olmo2ForCausalLM"],
    description: "OLMo 2: the Llama layout with norms after attention and feed-forward layer",
    paper: "OLMo team 2025, arXiv:2501.00656",
    verified: &["olmo2"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let attention = Bias::from_flag(config, "attention_bias")?;
    let variant = Variant {
        query_key_value: attention,
        output: attention,
        norm: Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-5)?, offset: 0.0 },
        ..Variant::new(config, FAMILY.name, 2048)?
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    projections::normalize_queries_and_keys(&mut blueprint, QkNorm::Whole);
    projections::normalize_outputs(&mut blueprint);
    for block in &mut blueprint.tensors.blocks {
        (block.attention_norm, block.feed_forward_norm) = (None, None);
    }
    Ok(Blueprint { windows: windows::none(config, blueprint.layers)?, ..blueprint })
}
