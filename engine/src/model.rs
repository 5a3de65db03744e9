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
    /// Gate projection of a feed-forward layer.
    Gate(Mlp),
    /// Up projection.
    Up(Mlp),
    /// Down projection.
    Down(Mlp),
    /// Output head, [vocab_size, d_model].
    Head,
}

/// Which feed-forward layer of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mlp {
    /// The one for all tokens, of a block without experts.
    Dense,
    /// An expert.
    Expert(usize),
    /// The expert that all tokens go to.
    Shared,
}

impl Mlp {
    /// The name of one of its matrices, `base` in a block without experts.
    fn name(self, base: &str) -> String {
        match self {
            Mlp::Dense => base.into(),
            Mlp::Expert(index) => format!("{base} of expert {index}"),
            Mlp::Shared => format!("{base} of the shared expert"),
        }
    }
}

impl Role {
    /// Whether the matrix belongs to a block; the paper's methods quantize exactly these.
    pub fn is_in_block(self) -> bool {
        !matches!(self, Role::Embedding | Role::Head)
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    /// The role that is displayed so.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (base, mlp) = match text.split_once(" of ") {
            None => (text, Mlp::Dense),
            Some((base, "the shared expert")) => (base, Mlp::Shared),
            Some((base, expert)) => {
                let index = expert.strip_prefix("expert ").and_then(|index| index.parse().ok()).ok_or(())?;
                (base, Mlp::Expert(index))
            }
        };
        let plain = [Role::Embedding, Role::Query, Role::Key, Role::Value, Role::Output, Role::Head];
        let all = plain.into_iter().chain([Role::Gate(mlp), Role::Up(mlp), Role::Down(mlp)]);
        all.into_iter().find(|role| role.to_string() == text && text.starts_with(base)).ok_or(())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Gate(mlp) => return f.write_str(&mlp.name("gate")),
            Role::Up(mlp) => return f.write_str(&mlp.name("up")),
            Role::Down(mlp) => return f.write_str(&mlp.name("down")),
            Role::Embedding => "embedding",
            Role::Query => "query",
            Role::Key => "key",
            Role::Value => "value",
            Role::Output => "output",
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

impl NormWeights {
    /// The part of `width` elements for head `index`, where heads have weights of their own; else all.
    pub(crate) fn of_head(&self, index: usize, width: usize) -> NormSlices<'_> {
        let range = if self.weight.len() > width { index * width..(index + 1) * width } else { 0..width };
        let bias = if self.bias.is_empty() { &[][..] } else { &self.bias[range.clone()] };
        NormSlices { weight: &self.weight[range], bias }
    }

    /// All of it.
    pub(crate) fn all(&self) -> NormSlices<'_> {
        NormSlices { weight: &self.weight, bias: &self.bias }
    }
}

/// Weights of a norm, or a part of them.
#[derive(Clone, Copy)]
pub(crate) struct NormSlices<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
}

/// One decoder block; norms that a family lacks are absent.
#[derive(Clone, Debug)]
pub struct Block {
    /// Norm before attention.
    pub attention_norm: Option<NormWeights>,
    /// [heads * head_dim, d_model].
    pub query: Linear,
    /// [kv_heads * head_dim, d_model].
    pub key: Linear,
    /// [kv_heads * head_dim, d_model].
    pub value: Linear,
    /// [d_model, heads * head_dim].
    pub output: Linear,
    /// Norms of queries and keys: [head_dim], or [heads * head_dim].
    pub query_key_norm: Option<[NormWeights; 2]>,
    /// Norm of what attention adds.
    pub attention_output_norm: Option<NormWeights>,
    /// Norm before the feed-forward layer.
    pub feed_forward_norm: Option<NormWeights>,
    /// The feed-forward layer, or experts.
    pub feed_forward: FeedForwardLayers,
    /// Norm of what the feed-forward layer adds.
    pub feed_forward_output_norm: Option<NormWeights>,
}

/// What a block has for a feed-forward layer.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one a block
pub enum FeedForwardLayers {
    /// One for all tokens.
    Dense(MlpLayers),
    /// Some for each token.
    Experts(ExpertLayers),
}

/// A feed-forward layer.
#[derive(Clone, Debug)]
pub struct MlpLayers {
    /// [width, d_model].
    pub gate: Option<Linear>,
    /// [width, d_model].
    pub up: Linear,
    /// [d_model, width].
    pub down: Linear,
}

/// Experts of a block. Their router and the gate of the shared one stay as they are stored.
#[derive(Clone, Debug)]
pub struct ExpertLayers {
    /// [experts, d_model].
    pub router: Linear,
    /// The experts.
    pub experts: Vec<MlpLayers>,
    /// The shared one and its gate, [1, d_model].
    pub shared: Option<(MlpLayers, Linear)>,
}

/// A model ready to run.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it looks like.
    pub blueprint: Blueprint,
    /// [vocab_size, embedding_width].
    pub embedding: Weights,
    /// Norm of embeddings.
    pub embedding_norm: Option<NormWeights>,
    /// From embedding_width to d_model, and back before the head; as they are stored.
    pub projections: Option<[Linear; 2]>,
    /// Learned positions, [rows, d_model].
    pub positions: Option<DenseMatrix>,
    /// Blocks in order.
    pub blocks: Vec<Block>,
    /// Norm before the head.
    pub final_norm: Option<NormWeights>,
    /// [vocab_size, embedding_width].
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
        let kept = |linear: &Linear| linear.weights.bytes() + vectors(linear);
        let norms = |norms: &[&Option<NormWeights>]| norms.iter().copied().flatten().map(norm).sum::<usize>();
        size.bytes += self.embedding.bytes() + vectors(&self.head) + norms(&[&self.embedding_norm, &self.final_norm]);
        size.bytes += self.projections.iter().flatten().map(kept).sum::<usize>();
        if !self.head_shares_embedding {
            size.bytes += self.head.weights.bytes();
        }
        size.bytes += self.positions.as_ref().map_or(0, |matrix| matrix.as_bytes().len());
        for block in &self.blocks {
            size.bytes += norms(&[&block.attention_norm, &block.attention_output_norm]);
            size.bytes += norms(&[&block.feed_forward_norm, &block.feed_forward_output_norm]);
            size.bytes += block.query_key_norm.iter().flatten().map(norm).sum::<usize>();
            if let FeedForwardLayers::Experts(experts) = &block.feed_forward {
                size.bytes += kept(&experts.router) + experts.shared.as_ref().map_or(0, |(_, gate)| kept(gate));
            }
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
    /// All linear layers that a recipe may quantize, in the order they are applied.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        let attention = [&self.query, &self.key, &self.value, &self.output];
        let mlps: Vec<&MlpLayers> = match &self.feed_forward {
            FeedForwardLayers::Dense(mlp) => vec![mlp],
            FeedForwardLayers::Experts(experts) => {
                experts.experts.iter().chain(experts.shared.iter().map(|(mlp, _)| mlp)).collect()
            }
        };
        attention.into_iter().chain(mlps.into_iter().flat_map(|mlp| mlp.gate.iter().chain([&mlp.up, &mlp.down])))
    }

    /// What its linear layers read, in the order of application.
    pub fn inputs(&self) -> Vec<BlockInput> {
        let mlps: Vec<Mlp> = match &self.feed_forward {
            FeedForwardLayers::Dense(_) => vec![Mlp::Dense],
            FeedForwardLayers::Experts(experts) => {
                let shared = experts.shared.iter().map(|_| Mlp::Shared);
                (0..experts.experts.len()).map(Mlp::Expert).chain(shared).collect()
            }
        };
        BlockInput::of(&mlps)
    }

    /// What its linear layers are for, in the order of application.
    pub fn roles(&self) -> Vec<Role> {
        self.inputs().into_iter().flat_map(BlockInput::roles).collect()
    }

    /// One of its feed-forward layers.
    pub fn mlp(&self, which: Mlp) -> Option<&MlpLayers> {
        match (&self.feed_forward, which) {
            (FeedForwardLayers::Dense(mlp), Mlp::Dense) => Some(mlp),
            (FeedForwardLayers::Experts(experts), Mlp::Expert(index)) => experts.experts.get(index),
            (FeedForwardLayers::Experts(experts), Mlp::Shared) => experts.shared.as_ref().map(|(mlp, _)| mlp),
            _ => None,
        }
    }

    fn mlp_mut(&mut self, which: Mlp) -> Option<&mut MlpLayers> {
        match (&mut self.feed_forward, which) {
            (FeedForwardLayers::Dense(mlp), Mlp::Dense) => Some(mlp),
            (FeedForwardLayers::Experts(experts), Mlp::Expert(index)) => experts.experts.get_mut(index),
            (FeedForwardLayers::Experts(experts), Mlp::Shared) => experts.shared.as_mut().map(|(mlp, _)| mlp),
            _ => None,
        }
    }

    /// The linear layer that serves as `role`, if the block has one.
    pub fn linear(&self, role: Role) -> Option<&Linear> {
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

    /// The linear layer that serves as `role`, if the block has one.
    pub fn linear_mut(&mut self, role: Role) -> Option<&mut Linear> {
        match role {
            Role::Query => Some(&mut self.query),
            Role::Key => Some(&mut self.key),
            Role::Value => Some(&mut self.value),
            Role::Output => Some(&mut self.output),
            Role::Gate(mlp) => self.mlp_mut(mlp)?.gate.as_mut(),
            Role::Up(mlp) => Some(&mut self.mlp_mut(mlp)?.up),
            Role::Down(mlp) => Some(&mut self.mlp_mut(mlp)?.down),
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
    /// Of gate and up; of an expert, the tokens that go there.
    FeedForward(Mlp),
    /// Of down.
    Down(Mlp),
}

impl BlockInput {
    /// Those of a block with these feed-forward layers, in the order of application.
    pub(crate) fn of(mlps: &[Mlp]) -> Vec<Self> {
        let feed_forward = mlps.iter().flat_map(|&mlp| [BlockInput::FeedForward(mlp), BlockInput::Down(mlp)]);
        [BlockInput::Attention, BlockInput::Output].into_iter().chain(feed_forward).collect()
    }

    /// What reads it, in the order of application.
    pub fn roles(self) -> Vec<Role> {
        match self {
            BlockInput::Attention => vec![Role::Query, Role::Key, Role::Value],
            BlockInput::Output => vec![Role::Output],
            BlockInput::FeedForward(mlp) => vec![Role::Gate(mlp), Role::Up(mlp)],
            BlockInput::Down(mlp) => vec![Role::Down(mlp)],
        }
    }

    /// Its features in block `layer` of the model of `blueprint`.
    pub fn columns(self, blueprint: &Blueprint, layer: usize) -> usize {
        match self {
            BlockInput::Attention | BlockInput::FeedForward(_) => blueprint.d_model,
            BlockInput::Output => blueprint.heads * blueprint.head_dim,
            BlockInput::Down(mlp) => {
                let tensors = blueprint.tensors.blocks.get(layer).and_then(|block| block.mlp(mlp));
                tensors.map_or(blueprint.d_ff, |mlp| mlp.width)
            }
        }
    }
}
