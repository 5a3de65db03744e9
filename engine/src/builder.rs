//! A model being built: first what lies outside its blocks, then one block after the other.
//!
//! Whoever quantizes block by block holds one block as it is stored, beside the blocks that are done.

use crate::blueprint::{
    BlockTensors, Blueprint, FeedForwardTensors, HeadNormTensors, LinearTensors, MlpTensors, Norm, NormTensors,
    Orientation, Runs, TensorPart,
};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::family;
use crate::format::DenseMatrix;
use crate::kv_cache::KvPrecision;
use crate::linear::{Linear, Weights};
use crate::model::{Block, ExpertLayers, FeedForwardLayers, LinearSource, MlpLayers, Model, NormWeights, Role};
use crate::prequantized::{MatrixPart, Prequantized};
use crate::tensor::TensorView;
use std::collections::BTreeSet;

/// Reads the parts of a model from a checkpoint.
pub struct Builder<'a> {
    checkpoint: &'a Checkpoint,
    blueprint: Blueprint,
    /// Tensors known to be finite: the parts of a fused one share its bytes.
    scanned: BTreeSet<String>,
    /// How the checkpoint stores matrices that are quantized already.
    prequantized: Option<Prequantized>,
}

impl<'a> Builder<'a> {
    /// A builder of the model of `checkpoint`.
    ///
    /// # Errors
    /// As [`family::blueprint`].
    pub fn new(checkpoint: &'a Checkpoint) -> Result<Self, Error> {
        let (blueprint, prequantized) = (family::blueprint(checkpoint)?, Prequantized::of(checkpoint)?);
        Ok(Self { checkpoint, blueprint, scanned: BTreeSet::new(), prequantized })
    }

    /// The model's blueprint.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// How the checkpoint stores matrices that are quantized already, where it does.
    pub fn prequantized(&self) -> Option<&Prequantized> {
        self.prequantized.as_ref()
    }

    /// The model without its blocks, to which [`Self::block`] gives them; `choose` turns embedding and head into the
    /// weights to run with. What a mapped file holds of a matrix that was packed is given back.
    ///
    /// # Errors
    /// What the checkpoint lacks or holds wrongly, and what `choose` returns.
    pub fn without_blocks<E: From<Error>>(
        &mut self,
        choose: &mut dyn FnMut(LinearSource) -> Result<Weights, E>,
    ) -> Result<Model, E> {
        let tensors = self.blueprint.tensors.clone();
        let embedding_source = self.weights(&TensorPart::whole(&tensors.embedding), self.blueprint.vocab_size)?;
        let tied = tensors.head.is_none();
        let head_source = match &tensors.head {
            Some(head) => self.weights(&head.weight, self.blueprint.vocab_size)?,
            None => embedding_source.clone(),
        };
        let positions = match &tensors.positions {
            Some(name) => Some(self.dense(&TensorPart::whole(name))?),
            None => None,
        };
        let head_name = tensors.head.as_ref().map_or(&tensors.embedding, |head| &head.weight.tensor);
        let mut choose = |tensor: &String, role: Role, weights: &Weights| match weights {
            Weights::Dense(matrix) => {
                let (tensor, matrix) = (tensor.clone(), matrix.clone());
                choose(LinearSource { tensor, role, layer: None, matrix })
            }
            quantized => Ok(quantized.clone()),
        };
        let embedding = choose(&tensors.embedding, Role::Embedding, &embedding_source)?;
        let head_weights = choose(head_name, Role::Head, &head_source)?;
        let [embedding_packed, head_packed] =
            [&embedding, &head_weights].map(|weights| !matches!(weights, Weights::Dense(_)));
        let release = |source: &Weights| {
            if let Weights::Dense(matrix) = source {
                matrix.release();
            }
        };
        if embedding_packed && (head_packed || !tied) {
            release(&embedding_source);
        }
        if head_packed && (embedding_packed || !tied) {
            release(&head_source);
        }
        let head_bias = match tensors.head.as_ref().and_then(|head| head.bias.as_ref()) {
            Some(bias) => Some(self.vector(bias)?),
            None => None,
        };
        let d_model = self.blueprint.d_model;
        let projections = match &tensors.projections {
            Some([first, last]) => Some([self.kept(first, d_model)?, self.kept(last, self.blueprint.embedding_width)?]),
            None => None,
        };
        Ok(Model {
            head_shares_embedding: tied && !embedding_packed && !head_packed,
            embedding,
            embedding_norm: self.norm(&tensors.embedding_norm)?,
            projections,
            positions,
            blocks: Vec::with_capacity(self.blueprint.layers),
            final_norm: self.norm(&tensors.final_norm)?,
            head: Linear { weights: head_weights, bias: head_bias },
            kv_precision: KvPrecision::F32,
            blueprint: self.blueprint.clone(),
        })
    }

    /// Block `layer` with its matrices as they are stored.
    ///
    /// # Errors
    /// What the checkpoint lacks or holds wrongly, NaN and infinities included.
    ///
    /// # Panics
    /// If the model has no such block.
    pub fn block(&mut self, layer: usize) -> Result<Block, Error> {
        let block = self.unscanned_block(layer)?;
        for role in self.blueprint.tensors.blocks[layer].roles() {
            self.scan(&block, layer, role)?;
        }
        Ok(block)
    }

    /// Block `layer`, of which no matrix that lies in a mapped file is touched.
    fn unscanned_block(&mut self, layer: usize) -> Result<Block, Error> {
        let names: BlockTensors = self.blueprint.tensors.blocks[layer].clone();
        let (d_model, head_dim) = (self.blueprint.d_model, self.blueprint.head_dim);
        let (query_rows, key_rows) = (self.blueprint.heads * head_dim, self.blueprint.kv_heads * head_dim);
        let query_key_norm = match &names.query_key_norm {
            Some([query, key]) => Some([self.head_norm(query)?, self.head_norm(key)?]),
            None => None,
        };
        let feed_forward = match &names.feed_forward {
            FeedForwardTensors::Dense(mlp) => FeedForwardLayers::Dense(self.mlp(mlp)?),
            FeedForwardTensors::Experts(names) => {
                let router = self.kept(&names.router, names.experts.len())?;
                let experts = names.experts.iter().map(|names| self.mlp(names)).collect::<Result<_, _>>()?;
                let shared = match &names.shared {
                    Some((mlp, gate)) => Some((self.mlp(mlp)?, self.kept(gate, 1)?)),
                    None => None,
                };
                FeedForwardLayers::Experts(ExpertLayers { router, experts, shared })
            }
        };
        Ok(Block {
            attention_norm: self.norm(&names.attention_norm)?,
            query: self.linear(&names.query, query_rows)?,
            key: self.linear(&names.key, key_rows)?,
            value: self.linear(&names.value, key_rows)?,
            output: self.linear(&names.output, d_model)?,
            query_key_norm,
            attention_output_norm: self.norm(&names.attention_output_norm)?,
            feed_forward_norm: self.norm(&names.feed_forward_norm)?,
            feed_forward,
            feed_forward_output_norm: self.norm(&names.feed_forward_output_norm)?,
        })
    }

    fn mlp(&mut self, names: &MlpTensors) -> Result<MlpLayers, Error> {
        let gate = match &names.gate {
            Some(gate) => Some(self.linear(gate, names.width)?),
            None => None,
        };
        let d_model = self.blueprint.d_model;
        Ok(MlpLayers { gate, up: self.linear(&names.up, names.width)?, down: self.linear(&names.down, d_model)? })
    }

    /// Looks through the matrix that serves as `role` for NaN and infinities.
    fn scan(&mut self, block: &Block, layer: usize, role: Role) -> Result<(), Error> {
        match block.source(&self.blueprint, layer, role) {
            Some(source) => self.finite(&source.tensor).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Gives `model` all its blocks; `choose` turns every matrix into the weights to run with. Of what is packed, one
    /// matrix at a time takes memory as it is stored.
    ///
    /// # Errors
    /// As [`Self::block`], and what `choose` returns.
    pub fn blocks<E: From<Error>>(
        &mut self,
        model: &mut Model,
        choose: &mut dyn FnMut(LinearSource) -> Result<Weights, E>,
    ) -> Result<(), E> {
        for layer in 0..model.blueprint.layers {
            let mut block = self.unscanned_block(layer)?;
            for role in self.blueprint.tensors.blocks[layer].roles() {
                self.scan(&block, layer, role)?;
                if let Some(source) = block.source(&model.blueprint, layer, role) {
                    block.replace(role, choose(source)?);
                }
            }
            model.blocks.push(block);
        }
        Ok(())
    }

    /// The tensor called `name`, looked through for NaN and infinities the first time.
    fn finite(&mut self, name: &str) -> Result<TensorView, Error> {
        let view = self.checkpoint.tensor(name)?;
        if !self.scanned.contains(name) {
            self.checkpoint.scan_finite(&view)?;
            self.scanned.insert(name.to_string());
        }
        Ok(view)
    }

    /// A matrix as stored, or one part of a fused one, [out_features, in_features], looked through.
    fn dense(&mut self, part: &TensorPart) -> Result<DenseMatrix, Error> {
        self.finite(&part.tensor)?;
        self.unscanned(part)
    }

    /// Likewise, not touched where it lies in a mapped file as it is.
    fn unscanned(&mut self, part: &TensorPart) -> Result<DenseMatrix, Error> {
        let view = match part.orientation {
            Orientation::OutIn => self.checkpoint.tensor(&part.tensor)?,
            Orientation::InOut => self.finite(&part.tensor)?,
        };
        let stored = DenseMatrix::new(view.bytes.clone(), view.dtype, view.rows(), view.columns());
        if let Some(runs) = part.runs {
            // Rows that do not lie together: a copy.
            let gathered = match runs.count {
                1 => return Ok(stored.slice(runs.first, runs.len)),
                _ => stored.gathered(runs),
            };
            stored.release();
            return Ok(gathered);
        }
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
        if let Some(Runs { first, len, stride, count, .. }) = part.runs {
            return Ok((0..count).flat_map(|run| values[first + run * stride..][..len].to_vec()).collect());
        }
        let (index, parts) = part.part;
        let len = values.len() / parts;
        Ok(values[index * len..(index + 1) * len].to_vec())
    }

    fn named(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        self.vector(&TensorPart::whole(name))
    }

    fn norm(&mut self, names: &Option<NormTensors>) -> Result<Option<NormWeights>, Error> {
        match names {
            Some(names) => self.norm_weights(names).map(Some),
            None => Ok(None),
        }
    }

    fn norm_weights(&mut self, names: &NormTensors) -> Result<NormWeights, Error> {
        let mut weight = self.named(&names.weight)?;
        let bias = match (&names.bias, self.blueprint.norm) {
            (Some(name), _) => self.named(name)?,
            (None, Norm::Layer { .. }) => vec![0.0; weight.len()],
            (None, Norm::Rms { .. }) => Vec::new(),
        };
        if let Norm::Rms { offset, .. } = self.blueprint.norm
            && offset != 0.0
        {
            weight.iter_mut().for_each(|weight| *weight += offset);
        }
        Ok(NormWeights { weight, bias })
    }

    /// Norms of heads, one after the other.
    fn head_norm(&mut self, names: &HeadNormTensors) -> Result<NormWeights, Error> {
        let mut all = NormWeights { weight: Vec::new(), bias: Vec::new() };
        for names in &names.norms {
            let NormWeights { weight, bias } = self.norm_weights(names)?;
            all.weight.extend(weight);
            all.bias.extend(bias);
        }
        Ok(all)
    }

    /// A linear layer that is never quantized, looked through.
    fn kept(&mut self, names: &LinearTensors, rows: usize) -> Result<Linear, Error> {
        let linear = self.linear(names, rows)?;
        self.finite(&names.weight.tensor)?;
        Ok(linear)
    }

    /// A matrix in the format it is stored in, or one part of a fused one, looked through.
    fn weights(&mut self, part: &TensorPart, rows: usize) -> Result<Weights, Error> {
        let weights = self.unscanned_weights(part, rows)?;
        if let Weights::Dense(_) = weights {
            self.finite(&part.tensor)?;
        }
        Ok(weights)
    }

    /// Likewise, `rows` rows, not looked through.
    fn unscanned_weights(&mut self, part: &TensorPart, rows: usize) -> Result<Weights, Error> {
        let Some(format) = self.prequantized.as_mut().filter(|format| format.holds(self.checkpoint, &part.tensor))
        else {
            return Ok(Weights::Dense(self.unscanned(part)?));
        };
        let shape = self.blueprint.matrix_shapes().get(part.tensor.as_str()).copied().unwrap_or_default();
        format.read(self.checkpoint, &part.tensor, &MatrixPart { shape, rows, part: part.part, runs: part.runs })
    }

    /// A layer of a block with `rows` outputs; its matrix is not looked through.
    fn linear(&mut self, names: &LinearTensors, rows: usize) -> Result<Linear, Error> {
        let weights = self.unscanned_weights(&names.weight, rows)?;
        let bias = match &names.bias {
            Some(part) => Some(self.vector(part)?),
            None => None,
        };
        Ok(Linear { weights, bias })
    }
}
