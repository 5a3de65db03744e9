//! The Cholesky factorisation: a = P^T P with P upper triangular (Golub and Van Loan 2013, section 4.2.5).
//!
//! ```text
//! P[i][i] = sqrt(a[i][i] - sum over k < i of P[k][i]^2)
//! P[i][j] = (a[i][j] - sum over k < i of P[k][i] P[k][j]) / P[i][i]    for j > i
//! ```
//! 1/3 n^3 operations. A block of rows is completed at a time, from the rows above it: these are read, and only the
//! block is written, so that memory is no limit. Its square on the diagonal is computed first, by one thread; then all
//! take a part of the columns to the right of it.

use super::BLOCK;
use super::triangle::{STRIP, forward_substitute};
use kernels::{Columns, ColumnsMut, Kernels, Sign};
use rayon::prelude::*;

/// A matrix that has no Cholesky factor.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "the Hessian of the calibration inputs is not positive definite: expected a positive pivot in column {column}, found \
     {pivot:e}; raise `damp`, or calibrate on more text"
)]
pub struct NotPositiveDefinite {
    /// Where it shows.
    pub column: usize,
    /// What should have been positive.
    pub pivot: f64,
}

/// Turns the upper triangle and the diagonal of a: f64 [n, n] into P. What lies below the diagonal is not
/// read, and means nothing afterwards.
///
/// # Errors
/// If a is not positive definite.
///
/// # Panics
/// If a is not [n, n].
pub fn cholesky(kernels: &Kernels, a: &mut [f64], n: usize) -> Result<(), NotPositiveDefinite> {
    assert_eq!(a.len(), n * n);
    for first in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - first);
        let (above, rest) = a.split_at_mut(first * n);
        let above = if first == 0 { None } else { Some(Columns::new(above, n)) };
        // c - sum over the rows above, of columns from `column` on.
        let subtract_above = |column: usize, c: &mut ColumnsMut<'_, f64>| {
            if let Some(above) = above {
                let x = above.block(0..first, first..first + size);
                let y = above.block(0..first, column..column + c.width());
                kernels.product_f64(Sign::Minus, x, y, c);
            }
        };
        let (_, right) = ColumnsMut::new(&mut rest[..size * n], n).split_at(first);
        let (mut square, right) = right.split_at(size);
        subtract_above(first, &mut square);
        factor(kernels, &mut square).map_err(|error| NotPositiveDefinite { column: first + error.column, ..error })?;
        if right.width() == 0 {
            break;
        }
        let square = square.shared();
        right.chunks(BLOCK).into_par_iter().enumerate().for_each(|(index, mut c)| {
            subtract_above(first + size + index * BLOCK, &mut c);
            forward_substitute(kernels, square, &mut c);
        });
    }
    Ok(())
}

/// The same of one block, whose rows above have been subtracted: strips of rows, then rows.
fn factor(kernels: &Kernels, a: &mut ColumnsMut<'_, f64>) -> Result<(), NotPositiveDefinite> {
    let n = a.rows();
    for first in (0..n).step_by(STRIP) {
        let size = STRIP.min(n - first);
        let (done, rest) = a.reborrow().split_rows(first);
        let (_, mut strip) = rest.split_rows(size).0.split_at(first);
        let done = done.shared();
        let (x, y) = (done.block(0..first, first..first + size), done.block(0..first, first..n));
        kernels.product_f64(Sign::Minus, x, y, &mut strip);
        for i in 0..size {
            let (row, below) = strip.reborrow().split_rows(i).1.split_rows(1);
            let (_, mut row) = row.split_at(i);
            let row_values = row.row(0);
            let pivot = row_values[0];
            // Also a NaN is not positive.
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(NotPositiveDefinite { column: first + i, pivot });
            }
            let root = pivot.sqrt();
            row_values[0] = root;
            for value in &mut row_values[1..] {
                *value /= root;
            }
            let width = row.width();
            let (_, mut below) = below.split_at(i + 1);
            let row = row.shared();
            kernels.product_f64(Sign::Minus, row.block(0..1, 1..size - i), row.block(0..1, 1..width), &mut below);
        }
    }
    Ok(())
}
