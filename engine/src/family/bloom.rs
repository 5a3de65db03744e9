//! BLOOM (`BloomForCausalLM`).
//!
//! LayerNorm, also of the embeddings; biases; query, key and value of each head side by side in one tensor; linear biases
//! (ALiBi) in place of positions; GELU by tanh; a tied head. Tensor names may lack the leading `transformer.`, as in the published
//! checkpoints. `seq_length`, which changes nothing, is taken for the context, 2048 where it is absent. Follows transformers'
//! `modeling_bloom.py`.

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
    name: "bloom",
    architectures: &["BloomForCausalLM"],
    description: "BLOOM and BLOOMZ 560M to 176B: ALiBi, normalised embeddings",
    paper: "BigScience Workshop 2022, arXiv:2211.05100",
    verified: &["bloom"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    if config.flag("apply_residual_connection_post_layernorm", false)? {
        return Err(config.unsupported("apply_residual_connection_post_layernorm", "false"));
    }
    let layers = config.layers(if config.has("n_layer") { "n_layer" } else { "num_hidden_layers" })?;
    let heads_key = if config.has("n_head") { "n_head" } else { "num_attention_heads" };
    let width_key = if config.has("hidden_size") { "hidden_size" } else { "n_embed" };
    let (d_model, heads) = (config.size(width_key)?, config.size(heads_key)?);
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim: equal_heads(config, width_key, heads_key)?,
        d_ff: d_model.saturating_mul(4),
        context_len: config.size_or("seq_length", 2048)?,
    };
    let prefix = if checkpoint.contains("word_embeddings.weight") { "" } else { "transformer." };
    let embedding = format!("{prefix}word_embeddings.weight");
    let (embedding, head) = head::ends(config, checkpoint, embedding, head::Default::Tied)?;
    let blocks = (0..layers).map(|layer| block(&format!("{prefix}h.{layer}"), &sizes)).collect();
    let tensors = ModelTensors {
        embedding_norm: Some(NormTensors::layer(&format!("{prefix}word_embeddings_layernorm"))),
        ..ModelTensors::new(embedding, NormTensors::layer(&format!("{prefix}ln_f")), head, blocks)
    };
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? };
    let positions = Positions::Alibi { slopes: alibi::slopes(heads), rounding: AlibiRounding::None };
    let feed_forward = FeedForward::Plain(Activation::GeluTanh);
    Ok(Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors))
}

fn block(name: &str, sizes: &Sizes) -> BlockTensors {
    let linear = |part: &str| LinearTensors::named(&format!("{name}.{part}"), Bias::Present);
    let [query, key, value] = linear("self_attention.query_key_value").by_head(sizes.heads, 1, sizes.head_dim);
    let (up, down) = (linear("mlp.dense_h_to_4h"), linear("mlp.dense_4h_to_h"));
    BlockTensors::new(
        NormTensors::layer(&format!("{name}.input_layernorm")),
        [query, key, value, linear("self_attention.dense")],
        Some(NormTensors::layer(&format!("{name}.post_attention_layernorm"))),
        MlpTensors { gate: None, up, down, width: sizes.d_ff },
    )
}
