//! One column of GPTQ: the codes of the weights of one input feature, and the errors that later features make up for.
//!
//! # Formula
//! For every weight w of the column, on the grid of its row (Frantar et al. 2023, algorithm 1; `quantize` and `fasterquant`
//! of the authors' code), U_jj the pivot:
//! ```text
//! code  = clamp(round(w / scale) + zero, 0, max_code)
//! value = scale * (code - zero)
//! error = (w - value) / U_jj
//! loss  = loss + error * error
//! ```
//!
//! # Shapes
//! weights, scales, zeros, losses: f64 [rows]; codes: u8 [rows]. The weights are overwritten by their errors. Zeros are
//! integers of 0..=max_code, as f64.
//!
//! # Order
//! Rows are independent. `round` takes halves to even, as [`crate::CodeGrid::code`], of which this is the f64 form for
//! many grids at once: q + 1.5 * 2^52 - 1.5 * 2^52 after a cut to +-1024, which moves no code; all that follows up to
//! `value` is exact in integers.

use crate::grid::{FAR, TO_INTEGER};
use crate::lanes::{LANES, Lanes};

/// The grid and pivot of a column.
#[derive(Clone, Copy, Debug)]
pub struct FeedbackColumn<'a> {
    /// Distance of two values of each row's grid, positive.
    pub scales: &'a [f64],
    /// Code of zero of each row's grid.
    pub zeros: &'a [f64],
    /// The largest code.
    pub max_code: u8,
    /// U_jj, what errors are divided by.
    pub pivot: f64,
}

/// See the module.
#[inline(always)]
pub(crate) fn quantize<S: Lanes>(
    s: S,
    column: FeedbackColumn<'_>,
    weights: &mut [f64],
    codes: &mut [u8],
    losses: &mut [f64],
) {
    let grids = column.scales.chunks(LANES).zip(column.zeros.chunks(LANES));
    let outputs = weights.chunks_mut(LANES).zip(codes.chunks_mut(LANES)).zip(losses.chunks_mut(LANES));
    for ((scales, zeros), ((weights, codes), losses)) in grids.zip(outputs) {
        if let (Some(scales), Some(zeros), Some(weights), Some(codes), Some(losses)) = (
            scales.first_chunk(),
            zeros.first_chunk(),
            weights.first_chunk_mut(),
            codes.first_chunk_mut(),
            losses.first_chunk_mut(),
        ) {
            sixteen(s, &column, scales, zeros, weights, codes, losses);
            continue;
        }
        let count = weights.len();
        let (mut scale, mut zero, mut weight, mut loss) = ([1.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
        let mut code = [0; LANES];
        scale[..count].copy_from_slice(scales);
        zero[..count].copy_from_slice(zeros);
        weight[..count].copy_from_slice(weights);
        loss[..count].copy_from_slice(losses);
        sixteen(s, &column, &scale, &zero, &mut weight, &mut code, &mut loss);
        weights.copy_from_slice(&weight[..count]);
        codes.copy_from_slice(&code[..count]);
        losses.copy_from_slice(&loss[..count]);
    }
}

/// Sixteen rows.
#[inline(always)]
fn sixteen<S: Lanes>(
    s: S,
    column: &FeedbackColumn<'_>,
    scales: &[f64; LANES],
    zeros: &[f64; LANES],
    weights: &mut [f64; LANES],
    codes: &mut [u8; LANES],
    losses: &mut [f64; LANES],
) {
    let (scale, zero, weight) = (s.load_f64(scales), s.load_f64(zeros), s.load_f64(weights));
    let quotient = s.max_f64(s.min_f64(s.div_f64(weight, scale), s.splat_f64(FAR)), s.splat_f64(-FAR));
    let to_integer = s.splat_f64(TO_INTEGER);
    let rounded = s.sub_f64(s.add_f64(quotient, to_integer), to_integer);
    let code = s.max_f64(s.add_f64(rounded, zero), s.splat_f64(0.0));
    let code = s.min_f64(code, s.splat_f64(f64::from(column.max_code)));
    let value = s.mul_f64(scale, s.sub_f64(code, zero));
    let error = s.div_f64(s.sub_f64(weight, value), s.splat_f64(column.pivot));
    let loss = s.add_f64(s.load_f64(losses), s.mul_f64(error, error));
    s.narrow_f64(code, codes);
    s.store_f64(error, weights);
    s.store_f64(loss, losses);
}
