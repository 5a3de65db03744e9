//! Names of tensors, put together as most families have them.

use crate::blueprint::{
    BlockTensors, FeedForwardTensors, HeadNormTensors, LinearTensors, MlpTensors, ModelTensors, NormTensors, Runs,
    TensorPart,
};
use crate::config::Config;
use crate::error::Error;

/// Whether a group of linear layers, or a norm, has biases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bias {
    Present,
    Absent,
}

impl Bias {
    /// The choice that a flag of the configuration makes; absent where the flag is.
    pub(super) fn from_flag(config: &Config<'_>, key: &str) -> Result<Self, Error> {
        Ok(Self::of(config.flag(key, false)?))
    }

    /// Present if so.
    pub(super) fn of(is_present: bool) -> Self {
        if is_present { Self::Present } else { Self::Absent }
    }
}

impl LinearTensors {
    /// `name.weight`, and `name.bias` where there is one, as torch's `Linear`.
    pub(super) fn named(name: &str, bias: Bias) -> Self {
        Self {
            weight: TensorPart::whole(format!("{name}.weight")),
            bias: (bias == Bias::Present).then(|| TensorPart::whole(format!("{name}.bias"))),
        }
    }

    /// Part `index` of `count` equal ones.
    pub(super) fn part(&self, index: usize, count: usize) -> Self {
        let of = |part: &TensorPart| TensorPart { part: (index, count), ..part.clone() };
        Self { weight: of(&self.weight), bias: self.bias.as_ref().map(of) }
    }

    /// Part `index` of `count`, which has these rows.
    pub(super) fn runs(&self, index: usize, count: usize, runs: Runs) -> Self {
        let of = |part: &TensorPart| TensorPart { part: (index, count), runs: Some(runs), ..part.clone() };
        Self { weight: of(&self.weight), bias: self.bias.as_ref().map(of) }
    }

    /// Query, key and value of a projection whose rows go, for each of `kv_heads` groups, `group` heads of queries, one of
    /// keys and one of values, each of `head_dim` rows (GPT-NeoX, BLOOM, Falcon).
    pub(super) fn by_head(&self, kv_heads: usize, group: usize, head_dim: usize) -> [Self; 3] {
        let stride = (group + 2) * head_dim;
        let total = kv_heads * stride;
        let part = |index, first, heads| {
            self.runs(index, 3, Runs { first: first * head_dim, len: heads * head_dim, stride, count: kv_heads, total })
        };
        [part(0, 0, group), part(1, group, 1), part(2, group + 1, 1)]
    }

    /// Query, key and value of a projection that has all queries, then all keys, then all values.
    pub(super) fn in_turn(&self, heads: usize, kv_heads: usize, head_dim: usize) -> [Self; 3] {
        let total = (heads + 2 * kv_heads) * head_dim;
        let part = |index, first, heads| {
            let len = heads * head_dim;
            self.runs(index, 3, Runs { first: first * head_dim, len, stride: len, count: 1, total })
        };
        [part(0, 0, heads), part(1, heads, kv_heads), part(2, heads + kv_heads, kv_heads)]
    }
}

impl NormTensors {
    /// `name.weight`.
    pub(super) fn rms(name: &str) -> Self {
        Self::named(name, Bias::Absent)
    }

    /// `name.weight` and `name.bias`.
    pub(super) fn layer(name: &str) -> Self {
        Self::named(name, Bias::Present)
    }

    /// `name.weight`, and `name.bias` where there is one.
    pub(super) fn named(name: &str, bias: Bias) -> Self {
        Self { weight: format!("{name}.weight"), bias: (bias == Bias::Present).then(|| format!("{name}.bias")) }
    }
}

impl HeadNormTensors {
    /// One tensor of this shape.
    pub(super) fn one(norm: NormTensors, shape: Vec<usize>) -> Self {
        Self { norms: vec![norm], shape }
    }
}

impl BlockTensors {
    /// A block with norms before its halves: query, key, value and output projection; without a norm of its own the
    /// feed-forward layer reads what attention reads.
    pub(super) fn new(
        attention_norm: NormTensors,
        [query, key, value, output]: [LinearTensors; 4],
        feed_forward_norm: Option<NormTensors>,
        mlp: MlpTensors,
    ) -> Self {
        Self {
            attention_norm: Some(attention_norm),
            query,
            key,
            value,
            output,
            query_key_norm: None,
            attention_output_norm: None,
            feed_forward_norm,
            feed_forward: FeedForwardTensors::Dense(mlp),
            feed_forward_output_norm: None,
        }
    }
}

impl ModelTensors {
    /// A model without learned positions and what few families have.
    pub(super) fn new(
        embedding: String,
        final_norm: NormTensors,
        head: Option<LinearTensors>,
        blocks: Vec<BlockTensors>,
    ) -> Self {
        Self {
            embedding,
            embedding_norm: None,
            projections: None,
            positions: None,
            final_norm: Some(final_norm),
            head,
            blocks,
        }
    }
}
