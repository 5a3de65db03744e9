//! Terms times values in codes: the second product of [`super::codes`], widened in registers.

use super::tile::{Tile, load_out, store_out};
use super::{BLOCK_POSITIONS, CodeBlocks, Group, KeyValueSpan, POSITIONS_AT_ONCE, Pass};
use crate::lanes::{LANES, Lanes};
use std::ops::Range;

/// Products of terms and values, added to `out`, D vectors of columns at a time.
pub(crate) struct CodeValues<'a, const BITS: u32, const D: usize> {
    pub(crate) spans: &'a [KeyValueSpan<CodeBlocks<'a>>],
    pub(crate) scores: &'a mut [f32],
    /// [queries of the group, head_dim].
    pub(crate) out: &'a mut [f32],
}

/// Terms times scales of a tile, from the first position of its first block on.
type ScaledTerms<const Q: usize> = [[f32; POSITIONS_AT_ONCE]; Q];

impl<S: Lanes, const BITS: u32, const D: usize> Pass<S> for CodeValues<'_, BITS, D> {
    #[inline(always)]
    unsafe fn tile<const Q: usize>(&mut self, s: S, group: &Group<'_>, tile: Tile) {
        let (dim, heads, head) = (group.shape.head_dim, group.shape.kv_heads, group.shape.kv_head);
        let (values, blocks) = (self.spans[tile.span].values, tile.blocks());
        let (member, terms) = (tile.query - group.members.start, tile.scores(group, Q, self.scores));
        let row_bytes = if BITS == 8 { dim.div_ceil(16) * 16 } else { dim.div_ceil(32) * 16 };
        let head_bytes = row_bytes * BLOCK_POSITIONS;
        assert!(values.codes.len() >= blocks.end * heads * head_bytes && self.out.len() >= (member + Q) * dim);
        assert!(values.scales.len() >= blocks.end * heads * BLOCK_POSITIONS && blocks.len() <= 4);
        assert!(BITS == 8 || values.zeros.len() >= blocks.end * heads * BLOCK_POSITIONS);
        let mut scaled = [[0.0; POSITIONS_AT_ONCE]; Q];
        for (index, block) in blocks.clone().enumerate() {
            let scales = &values.scales[(block * heads + head) * BLOCK_POSITIONS..][..LANES];
            let scales = s.load_partial(scales);
            for i in 0..Q {
                // SAFETY: the terms of query i and this block.
                let terms = s.load(unsafe { &*terms.add(i * group.width + index * LANES).cast() });
                let (to, _) = scaled[i][index * LANES..].as_chunks_mut::<LANES>();
                s.store(s.mul(terms, scales), &mut to[0]);
            }
        }
        let at = Values { dim, row_bytes, blocks, heads, head, first: tile.first, stop: tile.stop };
        let mut column = 0;
        // SAFETY: the head's part of the tile's blocks and Q rows of outputs, as just checked; columns end at or below
        // `dim`, and vectors of codes inside their padded rows.
        unsafe {
            let out = self.out.as_mut_ptr().add(member * dim);
            macro_rules! add {
                ($d:expr, $columns:expr) => {
                    if $d == 1 && column / LANES % 2 == 1 {
                        add_values::<S, BITS, Q, { $d }, 1>(s, &at, values, &scaled, out, column, $columns)
                    } else {
                        add_values::<S, BITS, Q, { $d }, 0>(s, &at, values, &scaled, out, column, $columns)
                    }
                };
            }
            while column + D * LANES <= dim {
                add!(D, D * LANES);
                column += D * LANES;
            }
            let rest = dim - column;
            match rest.div_ceil(LANES) {
                0 => {}
                1 => add!(1, rest),
                2 if D > 1 => add!(2, rest),
                3 if D > 2 => add!(3, rest),
                _ => add!(D, rest),
            }
        }
    }
}

/// How the values of a tile lie.
struct Values {
    dim: usize,
    /// Bytes of a position.
    row_bytes: usize,
    /// Blocks of the span, and their heads.
    blocks: Range<usize>,
    heads: usize,
    head: usize,
    /// Positions of the span.
    first: usize,
    stop: usize,
}

/// Adds (p s) (c - z) to `columns` columns from `column` on, at most 16 D and more than 16 (D - 1), of Q rows of
/// outputs. ODD says whether the first vector lies in high halves of bytes.
///
/// # Safety
/// The blocks of the values, Q rows of outputs, and D vectors of codes in each row must lie there.
#[inline(always)]
unsafe fn add_values<S: Lanes, const BITS: u32, const Q: usize, const D: usize, const ODD: usize>(
    s: S,
    at: &Values,
    values: CodeBlocks<'_>,
    terms: &ScaledTerms<Q>,
    out: *mut f32,
    column: usize,
    columns: usize,
) {
    let last = columns - (D - 1) * LANES;
    // SAFETY: as promised.
    let mut acc = unsafe { load_out::<S, Q, D>(s, out.add(column), at.dim, last) };
    let offset = if BITS == 8 { column } else { column / 32 * 16 };
    for (index, block) in at.blocks.clone().enumerate() {
        let head = block * at.heads + at.head;
        let from = at.first.max(block * BLOCK_POSITIONS) - block * BLOCK_POSITIONS;
        let to = at.stop.min((block + 1) * BLOCK_POSITIONS) - block * BLOCK_POSITIONS;
        for position in from..to {
            let term = index * BLOCK_POSITIONS + position;
            // SAFETY: vectors of codes of this position, and its terms.
            unsafe {
                let row = values.codes.as_ptr().add((head * BLOCK_POSITIONS + position) * at.row_bytes + offset);
                s.prefetch(row.wrapping_add(4 * at.heads * BLOCK_POSITIONS * at.row_bytes));
                let zero = if BITS == 8 {
                    128
                } else {
                    i32::from(*values.zeros.as_ptr().add(head * BLOCK_POSITIONS + position))
                };
                let zero = s.splat_int(zero);
                let mut v = [s.splat(0.0); D];
                for d in 0..D {
                    let codes = if BITS == 8 {
                        s.widen_u8(&*row.add(d * 16).cast())
                    } else {
                        let bytes = s.widen_u8(&*row.add((ODD + d) / 2 * 16).cast());
                        if (ODD + d).is_multiple_of(2) { s.low_half(bytes) } else { s.high_half(bytes) }
                    };
                    v[d] = s.to_float(s.sub_int(codes, zero));
                }
                for i in 0..Q {
                    let p = s.splat(*terms.get_unchecked(i).get_unchecked(term));
                    for d in 0..D {
                        acc[i][d] = s.accumulate(acc[i][d], v[d], p);
                    }
                }
            }
        }
    }
    // SAFETY: as promised.
    unsafe { store_out::<S, Q, D>(s, acc, out.add(column), at.dim, last) }
}
