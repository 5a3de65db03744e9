//! Functions of single elements, in place.
//!
//! # Formula
//! | name | f(x) |
//! |---|---|
//! | scale | factor * x |
//! | clamp | min(max(x, -limit), limit) |
//! | soft cap | cap * tanh(x / cap) |
//!
//! # Shapes
//! x: f32 of any length.
//!
//! # Source
//! Granite and Cohere (scales of embeddings, residuals and logits), MPT and OLMoE (`clip_qkv`), Gemma 2 (soft caps,
//! arXiv:2408.00118, section 2).

use crate::lanes::{LANES, Lanes};
use crate::math;
use crate::order::map_lanes;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// x times a factor.
    Scale(f32),
    /// x no further from zero than a limit, which is positive.
    Clamp(f32),
    /// x bent so that it stays below a cap, which is positive.
    SoftCap(f32),
}

/// f(x) of sixteen elements.
#[inline(always)]
pub(crate) fn apply_lanes<S: Lanes>(s: S, kind: Pointwise, x: S::F) -> S::F {
    match kind {
        Pointwise::Scale(factor) => s.mul(x, s.splat(factor)),
        Pointwise::Clamp(limit) => s.min(s.splat(limit), s.max(s.splat(-limit), x)),
        Pointwise::SoftCap(cap) => s.mul(s.splat(cap), math::tanh_lanes(s, s.div(x, s.splat(cap)))),
    }
}

/// See the module.
#[inline(always)]
pub(crate) fn apply<S: Lanes>(s: S, kind: Pointwise, x: &mut [f32]) {
    map_lanes!(s, x, |v| apply_lanes(s, kind, v));
}
