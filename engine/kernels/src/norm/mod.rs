//! RMSNorm and LayerNorm of one row.
//!
//! # Formula
//! `rms_norm`: y = (x * (1 / sqrt(sum(x^2) / n + eps))) * weight.
//! `layer_norm`: m = sum(x) / n, c = x - m, y = (c * (1 / sqrt(sum(c^2) / n + eps))) * weight + bias.
//!
//! # Shapes
//! x, y, weight, bias: f32 [d_model].
//!
//! # Order
//! Sums in `LaneTree16`; the reciprocal is a square root, then a division (R9).
//!
//! # Source
//! Zhang and Sennrich 2019 (RMSNorm), Ba et al. 2016 (LayerNorm); operation order of transformers'
//! `LlamaRMSNorm` and torch's `layer_norm`.

use crate::lanes::{LANES, Lanes};
use crate::order::{self, map_lanes, zip_lanes};

/// See the module.
#[inline(always)]
pub(crate) fn rms_norm<S: Lanes>(s: S, x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    y.copy_from_slice(x);
    let mean_square = order::sum_of_squares(s, x) / x.len() as f32;
    let scale = s.splat(1.0 / (mean_square + eps).sqrt());
    zip_lanes!(s, y, weight, |v, w| s.mul(s.mul(v, scale), w));
}

/// See the module.
#[inline(always)]
pub(crate) fn layer_norm<S: Lanes>(s: S, x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    y.copy_from_slice(x);
    let mean = s.splat(order::sum(s, x) / x.len() as f32);
    map_lanes!(s, y, |v| s.sub(v, mean));
    let variance = order::sum_of_squares(s, y) / x.len() as f32;
    let scale = s.splat(1.0 / (variance + eps).sqrt());
    zip_lanes!(s, y, weight, |v, w| s.mul(s.mul(v, scale), w));
    zip_lanes!(s, y, bias, |v, b| s.add(v, b));
}
