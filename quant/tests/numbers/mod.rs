//! Seeded numbers and matrices for tests, and the grid of the paper restated plainly.
#![allow(dead_code)]

use engine::format::{DenseMatrix, PackedMatrix};
use engine::linear::Weights;
use engine::model::{LinearSource, Mlp, Role};
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::{Dtype, TensorBytes};
use quant::Recipe;

/// SplitMix64.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, variance 1: a sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f64 {
        let mut sum = -6.0;
        for _ in 0..12 {
            sum += self.unit();
        }
        sum
    }

    /// Weights as checkpoints have them: about normal, a few large ones, rounded as `dtype` stores them.
    pub fn weights(&mut self, count: usize, dtype: Dtype) -> Vec<f32> {
        let weight = |numbers: &mut Self| {
            let large = if numbers.below(64) == 0 { 8.0 } else { 1.0 };
            stored(0.05 * large * numbers.normal(), dtype)
        };
        (0..count).map(|_| weight(self)).collect()
    }
}

/// `value` as `dtype` holds it (f16 within its normal range).
fn stored(value: f64, dtype: Dtype) -> f32 {
    let value = value as f32;
    match dtype {
        Dtype::F32 => value,
        Dtype::Bf16 => f32::from_bits(value.to_bits() & 0xffff_0000),
        Dtype::F16 => (value * 4096.0).round_ties_even() / 4096.0,
    }
}

pub fn runtime() -> Runtime {
    Runtime::new(Some(2), IsaChoice::Best).unwrap()
}

/// An f32 matrix [values / columns, columns].
pub fn matrix(values: &[f32], columns: usize) -> DenseMatrix {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::F32, values.len() / columns, columns)
}

pub fn source(matrix: DenseMatrix) -> LinearSource {
    LinearSource {
        tensor: "model.layers.0.mlp.up_proj.weight".into(),
        role: Role::Up(Mlp::Dense),
        layer: Some(0),
        matrix,
    }
}

/// The weights that `recipe` makes of `values` [.., columns].
pub fn quantized(recipe: &str, values: &[f32], columns: usize) -> Weights {
    Recipe::parse(recipe).unwrap().choose(source(matrix(values, columns))).unwrap()
}

pub fn packed(weights: &Weights) -> &PackedMatrix {
    match weights {
        Weights::Packed { matrix, .. } => matrix,
        _ => panic!("expected packed weights"),
    }
}

/// Code of every weight, and scale and zero of every row and group, read from the panels.
pub struct Read {
    pub codes: Vec<u8>,
    pub scales: Vec<f32>,
    pub zeros: Vec<u8>,
}

pub fn read(matrix: &PackedMatrix) -> Read {
    let shape = *matrix.shape();
    let mut read = Read { codes: vec![], scales: vec![], zeros: vec![] };
    for row in 0..shape.rows {
        let (panel, inside) = (matrix.panel(row / kernels::PANEL_ROWS), row % kernels::PANEL_ROWS);
        for k in 0..shape.columns {
            read.codes.push(kernels::grouped::panel::code_at(panel.bits, panel.rows, panel.codes, inside, k));
        }
        for group in 0..shape.groups() {
            let at = group * panel.padded_rows() + inside;
            read.scales.push(panel.scales[at]);
            read.zeros.push(match panel.zeros {
                kernels::Zeros::Constant(zero) => zero,
                kernels::Zeros::PerGroup(zeros) => zeros[at],
                kernels::Zeros::Floats(_) => panic!("expected zero points of a byte"),
            });
        }
    }
    read
}

/// Section 5.1 of the paper's reconstruction, one group, in f64, as plainly as it can be written.
pub struct PlainGrid {
    pub scale: f64,
    pub zero: f64,
    pub codes: Vec<f64>,
}

pub fn plain_grid(weights: &[f32], bits: u32, symmetric: bool) -> PlainGrid {
    let w: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let mut xmin = w.iter().copied().fold(0.0, f64::min);
    let mut xmax = w.iter().copied().fold(0.0, f64::max);
    if symmetric {
        xmax = f64::max(xmin.abs(), xmax);
        if xmin < 0.0 {
            xmin = -xmax;
        }
    }
    if xmin == 0.0 && xmax == 0.0 {
        xmin = -1.0;
        xmax = 1.0;
    }
    let maxq = f64::from((1u32 << bits) - 1);
    let scale = (xmax - xmin) / maxq;
    let zero = if symmetric { (maxq + 1.0) / 2.0 } else { (-xmin / scale).round_ties_even() };
    let codes = w.iter().map(|w| ((w / scale).round_ties_even() + zero).max(0.0).min(maxq)).collect();
    PlainGrid { scale, zero, codes }
}
