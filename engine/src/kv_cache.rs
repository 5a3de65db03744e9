//! Keys and values of the tokens a sequence has seen, in segments that sequences with a common prefix share.
//!
//! ```text
//! header (shared by all)  <-  question (shared by its choices)  <-  choice (own)
//! ```
//! Sharing copies nothing and changes no bit: attention walks the segments in order of position.

use crate::aligned::Aligned;
use std::sync::Arc;

/// Keys and values of consecutive positions, all blocks.
#[derive(Clone, Debug, Default)]
struct Segment {
    len: usize,
    /// One a block, [len, kv_heads * head_dim].
    keys: Vec<Aligned<f32>>,
    /// One a block, [len, kv_heads * head_dim].
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
    width: usize,
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
    /// An empty continuation of `prefix` in a model of `layers` blocks and `width` = kv_heads * head_dim.
    pub fn after(prefix: &KvPrefix, layers: usize, width: usize) -> Self {
        let own = Segment { len: 0, keys: vec![Aligned::default(); layers], values: vec![Aligned::default(); layers] };
        Self { prefix: prefix.clone(), own, width }
    }

    /// Positions held, prefix included.
    pub fn len(&self) -> usize {
        self.prefix.len + self.own.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the positions after the prefix.
    pub fn own_bytes(&self) -> usize {
        2 * 4 * self.own.keys.len() * self.own.len * self.width
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

    /// Appends keys and values, [tokens, width] each, of block `layer`. After the last block, [`KvCache::advance`].
    pub(crate) fn append(&mut self, layer: usize, keys: &[f32], values: &[f32]) {
        self.own.keys[layer].extend_from_slice(keys);
        self.own.values[layer].extend_from_slice(values);
    }

    /// Counts `tokens` more positions.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.own.len += tokens;
    }

    /// The segments of block `layer`, in order of position; the last one is the sequence's own.
    pub(crate) fn segments(&self, layer: usize) -> Vec<SegmentView<'_>> {
        let shared = self.prefix.segments.iter().map(Arc::as_ref);
        shared
            .chain(std::iter::once(&self.own))
            .map(|segment| SegmentView {
                identity: std::ptr::from_ref(segment).addr(),
                keys: segment.keys[layer].as_slice(),
                values: segment.values[layer].as_slice(),
            })
            .collect()
    }

    /// Tells whether sequences share their first segment: equal for those that do, and for no others.
    pub(crate) fn root(&self) -> usize {
        std::ptr::from_ref(self.prefix.segments.first().map_or(&self.own, Arc::as_ref)).addr()
    }
}

/// Keys and values of a segment in one block, [len, width].
#[derive(Clone, Copy)]
pub(crate) struct SegmentView<'a> {
    /// Equal for the same segment, however it is reached.
    pub(crate) identity: usize,
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
}
