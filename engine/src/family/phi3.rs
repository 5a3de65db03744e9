//! Phi-3, Phi-3.5 and Phi-4 (`Phi3ForCausalLM`).
//!
//! The Llama layout with query, key and value in one tensor and gate and up in another; every block has the window
//! `sliding_window`. The long-context models have a list of divisors of frequencies for sequences up to
//! `original_max_position_embeddings` tokens and another for longer ones. Absent keys: as many key/value heads as query heads,
//! context 4096. Follows transformers' `modeling_phi3.py`.

use super::projections::{self, Variant, name};
use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{Blueprint, FeedForwardTensors, LinearTensors, MlpTensors, Norm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "phi3",
    architectures: &["Phi3ForCausalLM"],
    description: "Phi-3, Phi-3.5 and Phi-4, dense: the Llama layout, fused projections, LongRoPE",
    paper: "Abdin et al. 2024, arXiv:2404.14219; arXiv:2412.08905",
    verified: &["phi3", "phi3-longrope"],
    switches: &["partial_rotary_factor"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let base = Variant::new(config, FAMILY.name, 4096)?;
    let rotary_dim = rotary::rotary_dim(config, base.heads.head_dim, &["partial_rotary_factor"], 1.0)?;
    let norm = Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-5)?, offset: 0.0 };
    let variant = Variant { norm, heads: Heads { rotary_dim, ..base.heads }, ..base };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        let linear = |part: &str| LinearTensors::named(&name(layer, part), Bias::Absent);
        let fused = linear("self_attn.qkv_proj");
        [block.query, block.key, block.value] = fused.in_turn(blueprint.heads, blueprint.kv_heads, blueprint.head_dim);
        let fused = linear("mlp.gate_up_proj");
        block.feed_forward = FeedForwardTensors::Dense(MlpTensors {
            gate: Some(fused.part(0, 2)),
            up: fused.part(1, 2),
            down: linear("mlp.down_proj"),
            width: blueprint.d_ff,
        });
    }
    let window = config.optional_size("sliding_window")?;
    Ok(Blueprint { windows: windows::by_layer(config, blueprint.layers, window, |_| true)?, ..blueprint })
}
