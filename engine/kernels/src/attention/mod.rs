//! Attention of several queries of one key/value head to the keys they may see.
//!
//! # Formula
//! For query i with visible positions a..b: score_j = scale * (q_i . k_j), m = max score_j, p_j = exp(score_j - m),
//! out_i = (sum over j of p_j v_j) / (sum over j of p_j). Before the maximum, scores may be bent below a cap and get a bias
//! for their distance ([`ScoreTerms`]).
//!
//! # Shapes
//! queries, out: f32 [queries, head_dim]; visible: one range of absolute positions a query; keys and values lie in
//! spans of consecutive positions, each for a range of the queries, so that sequences with a common prefix share its
//! memory, and their queries meet it together, as one matrix product:
//! ```text
//! span 0: positions 0..700, queries 0..24          (a few-shot header, seen by all)
//! span 1: positions 700..780, queries 0..12        (the question of the first sequence)
//! span 2: positions 700..765, queries 12..24       (that of the second)
//! ```
//! The spans of a query tile the positions it sees, in ascending order.
//!
//! # Blocks
//! A span is cut into blocks of sixteen positions, counted from its own start; the last one may be partly filled:
//! ```text
//! keys   [blocks, kv_heads, head_dim, 16]      a vector is one element of sixteen positions
//! values [blocks, kv_heads, 16, head_dim]      a vector is sixteen elements of one position
//! ```
//! So lanes are positions in the product of queries and keys, and columns in that of terms and values: no sum is taken
//! across lanes, and what a task reads lies in runs of 16 * head_dim elements. Scores of positions past the end of a
//! span are computed with whatever lies there and never read.
//!
//! # Tile
//! Queries are taken 24 at a time, positions 64 at a time, so that keys and values stay in the nearest cache while the
//! queries pass by: with AVX-512, 6 queries times 64 positions or columns of values, in registers. Sums of values wait
//! in `out` between blocks of positions. Where queries are few, a tile asks for the block four further on while it
//! reads one: a head's part of a block is short, and the next lies elsewhere.
//!
//! # Codes
//! Keys and values may be codes, with a scale for a token and head (`codes`); then queries are codes too.
//!
//! # Order
//! Scores: the products of head_dim elements are added in ascending order, then scaled. Two passes: maximum, then
//! exponentials; their sum in `LaneTree16` over the query's visible positions; p . v ascends over positions; one
//! division at the end (R7). Online softmax would change bits with the chunk size. Neither spans nor the queries
//! computed together change any bit.
//!
//! # Source
//! Vaswani et al. 2017, eq. 1; Shazeer 2019 and Ainslie et al. 2023 (several query heads to one key/value head).

mod block;
mod code_values;
mod codes;
mod table;
mod tile;

use crate::lanes::{LANES, Lanes};
use crate::math;
use crate::pointwise::{self, Pointwise};
pub use block::{CodeBlock, write_block, write_code_block};
pub(crate) use code_values::CodeValues;
pub(crate) use codes::CodeScores;
pub use codes::{CodeBlocks, KvBits, QueryCodes};
use std::ops::Range;
pub(crate) use table::{AttentionTable, attention_table};
use tile::Tile;
pub(crate) use tile::{FloatScores, FloatValues};

/// Positions of a block of keys and values.
pub const BLOCK_POSITIONS: usize = LANES;
/// Queries whose scores are held at a time.
pub const QUERY_GROUP: usize = 24;
/// So few queries that their group waits for memory, not for products: what comes next is asked for early.
const FEW_QUERIES: usize = 11;
/// Positions that all queries of a group meet before the next ones.
const POSITIONS_AT_ONCE: usize = 4 * BLOCK_POSITIONS;

/// Keys and values of consecutive positions, all heads; M is `&[f32]` or [`CodeBlocks`].
#[derive(Clone, Debug)]
pub struct KeyValueSpan<M> {
    /// Blocks of keys.
    pub keys: M,
    /// Blocks of values.
    pub values: M,
    /// Position of the first.
    pub start: usize,
    /// Positions; the blocks may have room for more.
    pub len: usize,
    /// The queries that it is for.
    pub queries: Range<usize>,
}

/// What else enters scores.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScoreTerms<'a> {
    /// score = cap * tanh(score / cap), before a bias (Gemma 2).
    pub soft_cap: Option<f32>,
    /// What distance adds.
    pub alibi: Alibi<'a>,
}

/// Attention with linear biases (Press et al. 2022): of query i and position j, slope * (j - i); the slope of query i is
/// number i mod their count.
#[derive(Clone, Copy, Debug, Default)]
pub enum Alibi<'a> {
    /// Nothing.
    #[default]
    Absent,
    /// As the formula has it.
    Exact(&'a [f32]),
    /// factor * (bf16(slope * j) - bf16(slope * i)), slopes themselves of bf16: Falcon, whose biases are bf16 in any model.
    Bf16(&'a [f32], f32),
}

/// What the queries of one call share.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape<'a> {
    /// Width of a head.
    pub head_dim: usize,
    /// Key/value heads in a block.
    pub kv_heads: usize,
    /// Which of them.
    pub kv_head: usize,
    /// Factor on scores.
    pub scale: f32,
    /// What else enters them.
    pub terms: ScoreTerms<'a>,
}

impl ScoreTerms<'_> {
    /// Scores of query `query`, at position `at`, of the positions from `start` on.
    #[inline(always)]
    fn apply<S: Lanes>(&self, s: S, query: usize, at: usize, start: usize, row: &mut [f32]) {
        if let Some(cap) = self.soft_cap {
            pointwise::apply(s, Pointwise::SoftCap(cap), row);
        }
        match self.alibi {
            Alibi::Absent => {}
            Alibi::Exact(slopes) => {
                let slope = slopes[query % slopes.len()];
                for (score, position) in row.iter_mut().zip(start..) {
                    // Positions are far below 2^24: the distance is exact.
                    *score += slope * (position as f32 - at as f32);
                }
            }
            Alibi::Bf16(slopes, factor) => {
                let slope = slopes[query % slopes.len()];
                let bias = |position: usize| round_to_bf16(slope * position as f32);
                for (score, position) in row.iter_mut().zip(start..) {
                    *score += factor * (bias(position) - bias(at));
                }
            }
        }
    }
}

/// x rounded to bfloat16, ties to even; x is finite.
#[inline(always)]
fn round_to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// Elements from one query's scores to the next one's, of `positions` positions: room for a whole block before the
/// first and after the last, and an odd number of cache lines, so that rows do not meet in the same sets of a cache.
pub fn score_stride(positions: usize) -> usize {
    ((positions + 2 * BLOCK_POSITIONS).div_ceil(LANES) | 1) * LANES
}

/// Queries whose scores are held together.
pub(crate) struct Group<'a> {
    pub(crate) shape: AttentionShape<'a>,
    /// What each query of the whole call sees.
    visible: &'a [Range<usize>],
    /// Which queries of the call.
    pub(crate) members: Range<usize>,
    /// Positions that any of them sees: position p is column p - start + BLOCK_POSITIONS of the scores.
    columns: Range<usize>,
    /// Elements from one row of scores to the next.
    pub(crate) width: usize,
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

impl<'a> Group<'a> {
    /// Whether the group waits for memory.
    #[inline(always)]
    fn is_few(&self) -> bool {
        self.members.len() <= FEW_QUERIES
    }

    /// The queries of a call, cut into groups.
    pub(crate) fn all(shape: AttentionShape<'a>, visible: &'a [Range<usize>]) -> impl Iterator<Item = Group<'a>> {
        (0..visible.len()).step_by(QUERY_GROUP).map(move |first| {
            let members = first..visible.len().min(first + QUERY_GROUP);
            let columns = hull(&visible[members.clone()]);
            Group { shape, visible, members, width: score_stride(columns.len()), columns }
        })
    }
}

/// One of the two products of attention, tile by tile.
pub(crate) trait Pass<S: Lanes> {
    /// Computes `tile` of Q queries.
    ///
    /// # Safety
    /// Its queries are of the group, its positions of the span, and inside the columns of the group.
    unsafe fn tile<const Q: usize>(&mut self, s: S, group: &Group<'_>, tile: Tile);
}

/// All tiles of a group, of at most MOST queries (6, 4, 3 or 2) and [`POSITIONS_AT_ONCE`] positions.
#[inline(always)]
pub(crate) fn walk<S: Lanes, M, P: Pass<S>, const MOST: usize>(
    s: S,
    group: &Group<'_>,
    spans: &[KeyValueSpan<M>],
    pass: &mut P,
) {
    for (index, span) in spans.iter().enumerate() {
        let end = group.columns.end.min(span.start + span.len);
        let last = group.members.end.min(span.queries.end);
        // Always whole steps from the span's start, so that blocks are not cut.
        let mut position = group.columns.start.max(span.start) - span.start;
        position -= position % POSITIONS_AT_ONCE;
        while span.start + position < end {
            let block = span.start + position..end.min(span.start + position + POSITIONS_AT_ONCE);
            let mut query = group.members.start.max(span.queries.start);
            macro_rules! queries {
                ($count:literal) => {
                    while MOST >= $count && last.saturating_sub(query) >= $count {
                        let seen = hull(&group.visible[query..query + $count]);
                        let (start, end) = (block.start.max(seen.start), block.end.min(seen.end));
                        if start < end {
                            let first = start - span.start;
                            let column = BLOCK_POSITIONS + start - group.columns.start - first % BLOCK_POSITIONS;
                            let tile = Tile { span: index, query, column, first, stop: end - span.start };
                            // SAFETY: as just computed.
                            unsafe { pass.tile::<$count>(s, group, tile) }
                        }
                        query += $count;
                    }
                };
            }
            queries!(6);
            queries!(4);
            if MOST == 3 {
                queries!(3);
            }
            queries!(2);
            queries!(1);
            position += POSITIONS_AT_ONCE;
        }
    }
}

/// Replaces each query's scores by exp(score - max), zero where it sees nothing, and gives their sums.
#[inline(always)]
pub(crate) fn softmax<S: Lanes>(s: S, group: &Group<'_>, scores: &mut [f32], denominators: &mut [f32; QUERY_GROUP]) {
    for (index, row) in scores[..group.members.len() * group.width].chunks_mut(group.width).enumerate() {
        let (seen, start) = (&group.visible[group.members.start + index], group.columns.start);
        let (from, to) = (seen.start - start + BLOCK_POSITIONS, seen.end - start + BLOCK_POSITIONS);
        row[..from].fill(0.0);
        row[to..].fill(0.0);
        let query = group.members.start + index;
        group.shape.terms.apply(s, query, seen.end - 1, seen.start, &mut row[from..to]);
        denominators[index] = softmax_terms(s, &mut row[from..to]);
    }
}

/// Divides the sums of values of each query, rows of `out`.
#[inline(always)]
pub(crate) fn divide<S: Lanes>(s: S, dim: usize, denominators: &[f32; QUERY_GROUP], out: &mut [f32]) {
    for (row, denominator) in out.chunks_mut(dim).zip(denominators) {
        let (chunks, tail) = row.as_chunks_mut::<LANES>();
        for chunk in chunks {
            s.store(s.div(s.load(chunk), s.splat(*denominator)), chunk);
        }
        s.store_partial(s.div(s.load_partial(tail), s.splat(*denominator)), tail);
    }
}

/// Replaces scores by exp(score - max) and returns their sum.
#[inline(always)]
fn softmax_terms<S: Lanes>(s: S, row: &mut [f32]) -> f32 {
    let mut maxima = [s.splat(f32::NEG_INFINITY); 4];
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (fours, single) = chunks.as_chunks::<4>();
    for chunks in fours {
        for i in 0..4 {
            maxima[i] = s.max(s.load(&chunks[i]), maxima[i]);
        }
    }
    let mut padded = [f32::NEG_INFINITY; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    for chunk in single.iter().chain([&padded]) {
        maxima[0] = s.max(s.load(chunk), maxima[0]);
    }
    // Never NaN, which a comparison leaves out; a zero's sign changes no exponential.
    let largest = s.greatest(s.max(s.max(maxima[0], maxima[1]), s.max(maxima[2], maxima[3])));
    let shift = s.splat(largest);
    if S::UNROLL == 4 { terms::<S, 8>(s, row, shift) } else { terms::<S, 2>(s, row, shift) }
}

/// Replaces scores by exp(score - shift), N vectors at a time, and returns their sum.
#[inline(always)]
fn terms<S: Lanes, const N: usize>(s: S, row: &mut [f32], shift: S::F) -> f32 {
    let mut sum = s.splat(0.0);
    let (chunks, tail) = row.as_chunks_mut::<LANES>();
    let (many, single) = chunks.as_chunks_mut::<N>();
    for chunks in many {
        let mut x = [shift; N];
        for i in 0..N {
            x[i] = s.sub(s.load(&chunks[i]), shift);
        }
        let terms = math::exp_vectors(s, x);
        for i in 0..N {
            sum = s.add(sum, terms[i]);
            s.store(terms[i], &mut chunks[i]);
        }
    }
    for chunk in single {
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
