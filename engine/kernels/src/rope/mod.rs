//! Rotary position embedding of one head, in place.
//!
//! # Formula
//! With h = rotary_dim / 2, for i < h: (x_i, x_{i+h}) becomes (x_i cos_i - x_{i+h} sin_i, x_{i+h} cos_i + x_i sin_i).
//!
//! `rotate_neighbours` pairs (x_{2i}, x_{2i+1}) instead.
//!
//! # Shapes
//! x: f32 [head_dim], of which the first rotary_dim are rotated; cos, sin: f32 [rotary_dim / 2].
//!
//! # Source
//! Su et al. 2021 (RoFormer), whose pairs are neighbours, as in GPT-J and Cohere; the half-split pairing of transformers'
//! `rotate_half`.

use crate::lanes::{LANES, Lanes};

/// See the module.
#[inline(always)]
pub(crate) fn rotate<S: Lanes>(s: S, x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let half = cos.len();
    let (low, rest) = x.split_at_mut(half);
    let high = &mut rest[..half];
    let mut at = 0;
    while at < half {
        let end = (at + LANES).min(half);
        let (a, b) = (s.load_partial(&low[at..end]), s.load_partial(&high[at..end]));
        let (c, d) = (s.load_partial(&cos[at..end]), s.load_partial(&sin[at..end]));
        s.store_partial(s.sub(s.mul(a, c), s.mul(b, d)), &mut low[at..end]);
        s.store_partial(s.add(s.mul(b, c), s.mul(a, d)), &mut high[at..end]);
        at = end;
    }
}

/// The same for pairs of neighbours. No sum and no lane: one body is enough.
///
/// # Panics
/// If `x` has less than twice as many elements as there are angles, or cos and sin differ in length.
pub fn rotate_neighbours(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert!(2 * cos.len() <= x.len() && cos.len() == sin.len());
    for (pair, (&c, &d)) in x.as_chunks_mut::<2>().0.iter_mut().zip(cos.iter().zip(sin)) {
        let [a, b] = *pair;
        *pair = [a * c - b * d, b * c + a * d];
    }
}
