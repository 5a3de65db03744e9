//! `LaneTree16`: the one order in which sums with a single output are taken (NUMERICS.md, R6).
//!
//! Element k goes to lane k mod 16 in ascending k; lanes past the end are left alone; then lanes 8 apart are added,
//! then 4, 2, 1. Every lane starts at +0, so that adding the +0 of a padded tail changes no bit.
//! Speed comes from several outputs at once, never from splitting one output's sum.

use crate::lanes::{LANES, Lanes};

/// Folds `x` into sixteen lanes: `step(accumulator, sixteen elements)` in ascending order, the tail padded with +0.
macro_rules! fold_lanes {
    ($s:expr, $start:expr, $x:expr, |$acc:ident, $v:ident| $step:expr) => {{
        let (chunks, tail) = $x.as_chunks::<LANES>();
        let mut $acc = $start;
        for chunk in chunks {
            let $v = $s.load(chunk);
            $acc = $step;
        }
        if !tail.is_empty() {
            let $v = $s.load_partial(tail);
            $acc = $step;
        }
        $acc
    }};
}
pub(crate) use fold_lanes;

/// Sum of x.
#[inline(always)]
pub(crate) fn sum<S: Lanes>(s: S, x: &[f32]) -> f32 {
    s.tree(fold_lanes!(s, s.splat(0.0), x, |acc, v| s.add(acc, v)))
}

/// Sum of x^2.
#[inline(always)]
pub(crate) fn sum_of_squares<S: Lanes>(s: S, x: &[f32]) -> f32 {
    s.tree(fold_lanes!(s, s.splat(0.0), x, |acc, v| s.add(acc, s.mul(v, v))))
}

/// Applies `f` to sixteen elements of `x` at a time, in place, the tail padded with +0 and cut again.
macro_rules! map_lanes {
    ($s:expr, $x:expr, |$v:ident| $e:expr) => {{
        let (chunks, tail) = $x.as_chunks_mut::<LANES>();
        for chunk in chunks {
            let $v = $s.load(chunk);
            $s.store($e, chunk);
        }
        if !tail.is_empty() {
            let $v = $s.load_partial(tail);
            $s.store_partial($e, tail);
        }
    }};
}
pub(crate) use map_lanes;

/// As `map_lanes`, with a second operand: `x[i] = f(x[i], y[i])`.
macro_rules! zip_lanes {
    ($s:expr, $x:expr, $y:expr, |$v:ident, $w:ident| $e:expr) => {{
        let (chunks, tail) = $x.as_chunks_mut::<LANES>();
        let (others, other_tail) = $y.as_chunks::<LANES>();
        for (chunk, other) in chunks.iter_mut().zip(others) {
            let ($v, $w) = ($s.load(chunk), $s.load(other));
            $s.store($e, chunk);
        }
        if !tail.is_empty() {
            let ($v, $w) = ($s.load_partial(tail), $s.load_partial(other_tail));
            $s.store_partial($e, tail);
        }
    }};
}
pub(crate) use zip_lanes;
