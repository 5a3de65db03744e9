//! Nonlinearities of feed-forward layers, in place.
//!
//! # Formula
//! | name | f(x) |
//! |---|---|
//! | SiLU | x / (1 + exp(-x)) |
//! | GELU, tanh form | x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3); equal to x/2 (1 + tanh u) |
//! | GELU, erf form | (x / 2) (1 + erf(x / sqrt 2)) |
//! | ReLU | max(x, 0) |
//!
//! `gated`: gate = f(gate) * up.
//!
//! # Shapes
//! gate, up, x: f32 [d_ff].
//!
//! # Source
//! Shazeer 2020 (gated forms); Hendrycks and Gimpel 2016 (GELU).

use crate::lanes::{LANES, Lanes};
use crate::math;
use crate::order::{map_lanes, zip_lanes};

/// Which nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// x / (1 + exp(-x)).
    Silu,
    /// GELU by tanh.
    GeluTanh,
    /// GELU by erf.
    GeluErf,
    /// max(x, 0).
    Relu,
}

/// f(x) of sixteen elements.
#[inline(always)]
fn apply_lanes<S: Lanes>(s: S, kind: Nonlinearity, x: S::F) -> S::F {
    let one = s.splat(1.0);
    match kind {
        Nonlinearity::Silu => s.div(x, s.add(one, math::exp_lanes(s, s.sub(s.splat(0.0), x)))),
        Nonlinearity::GeluTanh => {
            let cubic = s.mul(s.splat(0.044_715), s.mul(s.mul(x, x), x));
            // -2 sqrt(2 / pi), nearest f32.
            let exponent = s.mul(s.splat(-1.595_769_2), s.add(x, cubic));
            s.div(x, s.add(one, math::exp_lanes(s, exponent)))
        }
        Nonlinearity::GeluErf => {
            let error = math::erf_lanes(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
            s.mul(s.mul(x, s.splat(0.5)), s.add(one, error))
        }
        Nonlinearity::Relu => s.max(x, s.splat(0.0)),
    }
}

/// See the module.
#[inline(always)]
pub(crate) fn apply<S: Lanes>(s: S, kind: Nonlinearity, x: &mut [f32]) {
    map_lanes!(s, x, |v| apply_lanes(s, kind, v));
}

/// See the module.
#[inline(always)]
pub(crate) fn gated<S: Lanes>(s: S, kind: Nonlinearity, gate: &mut [f32], up: &[f32]) {
    zip_lanes!(s, gate, up, |v, u| s.mul(apply_lanes(s, kind, v), u));
}
