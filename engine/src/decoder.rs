//! The forward pass of every family: the reading order is the architecture.
//!
//! A batch is ragged: chunks of any length, of any sequences, each appended to its own cache, never padded. All
//! matrices see the batch as one [tokens, d_model]; attention alone knows which token belongs to which sequence. So
//! what shares a batch, and how a sequence is cut into chunks, changes no bit.

use crate::blueprint::{Activation, Blueprint, FeedForward, Norm, Positions};
use crate::error::Error;
use crate::kv_cache::{KvCache, KvPrefix};
use crate::linear::{Input, Weights};
use crate::model::{Block, Model, NormWeights};
use crate::runtime::Runtime;
use kernels::{AttentionShape, ColumnsMut, Nonlinearity, QUERY_TILE, math};
use rayon::prelude::*;
use std::ops::Range;

/// A model and what computes it.
#[derive(Clone, Copy)]
pub struct Decoder<'a> {
    model: &'a Model,
    runtime: &'a Runtime,
}

/// Consecutive tokens of one sequence.
pub struct Chunk<'a> {
    /// The sequence so far; the tokens are appended.
    pub cache: &'a mut KvCache,
    /// The next tokens.
    pub tokens: &'a [u32],
    /// Length of the sequence that position encodings are made for (see `Rope::inverse_frequencies`): the whole
    /// sequence when a text is scored.
    pub sequence_len: usize,
    /// Which of `tokens` are wanted at the end, ascending.
    pub wanted: Range<usize>,
}

/// A NaN or an infinity in a sequence's hidden state: that sequence has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumericalFailure {
    /// Block after which it was found; the number of blocks stands for the head.
    pub layer: usize,
    /// Position in the sequence.
    pub position: usize,
}

impl From<NumericalFailure> for Error {
    fn from(failure: NumericalFailure) -> Self {
        Error::Numerics { layer: failure.layer, position: failure.position, what: "a NaN or an infinity".into() }
    }
}

/// The batch on its way through the blocks.
struct State {
    /// Residual stream, [tokens, d_model].
    x: Vec<f32>,
    /// Position of each token.
    positions: Vec<usize>,
    /// cos and sin of each token, [tokens, rotary_dim / 2] each.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// Rows of each chunk.
    rows: Vec<Range<usize>>,
    /// First failure of each chunk.
    failures: Vec<Option<NumericalFailure>>,
}

/// Tokens of one attention task.
const ATTENTION_TASK_TOKENS: usize = 16;

impl<'a> Decoder<'a> {
    /// The decoder of `model` on `runtime`.
    pub fn new(model: &'a Model, runtime: &'a Runtime) -> Self {
        Self { model, runtime }
    }

    /// The model's blueprint.
    pub fn blueprint(&self) -> &'a Blueprint {
        &self.model.blueprint
    }

    /// An empty cache after `prefix`.
    pub fn cache_after(&self, prefix: &KvPrefix) -> KvCache {
        let blueprint = self.blueprint();
        KvCache::after(prefix, blueprint.layers, blueprint.kv_heads * blueprint.head_dim)
    }

    /// Bytes that one token takes in a cache.
    pub fn cache_bytes_per_token(&self) -> usize {
        let blueprint = self.blueprint();
        2 * 4 * blueprint.layers * blueprint.kv_heads * blueprint.head_dim
    }

    /// Appends every chunk to its cache and returns, chunk by chunk, the normalised hidden states of the wanted
    /// tokens, [wanted, d_model], ready for the head.
    ///
    /// # Errors
    /// A token outside the vocabulary, or a position beyond a learned position table. A numerical failure is the
    /// chunk's own result, not the batch's.
    pub fn forward(&self, chunks: &mut [Chunk<'_>]) -> Result<Vec<Result<Vec<f32>, NumericalFailure>>, Error> {
        let mut state = self.embed(chunks)?;
        self.runtime.run(|| {
            for (layer, block) in self.model.blocks.iter().enumerate() {
                self.block(layer, block, &mut state, chunks);
            }
        });
        for chunk in chunks.iter_mut() {
            chunk.cache.advance(chunk.tokens.len());
        }
        let d_model = self.blueprint().d_model;
        let outputs = chunks.iter().zip(&state.rows).zip(&state.failures).map(|((chunk, rows), failure)| {
            if let Some(failure) = failure {
                return Err(*failure);
            }
            let wanted = rows.start + chunk.wanted.start..rows.start + chunk.wanted.end;
            let x = &state.x[wanted.start * d_model..wanted.end * d_model];
            let mut normed = vec![0.0; x.len()];
            self.runtime.run(|| self.norm_rows(&self.model.final_norm, x, &mut normed));
            Ok(normed)
        });
        Ok(outputs.collect())
    }

    /// Logits of hidden states [rows, d_model]: [rows, vocab_size].
    pub fn logits(&self, hidden: &[f32]) -> Vec<f32> {
        let blueprint = self.blueprint();
        let mut logits = vec![0.0; hidden.len() / blueprint.d_model * blueprint.vocab_size];
        self.runtime
            .run(|| self.model.head.forward(self.runtime, &mut Input::new(hidden, blueprint.d_model), &mut logits));
        logits
    }

    /// ln(sum(exp(x))) of every row of logits [rows, vocab_size], in f64.
    pub fn log_sum_exps(&self, logits: &[f32]) -> Vec<f64> {
        let kernels = self.runtime.kernels();
        let rows = logits.par_chunks(self.blueprint().vocab_size);
        self.runtime.run(|| rows.map(|row| kernels.log_sum_exp(row)).collect())
    }

    /// Looks up embeddings and prepares position encodings.
    fn embed(&self, chunks: &[Chunk<'_>]) -> Result<State, Error> {
        let blueprint = self.blueprint();
        let d_model = blueprint.d_model;
        let tokens: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
        let mut state = State {
            x: vec![0.0; tokens * d_model],
            positions: Vec::with_capacity(tokens),
            cos: Vec::new(),
            sin: Vec::new(),
            rows: Vec::with_capacity(chunks.len()),
            failures: vec![None; chunks.len()],
        };
        let mut learned = vec![0.0; d_model];
        for chunk in chunks {
            let (first, start) = (state.positions.len(), chunk.cache.len());
            let frequencies = match &blueprint.positions {
                Positions::Rotary(rope) => rope.inverse_frequencies(chunk.sequence_len),
                Positions::Learned { .. } => Vec::new(),
            };
            for (offset, &token) in chunk.tokens.iter().enumerate() {
                let position = start + offset;
                let row = &mut state.x[(first + offset) * d_model..(first + offset + 1) * d_model];
                if token as usize >= blueprint.vocab_size {
                    return Err(Error::TokenRange { token, position, vocab_size: blueprint.vocab_size });
                }
                match &self.model.embedding {
                    Weights::Dense(matrix) => matrix.row_to_f32(token as usize, row),
                    Weights::Packed { matrix, .. } => matrix.dequantize_row(token as usize, row),
                }
                if let Some(table) = &self.model.positions {
                    if position >= table.rows() {
                        return Err(Error::ContextLength { position, limit: table.rows() });
                    }
                    table.row_to_f32(position, &mut learned);
                    for (value, &p) in row.iter_mut().zip(&learned) {
                        *value += p;
                    }
                }
                for &frequency in &frequencies {
                    let (sin, cos) = math::sin_cos(position as f64 * frequency);
                    state.cos.push(cos as f32);
                    state.sin.push(sin as f32);
                }
                state.positions.push(position);
            }
            state.rows.push(first..state.positions.len());
        }
        Ok(state)
    }

    /// One decoder block: x += attention(norm(x)); x += feed_forward(norm(x)).
    fn block(&self, layer: usize, block: &Block, state: &mut State, chunks: &mut [Chunk<'_>]) {
        let blueprint = self.blueprint();
        let (tokens, d_model) = (state.positions.len(), blueprint.d_model);
        let (query_width, kv_width) = (blueprint.heads * blueprint.head_dim, blueprint.kv_heads * blueprint.head_dim);
        let mut normed = vec![0.0; tokens * d_model];
        let mut update = vec![0.0; tokens * d_model];

        self.norm_rows(&block.attention_norm, &state.x, &mut normed);
        let mut query = vec![0.0; tokens * query_width];
        let mut key = vec![0.0; tokens * kv_width];
        let mut value = vec![0.0; tokens * kv_width];
        let mut input = Input::new(&normed, d_model);
        block.query.forward(self.runtime, &mut input, &mut query);
        block.key.forward(self.runtime, &mut input, &mut key);
        block.value.forward(self.runtime, &mut input, &mut value);
        self.encode_positions(block, state, &mut query, &mut key);
        for (chunk, rows) in chunks.iter_mut().zip(&state.rows) {
            let range = rows.start * kv_width..rows.end * kv_width;
            chunk.cache.append(layer, &key[range.clone()], &value[range]);
        }
        let mut attended = vec![0.0; tokens * query_width];
        self.attend(layer, state, chunks, &query, &mut attended);
        block.output.forward(self.runtime, &mut Input::new(&attended, query_width), &mut update);
        add_rows(&mut state.x, &update, d_model);

        self.norm_rows(&block.feed_forward_norm, &state.x, &mut normed);
        self.feed_forward(block, &normed, &mut update);
        add_rows(&mut state.x, &update, d_model);
        state.note_failures(layer, d_model);
    }

    /// Normalises queries and keys per head where the family does, and rotates them.
    fn encode_positions(&self, block: &Block, state: &State, query: &mut [f32], key: &mut [f32]) {
        let blueprint = self.blueprint();
        let (kernels, head_dim) = (self.runtime.kernels(), blueprint.head_dim);
        let eps = match blueprint.norm {
            Norm::Rms { eps } | Norm::Layer { eps } => eps,
        };
        let encode = |row: &mut [f32], token: usize, norm: Option<&Vec<f32>>| {
            let mut normed = vec![0.0; head_dim];
            for head in row.chunks_mut(head_dim) {
                if let Some(weight) = norm {
                    kernels.rms_norm(head, weight, eps, &mut normed);
                    head.copy_from_slice(&normed);
                }
                if let Positions::Rotary(rope) = &blueprint.positions {
                    let half = rope.rotary_dim / 2;
                    let angles = token * half..(token + 1) * half;
                    kernels.rotate(head, &state.cos[angles.clone()], &state.sin[angles]);
                }
            }
        };
        let (query_norm, key_norm) = match &block.query_key_norm {
            Some((query, key)) => (Some(query), Some(key)),
            None => (None, None),
        };
        key.par_chunks_mut(blueprint.kv_heads * head_dim)
            .enumerate()
            .for_each(|(token, row)| encode(row, token, key_norm));
        query.par_chunks_mut(blueprint.heads * head_dim).enumerate().for_each(|(token, row)| {
            encode(row, token, query_norm);
            if let Some(factor) = blueprint.log_n.and_then(|n| log_n_factor(state.positions[token], n)) {
                for value in row.iter_mut() {
                    *value *= factor;
                }
            }
        });
    }

    /// Attention of every chunk to its own cache; tasks are tiles of tokens times key/value heads.
    fn attend(&self, layer: usize, state: &State, chunks: &[Chunk<'_>], query: &[f32], attended: &mut [f32]) {
        let blueprint = self.blueprint();
        let (head_dim, kv_heads) = (blueprint.head_dim, blueprint.kv_heads);
        let (width, group) = (blueprint.heads * head_dim, blueprint.heads / kv_heads);
        let window = blueprint.windows[layer];
        let mut tasks = Vec::new();
        let mut rest = attended;
        for (index, rows) in state.rows.iter().enumerate() {
            for first in rows.clone().step_by(ATTENTION_TASK_TOKENS) {
                let tile = first..rows.end.min(first + ATTENTION_TASK_TOKENS);
                let (out, tail) = rest.split_at_mut(tile.len() * width);
                rest = tail;
                for (kv_head, out) in ColumnsMut::new(out, width).chunks(group * head_dim).into_iter().enumerate() {
                    tasks.push((index, tile.clone(), kv_head, out));
                }
            }
        }
        tasks.into_par_iter().for_each(|(index, tile, kv_head, mut out)| {
            let shape = AttentionShape {
                head_dim,
                stride: kv_heads * head_dim,
                offset: kv_head * head_dim,
                scale: blueprint.score_scales[layer],
            };
            let columns = kv_head * group * head_dim..(kv_head + 1) * group * head_dim;
            let mut queries = Vec::with_capacity(tile.len() * columns.len());
            let mut visible = Vec::with_capacity(tile.len() * group);
            for token in tile.clone() {
                queries.extend_from_slice(&query[token * width..(token + 1) * width][columns.clone()]);
                let end = state.positions[token] + 1;
                let start = window.map_or(0, |window| end.saturating_sub(window));
                visible.extend(std::iter::repeat_n(start..end, group));
            }
            let spans = chunks[index].cache.spans(layer);
            let positions = chunks[index].cache.len() + chunks[index].tokens.len();
            let mut scores = vec![0.0; QUERY_TILE * positions];
            let mut result = vec![0.0; queries.len()];
            self.runtime.kernels().attend(shape, &queries, &visible, &spans, &mut scores, &mut result);
            for (row, values) in result.chunks(columns.len()).enumerate() {
                out.row(row).copy_from_slice(values);
            }
        });
    }

    fn feed_forward(&self, block: &Block, normed: &[f32], update: &mut [f32]) {
        let blueprint = self.blueprint();
        let (d_model, d_ff, kernels) = (blueprint.d_model, blueprint.d_ff, self.runtime.kernels());
        let mut input = Input::new(normed, d_model);
        let mut hidden = vec![0.0; normed.len() / d_model * d_ff];
        block.up.forward(self.runtime, &mut input, &mut hidden);
        match (blueprint.feed_forward, &block.gate) {
            (FeedForward::Gated(activation), Some(gate)) => {
                let mut gated = vec![0.0; hidden.len()];
                gate.forward(self.runtime, &mut input, &mut gated);
                gated
                    .par_chunks_mut(d_ff)
                    .zip(hidden.par_chunks(d_ff))
                    .for_each(|(gate, up)| kernels.gate(nonlinearity(activation), gate, up));
                hidden = gated;
            }
            (FeedForward::Gated(activation) | FeedForward::Plain(activation), _) => {
                hidden.par_chunks_mut(d_ff).for_each(|row| kernels.activate(nonlinearity(activation), row));
            }
        }
        block.down.forward(self.runtime, &mut Input::new(&hidden, d_ff), update);
    }

    fn norm_rows(&self, weights: &NormWeights, x: &[f32], y: &mut [f32]) {
        let (kernels, d_model, norm) = (self.runtime.kernels(), self.blueprint().d_model, self.blueprint().norm);
        x.par_chunks(d_model).zip(y.par_chunks_mut(d_model)).for_each(|(x, y)| match norm {
            Norm::Rms { eps } => kernels.rms_norm(x, &weights.weight, eps, y),
            Norm::Layer { eps } => kernels.layer_norm(x, &weights.weight, &weights.bias, eps, y),
        });
    }
}

impl State {
    /// Notes the first position of each chunk whose row is not finite, with the first block after which it was not:
    /// later positions follow earlier ones, so this does not depend on how the sequence was cut.
    fn note_failures(&mut self, layer: usize, d_model: usize) {
        for (rows, failure) in self.rows.iter().zip(&mut self.failures) {
            let values = &self.x[rows.start * d_model..rows.end * d_model];
            let Some(at) = values.iter().position(|value| !value.is_finite()) else { continue };
            let position = self.positions[rows.start + at / d_model];
            if failure.is_none_or(|known| position < known.position) {
                *failure = Some(NumericalFailure { layer, position });
            }
        }
    }
}

/// x += update, [tokens, d_model].
fn add_rows(x: &mut [f32], update: &[f32], d_model: usize) {
    x.par_chunks_mut(d_model).zip(update.par_chunks(d_model)).for_each(|(x, update)| {
        for (value, &u) in x.iter_mut().zip(update) {
            *value += u;
        }
    });
}

/// ln(position + 1) / ln(n) where position + 1 > n.
fn log_n_factor(position: usize, n: usize) -> Option<f32> {
    (position + 1 > n).then(|| (math::ln((position + 1) as f64) / math::ln(n as f64)) as f32)
}

fn nonlinearity(activation: Activation) -> Nonlinearity {
    match activation {
        Activation::Silu => Nonlinearity::Silu,
        Activation::GeluTanh => Nonlinearity::GeluTanh,
        Activation::GeluErf => Nonlinearity::GeluErf,
        Activation::Relu => Nonlinearity::Relu,
    }
}
