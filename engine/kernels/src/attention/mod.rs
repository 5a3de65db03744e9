//! Attention of several queries of one key/value head to the keys they may see.
//!
//! # Formula
//! For query i with visible positions a..b: score_j = scale * (q_i . k_j), m = max score_j, p_j = exp(score_j - m),
//! out_i = (sum over j of p_j v_j) / (sum over j of p_j).
//!
//! # Shapes
//! queries, out: f32 [queries, head_dim]; visible: one range of absolute positions a query; keys and values lie in
//! spans of consecutive positions, each for a range of the queries, so that sequences with a common prefix share its
//! memory, and their queries meet it together, as one matrix product:
//! ```text
//! span 0: positions 0..700, queries 0..24          (a few-shot header, seen by all)
//! span 1: positions 700..780, queries 0..12        (the question of the first sequence)
//! span 2: positions 700..765, queries 12..24       (that of the second)
//! keys [len, stride], the head's row at offset..offset + head_dim; values likewise
//! ```
//! The spans of a query tile the positions it sees, in ascending order.
//!
//! # Tile
//! Queries are taken 24 at a time, positions 64 at a time, so that keys and values stay in the nearest cache while the
//! queries pass by: with AVX-512, 4 queries times 4 keys, and 6 queries times 64 columns of values, in registers. Sums of
//! values wait in `out` between blocks of positions.
//!
//! # Order
//! Scores: `LaneTree16` over head_dim. Two passes: maximum, then exponentials; their sum in `LaneTree16` over the
//! query's visible positions; p . v ascends over positions; one division at the end (R7). Online softmax would change
//! bits with the chunk size. Neither spans nor the queries computed together change any bit.
//!
//! # Source
//! Vaswani et al. 2017, eq. 1; Shazeer 2019 and Ainslie et al. 2023 (several query heads to one key/value head).

use crate::lanes::{LANES, Lanes};
use crate::math;
use std::ops::Range;

/// Keys and values of consecutive positions, all heads; see the module.
#[derive(Clone, Debug)]
pub struct KeyValueSpan<'a> {
    /// [len, stride].
    pub keys: &'a [f32],
    /// [len, stride].
    pub values: &'a [f32],
    /// Position of the first.
    pub start: usize,
    /// The queries that it is for.
    pub queries: Range<usize>,
}

/// What the queries of one call share.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Width of a head.
    pub head_dim: usize,
    /// Elements from one position to the next: kv_heads * head_dim.
    pub stride: usize,
    /// First element of the head within a position.
    pub offset: usize,
    /// Factor on scores.
    pub scale: f32,
}

/// Queries whose scores are held at a time.
pub const QUERY_GROUP: usize = 24;
/// Positions that all queries of a group meet before the next ones.
const POSITION_BLOCK: usize = 64;

/// Queries whose scores are held together.
struct Group<'a> {
    shape: AttentionShape,
    /// Of the whole call: [queries, head_dim], and what each sees.
    queries: &'a [f32],
    visible: &'a [Range<usize>],
    spans: &'a [KeyValueSpan<'a>],
    /// Which queries of the call.
    members: Range<usize>,
    /// Positions that any of them sees: the columns of the scores.
    columns: Range<usize>,
}

/// The smallest range that holds all of `ranges`.
#[inline(always)]
fn hull(ranges: &[Range<usize>]) -> Range<usize> {
    let mut hull = ranges[0].clone();
    for range in ranges {
        hull = hull.start.min(range.start)..hull.end.max(range.end);
    }
    hull
}

/// See the module. MQ queries x MK keys and six queries x D vectors of values are the register tiles of the instruction
/// set. `scores` is scratch of QUERY_GROUP * (the positions that queries of a group see).
#[inline(always)]
pub(crate) fn attend<S: Lanes, const MQ: usize, const MK: usize, const D: usize>(
    s: S,
    shape: AttentionShape,
    queries: &[f32],
    visible: &[Range<usize>],
    spans: &[KeyValueSpan<'_>],
    scores: &mut [f32],
    out: &mut [f32],
) {
    let dim = shape.head_dim;
    for first in (0..visible.len()).step_by(QUERY_GROUP) {
        let members = first..visible.len().min(first + QUERY_GROUP);
        let columns = hull(&visible[members.clone()]);
        let width = columns.len();
        let group = Group { shape, queries, visible, spans, members: members.clone(), columns };
        let scores = &mut scores[..members.len() * width];
        let out = &mut out[members.start * dim..members.end * dim];
        tiles::<S, MQ, MK, D, false>(s, &group, scores, out);
        let mut denominators = [0.0; QUERY_GROUP];
        for (index, row) in scores.chunks_mut(width).enumerate() {
            let (seen, start) = (&visible[first + index], group.columns.start);
            let (from, to) = (seen.start - start, seen.end - start);
            row[..from].fill(0.0);
            row[to..].fill(0.0);
            denominators[index] = softmax_terms(s, shape.scale, &mut row[from..to]);
        }
        out.fill(0.0);
        tiles::<S, MQ, MK, D, true>(s, &group, scores, out);
        for (row, denominator) in out.chunks_mut(dim).zip(denominators) {
            let (chunks, tail) = row.as_chunks_mut::<LANES>();
            for chunk in chunks {
                s.store(s.div(s.load(chunk), s.splat(denominator)), chunk);
            }
            s.store_partial(s.div(s.load_partial(tail), s.splat(denominator)), tail);
        }
    }
}

/// All tiles of a group: scores of queries and keys or, with VALUES, sums of values.
#[inline(always)]
fn tiles<S: Lanes, const MQ: usize, const MK: usize, const D: usize, const VALUES: bool>(
    s: S,
    group: &Group<'_>,
    scores: &mut [f32],
    out: &mut [f32],
) {
    for span in group.spans {
        let end = group.columns.end.min(span.start + span.keys.len() / group.shape.stride);
        let last = group.members.end.min(span.queries.end);
        let mut position = group.columns.start.max(span.start);
        while position < end {
            let block = position..end.min(position + POSITION_BLOCK);
            let mut query = group.members.start.max(span.queries.start);
            while VALUES && query + 6 <= last {
                tile::<S, 6, MQ, MK, D, VALUES>(s, group, span, block.clone(), query, scores, out);
                query += 6;
            }
            while query + 4 <= last {
                tile::<S, 4, MQ, MK, D, VALUES>(s, group, span, block.clone(), query, scores, out);
                query += 4;
            }
            while query < last {
                tile::<S, 1, MQ, MK, D, VALUES>(s, group, span, block.clone(), query, scores, out);
                query += 1;
            }
            position = block.end;
        }
    }
}

/// Q queries from `query` on and those positions of `block` that one of them sees.
#[inline(always)]
fn tile<S: Lanes, const Q: usize, const MQ: usize, const MK: usize, const D: usize, const VALUES: bool>(
    s: S,
    group: &Group<'_>,
    span: &KeyValueSpan<'_>,
    block: Range<usize>,
    query: usize,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let shape = group.shape;
    let seen = hull(&group.visible[query..query + Q]);
    let (start, end) = (block.start.max(seen.start), block.end.min(seen.end));
    if start >= end {
        return;
    }
    let (dim, width, member) = (shape.head_dim, group.columns.len(), query - group.members.start);
    let at = (start - span.start) * shape.stride + shape.offset;
    let source = if VALUES { span.values } else { span.keys };
    // All that the tile reads and writes lies inside these.
    assert!(source.len() >= (end - 1 - span.start) * shape.stride + shape.offset + dim);
    assert!(group.queries.len() >= (query + Q) * dim && out.len() >= (member + Q) * dim);
    assert!(scores.len() >= (member + Q) * width && end <= group.columns.end);
    // SAFETY: the rows of positions start..end, of Q queries, of their scores and of their outputs, as just checked.
    unsafe {
        let (rows, queries) = (source.as_ptr().add(at), group.queries.as_ptr().add(query * dim));
        let scores = scores.as_mut_ptr().add(member * width + start - group.columns.start);
        if VALUES {
            let out = out.as_mut_ptr().add(member * dim);
            let mut column = 0;
            while column + D * LANES <= dim {
                add_values::<S, Q, D>(
                    s,
                    &shape,
                    rows.add(column),
                    end - start,
                    scores,
                    width,
                    out.add(column),
                    D * LANES,
                );
                column += D * LANES;
            }
            let (rows, out, rest) = (rows.add(column), out.add(column), dim - column);
            match rest.div_ceil(LANES) {
                0 => {}
                1 => add_values::<S, Q, 1>(s, &shape, rows, end - start, scores, width, out, rest),
                2 if D > 1 => add_values::<S, Q, 2>(s, &shape, rows, end - start, scores, width, out, rest),
                3 if D > 2 => add_values::<S, Q, 3>(s, &shape, rows, end - start, scores, width, out, rest),
                _ => add_values::<S, Q, D>(s, &shape, rows, end - start, scores, width, out, rest),
            }
        } else {
            let mut index = 0;
            while index + 4 <= end - start {
                dot_keys::<S, Q, 4, MQ, MK>(
                    s,
                    &shape,
                    queries,
                    rows.add(index * shape.stride),
                    scores.add(index),
                    width,
                );
                index += 4;
            }
            while index < end - start {
                dot_keys::<S, Q, 1, MQ, MK>(
                    s,
                    &shape,
                    queries,
                    rows.add(index * shape.stride),
                    scores.add(index),
                    width,
                );
                index += 1;
            }
        }
    }
}

/// q . k of Q queries and K consecutive keys, not yet scaled, to rows `width` apart of the scores.
///
/// # Safety
/// Q rows of queries, K rows of keys and Q rows of K scores must lie there.
#[inline(always)]
unsafe fn dot_keys<S: Lanes, const Q: usize, const K: usize, const MQ: usize, const MK: usize>(
    s: S,
    shape: &AttentionShape,
    queries: *const f32,
    keys: *const f32,
    scores: *mut f32,
    width: usize,
) {
    // SAFETY: Q rows of queries, K rows of keys and Q rows of K scores lie there; vectors end at or below head_dim.
    unsafe {
        let mut acc = [[s.splat(0.0); K]; Q];
        if Q == 4 && K == 4 && MQ * MK < 16 {
            for i in (0..Q).step_by(MQ) {
                for j in (0..K).step_by(MK) {
                    let (queries, keys) = (queries.add(i * shape.head_dim), keys.add(j * shape.stride));
                    let part = dot_lanes::<S, MQ, MK>(s, shape, queries, keys);
                    for (acc, part) in acc[i..i + MQ].iter_mut().zip(part) {
                        acc[j..j + MK].copy_from_slice(&part);
                    }
                }
            }
        } else {
            acc = dot_lanes::<S, Q, K>(s, shape, queries, keys);
        }
        if Q == 4 && K == 4 {
            let mut sums = [0.0; LANES];
            let row = |i: usize| [acc[i % Q][0], acc[i % Q][1 % K], acc[i % Q][2 % K], acc[i % Q][3 % K]];
            s.store(s.tree16([row(0), row(1), row(2), row(3)]), &mut sums);
            for i in 0..Q {
                std::slice::from_raw_parts_mut(scores.add(i * width), K).copy_from_slice(&sums[i * K..(i + 1) * K]);
            }
            return;
        }
        for i in 0..Q {
            for j in 0..K {
                *scores.add(i * width + j) = s.tree(acc[i][j]);
            }
        }
    }
}

/// The lanes of q . k of Q queries and K consecutive keys, all in registers.
///
/// # Safety
/// Q rows of queries and K rows of keys must lie there.
#[inline(always)]
unsafe fn dot_lanes<S: Lanes, const Q: usize, const K: usize>(
    s: S,
    shape: &AttentionShape,
    queries: *const f32,
    keys: *const f32,
) -> [[S::F; K]; Q] {
    // SAFETY: Q rows of queries and K rows of keys lie there; vectors end at or below head_dim.
    unsafe {
        let dim = shape.head_dim;
        let mut acc = [[s.splat(0.0); K]; Q];
        macro_rules! step {
            (|$from:ident| $load:expr) => {
                let mut k = [s.splat(0.0); K];
                for j in 0..K {
                    let $from = keys.add(j * shape.stride);
                    k[j] = $load;
                }
                for i in 0..Q {
                    let $from = queries.add(i * dim);
                    let q = $load;
                    for j in 0..K {
                        acc[i][j] = s.accumulate(acc[i][j], q, k[j]);
                    }
                }
            };
        }
        let whole = dim / LANES * LANES;
        for column in (0..whole).step_by(LANES) {
            step!(|from| s.load(&*from.add(column).cast()));
        }
        if whole < dim {
            step!(|from| s.load_partial(std::slice::from_raw_parts(from.add(whole), dim - whole)));
        }
        acc
    }
}

/// Adds p v of `len` positions to `columns` columns, at most 16 D, of Q rows of outputs.
///
/// # Safety
/// `len` rows of values, Q rows of scores, `width` apart, and Q rows of outputs must lie there.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn add_values<S: Lanes, const Q: usize, const D: usize>(
    s: S,
    shape: &AttentionShape,
    mut values: *const f32,
    len: usize,
    terms: *const f32,
    width: usize,
    out: *mut f32,
    columns: usize,
) {
    // SAFETY: `len` rows of values, Q rows of scores and of outputs lie there; vectors end at or below `columns`.
    unsafe {
        let last = columns - (D - 1) * LANES;
        let mut acc = [[s.splat(0.0); D]; Q];
        for i in 0..Q {
            for d in 0..D {
                let from = out.add(i * shape.head_dim + d * LANES);
                acc[i][d] = if d + 1 == D && last < LANES {
                    s.load_partial(std::slice::from_raw_parts(from, last))
                } else {
                    s.load(&*from.cast())
                };
            }
        }
        macro_rules! positions {
            (|$from:ident| $load_last:expr) => {
                for position in 0..len {
                    let mut v = [s.splat(0.0); D];
                    for d in 0..D {
                        let $from = values.add(d * LANES);
                        v[d] = if d + 1 == D { $load_last } else { s.load(&*$from.cast()) };
                    }
                    for i in 0..Q {
                        let p = s.splat(*terms.add(i * width + position));
                        for d in 0..D {
                            acc[i][d] = s.accumulate(acc[i][d], p, v[d]);
                        }
                    }
                    values = values.wrapping_add(shape.stride);
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
                let to = out.add(i * shape.head_dim + d * LANES);
                if d + 1 == D && last < LANES {
                    s.store_partial(acc[i][d], std::slice::from_raw_parts_mut(to, last));
                } else {
                    s.store(acc[i][d], &mut *to.cast());
                }
            }
        }
    }
}

/// Scales the scores, replaces them by exp(score - max) and returns their sum.
#[inline(always)]
fn softmax_terms<S: Lanes>(s: S, scale: f32, row: &mut [f32]) -> f32 {
    let (scale, mut largest) = (s.splat(scale), s.splat(f32::NEG_INFINITY));
    let (chunks, tail) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        let scaled = s.mul(s.load(chunk), scale);
        largest = s.max(scaled, largest);
        s.store(scaled, chunk);
    }
    let mut maxima = [f32::NEG_INFINITY; 2 * LANES];
    let (first, rest) = maxima.split_at_mut(LANES);
    s.store_partial(largest, first);
    s.store_partial(s.mul(s.load_partial(tail), scale), &mut rest[..tail.len()]);
    tail.copy_from_slice(&rest[..tail.len()]);
    let mut largest = f32::NEG_INFINITY;
    for score in maxima {
        largest = if score > largest { score } else { largest };
    }
    let (shift, mut sum) = (s.splat(largest), s.splat(0.0));
    let (chunks, tail) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        let term = math::exp_lanes(s, s.sub(s.load(chunk), shift));
        sum = s.add(sum, term);
        s.store(term, chunk);
    }
    if !tail.is_empty() {
        s.store_partial(math::exp_lanes(s, s.sub(s.load_partial(tail), shift)), tail);
        sum = s.add(sum, s.load_partial(tail));
    }
    s.tree(sum)
}
