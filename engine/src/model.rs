//! A model in memory: the blueprint with its weights, each linear layer in the format a recipe chose.

use crate::blueprint::{BlockTensors, Blueprint, LinearTensors, NormTensors, Orientation, TensorPart};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::family;
use crate::format::DenseMatrix;
use crate::kv_cache::KvPrecision;
use crate::linear::{Linear, Weights};
use crate::tensor::TensorView;
use kernels::KvBits;
use std::collections::BTreeSet;
use std::fmt;

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
    head_shares_embedding: bool,
    kv_precision: KvPrecision,
}

/// What a model's weights take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightSize {
    /// Bytes of everything: matrices, norms, biases, positions; shared bytes once.
    pub bytes: usize,
    /// Bytes of the blocks' matrices: codes, scales, zero points.
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
        let blueprint = family::blueprint(checkpoint)?;
        let mut loader = Loader { checkpoint, choose, scanned: BTreeSet::new() };
        let tensors = &blueprint.tensors;
        let embedding = loader.dense(&TensorPart::whole(&tensors.embedding))?;
        let head_source = match &tensors.head {
            Some(head) => loader.dense(&head.weight)?,
            None => embedding.clone(),
        };
        let positions = match &tensors.positions {
            Some(name) => Some(loader.dense(&TensorPart::whole(name))?),
            None => None,
        };
        let (embedding_name, head_name) = match &tensors.head {
            Some(head) => (&tensors.embedding, &head.weight.tensor),
            None => (&tensors.embedding, &tensors.embedding),
        };
        let (embedding_source, tied) = (embedding, tensors.head.is_none());
        let mut choose = |tensor: &String, role: Role, matrix: &DenseMatrix| {
            let (tensor, matrix) = (tensor.clone(), matrix.clone());
            (loader.choose)(LinearSource { tensor, role, layer: None, matrix })
        };
        let embedding = choose(embedding_name, Role::Embedding, &embedding_source)?;
        let head_weights = choose(head_name, Role::Head, &head_source)?;
        let [embedding_packed, head_packed] =
            [&embedding, &head_weights].map(|weights| matches!(weights, Weights::Packed { .. }));
        if embedding_packed && (head_packed || !tied) {
            embedding_source.release();
        }
        if head_packed && (embedding_packed || !tied) {
            head_source.release();
        }
        let head_bias = match tensors.head.as_ref().and_then(|head| head.bias.as_ref()) {
            Some(bias) => Some(loader.vector(bias)?),
            None => None,
        };
        let head_shares_embedding =
            tensors.head.is_none() && matches!((&embedding, &head_weights), (Weights::Dense(_), Weights::Dense(_)));
        let mut blocks = Vec::with_capacity(blueprint.layers);
        for (layer, names) in tensors.blocks.iter().enumerate() {
            blocks.push(loader.block(layer, names)?);
        }
        let final_norm = loader.norm(&tensors.final_norm)?;
        let head = Linear { weights: head_weights, bias: head_bias };
        let kv_precision = KvPrecision::F32;
        Ok(Self { embedding, positions, blocks, final_norm, head, head_shares_embedding, kv_precision, blueprint })
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
            for linear in block.linears() {
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
}

struct Loader<'a, E> {
    checkpoint: &'a Checkpoint,
    choose: &'a mut dyn FnMut(LinearSource) -> Result<Weights, E>,
    /// Tensors known to be finite: the parts of a fused one share its bytes.
    scanned: BTreeSet<String>,
}

impl<E: From<Error>> Loader<'_, E> {
    /// The tensor called `name`, looked through for NaN and infinities the first time.
    fn finite(&mut self, name: &str) -> Result<TensorView, Error> {
        let view = self.checkpoint.tensor(name)?;
        if !self.scanned.contains(name) {
            self.checkpoint.scan_finite(&view)?;
            self.scanned.insert(name.to_string());
        }
        Ok(view)
    }

    /// A matrix as stored, or one part of a fused one, [out_features, in_features].
    fn dense(&mut self, part: &TensorPart) -> Result<DenseMatrix, Error> {
        let view = self.finite(&part.tensor)?;
        let stored = DenseMatrix::new(view.bytes.clone(), view.dtype, view.rows(), view.columns());
        let (index, parts) = part.part;
        Ok(match part.orientation {
            Orientation::OutIn => {
                let rows = stored.rows() / parts;
                stored.slice(index * rows, rows)
            }
            Orientation::InOut => {
                let rows = stored.columns() / parts;
                let transposed = stored.transposed(index * rows, rows);
                stored.release();
                transposed
            }
        })
    }

    /// A vector, or one part of a fused one, widened to f32.
    fn vector(&mut self, part: &TensorPart) -> Result<Vec<f32>, Error> {
        let view = self.finite(&part.tensor)?;
        let values = view.to_f32();
        let (index, parts) = part.part;
        let len = values.len() / parts;
        Ok(values[index * len..(index + 1) * len].to_vec())
    }

    fn named(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        self.vector(&TensorPart::whole(name))
    }

    fn norm(&mut self, names: &NormTensors) -> Result<NormWeights, Error> {
        let bias = match &names.bias {
            Some(name) => self.named(name)?,
            None => Vec::new(),
        };
        Ok(NormWeights { weight: self.named(&names.weight)?, bias })
    }

    fn linear(&mut self, layer: usize, role: Role, names: &LinearTensors) -> Result<Linear, E> {
        let matrix = self.dense(&names.weight)?;
        let bias = match &names.bias {
            Some(part) => Some(self.vector(part)?),
            None => None,
        };
        let tensor = names.weight.tensor.clone();
        let source = matrix.clone();
        let weights = (self.choose)(LinearSource { tensor, role, layer: Some(layer), matrix })?;
        if matches!(weights, Weights::Packed { .. }) {
            source.release();
        }
        Ok(Linear { weights, bias })
    }

    fn block(&mut self, layer: usize, names: &BlockTensors) -> Result<Block, E> {
        let query_key_norm = match (&names.query_norm, &names.key_norm) {
            (Some(query), Some(key)) => Some((self.named(query)?, self.named(key)?)),
            _ => None,
        };
        let gate = match &names.gate {
            Some(gate) => Some(self.linear(layer, Role::Gate, gate)?),
            None => None,
        };
        Ok(Block {
            attention_norm: self.norm(&names.attention_norm)?,
            query: self.linear(layer, Role::Query, &names.query)?,
            key: self.linear(layer, Role::Key, &names.key)?,
            value: self.linear(layer, Role::Value, &names.value)?,
            output: self.linear(layer, Role::Output, &names.output)?,
            query_key_norm,
            feed_forward_norm: self.norm(&names.feed_forward_norm)?,
            gate,
            up: self.linear(layer, Role::Up, &names.up)?,
            down: self.linear(layer, Role::Down, &names.down)?,
        })
    }
}
