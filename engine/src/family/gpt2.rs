//! GPT-2 (`GPT2LMHeadModel`).
//!
//! Linear layers are stored transposed (`Conv1D`), query, key and value in one tensor. Positions are learned. The head
//! is tied unless `tie_word_embeddings` is false. `scale_attn_by_inverse_layer_idx` divides the scores of block i
//! (0-based) by i + 1; without `scale_attn_weights` they are not divided by sqrt(head_dim). Tensor names may lack the
//! leading `transformer.`, as in the first published checkpoints.

use super::{Family, activation, head, windows};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, ModelTensors, Norm, NormTensors, Orientation,
    Positions, QkNorm, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gpt2",
    architectures: &["GPT2LMHeadModel"],
    description: "GPT-2 and models in its layout: LayerNorm, learned positions, fused query/key/value, plain MLP",
    paper: "Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
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
    Ok(Blueprint {
        family: FAMILY.name,
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        d_ff: config.optional_size("n_inner")?.unwrap_or(d_model.saturating_mul(4)),
        context_len: rows,
        norm: Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? },
        positions: Positions::Learned { rows },
        log_n: None,
        qk_norm: QkNorm::Absent,
        windows: windows::none(config, layers)?,
        score_scales: score_scales(config, layers, head_dim)?,
        feed_forward: FeedForward::Plain(activation(config, "activation_function", Activation::GeluTanh)?),
        tensors: ModelTensors {
            embedding,
            positions: Some(format!("{prefix}wpe.weight")),
            final_norm: norm(&format!("{prefix}ln_f")),
            head,
            blocks: (0..layers).map(|layer| block(&format!("{prefix}h.{layer}"))).collect(),
        },
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

fn block(name: &str) -> BlockTensors {
    let part = |tensor: &str, part: (usize, usize)| LinearTensors {
        weight: TensorPart { tensor: format!("{name}.{tensor}.weight"), part, orientation: Orientation::InOut },
        bias: Some(TensorPart { tensor: format!("{name}.{tensor}.bias"), part, orientation: Orientation::OutIn }),
    };
    BlockTensors {
        attention_norm: norm(&format!("{name}.ln_1")),
        query: part("attn.c_attn", (0, 3)),
        key: part("attn.c_attn", (1, 3)),
        value: part("attn.c_attn", (2, 3)),
        output: part("attn.c_proj", (0, 1)),
        query_norm: None,
        key_norm: None,
        feed_forward_norm: norm(&format!("{name}.ln_2")),
        gate: None,
        up: part("mlp.c_fc", (0, 1)),
        down: part("mlp.c_proj", (0, 1)),
    }
}

fn norm(name: &str) -> NormTensors {
    NormTensors { weight: format!("{name}.weight"), bias: Some(format!("{name}.bias")) }
}
