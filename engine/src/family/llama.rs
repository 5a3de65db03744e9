//! Llama 1 to 3 and the many models in its layout (`LlamaForCausalLM`).
//!
//! Settings of its own: `attention_bias` puts a bias on all four projections of attention, `mlp_bias` on the three of
//! the feed-forward layer; `head_dim` may differ from hidden_size / heads; `pretraining_tp` splits matrices for
//! training only and changes nothing. Absent keys: as many key/value heads as query heads, context 2048.

use super::projections::{self, Variant};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::Blueprint;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "llama",
    architectures: &["LlamaForCausalLM", "LLaMAForCausalLM"],
    description: "Llama 1 to 3.3 and models in its layout: RMSNorm, RoPE (linear, dynamic, llama3, yarn and longrope \
                  scaling), grouped-query attention, SwiGLU",
    paper: "Touvron et al. 2023, arXiv:2302.13971; Grattafiori et al. 2024, arXiv:2407.21783",
    verified: &["llama-bias", "llama-dynamic", "llama-linear", "llama-llama3rope", "llama-plain", "llama-yarn"],
    switches: &[],
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
    Ok(Blueprint { windows: windows::none(config, blueprint.layers)?, ..blueprint })
}
