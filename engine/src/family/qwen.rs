//! The first Qwen (`QWenLMHeadModel`), in the revision of late 2023.
//!
//! Query, key and value are one tensor with a bias; the other linear layers have one unless `no_bias`.
//! `intermediate_size` counts both halves of the feed-forward layer: c_proj(w1(x) * silu(w2(x))), each half as wide.
//! `use_dynamic_ntk` grows the rotary base with the prompt, `use_logn_attn` the queries with the position, both from
//! `seq_length` on. The defaults of these two changed between revisions, so they must be there.

use super::projections::Bias;
use super::{Family, head, rotary, score_scale, windows};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, ModelTensors, Norm, NormTensors, Orientation,
    Positions, QkNorm, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::rope::{Rope, RopeScaling};

pub(super) const FAMILY: Family = Family {
    name: "qwen",
    architectures: &["QWenLMHeadModel"],
    description: "first-generation Qwen 1.8B to 72B: RMSNorm, RoPE with dynamic NTK, log-n attention, SwiGLU",
    paper: "Bai et al. 2023, arXiv:2309.16609",
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let layers = config.layers("num_hidden_layers")?;
    let (d_model, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    let head_dim = config.size_or("kv_channels", 128)?;
    if heads.checked_mul(head_dim) != Some(d_model) {
        return Err(
            config.unsupported("kv_channels", &format!("hidden_size / num_attention_heads ({d_model} / {heads})"))
        );
    }
    let doubled = config.size("intermediate_size")?;
    if doubled % 2 != 0 {
        return Err(config.wrong("intermediate_size", "an even number: twice the width of w1 and w2"));
    }
    if !config.flag("scale_attn_weights", true)? {
        return Err(config.unsupported("scale_attn_weights", "true"));
    }
    let seq_length = config.size("seq_length")?;
    let scaling = match required_flag(config, "use_dynamic_ntk")? {
        true if head_dim < 4 => return Err(config.unsupported("use_dynamic_ntk", "true for kv_channels of at least 4")),
        true => RopeScaling::QwenNtk { seq_length },
        false => RopeScaling::Unscaled,
    };
    let theta = if config.has("rotary_emb_base") { config.number_from("rotary_emb_base", 1.0)? } else { 10_000.0 };
    let rope = rotary::even(config, Rope { theta, rotary_dim: head_dim, scaling })?;
    let others = if config.flag("no_bias", true)? { Bias::Absent } else { Bias::Present };
    let (embedding, head) = head::ends(config, checkpoint, "transformer.wte.weight".into(), head::Default::Untied)?;
    Ok(Blueprint {
        family: FAMILY.name,
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        d_ff: doubled / 2,
        context_len: config.size_or("max_position_embeddings", 8192)?,
        norm: Norm::Rms { eps: config.norm_eps("layer_norm_epsilon", 1e-6)? },
        positions: Positions::Rotary(rope),
        log_n: required_flag(config, "use_logn_attn")?.then_some(seq_length),
        qk_norm: QkNorm::Absent,
        windows: windows::none(config, layers)?,
        score_scales: vec![score_scale(head_dim); layers],
        feed_forward: FeedForward::Gated(Activation::Silu),
        tensors: ModelTensors {
            embedding,
            positions: None,
            final_norm: norm("transformer.ln_f"),
            head,
            blocks: (0..layers).map(|layer| block(&format!("transformer.h.{layer}"), others)).collect(),
        },
    })
}

fn required_flag(config: &Config<'_>, key: &str) -> Result<bool, Error> {
    if config.has(key) { config.flag(key, false) } else { Err(config.wrong(key, "true or false")) }
}

fn block(name: &str, others: Bias) -> BlockTensors {
    let part = |tensor: &str, part: (usize, usize), bias: Bias| {
        let of = |kind: &str| TensorPart {
            tensor: format!("{name}.{tensor}.{kind}"),
            part,
            orientation: Orientation::OutIn,
        };
        LinearTensors { weight: of("weight"), bias: (bias == Bias::Present).then(|| of("bias")) }
    };
    BlockTensors {
        attention_norm: norm(&format!("{name}.ln_1")),
        query: part("attn.c_attn", (0, 3), Bias::Present),
        key: part("attn.c_attn", (1, 3), Bias::Present),
        value: part("attn.c_attn", (2, 3), Bias::Present),
        output: part("attn.c_proj", (0, 1), others),
        query_norm: None,
        key_norm: None,
        feed_forward_norm: norm(&format!("{name}.ln_2")),
        gate: Some(part("mlp.w2", (0, 1), others)),
        up: part("mlp.w1", (0, 1), others),
        down: part("mlp.c_proj", (0, 1), others),
    }
}

fn norm(name: &str) -> NormTensors {
    NormTensors { weight: format!("{name}.weight"), bias: None }
}
