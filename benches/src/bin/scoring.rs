//! How fast are prompts read by a whole model, and how much of that time would its linear layers need at the limits?
//!
//! `cargo run --release -p benches --bin scoring`: seeded models in the shapes of published ones, prompts of several
//! lengths read as the engine reads them, and a ragged batch of many short ones. Each recipe is checked first: tokens
//! read together and one by one must give the same bits.
#![forbid(unsafe_code)]

use benches::numbers::Generator;
use benches::report::{SPREAD, percent};
use benches::synthetic::{self, LinearWork, ModelOptions};
use benches::timing::time_prepared;
use benches::{Arithmetic, Cell, Machine, Measuring, Report, number, options, text};
use clap::Parser;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::{KvCache, KvPrefix};

/// Tokens a second of prompt processing on whole models, and their share of the arithmetic limit
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    #[command(flatten)]
    models: ModelOptions,
    /// Lengths of single prompts
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', default_value = "32,512,4096")]
    prompt: Vec<usize>,
    /// A ragged batch: prompts x tokens of each
    #[arg(long, value_name = "NxN,...", value_delimiter = ',', value_parser = batch, default_value = "64x8")]
    batch: Vec<(usize, usize)>,
    /// Tokens of a prompt in one pass
    #[arg(long, value_name = "N", default_value_t = 512)]
    batch_tokens: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

fn batch(text: &str) -> Result<(usize, usize), String> {
    let sizes = text.split_once('x').and_then(|(prompts, tokens)| Some((prompts.parse().ok()?, tokens.parse().ok()?)));
    sizes.filter(|&(prompts, tokens)| prompts > 0 && tokens > 0).ok_or_else(|| "expected two sizes, as 64x8".into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let about = [("machine", options::about(&runtime)), ("keeps_order", kernels::KEEPS_ORDER.into())];
    let columns = [
        text("model", 29),
        text("recipe", 13),
        text("prompts", 8),
        number("tokens_per_second", 1),
        number("percent_of_limit", 1),
    ];
    let mut report = Report::new(options.measuring.output, "scoring", &about, &[&columns[..], &SPREAD].concat());
    for shape in options.models.shapes() {
        let checkpoint = shape.checkpoint()?;
        for recipe in &options.models.quant {
            let model = synthetic::model(&checkpoint, recipe, &runtime)?;
            let decoder = Decoder::new(&model, &runtime);
            let work = LinearWork::of(&model);
            let single = options.prompt.iter().map(|&tokens| (1, tokens));
            for (prompts, length) in single.chain(options.batch.iter().copied()) {
                let tokens = Generator::new(11).tokens(prompts * length, shape.vocab_size);
                let limits = Arithmetic::measure(runtime.kernels(), runtime.team());
                let empty =
                    || -> Vec<KvCache> { (0..prompts).map(|_| decoder.cache_after(&KvPrefix::default())).collect() };
                let timing = time_prepared(options.measuring.runs, empty, |mut caches| {
                    score(&decoder, &mut caches, &tokens, options.batch_tokens)
                })?;
                let count = (prompts * length) as f64;
                let cells = [
                    shape.describe().into(),
                    recipe.to_string().into(),
                    format!("{prompts} x {length}").into(),
                    Cell::Number(count / timing.min),
                    percent(count * work.seconds_at(&limits), timing.min),
                ];
                report.row(cells.into_iter().chain(timing.cells()));
            }
        }
    }
    report.finish();
    Ok(())
}

/// Reads every prompt, a single one in passes, several in one; the distribution after each last token is read too.
fn score(
    decoder: &Decoder<'_>,
    caches: &mut [KvCache],
    tokens: &[u32],
    batch_tokens: usize,
) -> Result<(), engine::Error> {
    let length = tokens.len() / caches.len();
    let mut hidden = Vec::new();
    if let [cache] = caches {
        for tokens in tokens.chunks(batch_tokens.max(1)) {
            let wanted = tokens.len() - 1..tokens.len();
            let mut outputs = decoder.forward(&mut [Chunk { cache, tokens, sequence_len: length, wanted }])?;
            hidden = outputs.pop().transpose()?.unwrap_or_default();
        }
    } else {
        let mut chunks: Vec<Chunk<'_>> = (caches.iter_mut().zip(tokens.chunks(length)))
            .map(|(cache, tokens)| Chunk { cache, tokens, sequence_len: length, wanted: length - 1..length })
            .collect();
        for output in decoder.forward(&mut chunks)? {
            hidden.extend(output?);
        }
    }
    let wanted = vec![vec![0]; hidden.len() / decoder.blueprint().d_model];
    std::hint::black_box(decoder.distributions(&hidden, &wanted));
    Ok(())
}
