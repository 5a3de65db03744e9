//! How long does GPTQ of a layer take against the arithmetic it needs?
//!
//! `cargo run --release -p benches --bin gptq`: the Hessian of the calibration inputs, its factorisation, and the passes over
//! the weights, each as a share of the rate of f64 multiplications and additions measured just before. Operations are those
//! that a pass cannot do without: tokens * columns^2 for the lower triangle of the Hessian, 2/3 columns^3 for the factor,
//! rows * columns^2 for the feedback. The solution is checked first: its loss must be that of its codes.
#![forbid(unsafe_code)]

use benches::numbers::{self, Generator};
use benches::report::{SPREAD, percent};
use benches::{Cell, Machine, Measuring, Report, Timing, limits, number, options, text, time};
use clap::Parser;
use engine::format::DenseMatrix;
use engine::runtime::Runtime;
use engine::tensor::{Dtype, TensorBytes};
use kernels::CodeBits;
use quant::gptq::{Settings, Solution, solve};
use quant::hessian::Hessian;
use quant::inverse_factor::InverseFactor;
use std::hint::black_box;

/// Seconds of the parts of GPTQ, and their share of the f64 arithmetic
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// Outputs x inputs of a layer
    #[arg(
        long,
        value_name = "SIZES,...",
        value_delimiter = ',',
        value_parser = sizes,
        default_value = "896x896,4864x896,896x4864"
    )]
    sizes: Vec<(usize, usize)>,
    /// Calibration tokens of one run
    #[arg(long, value_name = "N", default_value_t = 2048)]
    tokens: usize,
    /// Tokens of a sequence
    #[arg(long, value_name = "N", default_value_t = 512)]
    sequence: usize,
    /// Bits of a code
    #[arg(long, value_name = "N", default_value_t = 4)]
    bits: u32,
    /// Columns of a group, 0 for one grid a row
    #[arg(long, value_name = "N", default_value_t = 128)]
    group: usize,
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
    let bits = CodeBits::from_bits(options.bits).ok_or("expected 8, 4, 3 or 2 bits")?;
    let settings = Settings::new(bits, Some(options.group).filter(|&group| group > 0));
    let runtime = options.machine.runtime()?;
    let columns = [
        text("layer", 10),
        text("part", 8),
        number("gops_per_second", 1),
        number("f64_gops_per_second", 1),
        number("percent_of_f64", 1),
    ];
    let about = [
        ("machine", options::about(&runtime)),
        ("calibration_tokens", options.tokens.into()),
        ("tokens_per_sequence", options.sequence.into()),
        ("bits", options.bits.into()),
        ("group", options.group.into()),
    ];
    let mut report = Report::new(options.measuring.output, "gptq", &about, &[&columns[..], &SPREAD].concat());
    for &(rows, columns) in &options.sizes {
        run(&runtime, &options, &settings, rows, columns, &mut report)?;
    }
    report.finish();
    Ok(())
}

fn run(
    runtime: &Runtime,
    options: &Options,
    settings: &Settings,
    rows: usize,
    columns: usize,
    report: &mut Report,
) -> Result<(), Box<dyn std::error::Error>> {
    let kernels = runtime.kernels();
    let weights = numbers::bf16(rows * columns, 1, 0.0, 0.1);
    let weights = DenseMatrix::new(TensorBytes::from_vec(weights), Dtype::Bf16, rows, columns);
    let x = inputs(options.tokens, columns);
    let runs = options.measuring.runs;
    let hessian = || {
        let mut hessian = Hessian::new(columns);
        x.chunks(options.sequence.max(1) * columns).for_each(|x| hessian.add_sequence(kernels, x));
        hessian
    };
    let first = runtime.run(hessian);
    let diagonal = first.diagonal();
    let factor = runtime.run(|| InverseFactor::new(kernels, first, &settings.preparation()))?;
    let solution = runtime.run(|| solve(kernels, &weights, &factor, settings));
    check(&solution, &weights, &factor, &diagonal);

    let (tokens, rows_f, columns_f) = (options.tokens as f64, rows as f64, columns as f64);
    let mut row = |part: &str, operations: f64, peak: f64, timing: Timing| {
        let cells = [
            format!("{rows}x{columns}").into(),
            part.into(),
            Cell::Number(operations / timing.min / 1e9),
            Cell::Number(peak / 1e9),
            percent(operations / timing.min, peak),
        ];
        report.row(cells.into_iter().chain(timing.cells()));
    };
    let peak = || limits::multiply_add_f64(kernels, runtime.team());
    let limit = peak();
    let mut growing = Hessian::new(columns);
    let timing = time(runs, || {
        runtime.run(|| x.chunks(options.sequence.max(1) * columns).for_each(|x| growing.add_sequence(kernels, x)));
    });
    drop(growing);
    row("hessian", tokens * columns_f * columns_f, limit, timing);
    let limit = peak();
    let timing = benches::timing::time_prepared(
        runs,
        || runtime.run(hessian),
        |hessian| {
            runtime.run(|| InverseFactor::new(kernels, hessian, &settings.preparation()).map(|it| _ = black_box(it)))
        },
    )?;
    row("factor", 2.0 / 3.0 * columns_f * columns_f * columns_f, limit, timing);
    let limit = peak();
    let timing = time(runs, || _ = black_box(runtime.run(|| solve(kernels, &weights, &factor, settings))));
    row("passes", rows_f * columns_f * columns_f, limit, timing);
    Ok(())
}

/// Inputs f32 [tokens, columns] that go together, as a model's do: each feature half its own, half that of the token.
fn inputs(tokens: usize, columns: usize) -> Vec<f32> {
    let mut generator = Generator::new(7);
    let mut x = generator.floats(tokens * columns);
    for x in x.chunks_mut(columns) {
        let common = generator.floats(4);
        for (j, x) in x.iter_mut().enumerate() {
            *x += common[j % 4];
        }
    }
    x
}

/// The loss is that of the damped Hessian: more than the damping alone makes of the differences of weights and values; and
/// less than the diagonal makes of them, or later features would not have made up for any error.
fn check(solution: &Solution, weights: &DenseMatrix, factor: &InverseFactor, diagonal: &[f64]) {
    let columns = weights.columns();
    let mut stored = vec![0.0; columns];
    let (mut damped, mut rounded) = (0.0, 0.0);
    for row in 0..weights.rows() {
        weights.row_to_f32(row, &mut stored);
        for (j, value) in solution.values(row).into_iter().enumerate() {
            let difference = f64::from(stored[j]) - value;
            damped += factor.damping() * difference * difference;
            rounded += (diagonal[j] + factor.damping()) * difference * difference;
        }
    }
    let loss = 2.0 * solution.loss;
    assert!(damped < loss && loss < rounded, "a loss of {loss}, {damped} by damping, {rounded} of features alone");
}
