//! The register tiles of attention over f32: queries times keys, terms times values.

use super::{BLOCK_POSITIONS, Group, KeyValueSpan, Pass};
use crate::lanes::{LANES, Lanes};

/// What a tile covers.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// Which span.
    pub(super) span: usize,
    /// The first query, of the whole call.
    pub(super) query: usize,
    /// Column of the scores for the first position of the first block that it touches.
    pub(super) column: usize,
    /// Positions of the span.
    pub(super) first: usize,
    pub(super) stop: usize,
}

impl Tile {
    /// Blocks that hold its positions.
    #[inline(always)]
    pub(super) fn blocks(&self) -> std::ops::Range<usize> {
        self.first / BLOCK_POSITIONS..self.stop.div_ceil(BLOCK_POSITIONS)
    }

    /// Where its scores lie: `queries` rows, from the first position of the first block to the last one of the last.
    #[inline(always)]
    pub(super) fn scores(&self, group: &Group<'_>, queries: usize, scores: &mut [f32]) -> *mut f32 {
        let member = self.query - group.members.start;
        let end = self.column + self.blocks().len() * BLOCK_POSITIONS;
        assert!(end <= group.width && scores.len() >= (member + queries) * group.width);
        // SAFETY: inside, as just checked.
        unsafe { scores.as_mut_ptr().add(member * group.width + self.column) }
    }
}

/// Products of queries and keys, MV blocks at a time.
pub(crate) struct FloatScores<'a, const MV: usize> {
    pub(crate) spans: &'a [KeyValueSpan<&'a [f32]>],
    /// [queries, head_dim].
    pub(crate) queries: &'a [f32],
    pub(crate) scores: &'a mut [f32],
}

impl<S: Lanes, const MV: usize> Pass<S> for FloatScores<'_, MV> {
    #[inline(always)]
    unsafe fn tile<const Q: usize>(&mut self, s: S, group: &Group<'_>, tile: Tile) {
        let (dim, heads, head) = (group.shape.head_dim, group.shape.kv_heads, group.shape.kv_head);
        let (keys, blocks) = (self.spans[tile.span].keys, tile.blocks());
        let (block_len, scores) = (BLOCK_POSITIONS * dim, tile.scores(group, Q, self.scores));
        assert!(keys.len() >= blocks.end * heads * block_len && self.queries.len() >= (tile.query + Q) * dim);
        let rows = Rows { dim, width: group.width, block_stride: heads * block_len };
        let mut block = 0;
        macro_rules! vectors {
            ($count:expr) => {
                while blocks.len() - block >= $count {
                    // SAFETY: the head's part of blocks below blocks.end, Q queries and their scores, as checked.
                    unsafe {
                        let keys = keys.as_ptr().add(((blocks.start + block) * heads + head) * block_len);
                        let (queries, scores) =
                            (self.queries.as_ptr().add(tile.query * dim), scores.add(block * LANES));
                        let scale = group.shape.scale;
                        if Q < 6 || group.is_few() {
                            score_blocks::<S, Q, { $count }, true>(s, rows, queries, keys, scores, scale);
                        } else {
                            score_blocks::<S, Q, { $count }, false>(s, rows, queries, keys, scores, scale);
                        }
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

/// How the rows of a tile lie.
#[derive(Clone, Copy)]
struct Rows {
    /// Width of a head.
    dim: usize,
    /// Elements from one row of scores to the next.
    width: usize,
    /// Elements from one block of the head to the next.
    block_stride: usize,
}

/// Scaled scores of Q queries and V blocks of positions, all in registers. AHEAD asks for the blocks after them.
///
/// # Safety
/// Q rows of `dim` queries, V blocks of the head's keys, and Q rows of scores must lie there.
#[inline(always)]
unsafe fn score_blocks<S: Lanes, const Q: usize, const V: usize, const AHEAD: bool>(
    s: S,
    rows: Rows,
    queries: *const f32,
    mut keys: *const f32,
    scores: *mut f32,
    scale: f32,
) {
    let mut acc = [[s.splat(0.0); V]; Q];
    for d in 0..rows.dim {
        let mut k = [s.splat(0.0); V];
        for v in 0..V {
            // SAFETY: element d of the sixteen positions of block v.
            k[v] = s.load(unsafe { &*keys.add(v * rows.block_stride).cast() });
            if AHEAD {
                s.prefetch(keys.wrapping_add((V + v) * rows.block_stride).cast());
            }
        }
        for i in 0..Q {
            // SAFETY: element d of query i.
            let q = s.splat(unsafe { *queries.add(i * rows.dim + d) });
            for v in 0..V {
                acc[i][v] = s.accumulate(acc[i][v], k[v], q);
            }
        }
        keys = keys.wrapping_add(LANES);
    }
    for i in 0..Q {
        for v in 0..V {
            // SAFETY: the scores of query i and block v.
            let to = unsafe { &mut *scores.add(i * rows.width + v * LANES).cast() };
            s.store(s.mul(acc[i][v], s.splat(scale)), to);
        }
    }
}

/// Products of terms and values, added to `out`, D vectors of columns at a time.
pub(crate) struct FloatValues<'a, const D: usize> {
    pub(crate) spans: &'a [KeyValueSpan<&'a [f32]>],
    pub(crate) scores: &'a mut [f32],
    /// [queries of the group, head_dim].
    pub(crate) out: &'a mut [f32],
}

impl<S: Lanes, const D: usize> Pass<S> for FloatValues<'_, D> {
    #[inline(always)]
    unsafe fn tile<const Q: usize>(&mut self, s: S, group: &Group<'_>, tile: Tile) {
        let (dim, heads, head) = (group.shape.head_dim, group.shape.kv_heads, group.shape.kv_head);
        let (values, member) = (self.spans[tile.span].values, tile.query - group.members.start);
        let (block_len, terms) = (BLOCK_POSITIONS * dim, tile.scores(group, Q, self.scores));
        assert!(values.len() >= tile.blocks().end * heads * block_len && self.out.len() >= (member + Q) * dim);
        let rows = Rows { dim, width: group.width, block_stride: heads * block_len };
        let mut column = 0;
        // SAFETY: the head's part of the tile's blocks, Q rows of terms and of outputs, as just checked; columns end at
        // or below `dim`.
        unsafe {
            let (values, out) = (values.as_ptr().add(head * block_len), self.out.as_mut_ptr().add(member * dim));
            while column + D * LANES <= dim {
                let (values, out) = (values.add(column), out.add(column));
                if Q < 6 || group.is_few() {
                    add_values::<S, Q, D, true>(s, rows, tile, values, terms, out, D * LANES);
                } else {
                    add_values::<S, Q, D, false>(s, rows, tile, values, terms, out, D * LANES);
                }
                column += D * LANES;
            }
            let (values, out, rest) = (values.add(column), out.add(column), dim - column);
            match rest.div_ceil(LANES) {
                0 => {}
                1 => add_values::<S, Q, 1, true>(s, rows, tile, values, terms, out, rest),
                2 if D > 1 => add_values::<S, Q, 2, true>(s, rows, tile, values, terms, out, rest),
                3 if D > 2 => add_values::<S, Q, 3, true>(s, rows, tile, values, terms, out, rest),
                _ => add_values::<S, Q, D, true>(s, rows, tile, values, terms, out, rest),
            }
        }
    }
}

/// Q rows of D vectors of outputs, the last one of `last` columns.
///
/// # Safety
/// They must lie there.
#[inline(always)]
pub(super) unsafe fn load_out<S: Lanes, const Q: usize, const D: usize>(
    s: S,
    out: *const f32,
    stride: usize,
    last: usize,
) -> [[S::F; D]; Q] {
    let mut acc = [[s.splat(0.0); D]; Q];
    for i in 0..Q {
        for d in 0..D {
            // SAFETY: as promised.
            acc[i][d] = unsafe {
                let from = out.add(i * stride + d * LANES);
                if d + 1 == D && last < LANES {
                    s.load_partial(std::slice::from_raw_parts(from, last))
                } else {
                    s.load(&*from.cast())
                }
            };
        }
    }
    acc
}

/// The reverse of [`load_out`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn store_out<S: Lanes, const Q: usize, const D: usize>(
    s: S,
    acc: [[S::F; D]; Q],
    out: *mut f32,
    stride: usize,
    last: usize,
) {
    for i in 0..Q {
        for d in 0..D {
            // SAFETY: as promised.
            unsafe {
                let to = out.add(i * stride + d * LANES);
                if d + 1 == D && last < LANES {
                    s.store_partial(acc[i][d], std::slice::from_raw_parts_mut(to, last));
                } else {
                    s.store(acc[i][d], &mut *to.cast());
                }
            }
        }
    }
}

/// Adds p v to `columns` columns, at most 16 D and more than 16 (D - 1), of Q rows of outputs, all in registers. AHEAD
/// asks for values four blocks further on.
///
/// # Safety
/// The blocks of the head's values from the span's first, Q rows of terms from the tile's first block on, and Q rows of
/// outputs must lie there.
#[inline(always)]
unsafe fn add_values<S: Lanes, const Q: usize, const D: usize, const AHEAD: bool>(
    s: S,
    rows: Rows,
    tile: Tile,
    values: *const f32,
    terms: *const f32,
    out: *mut f32,
    columns: usize,
) {
    // SAFETY: as promised; vectors end at or below `columns`.
    unsafe {
        let last = columns - (D - 1) * LANES;
        let mut acc = load_out::<S, Q, D>(s, out, rows.dim, last);
        macro_rules! positions {
            (|$from:ident| $load_last:expr) => {
                let mut position = tile.first;
                let mut term = terms.add(position % BLOCK_POSITIONS);
                while position < tile.stop {
                    let (block, row) = (position / BLOCK_POSITIONS, position % BLOCK_POSITIONS);
                    let count = (BLOCK_POSITIONS - row).min(tile.stop - position);
                    let mut from = values.add(block * rows.block_stride + row * rows.dim);
                    for _ in 0..count {
                        if AHEAD {
                            for d in 0..D {
                                s.prefetch(from.wrapping_add(4 * rows.block_stride + d * LANES).cast());
                            }
                        }
                        let mut v = [s.splat(0.0); D];
                        for d in 0..D {
                            let $from = from.add(d * LANES);
                            v[d] = if d + 1 == D { $load_last } else { s.load(&*$from.cast()) };
                        }
                        for i in 0..Q {
                            let p = s.splat(*term.add(i * rows.width));
                            for d in 0..D {
                                acc[i][d] = s.accumulate(acc[i][d], v[d], p);
                            }
                        }
                        from = from.wrapping_add(rows.dim);
                        term = term.wrapping_add(1);
                    }
                    position += count;
                }
            };
        }
        if last == LANES {
            positions!(|from| s.load(&*from.cast()));
        } else {
            positions!(|from| s.load_partial(std::slice::from_raw_parts(from, last)));
        }
        store_out::<S, Q, D>(s, acc, out, rows.dim, last);
    }
}
