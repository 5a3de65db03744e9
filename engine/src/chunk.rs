//! The unit of a batch: some tokens of one sequence, and where they are appended.

use crate::kv_cache::KvCache;
use std::ops::Range;

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
