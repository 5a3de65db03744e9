//! Phi-1, Phi-1.5 and Phi-2 (`PhiForCausalLM`).
//!
//! Both halves of a block read the same normalised stream (LayerNorm); half of each head is rotated; all linear layers have
//! biases, the head too. With `qk_layernorm` each head of queries and keys passes a LayerNorm. Absent keys: as many key/value
//! heads as query heads, context 2048. Follows transformers' `modeling_phi.py`.

use super::projections::{self, Variant, name};
use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{
    Activation, Blueprint, FeedForward, FeedForwardTensors, HeadNormTensors, LinearTensors, MlpTensors, Norm,
    NormTensors, QkNorm, Residual, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "phi",
    architectures: &["PhiForCausalLM"],
    description: "Phi-1, Phi-1.5 and Phi-2: parallel halves, LayerNorm, partly rotated heads, plain MLP",
    paper: "Li et al. 2023, arXiv:2309.05463",
    verified: &["phi"],
    switches: &["partial_rotary_factor", "qk_layernorm"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let base = Variant::new(config, FAMILY.name, 2048)?;
    let rotary_dim = rotary::rotary_dim(config, base.heads.head_dim, &["partial_rotary_factor"], 0.5)?;
    let variant = Variant {
        norm: Norm::Layer { eps: config.norm_eps("layer_norm_eps", 1e-5)? },
        norm_bias: Bias::Present,
        query_key_value: Bias::Present,
        activation: ("hidden_act", Activation::GeluTanh),
        heads: Heads { rotary_dim, ..base.heads },
        ..base
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    if let FeedForward::Gated(activation) = blueprint.feed_forward {
        blueprint.feed_forward = FeedForward::Plain(activation);
    }
    let normalizes = config.flag("qk_layernorm", false)?;
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        let linear = |part: &str| LinearTensors::named(&name(layer, part), Bias::Present);
        block.output = linear("self_attn.dense");
        block.feed_forward_norm = None;
        let (up, down) = (linear("mlp.fc1"), linear("mlp.fc2"));
        block.feed_forward = FeedForwardTensors::Dense(MlpTensors { gate: None, up, down, width: blueprint.d_ff });
        block.query_key_norm = normalizes.then(|| {
            ["self_attn.q_layernorm", "self_attn.k_layernorm"]
                .map(|part| HeadNormTensors::one(NormTensors::layer(&name(layer, part)), vec![blueprint.head_dim]))
        });
    }
    blueprint.tensors.final_norm = Some(NormTensors::layer("model.final_layernorm"));
    if let Some(head) = &mut blueprint.tensors.head {
        head.bias = Some(TensorPart::whole("lm_head.bias"));
    }
    Ok(Blueprint {
        windows: windows::none(config, blueprint.layers)?,
        residual: Residual::Parallel,
        qk_norm: if normalizes { QkNorm::PerHead } else { QkNorm::Absent },
        ..blueprint
    })
}
