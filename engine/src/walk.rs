//! Whole sequences on their way through the blocks, one block at a time: what calibration is made of.
//!
//! A walk keeps the residual stream of all its sequences between two blocks. A block is applied to a few sequences at
//! a time, with keys and values of that block and those sequences only. The bits are those of [`Decoder::forward`] over
//! the same sequences.

use crate::chunk::Chunk;
use crate::decoder::Decoder;
use crate::error::Error;
use crate::kv_cache::{KvCache, KvPrefix};
use crate::model::{Block, BlockInput};
use std::ops::{ControlFlow, Range};

/// The residual stream of sequences, before a block.
pub struct Walk<'a> {
    sequences: &'a [Vec<u32>],
    /// f32 [tokens, d_model], the sequences one after the other.
    x: Vec<f32>,
}

/// Who sees what passes through a block.
pub trait Watch {
    /// The f32 input of linear layers, [tokens, columns], before they are applied: some tokens at a time, those of a
    /// sequence in order, sequences in order.
    fn input(&mut self, input: BlockInput, x: &[f32]);

    /// So many more tokens are through. `Break` ends the pass.
    fn passed(&mut self, tokens: usize) -> ControlFlow<()>;
}

/// What becomes of the outputs of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outputs {
    Forgotten,
    Kept,
}

impl<'a> Walk<'a> {
    /// The embedded `sequences`, before the first block. The decoder's model may lack its blocks.
    ///
    /// # Errors
    /// A token outside the vocabulary, or a position beyond a learned position table.
    pub fn begin(decoder: Decoder<'_>, sequences: &'a [Vec<u32>]) -> Result<Self, Error> {
        let mut x = Vec::with_capacity(sequences.iter().map(Vec::len).sum::<usize>() * decoder.blueprint().d_model);
        for tokens in sequences {
            let mut cache = decoder.cache_after(&KvPrefix::default());
            let chunk = Chunk { cache: &mut cache, tokens, sequence_len: tokens.len(), wanted: 0..0 };
            x.extend_from_slice(decoder.embed(&[chunk])?.x.as_slice());
        }
        Ok(Self { sequences, x })
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.sequences.iter().map(Vec::len).sum()
    }

    /// The residual stream, f32 [tokens, d_model], the sequences one after the other.
    pub fn residual(&self) -> &[f32] {
        &self.x
    }

    /// Shows `watch` the inputs that `block`, number `layer`, has after all blocks that were passed.
    ///
    /// # Errors
    /// A NaN or an infinity.
    pub fn watch(
        &mut self,
        decoder: Decoder<'_>,
        layer: usize,
        block: &Block,
        watch: &mut dyn Watch,
    ) -> Result<ControlFlow<()>, Error> {
        self.run(decoder, layer, block, watch, Outputs::Forgotten)
    }

    /// Applies `block`, number `layer`. Not to be gone on with where it ended early.
    ///
    /// # Errors
    /// A NaN or an infinity.
    pub fn pass(
        &mut self,
        decoder: Decoder<'_>,
        layer: usize,
        block: &Block,
        watch: &mut dyn Watch,
    ) -> Result<ControlFlow<()>, Error> {
        self.run(decoder, layer, block, watch, Outputs::Kept)
    }

    fn run(
        &mut self,
        decoder: Decoder<'_>,
        layer: usize,
        block: &Block,
        watch: &mut dyn Watch,
        outputs: Outputs,
    ) -> Result<ControlFlow<()>, Error> {
        let limit = decoder.tokens_at_once();
        let (mut first, mut row) = (0, 0);
        while first < self.sequences.len() {
            // As many whole sequences as fit, or a long one by itself, a part after the other.
            let mut tokens = self.sequences[first].len();
            let mut last = first + 1;
            while last < self.sequences.len() && tokens + self.sequences[last].len() <= limit {
                tokens += self.sequences[last].len();
                last += 1;
            }
            let mut caches: Vec<KvCache> = (first..last).map(|_| decoder.cache_after(&KvPrefix::default())).collect();
            for part in (0..tokens).step_by(limit.max(1)) {
                let end = tokens.min(part + limit);
                let mut chunks: Vec<Chunk<'_>> = (self.sequences[first..last].iter().zip(&mut caches))
                    .map(|(tokens, cache)| Chunk {
                        cache,
                        tokens: if last - first == 1 { &tokens[part..end] } else { tokens },
                        sequence_len: tokens.len(),
                        wanted: 0..0,
                    })
                    .collect();
                self.apply(decoder, layer, block, &mut chunks, row + part..row + end, watch, outputs)?;
                if watch.passed(end - part).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            (first, row) = (last, row + tokens);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Applies `block` to the tokens of `chunks`, those of `rows`.
    fn apply(
        &mut self,
        decoder: Decoder<'_>,
        layer: usize,
        block: &Block,
        chunks: &mut [Chunk<'_>],
        rows: Range<usize>,
        watch: &mut dyn Watch,
        outputs: Outputs,
    ) -> Result<(), Error> {
        let d_model = decoder.blueprint().d_model;
        let x = &mut self.x[rows.start * d_model..rows.end * d_model];
        let mut state = decoder.encoded_positions(chunks);
        state.x.as_mut_slice().copy_from_slice(x);
        let mut workspace = decoder.runtime().workspace();
        decoder.forget_update(&state, &mut workspace);
        decoder.block(layer, block, &mut state, &mut workspace, chunks, &mut |input, x| watch.input(input, x));
        decoder.add_update(&mut state, &workspace.update, layer);
        for chunk in chunks.iter_mut() {
            chunk.cache.advance();
        }
        if let Some(failure) = state.failures.iter().flatten().next() {
            return Err((*failure).into());
        }
        if outputs == Outputs::Kept {
            x.copy_from_slice(state.x.as_slice());
        }
        Ok(())
    }
}
