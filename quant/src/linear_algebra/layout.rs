//! Symmetric matrices in another order, in place.

use rayon::prelude::*;

/// Rows and columns of a square that stays in the nearest cache while it is mirrored.
const SQUARE: usize = 32;

/// Copies what lies below the diagonal of a: f64 [n, n] to above it.
pub fn mirror(a: &mut [f64], n: usize) {
    assert_eq!(a.len(), n * n);
    for row in (0..n).step_by(SQUARE) {
        for column in (0..=row).step_by(SQUARE) {
            for i in row..(row + SQUARE).min(n) {
                for j in column..(column + SQUARE).min(i) {
                    a[j * n + i] = a[i * n + j];
                }
            }
        }
    }
}

/// Puts row and column `permutation[k]` of a: f64 [n, n] in the place of row and column k.
pub fn permute(a: &mut [f64], n: usize, permutation: &[usize]) {
    assert!(a.len() == n * n && permutation.len() == n);
    let mut moved = vec![false; n];
    let mut first = vec![0.0; n];
    for start in 0..n {
        if moved[start] {
            continue;
        }
        // A cycle of rows: each goes where the one before it was.
        first.copy_from_slice(&a[start * n..(start + 1) * n]);
        let mut row = start;
        while permutation[row] != start {
            moved[row] = true;
            let next = permutation[row];
            a.copy_within(next * n..(next + 1) * n, row * n);
            row = next;
        }
        moved[row] = true;
        a[row * n..(row + 1) * n].copy_from_slice(&first);
    }
    a.par_chunks_mut(n).for_each_init(
        || vec![0.0; n],
        |natural, row| {
            natural.copy_from_slice(row);
            for (value, &from) in row.iter_mut().zip(permutation) {
                *value = natural[from];
            }
        },
    );
}
