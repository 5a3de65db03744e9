//! GPTQ of one layer: weights are rounded column by column, and later columns make up for the error of each.
//!
//! For the weights W: [rows, columns] of a layer whose inputs have the Hessian H, and U with inv(H) = U^T U, upper
//! triangular (Frantar et al. 2023, algorithm 1; `fasterquant` of the authors' code):
//! ```text
//! for every column j in order:
//!     err      = (W[:, j] - value(code(W[:, j]))) / U[j][j]
//!     W[:, k] -= err * U[j][k]                                for all k > j
//! ```
//! The grid of a group is fitted when its first column is reached, on weights that carry the feedback of all columns
//! before (`GridFit::InPlace`), or on weights that lack that of the block that the group begins in, as the authors'
//! code has it (`GridFit::Original`): then the result depends on the size of blocks. With one grid a row both are the
//! same; it is fitted at the start.
//!
//! # What comes out
//! With E the matrix of err and W^ the values, W - W^ = E U, hence tr[(W - W^) H (W - W^)^T] = ||E||^2: `loss`, half of
//! that, is the layer's squared error on the calibration text, exactly, damping included.
//!
//! # Scales
//! Codes, errors and feedback are those of the f64 grid, whose scale is rounded to f32 when it is stored, as for
//! round-to-nearest (`grid`). Feedback for the rounded scale would change a value by 2^-24 of itself, a loss in its eighth
//! digit or so, and would part from every other implementation's digits for that.
//!
//! # Order
//! A weight has the products err * U of all columns before subtracted one by one, in order. So neither the blocks in
//! which that is done, nor threads, which take rows, can change a bit. A row's loss is a sum over columns in order, the
//! layer's one over rows in order.
//!
//! # Cost
//! rows x columns^2 operations in `kernels::product_f64`. Each thread holds a block of up to 512 rows in f64,
//! transposed, [columns, rows]: a column's weights then lie side by side, and errors take their place.

mod rows;

use crate::grid::{Search, Symmetry};
use crate::inverse_factor::{ColumnOrder, DeadColumns, InverseFactor, Preparation};
use engine::format::DenseMatrix;
use kernels::{CodeBits, Kernels};
use rayon::prelude::*;
use rows::RowBlock;

/// On which weights a group's grid is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridFit {
    /// On those that carry all feedback so far. Independent of any block size.
    InPlace,
    /// On those that lack the feedback of the block of so many columns that the group begins in, as in the authors' code,
    /// whose blocks have 128 columns.
    Original {
        /// Columns of a block, at least 1.
        block: usize,
    },
}

/// Which columns share a grid, and when it is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Neighbours in the order of quantization, when the first of them is reached.
    Dynamic(GridFit),
    /// Neighbours in the natural order, on the weights before any feedback: `static_groups`.
    Static,
}

/// How a layer is quantized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Width of codes.
    pub bits: CodeBits,
    /// Columns with one grid; `None` for a grid a row. Not 0.
    pub group: Option<usize>,
    /// Whether grids are centred on zero.
    pub symmetry: Symmetry,
    /// Whether grids span the weights, or as much of them as gives the least error.
    pub search: Search,
    /// Which columns share a grid.
    pub groups: Groups,
    /// Order of columns.
    pub order: ColumnOrder,
    /// What is added to the diagonal of the Hessian, as a multiple of its mean.
    pub damp: f64,
}

impl Settings {
    /// The defaults of the authors' code, but for grids fitted in place.
    pub fn new(bits: CodeBits, group: Option<usize>) -> Self {
        Self {
            bits,
            group,
            symmetry: Symmetry::Asymmetric,
            search: Search::Span,
            groups: Groups::Dynamic(GridFit::InPlace),
            order: ColumnOrder::Natural,
            damp: 0.01,
        }
    }

    /// How the Hessian is made ready for these settings.
    pub fn preparation(&self) -> Preparation {
        Preparation { order: self.order, damp: self.damp, dead: DeadColumns::First }
    }
}

/// A quantized layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Output features.
    pub rows: usize,
    /// Input features.
    pub columns: usize,
    /// Columns with one grid.
    pub group: Option<usize>,
    /// [rows, columns], in the natural order of input features, or that of `permutation`.
    pub codes: Vec<u8>,
    /// Distance of two values, as fitted, [rows, groups].
    pub scales: Vec<f64>,
    /// Code of zero, [rows, groups].
    pub zeros: Vec<u8>,
    /// Column k of the codes is input feature `permutation[k]`. Only where groups are neighbours in that order: otherwise
    /// codes are in the natural one.
    pub permutation: Option<Vec<usize>>,
    /// Half of the squared error of the layer on the calibration text, damping included.
    pub loss: f64,
}

impl Solution {
    /// Grids of a row.
    pub fn groups(&self) -> usize {
        self.group.map_or(1, |group| self.columns.div_ceil(group))
    }

    /// The weight of one output and input feature, on the grid as fitted: scale * (code - zero).
    pub fn values(&self, row: usize) -> Vec<f64> {
        let mut values = vec![0.0; self.columns];
        let codes = &self.codes[row * self.columns..(row + 1) * self.columns];
        for (k, &code) in codes.iter().enumerate() {
            let at = row * self.groups() + self.group.map_or(0, |group| k / group);
            let feature = self.permutation.as_ref().map_or(k, |permutation| permutation[k]);
            values[feature] = self.scales[at] * (f64::from(code) - f64::from(self.zeros[at]));
        }
        values
    }
}

/// Rows that a thread takes at a time: U, larger than the caches, is read once for as many.
const ROWS: usize = 512;

/// Quantizes weights: [rows, columns] on the pool that the caller runs on. The factor must be of
/// [`Settings::preparation`]; layers with the same inputs share it.
///
/// # Panics
/// If the factor is of another number of columns or another order, or a group or block has no columns.
pub fn solve(kernels: &Kernels, weights: &DenseMatrix, factor: &InverseFactor, settings: &Settings) -> Solution {
    let (rows, columns) = (weights.rows(), weights.columns());
    assert!(factor.columns() == columns && columns > 0, "a Hessian of {} columns for {columns}", factor.columns());
    assert_eq!(factor.permutation().is_some(), settings.order == ColumnOrder::Activation, "another order of columns");
    assert!(settings.group != Some(0), "groups of no columns");
    assert!(settings.groups != Groups::Dynamic(GridFit::Original { block: 0 }), "blocks of no columns");
    let keeps_order = settings.groups != Groups::Static && settings.group.is_some();
    let permutation = factor.permutation().filter(|_| keeps_order).map(<[usize]>::to_vec);
    let mut solution = Solution {
        rows,
        columns,
        group: settings.group,
        codes: vec![0; rows * columns],
        scales: Vec::new(),
        zeros: Vec::new(),
        permutation,
        loss: 0.0,
    };
    let groups = solution.groups();
    solution.scales = vec![0.0; rows * groups];
    solution.zeros = vec![0; rows * groups];
    let mut losses = vec![0.0; rows];
    let threads = rayon::current_num_threads();
    let parts = rows.div_ceil(ROWS).next_multiple_of(threads);
    let size = rows.div_ceil(parts).next_multiple_of(16).max(16);
    let outputs = solution.codes.par_chunks_mut(size * columns).zip(solution.scales.par_chunks_mut(size * groups));
    let outputs = outputs.zip(solution.zeros.par_chunks_mut(size * groups)).zip(losses.par_chunks_mut(size));
    outputs.enumerate().for_each(|(part, (((codes, scales), zeros), losses))| {
        let mut block = RowBlock::new(kernels, &weights.slice(part * size, losses.len()), factor, settings);
        block.quantize(losses);
        block.write(codes, scales, zeros);
    });
    for loss in losses {
        solution.loss += loss;
    }
    solution.loss /= 2.0;
    solution
}
