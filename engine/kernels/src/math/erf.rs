//! The error function in sixteen lanes of f32.
//!
//! # Method outline
//!
//! * |x| <= 31/32: erf x = x + x p(x^2), p our own minimax of erf(x) / x - 1.
//! * beyond: erf x = 1 - e^(-t q(t)) with t = |x| and q our own minimax of -ln(erfc t) / t. One exponential of an
//!   argument that is rounded a few times only; erfc t is below 0.18 there, so its error hardly shows in 1 - erfc t.
//!   From t = 3.92 on the result is 1 in f32, so t is limited to 4.
//!
//! Both are evaluated in every lane and one is selected. Both fits weigh the error by what it does to erf (relative
//! 9.1e-10 and absolute 2.7e-9); coefficients were rounded to f32 one after the other, the others fitted again.

use super::exp::exp_lanes;
use crate::lanes::Lanes;

/// Where the second formula takes over.
const BORDER: f32 = 0.96875;

/// erf(x) / x - 1 in powers of x^2.
const P: [f32; 7] = [
    f32::from_bits(0x3e03_75d4), // 1.2837917e-1, near 2 / sqrt(pi) - 1
    f32::from_bits(0xbec0_93a0), // -3.7612629e-1
    f32::from_bits(0x3de7_16b2), // 1.1283626e-1
    f32::from_bits(0xbcdc_0092), // -2.6855741e-2
    f32::from_bits(0x3baa_2585), // 5.1924610e-3
    f32::from_bits(0xba53_0c21), // -8.0508186e-4
    f32::from_bits(0x38a7_d527), // 8.0028833e-5
];

/// -ln(erfc t) / t in powers of t, for t in [31/32, 4].
const Q: [f32; 6] = [
    f32::from_bits(0x3f90_726b), // 1.1284918
    f32::from_bits(0x3f22_c363), // 6.3579386e-1
    f32::from_bits(0x3dd7_5fdf), // 1.0516333e-1
    f32::from_bits(0xbcbb_007c), // -2.2827379e-2
    f32::from_bits(0x3b51_6d3e), // 3.1955983e-3
    f32::from_bits(0xb95d_ef6b), // -2.1165393e-4
];

/// erf x lane by lane, at most 1.28 ULP (and 8e-8) from the exact value over all f32; odd, NaN for NaN.
#[inline(always)]
pub(crate) fn erf_lanes<S: Lanes>(s: S, x: S::F) -> S::F {
    let square = s.mul(x, x);
    let mut p = s.splat(P[6]);
    for &coefficient in P[..6].iter().rev() {
        p = s.add(s.mul(p, square), s.splat(coefficient));
    }
    let near = s.add(x, s.mul(x, p));

    let magnitude = s.abs(x);
    let t = s.min(s.splat(4.0), magnitude);
    let mut q = s.splat(Q[5]);
    for &coefficient in Q[..5].iter().rev() {
        q = s.add(s.mul(q, t), s.splat(coefficient));
    }
    let complement = exp_lanes(s, s.sub(s.splat(0.0), s.mul(t, q)));
    let far = s.copy_sign(s.sub(s.splat(1.0), complement), x);

    s.select_gt(magnitude, s.splat(BORDER), far, near)
}
