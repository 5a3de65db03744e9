//! Attention of a batch: which queries meet which keys together.
//!
//! A task is one key/value head and some consecutive tokens of the batch. Tokens of one sequence meet its cache
//! together; short pieces of several sequences that share a prefix (the choices of a question, streams after one
//! few-shot header) are joined in one task, so that the prefix is read once for all of them.

use crate::blueprint::{AlibiRounding, Blueprint, Positions};
use crate::chunk::Chunk;
use crate::kv_cache::SegmentView;
use crate::runtime::Runtime;
use crate::workspace::{Scratch, Workspace};
use kernels::{
    ActivationCodes, Alibi, AttentionShape, ColumnsMut, KeyValueSpan, QUERY_GROUP, ScoreTerms, score_stride,
};
use std::ops::Range;
use std::sync::Mutex;

/// Tokens of one sequence in a task: a multiple of the kernel's tile, few enough to share a prompt between threads.
const TASK_TOKENS: usize = 12;

/// Consecutive tokens of one chunk.
struct Piece {
    chunk: usize,
    /// Rows of the batch.
    rows: Range<usize>,
}

/// What attention reads: the batch in one block.
pub(crate) struct Attention<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) blueprint: &'a Blueprint,
    pub(crate) layer: usize,
    /// Position of each row, and the rows of each chunk.
    pub(crate) positions: &'a [usize],
    pub(crate) rows: &'a [Range<usize>],
    /// Chunks, whose caches hold this block's keys and values already.
    pub(crate) chunks: &'a [Chunk<'a>],
    /// [tokens, heads * head_dim].
    pub(crate) query: &'a [f32],
    /// What queries become where keys are codes.
    pub(crate) query_codes: ActivationCodes,
    pub(crate) scratch: &'a [Mutex<Scratch>],
}

impl Attention<'_> {
    /// Writes the attended values, [tokens, heads * head_dim].
    pub(crate) fn write(&self, mut attended: ColumnsMut<'_>) {
        let heads_width = self.blueprint.heads / self.blueprint.kv_heads * self.blueprint.head_dim;
        let mut tasks = Vec::new();
        for pieces in self.pieces() {
            let (first, last) = (&pieces[0], &pieces[pieces.len() - 1]);
            let (block, rest) = attended.split_rows(last.rows.end - first.rows.start);
            attended = rest;
            let pieces = std::sync::Arc::new(pieces);
            for (kv_head, out) in block.chunks(heads_width).into_iter().enumerate() {
                tasks.push((pieces.clone(), kv_head, out));
            }
        }
        self.runtime.team().for_each_mut(&mut tasks, |worker, (pieces, kv_head, out)| {
            self.task(pieces, *kv_head, out, &mut Workspace::scratch(self.scratch, worker));
        });
    }

    /// The rows of the batch in order, cut into tasks.
    fn pieces(&self) -> Vec<Vec<Piece>> {
        let mut tasks: Vec<Vec<Piece>> = Vec::new();
        for (chunk, rows) in self.rows.iter().enumerate() {
            for first in rows.clone().step_by(TASK_TOKENS) {
                let piece = Piece { chunk, rows: first..rows.end.min(first + TASK_TOKENS) };
                match tasks.last_mut() {
                    Some(task)
                        if task.len() < TASK_TOKENS
                            && piece.rows.end - task[0].rows.start <= TASK_TOKENS
                            && self.chunks[task[0].chunk].cache.root() == self.chunks[chunk].cache.root() =>
                    {
                        task.push(piece);
                    }
                    _ => tasks.push(vec![piece]),
                }
            }
        }
        tasks
    }

    fn task(&self, pieces: &[Piece], kv_head: usize, out: &mut ColumnsMut<'_>, scratch: &mut Scratch) {
        let blueprint = self.blueprint;
        let (head_dim, group) = (blueprint.head_dim, blueprint.heads / blueprint.kv_heads);
        let scale = blueprint.score_scales[self.layer];
        let alibi = match &blueprint.positions {
            Positions::Alibi { slopes, rounding } => {
                let slopes = &slopes[kv_head * group..(kv_head + 1) * group];
                match rounding {
                    AlibiRounding::None => Alibi::Exact(slopes),
                    AlibiRounding::Bf16 => Alibi::Bf16(slopes, scale),
                }
            }
            Positions::Rotary(_) | Positions::Learned { .. } => Alibi::Absent,
        };
        let terms = ScoreTerms { soft_cap: blueprint.score_cap, alibi };
        let shape = AttentionShape { head_dim, kv_heads: blueprint.kv_heads, kv_head, scale, terms };
        let window = blueprint.windows[self.layer];
        let rows = pieces[0].rows.start..pieces[pieces.len() - 1].rows.end;
        let width = group * head_dim;
        let (queries, visible) = (&mut scratch.queries, &mut Vec::with_capacity(rows.len() * group));
        queries.resize(rows.len() * width);
        let columns = kv_head * width..(kv_head + 1) * width;
        let heads_width = blueprint.heads * head_dim;
        for (row, to) in rows.clone().zip(queries.as_mut_slice().chunks_mut(width)) {
            to.copy_from_slice(&self.query[row * heads_width..(row + 1) * heads_width][columns.clone()]);
            let end = self.positions[row] + 1;
            let start = window.map_or(0, |window| end.saturating_sub(window));
            visible.extend(std::iter::repeat_n(start..end, group));
        }
        let longest = visible.iter().map(|range: &Range<usize>| range.end).max().unwrap_or(0);
        scratch.scores.resize(QUERY_GROUP * score_stride(longest));
        scratch.attended.resize(rows.len() * width);
        let kernels = self.runtime.kernels();
        let (scores, attended) = (scratch.scores.as_mut_slice(), scratch.attended.as_mut_slice());
        match self.chunks[pieces[0].chunk].cache.precision().codes() {
            None => {
                let spans = self.spans(pieces, group, |segment| segment.floats());
                kernels.attend(shape, scratch.queries.as_slice(), visible, &spans, scores, attended);
            }
            Some(bits) => {
                scratch.query_codes.quantize(kernels, self.query_codes, head_dim, scratch.queries.as_slice());
                let spans = self.spans(pieces, group, |segment| segment.codes());
                kernels.attend_codes(bits, shape, scratch.query_codes.codes(), visible, &spans, scores, attended);
            }
        }
        for (row, values) in attended.chunks(width).enumerate() {
            out.row(row).copy_from_slice(values);
        }
    }

    /// The segments that the pieces see, a shared one once, with the queries that see it: by depth, so that each query
    /// meets its own in order of position.
    fn spans<'s, M>(
        &'s self,
        pieces: &[Piece],
        group: usize,
        memory: impl Fn(&SegmentView<'s>) -> [M; 2],
    ) -> Vec<KeyValueSpan<M>> {
        let first_row = pieces[0].rows.start;
        let paths: Vec<Vec<SegmentView<'s>>> =
            pieces.iter().map(|piece| self.chunks[piece.chunk].cache.segments(self.layer)).collect();
        let mut starts = vec![0; pieces.len()];
        let mut spans: Vec<KeyValueSpan<M>> = Vec::new();
        for depth in 0..paths.iter().map(Vec::len).max().unwrap_or(0) {
            let mut last = None;
            for ((piece, path), start) in pieces.iter().zip(&paths).zip(&mut starts) {
                let Some(segment) = path.get(depth) else {
                    last = None;
                    continue;
                };
                let queries = (piece.rows.start - first_row) * group..(piece.rows.end - first_row) * group;
                match spans.last_mut() {
                    Some(span) if last == Some(segment.identity) => span.queries.end = queries.end,
                    _ => {
                        let [keys, values] = memory(segment);
                        spans.push(KeyValueSpan { keys, values, start: *start, len: segment.len, queries });
                    }
                }
                last = Some(segment.identity);
                *start += segment.len;
            }
        }
        spans
    }
}
