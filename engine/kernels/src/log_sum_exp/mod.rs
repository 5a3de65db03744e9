//! The logarithm of the softmax denominator of one row of logits, block by block of the vocabulary.
//!
//! # Formula
//! For each block b of 512 tokens: m_b = max x, s_b = sum(exp(x - m_b)), the terms in f32, their sum in f64.
//! With M = max m_b: result = M + ln(sum over b of s_b * exp(m_b - M)), in f64.
//!
//! # Shapes
//! x: f32 [vocab_size], not empty. Blocks begin at multiples of 512 of the token id: a block's logits may be forgotten
//! once (m_b, s_b) is known, so that a row of logits need never exist as a whole.
//!
//! # Order
//! Maximum by compare-select; sums of a block in `LaneTree16` with f64 lanes; blocks in ascending order. A sum in f32
//! would shift a perplexity by 2e-6 (relative) from vocabularies of 4,096 on.

use crate::lanes::{LANES, Lanes};
use crate::math;

/// Tokens of a block.
pub const LOGIT_BLOCK: usize = 512;

/// The maximum of a block of logits and the sum of exp(x - maximum).
#[inline(always)]
pub(crate) fn exp_sum<S: Lanes>(s: S, x: &[f32]) -> (f32, f64) {
    let mut lanes = s.splat(f32::NEG_INFINITY);
    let (chunks, tail) = x.as_chunks::<LANES>();
    for chunk in chunks {
        lanes = s.max(s.load(chunk), lanes);
    }
    let mut maxima = [f32::NEG_INFINITY; LANES];
    s.store(lanes, &mut maxima);
    let mut largest = f32::NEG_INFINITY;
    for &value in maxima.iter().chain(tail) {
        largest = if value > largest { value } else { largest };
    }
    let shift = s.splat(largest);
    let mut total = s.zero_f64();
    for chunk in chunks {
        total = s.add_widened(total, math::exp_lanes(s, s.sub(s.load(chunk), shift)));
    }
    if !tail.is_empty() {
        let mut padded = [f32::NEG_INFINITY; LANES];
        padded[..tail.len()].copy_from_slice(tail);
        total = s.add_widened(total, math::exp_lanes(s, s.sub(s.load(&padded), shift)));
    }
    (largest, s.tree_f64(total))
}

/// ln(sum(exp(x))) of a row from the (maximum, sum) of its blocks, in order.
///
/// # Panics
/// If there is no block.
pub fn combine(blocks: &[(f32, f64)]) -> f64 {
    let mut largest = blocks[0].0;
    for &(maximum, _) in blocks {
        largest = if maximum > largest { maximum } else { largest };
    }
    let mut total = 0.0;
    for &(maximum, sum) in blocks {
        total += sum * math::exp(f64::from(maximum) - f64::from(largest));
    }
    f64::from(largest) + math::ln(total)
}
