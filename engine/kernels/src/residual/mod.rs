//! Addition to one row of the residual stream.
//!
//! # Formula
//! x = x + update; the result says whether every sum is finite: v - v is 0 for a finite v, and a NaN for any other.
//!
//! # Shapes
//! x, update: f32 [d_model].

use crate::lanes::{LANES, Lanes};

/// See the module.
#[inline(always)]
pub(crate) fn add<S: Lanes>(s: S, x: &mut [f32], update: &[f32]) -> bool {
    let mut differences = s.splat(0.0);
    let (chunks, tail) = x.as_chunks_mut::<LANES>();
    let (updates, update_tail) = update.as_chunks::<LANES>();
    for (x, update) in chunks.iter_mut().zip(updates) {
        let sum = s.add(s.load(x), s.load(update));
        differences = s.add(differences, s.sub(sum, sum));
        s.store(sum, x);
    }
    if !tail.is_empty() {
        let sum = s.add(s.load_partial(tail), s.load_partial(update_tail));
        differences = s.add(differences, s.sub(sum, sum));
        s.store_partial(sum, tail);
    }
    s.tree(differences) == 0.0
}
