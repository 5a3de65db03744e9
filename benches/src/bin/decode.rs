//! How fast are tokens generated, and how much of the read bandwidth does that take?
//!
//! `cargo run --release -p benches --bin decode`: one token of every sequence at a time, at several batch sizes and
//! depths, sequences with memory of their own. Bytes are the true ones of a step: matrices of the blocks, head, keys and
//! values of all sequences. Each recipe is checked first: tokens read together and one by one must give the same bits.
#![forbid(unsafe_code)]

use benches::numbers::Generator;
use benches::report::{SPREAD, percent};
use benches::synthetic::{self, ModelOptions};
use benches::timing::time_prepared;
use benches::{Cell, Machine, Measuring, Memory, Report, number, options, text};
use clap::Parser;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::{KvCache, KvPrefix};

/// Tokens a second of generation on whole models, and the share of the read bandwidth
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    #[command(flatten)]
    models: ModelOptions,
    /// Sequences that generate together
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32")]
    batch: Vec<usize>,
    /// Tokens before the first generated one
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', default_value = "0,2048")]
    depth: Vec<usize>,
    /// Steps of a run
    #[arg(long, value_name = "N", default_value_t = 8)]
    steps: usize,
    /// MB of the buffer that the bandwidth is measured with
    #[arg(long, value_name = "N", default_value_t = 256)]
    memory: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let memory = Memory::of(options.memory);
    let about = [
        ("machine", options::about(&runtime)),
        ("steps_of_a_run", options.steps.into()),
        ("memory_megabytes", options.memory.into()),
    ];
    let columns = [
        text("model", 29),
        text("recipe", 13),
        number("batch", 0),
        number("depth", 0),
        number("tokens_per_second", 1),
        number("mbytes_per_step", 1),
        number("read_gbytes_per_second", 1),
        number("percent_of_read", 1),
    ];
    let mut report = Report::new(options.measuring.output, "decode", &about, &[&columns[..], &SPREAD].concat());
    for shape in options.models.shapes() {
        let checkpoint = shape.checkpoint()?;
        for recipe in &options.models.quant {
            let model = synthetic::model(&checkpoint, recipe, &runtime)?;
            let decoder = Decoder::new(&model, &runtime);
            let weight_bytes = model.size().block_matrix_bytes + model.head.weights.bytes();
            for &depth in &options.depth {
                let prefix = prefix(&decoder, depth)?;
                for &batch in &options.batch {
                    let prefixes: Vec<KvPrefix> = (0..batch).map(|_| prefix.unshared()).collect();
                    let tokens = Generator::new(13).tokens(batch * options.steps, shape.vocab_size);
                    let read = memory.read_rate(runtime.kernels(), runtime.team());
                    let after = || -> Vec<KvCache> { prefixes.iter().map(|it| decoder.cache_after(it)).collect() };
                    let timing = time_prepared(options.measuring.runs, after, |mut caches| {
                        generate(&decoder, &mut caches, &tokens)
                    })?;
                    let timing = timing.divided(options.steps as f64);
                    // A step sees those before it: half of them on average.
                    let seen = depth as f64 + (options.steps + 1) as f64 / 2.0;
                    let bytes = weight_bytes as f64 + batch as f64 * seen * decoder.cache_bytes_per_token() as f64;
                    let cells = [
                        shape.describe().into(),
                        recipe.to_string().into(),
                        batch.into(),
                        depth.into(),
                        Cell::Number(batch as f64 / timing.min),
                        Cell::Number(bytes / 1e6),
                        Cell::Number(read / 1e9),
                        percent(bytes / timing.min, read),
                    ];
                    report.row(cells.into_iter().chain(timing.cells()));
                }
            }
        }
    }
    report.finish();
    Ok(())
}

/// A sequence of `depth` tokens.
fn prefix(decoder: &Decoder<'_>, depth: usize) -> Result<KvPrefix, engine::Error> {
    let mut cache = decoder.cache_after(&KvPrefix::default());
    for tokens in Generator::new(29).tokens(depth, decoder.blueprint().vocab_size).chunks(512) {
        synthetic::read(decoder, &mut cache, tokens)?;
    }
    Ok(cache.freeze())
}

/// Appends `tokens` [steps, sequences] step by step, with the distribution after each, as a generation does.
fn generate(decoder: &Decoder<'_>, caches: &mut [KvCache], tokens: &[u32]) -> Result<(), engine::Error> {
    let unread = vec![Vec::new(); caches.len()];
    for step in tokens.chunks(caches.len()) {
        let mut chunks: Vec<Chunk<'_>> = (caches.iter_mut().zip(step))
            .map(|(cache, token)| {
                let sequence_len = cache.len() + 1;
                Chunk { cache, tokens: std::slice::from_ref(token), sequence_len, wanted: 0..1 }
            })
            .collect();
        let mut hidden = Vec::new();
        for output in decoder.forward(&mut chunks)? {
            hidden.extend(output?);
        }
        std::hint::black_box(decoder.distributions(&hidden, &unread));
    }
    Ok(())
}
