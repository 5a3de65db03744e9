//! Triangular systems and the inverse of a triangular matrix.

use super::BLOCK;
use kernels::{Columns, ColumnsMut, Kernels, Sign};
use rayon::prelude::*;

/// Rows of a block that are completed one by one: those of the largest tile.
pub(super) const STRIP: usize = 12;

/// Solves P^T y = c, with y in the place of c: f64 [n, any]; of P: f64 [n, n] the upper triangle and the diagonal are
/// read.
/// ```text
/// y[j] = (c[j] - sum over k < j of P[k][j] y[k]) / P[j][j]
/// ```
pub(super) fn forward_substitute(kernels: &Kernels, p: Columns<'_, f64>, c: &mut ColumnsMut<'_, f64>) {
    let n = p.rows();
    for first in (0..n).step_by(STRIP) {
        let size = STRIP.min(n - first);
        let (done, rest) = c.reborrow().split_rows(first);
        let mut strip = rest.split_rows(size).0;
        kernels.product_f64(Sign::Minus, p.block(0..first, first..first + size), done.shared(), &mut strip);
        for j in 0..size {
            let (mut row, mut below) = strip.reborrow().split_rows(j).1.split_rows(1);
            let pivot = p.get(first + j, first + j);
            for value in row.row(0) {
                *value /= pivot;
            }
            let x = p.block(first + j..first + j + 1, first + j + 1..first + size);
            kernels.product_f64(Sign::Minus, x, row.shared(), &mut below);
        }
    }
}

/// Replaces the lower triangle and the diagonal of p: f64 [n, n] by W = inv(P)^T, P being the upper triangle and the
/// diagonal: P^T W = 1, 1/3 n^3 operations. The upper triangle is left as it is.
/// ```text
/// W[j][i] = -(sum over i <= k < j of P[k][j] W[k][i]) / P[j][j]    for i < j,    W[j][j] = 1 / P[j][j]
/// ```
/// A block of rows is completed at a time, from the rows of W above it; threads take columns.
///
/// # Panics
/// If p is not [n, n].
pub fn inverse_transposed(kernels: &Kernels, p: &mut [f64], n: usize) {
    assert_eq!(p.len(), n * n);
    // The squares of W on the diagonal, [n, BLOCK], with zeros above their diagonals: in p there is P.
    let mut squares = vec![0.0; n * BLOCK];
    for first in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - first);
        let (above, rest) = p.split_at_mut(first * n);
        let (left, right) = ColumnsMut::new(&mut rest[..size * n], n).split_at(first);
        let mut square = right.split_at(size).0;
        let triangle = square.shared();
        let (squares_above, squares_here) = squares.split_at_mut(first * BLOCK);
        if first > 0 {
            let (above, squares_above) = (Columns::new(above, n), Columns::new(squares_above, BLOCK));
            let x = above.block(0..first, first..first + size);
            left.chunks(BLOCK).into_par_iter().enumerate().for_each(|(index, mut c)| {
                let (column, end) = (index * BLOCK, (index + 1) * BLOCK);
                for row in 0..size {
                    c.row(row).fill(0.0);
                }
                let y = squares_above.block(column..end, 0..BLOCK);
                kernels.product_f64(Sign::Minus, x.block(column..end, 0..size), y, &mut c);
                let y = above.block(end..first, column..end);
                kernels.product_f64(Sign::Minus, x.block(end..first, 0..size), y, &mut c);
                forward_substitute(kernels, triangle, &mut c);
            });
        }
        let mut inverse = ColumnsMut::new(&mut squares_here[..size * BLOCK], BLOCK).split_at(size).0;
        for row in 0..size {
            inverse.row(row)[row] = 1.0;
        }
        forward_substitute(kernels, triangle, &mut inverse);
        for row in 0..size {
            square.row(row)[..=row].copy_from_slice(&inverse.row(row)[..=row]);
        }
    }
}
