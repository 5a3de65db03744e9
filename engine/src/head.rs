//! The output head at scored positions: log-sum-exp, the most probable token and the logits that are asked for.
//!
//! Fused: a block of the vocabulary is multiplied, read and forgotten while it is in the cache. A row of logits, 600 KB
//! of a vocabulary of 150,000, is never written.

use crate::decoder::Decoder;
use crate::linear::PRODUCT_ROWS;
use crate::workspace::Workspace;
use kernels::{ColumnsMut, Kernels, LOGIT_BLOCK, log_sum_exp};

/// What is read off the distribution after one position.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// ln(sum(exp(logit))).
    pub log_sum_exp: f64,
    /// The token with the largest logit, the lowest id of equals.
    pub best: u32,
    /// Whether all logits are finite: if not, the rest means nothing.
    pub is_finite: bool,
    /// Logits of the tokens asked for, in their order; `None` for one outside the vocabulary.
    pub logits: Vec<Option<f32>>,
}

/// Positions read at a time: their logits of a block take 256 KB a thread.
const POSITIONS: usize = 128;

/// A block of the vocabulary: its first token, and of each position what was read.
struct Block {
    first: usize,
    read: Vec<BlockRead>,
}

struct BlockRead {
    maximum: f32,
    sum: f64,
    best: u32,
    is_finite: bool,
    /// (place among the tokens asked for, logit).
    logits: Vec<(usize, f32)>,
}

impl Decoder<'_> {
    /// Reads the distributions after hidden states [positions, embedding_width]; of position i, the logits of `tokens[i]`.
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn distributions(&self, hidden: &[f32], tokens: &[Vec<u32>]) -> Vec<Distribution> {
        let width = self.blueprint().embedding_width;
        assert_eq!(hidden.len(), tokens.len() * width, "hidden states of {} positions", tokens.len());
        let parts = hidden.chunks(POSITIONS * width).zip(tokens.chunks(POSITIONS));
        parts.flat_map(|(hidden, tokens)| self.read(hidden, tokens)).collect()
    }

    fn read(&self, hidden: &[f32], tokens: &[Vec<u32>]) -> Vec<Distribution> {
        let (runtime, head, vocab_size) = (self.runtime(), self.head(), self.blueprint().vocab_size);
        let mut workspace = runtime.workspace();
        let Workspace { head: input, scratch, .. } = &mut *workspace;
        input.fill(runtime, hidden, &[head]);
        let (input, kernels) = (&*input, runtime.kernels());
        let mut blocks: Vec<Block> =
            (0..vocab_size).step_by(LOGIT_BLOCK).map(|first| Block { first, read: Vec::new() }).collect();
        runtime.team().for_each_mut(&mut blocks, |worker, block| {
            let width = LOGIT_BLOCK.min(vocab_size - block.first);
            let mut scratch = Workspace::scratch(scratch, worker);
            scratch.product.resize(tokens.len() * width);
            let logits = ColumnsMut::new(scratch.product.as_mut_slice(), width);
            for (index, mut logits) in logits.chunks(PRODUCT_ROWS).into_iter().enumerate() {
                head.product(input, block.first / PRODUCT_ROWS + index).write(kernels, &mut logits);
            }
            self.finish_logits(scratch.product.as_mut_slice());
            let rows = scratch.product.as_slice().chunks(width);
            block.read = rows.zip(tokens).map(|(row, tokens)| read_block(kernels, block.first, row, tokens)).collect();
        });
        (tokens.iter().enumerate()).map(|(position, tokens)| joined(&blocks, position, tokens.len())).collect()
    }
}

fn read_block(kernels: &Kernels, first: usize, row: &[f32], tokens: &[u32]) -> BlockRead {
    let (maximum, sum) = kernels.exp_sum(row);
    let is_finite = row.iter().fold(0, |largest, logit| largest.max(logit.to_bits() & 0x7fff_ffff)) < 0x7f80_0000;
    // Sixteen at a time, so that the search is a comparison of vectors.
    let chunk = row.chunks(16).position(|chunk| chunk.iter().fold(false, |found, &logit| found | (logit == maximum)));
    let start = 16 * chunk.unwrap_or(0);
    let best = start + row[start..].iter().position(|&logit| logit == maximum).unwrap_or(0);
    let logits = (tokens.iter().enumerate())
        .filter_map(|(place, &token)| Some((place, *row.get((token as usize).checked_sub(first)?)?)))
        .collect();
    BlockRead { maximum, sum, best: (first + best) as u32, is_finite, logits }
}

/// The blocks of one position put together, in order.
fn joined(blocks: &[Block], position: usize, tokens: usize) -> Distribution {
    let reads: Vec<&BlockRead> = blocks.iter().map(|block| &block.read[position]).collect();
    let mut best = reads[0];
    let mut logits = vec![None; tokens];
    for read in &reads {
        if read.maximum > best.maximum {
            best = read;
        }
        for &(place, logit) in &read.logits {
            logits[place] = Some(logit);
        }
    }
    Distribution {
        log_sum_exp: log_sum_exp::combine(&reads.iter().map(|read| (read.maximum, read.sum)).collect::<Vec<_>>()),
        best: best.best,
        is_finite: reads.iter().all(|read| read.is_finite),
        logits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_put_together_are_the_row() {
        let kernels = Kernels::best();
        // Equal largest logits in two blocks and within one: the lowest token is the best.
        let mut row: Vec<f32> = (0..1300).map(|i| ((i * 7919 % 1009) as f32 - 500.0) / 64.0).collect();
        (row[700], row[650], row[1200]) = (9.0, 9.0, 9.0);
        let tokens = [0, 511, 512, 1299, 1300];
        let read = |row: &[f32]| {
            let blocks: Vec<Block> = (row.chunks(LOGIT_BLOCK).enumerate())
                .map(|(index, part)| {
                    let first = index * LOGIT_BLOCK;
                    Block { first, read: vec![read_block(kernels, first, part, &tokens)] }
                })
                .collect();
            joined(&blocks, 0, tokens.len())
        };
        let found = read(&row);
        assert_eq!((found.best, found.is_finite), (650, true));
        assert_eq!(found.log_sum_exp.to_bits(), kernels.log_sum_exp(&row).to_bits());
        let expected = [Some(row[0]), Some(row[511]), Some(row[512]), Some(row[1299]), None];
        assert_eq!(found.logits, expected);
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            row[900] = broken;
            assert!(!read(&row).is_finite);
        }
    }
}
