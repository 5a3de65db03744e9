//! What does an evaluation make of the speed of generation?
//!
//! `cargo run --release -p benches --bin generation`: questions that are answered in texts of different lengths, through
//! `eval::scheduler`, on a seeded model. Prompts are read and texts go on in the same batches; the time is set beside what
//! both would take apart, measured just before: prompts at the rate of one of 512 tokens, texts at that of as many
//! sequences as go on together, of equal length and never ending. One text is checked first: alone it must have the same
//! tokens.
#![forbid(unsafe_code)]

use benches::numbers::Generator;
use benches::report::{SPREAD, percent};
use benches::synthetic::{self, ModelOptions};
use benches::timing::time_prepared;
use benches::{Cell, Machine, Measuring, Report, number, options, text};
use clap::Parser;
use engine::decoder::{Chunk, Decoder};
use engine::generate::{Decoding, DrawKey, Sampling};
use engine::kv_cache::{KvCache, KvPrefix};
use eval::request::{Outcome, Request};
use eval::scheduler::{Continue, Scheduler, SchedulerOptions, TokenCounts};

/// Tokens a second of texts in an evaluation, and what reading and generating apart would take
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    #[command(flatten)]
    models: ModelOptions,
    /// Texts
    #[arg(long, value_name = "N", default_value_t = 128)]
    texts: usize,
    /// Texts that go on together, at most
    #[arg(long, value_name = "N", default_value_t = 64)]
    together: usize,
    /// Tokens of a prompt
    #[arg(long, value_name = "N", default_value_t = 64)]
    prompt: usize,
    /// Tokens of a text, on average: half to one and a half of them
    #[arg(long, value_name = "N", default_value_t = 64)]
    length: usize,
    /// Draw at this temperature; 0 takes the most probable token
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

/// Tokens of the prompt whose rate stands for reading.
const PLAIN_TOKENS: usize = 512;
/// Steps by which the rate of generation is taken.
const STEPS: usize = 8;

impl Options {
    fn requests(&self, vocab_size: usize) -> Vec<(usize, Request)> {
        let mut generator = Generator::new(23);
        let sampling = Sampling { temperature: self.temperature, top_k: None, top_p: 1.0 };
        let decoding = if self.temperature > 0.0 { Decoding::Sampled(sampling) } else { Decoding::Greedy };
        let request = |index| {
            let prompt = generator.tokens(self.prompt.max(1), vocab_size);
            let max_new_tokens = (self.length / 2 + generator.below(self.length + 1)).max(1);
            let key = DrawKey { item: index as u64, ..DrawKey::default() };
            (index, Request::Generate { prompt, max_new_tokens, stop: Vec::new(), decoding, key })
        };
        (0..self.texts).map(request).collect()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let sizes = format!(
        "{} texts of about {} tokens after {}, {} together, temperature {}",
        options.texts, options.length, options.prompt, options.together, options.temperature
    );
    let about = [("machine", options::about(&runtime)), ("texts", sizes.into())];
    let columns = [
        text("model", 29),
        text("recipe", 13),
        number("generated_per_second", 1),
        number("computed_per_second", 1),
        number("reading_per_second", 1),
        number("generation_per_second", 1),
        number("percent_of_apart", 1),
    ];
    let mut report = Report::new(options.measuring.output, "generation", &about, &[&columns[..], &SPREAD].concat());
    for shape in options.models.shapes() {
        let checkpoint = shape.checkpoint()?;
        let requests = options.requests(shape.vocab_size);
        for recipe in &options.models.quant {
            let model = synthetic::model(&checkpoint, recipe, &runtime)?;
            let decoder = Decoder::new(&model, &runtime);
            check(decoder, &options, &requests)?;
            let reading = reading_rate(&decoder, options.measuring.runs)?;
            let generation = generation_rate(&decoder, &options)?;
            let mut counts = TokenCounts::default();
            let run = |()| answer(decoder, &options, &requests).map(|(_, counted)| counts = counted);
            let timing = time_prepared(options.measuring.runs, || (), run)?;
            let read = options.texts * options.prompt;
            let apart = read as f64 / reading + counts.generated as f64 / generation;
            let cells = [
                shape.describe().into(),
                recipe.to_string().into(),
                Cell::Number(counts.generated as f64 / timing.min),
                Cell::Number(counts.computed as f64 / timing.min),
                Cell::Number(reading),
                Cell::Number(generation),
                percent(apart, timing.min),
            ];
            report.row(cells.into_iter().chain(timing.cells()));
        }
    }
    report.finish();
    Ok(())
}

/// The outcomes, in the order of the requests, and the tokens they took.
fn answer(
    decoder: Decoder<'_>,
    options: &Options,
    requests: &[(usize, Request)],
) -> Result<(Vec<Option<Outcome>>, TokenCounts), engine::Error> {
    let scheduler = SchedulerOptions { batch_sequences: options.together, ..SchedulerOptions::default() };
    let mut scheduler = Scheduler::new(decoder, None, scheduler);
    let mut outcomes = vec![None; options.texts];
    scheduler.run::<engine::Error>(requests, &mut |index, outcome| {
        outcomes[index] = Some(outcome);
        Ok(Continue::Yes)
    })?;
    Ok((outcomes, scheduler.counts()))
}

/// Generates the first texts together, and the first one alone.
fn check(
    decoder: Decoder<'_>,
    options: &Options,
    requests: &[(usize, Request)],
) -> Result<(), Box<dyn std::error::Error>> {
    let (together, _) = answer(decoder, options, &requests[..requests.len().min(8)])?;
    let (alone, _) = answer(decoder, options, &requests[..requests.len().min(1)])?;
    match alone.first() == together.first() {
        true => Ok(()),
        false => Err("a text has other tokens when it is generated alone".into()),
    }
}

/// Tokens a second of one prompt.
fn reading_rate(decoder: &Decoder<'_>, runs: usize) -> Result<f64, engine::Error> {
    let tokens = Generator::new(11).tokens(PLAIN_TOKENS, decoder.blueprint().vocab_size);
    let empty = || decoder.cache_after(&KvPrefix::default());
    let timing = time_prepared(runs, empty, |mut cache| {
        let hidden = synthetic::read(decoder, &mut cache, &tokens)?;
        std::hint::black_box(decoder.distributions(&hidden, &[vec![0]]));
        Ok(())
    });
    timing.map(|timing| PLAIN_TOKENS as f64 / timing.min)
}

/// Tokens a second of texts that go on together after a prompt and half a text each, with the distribution after each.
fn generation_rate(decoder: &Decoder<'_>, options: &Options) -> Result<f64, engine::Error> {
    let vocab_size = decoder.blueprint().vocab_size;
    let depth = options.prompt + options.length / 2;
    let mut cache = decoder.cache_after(&KvPrefix::default());
    synthetic::read(decoder, &mut cache, &Generator::new(29).tokens(depth, vocab_size))?;
    let prefix = cache.freeze();
    let prefixes: Vec<KvPrefix> = (0..options.together).map(|_| prefix.unshared()).collect();
    let tokens = Generator::new(13).tokens(STEPS * options.together, vocab_size);
    let after = || -> Vec<KvCache> { prefixes.iter().map(|prefix| decoder.cache_after(prefix)).collect() };
    let unread = vec![Vec::new(); options.together];
    let timing = time_prepared(options.measuring.runs, after, |mut caches| {
        for step in tokens.chunks(options.together) {
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
    });
    timing.map(|timing: benches::timing::Timing| tokens.len() as f64 / timing.min)
}
