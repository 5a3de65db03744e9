//! The Hessian of a linear layer's squared error: how inputs of the calibration text go together.
//!
//! ```text
//! H = (2 / n) sum over n sequences of x^T x        x: [tokens, columns], the layer's inputs
//! ```
//! (Frantar et al. 2023, equation 3 and `add_batch` of the authors' code, whose n counts sequences, not tokens.)
//!
//! # Precision and order
//! f64 from f32 inputs widened exactly. Every element is one sum over all tokens in the order they came, so that it
//! depends neither on threads nor on how the tokens were divided among calls; it is scaled by 2 / n once, at the end.
//!
//! # Cost
//! tokens x columns^2 operations: only the lower triangle is summed. Memory: one f64 matrix, and 384 widened tokens.

use crate::linear_algebra::mirror;
use kernels::{Columns, ColumnsMut, Kernels, Sign};
use rayon::prelude::*;

/// Tokens that are widened at a time: two blocks of the product.
const TOKENS: usize = 384;
/// Rows and columns of the blocks that threads take, and rows of the steps of which the diagonal's blocks are made.
const ROWS: usize = 192;
const COLUMNS: usize = 384;
const STEP: usize = 48;

/// Sums of x^T x over calibration inputs.
#[derive(Clone)]
pub struct Hessian {
    columns: usize,
    sequences: usize,
    /// f64 [columns, columns], lower triangle and diagonal.
    sums: Vec<f64>,
    /// f64 [up to TOKENS, columns].
    widened: Vec<f64>,
}

impl Hessian {
    /// The Hessian of no input, of a layer of `columns` input features.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(columns: usize) -> Self {
        assert!(columns > 0, "a layer without inputs");
        Self { columns, sequences: 0, sums: vec![0.0; columns * columns], widened: Vec::new() }
    }

    /// Input features of the layer.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Sequences added.
    pub fn sequences(&self) -> usize {
        self.sequences
    }

    /// Adds the inputs x: f32 [tokens, columns] of one sequence, on the pool that the caller runs on.
    ///
    /// # Panics
    /// If x is no matrix of so many columns.
    pub fn add_sequence(&mut self, kernels: &Kernels, x: &[f32]) {
        self.add_tokens(kernels, x);
        self.sequences += 1;
    }

    /// Adds inputs of a sequence that goes on: all of its parts but the last, which [`Self::add_sequence`] takes.
    ///
    /// # Panics
    /// If x is no matrix of so many columns.
    pub fn add_tokens(&mut self, kernels: &Kernels, x: &[f32]) {
        let columns = self.columns;
        assert!(x.len().is_multiple_of(columns), "{} inputs in rows of {columns}", x.len());
        for x in x.chunks(TOKENS * columns) {
            self.widened.resize(x.len(), 0.0);
            self.widened.par_chunks_mut(columns).zip(x.par_chunks(columns)).for_each(|(wide, x)| {
                for (wide, &x) in wide.iter_mut().zip(x) {
                    *wide = f64::from(x);
                }
            });
            let x = Columns::new(&self.widened, columns);
            let tokens = x.rows();
            blocks(&mut self.sums, columns).into_par_iter().for_each(|(row, column, mut block)| {
                let (rows, width) = (block.rows(), block.width());
                let x = |first: usize, count: usize| x.block(0..tokens, first..first + count);
                if column < row {
                    kernels.product_f64(Sign::Plus, x(row, rows), x(column, width), &mut block);
                    return;
                }
                for step in (0..rows).step_by(STEP) {
                    let count = STEP.min(rows - step);
                    let (rows, _) = block.reborrow().split_rows(step).1.split_rows(count);
                    let mut lower = rows.split_at(step + count).0;
                    kernels.product_f64(Sign::Plus, x(row + step, count), x(column, step + count), &mut lower);
                }
            });
        }
    }

    /// The diagonal of H, [columns].
    ///
    /// # Panics
    /// If no sequence was added.
    pub fn diagonal(&self) -> Vec<f64> {
        let factor = self.factor();
        (0..self.columns).map(|j| factor * self.sums[j * self.columns + j]).collect()
    }

    /// H, f64 [columns, columns], both triangles, in the memory of the sums.
    ///
    /// # Panics
    /// If no sequence was added.
    pub fn into_matrix(self) -> Vec<f64> {
        let columns = self.columns;
        let mut h = self.into_lower();
        mirror(&mut h, columns);
        h
    }

    /// The same, of which only the lower triangle and the diagonal mean something.
    pub(crate) fn into_lower(self) -> Vec<f64> {
        let factor = self.factor();
        let mut h = self.sums;
        h.par_chunks_mut(self.columns).enumerate().for_each(|(row, h)| {
            for h in &mut h[..=row] {
                *h *= factor;
            }
        });
        h
    }

    fn factor(&self) -> f64 {
        assert!(self.sequences > 0, "the Hessian of no sequence");
        2.0 / self.sequences as f64
    }
}

/// The blocks of the lower triangle, each with its first row and column: those on the diagonal are square, and only
/// what lies on and below the diagonal counts.
fn blocks(sums: &mut [f64], columns: usize) -> Vec<(usize, usize, ColumnsMut<'_, f64>)> {
    let mut blocks = Vec::new();
    // The last rows have most columns: first, so that no thread is left with them at the end.
    for (index, rows) in sums.chunks_mut(ROWS * columns).enumerate().rev() {
        let row = index * ROWS;
        let count = rows.len() / columns;
        let (left, right) = ColumnsMut::new(rows, columns).split_at(row);
        if row > 0 {
            let left = left.chunks(COLUMNS).into_iter().enumerate();
            blocks.extend(left.map(|(index, block)| (row, index * COLUMNS, block)));
        }
        blocks.push((row, row, right.split_at(count).0));
    }
    blocks
}
