//! Attention on every instruction set, over f32 and codes, any spans and groups of queries: equal to scalar, bit for
//! bit; and scalar against a plain f64 statement of the formula.

#![allow(clippy::disallowed_methods)] // std is the oracle here

mod data;

use data::{Rng, agree, close, held, isas};
use kernels::*;

#[test]
fn attention() {
    let mut rng = Rng::new(8);
    let plain = ScoreTerms::default();
    let capped = ScoreTerms { soft_cap: Some(1.5), alibi: Alibi::Exact(&[0.3]) };
    let rounded = ScoreTerms { alibi: Alibi::Bf16(&[0.1796875], 0.25), ..plain };
    let widths = [1, 8, 18, 20, 32, 48, 64, 80, 128].map(|head_dim| (head_dim, plain));
    for (head_dim, terms) in widths.into_iter().chain([(18, capped), (64, capped), (20, rounded)]) {
        let (kv_heads, head) = (3, 1);
        let stride = kv_heads * head_dim;
        let total = 41;
        let (keys, values) = (rng.floats(total * stride), rng.floats(total * stride));
        let visible = [0..1, 0..17, 3..20, 0..41, 40..41, 12..30, 0..5];
        let queries = rng.floats(visible.len() * head_dim);
        let shape = AttentionShape { head_dim, kv_heads, kv_head: head, scale: 0.37, terms };
        let run = |k: &Kernels, cuts: &[usize], together: usize| {
            // Every call sees all spans; their queries are those of the call.
            let mut memory = Vec::new();
            let mut start = 0;
            for &cut in cuts.iter().chain(&[total]) {
                let rows = start * stride..cut * stride;
                let (keys, values) = held::blocks(&keys[rows.clone()], &values[rows], kv_heads, head_dim);
                memory.push((start, cut - start, keys, values));
                start = cut;
            }
            let spans = |count: usize| -> Vec<KeyValueSpan<&[f32]>> {
                let span = |(start, len, keys, values)| KeyValueSpan { keys, values, start, len, queries: 0..count };
                memory.iter().map(|(start, len, keys, values)| span((*start, *len, &keys[..], &values[..]))).collect()
            };
            let mut out = vec![0.0; queries.len()];
            let mut scores = vec![f32::NAN; QUERY_GROUP * score_stride(total)];
            for (first, ranges) in visible.chunks(together).enumerate() {
                let rows = first * together * head_dim..(first * together + ranges.len()) * head_dim;
                k.attend(shape, &queries[rows.clone()], ranges, &spans(ranges.len()), &mut scores, &mut out[rows]);
            }
            out
        };
        let expected = agree("attention", |k| run(k, &[], visible.len()));
        for cuts in [&[1usize][..], &[16, 17], &[5, 5, 30], &[40]] {
            for together in [1, 2, 4, 7] {
                assert_eq!(expected, agree("attention in spans", |k| run(k, cuts, together)));
            }
        }
        for (i, range) in visible.iter().enumerate() {
            let dot = |j: usize| -> f64 {
                let products = (0..head_dim)
                    .map(|d| f64::from(queries[i * head_dim + d]) * f64::from(keys[j * stride + head_dim + d]));
                let score = products.sum::<f64>() * 0.37f32 as f64;
                let score = terms.soft_cap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh());
                let at = range.end - 1;
                let bf16 = |position: usize| half::bf16::from_f32(0.1796875 * position as f32).to_f64();
                score
                    + match terms.alibi {
                        Alibi::Absent => 0.0,
                        Alibi::Exact(slopes) => f64::from(slopes[0]) * (j as f64 - at as f64),
                        Alibi::Bf16(_, factor) => f64::from(factor) * (bf16(j) - bf16(at)),
                    }
            };
            let largest = range.clone().map(dot).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = range.clone().map(|j| (dot(j) - largest).exp()).sum();
            for d in 0..head_dim {
                let mean: f64 = range
                    .clone()
                    .map(|j| (dot(j) - largest).exp() / total * f64::from(values[j * stride + head_dim + d]))
                    .sum();
                close("attention", expected[i * head_dim + d], mean, 4.0, 2e-5);
            }
        }
    }
}

#[test]
fn attention_over_codes() {
    let mut rng = Rng::new(10);
    for (head_dim, bits, planes) in [1, 8, 18, 38, 48, 64, 80, 128, 256]
        .into_iter()
        .flat_map(|dim| [KvBits::Eight, KvBits::Four].map(|bits| (dim, bits)))
        .flat_map(|(dim, bits)| [1, 2].map(|planes| (dim, bits, planes)))
    {
        let (kv_heads, head, total) = (3, 1, 41);
        let stride = kv_heads * head_dim;
        let (mut keys, values) = (rng.floats(total * stride), rng.floats(total * stride));
        // Extreme codes against extreme codes, a token of zeros, and one of a single sign.
        keys[..stride].fill(-3.0);
        keys[stride..2 * stride].fill(0.0);
        keys[2 * stride..3 * stride].iter_mut().for_each(|x| *x = x.abs() + 1.0);
        let visible = [0..1, 0..17, 3..20, 0..41, 40..41, 12..30, 0..5, 1..41];
        let mut queries = rng.floats(visible.len() * head_dim);
        queries[3 * head_dim..4 * head_dim].fill(2.0);
        let codes = held::HeadCodes::of(&queries, head_dim, planes);
        let shape = AttentionShape { head_dim, kv_heads, kv_head: head, scale: 0.37, terms: ScoreTerms::default() };
        let run = |k: &Kernels, cuts: &[usize], together: usize| {
            let mut memory = Vec::new();
            let mut start = 0;
            for &cut in cuts.iter().chain(&[total]) {
                let rows = start * stride..cut * stride;
                let blocks = held::CodeMemory::of(bits, &keys[rows.clone()], &values[rows], kv_heads, head_dim);
                memory.push((start, cut - start, blocks));
                start = cut;
            }
            let mut out = vec![0.0; queries.len()];
            let mut scores = vec![f32::NAN; QUERY_GROUP * score_stride(total)];
            for (first, ranges) in visible.chunks(together).enumerate() {
                let members = first * together..first * together + ranges.len();
                let rows = members.start * head_dim..members.end * head_dim;
                let spans: Vec<_> = (memory.iter())
                    .map(|(start, len, blocks)| {
                        let [keys, values] = blocks.blocks();
                        KeyValueSpan { keys, values, start: *start, len: *len, queries: 0..ranges.len() }
                    })
                    .collect();
                k.attend_codes(bits, shape, codes.rows(members), ranges, &spans, &mut scores, &mut out[rows]);
            }
            out
        };
        let what = format!("attention over {bits:?} codes, {planes} planes, heads of {head_dim}");
        let expected = agree(&what, |k| run(k, &[], visible.len()));
        for cuts in [&[1usize][..], &[16, 17], &[5, 5, 30], &[40]] {
            for together in [1, 2, 4, 7] {
                assert_eq!(expected, agree(&what, |k| run(k, cuts, together)));
            }
        }

        // What the codes stand for, read by the layout's definition.
        let memory = held::CodeMemory::of(bits, &keys, &values, kv_heads, head_dim);
        let [key_steps, value_steps] = [0, 1].map(|of| {
            let scale = move |memory: &held::CodeMemory, position| f64::from(memory.scale(of, position, head));
            (0..total).map(|position| scale(&memory, position)).collect::<Vec<f64>>()
        });
        let top = if planes == 1 { 127.0 } else { 32512.0 };
        for (i, range) in visible.iter().enumerate() {
            let query: Vec<f64> = (0..head_dim).map(|d| codes.value(i, d)).collect();
            let exact = &queries[i * head_dim..(i + 1) * head_dim];
            let query_step = exact.iter().fold(0.0f32, |m, x| m.max(x.abs())) as f64 / top;
            let key = |j: usize, d: usize| memory.key(j, head, d);
            let dot = |j: usize| (0..head_dim).map(|d| query[d] * key(j, d)).sum::<f64>() * 0.37f32 as f64;
            for j in range.clone() {
                let (mut exact_dot, mut norms, step) = (0.0, [0.0; 2], key_steps[j]);
                for d in 0..head_dim {
                    let k = f64::from(keys[j * stride + head * head_dim + d]);
                    assert!((k - key(j, d)).abs() <= 0.5001 * step, "{what}: key {k} as {}", key(j, d));
                    let v = f64::from(values[j * stride + head * head_dim + d]);
                    let coded = memory.value(j, head, d);
                    assert!((v - coded).abs() <= 0.5001 * value_steps[j], "{what}: value {v} as {coded}");
                    exact_dot += f64::from(exact[d]) * k;
                    norms = [norms[0] + f64::from(exact[d]).abs(), norms[1] + k.abs()];
                }
                // The bound of `attention::codes`.
                let both = head_dim as f64 * step * query_step / 4.0;
                let bound = 0.37f32 as f64 * (step / 2.0 * norms[0] + query_step / 2.0 * norms[1] + both);
                let error = (dot(j) - 0.37f32 as f64 * exact_dot).abs();
                assert!(error <= bound * 1.0001 + 1e-12, "{what}: score off by {error}, bound {bound}");
            }
            let largest = range.clone().map(dot).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = range.clone().map(|j| (dot(j) - largest).exp()).sum();
            for d in 0..head_dim {
                let mean: f64 = range.clone().map(|j| (dot(j) - largest).exp() / sum * memory.value(j, head, d)).sum();
                close(&what, expected[i * head_dim + d], mean, 4.0, 4e-5);
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so_as_a_code() {
    for bits in [KvBits::Eight, KvBits::Four] {
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for of in 0..2 {
                let mut rows = [vec![1.0f32; 3 * 8], vec![1.0f32; 3 * 8]];
                rows[of][8 + 5] = broken;
                let memory = held::CodeMemory::of(bits, &rows[0], &rows[1], 1, 8);
                let [keys, values] = memory.blocks();
                let span = KeyValueSpan { keys, values, start: 0, len: 3, queries: 0..2 };
                let codes = held::HeadCodes::of(&[0.5; 16], 8, 1);
                let shape =
                    AttentionShape { head_dim: 8, kv_heads: 1, kv_head: 0, scale: 1.0, terms: ScoreTerms::default() };
                for isa in isas() {
                    let (mut scores, mut out) = (vec![0.0; QUERY_GROUP * score_stride(3)], vec![0.0; 16]);
                    let (k, spans) = (Kernels::of(isa).unwrap(), std::slice::from_ref(&span));
                    k.attend_codes(bits, shape, codes.rows(0..2), &[0..3, 0..2], spans, &mut scores, &mut out);
                    assert!(out.iter().all(|x| x.is_nan()), "{isa}: {out:?}");
                }
            }
        }
    }
}

/// Each head of a group has its own slope: queries of one token lie side by side.
#[test]
fn slopes_go_by_head() {
    let (head_dim, total) = (8, 21);
    let mut rng = Rng::new(11);
    let (keys, values) = held::blocks(&rng.floats(total * head_dim), &rng.floats(total * head_dim), 1, head_dim);
    let queries = rng.floats(6 * head_dim);
    let slopes = [0.5, 0.25, 0.0];
    let attend = |k: &Kernels, slopes: &[f32], queries: &[f32], visible: &[std::ops::Range<usize>]| {
        let terms = ScoreTerms { alibi: Alibi::Exact(slopes), ..ScoreTerms::default() };
        let shape = AttentionShape { head_dim, kv_heads: 1, kv_head: 0, scale: 1.0, terms };
        let (keys, values, queries_of) = (&keys[..], &values[..], 0..visible.len());
        let span = KeyValueSpan { keys, values, start: 0, len: total, queries: queries_of };
        let mut out = vec![0.0; queries.len()];
        k.attend(shape, queries, visible, &[span], &mut vec![0.0; QUERY_GROUP * score_stride(total)], &mut out);
        out
    };
    let visible = [0..20, 0..20, 0..20, 0..21, 0..21, 0..21];
    let together = agree("slopes", |k| attend(k, &slopes, &queries, &visible));
    for (index, out) in together.chunks(head_dim).enumerate() {
        let query = &queries[index * head_dim..(index + 1) * head_dim];
        let alone = agree("one slope", |k| attend(k, &slopes[index % 3..][..1], query, &visible[index..index + 1]));
        assert_eq!(out, alone);
    }
}
