//! GPT-2 (`GPT2LMHeadModel`).
//!
//! Linear layers are stored transposed (`Conv1D`), query, key and value in one tensor. Positions are learned. The head
//! is tied unless `tie_word_embeddings` is false. `scale_attn_by_inverse_layer_idx` divides the scores of block i
//! (0-based) by i + 1; without `scale_attn_weights` they are not divided by sqrt(head_dim). Tensor names may lack the
//! leading `transformer.`, as in the first published checkpoints.

use super::tensors::Bias;
use super::{Family, activation, head, windows};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors,
    Orientation, Positions, Sizes, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gpt2",
    architectures: &["GPT2LMHeadModel"],
    description: "GPT-2 and models in its layout: LayerNorm, learned positions, fused query/key/value, plain MLP",
    paper: "Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
    verified: &["gpt2"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let layers = config.layers("n_layer")?;
    let (d_model, heads, rows) = (config.size("n_embd")?, config.size("n_head")?, config.size("n_positions")?);
    if d_model % heads != 0 {
        return Err(config.wrong("n_embd", &format!("a multiple of n_head ({heads})")));
    }
    let head_dim = d_model / heads;
    let prefix = if checkpoint.contains("wte.weight") { "" } else { "transformer." };
    let (embedding, head) = head::ends(config, checkpoint, format!("{prefix}wte.weight"), head::Default::Tied)?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        d_ff: config.optional_size("n_inner")?.unwrap_or(d_model.saturating_mul(4)),
        context_len: rows,
    };
    windows::none(config, layers)?;
    let blocks = (0..layers).map(|layer| block(&format!("{prefix}h.{layer}"), sizes.d_ff)).collect();
    let tensors = ModelTensors {
        positions: Some(format!("{prefix}wpe.weight")),
        ..ModelTensors::new(embedding, NormTensors::layer(&format!("{prefix}ln_f")), head, blocks)
    };
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? };
    let positions = Positions::Learned { rows, first: 0 };
    let feed_forward = FeedForward::Plain(activation(config, "activation_function", Activation::GeluTanh)?);
    Ok(Blueprint {
        score_scales: score_scales(config, layers, head_dim)?,
        ..Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors)
    })
}

fn score_scales(config: &Config<'_>, layers: usize, head_dim: usize) -> Result<Vec<f32>, Error> {
    let by_width = config.flag("scale_attn_weights", true)?;
    let by_depth = config.flag("scale_attn_by_inverse_layer_idx", false)?;
    let scale = |layer: usize| {
        let width = if by_width { (head_dim as f64).sqrt() } else { 1.0 };
        let depth = if by_depth { (layer + 1) as f64 } else { 1.0 };
        (1.0 / width / depth) as f32
    };
    Ok((0..layers).map(scale).collect())
}

fn block(name: &str, d_ff: usize) -> BlockTensors {
    let linear = |tensor: &str| {
        let linear = LinearTensors::named(&format!("{name}.{tensor}"), Bias::Present);
        LinearTensors { weight: TensorPart { orientation: Orientation::InOut, ..linear.weight }, ..linear }
    };
    let fused = linear("attn.c_attn");
    let mlp = MlpTensors { gate: None, up: linear("mlp.c_fc"), down: linear("mlp.c_proj"), width: d_ff };
    BlockTensors::new(
        NormTensors::layer(&format!("{name}.ln_1")),
        [fused.part(0, 3), fused.part(1, 3), fused.part(2, 3), linear("attn.c_proj")],
        Some(NormTensors::layer(&format!("{name}.ln_2"))),
        mlp,
    )
}
