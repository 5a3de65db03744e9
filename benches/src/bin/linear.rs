//! How near are the linear layers to what this machine can do?
//!
//! `cargo run --release -p benches --bin linear`: every format through the engine's layers on all threads, activations
//! quantized on the way; checked against a f64 product first, then timed, each right after its limit. 16-bit activations
//! are two passes of byte products: the share of the arithmetic counts both.
#![forbid(unsafe_code)]

use benches::numbers::{Generator, bf16_bits};
use benches::report::{SPREAD, percent};
use benches::{Cell, Machine, Measuring, Memory, Report, limits, number, options, text, time};
use clap::Parser;
use engine::format::{
    DenseMatrix, Line, OutlierPrecision, PackedMatrix, PackedShape, SparseQuantizedMatrix, SparseQuantizedParts,
    SparseQuantizedShape, ZeroPoints,
};
use engine::linear::{Activations, Linear, Weights};
use engine::model::{LinearSource, Mlp, Role};
use engine::runtime::Runtime;
use engine::tensor::{Dtype, TensorBytes};
use kernels::CodeBits;
use quant::Recipe;
use std::str::FromStr;

/// The rate of linear layers on all threads, and their share of the arithmetic and of the bandwidth
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// Outputs x inputs x tokens
    #[arg(
        long,
        value_name = "SIZES,...",
        value_delimiter = ',',
        default_value = "4864x896x512,896x4864x512,4864x896x1"
    )]
    sizes: Vec<Sizes>,
    /// Only formats whose name begins so: `bf16`, `w4`
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    columns: usize,
    tokens: usize,
}

impl FromStr for Sizes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Option<Vec<usize>> = text.split('x').map(|size| size.parse().ok().filter(|&it| it > 0)).collect();
        match sizes.as_deref() {
            Some(&[rows, columns, tokens]) => Ok(Self { rows, columns, tokens }),
            _ => Err("expected three sizes above 0, as 4864x896x512".into()),
        }
    }
}

/// A layer about to be measured.
struct Subject {
    name: String,
    linear: Linear,
    x: Vec<f32>,
    sizes: Sizes,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let memory = Memory::of(256);
    let columns = [
        text("layer", 14),
        number("tokens", 0),
        text("format", 8),
        number("gops", 1),
        number("limit_gops", 1),
        number("percent", 1),
        number("read_gbytes_per_second", 1),
        number("percent_of_read", 1),
    ];
    let about = [("machine", options::about(&runtime))];
    let mut report = Report::new(options.measuring.output, "linear", &about, &[&columns[..], &SPREAD].concat());
    for &sizes in &options.sizes {
        let read = memory.read_rate(runtime.kernels(), runtime.team());
        for (name, weights) in formats(&runtime, sizes) {
            if name.starts_with(&options.only) {
                let x = Generator::new(2).floats(sizes.tokens * sizes.columns);
                let subject = Subject { name, linear: Linear { weights, bias: None }, x, sizes };
                subject.measure(&runtime, read, options.measuring.runs, &mut report);
            }
        }
    }
    report.finish();
    Ok(())
}

/// Every format, as they are wanted.
fn formats(runtime: &Runtime, sizes: Sizes) -> impl Iterator<Item = (String, Weights)> {
    let Sizes { rows, columns, .. } = sizes;
    let values = Generator::new(1).floats(rows * columns);
    let bytes: Vec<u8> = values.iter().flat_map(|&v| bf16_bits(v).to_le_bytes()).collect();
    let dense = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::Bf16, rows, columns);
    let mut sparse = Vec::new();
    for (bits, outlier_every) in [(CodeBits::Three, 60), (CodeBits::Two, 9)] {
        let matrix = sparse_quantized(runtime, sizes, bits, outlier_every);
        for activations in [Activations::A8, Activations::A16, Activations::A32] {
            let name = format!("spqr{}{}", bits.bits(), quant::recipe::activations_word(activations));
            sparse.push((name, Weights::SparseQuantized { matrix: matrix.clone(), activations }));
        }
    }
    let mut schemes =
        [Activations::A8, Activations::A16, Activations::A32].map(|it| (CodeBits::Three, Some(16), it)).to_vec();
    for bits in [CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two] {
        for group in [None, Some(128), Some(32)] {
            schemes.extend([Activations::A8, Activations::A16, Activations::A32].map(|it| (bits, group, it)));
        }
    }
    let packed = schemes.into_iter().map(move |(bits, group, activations)| {
        let shape = PackedShape { rows, columns, bits, group, zero_points: ZeroPoints::Stored };
        let top = f32::from(bits.max_code());
        let matrix = runtime.run(|| {
            PackedMatrix::build(runtime.kernels(), shape, |row| {
                for (code, value) in row.codes.iter_mut().zip(&values[row.row * columns..]) {
                    *code = ((value + 1.0) / 2.0 * top) as u8;
                }
                row.scales.fill(0.01);
                row.zeros.fill(bits.max_code() / 2);
            })
        });
        let word = quant::recipe::activations_word(activations);
        let name = format!("w{}{word}{}", bits.bits(), group.map_or(String::new(), |group| format!("g{group}")));
        (name, Weights::Packed { matrix, activations })
    });
    let source = |matrix: &DenseMatrix| LinearSource {
        tensor: "weight".into(),
        role: Role::Up(Mlp::Dense),
        layer: None,
        matrix: matrix.clone(),
    };
    let chosen = ["hqq:w4g64", "nf4:w4g64"].map(|recipe| {
        let choose = || Recipe::parse(recipe)?.choose_with(runtime.kernels(), source(&dense));
        (recipe.to_string(), runtime.run(choose).unwrap_or_else(|error: quant::Error| panic!("{error}")))
    });
    std::iter::once(("bf16".to_string(), Weights::Dense(dense))).chain(packed).chain(sparse).chain(chosen)
}

/// Groups of 16, statistics of 3 bits, and one outlier in so many weights: about SpQR's share at that width.
fn sparse_quantized(runtime: &Runtime, sizes: Sizes, bits: CodeBits, outlier_every: usize) -> SparseQuantizedMatrix {
    let Sizes { rows, columns, .. } = sizes;
    let groups = columns.div_ceil(16);
    let mut generator = Generator::new(3);
    let mut codes = |count: usize, top: f32| -> Vec<u8> {
        generator.floats(count).iter().map(|value| ((value + 1.0) / 2.0 * top) as u8).collect()
    };
    let top = f32::from(bits.max_code());
    let zeros = Line { step: f64::from(top) / 16.0, offset: f64::from(top) / 4.0 };
    let parts = SparseQuantizedParts {
        codes: &codes(rows * columns, top),
        scale_codes: &codes(rows * groups, 7.0),
        zero_codes: &codes(rows * groups, 7.0),
        second_levels: &vec![[Line { step: 0.001, offset: 0.005 }, zeros]; rows.div_ceil(16) * groups],
        outliers: &(0..rows * columns)
            .filter(|at| at.wrapping_mul(0x9e37_79b9) % (1 << 20) < (1 << 20) / outlier_every)
            .map(|at| ((at / columns) as u32, (at % columns) as u32, 0.1))
            .collect::<Vec<_>>(),
        outlier_precision: OutlierPrecision::Half,
    };
    let shape = SparseQuantizedShape { rows, columns, bits, group: 16, statistic_bits: [3, 3] };
    runtime.run(|| SparseQuantizedMatrix::new(runtime.kernels(), shape, &parts)).expect("columns that an index names")
}

impl Subject {
    fn measure(&self, runtime: &Runtime, read: f64, runs: usize, report: &mut Report) {
        let Sizes { rows, columns, tokens } = self.sizes;
        let mut y = vec![0.0; tokens * rows];
        self.linear.forward(runtime, &self.x, &mut y);
        self.check(&y);
        let (limit, passes) = match self.linear.weights {
            Weights::Dense(_)
            | Weights::Levels(_)
            | Weights::Packed { activations: Activations::A32, .. }
            | Weights::SparseQuantized { activations: Activations::A32, .. } => {
                (limits::multiply_add(runtime.kernels(), runtime.team()), 1.0)
            }
            Weights::Packed { activations, .. } | Weights::SparseQuantized { activations, .. } => {
                let passes = if activations == Activations::A16 { 2.0 } else { 1.0 };
                (limits::byte_products(runtime.kernels(), runtime.team()), passes)
            }
            Weights::Decomposed(_) => (limits::byte_products(runtime.kernels(), runtime.team()), 1.0),
        };
        let timing = time(runs, || self.linear.forward(runtime, &self.x, &mut y));
        let rate = 2.0 * (rows * columns * tokens) as f64 / timing.min;
        let cells = [
            format!("{rows} x {columns}").into(),
            tokens.into(),
            self.name.clone().into(),
            Cell::Number(rate / 1e9),
            Cell::Number(limit / 1e9),
            percent(passes * rate, limit),
            Cell::Number(read / 1e9),
            percent(self.linear.weights.bytes() as f64 / timing.min, read),
        ];
        report.row(cells.into_iter().chain(timing.cells()));
    }

    /// Compares some outputs with a f64 product.
    fn check(&self, y: &[f32]) {
        let Sizes { rows, columns, .. } = self.sizes;
        let mut weights = vec![0.0; columns];
        for row in [0, rows / 2, rows - 1] {
            match &self.linear.weights {
                Weights::Dense(matrix) => matrix.row_to_f32(row, &mut weights),
                Weights::Packed { matrix, .. } => matrix.dequantize_row(row, &mut weights),
                Weights::SparseQuantized { matrix, .. } => matrix.dequantize_row(row, &mut weights),
                Weights::Decomposed(matrix) => matrix.codes().dequantize_row(row, &mut weights),
                Weights::Levels(matrix) => matrix.dequantize_row(row, &mut weights),
            }
            for (token, x) in self.x.chunks(columns).enumerate() {
                let (mut sum, mut magnitude) = (0.0, 0.0);
                for (&w, &v) in weights.iter().zip(x) {
                    sum += f64::from(w) * f64::from(v);
                    magnitude += (f64::from(w) * f64::from(v)).abs();
                }
                let error = (f64::from(y[token * rows + row]) - sum).abs();
                assert!(error <= 0.01 * magnitude + 1e-6, "{}: token {token}, row {row}: off by {error}", self.name);
            }
        }
    }
}
