//! The kernels of attention of one instruction set, and how a call goes through them.

use super::{AttentionShape, CodeBlocks, Group, KeyValueSpan, KvBits, QUERY_GROUP, QueryCodes};
use crate::table::Kernels;
use std::ops::Range;

type FloatSpan<'a> = KeyValueSpan<&'a [f32]>;
type CodeSpan<'a> = KeyValueSpan<CodeBlocks<'a>>;

/// One pointer a pass over a group: scores, exponentials, sums of values. Of codes, 8 bits then 4, one plane then two.
#[allow(clippy::type_complexity)] // the kernels' signatures, written once, here
pub(crate) struct AttentionTable {
    pub(crate) float_scores: unsafe fn(&Group<'_>, &[FloatSpan<'_>], &[f32], &mut [f32]),
    pub(crate) float_values: unsafe fn(&Group<'_>, &[FloatSpan<'_>], &[f32; QUERY_GROUP], &mut [f32], &mut [f32]),
    pub(crate) code_scores: [[unsafe fn(&Group<'_>, &[CodeSpan<'_>], QueryCodes<'_>, &mut [f32]); 2]; 2],
    pub(crate) code_values: [unsafe fn(&Group<'_>, &[CodeSpan<'_>], &[f32; QUERY_GROUP], &mut [f32], &mut [f32]); 2],
    pub(crate) softmax: unsafe fn(&Group<'_>, &mut [f32], &mut [f32; QUERY_GROUP]),
}

/// Compiles the passes for one instruction set: MQ queries x MV vectors of positions and six queries x VD vectors of
/// values are the register tiles. A query of two planes counts twice.
macro_rules! attention_table {
    ($lanes:ty, $proof:expr, [$(#[$enable:meta])*] $mq:literal x $mv:literal and $vd:literal) => {{
        use $crate::attention::*;
        $(#[$enable])*
        unsafe fn float_scores(
            group: &Group<'_>,
            spans: &[KeyValueSpan<&[f32]>],
            queries: &[f32],
            scores: &mut [f32],
        ) {
            let mut pass = FloatScores::<'_, $mv> { spans, queries, scores };
            walk::<$lanes, _, _, $mq>($proof, group, spans, &mut pass);
        }
        $(#[$enable])*
        unsafe fn float_values(
            group: &Group<'_>,
            spans: &[KeyValueSpan<&[f32]>],
            denominators: &[f32; QUERY_GROUP],
            scores: &mut [f32],
            out: &mut [f32],
        ) {
            out.fill(0.0);
            walk::<$lanes, _, _, 6>($proof, group, spans, &mut FloatValues::<'_, $vd> { spans, scores, out: &mut *out });
            divide::<$lanes>($proof, group.shape.head_dim, denominators, out);
        }
        $(#[$enable])*
        unsafe fn code_scores<const BITS: u32, const PLANES: usize>(
            group: &Group<'_>,
            spans: &[KeyValueSpan<CodeBlocks<'_>>],
            queries: QueryCodes<'_>,
            scores: &mut [f32],
        ) {
            let mut pass = CodeScores::<'_, BITS, PLANES, $mv> { spans, queries, scores };
            if PLANES == 1 {
                walk::<$lanes, _, _, $mq>($proof, group, spans, &mut pass);
            } else {
                walk::<$lanes, _, _, { $mq / 2 }>($proof, group, spans, &mut pass);
            }
        }
        $(#[$enable])*
        unsafe fn code_values<const BITS: u32>(
            group: &Group<'_>,
            spans: &[KeyValueSpan<CodeBlocks<'_>>],
            denominators: &[f32; QUERY_GROUP],
            scores: &mut [f32],
            out: &mut [f32],
        ) {
            out.fill(0.0);
            let mut pass = CodeValues::<'_, BITS, $vd> { spans, scores, out: &mut *out };
            walk::<$lanes, _, _, 6>($proof, group, spans, &mut pass);
            divide::<$lanes>($proof, group.shape.head_dim, denominators, out);
        }
        $(#[$enable])*
        unsafe fn softmax_terms(group: &Group<'_>, scores: &mut [f32], denominators: &mut [f32; QUERY_GROUP]) {
            softmax::<$lanes>($proof, group, scores, denominators);
        }
        AttentionTable {
            float_scores,
            float_values,
            code_scores: [[code_scores::<8, 1>, code_scores::<8, 2>], [code_scores::<4, 1>, code_scores::<4, 2>]],
            code_values: [code_values::<8>, code_values::<4>],
            softmax: softmax_terms,
        }
    }};
}
pub(crate) use attention_table;

impl Kernels {
    /// Attention of several queries, [queries, head_dim], of one key/value head; see [`crate::attention`].
    ///
    /// `scores` is scratch: for each group of QUERY_GROUP queries, their number times [`super::score_stride`] of the
    /// positions that any of them sees.
    ///
    /// # Panics
    /// If lengths disagree, a query sees nothing, or a range ends beyond the spans.
    pub fn attend(
        &self,
        shape: AttentionShape<'_>,
        queries: &[f32],
        visible: &[Range<usize>],
        spans: &[KeyValueSpan<&[f32]>],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        assert_eq!(queries.len(), visible.len() * shape.head_dim);
        self.each_group(shape, visible, spans, scores, out, |group, scores, denominators, out| {
            // SAFETY: a table exists only where its instruction set is present; tiles check what they touch.
            unsafe {
                (self.attention.float_scores)(group, spans, queries, scores);
                (self.attention.softmax)(group, scores, denominators);
                (self.attention.float_values)(group, spans, denominators, scores, out);
            }
        });
    }

    /// Attention over codes; otherwise as [`Kernels::attend`].
    ///
    /// # Panics
    /// As there, and if a head is wider than [`KvBits::MAX_HEAD_DIM`].
    #[allow(clippy::too_many_arguments)] // those of `attend`, and what a code is
    pub fn attend_codes(
        &self,
        bits: KvBits,
        shape: AttentionShape<'_>,
        queries: QueryCodes<'_>,
        visible: &[Range<usize>],
        spans: &[KeyValueSpan<CodeBlocks<'_>>],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let planes = queries.offsets.len() / visible.len().max(1);
        assert!(shape.head_dim <= KvBits::MAX_HEAD_DIM && (planes == 1 || planes == 2));
        assert!(queries.scales.len() == visible.len() && queries.offsets.len() == visible.len() * planes);
        let index = bits as usize;
        self.each_group(shape, visible, spans, scores, out, |group, scores, denominators, out| {
            // SAFETY: as above.
            unsafe {
                (self.attention.code_scores[index][planes - 1])(group, spans, queries, scores);
                (self.attention.softmax)(group, scores, denominators);
                (self.attention.code_values[index])(group, spans, denominators, scores, out);
            }
        });
    }

    /// Calls `body` with each group of queries, its scores, denominators and outputs.
    fn each_group<M>(
        &self,
        shape: AttentionShape<'_>,
        visible: &[Range<usize>],
        spans: &[KeyValueSpan<M>],
        scores: &mut [f32],
        out: &mut [f32],
        mut body: impl FnMut(&Group<'_>, &mut [f32], &mut [f32; QUERY_GROUP], &mut [f32]),
    ) {
        assert!(shape.head_dim > 0 && shape.kv_head < shape.kv_heads);
        assert_eq!(out.len(), visible.len() * shape.head_dim);
        assert!(spans.iter().all(|span| span.queries.end <= visible.len()));
        let end = spans.iter().map(|span| span.start + span.len).max().unwrap_or(0);
        assert!(visible.iter().all(|range| !range.is_empty() && range.end <= end));
        for group in Group::all(shape, visible) {
            let rows = group.members.start * shape.head_dim..group.members.end * shape.head_dim;
            let scores = &mut scores[..group.members.len() * group.width];
            body(&group, scores, &mut [0.0; QUERY_GROUP], &mut out[rows]);
        }
    }
}
