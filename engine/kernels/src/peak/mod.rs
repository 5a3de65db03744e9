//! What this machine can do at most, measured by the same lanes the kernels are made of.
//!
//! # Formula
//! `multiply_add`: acc += w * x in a register tile, weights from a small buffer: 32 operations a step.
//! `multiply_add_f64`: the same in f64, a tile of one vector of weights: 32 operations a step.
//! `byte_products`: acc += dot(w, x) of four bytes a lane, operands from a small buffer, codes up to 15, for which every
//! instruction set has its best instruction: 128 operations a step.
//! `read`: the wrapping sum of 32-bit words, eight vectors side by side.
//!
//! A step is one operation on sixteen lanes; as many sums run side by side as a register tile has accumulators, so that
//! latency is hidden. All return a value that depends on every step, so that none can be left out. A benchmark divides
//! operations or bytes by time; nothing else calls them. For `scalar` a limit is what the compiler makes of these loops:
//! it makes more of some kernels.

use crate::lanes::{LANES, Lanes};
use std::hint::black_box;

/// Operations of one step of `multiply_add` and `multiply_add_f64`.
pub const MULTIPLY_ADD_OPERATIONS: usize = 16 * 2;
/// Operations of one step of `byte_products`.
pub const BYTE_PRODUCT_OPERATIONS: usize = 16 * 4 * 2;

/// See the module. R x T is the register tile.
#[inline(always)]
pub(crate) fn multiply_add<S: Lanes, const R: usize, const T: usize>(s: S, steps: usize) -> f32 {
    let weights: [[[f32; LANES]; R]; 4] = black_box([[[1e-6; LANES]; R]; 4]);
    let x: [S::F; T] = black_box([0.5f32; T]).map(|x| s.splat(x));
    let mut acc = [[s.splat(0.0); R]; T];
    for step in 0..steps / (R * T) {
        for r in 0..R {
            let w = s.load(&weights[step % 4][r]);
            for t in 0..T {
                acc[t][r] = s.accumulate(acc[t][r], w, x[t]);
            }
        }
    }
    let mut sum = s.splat(0.0);
    for acc in acc.into_iter().flatten() {
        sum = s.add(sum, acc);
    }
    s.tree(sum)
}

/// See the module. R is the register tile.
#[inline(always)]
pub(crate) fn multiply_add_f64<S: Lanes, const R: usize>(s: S, steps: usize) -> f64 {
    let weights: [[f64; LANES]; 4] = black_box([[1e-6; LANES]; 4]);
    let x: [[f64; R]; 4] = black_box([[0.5; R]; 4]);
    let mut acc = [s.zero_f64(); R];
    for step in 0..steps / R {
        let w = s.load_f64(&weights[step % 4]);
        for r in 0..R {
            acc[r] = s.add_f64(acc[r], s.mul_f64(s.splat_f64(x[step % 4][r]), w));
        }
    }
    let mut sum = s.zero_f64();
    for acc in acc {
        sum = s.add_f64(sum, acc);
    }
    s.tree_f64(sum)
}

/// See the module.
#[inline(always)]
pub(crate) fn byte_products<S: Lanes, const R: usize, const T: usize>(s: S, steps: usize, bytes: &[u8; 1024]) -> i32 {
    let (blocks, _) = bytes.as_chunks::<64>();
    // Another x for every token: of equal products the compiler makes one, and only adds are left to be measured.
    let mut x = [s.splat_bytes([0; 4]); T];
    for t in 0..T {
        x[t] = s.splat_bytes([1 + t as i8, -2, 3, -4]);
    }
    let mut acc = [[s.open(s.splat_int(0)); R]; T];
    for step in 0..steps / (R * T) {
        for r in 0..R {
            let w = s.load_bytes(&blocks[(step + r) % 16]);
            for t in 0..T {
                acc[t][r] = s.dot_u4(acc[t][r], w, x[t]);
            }
        }
    }
    let mut lanes = [0; LANES];
    let mut sum = 0i32;
    for value in acc.into_iter().flatten() {
        s.store_int(s.close(s.splat_int(0), value), &mut lanes);
        for lane in lanes {
            sum = sum.wrapping_add(lane);
        }
    }
    sum
}

/// See the module.
#[inline(always)]
pub(crate) fn read<S: Lanes>(s: S, words: &[i32]) -> i32 {
    let mut acc = [s.splat_int(0); 8];
    let (blocks, rest) = words.as_chunks::<{ 8 * LANES }>();
    for block in blocks {
        for (acc, vector) in acc.iter_mut().zip(block.as_chunks::<LANES>().0) {
            *acc = s.add_int(*acc, s.load_int(vector));
        }
    }
    let mut lanes = [0; LANES];
    let mut sum = rest.iter().fold(0i32, |sum, &word| sum.wrapping_add(word));
    for acc in acc {
        s.store_int(acc, &mut lanes);
        for lane in lanes {
            sum = sum.wrapping_add(lane);
        }
    }
    sum
}
