//! The blueprint of a decoder: every switch that distinguishes one model family from another, as plain data.
//!
//! A family (`family/<name>.rs`) reads `config.json` into a [`Blueprint`]; the decoder reads nothing else.
//! Shapes use the field's letters: `d_model` (hidden size), `d_ff` (intermediate size), `heads`, `kv_heads`, `head_dim`.

use crate::model::Role;
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
    /// Log-n attention of the first-generation Qwen: the query at position p (0-based) is multiplied by
    /// ln(p + 1) / ln(n) where p + 1 > n; the value is n (`seq_length`).
    pub log_n: Option<usize>,
    /// Whether queries and keys are normalised per head before RoPE (Qwen3).
    pub qk_norm: QkNorm,
    /// Sliding window of each block in tokens, itself included; `None` attends to everything.
    pub windows: Vec<Option<usize>>,
    /// Factor on attention scores, one a block: 1/sqrt(head_dim), for GPT-2 possibly divided by block index + 1.
    pub score_scales: Vec<f32>,
    /// Feed-forward layer.
    pub feed_forward: FeedForward,
    /// Where the weights of each part lie in the checkpoint.
    pub tensors: ModelTensors,
}

/// Normalisation of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// x / sqrt(mean(x^2) + eps) * weight.
    Rms {
        /// Added to the mean square.
        eps: f32,
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
    Rotary(Rope),
    /// A learned vector added to the token embedding; `rows` is the longest possible sequence.
    Learned {
        /// Rows of the position table.
        rows: usize,
    },
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// None.
    Absent,
    /// RMSNorm over each head, before RoPE.
    PerHead,
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
    /// Token embedding, [vocab_size, d_model].
    pub embedding: String,
    /// Learned positions, [rows, d_model].
    pub positions: Option<String>,
    /// Norm before the head.
    pub final_norm: NormTensors,
    /// Output head, [vocab_size, d_model]; `None` when it is the embedding (tied).
    pub head: Option<LinearTensors>,
    /// Blocks in order.
    pub blocks: Vec<BlockTensors>,
}

/// Names of the tensors of one block. Linear layers are stored [out_features, in_features] unless transposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTensors {
    /// Norm before attention.
    pub attention_norm: NormTensors,
    /// Query projection, [heads * head_dim, d_model].
    pub query: LinearTensors,
    /// Key projection, [kv_heads * head_dim, d_model].
    pub key: LinearTensors,
    /// Value projection, [kv_heads * head_dim, d_model].
    pub value: LinearTensors,
    /// Output projection, [d_model, heads * head_dim].
    pub output: LinearTensors,
    /// Weight of the per-head query norm, [head_dim].
    pub query_norm: Option<String>,
    /// Weight of the per-head key norm, [head_dim].
    pub key_norm: Option<String>,
    /// Norm before the feed-forward layer.
    pub feed_forward_norm: NormTensors,
    /// Gate projection, [d_ff, d_model]; only of gated layers.
    pub gate: Option<LinearTensors>,
    /// Up projection, [d_ff, d_model].
    pub up: LinearTensors,
    /// Down projection, [d_model, d_ff].
    pub down: LinearTensors,
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

/// One linear layer's share of a tensor: all of it, or one of several equal parts along the output features
/// (a fused query/key/value projection).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPart {
    /// Name in the checkpoint.
    pub tensor: String,
    /// (index, number of equal parts) along the output features; (0, 1) is the whole tensor.
    pub part: (usize, usize),
    /// How the tensor is stored.
    pub orientation: Orientation,
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
            Role::Gate => self.gate.as_ref(),
            Role::Up => Some(&self.up),
            Role::Down => Some(&self.down),
            Role::Embedding | Role::Head => None,
        }
    }
}

impl TensorPart {
    /// The whole tensor `name`, stored [out_features, in_features] (or a bias vector).
    pub fn whole(name: impl Into<String>) -> Self {
        Self { tensor: name.into(), part: (0, 1), orientation: Orientation::OutIn }
    }
}
