//! What does the order contract cost?
//!
//! Products and sums are rounded apart, so that every machine gives the same bits. A build with `free_order` fuses them
//! in the dot products of all kernels (exponentials and norms stay as they are). This prints the rates of the build it
//! is in; with `--against` it runs that build and itself in turn, and prints their ratio:
//! ```text
//! cargo build --release -p benches --bin contract --no-default-features --features free_order --target-dir target/free
//! cargo run --release -p benches --bin contract -- --against target/free/release/contract
//! ```
#![forbid(unsafe_code)]

use benches::case::{Case, Limit, ProductShape};
use benches::numbers::Generator;
use benches::report::{SPREAD, percent};
use benches::synthetic::{self, LinearWork};
use benches::timing::time_prepared;
use benches::{Arithmetic, Cell, Machine, Measuring, Report, Timing, limits, number, options, text, time};
use clap::Parser;
use engine::decoder::Decoder;
use engine::kv_cache::KvPrefix;
use kernels::{ActivationCodes, CodeBits, Team};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rates of this build, or their ratio to those of a build that fuses products and sums
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// This binary as the other kind of build
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Runs of both builds in turn
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Tokens of a product and of a prompt
    #[arg(long, value_name = "N", default_value_t = 96)]
    tokens: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    match &options.against {
        Some(other) => compare(&options, other),
        None => rates(&options),
    }
}

/// Kernels on one thread, and a model on all.
fn rates(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = options.machine.runtime()?;
    let kernels = runtime.kernels();
    let about = [("machine", options::about(&runtime)), ("keeps_order", kernels::KEEPS_ORDER.into())];
    let columns = [text("what", 26), number("rate", 1), text("unit", 8), number("percent_of_limit", 1)];
    let mut report = Report::new(options.measuring.output, "contract", &about, &[&columns[..], &SPREAD].concat());
    let team = Team::new(1)?;
    let mut row = |what: String, rate: f64, unit: &str, share: Cell, timing: Timing| {
        report.row([what.into(), rate.into(), unit.into(), share].into_iter().chain(timing.cells()));
    };
    let shape = ProductShape { rows: 256, columns: 1024, tokens: options.tokens };
    let packed = |bits, group, activations| Case::packed(shape, bits, group, activations);
    let mut cases = Case::dense(shape);
    cases.extend(Case::dense(ProductShape { tokens: 1, ..shape }).drain(..1).map(|mut case| {
        case.name += ", 1 token";
        case
    }));
    cases.extend([
        packed(CodeBits::Four, Some(32), None),
        packed(CodeBits::Eight, None, Some(ActivationCodes::A8)),
        packed(CodeBits::Four, Some(32), Some(ActivationCodes::A8)),
        packed(CodeBits::Four, Some(32), Some(ActivationCodes::A16)),
        Case::attention(64, 512),
        Case::attention(128, 512),
    ]);
    for mut case in cases {
        case.check(kernels);
        let limit = case.limit.measure(kernels, &team);
        let timing = time(options.measuring.runs, || case.run(kernels));
        let share = percent(case.limited_operations / timing.min, limit);
        row(case.name.clone(), case.operations / timing.min / 1e9, "GOP/s", share, timing);
    }
    let limit = limits::multiply_add(kernels, &team);
    row(format!("limit of {}", Limit::MultiplyAdd.name()), limit / 1e9, "GOP/s", 100.0.into(), Timing::of(vec![0.0]));

    let model = synthetic::SHAPES[0].with(4, 1024);
    let checkpoint = model.checkpoint()?;
    for recipe in ["none", "rtn:w4g32"] {
        let model = synthetic::model(&checkpoint, &options::recipe(recipe)?, &runtime)?;
        let decoder = Decoder::new(&model, &runtime);
        let tokens = Generator::new(23).tokens(4 * options.tokens, 1024);
        let limits = Arithmetic::measure(kernels, runtime.team());
        let empty = || decoder.cache_after(&KvPrefix::default());
        let timing = time_prepared(options.measuring.runs, empty, |mut cache| {
            synthetic::read(&decoder, &mut cache, &tokens).map(drop)
        })?;
        let count = tokens.len() as f64;
        let share = percent(count * LinearWork::of(&model).seconds_at(&limits), timing.min);
        row(format!("4 blocks of qwen, {recipe}"), count / timing.min, "token/s", share, timing);
    }
    report.finish();
    Ok(())
}

/// The rates of one run of a build, in order, and whether it keeps the order.
struct Build {
    keeps_order: bool,
    rates: Vec<(String, String, f64)>,
}

impl Build {
    fn run(binary: &Path, options: &Options) -> Result<Self, Box<dyn std::error::Error>> {
        let mut command = Command::new(binary);
        command.args(["--output", "json"]);
        command.args(["--runs", &options.measuring.runs.to_string(), "--tokens", &options.tokens.to_string()]);
        if let Some(threads) = options.machine.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if let Some(isa) = options.machine.isa {
            command.args(["--isa", isa.name()]);
        }
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{}: {}", binary.display(), String::from_utf8_lossy(&output.stderr)).into());
        }
        let found: Value = serde_json::from_slice(&output.stdout)?;
        let rates = found["rows"].as_array().into_iter().flatten().map(|row| {
            let word = |name: &str| row[name].as_str().unwrap_or_default().to_string();
            (word("what"), word("unit"), row["rate"].as_f64().unwrap_or(f64::NAN))
        });
        Ok(Self { keeps_order: found["keeps_order"] == Value::Bool(true), rates: rates.collect() })
    }
}

/// The rates of both builds in every round, the one that keeps the order first.
struct Compared {
    what: String,
    unit: String,
    rounds: Vec<(f64, f64)>,
}

/// Runs both builds in turn, the first one last in every second round.
fn compare(options: &Options, other: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let own = std::env::current_exe()?;
    let columns = [
        text("what", 24),
        text("unit", 8),
        number("kept", 1),
        number("free", 1),
        number("kept_to_free", 3),
        number("ratio_min", 3),
        number("ratio_median", 3),
        number("ratio_max", 3),
    ];
    let about = [("rounds", options.rounds.into())];
    let mut compared: Vec<Compared> = Vec::new();
    for round in 0..options.rounds.max(1) {
        let mut binaries = [own.as_path(), other];
        binaries.rotate_left(round % 2);
        let builds = [Build::run(binaries[0], options)?, Build::run(binaries[1], options)?];
        let (kept, free) = match builds {
            [first, second] if first.keeps_order && !second.keeps_order => (first, second),
            [first, second] if second.keeps_order && !first.keeps_order => (second, first),
            _ => return Err("both builds are of the same kind: one needs the feature `free_order`".into()),
        };
        if compared.is_empty() {
            compared.extend(kept.rates.iter().map(|(what, unit, _)| Compared {
                what: what.clone(),
                unit: unit.clone(),
                rounds: Vec::new(),
            }));
        }
        for ((compared, kept), free) in compared.iter_mut().zip(kept.rates).zip(free.rates) {
            compared.rounds.push((kept.2, free.2));
        }
    }
    let mut report = Report::new(options.measuring.output, "contract", &about, &columns);
    for Compared { what, unit, rounds } in compared {
        let best = |rate: fn(&(f64, f64)) -> f64| rounds.iter().map(rate).fold(0.0, f64::max);
        let (kept, free) = (best(|pair| pair.0), best(|pair| pair.1));
        let spread = Timing::of(rounds.iter().map(|(kept, free)| kept / free).collect());
        let numbers = [kept, free, kept / free, spread.min, spread.median, spread.max].map(Cell::Number);
        report.row([what.into(), unit.into()].into_iter().chain(numbers));
    }
    report.finish();
    Ok(())
}
