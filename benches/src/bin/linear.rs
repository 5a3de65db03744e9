//! How near are the linear layers to what this machine can do?
//!
//! `cargo run --release -p benches --bin linear [rows columns tokens]`: every format, checked against a f64 product
//! first, then timed; rates as shares of the limits measured in the same run.
#![forbid(unsafe_code)]

use benches::{Limits, time};
use engine::format::{DenseMatrix, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::{Activations, Linear, Weights};
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::{Dtype, TensorBytes};
use kernels::CodeBits;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [rows, columns, tokens] = sizes[..] else {
        let defaults = [(4864, 896, 512), (896, 4864, 512), (4864, 896, 1)];
        return defaults.into_iter().for_each(|(rows, columns, tokens)| run(rows, columns, tokens));
    };
    run(rows, columns, tokens);
}

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn run(rows: usize, columns: usize, tokens: usize) {
    let runtime = Runtime::new(None, IsaChoice::Best).expect("a runtime");
    let limits = Limits::measure(runtime.kernels(), runtime.threads());
    println!(
        "{rows} x {columns}, {tokens} tokens, {} x {} threads; limits: {:.0} GFLOP/s multiply + add, {:.0} GOP/s byte products, {:.1} GB/s",
        runtime.kernels().isa(),
        runtime.threads(),
        limits.multiply_add / 1e9,
        limits.byte_products / 1e9,
        limits.read_bytes / 1e9
    );
    let values = noise(rows * columns, 1);
    let x = noise(tokens * columns, 2);
    let bytes: Vec<u8> = values.iter().flat_map(|&v| half_bits(v).to_le_bytes()).collect();
    let dense = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::Bf16, rows, columns);
    report(&runtime, &limits, "bf16", Weights::Dense(dense), &x, columns);
    for bits in [CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two] {
        for group in [None, Some(128), Some(32)] {
            for activations in [Activations::A8, Activations::A16, Activations::A32] {
                let shape = PackedShape { rows, columns, bits, group, zero_points: ZeroPoints::Stored };
                let top = f32::from(bits.max_code());
                let matrix = runtime.run(|| {
                    PackedMatrix::build(runtime.kernels(), shape, |row| {
                        for (k, code) in row.codes.iter_mut().enumerate() {
                            *code = ((values[row.row * columns + k] + 1.0) / 2.0 * top) as u8;
                        }
                        row.scales.fill(0.01);
                        row.zeros.fill(bits.max_code() / 2);
                    })
                });
                let name =
                    format!("w{}{}{:?}", bits.bits(), group.map_or(String::new(), |g| format!("g{g}")), activations);
                report(&runtime, &limits, &name, Weights::Packed { matrix, activations }, &x, columns);
            }
        }
    }
}

/// The upper half of a f32.
fn half_bits(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}

fn report(runtime: &Runtime, limits: &Limits, name: &str, weights: Weights, x: &[f32], columns: usize) {
    let (rows, tokens, bytes) = (weights.rows(), x.len() / columns, weights.bytes());
    let linear = Linear { weights, bias: None };
    let mut y = vec![0.0; tokens * rows];
    let mut forward = || linear.forward(runtime, x, &mut y);
    forward();
    check(&linear, x, columns, &y);
    let mut forward = || linear.forward(runtime, x, &mut y);
    let seconds = time(5, &mut forward).best;
    let rate = 2.0 * (rows * columns * tokens) as f64 / seconds;
    let float = matches!(linear.weights, Weights::Dense(_) | Weights::Packed { activations: Activations::A32, .. });
    let limit = if float { limits.multiply_add } else { limits.byte_products };
    println!(
        "{name:10} {:8.1} GOP/s  {:5.1} % of the arithmetic limit  {:5.1} % of the bandwidth",
        rate / 1e9,
        100.0 * rate / limit,
        100.0 * bytes as f64 / seconds / limits.read_bytes
    );
}

/// Compares some outputs with a f64 product before anything is timed.
fn check(linear: &Linear, x: &[f32], columns: usize, y: &[f32]) {
    let rows = linear.weights.rows();
    let mut weights = vec![0.0; columns];
    for row in [0, rows / 2, rows - 1] {
        match &linear.weights {
            Weights::Dense(matrix) => matrix.row_to_f32(row, &mut weights),
            Weights::Packed { matrix, .. } => matrix.dequantize_row(row, &mut weights),
        }
        for (token, x) in x.chunks(columns).enumerate() {
            let (mut sum, mut magnitude) = (0.0, 0.0);
            for (&w, &v) in weights.iter().zip(x) {
                sum += f64::from(w) * f64::from(v);
                magnitude += (f64::from(w) * f64::from(v)).abs();
            }
            let error = (f64::from(y[token * rows + row]) - sum).abs();
            assert!(error <= 0.01 * magnitude + 1e-6, "token {token}, row {row}: off by {error}");
        }
    }
}
