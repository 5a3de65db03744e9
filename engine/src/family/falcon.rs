//! Falcon (`FalconForCausalLM`), in its three layouts.
//!
//! 7B: one key/value head (`multi_query`), its rows after those of all queries; both halves of a block read the same normalised
//! stream. 40B, 180B, 11B (`new_decoder_architecture`): `num_kv_heads` groups of queries, a key and a value; both halves read the
//! stream before the block, each through a norm of its own unless `num_ln_in_parallel_attn` is 1. RW: query, key and value of
//! each head side by side, linear biases (`alibi`, rounded to bfloat16 whatever the model's type), halves in turn unless
//! `parallel_attn`. Absent keys: GELU, a feed-forward layer four times as wide, a tied head, context 2048. Follows transformers'
//! `modeling_falcon.py`.

use super::projections::equal_heads;
use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{Family, activation, alibi, head};
use crate::blueprint::{
    Activation, AlibiRounding, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm,
    NormTensors, Positions, Residual, Rotary, Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "falcon",
    architectures: &["FalconForCausalLM"],
    description: "Falcon 7B, 11B, 40B, 180B and RW: multi-query or grouped attention, parallel halves or ALiBi",
    paper: "Almazrouei et al. 2023, arXiv:2311.16867",
    verified: &["falcon-40b-style", "falcon-7b-style", "falcon-rw-style"],
    switches: &["alibi", "parallel_attn"],
    blueprint,
};

/// Where a block has norms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Norms {
    /// One before both halves.
    One,
    /// One before each half, both of the stream before the block.
    Two,
    /// One before each half, in turn.
    InTurn,
}

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let layers = config.layers("num_hidden_layers")?;
    let (d_model, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    let is_new = config.flag("new_decoder_architecture", false)?;
    let is_multi_query = config.flag("multi_query", true)?;
    let kv_heads = match (is_new, is_multi_query) {
        (true, _) => config.optional_size("num_kv_heads")?.unwrap_or(heads),
        (false, true) => 1,
        (false, false) => heads,
    };
    let norms = match (is_new, config.optional_size("num_ln_in_parallel_attn")?) {
        (true, None | Some(2)) => Norms::Two,
        (true, Some(1)) => Norms::One,
        (true, Some(_)) => return Err(config.unsupported("num_ln_in_parallel_attn", "1, 2 and null")),
        (false, Some(count)) if count != 1 => return Err(config.unsupported("num_ln_in_parallel_attn", "1 and null")),
        (false, _) if config.flag("parallel_attn", true)? => Norms::One,
        (false, _) => Norms::InTurn,
    };
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads,
        head_dim: equal_heads(config, "hidden_size", "num_attention_heads")?,
        d_ff: config.optional_size("ffn_hidden_size")?.unwrap_or(d_model.saturating_mul(4)),
        context_len: config.size_or("max_position_embeddings", 2048)?,
    };
    let bias = Bias::from_flag(config, "bias")?;
    let embedding = "transformer.word_embeddings.weight".to_string();
    let (embedding, head) = head::ends(config, checkpoint, embedding, head::Default::Tied)?;
    let query_key_value = |fused: LinearTensors| match (is_new, is_multi_query) {
        (false, true) => fused.in_turn(heads, 1, sizes.head_dim),
        _ => fused.by_head(kv_heads, heads / kv_heads.max(1), sizes.head_dim),
    };
    let block = |layer: usize| {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        let linear = |part: &str| LinearTensors::named(&name(part), bias);
        let norm = |part: &str| NormTensors::layer(&name(part));
        let (first, second) = match norms {
            Norms::One => ("input_layernorm", None),
            Norms::Two => ("ln_attn", Some("ln_mlp")),
            Norms::InTurn => ("input_layernorm", Some("post_attention_layernorm")),
        };
        let [query, key, value] = query_key_value(linear("self_attention.query_key_value"));
        let (up, down) = (linear("mlp.dense_h_to_4h"), linear("mlp.dense_4h_to_h"));
        let mlp = MlpTensors { gate: None, up, down, width: sizes.d_ff };
        BlockTensors::new(norm(first), [query, key, value, linear("self_attention.dense")], second.map(norm), mlp)
    };
    let blocks = (0..layers).map(block).collect();
    let tensors = ModelTensors::new(embedding, NormTensors::layer("transformer.ln_f"), head, blocks);
    // Read, so that what is unknown is refused, even where nothing is rotated.
    let rope = rotary::rope(config, Heads::whole(sizes.head_dim, sizes.context_len))?;
    let positions = if config.flag("alibi", false)? {
        Positions::Alibi { slopes: alibi::slopes_in_bf16(heads), rounding: AlibiRounding::Bf16 }
    } else {
        Positions::Rotary(Rotary::everywhere(rope, layers))
    };
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? };
    let feed_forward = FeedForward::Plain(activation(config, "activation", Activation::GeluErf)?);
    Ok(Blueprint {
        residual: if norms == Norms::InTurn { Residual::Serial } else { Residual::Parallel },
        ..Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors)
    })
}
