//! GPT-J (`GPTJForCausalLM`).
//!
//! Both halves of a block read the same normalised stream (LayerNorm); pairs of neighbours among the first `rotary_dim`
//! dimensions of a head are rotated; the feed-forward layer and the head have biases, attention has none. Absent keys: 64
//! rotated dimensions (null: all), a feed-forward layer four times as wide, context 2048. Follows transformers'
//! `modeling_gptj.py`.

use super::projections::equal_heads;
use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{Family, activation, head};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors,
    Positions, Residual, Rotary, Sizes, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::rope::Pairing;

pub(super) const FAMILY: Family = Family {
    name: "gptj",
    architectures: &["GPTJForCausalLM"],
    description: "GPT-J 6B: parallel halves, rotated neighbours",
    paper: "Wang and Komatsuzaki 2021, GPT-J-6B",
    verified: &["gptj"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let layers = config.layers("n_layer")?;
    let (d_model, heads) = (config.size("n_embd")?, config.size("n_head")?);
    let head_dim = equal_heads(config, "n_embd", "n_head")?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        d_ff: config.optional_size("n_inner")?.unwrap_or(d_model.saturating_mul(4)),
        context_len: config.size_or("n_positions", 2048)?,
    };
    let rotary_dim = match config.optional_size("rotary_dim")? {
        Some(rotary_dim) => rotary_dim,
        None if config.has("rotary_dim") => head_dim,
        None => 64,
    };
    if rotary_dim > head_dim {
        return Err(config.wrong("rotary_dim", &format!("at most the {head_dim} dimensions of a head")));
    }
    let heads = Heads { rotary_dim, pairing: Pairing::Neighbours, ..Heads::whole(head_dim, sizes.context_len) };
    let rope = rotary::rope(config, heads)?;
    let (embedding, head) = head::ends(config, checkpoint, "transformer.wte.weight".into(), head::Default::Untied)?;
    let head = head.map(|head| LinearTensors { bias: Some(TensorPart::whole("lm_head.bias")), ..head });
    let blocks = (0..layers).map(|layer| block(&format!("transformer.h.{layer}"), sizes.d_ff)).collect();
    let tensors = ModelTensors::new(embedding, NormTensors::layer("transformer.ln_f"), head, blocks);
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? };
    let feed_forward = FeedForward::Plain(activation(config, "activation_function", Activation::GeluTanh)?);
    let positions = Positions::Rotary(Rotary::everywhere(rope, layers));
    Ok(Blueprint {
        residual: Residual::Parallel,
        ..Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors)
    })
}

fn block(name: &str, d_ff: usize) -> BlockTensors {
    let linear = |part: &str, bias| LinearTensors::named(&format!("{name}.{part}"), bias);
    let attention =
        ["attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj"].map(|part| linear(part, Bias::Absent));
    let (up, down) = (linear("mlp.fc_in", Bias::Present), linear("mlp.fc_out", Bias::Present));
    let norm = NormTensors::layer(&format!("{name}.ln_1"));
    BlockTensors::new(norm, attention, None, MlpTensors { gate: None, up, down, width: d_ff })
}
