//! The blueprint of a decoder: every switch that distinguishes one model family from another, as plain data.
//!
//! A family (`family/<name>.rs`) reads `config.json` into a [`Blueprint`]; the decoder reads nothing else.
//! Shapes use the field's letters: `d_model` (hidden size), `d_ff` (intermediate size), `heads`, `kv_heads`, `head_dim`.

use crate::model::{BlockInput, Mlp, Role};
use crate::rope::Rope;

/// What a decoder of one checkpoint looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Blueprint {
    /// Registry name of the family, for example `llama`.
    pub family: &'static str,
    /// Rows of the embedding table and of the output head.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of decoder blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width of the feed-forward layer.
    pub d_ff: usize,
    /// Longest sequence the checkpoint was made for, in tokens.
    pub context_len: usize,
    /// Normalisation before attention, before the feed-forward layer and before the head.
    pub norm: Norm,
    /// How positions enter.
    pub positions: Positions,
    /// Factor on token embeddings.
    pub embedding_scale: f32,
    /// Width of a token's embedding and of what the head reads: d_model, unless they are projected.
    pub embedding_width: usize,
    /// How a block's two halves are put together.
    pub residual: Residual,
    /// Factor on what a half adds to the residual stream.
    pub residual_scale: f32,
    /// Log-n attention of the first-generation Qwen: the query at position p (0-based) is multiplied by
    /// ln(p + 1) / ln(n) where p + 1 > n; the value is n (`seq_length`).
    pub log_n: Option<usize>,
    /// Whether queries and keys are normalised before RoPE.
    pub qk_norm: QkNorm,
    /// Limit on the magnitude of queries, keys and values (`clip_qkv`), before RoPE.
    pub qkv_limit: Option<f32>,
    /// Sliding window of each block in tokens, itself included; `None` attends to everything.
    pub windows: Vec<Option<usize>>,
    /// Factor on attention scores, one a block: 1/sqrt(head_dim), for GPT-2 possibly divided by block index + 1.
    pub score_scales: Vec<f32>,
    /// Soft cap on attention scores.
    pub score_cap: Option<f32>,
    /// Feed-forward layer, of blocks and of experts.
    pub feed_forward: FeedForward,
    /// How blocks with experts choose among them.
    pub routing: Option<Routing>,
    /// Factor on logits.
    pub logit_scale: f32,
    /// Soft cap on logits, after the factor.
    pub logit_cap: Option<f32>,
    /// Where the weights of each part lie in the checkpoint.
    pub tensors: ModelTensors,
}

/// The sizes of a decoder, as [`Blueprint`] has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) vocab_size: usize,
    pub(crate) d_model: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) d_ff: usize,
    pub(crate) context_len: usize,
}

impl Blueprint {
    /// A decoder without what few families have: scores times 1/sqrt(head_dim), all positions seen, serial halves, nothing
    /// scaled, capped or clipped, no experts.
    pub(crate) fn new(
        family: &'static str,
        sizes: Sizes,
        norm: Norm,
        positions: Positions,
        feed_forward: FeedForward,
        tensors: ModelTensors,
    ) -> Self {
        let Sizes { vocab_size, d_model, layers, heads, kv_heads, head_dim, d_ff, context_len } = sizes;
        // Rounded once.
        let score_scale = (1.0 / (head_dim as f64).sqrt()) as f32;
        Self {
            family,
            vocab_size,
            d_model,
            layers,
            heads,
            kv_heads,
            head_dim,
            d_ff,
            context_len,
            norm,
            positions,
            embedding_scale: 1.0,
            embedding_width: d_model,
            residual: Residual::Serial,
            residual_scale: 1.0,
            log_n: None,
            qk_norm: QkNorm::Absent,
            qkv_limit: None,
            windows: vec![None; layers],
            score_scales: vec![score_scale; layers],
            score_cap: None,
            feed_forward,
            routing: None,
            logit_scale: 1.0,
            logit_cap: None,
            tensors,
        }
    }
}

/// How a block's two halves, attention and the feed-forward layer, are put together. Norms that a family lacks are
/// absent among its tensors; one after a half normalises what that half adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// x += attention(norm(x)); x += feed_forward(norm(x)).
    Serial,
    /// x += attention(norm(x)) + feed_forward(norm(x)), the norms of the same x; without a norm of its own the
    /// feed-forward layer reads what attention reads.
    Parallel,
    /// x = norm(x + attention(x)); x = norm(x + feed_forward(x)).
    PostNorm,
}

/// How tokens are sent to experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Experts that a token goes to: the likeliest, of equals the first.
    pub top_k: usize,
    /// What their outputs are weighted with.
    pub weights: RoutingWeights,
}

/// Weights of a token's experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingWeights {
    /// Their probabilities among all experts.
    OfAll,
    /// Their probabilities, divided by the sum of those chosen.
    OfChosen,
}

/// Normalisation of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// x / sqrt(mean(x^2) + eps) * (offset + weight).
    Rms {
        /// Added to the mean square.
        eps: f32,
        /// 1 in the families of Gemma, else 0; added when weights are read.
        offset: f32,
    },
    /// (x - mean) / sqrt(variance + eps) * weight + bias.
    Layer {
        /// Added to the variance.
        eps: f32,
    },
}

/// How positions enter the decoder.
#[derive(Clone, Debug, PartialEq)]
pub enum Positions {
    /// Rotary embedding of queries and keys.
    Rotary(Rotary),
    /// A learned vector added to the token embedding.
    Learned {
        /// Rows of the position table.
        rows: usize,
        /// Row of position 0.
        first: usize,
    },
    /// Linear biases on attention scores.
    Alibi {
        /// Slope of each head.
        slopes: Vec<f32>,
        /// How biases are rounded.
        rounding: AlibiRounding,
    },
}

/// Precision of linear biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlibiRounding {
    /// f32.
    None,
    /// bfloat16, then times the factor on scores, in models of any precision (Falcon).
    Bf16,
}

/// The rotary embeddings of the blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// Different ones.
    pub ropes: Vec<Rope>,
    /// Which one each block has; a block may have none.
    pub of_layer: Vec<Option<usize>>,
}

impl Rotary {
    /// One embedding in all blocks.
    pub fn everywhere(rope: Rope, layers: usize) -> Self {
        Self { ropes: vec![rope], of_layer: vec![Some(0); layers] }
    }
}

impl Positions {
    /// What of a sequence's length enters its position encodings: sequences with equal keys may share a prefix.
    pub fn sharing_key(&self, sequence_len: usize) -> u64 {
        match self {
            // At most one of them depends on the length in any family.
            Positions::Rotary(rotary) => rotary.ropes.iter().map(|rope| rope.sharing_key(sequence_len)).sum(),
            Positions::Learned { .. } | Positions::Alibi { .. } => 0,
        }
    }

    /// The length that governs the token at `position` of a generation after a prompt of `prompt_len` tokens.
    pub fn generation_len(&self, prompt_len: usize, position: usize) -> usize {
        match self {
            Positions::Rotary(Rotary { ropes, .. }) if !ropes.is_empty() => {
                ropes[0].generation_len(prompt_len, position)
            }
            _ => position + 1,
        }
    }

    /// Positions that there are, where they end.
    pub fn limit(&self) -> Option<usize> {
        match self {
            Positions::Learned { rows, first } => Some(rows.saturating_sub(*first)),
            Positions::Rotary(_) | Positions::Alibi { .. } => None,
        }
    }
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// None.
    Absent,
    /// The blueprint's norm over each head; weights are shared by all heads, or each head has its own.
    PerHead,
    /// The blueprint's norm over all heads together.
    Whole,
}

/// The feed-forward layer of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// down(activation(gate(x)) * up(x)).
    Gated(Activation),
    /// down(activation(up(x))).
    Plain(Activation),
}

/// The nonlinearity of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x / (1 + exp(-x)).
    Silu,
    /// GELU, tanh form (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// GELU, erf form (`gelu`).
    GeluErf,
    /// max(x, 0).
    Relu,
}

/// Names of all tensors of a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelTensors {
    /// Token embedding, [vocab_size, embedding_width].
    pub embedding: String,
    /// Norm of the embedding.
    pub embedding_norm: Option<NormTensors>,
    /// From embedding_width to d_model, and back before the head.
    pub projections: Option<[LinearTensors; 2]>,
    /// Learned positions, [rows, d_model].
    pub positions: Option<String>,
    /// Norm before the head.
    pub final_norm: Option<NormTensors>,
    /// Output head, [vocab_size, embedding_width]; `None` when it is the embedding (tied).
    pub head: Option<LinearTensors>,
    /// Blocks in order.
    pub blocks: Vec<BlockTensors>,
}

/// Names of the tensors of one block. Linear layers are stored [out_features, in_features] unless transposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTensors {
    /// Norm before attention.
    pub attention_norm: Option<NormTensors>,
    /// Query projection, [heads * head_dim, d_model].
    pub query: LinearTensors,
    /// Key projection, [kv_heads * head_dim, d_model].
    pub key: LinearTensors,
    /// Value projection, [kv_heads * head_dim, d_model].
    pub value: LinearTensors,
    /// Output projection, [d_model, heads * head_dim].
    pub output: LinearTensors,
    /// Norms of queries and of keys.
    pub query_key_norm: Option<[HeadNormTensors; 2]>,
    /// Norm of what attention adds.
    pub attention_output_norm: Option<NormTensors>,
    /// Norm before the feed-forward layer.
    pub feed_forward_norm: Option<NormTensors>,
    /// The feed-forward layer, or experts.
    pub feed_forward: FeedForwardTensors,
    /// Norm of what the feed-forward layer adds.
    pub feed_forward_output_norm: Option<NormTensors>,
}

/// A norm over heads: its tensors one after the other, one for all heads or one a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadNormTensors {
    /// Tensors.
    pub norms: Vec<NormTensors>,
    /// Shape of each.
    pub shape: Vec<usize>,
}

/// What a block has for a feed-forward layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one a block
pub enum FeedForwardTensors {
    /// One for all tokens.
    Dense(MlpTensors),
    /// Some for each token.
    Experts(ExpertTensors),
}

/// A feed-forward layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpTensors {
    /// Gate projection, [width, d_model]; only of gated layers.
    pub gate: Option<LinearTensors>,
    /// Up projection, [width, d_model].
    pub up: LinearTensors,
    /// Down projection, [d_model, width].
    pub down: LinearTensors,
    /// d_ff, or the width of an expert.
    pub width: usize,
}

/// Experts of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertTensors {
    /// Scores of experts, [experts, d_model].
    pub router: LinearTensors,
    /// The experts.
    pub experts: Vec<MlpTensors>,
    /// One that all tokens go to, and what its output is weighted with: sigmoid(x . w), w [1, d_model].
    pub shared: Option<(MlpTensors, LinearTensors)>,
}

/// A norm's tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormTensors {
    /// Weight, [d_model].
    pub weight: String,
    /// Bias, [d_model]; only of LayerNorm.
    pub bias: Option<String>,
}

/// A linear layer's tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearTensors {
    /// Weight.
    pub weight: TensorPart,
    /// Bias, [out_features].
    pub bias: Option<TensorPart>,
}

/// One linear layer's share of a tensor: all of it, or one of several parts along the output features (a fused
/// query/key/value projection).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPart {
    /// Name in the checkpoint.
    pub tensor: String,
    /// (index, number of parts) along the output features; (0, 1) is the whole tensor.
    pub part: (usize, usize),
    /// Which rows, where the parts are not equal halves, thirds, ... one after the other.
    pub runs: Option<Runs>,
    /// How the tensor is stored.
    pub orientation: Orientation,
}

/// `count` runs of `len` rows, the first of them at `first`, each `stride` after the one before, of `total` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// First row of the first run.
    pub first: usize,
    /// Rows of a run.
    pub len: usize,
    /// From one run to the next.
    pub stride: usize,
    /// Runs.
    pub count: usize,
    /// Rows of the tensor.
    pub total: usize,
}

/// Storage order of a linear weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// [out_features, in_features], as torch's `Linear`.
    OutIn,
    /// [in_features, out_features], as GPT-2's `Conv1D`.
    InOut,
}

impl BlockTensors {
    /// The tensors of the linear layer that serves as `role`, if the block has one.
    pub fn linear(&self, role: Role) -> Option<&LinearTensors> {
        match role {
            Role::Query => Some(&self.query),
            Role::Key => Some(&self.key),
            Role::Value => Some(&self.value),
            Role::Output => Some(&self.output),
            Role::Gate(mlp) => self.mlp(mlp)?.gate.as_ref(),
            Role::Up(mlp) => Some(&self.mlp(mlp)?.up),
            Role::Down(mlp) => Some(&self.mlp(mlp)?.down),
            Role::Embedding | Role::Head => None,
        }
    }

    /// One of its feed-forward layers.
    pub fn mlp(&self, which: Mlp) -> Option<&MlpTensors> {
        match (&self.feed_forward, which) {
            (FeedForwardTensors::Dense(mlp), Mlp::Dense) => Some(mlp),
            (FeedForwardTensors::Experts(experts), Mlp::Expert(index)) => experts.experts.get(index),
            (FeedForwardTensors::Experts(experts), Mlp::Shared) => experts.shared.as_ref().map(|(mlp, _)| mlp),
            _ => None,
        }
    }

    /// Its feed-forward layers, in the order of application.
    pub fn mlps(&self) -> Vec<Mlp> {
        match &self.feed_forward {
            FeedForwardTensors::Dense(_) => vec![Mlp::Dense],
            FeedForwardTensors::Experts(experts) => {
                let shared = experts.shared.iter().map(|_| Mlp::Shared);
                (0..experts.experts.len()).map(Mlp::Expert).chain(shared).collect()
            }
        }
    }

    /// What its linear layers read, in the order of application.
    pub fn inputs(&self) -> Vec<BlockInput> {
        BlockInput::of(&self.mlps())
    }

    /// What its linear layers are for, in the order of application.
    pub fn roles(&self) -> Vec<Role> {
        self.inputs().into_iter().flat_map(|input| input.roles()).collect()
    }
}

impl TensorPart {
    /// The whole tensor `name`, stored [out_features, in_features] (or a bias vector).
    pub fn whole(name: impl Into<String>) -> Self {
        Self { tensor: name.into(), part: (0, 1), runs: None, orientation: Orientation::OutIn }
    }

    /// Rows of this part of a tensor that has `total`.
    pub fn rows_of(&self, total: usize) -> usize {
        self.runs.map_or(total / self.part.1, |runs| runs.len * runs.count)
    }

    /// Rows of the tensor, of which this part has `rows`.
    pub(crate) fn tensor_rows(&self, rows: usize) -> usize {
        self.runs.map_or(rows.saturating_mul(self.part.1), |runs| runs.total)
    }
}
