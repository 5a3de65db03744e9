//! How near is quantizing to what memory allows?
//!
//! `cargo run --release -p benches --bin quantize`: round to nearest of bf16 matrices larger than the caches, bytes read
//! and written as shares of the read bandwidth measured just before. `kernels` quantizes into a buffer that was written
//! to before; `recipe` builds the matrix, fresh pages of the operating system included. Codes are checked first: no
//! weight may be further from its value than a step of its grid.
#![forbid(unsafe_code)]

use benches::report::{SPREAD, percent};
use benches::{Cell, Machine, Measuring, Memory, Report, Timing, number, numbers, options, text, time};
use clap::Parser;
use engine::format::DenseMatrix;
use engine::linear::Weights;
use engine::model::{LinearSource, Mlp, Role};
use engine::runtime::Runtime;
use engine::tensor::{Dtype, TensorBytes};
use kernels::{CodeBits, PANEL_ROWS};
use quant::Recipe;
use quant::grid::{Grid, Symmetry};
use rayon::prelude::*;
use std::hint::black_box;

/// Bytes a second of quantizing, and their share of the read bandwidth
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// Outputs x inputs of a matrix
    #[arg(long, value_name = "SIZES,...", value_delimiter = ',', value_parser = sizes, default_value = "4864x896,896x4864")]
    sizes: Vec<(usize, usize)>,
    /// MB of weights quantized in one run
    #[arg(long, value_name = "N", default_value_t = 256)]
    megabytes: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

fn sizes(text: &str) -> Result<(usize, usize), String> {
    let sizes = text.split_once('x').and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
    sizes.filter(|&(rows, columns)| rows > 0 && columns > 0).ok_or_else(|| "expected two sizes, as 4864x896".into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let memory = Memory::of(256);
    let columns = [
        text("matrices", 16),
        text("recipe", 10),
        text("what", 7),
        number("gbytes_per_second", 2),
        number("read_gbytes_per_second", 2),
        number("percent_of_read", 1),
    ];
    let about = [("machine", options::about(&runtime)), ("megabytes", options.megabytes.into())];
    let mut report = Report::new(options.measuring.output, "quantize", &about, &[&columns[..], &SPREAD].concat());
    for &(rows, columns) in &options.sizes {
        run(&runtime, &memory, &options, rows, columns, &mut report);
    }
    report.finish();
    Ok(())
}

fn run(runtime: &Runtime, memory: &Memory, options: &Options, rows: usize, columns: usize, report: &mut Report) {
    let matrices = (options.megabytes * 1_000_000 / (2 * rows * columns)).max(1);
    let bytes = numbers::bf16(matrices * rows * columns, 1, 0.0, 1.0);
    let all = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::Bf16, matrices * rows, columns);
    let runs = options.measuring.runs;
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
        let read = memory.read_rate(runtime.kernels(), runtime.team());
        let kernel_timing = time(runs, || {
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
            role: Role::Up(Mlp::Dense),
            layer: Some(0),
            matrix: all.slice(index * rows, rows),
        };
        let mut written = 0;
        check(&recipe.choose_with(kernels, source(0)).expect("weights"), &all);
        let recipe_timing = time(runs, || {
            runtime.run(|| {
                written = 0;
                for index in 0..matrices {
                    let weights = recipe.choose_with(kernels, source(index)).expect("weights");
                    written += black_box(weights).bytes();
                }
            });
        });
        let moved = (all.as_bytes().len() + written) as f64;
        let mut row = |what: &str, timing: Timing| {
            let cells = [
                format!("{matrices} x {rows} x {columns}").into(),
                recipe.to_string().into(),
                what.into(),
                Cell::Number(moved / timing.min / 1e9),
                Cell::Number(read / 1e9),
                percent(moved / timing.min, read),
            ];
            report.row(cells.into_iter().chain(timing.cells()));
        };
        row("kernels", kernel_timing);
        row("recipe", recipe_timing);
    }
}

/// Compares some rows with the weights they were made of.
fn check(quantized: &Weights, all: &DenseMatrix) {
    let Weights::Packed { matrix, .. } = quantized else { unreachable!("a recipe that quantizes") };
    let shape = matrix.shape();
    let (mut weights, mut values) = (vec![0.0; shape.columns], vec![0.0; shape.columns]);
    for row in [0, shape.rows / 2, shape.rows - 1] {
        all.row_to_f32(row, &mut weights);
        matrix.dequantize_row(row, &mut values);
        // Weights lie between -1 and 1: a step is at most 2 / (2^bits - 1); the zero point is rounded too.
        let step = 2.0 / f32::from(shape.bits.max_code());
        for (weight, value) in weights.iter().zip(&values) {
            assert!((weight - value).abs() <= 1.01 * step, "row {row}: {value} for {weight}");
        }
    }
}
