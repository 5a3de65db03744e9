//! Attention over keys and values in codes, with a scale for each token and head.
//!
//! # Formula
//! A key or value is s * (c - z): codes c of 8 bits have z = 128 and s = max |x| / 127; codes of 4 bits span
//! low = min(x, 0) to high = max(x, 0), s = (high - low) / 15 and z = round(-low / s). A query is quantized as
//! activations are ([`crate::quantize`]): one scale, 8 or 16 bits. With the head's factor f on scores,
//! ```text
//! score_j = (sum over d of (c_jd - z_j) q_d) * (s_j * (s_q * f))        the sum is exact in i32
//! out_d   = (sum over j of (p_j * s_j) * (c_jd - z_j)) / (sum over j of p_j)        c - z exact, the rest in f32
//! ```
//!
//! # Shapes
//! In blocks of sixteen positions, as f32; bytes of one head of one block:
//! ```text
//! keys, 8 bits     [head_dim / 4, 16, 4]     a lane is four elements of a position: what `dot_u8` multiplies
//! keys, 4 bits     [head_dim / 8, 16, 4]     low halves are elements 8i..8i + 4, high halves the four behind them
//! values, 8 bits   [16, head_dim]            padded to 16 elements
//! values, 4 bits   [16, head_dim / 2]        padded to 32: low halves are elements 32i..32i + 16, high the others
//! scales, zeros    [16]                      of keys and of values each; zeros for 4 bits only
//! ```
//!
//! # Range
//! Of 256 elements, |sum| <= 255 * 32512 * 256 < 2^31. A sum of 16-bit queries may have more than 24 bits and is then
//! rounded once, to nearest even, when it becomes f32.
//!
//! # Error
//! A key element is off by at most s / 2, a query element by s_q / 2: a score, before rounding, by at most
//! f * (s / 2 * |q|_1 + s_q / 2 * |k|_1 + head_dim * s * s_q / 4), in the 1-norms of the head.
//!
//! # Source
//! A scale for each token and head, as in LMDeploy (Shanghai AI Laboratory), `quantization/kv_quant`; Liu et al. 2024
//! (KIVI) compare it with scales along other axes.

use super::tile::Tile;
use super::{BLOCK_POSITIONS, Group, KeyValueSpan, Pass};
use crate::lanes::{LANES, Lanes};

/// Width of a code in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KvBits {
    /// Symmetric.
    Eight,
    /// With a zero point.
    Four,
}

impl KvBits {
    /// Widest head: sums of its products fit 32 bits.
    pub const MAX_HEAD_DIM: usize = 256;

    /// Bytes of the keys of one head in a block.
    pub fn key_bytes(self, head_dim: usize) -> usize {
        match self {
            KvBits::Eight => head_dim.div_ceil(4) * 64,
            KvBits::Four => head_dim.div_ceil(8) * 64,
        }
    }

    /// Bytes of the values of one head in a block.
    pub fn value_bytes(self, head_dim: usize) -> usize {
        match self {
            KvBits::Eight => head_dim.div_ceil(16) * 16 * BLOCK_POSITIONS,
            KvBits::Four => head_dim.div_ceil(32) * 16 * BLOCK_POSITIONS,
        }
    }

    /// Zero points stored for each position and head.
    pub fn zeros(self) -> usize {
        match self {
            KvBits::Eight => 0,
            KvBits::Four => 1,
        }
    }
}

/// Keys or values of consecutive positions, all heads; see the module.
#[derive(Clone, Copy, Debug)]
pub struct CodeBlocks<'a> {
    /// [blocks, kv_heads, bytes of a head].
    pub codes: &'a [u8],
    /// [blocks, kv_heads, 16].
    pub scales: &'a [f32],
    /// [blocks, kv_heads, 16], or empty.
    pub zeros: &'a [u8],
}

/// Queries as codes, one scale each.
#[derive(Clone, Copy, Debug)]
pub struct QueryCodes<'a> {
    /// Bytes from one plane to the next: a multiple of 8, zero beyond the head.
    pub stride: usize,
    /// [queries, planes, stride]: codes, or high and low bytes, code = 255 * high + low.
    pub codes: &'a [i8],
    /// [queries].
    pub scales: &'a [f32],
    /// Minus the sum of each plane, [queries, planes].
    pub offsets: &'a [i32],
}

/// Products of queries and keys.
pub(crate) struct CodeScores<'a, const BITS: u32, const PLANES: usize, const MV: usize> {
    pub(crate) spans: &'a [KeyValueSpan<CodeBlocks<'a>>],
    pub(crate) queries: QueryCodes<'a>,
    pub(crate) scores: &'a mut [f32],
}

impl<S: Lanes, const BITS: u32, const PLANES: usize, const MV: usize> Pass<S> for CodeScores<'_, BITS, PLANES, MV> {
    #[inline(always)]
    unsafe fn tile<const Q: usize>(&mut self, s: S, group: &Group<'_>, tile: Tile) {
        let (shape, queries, keys) = (group.shape, self.queries, self.spans[tile.span].keys);
        let (blocks, scores) = (tile.blocks(), tile.scores(group, Q, self.scores));
        let steps = shape.head_dim.div_ceil(if BITS == 8 { 4 } else { 8 });
        let (head_bytes, heads) = (64 * steps, blocks.end * shape.kv_heads);
        assert!(keys.codes.len() >= heads * head_bytes && keys.scales.len() >= heads * BLOCK_POSITIONS);
        assert!(
            (BITS == 8 || keys.zeros.len() >= heads * BLOCK_POSITIONS) && queries.stride >= 32 / BITS as usize * steps
        );
        assert!(queries.codes.len() >= (tile.query + Q) * PLANES * queries.stride);
        assert!(queries.scales.len() >= tile.query + Q && queries.offsets.len() >= (tile.query + Q) * PLANES);
        let mut factors = [0.0; Q];
        let mut offsets = [[0; PLANES]; Q];
        for i in 0..Q {
            factors[i] = queries.scales[tile.query + i] * shape.scale;
            offsets[i].copy_from_slice(&queries.offsets[(tile.query + i) * PLANES..][..PLANES]);
        }
        let rows = Rows { steps, stride: queries.stride, width: group.width, heads: shape.kv_heads };
        let mut block = 0;
        macro_rules! vectors {
            ($count:expr) => {
                while blocks.len() - block >= $count {
                    let head = (blocks.start + block) * shape.kv_heads + shape.kv_head;
                    // SAFETY: the head's part of blocks below blocks.end, Q queries and their scores, as checked.
                    unsafe {
                        let keys = Head {
                            codes: keys.codes.as_ptr().add(head * head_bytes),
                            scales: keys.scales.as_ptr().add(head * BLOCK_POSITIONS),
                            zeros: keys.zeros.as_ptr().wrapping_add(head * BLOCK_POSITIONS),
                        };
                        let codes = queries.codes.as_ptr().add(tile.query * PLANES * queries.stride);
                        let sums = dot_blocks::<S, BITS, Q, PLANES, { $count }>(s, rows, codes, &offsets, keys.codes);
                        let to = scores.add(block * LANES);
                        store_scores::<S, BITS, Q, PLANES, { $count }>(s, rows, sums, &offsets, &factors, keys, to);
                    }
                    block += $count;
                }
            };
        }
        vectors!(MV);
        if MV > 1 {
            vectors!(1);
        }
    }
}

/// Where a head of a block lies.
#[derive(Clone, Copy)]
struct Head {
    codes: *const u8,
    scales: *const f32,
    zeros: *const u8,
}

/// How the rows of a tile lie.
#[derive(Clone, Copy)]
struct Rows {
    /// Vectors of 64 bytes in the keys of a head.
    steps: usize,
    /// Bytes from one plane of queries to the next.
    stride: usize,
    /// Elements from one row of scores to the next.
    width: usize,
    /// Heads of a block.
    heads: usize,
}

/// Sums of products of the codes of Q queries, PLANES bytes each, and V blocks of positions, all in registers: minus
/// the zero point for 8 bits, with it for 4. Asks for the blocks after them, which costs a tile in the cache 1 %.
///
/// # Safety
/// Q * PLANES rows of query codes and V blocks of the head's keys must lie there.
#[inline(always)]
unsafe fn dot_blocks<S: Lanes, const BITS: u32, const Q: usize, const PLANES: usize, const V: usize>(
    s: S,
    rows: Rows,
    queries: *const i8,
    offsets: &[[i32; PLANES]; Q],
    keys: *const u8,
) -> [[[S::I; V]; PLANES]; Q] {
    let mut acc = [[[s.splat_int(0); V]; PLANES]; Q];
    let block_stride = rows.heads * rows.steps * 64;
    if BITS == 8 {
        for i in 0..Q {
            for p in 0..PLANES {
                acc[i][p] = [s.splat_int((128 - S::CENTRE) * offsets[i][p]); V];
            }
        }
        for step in 0..rows.steps {
            let mut w = [s.splat_bytes([0; 4]); V];
            for v in 0..V {
                s.prefetch(keys.wrapping_add((V + v) * block_stride + 64 * step));
                // SAFETY: four elements of the sixteen positions of block v.
                w[v] = s.load_bytes(unsafe { &*keys.add(v * block_stride + 64 * step).cast() });
            }
            for i in 0..Q {
                for p in 0..PLANES {
                    // SAFETY: four codes of query i.
                    let x = s.splat_bytes(unsafe { *queries.add((i * PLANES + p) * rows.stride + 4 * step).cast() });
                    for v in 0..V {
                        acc[i][p][v] = s.dot_u8(acc[i][p][v], w[v], x);
                    }
                }
            }
        }
        return acc;
    }
    let mut step = 0;
    while step < rows.steps {
        // Eight products of four codes up to 15 are what narrow sums hold.
        let end = rows.steps.min(step + 4);
        let mut sums = [[[s.open(acc[0][0][0]); V]; PLANES]; Q];
        for i in 0..Q {
            for p in 0..PLANES {
                for v in 0..V {
                    sums[i][p][v] = s.open(acc[i][p][v]);
                }
            }
        }
        while step < end {
            let mut w = [[s.splat_bytes([0; 4]); V]; 2];
            for v in 0..V {
                s.prefetch(keys.wrapping_add((V + v) * block_stride + 64 * step));
                // SAFETY: eight elements of the sixteen positions of block v.
                let packed = s.load_bytes(unsafe { &*keys.add(v * block_stride + 64 * step).cast() });
                w[0][v] = s.field::<0>(packed, 15);
                w[1][v] = s.field::<4>(packed, 15);
            }
            for half in 0..2 {
                for i in 0..Q {
                    for p in 0..PLANES {
                        let at = (i * PLANES + p) * rows.stride + 8 * step + 4 * half;
                        // SAFETY: four codes of query i.
                        let x = s.splat_bytes(unsafe { *queries.add(at).cast() });
                        for v in 0..V {
                            sums[i][p][v] = s.dot_u4(sums[i][p][v], w[half][v], x);
                        }
                    }
                }
            }
            step += 1;
        }
        for i in 0..Q {
            for p in 0..PLANES {
                for v in 0..V {
                    acc[i][p][v] = s.close(acc[i][p][v], sums[i][p][v]);
                }
            }
        }
    }
    acc
}

/// Scores of sums.
///
/// # Safety
/// V blocks of scales, and of zero points for 4 bits, and Q rows of scores must lie there.
#[inline(always)]
unsafe fn store_scores<S: Lanes, const BITS: u32, const Q: usize, const PLANES: usize, const V: usize>(
    s: S,
    rows: Rows,
    sums: [[[S::I; V]; PLANES]; Q],
    offsets: &[[i32; PLANES]; Q],
    factors: &[f32; Q],
    keys: Head,
    scores: *mut f32,
) {
    for v in 0..V {
        let at = v * rows.heads * BLOCK_POSITIONS;
        // SAFETY: of the sixteen positions of block v.
        let scales = s.load(unsafe { &*keys.scales.add(at).cast() });
        for i in 0..Q {
            let (mut sum, mut offset) = (sums[i][0][v], offsets[i][0]);
            if PLANES == 2 {
                sum = s.add_int(s.mul_int(sum, s.splat_int(255)), sums[i][1][v]);
                offset = 255 * offset + offsets[i][1];
            }
            if BITS == 4 {
                // SAFETY: as above.
                let zeros = s.widen_u8(unsafe { &*keys.zeros.add(at).cast() });
                sum = s.add_int(sum, s.mul_int(zeros, s.splat_int(offset)));
            }
            let score = s.mul(s.to_float(sum), s.mul(scales, s.splat(factors[i])));
            // SAFETY: the scores of query i and block v.
            s.store(score, unsafe { &mut *scores.add(i * rows.width + v * LANES).cast() });
        }
    }
}
