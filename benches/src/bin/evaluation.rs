//! What does an evaluation make of the speed of scoring?
//!
//! `cargo run --release -p benches --bin evaluation`: multiple-choice questions in MMLU's proportions (5-shot: a header
//! shared by a subject, a question, four choices) through `eval::scheduler`, on a seeded model. Tokens requested are
//! those of all requests alone, tokens computed those that went through the decoder; the rate of the latter is set
//! beside that of plain prompts of 512 tokens, measured just before. One question is checked first: asked alone, request
//! by request, it must have the same bits.
#![forbid(unsafe_code)]

use benches::numbers::Generator;
use benches::report::{SPREAD, percent};
use benches::synthetic::{self, ModelOptions};
use benches::timing::time_prepared;
use benches::{Cell, Machine, Measuring, Report, number, options, text};
use clap::Parser;
use engine::decoder::Decoder;
use engine::kv_cache::KvPrefix;
use eval::request::{Outcome, Request};
use eval::scheduler::{Continue, Scheduler, SchedulerOptions, TokenCounts};

/// Items a second of an evaluation in MMLU's proportions, and its share of the plain scoring rate
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    #[command(flatten)]
    models: ModelOptions,
    /// Subjects, each with a header of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    subjects: usize,
    /// Questions of a subject (the real ones have 100 to 1,534)
    #[arg(long, value_name = "N", default_value_t = 24)]
    questions: usize,
    /// Tokens of a header: five questions with their answers
    #[arg(long, value_name = "N", default_value_t = 700)]
    header: usize,
    /// Tokens of a question, on average: half to one and a half of them
    #[arg(long, value_name = "N", default_value_t = 80)]
    question: usize,
    /// Choices of a question
    #[arg(long, value_name = "N", default_value_t = 4)]
    choices: usize,
    /// Tokens of a choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    choice: usize,
    /// Tokens of one batch
    #[arg(long, value_name = "N", default_value_t = SchedulerOptions::default().batch_tokens)]
    batch_tokens: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

/// Tokens of the prompt whose rate stands for plain scoring.
const PLAIN_TOKENS: usize = 512;

impl Options {
    fn requests(&self, vocab_size: usize) -> Vec<(usize, Request)> {
        let mut generator = Generator::new(19);
        let mut requests = Vec::new();
        for _ in 0..self.subjects {
            let header = generator.tokens(self.header, vocab_size);
            for _ in 0..self.questions {
                let length = (self.question / 2 + generator.below(self.question + 1)).max(1);
                let context = [header.clone(), generator.tokens(length, vocab_size)].concat();
                for _ in 0..self.choices {
                    let choice = generator.tokens(self.choice.max(1), vocab_size);
                    requests.push((requests.len(), Request::loglikelihood(&context, &choice)));
                }
            }
        }
        requests
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let items = options.subjects * options.questions;
    let sizes = format!(
        "{} subjects of {} tokens, {} questions each of about {}, {} choices of {}",
        options.subjects, options.header, options.questions, options.question, options.choices, options.choice
    );
    let about = [("machine", options::about(&runtime)), ("items", sizes.into())];
    let columns = [
        text("model", 29),
        text("recipe", 13),
        number("items_per_second", 2),
        number("requested", 0),
        number("computed", 0),
        number("ratio", 2),
        number("computed_per_second", 1),
        number("plain_per_second", 1),
        number("percent_of_plain", 1),
    ];
    let mut report = Report::new(options.measuring.output, "evaluation", &about, &[&columns[..], &SPREAD].concat());
    for shape in options.models.shapes() {
        let checkpoint = shape.checkpoint()?;
        let requests = options.requests(shape.vocab_size);
        for recipe in &options.models.quant {
            let model = synthetic::model(&checkpoint, recipe, &runtime)?;
            let decoder = Decoder::new(&model, &runtime);
            check(decoder, &options, &requests)?;
            let plain = plain_rate(&decoder, options.measuring.runs)?;
            let mut counts = TokenCounts::default();
            let run = |()| answer(decoder, &options, &requests).map(|(_, counted)| counts = counted);
            let timing = time_prepared(options.measuring.runs, || (), run)?;
            let rate = counts.computed as f64 / timing.min;
            let cells = [
                shape.describe().into(),
                recipe.to_string().into(),
                Cell::Number(items as f64 / timing.min),
                counts.requested.into(),
                counts.computed.into(),
                Cell::Number(counts.requested as f64 / counts.computed as f64),
                Cell::Number(rate),
                Cell::Number(plain),
                percent(rate, plain),
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
    let scheduler = SchedulerOptions { batch_tokens: options.batch_tokens, ..SchedulerOptions::default() };
    let mut scheduler = Scheduler::new(decoder, None, scheduler);
    let mut outcomes = vec![None; requests.len()];
    scheduler.run::<engine::Error>(requests, &mut |index, outcome| {
        outcomes[index] = Some(outcome);
        Ok(Continue::Yes)
    })?;
    Ok((outcomes, scheduler.counts()))
}

/// Asks the first two questions together, and the choices of the second one by one.
fn check(
    decoder: Decoder<'_>,
    options: &Options,
    requests: &[(usize, Request)],
) -> Result<(), Box<dyn std::error::Error>> {
    let some = &requests[..requests.len().min(2 * options.choices)];
    let (together, _) = answer(decoder, options, some)?;
    for (index, request) in some.iter().skip(options.choices) {
        let (alone, _) = answer(decoder, options, &[(0, request.clone())])?;
        let sound = matches!(&alone[0], Some(Outcome::Scored { log_probs, .. }) if log_probs.len() == options.choice);
        if !sound || alone[0] != together[*index] {
            return Err(format!("request {index} has another answer when it is asked alone").into());
        }
    }
    Ok(())
}

/// Tokens a second of one prompt, with the distribution after its last token.
fn plain_rate(decoder: &Decoder<'_>, runs: usize) -> Result<f64, engine::Error> {
    let tokens = Generator::new(11).tokens(PLAIN_TOKENS, decoder.blueprint().vocab_size);
    let empty = || decoder.cache_after(&KvPrefix::default());
    let timing = time_prepared(runs, empty, |mut cache| {
        let hidden = synthetic::read(decoder, &mut cache, &tokens)?;
        std::hint::black_box(decoder.distributions(&hidden, &[vec![0]]));
        Ok(())
    });
    timing.map(|timing| PLAIN_TOKENS as f64 / timing.min)
}
