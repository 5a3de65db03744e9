//! What quantizing did to one matrix, in numbers.
//!
//! With W the weights before, Q those after, D = W - Q and n weights:
//! ```text
//! mean squared error        MSE  = ||D||^2 / n
//! signal to noise           SQNR = 10 log10(||W||^2 / ||D||^2), in dB
//! error of the outputs      tr(D H D^T), H = (2 / n) sum of x^T x over n calibration sequences
//! ```
//! The last is, but for the factor 2 / n, the squared error of the layer's outputs on the calibration text: what GPTQ and
//! SpQR lower, where rounding to nearest lowers the first.
//!
//! All sums are f64, in the order of rows and columns.

use crate::build::QuantizedLayer;
use engine::format::DenseMatrix;
use engine::linear::Weights;
use rayon::prelude::*;

/// Errors of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// The largest |w - q|.
    pub largest: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Signal to noise, dB; infinite where nothing was lost.
    pub sqnr_db: f64,
    /// tr(D H D^T), where H is known.
    pub hessian_weighted: Option<f64>,
}

/// Numbers at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// Half of them are not above it.
    pub median: f64,
    /// The largest.
    pub largest: f64,
}

/// Counts of numbers in steps of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Where the first step begins.
    pub low: f64,
    /// Where the last ends.
    pub high: f64,
    /// Numbers in each.
    pub counts: Vec<u64>,
}

/// Root mean squared errors of parts of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Rows of a part.
    pub rows: usize,
    /// Columns of a part.
    pub columns: usize,
    /// [parts down][parts across].
    pub cells: Vec<Vec<f64>>,
}

/// What there is to say about a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Bits of a code.
    pub nominal_bits: u32,
    /// Bits stored for a weight, without an input map.
    pub true_bits: f64,
    /// Columns of a group, where groups have scales.
    pub group: Option<usize>,
    /// Scales of the grids.
    pub scales: Option<Spread>,
    /// Zero points of the grids, in codes.
    pub zeros: Option<Spread>,
    /// Weights kept in high precision.
    pub outliers: Option<usize>,
    /// How often every code occurs, [2^bits].
    pub codes: Vec<u64>,
    /// Weights before.
    pub before: Option<Histogram>,
    /// Weights after, in the same steps.
    pub after: Option<Histogram>,
    /// Errors after.
    pub errors: Option<Errors>,
    /// Errors of rounding to nearest, of another method.
    pub nearest: Option<Errors>,
    /// Where the errors are.
    pub heat: Option<HeatMap>,
    /// Rows with the largest mean squared errors, and these, largest first.
    pub worst_rows: Vec<(usize, f64)>,
}

/// Steps of a histogram.
const STEPS: usize = 96;
/// Parts of a heat map down and across, at most.
const PARTS: [usize; 2] = [96, 160];
/// Rows that are named.
const WORST: usize = 5;

/// Explains a layer.
pub fn explain(layer: &QuantizedLayer) -> Explanation {
    let weights = &layer.weights;
    let (rows, columns) = (weights.rows(), weights.columns());
    let hessian = layer.hessian.as_deref();
    let grids = Grids::of(weights);
    let mut explanation = Explanation {
        shape: [rows, columns],
        nominal_bits: weights.nominal_bits(),
        true_bits: 8.0 * weights.bytes() as f64 / (rows * columns) as f64,
        group: grids.group,
        scales: Spread::of(grids.scales),
        zeros: Spread::of(grids.zeros),
        outliers: match weights {
            Weights::SparseQuantized { matrix, .. } => Some(matrix.outlier_count()),
            _ => None,
        },
        codes: grids.codes,
        before: None,
        after: None,
        errors: None,
        nearest: None,
        heat: None,
        worst_rows: Vec::new(),
    };
    let Some(original) = &layer.original else { return explanation };
    let (low, high) = range(original);
    explanation.before = Some(Histogram::of(low, high, rows, columns, |row, out| original.row_to_f32(row, out)));
    explanation.after = Some(Histogram::of(low, high, rows, columns, |row, out| weights.row(row, out)));
    if matches!(weights, Weights::Dense(_)) {
        return explanation;
    }
    explanation.errors = Some(errors(original, weights, hessian));
    explanation.nearest = layer.nearest.as_ref().map(|nearest| errors(original, nearest, hessian));
    let of_rows = squared_errors(original, weights);
    explanation.heat = Some(HeatMap::of(&of_rows, grids.group.unwrap_or(64)));
    let means = of_rows.iter().map(|row| row.iter().fold(0.0, |sum, square| sum + square) / columns as f64);
    let mut worst: Vec<(usize, f64)> = means.enumerate().collect();
    worst.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    worst.truncate(WORST);
    explanation.worst_rows = worst;
    explanation
}

/// Scales, zero points and codes of a packed matrix.
#[derive(Default)]
struct Grids {
    group: Option<usize>,
    scales: Vec<f64>,
    zeros: Vec<f64>,
    codes: Vec<u64>,
}

impl Grids {
    fn of(weights: &Weights) -> Self {
        let (rows, columns) = (weights.rows(), weights.columns());
        let mut grids = Self::default();
        let mut codes = vec![0; columns];
        let mut counts = vec![0; 256];
        match weights {
            Weights::Packed { matrix, .. } => {
                grids.group = matrix.shape().group;
                for row in 0..rows {
                    for group in 0..matrix.shape().groups() {
                        let (scale, zero) = matrix.grid(row, group);
                        grids.scales.push(scale.into());
                        grids.zeros.push(zero.into());
                    }
                    matrix.codes_of_row(row, &mut codes);
                    codes.iter().for_each(|&code| counts[usize::from(code)] += 1);
                }
                counts.truncate(1 << matrix.shape().bits.bits());
            }
            Weights::SparseQuantized { matrix, .. } => {
                grids.group = Some(matrix.shape().group);
                for row in 0..rows {
                    for group in 0..columns.div_ceil(matrix.shape().group) {
                        let (scale, zero) = matrix.grid(row, group);
                        grids.scales.push(scale.into());
                        grids.zeros.push(zero.into());
                    }
                    matrix.codes_of_row(row, &mut codes);
                    codes.iter().for_each(|&code| counts[usize::from(code)] += 1);
                }
                counts.truncate(1 << matrix.shape().bits.bits());
            }
            _ => counts.clear(),
        }
        grids.codes = counts;
        grids
    }
}

impl Spread {
    /// Of some numbers; `None` if there are none.
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (least, largest) = (*numbers.first()?, *numbers.last()?);
        Some(Self { least, median: numbers[(numbers.len() - 1) / 2], largest })
    }
}

impl Histogram {
    fn of(low: f64, high: f64, rows: usize, columns: usize, read: impl Fn(usize, &mut [f32])) -> Self {
        let width = if high > low { (high - low) / STEPS as f64 } else { 1.0 };
        let (mut counts, mut row) = (vec![0; STEPS], vec![0.0; columns]);
        for index in 0..rows {
            read(index, &mut row);
            for &value in &row {
                let step = ((f64::from(value) - low) / width).clamp(0.0, STEPS as f64 - 1.0);
                counts[step as usize] += 1;
            }
        }
        Self { low, high: low + width * STEPS as f64, counts }
    }
}

impl HeatMap {
    /// Of squared errors [rows][columns], in parts of whole groups of `group` columns.
    fn of(squares: &[Vec<f64>], group: usize) -> Self {
        let (rows, columns) = (squares.len(), squares[0].len());
        let part_rows = rows.div_ceil(PARTS[0]);
        let groups = columns.div_ceil(group);
        let part_columns = group * groups.div_ceil(PARTS[1]);
        let cells = squares.chunks(part_rows).map(|lines| {
            let parts = 0..columns.div_ceil(part_columns);
            parts.map(|part| {
                let span = part * part_columns..columns.min((part + 1) * part_columns);
                let count = (span.len() * lines.len()) as f64;
                let sum =
                    lines.iter().fold(0.0, |sum, line| line[span.clone()].iter().fold(sum, |sum, square| sum + square));
                (sum / count).sqrt()
            })
        });
        Self { rows: part_rows, columns: part_columns, cells: cells.map(Iterator::collect).collect() }
    }
}

fn range(matrix: &DenseMatrix) -> (f64, f64) {
    let mut row = vec![0.0; matrix.columns()];
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for index in 0..matrix.rows() {
        matrix.row_to_f32(index, &mut row);
        for &value in &row {
            (low, high) = (low.min(value.into()), high.max(value.into()));
        }
    }
    (low, high)
}

/// w - q of a row.
fn differences(original: &DenseMatrix, weights: &Weights, row: usize) -> (Vec<f32>, Vec<f64>) {
    let (mut before, mut after) = (vec![0.0; original.columns()], vec![0.0; original.columns()]);
    original.row_to_f32(row, &mut before);
    weights.row(row, &mut after);
    let differences = before.iter().zip(&after).map(|(&before, &after)| f64::from(before) - f64::from(after));
    let differences = differences.collect();
    (before, differences)
}

fn squared_errors(original: &DenseMatrix, weights: &Weights) -> Vec<Vec<f64>> {
    let rows = (0..original.rows()).into_par_iter();
    rows.map(|row| differences(original, weights, row).1.iter().map(|difference| difference * difference).collect())
        .collect()
}

fn errors(original: &DenseMatrix, weights: &Weights, hessian: Option<&[f64]>) -> Errors {
    let (rows, columns) = (original.rows(), original.columns());
    let of_rows: Vec<[f64; 4]> = (0..rows)
        .into_par_iter()
        .map(|row| {
            let (before, differences) = differences(original, weights, row);
            let (mut largest, mut error, mut signal) = (0.0, 0.0, 0.0);
            for (&before, &difference) in before.iter().zip(&differences) {
                largest = difference.abs().max(largest);
                error += difference * difference;
                signal += f64::from(before) * f64::from(before);
            }
            [largest, error, signal, hessian.map_or(0.0, |hessian| weighted(&differences, hessian))]
        })
        .collect();
    let (mut largest, mut error, mut signal, mut weighted) = (0f64, 0.0, 0.0, 0.0);
    for [row_largest, row_error, row_signal, row_weighted] in of_rows {
        largest = largest.max(row_largest);
        (error, signal, weighted) = (error + row_error, signal + row_signal, weighted + row_weighted);
    }
    let decibels = |ratio: f64| 10.0 * kernels::math::ln(ratio) / kernels::math::ln(10.0);
    Errors {
        largest,
        mse: error / (rows * columns) as f64,
        sqnr_db: if error == 0.0 { f64::INFINITY } else { decibels(signal / error) },
        hessian_weighted: hessian.map(|_| weighted),
    }
}

/// d H d^T of one row, from the lower triangle.
fn weighted(d: &[f64], hessian: &[f64]) -> f64 {
    let mut total = 0.0;
    for (i, line) in hessian.chunks(d.len()).enumerate() {
        let mut sum = 0.0;
        for (&d, &h) in d[..i].iter().zip(line) {
            sum += d * h;
        }
        total += d[i] * (2.0 * sum + d[i] * line[i]);
    }
    total
}
