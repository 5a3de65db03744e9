//! Keys and values of the tokens a sequence has seen, in segments that sequences with a common prefix share.
//!
//! ```text
//! header (shared by all)  <-  question (shared by its choices)  <-  choice (own)
//! ```
//! Sharing copies nothing and changes no bit: attention walks the segments in order of position.
//!
//! A segment lies in blocks of sixteen positions, counted from its own start, as [`kernels::attention`] reads them: the
//! last block is filled while the segment grows, and a sequence that continues a prefix begins a block of its own.

use crate::aligned::Aligned;
use kernels::{BLOCK_POSITIONS, write_block};
use std::ops::Range;
use std::sync::Arc;

/// What a cache holds of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Blocks of the model.
    pub layers: usize,
    /// Key/value heads of each.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

/// Keys and values of consecutive positions, all blocks.
#[derive(Clone, Debug, Default)]
struct Segment {
    len: usize,
    /// One a block of the model, [blocks, kv_heads, head_dim, 16].
    keys: Vec<Aligned<f32>>,
    /// One a block of the model, [blocks, kv_heads, 16, head_dim].
    values: Vec<Aligned<f32>>,
}

/// A prefix that nothing appends to any more; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct KvPrefix {
    segments: Vec<Arc<Segment>>,
    len: usize,
}

/// A sequence's cache: a shared prefix and the positions after it.
#[derive(Debug)]
pub struct KvCache {
    prefix: KvPrefix,
    own: Segment,
    /// Positions appended to a block of the model, not yet counted.
    pending: usize,
    shape: CacheShape,
}

impl KvPrefix {
    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy that shares no memory with this one: what many separate sequences cost can be measured with it.
    pub fn unshared(&self) -> Self {
        let segments = self.segments.iter().map(|segment| Arc::new(segment.as_ref().clone())).collect();
        Self { segments, len: self.len }
    }
}

impl KvCache {
    /// An empty continuation of `prefix`, whose shape must be the same.
    pub fn after(prefix: &KvPrefix, shape: CacheShape) -> Self {
        let empty = || vec![Aligned::default(); shape.layers];
        Self { prefix: prefix.clone(), own: Segment { len: 0, keys: empty(), values: empty() }, pending: 0, shape }
    }

    /// Positions held, prefix included.
    pub fn len(&self) -> usize {
        self.prefix.len + self.own.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the positions after the prefix, the empty ones of their last block included.
    pub fn own_bytes(&self) -> usize {
        let elements = self.own.keys.iter().chain(&self.own.values).map(|it| it.as_slice().len());
        4 * elements.fold(0, |sum, len| sum + len)
    }

    /// Ends the sequence here and makes all of it a prefix.
    pub fn freeze(self) -> KvPrefix {
        let mut prefix = self.prefix;
        if self.own.len > 0 {
            prefix.len += self.own.len;
            prefix.segments.push(Arc::new(self.own));
        }
        prefix
    }

    /// Makes room for `tokens` more positions in block `layer`, and gives the places of each, block by block. After the
    /// last block of the model, [`KvCache::advance`].
    pub(crate) fn append(&mut self, layer: usize, tokens: usize) -> impl Iterator<Item = Places<'_>> {
        let CacheShape { kv_heads, head_dim, .. } = self.shape;
        let (start, end) = (self.own.len, self.own.len + tokens);
        self.pending = tokens;
        let block_len = BLOCK_POSITIONS * kv_heads * head_dim;
        let (keys, values) = (&mut self.own.keys[layer], &mut self.own.values[layer]);
        for memory in [&mut *keys, &mut *values] {
            memory.grow(end.div_ceil(BLOCK_POSITIONS) * block_len);
        }
        let first = start / BLOCK_POSITIONS;
        let blocks = keys.as_mut_slice().chunks_mut(block_len).zip(values.as_mut_slice().chunks_mut(block_len));
        blocks.enumerate().skip(first).map(move |(block, (keys, values))| {
            let from = block * BLOCK_POSITIONS;
            let slots = start.max(from) - from..end.min(from + BLOCK_POSITIONS) - from;
            let first_token = (from + slots.start) - start;
            Places { tokens: first_token..first_token + slots.len(), slots, keys, values, head_dim }
        })
    }

    /// Counts what was appended to every block of the model.
    pub(crate) fn advance(&mut self) {
        self.own.len += std::mem::take(&mut self.pending);
    }

    /// The segments of block `layer`, in order of position; the last one is the sequence's own.
    pub(crate) fn segments(&self, layer: usize) -> Vec<SegmentView<'_>> {
        let shared = self.prefix.segments.iter().map(|segment| (segment.as_ref(), segment.len));
        shared
            .chain(std::iter::once((&self.own, self.own.len + self.pending)))
            .map(|(segment, len)| SegmentView {
                identity: std::ptr::from_ref(segment).addr(),
                keys: segment.keys[layer].as_slice(),
                values: segment.values[layer].as_slice(),
                len,
            })
            .collect()
    }

    /// Tells whether sequences share their first segment: equal for those that do, and for no others.
    pub(crate) fn root(&self) -> usize {
        std::ptr::from_ref(self.prefix.segments.first().map_or(&self.own, Arc::as_ref)).addr()
    }
}

/// Keys and values of a segment in one block of the model.
#[derive(Clone, Copy)]
pub(crate) struct SegmentView<'a> {
    /// Equal for the same segment, however it is reached.
    pub(crate) identity: usize,
    /// [blocks, kv_heads, head_dim, 16].
    pub(crate) keys: &'a [f32],
    /// [blocks, kv_heads, 16, head_dim].
    pub(crate) values: &'a [f32],
    /// Positions held.
    pub(crate) len: usize,
}

/// Some positions of one block, to be written.
pub(crate) struct Places<'a> {
    /// Which of the tokens appended.
    pub(crate) tokens: Range<usize>,
    /// Positions of the block.
    slots: Range<usize>,
    /// [kv_heads, head_dim, 16].
    keys: &'a mut [f32],
    /// [kv_heads, 16, head_dim].
    values: &'a mut [f32],
    head_dim: usize,
}

impl Places<'_> {
    /// Writes keys and values, [tokens, kv_heads * head_dim] each.
    pub(crate) fn write(&mut self, keys: &[f32], values: &[f32]) {
        write_block(self.head_dim, self.slots.clone(), (keys, values), (self.keys, self.values));
    }
}
