//! OPT (`OPTForCausalLM`).
//!
//! LayerNorm, biases, learned positions from row 2 of their table on, a tied head. With `do_layer_norm_before: false` (350M) norms
//! come after the halves and there is none before the head; with `word_embed_proj_dim` below the model's width embeddings are
//! projected up, and hidden states down before the head. Absent keys: ReLU, context 2048. Follows transformers'
//! `modeling_opt.py`.

use super::projections::equal_heads;
use super::tensors::Bias;
use super::{Family, activation, head};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors,
    Positions, Residual, Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "opt",
    architectures: &["OPTForCausalLM"],
    description: "OPT 125M to 66B: learned positions, both orders of norms, projected embeddings",
    paper: "Zhang et al. 2022, arXiv:2205.01068",
    verified: &["opt-125m-style", "opt-350m-style"],
    switches: &[],
    blueprint,
};

/// Row of the first position.
const FIRST: usize = 2;

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    if !config.flag("layer_norm_elementwise_affine", true)? {
        return Err(config.unsupported("layer_norm_elementwise_affine", "true"));
    }
    let layers = config.layers("num_hidden_layers")?;
    let (d_model, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    let context_len = config.size_or("max_position_embeddings", 2048)?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim: equal_heads(config, "hidden_size", "num_attention_heads")?,
        d_ff: config.size("ffn_dim")?,
        context_len,
    };
    let prefix = if checkpoint.contains("decoder.embed_tokens.weight") { "decoder" } else { "model.decoder" };
    let name = |part: &str| format!("{prefix}.{part}");
    let (embedding, head) = head::ends(config, checkpoint, name("embed_tokens.weight"), head::Default::Tied)?;
    let embedding_width = config.optional_size("word_embed_proj_dim")?.unwrap_or(d_model);
    let is_pre_norm = config.flag("do_layer_norm_before", true)?;
    let ends_with_norm = is_pre_norm && !config.flag("_remove_final_layer_norm", false)?;
    let bias = Bias::of(config.flag("enable_bias", true)?);
    let blocks = (0..layers).map(|layer| block(&name(&format!("layers.{layer}")), bias, sizes.d_ff)).collect();
    let projection = |part: &str| LinearTensors::named(&name(part), Bias::Absent);
    let final_norm = NormTensors::layer(&name("final_layer_norm"));
    let tensors = ModelTensors {
        positions: Some(name("embed_positions.weight")),
        projections: (embedding_width != d_model).then(|| [projection("project_in"), projection("project_out")]),
        final_norm: ends_with_norm.then_some(final_norm.clone()),
        ..ModelTensors::new(embedding, final_norm, head, blocks)
    };
    let positions = Positions::Learned { rows: context_len.saturating_add(FIRST), first: FIRST };
    let feed_forward = FeedForward::Plain(activation(config, "activation_function", Activation::Relu)?);
    Ok(Blueprint {
        embedding_width,
        residual: if is_pre_norm { Residual::Serial } else { Residual::PostNorm },
        ..Blueprint::new(FAMILY.name, sizes, Norm::Layer { eps: 1e-5 }, positions, feed_forward, tensors)
    })
}

fn block(name: &str, bias: Bias, d_ff: usize) -> BlockTensors {
    let linear = |part: &str| LinearTensors::named(&format!("{name}.{part}"), bias);
    BlockTensors::new(
        NormTensors::layer(&format!("{name}.self_attn_layer_norm")),
        ["q_proj", "k_proj", "v_proj", "out_proj"].map(|part| linear(&format!("self_attn.{part}"))),
        Some(NormTensors::layer(&format!("{name}.final_layer_norm"))),
        MlpTensors { gate: None, up: linear("fc1"), down: linear("fc2"), width: d_ff },
    )
}
