//! SpQR (Dettmers et al. 2023) of one linear layer: small groups with quantized statistics, and outliers kept apart.
//!
//! w: the layer's weights, columns in the order of quantization; U: upper triangular with inv(H) = U^T U, H the damped
//! Hessian of the layer's input in the same order (`inverse_factor`); d_j = U_jj.
//! ```text
//! T      = tau * mean over j of ( var over rows of w_j / d_j^2 )           variance unbiased
//! for every group of columns, on weights that carry all feedback so far:
//!     candidates: without them the group's other weights lose more than T of their error (`outliers`)
//!     grid of every row: min/max of its weights, candidates replaced by the mean of the others; a float zero
//!     scales of 16 consecutive rows: codes on a min/max grid of their own; zeros likewise
//! for every column j:
//!     q = nearest value of the row's grid     e = (w - q) / d_j
//!     an outlier where e^2 > T: then q = w and e = 0
//!     w_k = w_k - e U_jk for all later columns k
//! loss   = sum of e^2 / 2
//! ```
//! Damping is added to the Hessian before columns that no input reaches are given a diagonal of 1 (GPTQ does it the
//! other way round): `Settings::preparation`. All of it is f64. The authors' code: `spqr_engine.py`, `quant_groups.py` of Vahe1994/SpQR.
//!
//! # Order
//! Rows are independent but for their second level; weight (r, k) is w - e_0 U_0k - e_1 U_1k - ..., one product and one
//! difference a column, ascending. So neither threads nor the block size change a bit.
//!
//! # Rows that are not a multiple of 16
//! The last rows share a second level of their own; of a single row it is that of equal statistics, from -1 to 1, as
//! the authors' quantizer has it. (Their code refuses such matrices.)

mod grid;
mod outliers;
mod pack;

pub use grid::{FloatGrid, SECOND_GROUP, SecondLevel};

use crate::inverse_factor::{ColumnOrder, DeadColumns, InverseFactor, Preparation};
use engine::format::DenseMatrix;
use grid::ZeroCodes;
use kernels::{CodeBits, Columns, ColumnsMut, Kernels, Sign};
use rayon::prelude::*;

/// What SpQR is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Width of a code.
    pub bits: CodeBits,
    /// Columns of a group.
    pub group: usize,
    /// Bits of the code of a scale or a zero, 1 to 8.
    pub statistic_bits: u32,
    /// How large an error makes an outlier, in mean sensitivities of a column; infinity: none is kept.
    pub tau: f64,
    /// Added to the Hessian's diagonal, in means of it.
    pub damping: f64,
    /// In which order columns are quantized.
    pub order: ColumnOrder,
    /// To which weights grids are fitted.
    pub grid_weights: GridWeights,
    /// What zeros are.
    pub zeros: ZeroKind,
    /// Columns whose feedback is collected before it goes to the rest; rounded up to whole groups. Changes no bit.
    pub block: usize,
}

/// The weights that a group's grid is fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridWeights {
    /// All but the candidates for outliers.
    WithoutCandidates,
    /// All (`simplified_outliers`).
    All,
}

/// What the zeros of grids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroKind {
    /// Any number.
    Float,
    /// Integers (`round_zero`), which are not quantized again where the codes of statistics are as wide as weights'.
    Integer,
}

impl Settings {
    /// Those of the authors' command.
    pub fn new(bits: CodeBits) -> Self {
        Self {
            bits,
            group: 16,
            statistic_bits: 3,
            tau: 0.2,
            damping: 1.0,
            order: ColumnOrder::Activation,
            grid_weights: GridWeights::WithoutCandidates,
            zeros: ZeroKind::Float,
            block: 128,
        }
    }

    /// How the Hessian is made ready.
    pub fn preparation(&self) -> Preparation {
        Preparation { order: self.order, damp: self.damping, dead: DeadColumns::Last }
    }
}

/// A weight kept apart from its grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Output row.
    pub row: u32,
    /// Column, in the order of quantization.
    pub column: u32,
    /// What the weight is, feedback of earlier columns included.
    pub value: f64,
}

/// A quantized layer. Columns are in the order of quantization: column k is `InverseFactor::feature(k)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// [rows, columns]; of an outlier, the nearest value's.
    pub codes: Vec<u8>,
    /// Codes of scales, [row groups, groups, rows of the group].
    pub scale_codes: Vec<u8>,
    /// Codes of zeros, likewise.
    pub zero_codes: Vec<u8>,
    /// What they stand for, [row groups, groups].
    pub second_levels: Vec<SecondLevel>,
    /// Ascending by row, then column.
    pub outliers: Vec<Outlier>,
    /// Sum of e^2 / 2, half the damped layer loss.
    pub loss: f64,
    /// [rows, columns].
    pub shape: [usize; 2],
    /// Columns of a group.
    pub group: usize,
}

impl Solution {
    /// Outliers among all weights.
    pub fn outlier_share(&self) -> f64 {
        self.outliers.len() as f64 / self.codes.len() as f64
    }

    /// The grid of a row and group.
    pub fn grid(&self, row: usize, group: usize) -> FloatGrid {
        let [rows, columns] = self.shape;
        let groups = columns.div_ceil(self.group);
        let (first, inside) = (row / SECOND_GROUP * SECOND_GROUP, row % SECOND_GROUP);
        let at = first * groups + group * SECOND_GROUP.min(rows - first) + inside;
        self.second_levels[row / SECOND_GROUP * groups + group].grid(self.scale_codes[at], self.zero_codes[at])
    }

    /// The weights, [rows, columns] in the order of quantization.
    pub fn weights(&self) -> Vec<f64> {
        let columns = self.shape[1];
        let mut weights: Vec<f64> = (self.codes.iter().enumerate())
            .map(|(at, &code)| self.grid(at / columns, at % columns / self.group).value(code))
            .collect();
        for outlier in &self.outliers {
            weights[outlier.row as usize * columns + outlier.column as usize] = outlier.value;
        }
        weights
    }
}

/// Rows that a task takes: a multiple of SECOND_GROUP.
const TASK_ROWS: usize = 4 * SECOND_GROUP;

/// Quantizes a layer on the pool that the caller runs on.
///
/// # Panics
/// If the factor has other columns, a group has no column, or statistics have no or more than 8 bits.
pub fn solve(kernels: &Kernels, weights: &DenseMatrix, factor: &InverseFactor, settings: &Settings) -> Solution {
    let (rows, columns) = (weights.rows(), weights.columns());
    assert_eq!(factor.columns(), columns, "columns of the factor");
    assert!(settings.group > 0 && (1..=8).contains(&settings.statistic_bits), "{settings:?}");
    let groups = columns.div_ceil(settings.group);
    let diagonal: Vec<f64> = (0..columns).map(|j| factor.pivot(j)).collect();
    let threshold = threshold(weights, factor, &diagonal, settings.tau);
    let layer = Layer { kernels, upper: factor.upper(), diagonal, settings, threshold };
    let mut codes = vec![0; rows * columns];
    let (mut scale_codes, mut zero_codes) = (vec![0; rows * groups], vec![0; rows * groups]);
    let mut second_levels = vec![SecondLevel::default(); rows.div_ceil(SECOND_GROUP) * groups];
    let tasks = codes
        .par_chunks_mut(TASK_ROWS * columns)
        .zip(scale_codes.par_chunks_mut(TASK_ROWS * groups))
        .zip(zero_codes.par_chunks_mut(TASK_ROWS * groups))
        .zip(second_levels.par_chunks_mut(TASK_ROWS / SECOND_GROUP * groups));
    let found: Vec<(Vec<Outlier>, Vec<f64>)> = tasks
        .enumerate()
        .map(|(task, (((codes, scale_codes), zero_codes), second_levels))| {
            let first = task * TASK_ROWS;
            let mut rows = Rows {
                first,
                weights: read(weights, first, codes.len() / columns, factor),
                codes,
                scale_codes,
                zero_codes,
                second_levels,
                outliers: Vec::new(),
                losses: vec![0.0; TASK_ROWS],
            };
            rows.quantize(&layer);
            rows.outliers.sort_by_key(|outlier| (outlier.row, outlier.column));
            (rows.outliers, rows.losses)
        })
        .collect();
    let mut outliers = Vec::with_capacity(found.iter().map(|(outliers, _)| outliers.len()).sum());
    let mut loss = 0.0;
    for (own, losses) in found {
        outliers.extend(own);
        for row in losses {
            loss += row / 2.0;
        }
    }
    let (shape, group) = ([rows, columns], settings.group);
    Solution { codes, scale_codes, zero_codes, second_levels, outliers, loss, shape, group }
}

/// Rows `first..first + count` in the order of quantization, dead columns 0.
fn read(weights: &DenseMatrix, first: usize, count: usize, factor: &InverseFactor) -> Vec<f64> {
    let mut row = vec![0.0; weights.columns()];
    let mut read = Vec::with_capacity(count * row.len());
    for index in first..first + count {
        weights.row_to_f32(index, &mut row);
        let features = (0..row.len()).map(|k| factor.feature(k));
        read.extend(features.map(|feature| if factor.is_dead(feature) { 0.0 } else { f64::from(row[feature]) }));
    }
    read
}

/// T: see the module. Infinite where a single row has no variance.
fn threshold(weights: &DenseMatrix, factor: &InverseFactor, diagonal: &[f64], tau: f64) -> f64 {
    let (rows, columns) = (weights.rows(), weights.columns());
    if tau == f64::INFINITY || rows < 2 {
        return f64::INFINITY;
    }
    let (mut means, mut squares) = (vec![0.0; columns], vec![0.0; columns]);
    for row in 0..rows {
        for (mean, w) in means.iter_mut().zip(read(weights, row, 1, factor)) {
            *mean += w;
        }
    }
    means.iter_mut().for_each(|mean| *mean /= rows as f64);
    for row in 0..rows {
        for ((square, mean), w) in squares.iter_mut().zip(&means).zip(read(weights, row, 1, factor)) {
            *square += (w - mean) * (w - mean);
        }
    }
    let mut sensitivity = 0.0;
    for (square, d) in squares.iter().zip(diagonal) {
        sensitivity += square / (rows - 1) as f64 / (d * d);
    }
    tau * (sensitivity / columns as f64)
}

/// What all rows share.
struct Layer<'a> {
    kernels: &'a Kernels,
    upper: &'a [f64],
    diagonal: Vec<f64>,
    settings: &'a Settings,
    threshold: f64,
}

/// Some rows on their way through the columns.
struct Rows<'a> {
    first: usize,
    /// [rows, columns], with all feedback so far.
    weights: Vec<f64>,
    codes: &'a mut [u8],
    scale_codes: &'a mut [u8],
    zero_codes: &'a mut [u8],
    second_levels: &'a mut [SecondLevel],
    outliers: Vec<Outlier>,
    /// Sum of e^2 of every row.
    losses: Vec<f64>,
}

impl Rows<'_> {
    fn quantize(&mut self, layer: &Layer<'_>) {
        let (columns, group) = (layer.diagonal.len(), layer.settings.group);
        let rows = self.weights.len() / columns;
        let block = layer.settings.block.max(1).next_multiple_of(group);
        let mut grids = vec![FloatGrid::default(); rows];
        for first in (0..columns).step_by(block) {
            let end = columns.min(first + block);
            // [columns of the block, rows].
            let mut errors = vec![0.0; (end - first) * rows];
            for column in first..end {
                if column % group == 0 {
                    self.fit(layer, column, &mut grids);
                }
                let feedback = &layer.upper[column * columns + column + 1..column * columns + end];
                for (row, grid) in grids.iter().enumerate() {
                    let error = self.encode(layer, row, column, grid);
                    errors[(column - first) * rows + row] = error;
                    let later = &mut self.weights[row * columns + column + 1..row * columns + end];
                    for (w, u) in later.iter_mut().zip(feedback) {
                        *w -= error * u;
                    }
                }
            }
            let feedback = Columns::new(layer.upper, columns).block(first..end, end..columns);
            let (_, mut later) = ColumnsMut::new(&mut self.weights, columns).split_at(end);
            layer.kernels.product_f64(Sign::Minus, Columns::new(&errors, rows), feedback, &mut later);
        }
    }

    /// Quantizes one weight; its error in units of U_jj.
    fn encode(&mut self, layer: &Layer<'_>, row: usize, column: usize, grid: &FloatGrid) -> f64 {
        let at = row * layer.diagonal.len() + column;
        let w = self.weights[at];
        let code = grid.code(w, f64::from(layer.settings.bits.max_code()));
        self.codes[at] = code;
        let error = (w - grid.value(code)) / layer.diagonal[column];
        if error * error > layer.threshold {
            self.outliers.push(Outlier { row: (self.first + row) as u32, column: column as u32, value: w });
            return 0.0;
        }
        self.losses[row] += error * error;
        error
    }

    /// Fits the grids of the group that begins at `column`.
    fn fit(&mut self, layer: &Layer<'_>, column: usize, grids: &mut [FloatGrid]) {
        let (columns, settings) = (layer.diagonal.len(), layer.settings);
        let end = columns.min(column + settings.group);
        let (groups, group) = (columns.div_ceil(settings.group), column / settings.group);
        let max_code = f64::from(settings.bits.max_code());
        let mut candidates = vec![false; end - column];
        let mut kept = vec![0.0; end - column];
        for (row, grid) in grids.iter_mut().enumerate() {
            let weights = &self.weights[row * columns + column..row * columns + end];
            if settings.grid_weights == GridWeights::WithoutCandidates {
                outliers::mark(weights, &layer.diagonal[column..end], max_code, layer.threshold, &mut candidates);
            }
            replace_candidates(weights, &candidates, &mut kept);
            *grid = FloatGrid::span(&kept, max_code);
            if settings.zeros == ZeroKind::Integer {
                grid.zero = grid.zero.round_ties_even();
            }
        }
        let integers = settings.zeros == ZeroKind::Integer && settings.statistic_bits >= settings.bits.bits();
        let zeros = if integers { ZeroCodes::Integers } else { ZeroCodes::Spanned };
        let max_statistic = f64::from((1u32 << settings.statistic_bits) - 1);
        for (index, grids) in grids.chunks_mut(SECOND_GROUP).enumerate() {
            let at = index * SECOND_GROUP * groups + group * grids.len();
            let scale_codes = &mut self.scale_codes[at..at + grids.len()];
            let zero_codes = &mut self.zero_codes[at..at + grids.len()];
            let second = SecondLevel::fit(grids, max_statistic, zeros, scale_codes, zero_codes);
            for (grid, (&scale, &zero)) in grids.iter_mut().zip(scale_codes.iter().zip(zero_codes.iter())) {
                *grid = second.grid(scale, zero);
            }
            self.second_levels[index * groups + group] = second;
        }
    }
}

/// Weights with the candidates replaced by the mean of the others, 0 where there are none.
fn replace_candidates(weights: &[f64], candidates: &[bool], kept: &mut [f64]) {
    let (mut sum, mut count) = (0.0, 0);
    for (&w, &candidate) in weights.iter().zip(candidates) {
        if !candidate {
            sum += w;
            count += 1;
        }
    }
    let mean = sum / f64::from(count.max(1));
    for ((kept, &w), &candidate) in kept.iter_mut().zip(weights).zip(candidates) {
        *kept = if candidate { mean } else { w };
    }
}
