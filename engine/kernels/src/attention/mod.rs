//! Attention of several queries of one key/value head to the keys they may see.
//!
//! # Formula
//! For query i with visible positions a..b: score_j = scale * (q_i . k_j), m = max score_j, p_j = exp(score_j - m),
//! out_i = (sum over j of p_j v_j) / (sum over j of p_j).
//!
//! # Shapes
//! queries, out: f32 [queries, head_dim]; visible: one range of absolute positions a query; keys and values lie in
//! spans of consecutive positions, so that sequences with a common prefix share its memory:
//! ```text
//! span 0: positions 0..n0        span 1: positions n0..n0+n1     ...
//! keys [len, stride], the head's row at offset..offset + head_dim; values likewise
//! ```
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
use crate::order::{self, map_lanes};
use std::ops::Range;

/// Keys and values of consecutive positions, all heads; see the module.
#[derive(Clone, Copy, Debug)]
pub struct KeyValueSpan<'a> {
    /// [len, stride].
    pub keys: &'a [f32],
    /// [len, stride].
    pub values: &'a [f32],
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

/// Queries computed together.
pub const QUERY_TILE: usize = 4;

/// See the module. `scores` is scratch of QUERY_TILE * (positions any query sees).
#[inline(always)]
pub(crate) fn attend<S: Lanes>(
    s: S,
    shape: AttentionShape,
    queries: &[f32],
    visible: &[Range<usize>],
    spans: &[KeyValueSpan<'_>],
    scores: &mut [f32],
    out: &mut [f32],
) {
    let dim = shape.head_dim;
    let mut first = 0;
    while first + QUERY_TILE <= visible.len() {
        let rows = first * dim..(first + QUERY_TILE) * dim;
        tile::<S, QUERY_TILE>(
            s,
            shape,
            &queries[rows.clone()],
            &visible[first..first + QUERY_TILE],
            spans,
            scores,
            &mut out[rows],
        );
        first += QUERY_TILE;
    }
    while first < visible.len() {
        let rows = first * dim..(first + 1) * dim;
        tile::<S, 1>(s, shape, &queries[rows.clone()], &visible[first..first + 1], spans, scores, &mut out[rows]);
        first += 1;
    }
}

/// Calls `body(position, keys row, values row)` for the positions of `range`, ascending.
macro_rules! positions {
    ($shape:expr, $spans:expr, $range:expr, |$position:ident, $span:ident, $at:ident| $body:expr) => {{
        let mut span_start = 0;
        for $span in $spans {
            let span_end = span_start + $span.keys.len() / $shape.stride;
            for $position in $range.start.max(span_start)..$range.end.min(span_end) {
                let $at = ($position - span_start) * $shape.stride + $shape.offset;
                $body
            }
            span_start = span_end;
        }
    }};
}

#[inline(always)]
fn tile<S: Lanes, const Q: usize>(
    s: S,
    shape: AttentionShape,
    queries: &[f32],
    visible: &[Range<usize>],
    spans: &[KeyValueSpan<'_>],
    scores: &mut [f32],
    out: &mut [f32],
) {
    let dim = shape.head_dim;
    let mut all = visible[0].clone();
    for range in visible {
        all = all.start.min(range.start)..all.end.max(range.end);
    }
    let width = all.len();
    let whole = dim / LANES * LANES;
    let scale = shape.scale;

    positions!(shape, spans, all, |position, span, at| {
        let key = &span.keys[at..at + dim];
        let mut acc = [s.splat(0.0); Q];
        let (chunks, tail) = key.as_chunks::<LANES>();
        for (index, chunk) in chunks.iter().enumerate() {
            let k = s.load(chunk);
            for (q, acc) in acc.iter_mut().enumerate() {
                let from = q * dim + index * LANES;
                // SAFETY: from + 16 <= (q + 1) * dim <= queries.len(), checked by the caller's table entry.
                let v = s.load(unsafe { &*queries.as_ptr().add(from).cast() });
                *acc = s.add(*acc, s.mul(v, k));
            }
        }
        if !tail.is_empty() {
            let k = s.load_partial(tail);
            for (q, acc) in acc.iter_mut().enumerate() {
                let v = s.load_partial(&queries[q * dim + whole..(q + 1) * dim]);
                *acc = s.add(*acc, s.mul(v, k));
            }
        }
        for q in 0..Q {
            scores[q * width + position - all.start] = s.tree(acc[q]) * scale;
        }
    });

    let mut denominators = [0.0; Q];
    for (q, range) in visible.iter().enumerate() {
        let row = &mut scores[q * width..(q + 1) * width];
        let (from, to) = (range.start - all.start, range.end - all.start);
        row[..from].fill(0.0);
        row[to..].fill(0.0);
        denominators[q] = softmax_terms(s, &mut row[from..to]);
    }

    let mut at = 0;
    while at + 4 * LANES <= dim {
        weighted_values::<S, Q, 4>(s, shape, spans, &all, scores, at, &denominators, out);
        at += 4 * LANES;
    }
    while at < dim {
        weighted_values::<S, Q, 1>(s, shape, spans, &all, scores, at, &denominators, out);
        at += LANES;
    }
}

/// Replaces scores by exp(score - max) and returns their sum.
#[inline(always)]
fn softmax_terms<S: Lanes>(s: S, row: &mut [f32]) -> f32 {
    let mut largest = f32::NEG_INFINITY;
    for &score in row.iter() {
        largest = if score > largest { score } else { largest };
    }
    let shift = s.splat(largest);
    map_lanes!(s, row, |v| math::exp_lanes(s, s.sub(v, shift)));
    order::sum(s, row)
}

/// Columns at..at + 16 D of the outputs. Terms of positions a query does not see are 0 and change no bit.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn weighted_values<S: Lanes, const Q: usize, const D: usize>(
    s: S,
    shape: AttentionShape,
    spans: &[KeyValueSpan<'_>],
    all: &Range<usize>,
    terms: &[f32],
    column: usize,
    denominators: &[f32; Q],
    out: &mut [f32],
) {
    let (dim, width) = (shape.head_dim, all.len());
    let end = dim.min(column + D * LANES);
    let mut acc = [[s.splat(0.0); D]; Q];
    positions!(shape, spans, all, |position, span, at| {
        let value = &span.values[at + column..at + end];
        let v: [S::F; D] = std::array::from_fn(|d| match value[d * LANES..].first_chunk() {
            Some(chunk) => s.load(chunk),
            None => s.load_partial(&value[d * LANES..]),
        });
        for (q, row) in acc.iter_mut().enumerate() {
            let p = s.splat(terms[q * width + position - all.start]);
            for d in 0..D {
                row[d] = s.add(row[d], s.mul(p, v[d]));
            }
        }
    });
    for q in 0..Q {
        let denominator = s.splat(denominators[q]);
        for d in 0..D {
            let from = column + d * LANES;
            s.store_partial(s.div(acc[q][d], denominator), &mut out[q * dim + from..q * dim + end.min(from + LANES)]);
        }
    }
}
