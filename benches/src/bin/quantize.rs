//! How near is quantizing to what memory allows?
//!
//! `cargo run --release -p benches --bin quantize [rows columns]`: round to nearest of bf16 matrices larger than the
//! caches, bytes read and written as shares of the read bandwidth measured in the same run. `kernels` quantizes into a
//! buffer that was written to before; `recipe` builds the matrix, fresh pages of the operating system included.
#![forbid(unsafe_code)]

use benches::{Limits, time};
use engine::format::DenseMatrix;
use engine::model::{LinearSource, Role};
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::{Dtype, TensorBytes};
use kernels::{CodeBits, PANEL_ROWS};
use quant::Recipe;
use quant::grid::{Grid, Symmetry};
use rayon::prelude::*;
use std::hint::black_box;

/// Bytes of weights quantized in one measurement: several times the last cache.
const WEIGHT_BYTES: usize = 256 << 20;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let shapes = match sizes[..] {
        [rows, columns] => vec![(rows, columns)],
        _ => vec![(4864, 896), (896, 4864)],
    };
    let runtime = Runtime::new(None, IsaChoice::Best).expect("a runtime");
    let limits = Limits::measure(runtime.kernels(), runtime.threads());
    println!("{} x {} threads, read {:.1} GB/s", runtime.kernels().isa(), runtime.threads(), limits.read_bytes / 1e9);
    for (rows, columns) in shapes {
        run(&runtime, &limits, rows, columns);
    }
}

fn run(runtime: &Runtime, limits: &Limits, rows: usize, columns: usize) {
    let matrices = (WEIGHT_BYTES / (2 * rows * columns)).max(1);
    let mut state = 1u64;
    let bytes: Vec<u8> = (0..matrices * rows * columns)
        .flat_map(|_| {
            // About normal, as weights are: a sum of six.
            let mut value = -3.0;
            for _ in 0..6 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                value += (state >> 40) as f32 / (1u64 << 24) as f32;
            }
            ((value.to_bits() >> 16) as u16).to_le_bytes()
        })
        .collect();
    let all = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::Bf16, matrices * rows, columns);
    println!("{matrices} x {rows} x {columns}, bf16, {} MB", all.as_bytes().len() / 1_000_000);
    for (recipe, bits, group) in [
        ("rtn:w8", CodeBits::Eight, None),
        ("rtn:w8g128", CodeBits::Eight, Some(128)),
        ("rtn:w4g128", CodeBits::Four, Some(128)),
        ("rtn:w4g32", CodeBits::Four, Some(32)),
        ("rtn:w3g128", CodeBits::Three, Some(128)),
        ("rtn:w2g128", CodeBits::Two, Some(128)),
    ] {
        let width = group.unwrap_or(columns);
        let mut packed = vec![1u8; bits.panel_bytes(rows * matrices, columns)];
        let panel_bytes = bits.panel_bytes(PANEL_ROWS, columns);
        let kernels = runtime.kernels();
        let kernel_seconds = time(5, || {
            runtime.run(|| {
                packed.par_chunks_mut(panel_bytes).enumerate().for_each_init(
                    || vec![0u8; PANEL_ROWS * columns],
                    |codes, (panel, packed)| {
                        let first = panel * PANEL_ROWS;
                        let count = PANEL_ROWS.min(all.rows() - first);
                        let groups = columns.div_ceil(width);
                        let (mut low, mut high) = (vec![0.0; groups], vec![0.0; groups]);
                        let mut grids = Vec::with_capacity(groups);
                        for (row, codes) in codes.chunks_mut(columns).take(count).enumerate() {
                            let weights = all.as_rows().slice(first + row, 1);
                            kernels.spans(weights, width, &mut low, &mut high);
                            grids.clear();
                            grids.extend(
                                low.iter()
                                    .zip(&high)
                                    .map(|(&low, &high)| Grid::between(low, high, bits, Symmetry::Asymmetric).codes()),
                            );
                            kernels.encode(weights, width, &grids, codes);
                        }
                        kernels.pack(bits, count, columns, &codes[..count * columns], packed);
                    },
                );
            });
        });
        let recipe = Recipe::parse(recipe).expect("a recipe");
        let source = |index: usize| LinearSource {
            tensor: "model.layers.0.mlp.up_proj.weight".into(),
            role: Role::Up,
            layer: Some(0),
            matrix: all.slice(index * rows, rows),
        };
        let mut written = 0;
        let recipe_seconds = time(5, || {
            runtime.run(|| {
                written = 0;
                for index in 0..matrices {
                    let weights = recipe.choose_with(kernels, source(index)).expect("weights");
                    written += black_box(weights).bytes();
                }
            });
        });
        let moved = (all.as_bytes().len() + written) as f64;
        let share = |seconds: f64| 100.0 * moved / seconds / limits.read_bytes;
        println!(
            "{:12} kernels {:6.1} ms {:5.1} %   recipe {:6.1} ms {:5.1} %",
            recipe.to_string(),
            kernel_seconds.best * 1e3,
            share(kernel_seconds.best),
            recipe_seconds.best * 1e3,
            share(recipe_seconds.best)
        );
    }
}
