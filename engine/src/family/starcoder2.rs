//! StarCoder2 (`Starcoder2ForCausalLM`).
//!
//! The attention of Llama with biases, LayerNorm, and a plain feed-forward layer, `mlp.c_fc` and `mlp.c_proj`; every block has
//! the window `sliding_window`. Absent keys: 2 key/value heads, context 4096, a tied head, biases. Follows transformers'
//! `modeling_starcoder2.py`.

use super::projections::{self, Variant, name};
use super::tensors::Bias;
use super::{Family, head, windows};
use crate::blueprint::{Activation, Blueprint, FeedForward, FeedForwardTensors, LinearTensors, MlpTensors, Norm};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "starcoder2",
    architectures: &["Starcoder2ForCausalLM"],
    description: "StarCoder2: grouped-query attention with biases and windows, LayerNorm, plain MLP",
    paper: "Lozhkov et al. 2024, arXiv:2402.19173",
    verified: &["starcoder2"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let bias = Bias::of(config.flag("use_bias", true)?);
    let variant = Variant {
        default_kv_heads: Some(2),
        norm: Norm::Layer { eps: config.norm_eps("norm_epsilon", 1e-5)? },
        norm_bias: Bias::Present,
        query_key_value: bias,
        output: bias,
        activation: ("hidden_act", Activation::GeluTanh),
        tied: head::Default::Tied,
        ..Variant::new(config, FAMILY.name, 4096)?
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    if let FeedForward::Gated(activation) = blueprint.feed_forward {
        blueprint.feed_forward = FeedForward::Plain(activation);
    }
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        let linear = |part: &str| LinearTensors::named(&name(layer, part), bias);
        let (up, down) = (linear("mlp.c_fc"), linear("mlp.c_proj"));
        block.feed_forward = FeedForwardTensors::Dense(MlpTensors { gate: None, up, down, width: blueprint.d_ff });
    }
    let window = config.optional_size("sliding_window")?;
    Ok(Blueprint { windows: windows::by_layer(config, blueprint.layers, window, |_| true)?, ..blueprint })
}
