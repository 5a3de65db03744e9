//! How near is every kernel to what one thread can do?
//!
//! `cargo run --release -p benches --bin kernels`: on every instruction set of the machine, each kernel is compared with
//! f64, the peak of the arithmetic that bounds it is measured, and then the kernel. A product with 16-bit activations is
//! two passes of byte products: its share counts both, its rate the operations of the formula. Byte products are measured
//! with codes below 16, which AVX2 multiplies faster than the 8-bit ones of `w8`.
#![forbid(unsafe_code)]

use benches::case::{Case, ProductShape};
use benches::report::{SPREAD, percent};
use benches::{Cell, Measuring, Report, number, text, time};
use clap::Parser;
use kernels::{ActivationCodes, CodeBits, Isa, Kernels, Team};

/// The rate of every kernel on one thread, and its share of the peak of its instruction set
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// Instruction sets [default: all of this machine]
    #[arg(long, value_name = "ISA,...", value_delimiter = ',')]
    isa: Vec<Isa>,
    /// Only kernels whose name begins so: `dense`, `w4a8`, `attention`
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Outputs of a product
    #[arg(long, value_name = "N", default_value_t = 256)]
    rows: usize,
    /// Inputs of a product
    #[arg(long, value_name = "N", default_value_t = 1024)]
    columns: usize,
    /// Tokens of a product
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "96")]
    tokens: Vec<usize>,
    /// Positions that attention sees
    #[arg(long, value_name = "N", default_value_t = 512)]
    context: usize,
    #[command(flatten)]
    measuring: Measuring,
}

const HEAD_DIMS: [usize; 7] = [32, 48, 64, 80, 128, 256, 38];

impl Options {
    fn cases(&self) -> Vec<(usize, Case)> {
        let mut cases = Vec::new();
        for &tokens in &self.tokens {
            let shape = ProductShape { rows: self.rows, columns: self.columns, tokens };
            let mut of_tokens = Case::dense(shape);
            for bits in [CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two] {
                for group in [None, Some(128), Some(32)] {
                    for activations in [Some(ActivationCodes::A8), Some(ActivationCodes::A16)] {
                        of_tokens.push(Case::packed(shape, bits, group, activations));
                    }
                }
            }
            of_tokens.push(Case::packed(shape, CodeBits::Four, Some(32), None));
            cases.extend(of_tokens.into_iter().map(|case| (tokens, case)));
        }
        let queries = kernels::QUERY_GROUP;
        cases.extend(HEAD_DIMS.map(|head_dim| (queries, Case::attention(head_dim, self.context))));
        cases.retain(|(_, case)| case.name.starts_with(&self.only));
        cases
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let sets = if options.isa.is_empty() { Isa::present().collect() } else { options.isa.clone() };
    let about = [
        ("product", format!("{} x {}", options.rows, options.columns).into()),
        ("attention", format!("{} queries, {} positions", kernels::QUERY_GROUP, options.context).into()),
        ("threads", 1.into()),
        ("keeps_order", kernels::KEEPS_ORDER.into()),
    ];
    let columns = [
        text("isa", 6),
        text("kernel", 13),
        number("tokens", 0),
        number("gops", 1),
        text("limit", 13),
        number("limit_gops", 1),
        number("percent", 1),
    ];
    let mut report = Report::new(options.measuring.output, "kernels", &about, &[&columns[..], &SPREAD].concat());
    let team = Team::new(1)?;
    for isa in sets {
        let kernels = Kernels::of(isa).ok_or_else(|| format!("this machine cannot run {isa}"))?;
        for (tokens, mut case) in options.cases() {
            case.check(kernels);
            let limit = case.limit.measure(kernels, &team);
            let timing = time(options.measuring.runs, || case.run(kernels));
            let cells = [
                isa.name().into(),
                case.name.clone().into(),
                tokens.into(),
                Cell::Number(case.operations / timing.min / 1e9),
                case.limit.name().into(),
                Cell::Number(limit / 1e9),
                percent(case.limited_operations / timing.min, limit),
            ];
            report.row(cells.into_iter().chain(timing.cells()));
        }
    }
    report.finish();
    Ok(())
}
