//! The decoder that Llama and many after it share: separate projections under common tensor names, a norm before each
//! half, rotary positions, a gated feed-forward layer. Sizes are under the same keys of `config.json`.

use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{activation, head};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, ExpertTensors, FeedForward, FeedForwardTensors, HeadNormTensors,
    LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors, Positions, QkNorm, Rotary, Routing, RoutingWeights,
    Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::rope::Rope;

/// What distinguishes the families. [`Variant::new`] is what Llama has.
pub(super) struct Variant {
    pub(super) family: &'static str,
    /// Key/value heads where `num_key_value_heads` is absent; `None`: as many as heads.
    pub(super) default_kv_heads: Option<usize>,
    pub(super) norm: Norm,
    pub(super) norm_bias: Bias,
    /// How heads are rotated.
    pub(super) heads: Heads,
    /// Biases of the query, key and value projections.
    pub(super) query_key_value: Bias,
    /// Bias of the attention's output projection.
    pub(super) output: Bias,
    /// Biases of the feed-forward layer.
    pub(super) feed_forward: Bias,
    /// Key of the nonlinearity, and which one where it is absent.
    pub(super) activation: (&'static str, Activation),
    /// Head where `tie_word_embeddings` is absent.
    pub(super) tied: head::Default,
}

impl Variant {
    /// RMSNorm, no biases, an untied head; of the configuration, the context (`default_context_len` where it is absent) and
    /// `head_dim`.
    pub(super) fn new(config: &Config<'_>, family: &'static str, default_context_len: usize) -> Result<Self, Error> {
        let context_len = config.size_or("max_position_embeddings", default_context_len)?;
        Ok(Self {
            family,
            default_kv_heads: None,
            norm: Norm::Rms { eps: config.norm_eps("rms_norm_eps", 1e-6)?, offset: 0.0 },
            norm_bias: Bias::Absent,
            heads: Heads::whole(head_dim(config)?, context_len),
            query_key_value: Bias::Absent,
            output: Bias::Absent,
            feed_forward: Bias::Absent,
            activation: ("hidden_act", Activation::Silu),
            tied: head::Default::Untied,
        })
    }

    /// The same with heads as wide as that, where the configuration does not say.
    pub(super) fn with_head_dim(mut self, config: &Config<'_>, default: usize) -> Result<Self, Error> {
        let head_dim = config.size_or("head_dim", default)?;
        self.heads = Heads { head_dim, rotary_dim: head_dim, ..self.heads };
        Ok(self)
    }
}

/// `head_dim`, or hidden_size / num_attention_heads where it is absent or null.
pub(super) fn head_dim(config: &Config<'_>) -> Result<usize, Error> {
    if let Some(head_dim) = config.optional_size("head_dim")? {
        return Ok(head_dim);
    }
    equal_heads(config, "hidden_size", "num_attention_heads")
}

/// The width of each of the heads that a row is cut into.
pub(super) fn equal_heads(config: &Config<'_>, width: &str, heads: &str) -> Result<usize, Error> {
    let (d_model, count) = (config.size(width)?, config.size(heads)?);
    if d_model % count != 0 {
        return Err(config.wrong(width, &format!("a multiple of {heads} ({count})")));
    }
    Ok(d_model / count)
}

/// The blueprint of a variant.
pub(super) fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint, variant: Variant) -> Result<Blueprint, Error> {
    let rope = rotary::rope(config, variant.heads)?;
    blueprint_with(config, checkpoint, variant, rope)
}

/// Likewise, with this rotary embedding.
pub(super) fn blueprint_with(
    config: &Config<'_>,
    checkpoint: &Checkpoint,
    variant: Variant,
    rope: Rope,
) -> Result<Blueprint, Error> {
    let layers = config.layers("num_hidden_layers")?;
    let heads = config.size("num_attention_heads")?;
    let kv_heads = match config.optional_size("num_key_value_heads")? {
        Some(kv_heads) => kv_heads,
        None if config.has("num_key_value_heads") => heads,
        None => variant.default_kv_heads.unwrap_or(heads),
    };
    let (embedding, head) = head::ends(config, checkpoint, "model.embed_tokens.weight".into(), variant.tied)?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model: config.size("hidden_size")?,
        layers,
        heads,
        kv_heads,
        head_dim: variant.heads.head_dim,
        d_ff: config.size("intermediate_size")?,
        context_len: variant.heads.context_len,
    };
    let (key, default) = variant.activation;
    let feed_forward = FeedForward::Gated(activation(config, key, default)?);
    let blocks = (0..layers).map(|layer| block(layer, &variant, sizes.d_ff)).collect();
    let tensors = ModelTensors::new(embedding, NormTensors::named("model.norm", variant.norm_bias), head, blocks);
    let positions = Positions::Rotary(Rotary::everywhere(rope, layers));
    Ok(Blueprint::new(variant.family, sizes, variant.norm, positions, feed_forward, tensors))
}

/// The name of a part of block `layer`.
pub(super) fn name(layer: usize, part: &str) -> String {
    format!("model.layers.{layer}.{part}")
}

fn block(layer: usize, variant: &Variant, d_ff: usize) -> BlockTensors {
    let linear = |part: &str, bias: Bias| LinearTensors::named(&name(layer, part), bias);
    let norm = |part: &str| NormTensors::named(&name(layer, part), variant.norm_bias);
    let attention = [
        linear("self_attn.q_proj", variant.query_key_value),
        linear("self_attn.k_proj", variant.query_key_value),
        linear("self_attn.v_proj", variant.query_key_value),
        linear("self_attn.o_proj", variant.output),
    ];
    let mlp = mlp(&name(layer, "mlp"), variant.feed_forward, d_ff);
    BlockTensors::new(norm("input_layernorm"), attention, Some(norm("post_attention_layernorm")), mlp)
}

/// A gated feed-forward layer.
pub(super) fn mlp(name: &str, bias: Bias, width: usize) -> MlpTensors {
    let linear = |part: &str| LinearTensors::named(&format!("{name}.{part}"), bias);
    MlpTensors { gate: Some(linear("gate_proj")), up: linear("up_proj"), down: linear("down_proj"), width }
}

/// Gives queries and keys norms `self_attn.q_norm` and `self_attn.k_norm`.
pub(super) fn normalize_queries_and_keys(blueprint: &mut Blueprint, qk_norm: QkNorm) {
    blueprint.qk_norm = qk_norm;
    let heads = [blueprint.heads, blueprint.kv_heads];
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        let norms = ["self_attn.q_norm", "self_attn.k_norm"].map(|part| NormTensors::rms(&name(layer, part)));
        let mut shapes = heads.map(|heads| match qk_norm {
            QkNorm::Whole => vec![heads * blueprint.head_dim],
            QkNorm::PerHead | QkNorm::Absent => vec![blueprint.head_dim],
        });
        let [query, key] = norms;
        let [of_query, of_key] = shapes.each_mut().map(std::mem::take);
        block.query_key_norm = Some([HeadNormTensors::one(query, of_query), HeadNormTensors::one(key, of_key)]);
    }
}

/// Gives the norms after the halves, in families where a half is normalised after it (`post_attention_layernorm`,
/// `post_feedforward_layernorm`).
pub(super) fn normalize_outputs(blueprint: &mut Blueprint) {
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
        block.attention_output_norm = Some(NormTensors::rms(&name(layer, "post_attention_layernorm")));
        block.feed_forward_output_norm = Some(NormTensors::rms(&name(layer, "post_feedforward_layernorm")));
    }
}

/// What is known of experts besides their names.
pub(super) struct Experts {
    pub(super) count: usize,
    pub(super) routing: Routing,
    /// Width of one.
    pub(super) width: usize,
    /// Width of the shared one.
    pub(super) shared_width: Option<usize>,
}

impl Experts {
    /// `num_experts` (or `num_local_experts`), `num_experts_per_tok`, `norm_topk_prob` and the width under `width`.
    pub(super) fn read(config: &Config<'_>, width: &str) -> Result<Self, Error> {
        let key = if config.value("num_experts").is_some() { "num_experts" } else { "num_local_experts" };
        let (count, top_k) = (config.size(key)?, config.size("num_experts_per_tok")?);
        if top_k > count {
            return Err(config.wrong("num_experts_per_tok", &format!("at most {key} ({count})")));
        }
        let of_chosen = config.flag("norm_topk_prob", false)?;
        let weights = if of_chosen { RoutingWeights::OfChosen } else { RoutingWeights::OfAll };
        Ok(Self { count, routing: Routing { top_k, weights }, width: config.size(width)?, shared_width: None })
    }
}

/// Gives the blocks that `is_sparse` names experts in place of their feed-forward layer: `mlp.experts.0.gate_proj` ...,
/// chosen by `mlp.gate`; the shared one is `mlp.shared_expert`, weighted by `mlp.shared_expert_gate`.
pub(super) fn give_experts(blueprint: &mut Blueprint, experts: &Experts, is_sparse: impl Fn(usize) -> bool) {
    blueprint.routing = Some(experts.routing);
    for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate().filter(|(layer, _)| is_sparse(*layer)) {
        let name = name(layer, "mlp");
        let linear = |part: &str| LinearTensors::named(&format!("{name}.{part}"), Bias::Absent);
        let shared = experts
            .shared_width
            .map(|width| (mlp(&format!("{name}.shared_expert"), Bias::Absent, width), linear("shared_expert_gate")));
        let expert = |index| mlp(&format!("{name}.experts.{index}"), Bias::Absent, experts.width);
        block.feed_forward = FeedForwardTensors::Experts(ExpertTensors {
            router: linear("gate"),
            experts: (0..experts.count).map(expert).collect(),
            shared,
        });
    }
}

/// Which blocks are sparse in Qwen's families: not those of `mlp_only_layers`, and of the others every
/// `decoder_sparse_step`-th.
pub(super) fn sparse_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, Error> {
    const KEY: &str = "mlp_only_layers";
    let step = config.size_or("decoder_sparse_step", 1)?;
    let mut sparse: Vec<bool> = (0..layers).map(|layer| (layer + 1) % step == 0).collect();
    if let Some(value) = config.value(KEY) {
        let expected = || config.wrong(KEY, &format!("a list of layers from 0 to {}", layers - 1));
        for layer in value.as_array().ok_or_else(expected)? {
            let layer = layer.as_u64().and_then(|layer| usize::try_from(layer).ok()).filter(|layer| *layer < layers);
            sparse[layer.ok_or_else(expected)?] = false;
        }
    }
    Ok(sparse)
}
