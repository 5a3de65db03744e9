//! The register tiles of attention: queries times keys, terms times values.

use super::BLOCK_POSITIONS;
use crate::lanes::{LANES, Lanes};

/// What a tile covers, and how its rows lie.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Width of a head.
    pub(super) dim: usize,
    /// Elements from one row of scores to the next.
    pub(super) width: usize,
    /// Elements from one block of the head to the next.
    pub(super) block_stride: usize,
    /// Positions of the span.
    pub(super) first: usize,
    pub(super) stop: usize,
}

/// Scaled scores of Q queries and all positions of the blocks that hold `first..stop`, MV blocks at a time.
///
/// # Safety
/// Q rows of `dim` queries, the blocks of the head's keys, and Q rows of scores from the first position of the first
/// block to the last one of the last must lie there.
#[inline(always)]
pub(super) unsafe fn score_tile<S: Lanes, const Q: usize, const MV: usize>(
    s: S,
    tile: Tile,
    queries: *const f32,
    keys: *const f32,
    scores: *mut f32,
    scale: f32,
) {
    let first = tile.first / BLOCK_POSITIONS;
    let blocks = tile.stop.div_ceil(BLOCK_POSITIONS) - first;
    let mut block = 0;
    macro_rules! vectors {
        ($count:expr) => {
            while block + $count <= blocks {
                // SAFETY: as promised, for blocks block..block + count of the tile.
                unsafe {
                    let keys = keys.add((first + block) * tile.block_stride);
                    score_blocks::<S, Q, { $count }>(s, tile, queries, keys, scores.add(block * LANES), scale);
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

/// Scores of Q queries and V blocks of positions, all in registers.
///
/// # Safety
/// As [`score_tile`].
#[inline(always)]
unsafe fn score_blocks<S: Lanes, const Q: usize, const V: usize>(
    s: S,
    tile: Tile,
    queries: *const f32,
    mut keys: *const f32,
    scores: *mut f32,
    scale: f32,
) {
    let mut acc = [[s.splat(0.0); V]; Q];
    for d in 0..tile.dim {
        let mut k = [s.splat(0.0); V];
        for v in 0..V {
            // SAFETY: element d of the sixteen positions of block v.
            k[v] = s.load(unsafe { &*keys.add(v * tile.block_stride).cast() });
        }
        for i in 0..Q {
            // SAFETY: element d of query i.
            let q = s.splat(unsafe { *queries.add(i * tile.dim + d) });
            for v in 0..V {
                acc[i][v] = s.accumulate(acc[i][v], k[v], q);
            }
        }
        keys = keys.wrapping_add(LANES);
    }
    for i in 0..Q {
        for v in 0..V {
            // SAFETY: the scores of query i and block v.
            let to = unsafe { &mut *scores.add(i * tile.width + v * LANES).cast() };
            s.store(s.mul(acc[i][v], s.splat(scale)), to);
        }
    }
}

/// Adds p v of positions `first..stop` to Q rows of outputs, D vectors of columns at a time.
///
/// # Safety
/// The blocks of the head's values, Q rows of terms from the first position of the first block on, and Q rows of
/// outputs must lie there.
#[inline(always)]
pub(super) unsafe fn value_tile<S: Lanes, const Q: usize, const D: usize>(
    s: S,
    tile: Tile,
    values: *const f32,
    terms: *const f32,
    out: *mut f32,
) {
    let mut column = 0;
    // SAFETY: as promised; columns end at or below `dim`.
    unsafe {
        while column + D * LANES <= tile.dim {
            add_values::<S, Q, D>(s, tile, values.add(column), terms, out.add(column), D * LANES);
            column += D * LANES;
        }
        let (values, out, rest) = (values.add(column), out.add(column), tile.dim - column);
        match rest.div_ceil(LANES) {
            0 => {}
            1 => add_values::<S, Q, 1>(s, tile, values, terms, out, rest),
            2 if D > 1 => add_values::<S, Q, 2>(s, tile, values, terms, out, rest),
            3 if D > 2 => add_values::<S, Q, 3>(s, tile, values, terms, out, rest),
            _ => add_values::<S, Q, D>(s, tile, values, terms, out, rest),
        }
    }
}

/// Adds p v to `columns` columns, at most 16 D and more than 16 (D - 1), of Q rows of outputs, all in registers.
///
/// # Safety
/// As [`value_tile`].
#[inline(always)]
unsafe fn add_values<S: Lanes, const Q: usize, const D: usize>(
    s: S,
    tile: Tile,
    values: *const f32,
    terms: *const f32,
    out: *mut f32,
    columns: usize,
) {
    // SAFETY: as promised; vectors end at or below `columns`.
    unsafe {
        let last = columns - (D - 1) * LANES;
        let mut acc = [[s.splat(0.0); D]; Q];
        for i in 0..Q {
            for d in 0..D {
                let from = out.add(i * tile.dim + d * LANES);
                acc[i][d] = if d + 1 == D && last < LANES {
                    s.load_partial(std::slice::from_raw_parts(from, last))
                } else {
                    s.load(&*from.cast())
                };
            }
        }
        macro_rules! positions {
            (|$from:ident| $load_last:expr) => {
                let mut position = tile.first;
                let mut term = terms.add(position % BLOCK_POSITIONS);
                while position < tile.stop {
                    let (block, row) = (position / BLOCK_POSITIONS, position % BLOCK_POSITIONS);
                    let rows = (BLOCK_POSITIONS - row).min(tile.stop - position);
                    let mut from = values.add(block * tile.block_stride + row * tile.dim);
                    for _ in 0..rows {
                        let mut v = [s.splat(0.0); D];
                        for d in 0..D {
                            let $from = from.add(d * LANES);
                            v[d] = if d + 1 == D { $load_last } else { s.load(&*$from.cast()) };
                        }
                        for i in 0..Q {
                            let p = s.splat(*term.add(i * tile.width));
                            for d in 0..D {
                                acc[i][d] = s.accumulate(acc[i][d], v[d], p);
                            }
                        }
                        from = from.wrapping_add(tile.dim);
                        term = term.wrapping_add(1);
                    }
                    position += rows;
                }
            };
        }
        if last == LANES {
            positions!(|from| s.load(&*from.cast()));
        } else {
            positions!(|from| s.load_partial(std::slice::from_raw_parts(from, last)));
        }
        for i in 0..Q {
            for d in 0..D {
                let to = out.add(i * tile.dim + d * LANES);
                if d + 1 == D && last < LANES {
                    s.store_partial(acc[i][d], std::slice::from_raw_parts_mut(to, last));
                } else {
                    s.store(acc[i][d], &mut *to.cast());
                }
            }
        }
    }
}
