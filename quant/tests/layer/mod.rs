//! A linear layer with its calibration inputs, and GPTQ as plainly as it can be written.
#![allow(dead_code, clippy::needless_range_loop)] // matrices are read by row and column

use super::numbers::{Numbers, matrix};
use engine::format::DenseMatrix;
use kernels::Kernels;
use quant::gptq::{GridFit, Groups, Settings, Solution};
use quant::grid::Grid;
use quant::hessian::Hessian;
use quant::inverse_factor::InverseFactor;

/// Weights [rows, columns] and sequences of inputs [tokens, columns].
pub struct Layer {
    pub rows: usize,
    pub columns: usize,
    pub weights: Vec<f32>,
    pub sequences: Vec<Vec<f32>>,
}

impl Layer {
    /// A layer whose inputs go together, with a row of zeros, one without negative weights, and dead columns where there
    /// are enough.
    pub fn random(seed: u64, rows: usize, columns: usize) -> Self {
        let mut numbers = Numbers(seed);
        let mut weights: Vec<f32> = (0..rows * columns).map(|_| (0.1 * numbers.normal()) as f32).collect();
        if rows > 4 {
            weights[columns..2 * columns].fill(0.0);
            weights[3 * columns..4 * columns].iter_mut().for_each(|w| *w = w.abs());
        }
        let dead: Vec<usize> = if columns > 8 { vec![5, columns - 2] } else { vec![] };
        let scales: Vec<f64> = (0..columns).map(|_| 0.1 + 3.0 * numbers.unit()).collect();
        let mut sequences = Vec::new();
        for tokens in [columns + 7, 3, 2 * columns] {
            let mut x = Vec::with_capacity(tokens * columns);
            for _ in 0..tokens {
                let common = [numbers.normal(), numbers.normal()];
                for (j, scale) in scales.iter().enumerate() {
                    let value = scale * (0.8 * common[j % 2] + 0.6 * numbers.normal());
                    x.push(if dead.contains(&j) { 0.0 } else { value as f32 });
                }
            }
            sequences.push(x);
        }
        Self { rows, columns, weights, sequences }
    }

    pub fn matrix(&self) -> DenseMatrix {
        matrix(&self.weights, self.columns)
    }

    pub fn hessian(&self, kernels: &Kernels) -> Hessian {
        let mut hessian = Hessian::new(self.columns);
        self.sequences.iter().for_each(|x| hessian.add_sequence(kernels, x));
        hessian
    }

    pub fn factor(&self, kernels: &Kernels, settings: &Settings) -> InverseFactor {
        InverseFactor::new(kernels, self.hessian(kernels), &settings.preparation()).unwrap()
    }

    /// Weight of a row and feature; 0 where the feature is dead.
    pub fn weight(&self, factor: &InverseFactor, row: usize, feature: usize) -> f64 {
        if factor.is_dead(feature) { 0.0 } else { f64::from(self.weights[row * self.columns + feature]) }
    }

    /// tr((W - W^) H (W - W^)^T) of values [rows][columns]: 2/n times the sum over tokens of |(W - W^) x|^2.
    pub fn error(&self, values: &[Vec<f64>]) -> f64 {
        let mut error = 0.0;
        for (weights, values) in self.weights.chunks(self.columns).zip(values) {
            for x in self.sequences.iter().flat_map(|x| x.chunks(self.columns)) {
                let mut product = 0.0;
                for ((&w, q), &x) in weights.iter().zip(values).zip(x) {
                    product += (f64::from(w) - q) * f64::from(x);
                }
                error += product * product;
            }
        }
        error * 2.0 / self.sequences.len() as f64
    }
}

/// All values of a solution, [rows][columns].
pub fn values(solution: &Solution) -> Vec<Vec<f64>> {
    (0..solution.rows).map(|row| solution.values(row)).collect()
}

/// What the plain loops find: codes in the order of quantization, errors in that order, and each code's scale and zero.
pub struct Plain {
    pub codes: Vec<u8>,
    pub errors: Vec<f64>,
    pub scales: Vec<f64>,
    pub zeros: Vec<u8>,
    pub loss: f64,
}

fn fit(weights: &[f64], settings: &Settings) -> Grid {
    let low = weights.iter().fold(0.0, |low, &w| if w < low { w } else { low });
    let high = weights.iter().fold(0.0, |high, &w| if w > high { w } else { high });
    match settings.search {
        quant::grid::Search::Span => Grid::between(low, high, settings.bits, settings.symmetry),
        quant::grid::Search::LeastError => Grid::least_error(weights, low, high, settings.bits, settings.symmetry),
    }
}

/// The loop of `paper.md` 5.1, a row at a time; with grids of the authors' code, weights as they were when the block
/// began are kept beside those with feedback.
pub fn plain_gptq(layer: &Layer, factor: &InverseFactor, settings: &Settings) -> Plain {
    let n = layer.columns;
    let u = factor.upper();
    let width = settings.group.unwrap_or(n);
    let mut plain = Plain { codes: vec![], errors: vec![], scales: vec![], zeros: vec![], loss: 0.0 };
    for row in 0..layer.rows {
        let natural: Vec<f64> = (0..n).map(|j| layer.weight(factor, row, j)).collect();
        let mut w: Vec<f64> = (0..n).map(|k| natural[factor.feature(k)]).collect();
        let mut stale = w.clone();
        let mut grid = fit(&w, settings);
        let mut loss = 0.0;
        for k in 0..n {
            if let Groups::Dynamic(GridFit::Original { block }) = settings.groups
                && k % block == 0
            {
                stale.clone_from(&w);
            }
            let group = |w: &[f64], k: usize| fit(&w[k / width * width..(k / width * width + width).min(n)], settings);
            match (settings.group, settings.groups) {
                (None, _) => {}
                (_, Groups::Static) => grid = group(&natural, factor.feature(k)),
                (_, Groups::Dynamic(GridFit::InPlace)) if k % width == 0 => grid = group(&w, k),
                (_, Groups::Dynamic(GridFit::Original { .. })) if k % width == 0 => grid = group(&stale, k),
                _ => {}
            }
            let code = grid.codes().code(w[k]);
            let error = (w[k] - grid.value(code)) / u[k * n + k];
            for j in k + 1..n {
                w[j] -= u[k * n + j] * error;
            }
            loss += error * error;
            plain.codes.push(code);
            plain.errors.push(error);
            plain.scales.push(grid.scale());
            plain.zeros.push(grid.zero());
        }
        plain.loss += loss;
    }
    plain.loss /= 2.0;
    plain
}
