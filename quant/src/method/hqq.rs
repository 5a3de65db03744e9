//! HQQ: the zero point of every grid is moved, by half-quadratic splitting, to where few weights are far off.
//!
//! For the weights w of one row and group and codes of b bits, with s the inverse of the grid's step (Badri & Shaji 2023;
//! `Quantizer.quantize` and `optimize_weights_proximal_legacy` of the authors' code, axis 1):
//! ```text
//! s = min((2^b - 1) / (max w - min w), 2e4), or 1 where max w - min w <= 1e-4
//! z = -s min w, rounded to an integer where b = 4
//! for t = 0, 1, ... 19:
//!     q = clamp(round(s w + z), 0, 2^b - 1)                        round takes halves to even
//!     r = (q - z) / s
//!     e = sign(w - r) max(|w - r| - |w - r|^(p - 1) / beta, 0)     p = 0.7, beta = 10
//!     z = mean(q - s (w - e))
//!     stop if the mean of |w - r| over the matrix is not less than the least so far
//! q = clamp(round(s w + z), 0, 2^b - 1)
//! ```
//! e is the minimiser of |e|^p + beta/2 |w - r - e|^2, approximately: the outlying part of the error, which z is not to
//! follow. (The paper lets beta grow by 1 % a step; the authors' code, version 0.2.8, reads that number and does not apply it.)
//! It is 0 unless |w - r| exceeds beta^(-1 / (2 - p)), 0.17: of weights as small as a language model's
//! z then simply is the mean. Steps stay as they were; only z is fitted, and it need not be an integer.
//!
//! # What differs
//! Groups are parts of rows; the authors' code cuts the whole matrix, row after row, which is the same where the columns
//! are a multiple of the group.
//!
//! # Precision and order
//! f64, where the authors' code has f32, or half on a graphics card; but for the mean that ends the steps, which is compared
//! as f32. Step and zero point are rounded to f32 once, when
//! they are stored: 8 bytes a group, where the authors keep two halves, which at 8 bits would move z by up to 1/16 of a
//! step. Sums over a group run in the order of columns, the mean over the matrix over sums of rows in their order: threads
//! take rows and change no bit.

use super::{ACTIVATIONS, Chosen, Method, Needs, Site};
use crate::error::Error;
use crate::recipe::Scheme;
use engine::format::{DenseMatrix, GridRow, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::Weights;
use kernels::grid::nearest_integer;
use kernels::math::pow;
use kernels::{CodeBits, Kernels};
use rayon::prelude::*;

pub(super) static METHOD: Method = Method {
    name: "hqq",
    title: "half-quadratic quantization",
    summary: "Zero points of min/max grids are fitted so that few weights are far off (lp norm, p = 0.7), and stored as \
              f32. Needs no calibration.",
    paper: "Badri & Shaji 2023 (HQQ)",
    example: "hqq:w4g64",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    ungrouped: true,
    implied: None,
    activations: ACTIVATIONS,
    options: &[],
    needs: Needs::Weights,
    extra_bits: 0.0,
    quantize,
};

/// p, beta, and the steps at most.
const NORM: f64 = 0.7;
const BETA: f64 = 10.0;
const STEPS: usize = 20;

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    site.each(|layer, scheme| {
        let matrix = pack(site.kernels, &layer.source.matrix, scheme);
        Ok(Weights::Packed { matrix, activations: scheme.activations })
    })
}

/// The grid of one row and group: value = (code - zero) / inverse.
#[derive(Clone, Copy)]
struct FloatGrid {
    inverse: f64,
    zero: f64,
}

/// The proximal operator of one step.
#[derive(Clone, Copy)]
struct Shrink {
    beta: f64,
    /// Errors up to this have no outlying part: a little less than beta^(-1 / (2 - p)), where it begins.
    free: f64,
}

impl FloatGrid {
    fn span(weights: &[f32], bits: CodeBits) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for &weight in weights {
            let weight = f64::from(weight);
            low = if weight < low { weight } else { low };
            high = if weight > high { weight } else { high };
        }
        let span = high - low;
        let inverse = if span <= 1e-4 { 1.0 } else { f64::from(bits.max_code()) / span };
        let inverse = if inverse > 2e4 { 2e4 } else { inverse };
        let zero = -low * inverse;
        // That of 4 bits is a code: 0 to 15, unless the span lies far from 0.
        let zero = if bits == CodeBits::Four { zero.round_ties_even() } else { zero };
        Self { inverse, zero }
    }

    #[inline(always)]
    fn code(self, weight: f64, max_code: f64) -> f64 {
        let place = weight * self.inverse + self.zero;
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < max_code { place } else { max_code };
        f64::from(nearest_integer(place))
    }

    /// Moves the zero point by one step; the sum of |w - r| before.
    fn step(&mut self, weights: &[f32], max_code: f64, shrink: Shrink) -> f64 {
        let (mut sum, mut error) = (0.0, 0.0);
        for &weight in weights {
            let weight = f64::from(weight);
            let code = self.code(weight, max_code);
            let difference = weight - (code - self.zero) / self.inverse;
            sum += code - (weight - shrink.outlying(difference)) * self.inverse;
            error += difference.abs();
        }
        self.zero = sum / weights.len() as f64;
        error
    }
}

impl Shrink {
    fn new(beta: f64) -> Self {
        Self { beta, free: 0.999_999 * pow(beta, -1.0 / (2.0 - NORM)) }
    }

    #[inline(always)]
    fn outlying(self, difference: f64) -> f64 {
        let magnitude = difference.abs();
        if magnitude <= self.free {
            return 0.0;
        }
        let rest = magnitude - pow(magnitude, NORM - 1.0) / self.beta;
        if rest > 0.0 { rest.copysign(difference) } else { 0.0 }
    }
}

/// Grids of all rows and groups, [rows, groups]; rows are widened anew for every step, so that none are held.
fn fit(matrix: &DenseMatrix, scheme: &Scheme, groups: usize) -> Vec<FloatGrid> {
    let (columns, max_code) = (matrix.columns(), f64::from(scheme.bits.max_code()));
    let width = scheme.group.unwrap_or(columns);
    let mut grids = vec![FloatGrid { inverse: 1.0, zero: 0.0 }; matrix.rows() * groups];
    let each_row = |grids: &mut [FloatGrid], run: &(dyn Fn(&mut FloatGrid, &[f32]) -> f64 + Sync)| -> f64 {
        let rows = grids.par_chunks_mut(groups).enumerate().map_init(
            || vec![0.0; columns],
            |weights, (row, grids)| {
                matrix.row_to_f32(row, weights);
                let mut sum = 0.0;
                for (grid, weights) in grids.iter_mut().zip(weights.chunks(width)) {
                    sum += run(grid, weights);
                }
                sum
            },
        );
        rows.collect::<Vec<f64>>().iter().fold(0.0, |sum, row| sum + row)
    };
    each_row(&mut grids, &|grid, weights| {
        *grid = FloatGrid::span(weights, scheme.bits);
        0.0
    });
    let (shrink, mut least) = (Shrink::new(BETA), f32::INFINITY);
    for _ in 0..STEPS {
        let error = each_row(&mut grids, &|grid, weights| grid.step(weights, max_code, shrink));
        let error = (error / (matrix.rows() * columns) as f64) as f32;
        if error >= least {
            break;
        }
        least = error;
    }
    grids
}

fn pack(kernels: &Kernels, matrix: &DenseMatrix, scheme: &Scheme) -> PackedMatrix {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let shape = PackedShape { rows, columns, bits: scheme.bits, group: scheme.group, zero_points: ZeroPoints::Floats };
    let (groups, width) = (shape.groups(), scheme.group.unwrap_or(columns));
    let grids = fit(matrix, scheme, groups);
    let max_code = f64::from(scheme.bits.max_code());
    PackedMatrix::build(kernels, shape, |row: GridRow<'_>| {
        let mut weights = vec![0.0; columns];
        matrix.row_to_f32(row.row, &mut weights);
        let grids = &grids[row.row * groups..(row.row + 1) * groups];
        for (group, (weights, codes)) in weights.chunks(width).zip(row.codes.chunks_mut(width)).enumerate() {
            let grid = grids[group];
            row.scales[group] = (1.0 / grid.inverse) as f32;
            row.float_zeros[group] = grid.zero as f32;
            for (code, &weight) in codes.iter_mut().zip(weights) {
                *code = grid.code(f64::from(weight), max_code) as u8;
            }
        }
    })
}
