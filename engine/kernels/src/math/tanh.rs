//! Hyperbolic tangent of f32, lane by lane.
//!
//! For |x| <= 0.625, x + x^3 p(x^2) with p of degree 4 (Moshier, Cephes, `tanhf`); beyond, 1 - 2 / (exp(2 |x|) + 1) with
//! the sign of x, where |x| is cut at 10: tanh is 1 in f32 from 9.02 on.

use super::exp_lanes;
use crate::lanes::Lanes;

/// Where the two formulas meet.
const BORDER: f32 = 0.625;

/// Coefficients of p, ascending.
const P: [f32; 5] = [-3.333_328e-1, 1.333_144_2e-1, -5.373_971_5e-2, 2.063_908_8e-2, -5.704_988_7e-3];

/// tanh x, within 2 ULP of the exact value over all f32; odd, NaN for NaN.
#[inline(always)]
pub(crate) fn tanh_lanes<S: Lanes>(s: S, x: S::F) -> S::F {
    let square = s.mul(x, x);
    let mut p = s.splat(P[4]);
    for &coefficient in P[..4].iter().rev() {
        p = s.add(s.mul(p, square), s.splat(coefficient));
    }
    let near = s.add(x, s.mul(x, s.mul(square, p)));

    let (one, magnitude) = (s.splat(1.0), s.abs(x));
    let cut = s.min(s.splat(10.0), magnitude);
    let term = exp_lanes(s, s.add(cut, cut));
    let far = s.copy_sign(s.sub(one, s.div(s.splat(2.0), s.add(term, one))), x);

    s.select_gt(magnitude, s.splat(BORDER), far, near)
}
