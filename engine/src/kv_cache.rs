//! Keys and values of the tokens a sequence has seen, in segments that sequences with a common prefix share.
//!
//! ```text
//! header (shared by all)  <-  question (shared by its choices)  <-  choice (own)
//! ```
//! Sharing copies nothing and changes no bit: attention walks the segments in order of position.
//!
//! A segment lies in blocks of sixteen positions, counted from its own start, as [`kernels::attention`] reads them: the
//! last block is filled while the segment grows, and a sequence that continues a prefix begins a block of its own.
//!
//! Keys and values are held in f32, or as codes of 8 or 4 bits with a scale for each token and head: how a token is
//! quantized depends on nothing but itself, so neither chunks nor sharing change a bit there either.

use crate::aligned::Aligned;
use kernels::{BLOCK_POSITIONS, CodeBlock, CodeBlocks, KvBits, write_block, write_code_block};
use std::ops::Range;
use std::sync::Arc;

/// How keys and values are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KvPrecision {
    /// f32.
    #[default]
    F32,
    /// Codes of 8 bits, symmetric.
    Eight,
    /// Codes of 4 bits with zero points.
    Four,
}

impl KvPrecision {
    /// The codes, if there are any.
    pub fn codes(self) -> Option<KvBits> {
        match self {
            KvPrecision::F32 => None,
            KvPrecision::Eight => Some(KvBits::Eight),
            KvPrecision::Four => Some(KvBits::Four),
        }
    }
}

/// What a cache holds of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Blocks of the model.
    pub layers: usize,
    /// Key/value heads of each.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// How keys and values are held.
    pub precision: KvPrecision,
}

impl CacheShape {
    /// Bytes that a position takes, scales, zero points and the padding of odd heads included.
    pub fn bytes_per_token(&self) -> usize {
        let head = match self.precision.codes() {
            None => 2 * 4 * self.head_dim,
            Some(bits) => {
                let codes = bits.key_bytes(self.head_dim) + bits.value_bytes(self.head_dim);
                codes / BLOCK_POSITIONS + 2 * (size_of::<f32>() + bits.zeros())
            }
        };
        self.layers * self.kv_heads * head
    }

    /// Room for no position yet: keys and values of one block of the model.
    fn memory(&self) -> Memory {
        match self.precision.codes() {
            None => Memory::Floats(Default::default()),
            Some(bits) => Memory::Codes(bits, Default::default()),
        }
    }
}

/// Keys and values of consecutive positions, all blocks of the model.
#[derive(Clone, Debug, Default)]
struct Segment {
    len: usize,
    /// One a block of the model.
    memory: Vec<Memory>,
}

/// Keys, then values, of one block of the model.
#[derive(Clone, Debug)]
enum Memory {
    /// [blocks, kv_heads, head_dim, 16] and [blocks, kv_heads, 16, head_dim].
    Floats([Aligned<f32>; 2]),
    Codes(KvBits, [Codes; 2]),
}

/// Codes of keys or values, as [`CodeBlocks`].
#[derive(Clone, Debug, Default)]
struct Codes {
    codes: Aligned<u8>,
    scales: Aligned<f32>,
    zeros: Aligned<u8>,
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
        let memory = (0..shape.layers).map(|_| shape.memory()).collect();
        Self { prefix: prefix.clone(), own: Segment { len: 0, memory }, pending: 0, shape }
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
        self.own.memory.iter().fold(0, |sum, memory| sum + memory.bytes())
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
        let blocks = start / BLOCK_POSITIONS..end.div_ceil(BLOCK_POSITIONS);
        let memory = self.own.memory[layer].blocks_mut(blocks.clone(), kv_heads, head_dim);
        memory.into_iter().zip(blocks).map(move |(memory, block)| {
            let from = block * BLOCK_POSITIONS;
            let slots = start.max(from) - from..end.min(from + BLOCK_POSITIONS) - from;
            let first_token = (from + slots.start) - start;
            Places { tokens: first_token..first_token + slots.len(), slots, memory, head_dim }
        })
    }

    /// Counts what was appended to every block of the model.
    pub(crate) fn advance(&mut self) {
        self.own.len += std::mem::take(&mut self.pending);
    }

    /// How keys and values are held.
    pub(crate) fn precision(&self) -> KvPrecision {
        self.shape.precision
    }

    /// The segments of block `layer`, in order of position; the last one is the sequence's own.
    pub(crate) fn segments(&self, layer: usize) -> Vec<SegmentView<'_>> {
        let shared = self.prefix.segments.iter().map(|segment| (segment.as_ref(), segment.len));
        shared
            .chain(std::iter::once((&self.own, self.own.len + self.pending)))
            .map(|(segment, len)| SegmentView {
                identity: std::ptr::from_ref(segment).addr(),
                memory: &segment.memory[layer],
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
    memory: &'a Memory,
    /// Positions held.
    pub(crate) len: usize,
}

/// Why a segment is of another kind than the rest of a batch.
const MIXED: &str = "caches of one batch belong to one model";

impl<'a> SegmentView<'a> {
    /// Keys and values in f32.
    ///
    /// # Panics
    /// If they are codes.
    pub(crate) fn floats(&self) -> [&'a [f32]; 2] {
        let Memory::Floats([keys, values]) = self.memory else { panic!("{MIXED}") };
        [keys.as_slice(), values.as_slice()]
    }

    /// Keys and values as codes.
    ///
    /// # Panics
    /// If they are f32.
    pub(crate) fn codes(&self) -> [CodeBlocks<'a>; 2] {
        let Memory::Codes(_, [keys, values]) = self.memory else { panic!("{MIXED}") };
        [keys.blocks(), values.blocks()]
    }
}

impl Codes {
    fn blocks(&self) -> CodeBlocks<'_> {
        let Self { codes, scales, zeros } = self;
        CodeBlocks { codes: codes.as_slice(), scales: scales.as_slice(), zeros: zeros.as_slice() }
    }

    /// Some blocks, to the last one, of `heads` heads of `bytes` bytes each; earlier ones are kept.
    fn blocks_mut(&mut self, bits: KvBits, blocks: Range<usize>, heads: usize, bytes: usize) -> Vec<CodeBlock<'_>> {
        let scales = heads * BLOCK_POSITIONS;
        let mut zeros = blocks_of(&mut self.zeros, blocks.clone(), scales * bits.zeros());
        let scales = blocks_of(&mut self.scales, blocks.clone(), scales);
        let codes = blocks_of(&mut self.codes, blocks, heads * bytes).zip(scales);
        codes.map(|(codes, scales)| CodeBlock { codes, scales, zeros: zeros.next().unwrap_or_default() }).collect()
    }
}

/// Blocks of `len` elements of a memory, which grows to the last of them; none where `len` is 0.
fn blocks_of<T: Copy + Default>(
    memory: &mut Aligned<T>,
    blocks: Range<usize>,
    len: usize,
) -> impl Iterator<Item = &mut [T]> {
    memory.grow(blocks.end * len);
    memory.as_mut_slice()[blocks.start * len..].chunks_mut(len.max(1))
}

impl Memory {
    fn bytes(&self) -> usize {
        let floats = |memory: &Aligned<f32>| size_of_val(memory.as_slice());
        let codes = |it: &Codes| it.codes.as_slice().len() + floats(&it.scales) + it.zeros.as_slice().len();
        match self {
            Memory::Floats([keys, values]) => floats(keys) + floats(values),
            Memory::Codes(_, [keys, values]) => codes(keys) + codes(values),
        }
    }

    /// Some blocks, to the last one, keys and values; earlier ones are kept.
    fn blocks_mut(&mut self, blocks: Range<usize>, heads: usize, head_dim: usize) -> Vec<BlockMut<'_>> {
        match self {
            Memory::Floats([keys, values]) => {
                let len = BLOCK_POSITIONS * heads * head_dim;
                let keys = blocks_of(keys, blocks.clone(), len);
                keys.zip(blocks_of(values, blocks, len)).map(|(keys, values)| BlockMut::Floats(keys, values)).collect()
            }
            Memory::Codes(bits, [keys, values]) => {
                let keys = keys.blocks_mut(*bits, blocks.clone(), heads, bits.key_bytes(head_dim));
                let values = values.blocks_mut(*bits, blocks, heads, bits.value_bytes(head_dim));
                keys.into_iter().zip(values).map(|(keys, values)| BlockMut::Codes(*bits, keys, values)).collect()
            }
        }
    }
}

/// Keys and values of one block of positions.
enum BlockMut<'a> {
    Floats(&'a mut [f32], &'a mut [f32]),
    Codes(KvBits, CodeBlock<'a>, CodeBlock<'a>),
}

/// Some positions of one block, to be written.
pub(crate) struct Places<'a> {
    /// Which of the tokens appended.
    pub(crate) tokens: Range<usize>,
    /// Positions of the block.
    slots: Range<usize>,
    memory: BlockMut<'a>,
    head_dim: usize,
}

impl Places<'_> {
    /// Writes keys and values, [tokens, kv_heads * head_dim] each.
    pub(crate) fn write(&mut self, keys: &[f32], values: &[f32]) {
        let (head_dim, slots) = (self.head_dim, self.slots.clone());
        match &mut self.memory {
            BlockMut::Floats(to_keys, to_values) => write_block(head_dim, slots, (keys, values), (to_keys, to_values)),
            BlockMut::Codes(bits, to_keys, to_values) => {
                write_code_block(*bits, head_dim, slots, (keys, values), (to_keys, to_values));
            }
        }
    }
}
