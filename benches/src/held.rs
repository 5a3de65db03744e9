//! Keys, values and queries as attention reads them: f32, or codes.

use engine::kv_cache::KvPrecision;
use kernels::{
    AttentionShape, BLOCK_POSITIONS, CodeBlock, CodeBlocks, Kernels, KeyValueSpan, KvBits, QuantizedRowMut, QueryCodes,
    write_block, write_code_block,
};
use std::ops::Range;

/// Keys and values of consecutive positions, in blocks.
#[derive(Clone)]
pub enum Held {
    /// In f32.
    Floats([Vec<f32>; 2]),
    /// As codes.
    Codes(KvBits, [HeldCodes; 2]),
}

/// Codes, scales and zero points of keys or of values.
#[derive(Clone)]
pub struct HeldCodes {
    codes: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<u8>,
}

/// Queries of one key/value head, and their codes of 16 bits.
pub struct Queries {
    head_dim: usize,
    floats: Vec<f32>,
    stride: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<i32>,
}

impl Held {
    /// Holds keys and values, [positions, kv_heads * head_dim] each.
    pub fn of(precision: KvPrecision, keys: &[f32], values: &[f32], kv_heads: usize, head_dim: usize) -> Self {
        let width = kv_heads * head_dim;
        let blocks = keys.len().div_ceil(BLOCK_POSITIONS * width);
        let rows = keys.chunks(BLOCK_POSITIONS * width).zip(values.chunks(BLOCK_POSITIONS * width)).enumerate();
        match precision.codes() {
            None => {
                let len = BLOCK_POSITIONS * width;
                let mut held = [vec![0.0; blocks * len], vec![0.0; blocks * len]];
                for (block, rows) in rows {
                    let [keys, values] = held.each_mut().map(|held| &mut held[block * len..][..len]);
                    write_block(head_dim, 0..rows.0.len() / width, rows, (keys, values));
                }
                Held::Floats(held)
            }
            Some(bits) => {
                let mut held = [bits.key_bytes(head_dim), bits.value_bytes(head_dim)].map(|bytes| HeldCodes {
                    codes: vec![0; blocks * kv_heads * bytes],
                    scales: vec![0.0; blocks * kv_heads * BLOCK_POSITIONS],
                    zeros: vec![0; blocks * kv_heads * BLOCK_POSITIONS * bits.zeros()],
                });
                for (block, rows) in rows {
                    let [mut keys, mut values] = held.each_mut().map(|held| held.block(block, blocks));
                    write_code_block(bits, head_dim, 0..rows.0.len() / width, rows, (&mut keys, &mut values));
                }
                Held::Codes(bits, held)
            }
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Held::Floats(held) => held.iter().map(|held| 4 * held.len()).sum(),
            Held::Codes(_, held) => held.iter().map(|it| it.codes.len() + 4 * it.scales.len() + it.zeros.len()).sum(),
        }
    }

    /// Attention of `queries` to the first `len` positions, of which each sees a range.
    #[allow(clippy::too_many_arguments)] // those of the kernel
    pub fn attend(
        &self,
        kernels: &Kernels,
        shape: AttentionShape<'_>,
        queries: (&Queries, Range<usize>),
        visible: &[Range<usize>],
        len: usize,
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let (queries, rows) = queries;
        let (start, all) = (0, 0..visible.len());
        match self {
            Held::Floats([keys, values]) => {
                let span = KeyValueSpan { keys: &keys[..], values: &values[..], start, len, queries: all };
                kernels.attend(shape, queries.floats(rows), visible, &[span], scores, out);
            }
            Held::Codes(bits, [keys, values]) => {
                let span = KeyValueSpan { keys: keys.blocks(), values: values.blocks(), start, len, queries: all };
                kernels.attend_codes(*bits, shape, queries.codes(rows), visible, &[span], scores, out);
            }
        }
    }
}

impl HeldCodes {
    fn block(&mut self, block: usize, blocks: usize) -> CodeBlock<'_> {
        let [codes, scales, zeros] = [self.codes.len(), self.scales.len(), self.zeros.len()].map(|len| len / blocks);
        CodeBlock {
            codes: &mut self.codes[block * codes..][..codes],
            scales: &mut self.scales[block * scales..][..scales],
            zeros: &mut self.zeros[block * zeros..][..zeros],
        }
    }

    fn blocks(&self) -> CodeBlocks<'_> {
        CodeBlocks { codes: &self.codes, scales: &self.scales, zeros: &self.zeros }
    }
}

impl Queries {
    /// Holds queries, [queries, head_dim].
    pub fn of(kernels: &Kernels, floats: Vec<f32>, head_dim: usize) -> Self {
        let (count, stride) = (floats.len() / head_dim, head_dim.next_multiple_of(8));
        let (mut codes, mut scales, mut offsets) = (vec![0; 2 * count * stride], vec![0.0; count], Vec::new());
        let rows = floats.chunks(head_dim).zip(codes.chunks_mut(2 * stride)).zip(scales.chunks_mut(1));
        for ((query, codes), scales) in rows {
            let (high, low) = codes.split_at_mut(stride);
            let mut sums = [[0; 2]];
            let row = QuantizedRowMut { high, low, scales, offsets: &mut sums };
            kernels.quantize_row(query, head_dim.next_multiple_of(16), row);
            offsets.extend(sums[0].map(i32::from));
        }
        Self { head_dim, floats, stride, codes, scales, offsets }
    }

    /// Some of them, [queries, head_dim].
    pub fn floats(&self, rows: Range<usize>) -> &[f32] {
        &self.floats[rows.start * self.head_dim..rows.end * self.head_dim]
    }

    /// Elements of all.
    pub fn elements(&self) -> usize {
        self.floats.len()
    }

    fn codes(&self, rows: Range<usize>) -> QueryCodes<'_> {
        let Self { stride, codes, scales, offsets, .. } = self;
        QueryCodes {
            stride: *stride,
            codes: &codes[2 * stride * rows.start..2 * stride * rows.end],
            scales: &scales[rows.clone()],
            offsets: &offsets[2 * rows.start..2 * rows.end],
        }
    }
}
