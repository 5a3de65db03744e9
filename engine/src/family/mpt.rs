//! MPT (`MptForCausalLM`).
//!
//! LayerNorm and linear layers without biases, query, key and value in one tensor, linear biases (ALiBi) in place of positions,
//! GELU by erf, a tied head. Of `attn_config`: `softmax_scale` replaces 1/sqrt(head_dim), `clip_qkv` limits queries, keys and
//! values, `alibi_bias_max` sets the slopes. Absent keys: a feed-forward layer four times as wide, context 2048. Follows
//! transformers' `modeling_mpt.py`.

use super::projections::equal_heads;
use super::tensors::Bias;
use super::{Family, alibi, head};
use crate::blueprint::{
    Activation, AlibiRounding, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm,
    NormTensors, Positions, Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "mpt",
    architectures: &["MptForCausalLM", "MPTForCausalLM"],
    description: "MPT 7B and 30B: ALiBi, no biases",
    paper: "MosaicML 2023, Introducing MPT-7B; Press et al. 2022, arXiv:2108.12409",
    verified: &["mpt"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    if !config.flag("no_bias", true)? {
        return Err(config.unsupported("no_bias", "true"));
    }
    if !matches!(config.text("norm_type")?, None | Some("low_precision_layernorm" | "layernorm")) {
        return Err(config.unsupported("norm_type", "low_precision_layernorm"));
    }
    if config.value("logit_scale").is_some() {
        return Err(config.unsupported("logit_scale", "null"));
    }
    let layers = config.layers("n_layers")?;
    let (d_model, heads) = (config.size("d_model")?, config.size("n_heads")?);
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim: equal_heads(config, "d_model", "n_heads")?,
        // Like transformers, whatever `expansion_ratio` says.
        d_ff: d_model.saturating_mul(4),
        context_len: config.size_or("max_seq_len", 2048)?,
    };
    let (embedding, head) = head::ends(config, checkpoint, "transformer.wte.weight".into(), head::Default::Tied)?;
    let blocks = (0..layers).map(|layer| block(&format!("transformer.blocks.{layer}"), &sizes)).collect();
    let tensors = ModelTensors::new(embedding, NormTensors::rms("transformer.norm_f"), head, blocks);
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? };
    let attention = config.section("attn_config")?;
    let (mut scale, mut limit, mut bias_max) = (None, None, 8.0);
    if let Some(attention) = &attention {
        for (key, wanted) in [("qk_ln", false), ("prefix_lm", false), ("attn_uses_sequence_id", false), ("alibi", true)]
        {
            if attention.flag(key, wanted)? != wanted {
                return Err(attention.unsupported(key, if wanted { "true" } else { "false" }));
            }
        }
        if !matches!(attention.text("attn_type")?, None | Some("multihead_attention")) {
            return Err(attention.unsupported("attn_type", "multihead_attention"));
        }
        scale = attention.positive_number("softmax_scale")?;
        limit = attention.positive_number("clip_qkv")?;
        bias_max = attention.positive_number("alibi_bias_max")?.unwrap_or(8.0);
    }
    let slopes = alibi::slopes_to(heads, f64::from(bias_max));
    let positions = Positions::Alibi { slopes, rounding: AlibiRounding::None };
    let feed_forward = FeedForward::Plain(Activation::GeluErf);
    let blueprint = Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors);
    let score_scales = scale.map_or(blueprint.score_scales.clone(), |scale| vec![scale; layers]);
    Ok(Blueprint { score_scales, qkv_limit: limit, ..blueprint })
}

fn block(name: &str, sizes: &Sizes) -> BlockTensors {
    let linear = |part: &str| LinearTensors::named(&format!("{name}.{part}"), Bias::Absent);
    let fused = linear("attn.Wqkv");
    let (up, down) = (linear("ffn.up_proj"), linear("ffn.down_proj"));
    BlockTensors::new(
        NormTensors::rms(&format!("{name}.norm_1")),
        [fused.part(0, 3), fused.part(1, 3), fused.part(2, 3), linear("attn.out_proj")],
        Some(NormTensors::rms(&format!("{name}.norm_2"))),
        MlpTensors { gate: None, up, down, width: sizes.d_ff },
    )
}
