//! e^x, in f64 and in sixteen lanes of f32.
//!
//! # Method outline
//!
//! 1. n is the integer nearest to x / ln 2, and r = x - n ln 2, so |r| <= ln 2 / 2 and e^x = 2^n e^r. ln 2 is split in
//!    two so that n times its high part has no rounding error (Cody and Waite, "Software Manual for the Elementary
//!    Functions", 1980).
//! 2. e^r = 1 + r + r^2 q(r). The sum 1 + r is kept exactly as a rounded value and its error, so that only r^2 q(r),
//!    at most 0.07, brings a rounding error of its own.
//! 3. 2^n is applied as 2^(n >> 1), which is exact, and 2^(n - (n >> 1)), which rounds once: also where the result is
//!    subnormal.

use super::double_double::DoubleDouble;
use crate::lanes::scalar::Scalar;
use crate::lanes::{LANES, Lanes};

/// 1 / ln 2.
const LOG2_E: f64 = f64::from_bits(0x3ff7_1547_652b_82fe);
/// The first 42 bits of ln 2: a product with an integer below 2^11 is exact.
pub(super) const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fefa_3800);
/// The f64 nearest to ln 2 - `LN2_HIGH`.
pub(super) const LN2_LOW: f64 = f64::from_bits(0x3d2e_f357_93c7_6730);

/// e^x in f64, at most 0.7 ULP from the exact value, 0.8 where it is subnormal.
///
/// NaN for NaN, infinity from 709.79 on, 0 below -745.14.
pub fn exp(x: f64) -> f64 {
    exp_sum(DoubleDouble { high: x, low: 0.0 })
}

/// e^(high + low), for |low| far below |high|.
pub(super) fn exp_sum(x: DoubleDouble) -> f64 {
    if x.high.is_nan() {
        return f64::NAN;
    }
    if x.high > 710.0 {
        return f64::INFINITY;
    }
    if x.high < -746.0 {
        return 0.0;
    }
    let n = (x.high * LOG2_E).round_ties_even();
    let exact = x.high - n * LN2_HIGH;
    let correction = x.low - n * LN2_LOW;
    let r = exact + correction;
    // What rounding took from r: r + rest is the reduced argument to about 2^-85.
    let rest = (exact - r) + correction;
    // The Taylor series of (e^r - 1 - r) / r^2; the first term left out is below 2^-57 of the result.
    let mut q = 1.0 / 6_227_020_800.0; // 1 / 13!
    q = q * r + 1.0 / 479_001_600.0; // 1 / 12!
    q = q * r + 1.0 / 39_916_800.0; // 1 / 11!
    q = q * r + 1.0 / 3_628_800.0; // 1 / 10!
    q = q * r + 1.0 / 362_880.0; // 1 / 9!
    q = q * r + 1.0 / 40_320.0; // 1 / 8!
    q = q * r + 1.0 / 5_040.0; // 1 / 7!
    q = q * r + 1.0 / 720.0; // 1 / 6!
    q = q * r + 1.0 / 120.0; // 1 / 5!
    q = q * r + 1.0 / 24.0; // 1 / 4!
    q = q * r + 1.0 / 6.0; // 1 / 3!
    q = q * r + 0.5; // 1 / 2!
    let one_plus_r = DoubleDouble::ordered_sum(1.0, r);
    let y = one_plus_r.high + (one_plus_r.low + (r * r * q + rest));
    let n = n as i32;
    y * power_of_two(n >> 1) * power_of_two(n - (n >> 1))
}

/// 2^n for n in -1022..=1023, by placing the exponent.
pub(super) fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// 1 / ln 2 = 1.44269502.
const LOG2_E_F32: f32 = f32::from_bits(0x3fb8_aa3b);
/// The first 15 bits of ln 2, 0.693145752: a product with an integer below 2^9 is exact.
const LN2_HIGH_F32: f32 = f32::from_bits(0x3f31_7200);
/// The f32 nearest to ln 2 - `LN2_HIGH_F32`, 1.42860682e-6.
const LN2_LOW_F32: f32 = f32::from_bits(0x35bf_be8e);
/// (e^r - 1 - r) / r^2 for |r| <= 0.3468 with a relative error of e^r below 3.2e-9; our own Remez fit of the weighted
/// error, the coefficients rounded to f32 one after the other and the others fitted again.
const Q: [f32; 5] = [
    f32::from_bits(0x3eff_fffe), // 4.9999994e-1, near 1 / 2!
    f32::from_bits(0x3e2a_aa46), // 1.6666517e-1, near 1 / 3!
    f32::from_bits(0x3d2a_ac2c), // 4.1668102e-2, near 1 / 4!
    f32::from_bits(0x3c09_1ed3), // 8.3691655e-3, near 1 / 5!
    f32::from_bits(0x3ab5_609e), // 1.3837998e-3, near 1 / 6!
];

/// e^x lane by lane, at most 0.71 ULP from the exact value over all f32, 0.78 where it is subnormal.
///
/// NaN for NaN, infinity above 88.7228, 0 below -103.972.
#[inline(always)]
pub(crate) fn exp_lanes<S: Lanes>(s: S, x: S::F) -> S::F {
    let [y] = exp_vectors(s, [x]);
    y
}

/// [`exp_lanes`] of N vectors, side by side: each step waits for the one before, and a processor looks ahead far enough
/// to overlap three vectors that come one after the other.
#[inline(always)]
pub(crate) fn exp_vectors<S: Lanes, const N: usize>(s: S, mut x: [S::F; N]) -> [S::F; N] {
    let (mut n, mut exact, mut correction, mut r) = (x, x, x, x);
    for i in 0..N {
        // The constant comes first: a comparison with NaN gives the second operand, so NaN stays NaN.
        x[i] = s.min(s.splat(89.0), s.max(s.splat(-104.0), x[i]));
        n[i] = s.round(s.mul(x[i], s.splat(LOG2_E_F32)));
        exact[i] = s.sub(x[i], s.mul(n[i], s.splat(LN2_HIGH_F32)));
        correction[i] = s.mul(n[i], s.splat(LN2_LOW_F32));
        r[i] = s.sub(exact[i], correction[i]);
    }
    let mut q = [s.splat(Q[4]); N];
    for step in 1..5 {
        for i in 0..N {
            q[i] = s.add(s.mul(q[i], r[i]), s.splat(Q[4 - step]));
        }
    }
    // 1 + exact and its rounding error; the correction of the argument joins the small terms.
    let one = s.splat(1.0);
    for i in 0..N {
        let high = s.add(one, exact[i]);
        let low = s.sub(exact[i], s.sub(high, one));
        let small = s.sub(s.mul(s.mul(r[i], r[i]), q[i]), correction[i]);
        let y = s.add(high, s.add(low, small));
        let n = s.to_int(n[i]);
        let half = s.half_int(n);
        x[i] = s.mul(s.mul(y, s.power_of_two(half)), s.power_of_two(s.sub_int(n, half)));
    }
    x
}

/// e^x of one f32: the bits every lane of every instruction set gives.
pub fn exp_f32(x: f32) -> f32 {
    let mut y = [0.0; LANES];
    Scalar.store(exp_lanes(Scalar, Scalar.splat(x)), &mut y);
    y[0]
}
