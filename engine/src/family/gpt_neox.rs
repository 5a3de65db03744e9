//! GPT-NeoX (`GPTNeoXForCausalLM`).
//!
//! LayerNorm, biases, query, key and value of each head side by side in one tensor, part of each head rotated (`rotary_pct`).
//! Both halves of a block read the residual stream before it, each through a norm of its own, unless `use_parallel_residual` is
//! false. Absent keys: a quarter of each head, base 10000, an untied head, context 2048. Follows transformers'
//! `modeling_gpt_neox.py`.

use super::projections::equal_heads;
use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{Family, activation, head};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors,
    Positions, Residual, Rotary, Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gpt_neox",
    architectures: &["GPTNeoXForCausalLM"],
    description: "GPT-NeoX-20B, Pythia, Dolly, RedPajama-INCITE: parallel halves, partly rotated heads",
    paper: "Black et al. 2022, arXiv:2204.06745; Biderman et al. 2023, arXiv:2304.01373",
    verified: &["gpt_neox"],
    switches: &["partial_rotary_factor", "rotary_pct", "use_parallel_residual"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let layers = config.layers("num_hidden_layers")?;
    let (d_model, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    let head_dim = equal_heads(config, "hidden_size", "num_attention_heads")?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        d_ff: config.size("intermediate_size")?,
        context_len: config.size_or("max_position_embeddings", 2048)?,
    };
    let theta = if config.value("rotary_emb_base").is_some() { "rotary_emb_base" } else { "rope_theta" };
    let rope = rotary::rope(
        config,
        Heads {
            rotary_dim: rotary::rotary_dim(config, head_dim, &["rotary_pct", "partial_rotary_factor"], 0.25)?,
            theta: (theta, 10_000.0),
            ..Heads::whole(head_dim, sizes.context_len)
        },
    )?;
    let embedding = "gpt_neox.embed_in.weight".to_string();
    let (embedding, head) = head::ends_named(config, checkpoint, embedding, "embed_out.weight", head::Default::Untied)?;
    let attention_bias = Bias::of(config.flag("attention_bias", true)?);
    let blocks = (0..layers).map(|layer| block(&format!("gpt_neox.layers.{layer}"), &sizes, attention_bias)).collect();
    let tensors = ModelTensors::new(embedding, NormTensors::layer("gpt_neox.final_layer_norm"), head, blocks);
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_eps", 1e-5)? };
    let feed_forward = FeedForward::Plain(activation(config, "hidden_act", Activation::GeluErf)?);
    let positions = Positions::Rotary(Rotary::everywhere(rope, layers));
    let is_parallel = config.flag("use_parallel_residual", true)?;
    Ok(Blueprint {
        residual: if is_parallel { Residual::Parallel } else { Residual::Serial },
        ..Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors)
    })
}

fn block(name: &str, sizes: &Sizes, attention_bias: Bias) -> BlockTensors {
    let linear = |part: &str, bias| LinearTensors::named(&format!("{name}.{part}"), bias);
    let [query, key, value] =
        linear("attention.query_key_value", attention_bias).by_head(sizes.heads, 1, sizes.head_dim);
    let (up, down) = (linear("mlp.dense_h_to_4h", Bias::Present), linear("mlp.dense_4h_to_h", Bias::Present));
    BlockTensors::new(
        NormTensors::layer(&format!("{name}.input_layernorm")),
        [query, key, value, linear("attention.dense", attention_bias)],
        Some(NormTensors::layer(&format!("{name}.post_attention_layernorm"))),
        MlpTensors { gate: None, up, down, width: sizes.d_ff },
    )
}
