//! The first Qwen (`QWenLMHeadModel`), in the revision of late 2023.
//!
//! Query, key and value are one tensor with a bias; the other linear layers have one unless `no_bias`.
//! `intermediate_size` counts both halves of the feed-forward layer: c_proj(w1(x) * silu(w2(x))), each half as wide.
//! `use_dynamic_ntk` grows the rotary base with the prompt, `use_logn_attn` the queries with the position, both from
//! `seq_length` on. The defaults of these two changed between revisions, so they must be there.

use super::tensors::Bias;
use super::{Family, head, rotary, windows};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors,
    Positions, Rotary, Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::rope::{Pairing, Rope, RopeScaling};

pub(super) const FAMILY: Family = Family {
    name: "qwen",
    architectures: &["QWenLMHeadModel"],
    description: "first-generation Qwen 1.8B to 72B: RMSNorm, RoPE with dynamic NTK, log-n attention, SwiGLU",
    paper: "Bai et al. 2023, arXiv:2309.16609",
    verified: &["qwen1", "qwen1-plain"],
    switches: &[],
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
    let rope = rotary::even(config, Rope { theta, rotary_dim: head_dim, pairing: Pairing::Halves, scaling })?;
    let others = if config.flag("no_bias", true)? { Bias::Absent } else { Bias::Present };
    let (embedding, head) = head::ends(config, checkpoint, "transformer.wte.weight".into(), head::Default::Untied)?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        d_ff: doubled / 2,
        context_len: config.size_or("max_position_embeddings", 8192)?,
    };
    windows::none(config, layers)?;
    let blocks = (0..layers).map(|layer| block(&format!("transformer.h.{layer}"), others, sizes.d_ff)).collect();
    let tensors = ModelTensors::new(embedding, NormTensors::rms("transformer.ln_f"), head, blocks);
    let norm = Norm::Rms { eps: config.norm_eps("layer_norm_epsilon", 1e-6)?, offset: 0.0 };
    let positions = Positions::Rotary(Rotary::everywhere(rope, layers));
    let feed_forward = FeedForward::Gated(Activation::Silu);
    Ok(Blueprint {
        log_n: required_flag(config, "use_logn_attn")?.then_some(seq_length),
        ..Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors)
    })
}

fn required_flag(config: &Config<'_>, key: &str) -> Result<bool, Error> {
    if config.has(key) { config.flag(key, false) } else { Err(config.wrong(key, "true or false")) }
}

fn block(name: &str, others: Bias, d_ff: usize) -> BlockTensors {
    let linear = |tensor: &str, bias| LinearTensors::named(&format!("{name}.{tensor}"), bias);
    let fused = linear("attn.c_attn", Bias::Present);
    let mlp = MlpTensors {
        gate: Some(linear("mlp.w2", others)),
        up: linear("mlp.w1", others),
        down: linear("mlp.c_proj", others),
        width: d_ff,
    };
    BlockTensors::new(
        NormTensors::rms(&format!("{name}.ln_1")),
        [fused.part(0, 3), fused.part(1, 3), fused.part(2, 3), linear("attn.c_proj", others)],
        Some(NormTensors::rms(&format!("{name}.ln_2"))),
        mlp,
    )
}
