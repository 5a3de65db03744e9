//! The decoder that Llama, Qwen2, Qwen3 and Mistral share: separate projections under common tensor names, RMSNorm,
//! rotary positions, a gated feed-forward layer. Sizes are under the same keys of `config.json`.

use super::{activation, head, rotary, score_scale};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, ModelTensors, Norm, NormTensors, Positions,
    QkNorm, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

/// Whether a group of linear layers has biases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bias {
    Present,
    Absent,
}

impl Bias {
    /// The choice that a flag of the configuration makes; absent where the flag is.
    pub(super) fn from_flag(config: &Config<'_>, key: &str) -> Result<Self, Error> {
        Ok(if config.flag(key, false)? { Self::Present } else { Self::Absent })
    }
}

/// What distinguishes the families.
pub(super) struct Variant {
    pub(super) family: &'static str,
    /// Width of a head.
    pub(super) head_dim: usize,
    /// Key/value heads where `num_key_value_heads` is absent.
    pub(super) default_kv_heads: usize,
    /// Context where `max_position_embeddings` is absent, in tokens.
    pub(super) default_context_len: usize,
    /// Biases of the query, key and value projections.
    pub(super) query_key_value: Bias,
    /// Bias of the attention's output projection.
    pub(super) output: Bias,
    /// Biases of the feed-forward layer.
    pub(super) feed_forward: Bias,
    pub(super) qk_norm: QkNorm,
    /// Window of each block.
    pub(super) windows: Vec<Option<usize>>,
}

/// `head_dim`, or hidden_size / num_attention_heads where it is absent or null.
pub(super) fn head_dim(config: &Config<'_>) -> Result<usize, Error> {
    if let Some(head_dim) = config.optional_size("head_dim")? {
        return Ok(head_dim);
    }
    let (d_model, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    if d_model % heads != 0 {
        return Err(config.wrong("hidden_size", &format!("a multiple of num_attention_heads ({heads})")));
    }
    Ok(d_model / heads)
}

/// The blueprint of a variant.
pub(super) fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint, variant: Variant) -> Result<Blueprint, Error> {
    let layers = config.layers("num_hidden_layers")?;
    let heads = config.size("num_attention_heads")?;
    let kv_heads = match config.optional_size("num_key_value_heads")? {
        Some(kv_heads) => kv_heads,
        None if config.has("num_key_value_heads") => heads,
        None => variant.default_kv_heads,
    };
    let context_len = config.size_or("max_position_embeddings", variant.default_context_len)?;
    let rope = rotary::rope(config, variant.head_dim, context_len)?;
    let (embedding, head) = head::ends(config, checkpoint, "model.embed_tokens.weight".into(), head::Default::Untied)?;
    Ok(Blueprint {
        family: variant.family,
        vocab_size: config.size("vocab_size")?,
        d_model: config.size("hidden_size")?,
        layers,
        heads,
        kv_heads,
        head_dim: variant.head_dim,
        d_ff: config.size("intermediate_size")?,
        context_len,
        norm: Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-6)? },
        positions: Positions::Rotary(rope),
        log_n: None,
        qk_norm: variant.qk_norm,
        score_scales: vec![score_scale(variant.head_dim); layers],
        feed_forward: FeedForward::Gated(activation(config, "hidden_act", Activation::Silu)?),
        tensors: ModelTensors {
            embedding,
            positions: None,
            final_norm: norm("model.norm"),
            head,
            blocks: (0..layers).map(|layer| block(layer, &variant)).collect(),
        },
        windows: variant.windows,
    })
}

fn block(layer: usize, variant: &Variant) -> BlockTensors {
    let name = |part: &str| format!("model.layers.{layer}.{part}");
    let linear = |part: &str, bias: Bias| LinearTensors {
        weight: TensorPart::whole(format!("{}.weight", name(part))),
        bias: (bias == Bias::Present).then(|| TensorPart::whole(format!("{}.bias", name(part)))),
    };
    let head_norm = |part: &str| (variant.qk_norm == QkNorm::PerHead).then(|| name(part));
    BlockTensors {
        attention_norm: norm(&name("input_layernorm")),
        query: linear("self_attn.q_proj", variant.query_key_value),
        key: linear("self_attn.k_proj", variant.query_key_value),
        value: linear("self_attn.v_proj", variant.query_key_value),
        output: linear("self_attn.o_proj", variant.output),
        query_norm: head_norm("self_attn.q_norm.weight"),
        key_norm: head_norm("self_attn.k_norm.weight"),
        feed_forward_norm: norm(&name("post_attention_layernorm")),
        gate: Some(linear("mlp.gate_proj", variant.feed_forward)),
        up: linear("mlp.up_proj", variant.feed_forward),
        down: linear("mlp.down_proj", variant.feed_forward),
    }
}

fn norm(name: &str) -> NormTensors {
    NormTensors { weight: format!("{name}.weight"), bias: None }
}
