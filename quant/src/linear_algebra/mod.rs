//! Factorisations of symmetric positive-definite f64 matrices, in place: what second-order quantizers need of a Hessian.
//!
//! [`inverse_factor`] turns H into the upper triangular U with inv(H) = U^T U. The usual way is a Cholesky factorisation,
//! an inversion and another factorisation, 4/3 n^3 operations. With J the reversal of the order of rows,
//! ```text
//! J H J = P^T P                 Cholesky, P upper triangular
//! inv(H) = J inv(P) inv(P)^T J = U^T U    with U = J inv(P)^T J
//! ```
//! inv(P)^T is lower triangular, so U is upper triangular; its diagonal is positive, and such a factor is unique. One
//! factorisation and one inversion of a triangle: 2/3 n^3 operations. J is free: J A J is the row-major array of A read
//! backwards.
//!
//! # Order
//! Every element is one sequential sum in ascending index, computed by `kernels::product_f64` and finished by a division
//! or a square root. Threads of the pool that the caller runs on share columns of a block of rows. So neither their
//! number nor the size of a block can change a bit.

mod cholesky;
mod layout;
mod triangle;

pub use cholesky::{NotPositiveDefinite, cholesky};
pub use layout::{mirror, permute};
pub use triangle::inverse_transposed;

use kernels::Kernels;

/// Rows of a block, and columns that a thread takes at a time: a multiple of the lanes and of every tile's rows.
const BLOCK: usize = 96;

/// Turns h: f64 [n, n], symmetric and positive definite, into the upper triangular U with inv(h) = U^T U. Of h only the
/// lower triangle and the diagonal are read; below the diagonal of U are zeros.
///
/// # Errors
/// If h is not positive definite, with the column where that shows. What h holds then means nothing.
///
/// # Panics
/// If h is not [n, n].
pub fn inverse_factor(kernels: &Kernels, h: &mut [f64], n: usize) -> Result<(), NotPositiveDefinite> {
    assert_eq!(h.len(), n * n);
    h.reverse();
    cholesky(kernels, h, n)
        .map_err(|error| NotPositiveDefinite { column: n - 1 - error.column, pivot: error.pivot })?;
    inverse_transposed(kernels, h, n);
    h.reverse();
    for row in 1..n {
        h[row * n..row * n + row].fill(0.0);
    }
    Ok(())
}
