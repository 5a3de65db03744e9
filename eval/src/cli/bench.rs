//! `nibble bench`: tokens a second, in the shape of llama-bench.

use super::calibration::CalibrationFlags;
use super::failure::{Failure, Outcome, Status};
use super::loading::{ModelFlags, recipes};
use super::progress::Progress;
use super::runtime::{IsaFlag, MOST_THREADS, processors, runtime};
use super::{Context, inspect};
use clap::{Args, ValueEnum};
use engine::decoder::Decoder;
use engine::runtime::Runtime;
use eval::efficiency::{Bench, Counters, Test, bytes_per_token, read_bytes_per_second};
use eval::machine;

mod report;

use report::Row;

/// Measure prompt processing and generation speed, in llama-bench's shape
///
/// Tests are `pp<N>`, a prompt of N tokens with the logits of its last, and `tg<N>`, N tokens one after the other;
/// `@ d<N>` has N tokens in the cache before it. Every combination of the lists is measured: once to warm up, then
/// --repetitions times. The logits of all repetitions are compared; if a bit differs, the exit code is 5. A model's size
/// is the true bytes of its weights: codes, scales, zero points and what is kept unquantized.
///
/// For tests that only generate, `read` is the share of the memory bandwidth, measured before with as many threads, that
/// the bytes read for each token take: weights of the blocks and the head, keys and values. It exceeds 100 % where caches
/// hold the model. `J/t` is the energy of the processor's packages for a token, where its counters can be read.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble bench -m DIR
  nibble bench -m DIR --quant none,rtn:w8,rtn:w4g32 -p 32,512 -n 64 -d 0,2048 -t 2 -r 3 -o json"
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelFlags,
    /// Quantization recipes, separated by commas
    #[arg(long, value_name = "RECIPES", default_value = "none", help_heading = "Model")]
    quant: Vec<String>,
    #[command(flatten)]
    calibration: CalibrationFlags,
    /// Tokens of the prompt tests; 0 leaves them out
    #[arg(
        short = 'p',
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "512",
        help_heading = "Tests"
    )]
    n_prompt: Vec<usize>,
    /// Tokens of the generation tests; 0 leaves them out
    #[arg(
        short = 'n',
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "128",
        help_heading = "Tests"
    )]
    n_gen: Vec<usize>,
    /// A prompt of P tokens and N generated after it, in one test; may be given several times
    #[arg(long, value_name = "P,N", value_parser = pair, help_heading = "Tests")]
    pg: Vec<(usize, usize)>,
    /// Tokens in the cache before a test begins
    #[arg(short = 'd', long, value_name = "N,...", value_delimiter = ',', default_value = "0", help_heading = "Tests")]
    n_depth: Vec<usize>,
    /// Measurements of every test
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Tests")]
    repetitions: u32,
    /// Do not run a test once before it is measured
    #[arg(long, help_heading = "Tests")]
    no_warmup: bool,
    /// Tokens of a prompt in one pass through the model
    #[arg(short, long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Machine")]
    batch_size: u32,
    /// Threads to compute with, 1 to 1024 [default: one a processor]
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=MOST_THREADS), help_heading = "Machine")]
    threads: Vec<u32>,
    #[command(flatten)]
    isa: IsaFlag,
    /// How results are written
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Md, visible_alias = "format", help_heading = "Output")]
    output: OutputFormat,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// A Markdown table
    #[value(alias = "table")]
    Md,
    /// A header line and one line a test
    Csv,
    /// An array of objects
    Json,
    /// One object a line, as they are measured
    Jsonl,
}

fn pair(text: &str) -> Result<(usize, usize), String> {
    let numbers =
        text.split_once(',').and_then(|(prompt, generated)| Some((prompt.parse().ok()?, generated.parse().ok()?)));
    numbers
        .filter(|&(prompt, generated)| prompt > 0 && generated > 0)
        .ok_or_else(|| "expected two numbers above 0".into())
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let recipes = recipes(&arguments.quant)?;
    let tests = arguments.tests()?;
    let source = arguments.model.open(context.verbosity)?;
    let threads = match arguments.threads.as_slice() {
        [] => vec![processors()],
        list => list.iter().map(|&threads| threads as usize).collect(),
    };
    let isa = arguments.isa.choice()?;
    let runtimes: Result<Vec<Runtime>, Failure> =
        threads.into_iter().map(|threads| runtime(threads, isa, context.verbosity)).collect();
    let runtimes = runtimes?;
    let family = engine::family::blueprint(&source.checkpoint).map_or("unknown", |blueprint| blueprint.family);
    let parameters = inspect::parameters(&source.checkpoint);
    let cpu = machine::processor();
    let counters = Counters::of_machine().ok();
    let available = machine::memory().map(|memory| memory.available);
    let rates: Vec<f64> = runtimes.iter().map(|runtime| read_bytes_per_second(runtime, available)).collect();
    let mut rows = Vec::new();
    let mut differing = None;
    let runs = arguments.repetitions as usize + usize::from(!arguments.no_warmup);
    let total = recipes.len() * runtimes.len() * tests.len() * runs;
    let mut progress = Progress::new(context.verbosity, "bench", total as u64, "measurements");
    let mut done = 0;
    for recipe in &recipes {
        let Some(builder) = runtimes.first() else { break };
        let model = arguments.calibration.model(&source, recipe, builder, context)?;
        let size = model.size();
        for (runtime, &rate) in runtimes.iter().zip(&rates) {
            let decoder = Decoder::new(&model, runtime);
            let bench = Bench::new(decoder, arguments.batch_size as usize, counters.as_ref());
            for &test in &tests {
                progress.label(format!("{recipe} {}", test.name()));
                let warm_ups = usize::from(!arguments.no_warmup);
                let measured = bench.run(test, warm_ups, arguments.repetitions as usize, &mut || {
                    done += 1;
                    progress.set(done);
                    !context.stop.is_raised()
                })?;
                let Some(measured) = measured else {
                    progress.finish();
                    arguments.write(&rows, context)?;
                    let fix = "the tests above are complete; run the rest again";
                    return Err(Failure::new(Status::Incomplete, "stopped", format!("{recipe} {}", test.name()), fix));
                };
                if !measured.same_bits {
                    differing.get_or_insert_with(|| format!("{recipe}, {}", test.name()));
                }
                rows.push(Row {
                    model_filename: source.name.clone(),
                    model_type: family.to_string(),
                    quant: recipe.to_string(),
                    size,
                    parameters,
                    cpu: cpu.clone(),
                    isa: runtime.kernels().isa().name(),
                    threads: runtime.threads(),
                    batch_size: arguments.batch_size as usize,
                    test,
                    memory_bytes_per_second: rate,
                    bytes_per_token: (test.prompt == 0).then(|| bytes_per_token(&model, decoder, test)),
                    joules: measured.joules,
                    seconds: measured.seconds,
                    digest: measured.digest,
                });
                if arguments.output == OutputFormat::Jsonl {
                    report::write(&rows[rows.len() - 1..], arguments.output, context.out)?;
                    context.out.flush()?;
                }
            }
        }
    }
    progress.finish();
    arguments.write(&rows, context)?;
    match differing {
        None => Ok(Status::Done),
        Some(place) => {
            let fix = "this must not happen: report the model, the recipe and the processor";
            Err(Failure::new(Status::Mismatch, "two repetitions gave different logits", place, fix))
        }
    }
}

impl Arguments {
    /// Every test, depth by depth: prompts, generations, then both in one, as llama-bench orders them.
    fn tests(&self) -> Result<Vec<Test>, Failure> {
        let mut tests = Vec::new();
        for &depth in &self.n_depth {
            let prompts = self.n_prompt.iter().map(|&prompt| (prompt, 0));
            let generations = self.n_gen.iter().map(|&generated| (0, generated));
            let kinds = prompts.chain(generations).filter(|&kind| kind != (0, 0)).chain(self.pg.iter().copied());
            tests.extend(kinds.map(|(prompt, generated)| Test { prompt, generated, depth }));
        }
        match tests.is_empty() {
            false => Ok(tests),
            true => Err(Failure::usage("nothing to measure", "-p, -n and --pg", "give one of them a number above 0")),
        }
    }

    /// Writes all rows, unless they were written as they came.
    fn write(&self, rows: &[Row], context: &mut Context<'_>) -> Result<(), Failure> {
        match self.output {
            OutputFormat::Jsonl => Ok(()),
            format => report::write(rows, format, context.out),
        }
    }
}
