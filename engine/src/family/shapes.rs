//! A blueprint against the tensors of a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use crate::blueprint::{
    Blueprint, FeedForwardTensors, LinearTensors, MlpTensors, NormTensors, Orientation, Positions, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::prequantized::{Prequantized, is_zero};

use super::head::HEAD;

/// Ends of the names of buffers that older checkpoints store although they follow from the configuration.
const DERIVED: &[&str] = &["rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"];

impl Blueprint {
    /// Shape that each tensor of the checkpoint must have, by name.
    pub fn expected_shapes<'b>(&'b self) -> BTreeMap<&'b str, Vec<usize>> {
        let mut shapes = Shapes(BTreeMap::new());
        let (d_model, width) = (self.d_model, self.embedding_width);
        let query_len = self.heads.saturating_mul(self.head_dim);
        let key_len = self.kv_heads.saturating_mul(self.head_dim);
        shapes.insert(&self.tensors.embedding, vec![self.vocab_size, width]);
        shapes.norm(&self.tensors.embedding_norm, d_model);
        if let Some([first, last]) = &self.tensors.projections {
            shapes.linear(first, d_model, width);
            shapes.linear(last, width, d_model);
        }
        if let (Some(table), Positions::Learned { rows, .. }) = (&self.tensors.positions, &self.positions) {
            shapes.insert(table, vec![*rows, d_model]);
        }
        shapes.norm(&self.tensors.final_norm, d_model);
        if let Some(head) = &self.tensors.head {
            shapes.linear(head, self.vocab_size, width);
        }
        for block in &self.tensors.blocks {
            let norms = [&block.attention_norm, &block.attention_output_norm];
            for norm in norms.into_iter().chain([&block.feed_forward_norm, &block.feed_forward_output_norm]) {
                shapes.norm(norm, d_model);
            }
            shapes.linear(&block.query, query_len, d_model);
            shapes.linear(&block.key, key_len, d_model);
            shapes.linear(&block.value, key_len, d_model);
            shapes.linear(&block.output, d_model, query_len);
            for heads in block.query_key_norm.iter().flatten() {
                for norm in &heads.norms {
                    shapes.insert(&norm.weight, heads.shape.clone());
                    norm.bias.iter().for_each(|bias| shapes.insert(bias, heads.shape.clone()));
                }
            }
            let mut mlp = |mlp: &'b MlpTensors| {
                mlp.gate.iter().for_each(|gate| shapes.linear(gate, mlp.width, d_model));
                shapes.linear(&mlp.up, mlp.width, d_model);
                shapes.linear(&mlp.down, d_model, mlp.width);
            };
            match &block.feed_forward {
                FeedForwardTensors::Dense(dense) => mlp(dense),
                FeedForwardTensors::Experts(experts) => {
                    experts.experts.iter().for_each(&mut mlp);
                    experts.shared.iter().for_each(|(shared, _)| mlp(shared));
                    shapes.linear(&experts.router, experts.experts.len(), d_model);
                    experts.shared.iter().for_each(|(_, gate)| shapes.linear(gate, 1, d_model));
                }
            }
        }
        shapes.0
    }

    /// [out_features, in_features] of the linear layers and of the embedding, by the name of their tensor; parts of a fused
    /// one count together.
    pub fn matrix_shapes(&self) -> BTreeMap<&str, [usize; 2]> {
        let tensors = &self.tensors;
        let linears =
            tensors.blocks.iter().flat_map(|block| block.roles().into_iter().filter_map(|role| block.linear(role)));
        let shapes = self.expected_shapes();
        let weights =
            linears.chain(&tensors.head).map(|linear| (linear.weight.tensor.as_str(), linear.weight.orientation));
        let weights = weights.chain([(tensors.embedding.as_str(), Orientation::OutIn)]);
        let shape = |(name, orientation)| match (shapes.get(name).map(Vec::as_slice), orientation) {
            (Some(&[rows, columns]), Orientation::OutIn) | (Some(&[columns, rows]), Orientation::InOut) => {
                Some((name, [rows, columns]))
            }
            _ => None,
        };
        weights.filter_map(shape).collect()
    }

    /// Checks that the sizes fit together, that `checkpoint` holds every tensor in the expected shape and in an element
    /// type that can be computed with, and that it holds no tensor besides. The shapes of quantized matrices are checked
    /// as they are read.
    ///
    /// # Errors
    /// [`Error::ConfigValue`], [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::UnsupportedDtype`] or
    /// [`Error::UnexpectedTensor`], naming the first tensor concerned.
    pub fn check(&self, checkpoint: &Checkpoint, prequantized: Option<&Prequantized>) -> Result<(), Error> {
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::ConfigValue {
                file: checkpoint.config_file(),
                key: "num_key_value_heads".into(),
                expected: format!("a divisor of the {} query heads", self.heads),
                found: self.kv_heads.to_string(),
            });
        }
        let shapes = self.expected_shapes();
        let matrices = self.matrix_shapes();
        let quantized = |name: &str| prequantized.filter(|format| format.holds(checkpoint, name));
        let mut parts = BTreeSet::new();
        for (name, expected) in &shapes {
            if let Some(format) = quantized(name).filter(|_| matrices.contains_key(name)) {
                parts.extend(format.tensors(checkpoint, name));
                continue;
            }
            let found = checkpoint.tensor(name)?.shape;
            if found != *expected {
                return Err(Error::TensorShape {
                    file: checkpoint.file_of(name)?.to_path_buf(),
                    tensor: name.to_string(),
                    expected: expected.clone(),
                    found,
                });
            }
        }
        let is_second_name = |name: &str| self.tensors.head.is_none() && name == HEAD;
        let is_derived = |name: &str| DERIVED.iter().any(|end| name.ends_with(end));
        // Early GPTQ files store a bias of zeros beside every matrix.
        let is_empty_bias = |name: &str| {
            let weight = name.strip_suffix(".bias").map(|stem| format!("{stem}.weight"));
            weight.is_some_and(|weight| matrices.contains_key(weight.as_str()) && quantized(&weight).is_some())
                && checkpoint.tensor(name).is_ok_and(|view| is_zero(&view))
        };
        for name in checkpoint.tensor_names() {
            let is_expected = shapes.contains_key(name) || parts.contains(name);
            if !is_expected && !is_second_name(name) && !is_derived(name) && !is_empty_bias(name) {
                return Err(Error::UnexpectedTensor {
                    file: checkpoint.file_of(name)?.to_path_buf(),
                    tensor: name.to_string(),
                    expected: format!("the tensors of {} blocks of family {}", self.layers, self.family),
                });
            }
        }
        Ok(())
    }
}

/// Shapes by name. Sizes saturate: no stored tensor can have such a shape, so the comparison fails.
struct Shapes<'a>(BTreeMap<&'a str, Vec<usize>>);

impl<'a> Shapes<'a> {
    fn insert(&mut self, name: &'a str, shape: Vec<usize>) {
        self.0.insert(name, shape);
    }

    fn norm(&mut self, norm: &'a Option<NormTensors>, d_model: usize) {
        let Some(norm) = norm else { return };
        self.insert(&norm.weight, vec![d_model]);
        if let Some(bias) = &norm.bias {
            self.insert(bias, vec![d_model]);
        }
    }

    fn linear(&mut self, linear: &'a LinearTensors, out_features: usize, in_features: usize) {
        let stored = |part: &TensorPart| part.tensor_rows(out_features);
        let weight = &linear.weight;
        let shape = match weight.orientation {
            Orientation::OutIn => vec![stored(weight), in_features],
            Orientation::InOut => vec![in_features, stored(weight)],
        };
        self.insert(&weight.tensor, shape);
        if let Some(bias) = &linear.bias {
            self.insert(&bias.tensor, vec![stored(bias)]);
        }
    }
}
