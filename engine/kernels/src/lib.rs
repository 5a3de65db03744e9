//! Every intrinsic of nibble: kernels that give the same bits on every instruction set.
//!
//! No I/O, no allocation, no threads. See `lanes` for how one body serves every instruction set.

#[allow(dead_code)]
mod lanes;
pub mod math;
