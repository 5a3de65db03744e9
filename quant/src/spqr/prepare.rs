//! The Hessian before it is factored: columns in the order they are quantized, damped, dead ones mended.

use super::{ColumnOrder, Settings};

/// What was done to a Hessian before it is factored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Column k is input feature `permutation[k]`.
    pub permutation: Vec<u32>,
    /// Columns that no input reaches: their weights count as 0.
    pub dead: Vec<bool>,
}

/// Orders, damps and mends a Hessian [columns, columns] in place, ready to be factored.
///
/// # Panics
/// If it is not `columns` by `columns`.
pub fn prepare(hessian: &mut [f64], columns: usize, settings: &Settings) -> Prepared {
    assert_eq!(hessian.len(), columns * columns, "Hessian of {columns} columns");
    let mut permutation: Vec<u32> = (0..columns as u32).collect();
    if settings.order == ColumnOrder::Diagonal {
        let diagonal: Vec<f64> = (0..columns).map(|j| hessian[j * columns + j]).collect();
        permutation.sort_by(|&a, &b| diagonal[b as usize].total_cmp(&diagonal[a as usize]));
        permute(hessian, columns, &permutation);
    }
    let (mut mean, mut dead) = (0.0, vec![false; columns]);
    for (j, dead) in dead.iter_mut().enumerate() {
        let diagonal = hessian[j * columns + j];
        mean += diagonal;
        *dead = diagonal == 0.0;
    }
    let damping = settings.damping * (mean / columns as f64).abs();
    for (j, &dead) in dead.iter().enumerate() {
        let diagonal = &mut hessian[j * columns + j];
        *diagonal = if dead { 1.0 } else { *diagonal + damping };
    }
    Prepared { permutation, dead }
}

/// Row and column k of the matrix become those that were `permutation[k]`; a row of scratch is all that is held.
fn permute(matrix: &mut [f64], columns: usize, permutation: &[u32]) {
    let mut scratch = vec![0.0; columns];
    for row in matrix.chunks_mut(columns) {
        scratch.copy_from_slice(row);
        row.iter_mut().zip(permutation).for_each(|(value, &from)| *value = scratch[from as usize]);
    }
    let mut done = vec![false; columns];
    for start in 0..columns {
        if done[start] {
            continue;
        }
        // One cycle: row `start` waits in the scratch while every row takes the place of the one before.
        scratch.copy_from_slice(&matrix[start * columns..(start + 1) * columns]);
        let mut to = start;
        loop {
            done[to] = true;
            let from = permutation[to] as usize;
            if from == start {
                break;
            }
            matrix.copy_within(from * columns..(from + 1) * columns, to * columns);
            to = from;
        }
        matrix[to * columns..(to + 1) * columns].copy_from_slice(&scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::CodeBits;

    #[test]
    fn orders_damps_and_mends() {
        // Diagonal 1, 4, 0, 3, 4: equal ones keep their order. Element (i, j) tells where it came from.
        let diagonal = [1.0, 4.0, 0.0, 3.0, 4.0];
        let element = |i: usize, j: usize| if i == j { diagonal[i] } else { (10 * i.min(j) + i.max(j)) as f64 };
        let mut hessian: Vec<f64> = (0..25).map(|at| element(at / 5, at % 5)).collect();
        let settings = Settings { damping: 0.5, ..Settings::new(CodeBits::Three) };
        let prepared = prepare(&mut hessian, 5, &settings);
        let order = [1, 4, 3, 0, 2];
        assert_eq!(prepared, Prepared { permutation: order.to_vec(), dead: vec![false, false, false, false, true] });
        let damping = 0.5 * 12.0 / 5.0;
        for (i, &from) in order.iter().enumerate() {
            for (j, &other) in order.iter().enumerate() {
                let expected = match element(from as usize, other as usize) {
                    value if i != j => value,
                    0.0 => 1.0,
                    value => value + damping,
                };
                assert_eq!(hessian[5 * i + j], expected, "{i} {j}");
            }
        }
    }
}
