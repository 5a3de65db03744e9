//! Which weights of a group would cost the others most if the grid had to reach them.

use super::grid::{FloatGrid, range};

/// Marks candidates for outliers among the weights of one row and group: those without which the error of the *others*,
/// on a grid of their own, is smaller than the error of all by more than `threshold`.
///
/// weights, diagonal (of U): f64 [m]. Errors are sums of ((nearest - w) / U_jj)^2. Without weight k the grid is the same
/// unless k alone is the least or the greatest, and then what is saved is k's own error: of m grids two at most are
/// fitted again.
pub(super) fn mark(weights: &[f64], diagonal: &[f64], max_code: f64, threshold: f64, candidates: &mut [bool]) {
    candidates.fill(false);
    if weights.len() < 2 || threshold == f64::INFINITY {
        return;
    }
    let (low, high) = range(weights);
    let grid = FloatGrid::between(low, high, max_code);
    let error = |grid: &FloatGrid, j: usize| {
        let distance = (grid.nearest(weights[j], max_code) - weights[j]) / diagonal[j];
        distance * distance
    };
    let mut all = 0.0;
    for j in 0..weights.len() {
        all += error(&grid, j);
    }
    let count = |bound: f64| weights.iter().filter(|&&weight| weight == bound).count();
    let (single_low, single_high) = (count(low) == 1, count(high) == 1);
    for k in 0..weights.len() {
        let saved = if (weights[k] == low && single_low) || (weights[k] == high && single_high) {
            all - error_of_others(weights, max_code, k, &error)
        } else {
            error(&grid, k)
        };
        candidates[k] = saved > threshold;
    }
}

/// The error of all weights but k, on a grid that spans them.
fn error_of_others(weights: &[f64], max_code: f64, k: usize, error: &impl Fn(&FloatGrid, usize) -> f64) -> f64 {
    let (before, after) = (range(&weights[..k]), range(&weights[k + 1..]));
    let grid = FloatGrid::between(before.0.min(after.0), before.1.max(after.1), max_code);
    let mut sum = 0.0;
    for j in (0..weights.len()).filter(|&j| j != k) {
        sum += error(&grid, j);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: a grid and a sum for every weight left out.
    fn plain(weights: &[f64], diagonal: &[f64], max_code: f64, threshold: f64) -> Vec<bool> {
        let error = |kept: &[usize]| -> f64 {
            let values: Vec<f64> = kept.iter().map(|&j| weights[j]).collect();
            let grid = FloatGrid::span(&values, max_code);
            kept.iter().fold(0.0, |sum, &j| {
                let distance = (grid.nearest(weights[j], max_code) - weights[j]) / diagonal[j];
                sum + distance * distance
            })
        };
        let all: Vec<usize> = (0..weights.len()).collect();
        let left_out = |k: usize| all.iter().copied().filter(|&j| j != k).collect::<Vec<_>>();
        all.iter().map(|&k| error(&all) - error(&left_out(k)) > threshold).collect()
    }

    #[test]
    fn marks_what_the_definition_marks() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1 << 23) as f64 - 1.0
        };
        let (mut marked, mut trials) = (0, 0);
        for trial in 0..4000 {
            let m = 2 + trial % 17;
            let coarse = trial % 3 == 0;
            let mut weights: Vec<f64> =
                (0..m).map(|_| if coarse { (next() * 4.0).round_ties_even() } else { next() }).collect();
            if trial % 5 == 0 {
                weights[trial % m] *= 9.0;
            }
            let diagonal: Vec<f64> = (0..m).map(|_| 1.5 + next()).collect();
            let mut found = vec![true; m];
            mark(&weights, &diagonal, 3.0, 0.1, &mut found);
            assert_eq!(found, plain(&weights, &diagonal, 3.0, 0.1), "{weights:?}");
            marked += found.iter().filter(|&&marked| marked).count();
            trials += m;
        }
        assert!(marked > trials / 100 && marked < trials / 2, "{marked} of {trials}");
    }
}
