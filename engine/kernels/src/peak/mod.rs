//! What this machine can do at most, measured by the same lanes the kernels are made of.
//!
//! # Formula
//! `multiply_add`: chains acc = acc * c + d, multiply and add apart: 32 operations a step.
//! `byte_products`: acc += dot(w, x) of four bytes a lane, operands from a small buffer, codes up to 15, for which every
//! instruction set has its best instruction: 128 operations a step.
//!
//! A step is one operation on sixteen lanes; as many chains run side by side as a register tile has accumulators, so
//! that latency is hidden. Both return a value that depends on every step, so that none can be left out. A benchmark
//! divides operations by time; nothing else calls them.

use crate::lanes::Lanes;

/// Operations of one step of `multiply_add`.
pub const MULTIPLY_ADD_OPERATIONS: usize = 16 * 2;
/// Operations of one step of `byte_products`.
pub const BYTE_PRODUCT_OPERATIONS: usize = 16 * 4 * 2;

/// See the module.
#[inline(always)]
pub(crate) fn multiply_add<S: Lanes, const CHAINS: usize>(s: S, steps: usize) -> f32 {
    let (factor, term) = (s.splat(0.999_999), s.splat(1e-6));
    let mut acc: [S::F; CHAINS] = std::array::from_fn(|i| s.splat(i as f32));
    for _ in 0..steps / CHAINS {
        for value in &mut acc {
            *value = s.accumulate(term, *value, factor);
        }
    }
    let mut sum = s.splat(0.0);
    for value in acc {
        sum = s.add(sum, value);
    }
    s.tree(sum)
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
    let mut lanes = [0; 16];
    let mut sum = 0i32;
    for value in acc.into_iter().flatten() {
        s.store_int(s.close(s.splat_int(0), value), &mut lanes);
        for lane in lanes {
            sum = sum.wrapping_add(lane);
        }
    }
    sum
}
