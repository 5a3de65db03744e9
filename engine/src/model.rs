//! A model in memory: the blueprint with its weights, each linear layer in the format a recipe chose.

use crate::blueprint::Blueprint;
pub use crate::builder::Builder;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::format::DenseMatrix;
use crate::input_map::InputMap;
use crate::kv_cache::KvPrecision;
use crate::linear::{Linear, Weights};
use kernels::KvBits;
use std::fmt;
use std::sync::Arc;

/// What a matrix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Token embedding, [vocab_size, d_model].
    Embedding,
    /// Query projection.
    Query,
    /// Key projection.
    Key,
    /// Value projection.
    Value,
    /// Output projection of attention.
    Output,
    /// Gate projection.
    Gate,
    /// Up projection.
    Up,
    /// Down projection.
    Down,
    /// Output head, [vocab_size, d_model].
    Head,
}

impl Role {
    /// Whether the matrix belongs to a block; the paper's methods quantize exactly these.
    pub fn is_in_block(self) -> bool {
        !matches!(self, Role::Embedding | Role::Head)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Embedding => "embedding",
            Role::Query => "query",
            Role::Key => "key",
            Role::Value => "value",
            Role::Output => "output",
            Role::Gate => "gate",
            Role::Up => "up",
            Role::Down => "down",
            Role::Head => "head",
        })
    }
}

/// A matrix of the checkpoint, offered to whoever chooses its format.
#[derive(Clone, Debug)]
pub struct LinearSource {
    /// Name of the tensor in the checkpoint; parts of a fused tensor share it.
    pub tensor: String,
    /// What it is for.
    pub role: Role,
    /// Block index; `None` outside blocks.
    pub layer: Option<usize>,
    /// [out_features, in_features].
    pub matrix: DenseMatrix,
}

/// Weights of a norm.
#[derive(Clone, Debug)]
pub struct NormWeights {
    /// [d_model].
    pub weight: Vec<f32>,
    /// [d_model]; empty for RMSNorm.
    pub bias: Vec<f32>,
}

/// One decoder block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Norm before attention.
    pub attention_norm: NormWeights,
    /// [heads * head_dim, d_model].
    pub query: Linear,
    /// [kv_heads * head_dim, d_model].
    pub key: Linear,
    /// [kv_heads * head_dim, d_model].
    pub value: Linear,
    /// [d_model, heads * head_dim].
    pub output: Linear,
    /// Per-head norm weights of queries and keys, [head_dim] each.
    pub query_key_norm: Option<(Vec<f32>, Vec<f32>)>,
    /// Norm before the feed-forward layer.
    pub feed_forward_norm: NormWeights,
    /// [d_ff, d_model].
    pub gate: Option<Linear>,
    /// [d_ff, d_model].
    pub up: Linear,
    /// [d_model, d_ff].
    pub down: Linear,
}

/// A model ready to run.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it looks like.
    pub blueprint: Blueprint,
    /// [vocab_size, d_model].
    pub embedding: Weights,
    /// Learned positions, [rows, d_model].
    pub positions: Option<DenseMatrix>,
    /// Blocks in order.
    pub blocks: Vec<Block>,
    /// Norm before the head.
    pub final_norm: NormWeights,
    /// [vocab_size, d_model].
    pub head: Linear,
    /// Whether the head's weights are the embedding's bytes.
    pub(crate) head_shares_embedding: bool,
    pub(crate) kv_precision: KvPrecision,
}

/// What a model's weights take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightSize {
    /// Bytes of everything: matrices, norms, biases, positions; shared bytes once.
    pub bytes: usize,
    /// Bytes of the blocks' matrices: codes, scales, zero points, input maps (shared ones once).
    pub block_matrix_bytes: usize,
    /// Elements of the blocks' matrices.
    pub block_matrix_weights: usize,
    /// Sum over these elements of the bits of their code.
    pub block_code_bits: usize,
}

impl WeightSize {
    /// Bits of a code, averaged over the weights of the blocks' matrices.
    pub fn nominal_bits_per_weight(&self) -> f64 {
        self.block_code_bits as f64 / self.block_matrix_weights as f64
    }

    /// Bits stored for one weight of the blocks' matrices, scales, zero points and padding included.
    pub fn true_bits_per_weight(&self) -> f64 {
        8.0 * self.block_matrix_bytes as f64 / self.block_matrix_weights as f64
    }
}

impl Model {
    /// Builds the model of `checkpoint`; `choose` turns every matrix into the weights to run with. What a mapped file
    /// holds of a matrix that `choose` has packed is given back, so that the model takes the memory of its own weights.
    ///
    /// # Errors
    /// What the checkpoint lacks or holds wrongly, NaN and infinities included, and what `choose` returns.
    pub fn build<E: From<Error>>(
        checkpoint: &Checkpoint,
        choose: &mut dyn FnMut(LinearSource) -> Result<Weights, E>,
    ) -> Result<Self, E> {
        let mut builder = Builder::new(checkpoint)?;
        let mut model = builder.without_blocks(choose)?;
        builder.blocks(&mut model, choose)?;
        Ok(model)
    }

    /// Builds the model with the weights as they are stored.
    ///
    /// # Errors
    /// As [`Model::build`].
    pub fn unquantized(checkpoint: &Checkpoint) -> Result<Self, Error> {
        Self::build(checkpoint, &mut |source| Ok(Weights::Dense(source.matrix)))
    }

    /// The same model with keys and values held as `precision` says.
    ///
    /// # Errors
    /// If codes are asked for and a head is wider than their sums allow.
    pub fn with_kv_precision(mut self, precision: KvPrecision) -> Result<Self, Error> {
        let (head_dim, limit) = (self.blueprint.head_dim, KvBits::MAX_HEAD_DIM);
        if precision.codes().is_some() && head_dim > limit {
            return Err(Error::KvHeadDim { head_dim, limit });
        }
        self.kv_precision = precision;
        Ok(self)
    }

    /// How keys and values are held.
    pub fn kv_precision(&self) -> KvPrecision {
        self.kv_precision
    }

    /// What the weights take.
    pub fn size(&self) -> WeightSize {
        let mut size = WeightSize::default();
        let vectors = |linear: &Linear| 4 * linear.bias.as_ref().map_or(0, Vec::len);
        let norm = |norm: &NormWeights| 4 * (norm.weight.len() + norm.bias.len());
        size.bytes += self.embedding.bytes() + vectors(&self.head) + norm(&self.final_norm);
        if !self.head_shares_embedding {
            size.bytes += self.head.weights.bytes();
        }
        size.bytes += self.positions.as_ref().map_or(0, |matrix| matrix.as_bytes().len());
        for block in &self.blocks {
            size.bytes += norm(&block.attention_norm) + norm(&block.feed_forward_norm);
            size.bytes += block.query_key_norm.as_ref().map_or(0, |(query, key)| 4 * (query.len() + key.len()));
            let mut maps: Vec<&Arc<InputMap>> = Vec::new();
            for linear in block.linears() {
                if let Some(map) = linear.weights.input_map()
                    && !maps.iter().any(|known| Arc::ptr_eq(known, map))
                {
                    maps.push(map);
                    size.bytes += map.bytes();
                    size.block_matrix_bytes += map.bytes();
                }
                let weights = linear.weights.rows() * linear.weights.columns();
                size.bytes += linear.weights.bytes() + vectors(linear);
                size.block_matrix_bytes += linear.weights.bytes();
                size.block_matrix_weights += weights;
                size.block_code_bits += weights * linear.weights.nominal_bits() as usize;
            }
        }
        size
    }
}

impl Block {
    /// All linear layers, in the order they are applied.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        let attention = [&self.query, &self.key, &self.value, &self.output];
        attention.into_iter().chain(&self.gate).chain([&self.up, &self.down])
    }

    /// The linear layer that serves as `role`, if the block has one.
    pub fn linear(&self, role: Role) -> Option<&Linear> {
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

    /// The linear layer that serves as `role`, if the block has one.
    pub fn linear_mut(&mut self, role: Role) -> Option<&mut Linear> {
        match role {
            Role::Query => Some(&mut self.query),
            Role::Key => Some(&mut self.key),
            Role::Value => Some(&mut self.value),
            Role::Output => Some(&mut self.output),
            Role::Gate => self.gate.as_mut(),
            Role::Up => Some(&mut self.up),
            Role::Down => Some(&mut self.down),
            Role::Embedding | Role::Head => None,
        }
    }

    /// The unquantized matrix that serves as `role` in this block, number `layer` of the model of `blueprint`.
    pub fn source(&self, blueprint: &Blueprint, layer: usize, role: Role) -> Option<LinearSource> {
        let names = blueprint.tensors.blocks.get(layer)?.linear(role)?;
        match &self.linear(role)?.weights {
            Weights::Dense(matrix) => Some(LinearSource {
                tensor: names.weight.tensor.clone(),
                role,
                layer: Some(layer),
                matrix: matrix.clone(),
            }),
            _ => None,
        }
    }

    /// Takes `weights` for the layer that serves as `role`, and gives back what a mapped file holds of those before,
    /// unless they are the same.
    pub fn replace(&mut self, role: Role, weights: Weights) {
        let Some(linear) = self.linear_mut(role) else { return };
        match (&linear.weights, &weights) {
            (Weights::Dense(before), after) if !matches!(after, Weights::Dense(_)) => before.release(),
            _ => {}
        }
        linear.weights = weights;
    }
}

/// An input of linear layers in a block; those that read one share its codes, and what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockInput {
    /// Of query, key and value.
    Attention,
    /// Of the output projection.
    Output,
    /// Of gate and up.
    FeedForward,
    /// Of down.
    Down,
}

impl BlockInput {
    /// All, in the order they are computed.
    pub const ALL: [Self; 4] = [Self::Attention, Self::Output, Self::FeedForward, Self::Down];

    /// What reads it, in the order of application.
    pub fn roles(self) -> &'static [Role] {
        match self {
            BlockInput::Attention => &[Role::Query, Role::Key, Role::Value],
            BlockInput::Output => &[Role::Output],
            BlockInput::FeedForward => &[Role::Gate, Role::Up],
            BlockInput::Down => &[Role::Down],
        }
    }

    /// Its features in the model of `blueprint`.
    pub fn columns(self, blueprint: &Blueprint) -> usize {
        match self {
            BlockInput::Attention | BlockInput::FeedForward => blueprint.d_model,
            BlockInput::Output => blueprint.heads * blueprint.head_dim,
            BlockInput::Down => blueprint.d_ff,
        }
    }
}
