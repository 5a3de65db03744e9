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
pub(crate) fn byte_products<S: Lanes, const CHAINS: usize>(s: S, steps: usize, bytes: &[u8; 1024]) -> i32 {
    let (blocks, _) = bytes.as_chunks::<64>();
    let x = s.splat_bytes([1, -2, 3, -4]);
    let mut acc: [S::N; CHAINS] = std::array::from_fn(|_| s.open(s.splat_int(0)));
    for step in 0..steps / CHAINS {
        let w = s.load_bytes(&blocks[step % 16]);
        for value in &mut acc {
            *value = s.dot_u4(*value, w, x);
        }
    }
    let mut lanes = [0; 16];
    let mut sum = 0i32;
    for value in acc {
        s.store_int(s.close(s.splat_int(0), value), &mut lanes);
        for lane in lanes {
            sum = sum.wrapping_add(lane);
        }
    }
    sum
}
