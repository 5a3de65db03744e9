//! The forward pass of every family: the reading order is the architecture.
//!
//! A batch is ragged: chunks of any length, of any sequences, each appended to its own cache, never padded. All
//! matrices see the batch as one [tokens, d_model]; attention alone knows which token belongs to which sequence. So
//! what shares a batch, and how a sequence is cut into chunks, changes no bit.

use crate::aligned::Aligned;
use crate::attention::Attention;
use crate::blueprint::{Blueprint, Norm, Positions, QkNorm, Residual, Rotary};
pub use crate::chunk::Chunk;
use crate::error::Error;
pub use crate::input::InputRounding;
use crate::input::TASK_TOKENS;
use crate::kv_cache::{CacheShape, KvCache, KvPrefix};
use crate::linear::{Linear, multiply};
use crate::model::{Block, BlockInput, Model, NormSlices, NormWeights};
use crate::rope::{Pairing, Rope};
use crate::runtime::Runtime;
use crate::workspace::Workspace;
use kernels::{ActivationCodes, Kernels, Pointwise, math, rotate_neighbours};
use std::ops::Range;

/// A model and what computes it.
#[derive(Clone, Copy)]
pub struct Decoder<'a> {
    pub(crate) model: &'a Model,
    runtime: &'a Runtime,
    rounding: InputRounding,
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
pub(crate) struct State {
    /// Residual stream, [tokens, d_model].
    pub(crate) x: Aligned<f32>,
    /// Position of each token.
    pub(crate) positions: Vec<usize>,
    /// Of each rotary embedding, cos and sin of each token, [tokens, rotary_dim / 2] each.
    angles: Vec<[Vec<f32>; 2]>,
    /// Whether each token's row holds a NaN or an infinity.
    broken: Vec<bool>,
    /// Rows of each chunk.
    pub(crate) rows: Vec<Range<usize>>,
    /// First failure of each chunk.
    pub(crate) failures: Vec<Option<NumericalFailure>>,
}

/// Who is shown the f32 input of linear layers, [tokens, columns], before they are applied.
pub(crate) type InputObserver<'o> = &'o mut dyn FnMut(BlockInput, &[f32]);

/// Memory for the activations of a batch, without keys and values: larger batches are computed in parts.
const WORKSPACE_BYTES: usize = 48 << 20;

impl<'a> Decoder<'a> {
    /// The decoder of `model` on `runtime`.
    pub fn new(model: &'a Model, runtime: &'a Runtime) -> Self {
        Self { model, runtime, rounding: InputRounding::None }
    }

    /// The same decoder with the inputs of the blocks' linear layers rounded.
    pub fn with_inputs(self, rounding: InputRounding) -> Self {
        Self { rounding, ..self }
    }

    /// The model's blueprint.
    pub fn blueprint(&self) -> &'a Blueprint {
        &self.model.blueprint
    }

    /// What computes it.
    pub(crate) fn runtime(&self) -> &'a Runtime {
        self.runtime
    }

    /// The output head.
    pub(crate) fn head(&self) -> &'a Linear {
        &self.model.head
    }

    /// An empty cache after `prefix`.
    pub fn cache_after(&self, prefix: &KvPrefix) -> KvCache {
        KvCache::after(prefix, self.cache_shape())
    }

    /// Whether a token's bits depend on the other tokens of its chunk, so that a sequence must be read as it is meant to be:
    /// a prompt as one chunk, from its first token on. What else shares the batch still changes nothing.
    pub fn reads_whole(&self) -> bool {
        self.model.blocks.iter().any(|block| block.linears().any(Linear::couples_tokens))
    }

    /// A prompt in the chunks to read: of `size` tokens, or one where [`Self::reads_whole`].
    pub fn chunks<'t>(&self, prompt: &'t [u32], size: usize) -> std::slice::Chunks<'t, u32> {
        prompt.chunks(if self.reads_whole() { prompt.len().max(1) } else { size.max(1) })
    }

    /// Bytes that one token takes in a cache: codes, scales and padding as they are held.
    pub fn cache_bytes_per_token(&self) -> usize {
        self.cache_shape().bytes_per_token()
    }

    fn cache_shape(&self) -> CacheShape {
        let Blueprint { layers, kv_heads, head_dim, .. } = *self.blueprint();
        CacheShape { layers, kv_heads, head_dim, precision: self.model.kv_precision() }
    }

    /// Appends every chunk to its cache and returns, chunk by chunk, the normalised hidden states of the wanted
    /// tokens, [wanted, embedding_width], ready for the head.
    ///
    /// # Errors
    /// A token outside the vocabulary, or a position beyond a learned position table. A numerical failure is the
    /// chunk's own result, not the batch's.
    pub fn forward(&self, chunks: &mut [Chunk<'_>]) -> Result<Vec<Result<Vec<f32>, NumericalFailure>>, Error> {
        let mut outputs: Vec<Result<Vec<f32>, NumericalFailure>> = chunks.iter().map(|_| Ok(Vec::new())).collect();
        // The chunks one after the other, as many tokens at a time as the workspace has room for; where tokens of a chunk
        // depend on each other, whole chunks, and at least one.
        let (limit, is_whole) = (self.tokens_at_once(), self.reads_whole());
        let (mut first, mut done) = (0, 0);
        while first < chunks.len() {
            let (mut part, mut room, start) = (Vec::new(), limit, first);
            for chunk in &mut chunks[start..] {
                if is_whole && (part.is_empty() || chunk.tokens.len() <= room) {
                    room = room.max(chunk.tokens.len());
                } else if is_whole || room == 0 {
                    break;
                }
                let end = chunk.tokens.len().min(done + room);
                let wanted = |position: usize| position.clamp(done, end) - done;
                part.push(Chunk {
                    cache: &mut *chunk.cache,
                    tokens: &chunk.tokens[done..end],
                    sequence_len: chunk.sequence_len,
                    wanted: wanted(chunk.wanted.start)..wanted(chunk.wanted.end),
                });
                room -= end - done;
                if end < chunk.tokens.len() {
                    done = end;
                    break;
                }
                (first, done) = (first + 1, 0);
            }
            for (output, found) in outputs[start..].iter_mut().zip(self.forward_at_once(&mut part)?) {
                match (output.as_mut(), found) {
                    (Ok(hidden), Ok(found)) => hidden.extend(found),
                    (Ok(_), Err(failure)) => *output = Err(failure),
                    (Err(_), _) => {}
                }
            }
        }
        Ok(outputs)
    }

    /// Tokens whose workspace stays below [`WORKSPACE_BYTES`].
    pub(crate) fn tokens_at_once(&self) -> usize {
        let blueprint = self.blueprint();
        let (query, kv) = (blueprint.heads * blueprint.head_dim, blueprint.kv_heads * blueprint.head_dim);
        let floats = 3 * blueprint.d_model + 2 * query + 2 * kv + blueprint.d_ff;
        let codes = 2 * (blueprint.d_model + query + blueprint.d_ff);
        (WORKSPACE_BYTES / (4 * floats + codes)).max(1)
    }

    fn forward_at_once(&self, chunks: &mut [Chunk<'_>]) -> Result<Vec<Result<Vec<f32>, NumericalFailure>>, Error> {
        let mut state = self.embed(chunks)?;
        let mut workspace = self.runtime.workspace();
        self.forget_update(&state, &mut workspace);
        for (layer, block) in self.model.blocks.iter().enumerate() {
            self.block(layer, block, &mut state, &mut workspace, chunks, &mut |_, _| {});
        }
        self.add_update(&mut state, &workspace.update, self.blueprint().layers - 1);
        for chunk in chunks.iter_mut() {
            chunk.cache.advance();
        }
        let d_model = self.blueprint().d_model;
        let mut outputs: Vec<Result<Vec<f32>, NumericalFailure>> = (chunks.iter().zip(&state.failures))
            .map(|(chunk, failure)| match failure {
                Some(failure) => Err(*failure),
                None => Ok(vec![0.0; chunk.wanted.len() * d_model]),
            })
            .collect();
        let mut tasks = Vec::new();
        for ((output, chunk), rows) in outputs.iter_mut().zip(chunks.iter()).zip(&state.rows) {
            let first = (rows.start + chunk.wanted.start) * d_model;
            for (index, normed) in output.iter_mut().flat_map(|output| output.chunks_mut(d_model)).enumerate() {
                tasks.push((&state.x.as_slice()[first + index * d_model..][..d_model], normed));
            }
        }
        self.runtime.team().for_each_mut(&mut tasks, |_, (x, y)| self.norm_or_copy(&self.model.final_norm, x, y));
        if let Some([_, last]) = &self.model.projections {
            for output in outputs.iter_mut().flatten() {
                let mut projected = vec![0.0; output.len() / d_model * self.blueprint().embedding_width];
                last.forward(self.runtime, output, &mut projected);
                *output = projected;
            }
        }
        Ok(outputs)
    }

    /// Logits of hidden states [rows, embedding_width]: [rows, vocab_size].
    pub fn logits(&self, hidden: &[f32]) -> Vec<f32> {
        let blueprint = self.blueprint();
        let mut logits = vec![0.0; hidden.len() / blueprint.embedding_width * blueprint.vocab_size];
        self.model.head.forward(self.runtime, hidden, &mut logits);
        self.finish_logits(&mut logits);
        logits
    }

    /// Scales and caps what the head gives.
    pub(crate) fn finish_logits(&self, logits: &mut [f32]) {
        let blueprint = self.blueprint();
        if blueprint.logit_scale != 1.0 {
            self.runtime.kernels().pointwise(Pointwise::Scale(blueprint.logit_scale), logits);
        }
        if let Some(cap) = blueprint.logit_cap {
            self.runtime.kernels().pointwise(Pointwise::SoftCap(cap), logits);
        }
    }

    /// ln(sum(exp(x))) of every row of logits [rows, vocab_size], in f64.
    pub fn log_sum_exps(&self, logits: &[f32]) -> Vec<f64> {
        let (kernels, vocab_size) = (self.runtime.kernels(), self.blueprint().vocab_size);
        let mut sums = vec![0.0; logits.len() / vocab_size];
        self.runtime.team().for_each_mut(
            &mut sums.iter_mut().zip(logits.chunks(vocab_size)).collect::<Vec<_>>(),
            |_, (sum, row)| {
                **sum = kernels.log_sum_exp(row);
            },
        );
        sums
    }

    /// Looks up embeddings and prepares position encodings.
    pub(crate) fn embed(&self, chunks: &[Chunk<'_>]) -> Result<State, Error> {
        let blueprint = self.blueprint();
        let (d_model, width) = (blueprint.d_model, blueprint.embedding_width);
        let mut state = self.encoded_positions(chunks);
        let mut embedded = vec![0.0; state.positions.len() * width];
        let tokens = chunks.iter().flat_map(|chunk| chunk.tokens);
        for ((&token, &position), row) in tokens.zip(&state.positions).zip(embedded.chunks_mut(width)) {
            if token as usize >= blueprint.vocab_size {
                return Err(Error::TokenRange { token, position, vocab_size: blueprint.vocab_size });
            }
            self.model.embedding.row(token as usize, row);
            if blueprint.embedding_scale != 1.0 {
                self.runtime.kernels().pointwise(Pointwise::Scale(blueprint.embedding_scale), row);
            }
        }
        match &self.model.projections {
            Some([first, _]) => first.forward(self.runtime, &embedded, state.x.as_mut_slice()),
            None => state.x.as_mut_slice().copy_from_slice(&embedded),
        }
        let mut scratch = vec![0.0; d_model];
        for (&position, row) in state.positions.iter().zip(state.x.as_mut_slice().chunks_mut(d_model)) {
            if let (Some(table), Positions::Learned { first, .. }) = (&self.model.positions, &blueprint.positions) {
                if first + position >= table.rows() {
                    return Err(Error::ContextLength { position, limit: table.rows().saturating_sub(*first) });
                }
                table.row_to_f32(first + position, &mut scratch);
                for (value, &p) in row.iter_mut().zip(&scratch) {
                    *value += p;
                }
            }
            if let Some(norm) = &self.model.embedding_norm {
                self.norm(norm.all(), row, &mut scratch);
                row.copy_from_slice(&scratch);
            }
        }
        Ok(state)
    }

    /// A batch at the positions of `chunks`, its residual stream zero.
    pub(crate) fn encoded_positions(&self, chunks: &[Chunk<'_>]) -> State {
        let blueprint = self.blueprint();
        let tokens: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
        let mut state = State {
            x: Aligned::zeroed(tokens * blueprint.d_model),
            broken: vec![false; tokens],
            positions: Vec::with_capacity(tokens),
            angles: Vec::new(),
            rows: Vec::with_capacity(chunks.len()),
            failures: vec![None; chunks.len()],
        };
        let ropes: &[Rope] = match &blueprint.positions {
            Positions::Rotary(rotary) => &rotary.ropes,
            Positions::Learned { .. } | Positions::Alibi { .. } => &[],
        };
        state.angles.resize(ropes.len(), Default::default());
        for chunk in chunks {
            let first = state.positions.len();
            let positions = (chunk.cache.len()..).take(chunk.tokens.len());
            for (rope, [cosines, sines]) in ropes.iter().zip(&mut state.angles) {
                let (frequencies, factor) = (rope.inverse_frequencies(chunk.sequence_len), rope.attention_factor());
                for position in positions.clone() {
                    for &frequency in &frequencies {
                        let (sin, cos) = math::sin_cos(position as f64 * frequency);
                        cosines.push((factor * cos) as f32);
                        sines.push((factor * sin) as f32);
                    }
                }
            }
            state.positions.extend(positions);
            state.rows.push(first..state.positions.len());
        }
        state
    }

    /// Nothing is to be added to the residual stream: it is before the first block that is applied.
    pub(crate) fn forget_update(&self, state: &State, work: &mut Workspace) {
        work.update.resize(state.x.as_slice().len());
        work.update.as_mut_slice().fill(0.0);
    }

    /// One decoder block; what its last half adds is left to the next block, unless a norm follows.
    pub(crate) fn block(
        &self,
        layer: usize,
        block: &Block,
        state: &mut State,
        work: &mut Workspace,
        chunks: &mut [Chunk<'_>],
        observe: InputObserver<'_>,
    ) {
        for input in [&mut work.normed, &mut work.attended, &mut work.hidden, &mut work.routed] {
            input.rounding = self.rounding;
        }
        let residual = self.blueprint().residual;
        // Norms before a half; of PostNorm they come after it.
        let before = |norm| if residual == Residual::PostNorm { &None } else { norm };
        let feed_forward_norm = before(&block.feed_forward_norm);
        let mut attention_reads = vec![&block.query, &block.key, &block.value];
        let shares_input = residual == Residual::Parallel && feed_forward_norm.is_none();
        if shares_input {
            attention_reads.extend(block.feed_forward_reads());
        }
        let before_layer = layer.saturating_sub(1);
        self.normalize(Pending::Update, state, work, before(&block.attention_norm), &attention_reads, before_layer);
        self.attention(layer, block, state, work, chunks, observe);
        self.finish_update(&block.attention_output_norm, &mut work.update);
        let pending = match residual {
            Residual::Serial => Pending::Update,
            Residual::PostNorm => {
                self.add_and_normalize(state, work, &block.attention_norm, layer);
                Pending::Nothing
            }
            Residual::Parallel => {
                std::mem::swap(&mut work.update, &mut work.other_update);
                work.update.resize(state.x.as_slice().len());
                Pending::Nothing
            }
        };
        if !shares_input {
            self.normalize(pending, state, work, feed_forward_norm, &block.feed_forward_reads(), layer);
        }
        self.feed_forward(block, state, work, observe);
        self.finish_update(&block.feed_forward_output_norm, &mut work.update);
        match residual {
            Residual::Serial => {}
            Residual::PostNorm => {
                self.add_and_normalize(state, work, &block.feed_forward_norm, layer);
                self.forget_update(state, work);
            }
            Residual::Parallel => {
                let mut rows = pairs(&mut work.update, &work.other_update, self.blueprint().d_model);
                self.runtime.team().for_each_mut(&mut rows, |_, (update, other)| {
                    self.runtime.kernels().add(update, other);
                });
            }
        }
    }

    /// update = attention(normed).
    fn attention(
        &self,
        layer: usize,
        block: &Block,
        state: &mut State,
        work: &mut Workspace,
        chunks: &mut [Chunk<'_>],
        observe: InputObserver<'_>,
    ) {
        let (blueprint, runtime) = (self.blueprint(), self.runtime);
        let tokens = state.positions.len();
        let (query_width, kv_width) = (blueprint.heads * blueprint.head_dim, blueprint.kv_heads * blueprint.head_dim);
        work.query.resize(tokens * query_width);
        work.key.resize(tokens * kv_width);
        work.value.resize(tokens * kv_width);
        observe(BlockInput::Attention, work.normed.x());
        let (query, key, value) = (work.query.as_mut_slice(), work.key.as_mut_slice(), work.value.as_mut_slice());
        multiply(
            runtime,
            &work.normed,
            &mut [(&block.query, &mut *query), (&block.key, &mut *key), (&block.value, &mut *value)],
        );
        self.encode_positions(layer, block, state, query, key);
        if let Some(limit) = blueprint.qkv_limit {
            runtime.kernels().pointwise(Pointwise::Clamp(limit), value);
        }
        let mut places = Vec::new();
        for (chunk, rows) in chunks.iter_mut().zip(&state.rows) {
            places.extend(chunk.cache.append(layer, rows.len()).map(|places| (rows.start, places)));
        }
        runtime.team().for_each_mut(&mut places, |_, (first, places)| {
            let range = (*first + places.tokens.start) * kv_width..(*first + places.tokens.end) * kv_width;
            places.write(&work.key.as_slice()[range.clone()], &work.value.as_slice()[range]);
        });
        work.attended.prepare(tokens, &[&block.output]);
        let attention = Attention {
            runtime,
            blueprint,
            layer,
            positions: &state.positions,
            rows: &state.rows,
            chunks,
            query: work.query.as_slice(),
            query_codes: block.query.codes_width().unwrap_or(ActivationCodes::A16),
            scratch: &work.scratch,
        };
        attention.write(work.attended.columns_mut());
        observe(BlockInput::Output, work.attended.x());
        work.attended.write_views(runtime, &state.rows);
        multiply(runtime, &work.attended, &mut [(&block.output, work.update.as_mut_slice())]);
    }

    /// x += update where that is pending; normed = norm(x), with the views that `layers` read.
    fn normalize(
        &self,
        pending: Pending,
        state: &mut State,
        work: &mut Workspace,
        norm: &Option<NormWeights>,
        layers: &[&Linear],
        layer: usize,
    ) {
        let d_model = self.blueprint().d_model;
        work.normed.prepare(state.positions.len(), layers);
        let rows = state.rows_mut(d_model, &work.update);
        let mut tasks: Vec<_> = rows.into_iter().zip(work.normed.rows_mut()).collect();
        self.runtime.team().for_each_mut(&mut tasks, |_, (rows, normed)| {
            if pending == Pending::Update {
                rows.add(self.runtime.kernels());
            }
            for (x, y) in rows.x.chunks(d_model).zip(normed.x.chunks_mut(d_model)) {
                self.norm_or_copy(norm, x, y);
            }
            normed.write_views(self.runtime.kernels());
        });
        work.normed.write_calls(self.runtime, &state.rows);
        state.note_failures(layer);
    }

    /// x = norm(x + update).
    fn add_and_normalize(&self, state: &mut State, work: &Workspace, norm: &Option<NormWeights>, layer: usize) {
        let d_model = self.blueprint().d_model;
        self.add_update(state, &work.update, layer);
        let mut rows: Vec<&mut [f32]> = state.x.as_mut_slice().chunks_mut(d_model).collect();
        self.runtime.team().for_each_mut(&mut rows, |_, x| self.norm_in_place(norm, x));
    }

    /// What a half adds, normalised and scaled as the family does.
    fn finish_update(&self, norm: &Option<NormWeights>, update: &mut Aligned<f32>) {
        let scale = self.blueprint().residual_scale;
        if norm.is_none() && scale == 1.0 {
            return;
        }
        let mut rows: Vec<&mut [f32]> = update.as_mut_slice().chunks_mut(self.blueprint().d_model).collect();
        self.runtime.team().for_each_mut(&mut rows, |_, row| {
            self.norm_in_place(norm, row);
            if scale != 1.0 {
                self.runtime.kernels().pointwise(Pointwise::Scale(scale), row);
            }
        });
    }

    /// x += update.
    pub(crate) fn add_update(&self, state: &mut State, update: &Aligned<f32>, layer: usize) {
        let mut tasks = state.rows_mut(self.blueprint().d_model, update);
        self.runtime.team().for_each_mut(&mut tasks, |_, rows| rows.add(self.runtime.kernels()));
        state.note_failures(layer);
    }

    /// Normalises and clips queries and keys where the family does, and rotates them.
    fn encode_positions(&self, layer: usize, block: &Block, state: &State, query: &mut [f32], key: &mut [f32]) {
        let blueprint = self.blueprint();
        let (kernels, head_dim) = (self.runtime.kernels(), blueprint.head_dim);
        let (query_width, kv_width) = (blueprint.heads * head_dim, blueprint.kv_heads * head_dim);
        let rope = match &blueprint.positions {
            Positions::Rotary(Rotary { ropes, of_layer }) => {
                of_layer[layer].map(|index| (&ropes[index], &state.angles[index]))
            }
            Positions::Learned { .. } | Positions::Alibi { .. } => None,
        };
        let encode = |row: &mut [f32], token: usize, norm: Option<&NormWeights>, normed: &mut [f32]| {
            if let Some(norm) = norm {
                let width = if blueprint.qk_norm == QkNorm::Whole { row.len() } else { head_dim };
                for (index, part) in row.chunks_mut(width).enumerate() {
                    self.norm(norm.of_head(index, width), part, &mut normed[..width]);
                    part.copy_from_slice(&normed[..width]);
                }
            }
            if let Some(limit) = blueprint.qkv_limit {
                kernels.pointwise(Pointwise::Clamp(limit), row);
            }
            if let Some((rope, [cosines, sines])) = rope {
                let half = rope.rotary_dim / 2;
                let angles = token * half..(token + 1) * half;
                let (cosines, sines) = (&cosines[angles.clone()], &sines[angles]);
                for head in row.chunks_mut(head_dim) {
                    match rope.pairing {
                        Pairing::Halves => kernels.rotate(head, cosines, sines),
                        Pairing::Neighbours => rotate_neighbours(head, cosines, sines),
                    }
                }
            }
        };
        let (query_norm, key_norm) = match &block.query_key_norm {
            Some([query, key]) => (Some(query), Some(key)),
            None => (None, None),
        };
        let queries = query.chunks_mut(TASK_TOKENS * query_width);
        let mut tasks: Vec<_> = queries.zip(key.chunks_mut(TASK_TOKENS * kv_width)).enumerate().collect();
        self.runtime.team().for_each_mut(&mut tasks, |_, (task, (queries, keys))| {
            let mut normed = vec![0.0; if query_norm.is_some() { query_width } else { 0 }];
            let rows = queries.chunks_mut(query_width).zip(keys.chunks_mut(kv_width));
            for ((query, key), token) in rows.zip(*task * TASK_TOKENS..) {
                encode(key, token, key_norm, &mut normed);
                encode(query, token, query_norm, &mut normed);
                if let Some(factor) = blueprint.log_n.and_then(|n| log_n_factor(state.positions[token], n)) {
                    for value in query.iter_mut() {
                        *value *= factor;
                    }
                }
            }
        });
    }

    fn norm_or_copy(&self, norm: &Option<NormWeights>, x: &[f32], y: &mut [f32]) {
        match norm {
            Some(norm) => self.norm(norm.all(), x, y),
            None => y.copy_from_slice(x),
        }
    }

    fn norm_in_place(&self, norm: &Option<NormWeights>, x: &mut [f32]) {
        if let Some(norm) = norm {
            let mut normed = vec![0.0; x.len()];
            self.norm(norm.all(), x, &mut normed);
            x.copy_from_slice(&normed);
        }
    }

    fn norm(&self, weights: NormSlices<'_>, x: &[f32], y: &mut [f32]) {
        let kernels = self.runtime.kernels();
        match self.blueprint().norm {
            Norm::Rms { eps, .. } => kernels.rms_norm(x, weights.weight, eps, y),
            Norm::Layer { eps } => kernels.layer_norm(x, weights.weight, weights.bias, eps, y),
        }
    }
}

/// What is still to be added to the residual stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    Update,
    Nothing,
}

/// Some rows of the residual stream and what is added to them.
struct ResidualRows<'a> {
    x: &'a mut [f32],
    update: &'a [f32],
    broken: &'a mut [bool],
}

impl ResidualRows<'_> {
    /// x += update; notes rows that are no longer finite.
    fn add(&mut self, kernels: &Kernels) {
        let d_model = self.x.len() / self.broken.len();
        let rows = self.x.chunks_mut(d_model).zip(self.update.chunks(d_model)).zip(self.broken.iter_mut());
        for ((x, update), broken) in rows {
            *broken = !kernels.add(x, update);
        }
    }
}

impl State {
    /// The residual stream, TASK_TOKENS rows at a time.
    fn rows_mut<'a>(&'a mut self, d_model: usize, update: &'a Aligned<f32>) -> Vec<ResidualRows<'a>> {
        let x = self.x.as_mut_slice().chunks_mut(TASK_TOKENS * d_model);
        let updates = update.as_slice().chunks(TASK_TOKENS * d_model);
        let rows = x.zip(updates).zip(self.broken.chunks_mut(TASK_TOKENS));
        rows.map(|((x, update), broken)| ResidualRows { x, update, broken }).collect()
    }

    /// Notes the first position of each chunk whose row is not finite, with the first block after which it was not:
    /// later positions follow earlier ones, so this does not depend on how the sequence was cut.
    fn note_failures(&mut self, layer: usize) {
        for (rows, failure) in self.rows.iter().zip(&mut self.failures) {
            let Some(at) = self.broken[rows.clone()].iter().position(|&broken| broken) else { continue };
            let position = self.positions[rows.start + at];
            if failure.is_none_or(|known| position < known.position) {
                *failure = Some(NumericalFailure { layer, position });
            }
        }
    }
}

/// ln(position + 1) / ln(n) where position + 1 > n.
fn log_n_factor(position: usize, n: usize) -> Option<f32> {
    (position + 1 > n).then(|| (math::ln((position + 1) as f64) / math::ln(n as f64)) as f32)
}

/// Rows of `x` with those of `y`.
fn pairs<'a>(x: &'a mut Aligned<f32>, y: &'a Aligned<f32>, width: usize) -> Vec<(&'a mut [f32], &'a [f32])> {
    x.as_mut_slice().chunks_mut(width).zip(y.as_slice().chunks(width)).collect()
}
