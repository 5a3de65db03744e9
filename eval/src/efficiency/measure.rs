//! Measuring one recipe: the protocol, step by step, on its model.

use super::bench::{Bench, Test};
use super::energy::Counters;
use super::protocol::Protocol;
use crate::error::Error;
use crate::machine;
use crate::request::{Outcome, Request};
use crate::scheduler::{Continue, Scheduler, SchedulerOptions};
use engine::decoder::Decoder;
use engine::kv_cache::KvPrefix;
use engine::model::{FeedForwardLayers, Model};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What was measured of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Reading a prompt, with the logits after its last token.
    pub prompt_tokens_per_second: Spread,
    /// Generating after it: one token after the other, logits after each.
    pub generated_tokens_per_second: Spread,
    /// Log-likelihoods of every token of several sequences, as the scheduler batches them.
    pub scored_tokens_per_second: Spread,
    /// The most memory that the process held while it read and generated: pages of mapped files are in it, and so is
    /// what else the process holds, freed memory of the building before included. Of small models that is most of it.
    pub peak_resident_bytes: Option<u64>,
    /// All weights.
    pub weight_bytes: u64,
    /// All weights, and keys and values of the whole sequence: what this recipe and no other takes.
    pub weight_and_cache_bytes: u64,
    /// Keys and values of one token.
    pub cache_bytes_per_token: u64,
    /// What [`bytes_per_token`] says.
    pub bytes_per_generated_token: u64,
    /// Energy of the packages over the generation, divided by its tokens.
    pub joules_per_generated_token: Option<f64>,
    /// How much of the protocol there was time for.
    pub measured: Lengths,
}

/// How much was done in one repetition. Less than the protocol's numbers where the time limit had it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// Tokens read.
    pub prompt_tokens: usize,
    /// Tokens generated.
    pub generated_tokens: usize,
    /// Sequences scored.
    pub scored_sequences: usize,
}

/// A rate with what its repetitions gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// All, in the order they were measured.
    pub samples: Vec<f64>,
}

impl Spread {
    /// The spread of tokens a second, from the seconds that `tokens` took each time.
    fn of(tokens: usize, seconds: &[f64]) -> Self {
        let samples: Vec<f64> = seconds.iter().map(|seconds| tokens as f64 / seconds).collect();
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let median = (at(last / 2) + at(sorted.len() / 2)) / 2.0;
        Self { median, low: at(0), high: at(last), samples }
    }
}

/// The least that a repetition takes; what is quicker is done several times.
const REPETITION_SECONDS: f64 = 0.05;
/// Tokens generated to warm up and to learn the pace.
const PACE_TOKENS: usize = 8;
/// Tokens of a prompt in one pass through the model, as `nibble bench` has them.
const BATCH_TOKENS: usize = 512;
/// Parts of the time limit: reading, generating, scoring.
/// Parts of the time limit.
const READING: f64 = 0.25;
const GENERATING: f64 = 0.5;
const SCORING: f64 = 0.25;

/// Measures the model of `decoder`; `None` if it was stopped.
///
/// # Errors
/// What the decoder refuses, logits that are not finite.
pub fn measure(
    model: &Model,
    decoder: Decoder<'_>,
    protocol: &Protocol,
    counters: Option<&Counters>,
    stop: &AtomicBool,
) -> Result<Option<Figures>, Error> {
    let bench = Bench::new(decoder, BATCH_TOKENS, None);
    let repeating = Repeating { protocol, stop };
    let is_peak_reset = machine::reset_peak_memory().is_ok();

    let read = Test { prompt: protocol.prompt_tokens, generated: 0, depth: 0 };
    let mut prefix = KvPrefix::default();
    let mut once = || -> Result<f64, Error> {
        let timed = bench.time(read, &KvPrefix::default())?;
        prefix = timed.cache.freeze();
        Ok(timed.seconds)
    };
    let Some(reading) = repeating.run_warmed_up(READING, &mut once)? else { return Ok(None) };

    let after = |generated: usize| Test { prompt: 0, generated, depth: protocol.prompt_tokens };
    let tried = PACE_TOKENS.min(protocol.generated_tokens);
    let pace = bench.time(after(tried), &prefix)?.seconds / tried as f64;
    let generated = repeating.fitting(GENERATING, pace).clamp(tried, protocol.generated_tokens);
    let before = counters.and_then(|counters| counters.read().ok());
    let mut once = || Ok(bench.time(after(generated), &prefix)?.seconds);
    let Some(generating) = repeating.run(GENERATING, pace * generated as f64, &mut once)? else { return Ok(None) };
    let joules = counters.zip(before).and_then(|(counters, before)| {
        let joules = counters.joules(&before, &counters.read().ok()?);
        Some(joules / (generating.runs * generated) as f64)
    });
    let peak_resident_bytes = if is_peak_reset { machine::peak_memory_bytes() } else { machine::resident_bytes() };

    let pace = reading.seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let sequences = repeating.fitting(SCORING, pace).clamp(1, protocol.scored_sequences);
    let windows = bench.tokens(sequences * protocol.prompt_tokens);
    let requests: Vec<(usize, Request)> =
        windows.chunks(protocol.prompt_tokens).map(Request::window).enumerate().collect();
    let mut scheduler = Scheduler::new(decoder, None, SchedulerOptions::default());
    let Some(scoring) = repeating.run_warmed_up(SCORING, &mut || score(&mut scheduler, &requests))? else {
        return Ok(None);
    };
    // The last token of a sequence is scored, and not read.
    let scored = sequences * (protocol.prompt_tokens - 1);

    let weight_bytes = model.size().bytes;
    let length = protocol.prompt_tokens + protocol.generated_tokens;
    Ok(Some(Figures {
        prompt_tokens_per_second: Spread::of(protocol.prompt_tokens, &reading.seconds),
        generated_tokens_per_second: Spread::of(generated, &generating.seconds),
        scored_tokens_per_second: Spread::of(scored, &scoring.seconds),
        peak_resident_bytes,
        weight_bytes: weight_bytes as u64,
        weight_and_cache_bytes: (weight_bytes + length * decoder.cache_bytes_per_token()) as u64,
        cache_bytes_per_token: decoder.cache_bytes_per_token() as u64,
        bytes_per_generated_token: bytes_per_token(model, decoder, after(generated)),
        joules_per_generated_token: joules,
        measured: Lengths {
            prompt_tokens: protocol.prompt_tokens,
            generated_tokens: generated,
            scored_sequences: sequences,
        },
    }))
}

/// Scores all requests: the seconds it took.
fn score(scheduler: &mut Scheduler<'_>, requests: &[(usize, Request)]) -> Result<f64, Error> {
    let started = Instant::now();
    scheduler.run(requests, &mut |_, outcome| match outcome {
        Outcome::Failed(failure) => Err(Error::from(engine::Error::from(failure))),
        _ => Ok(Continue::Yes),
    })?;
    Ok(started.elapsed().as_secs_f64())
}

/// Bytes that are read out of memory for a token of `test`, which generates: matrices of the blocks, those of a token's
/// experts only, the head, and keys and values of the tokens before, as many as there are on average.
pub fn bytes_per_token(model: &Model, decoder: Decoder<'_>, test: Test) -> u64 {
    let seen = test.depth as f64 + (test.generated + 1) as f64 / 2.0;
    let blueprint = decoder.blueprint();
    let mut bytes = (model.size().block_matrix_bytes + model.head.weights.bytes()) as f64;
    for block in &model.blocks {
        if let (FeedForwardLayers::Experts(layers), Some(routing)) = (&block.feed_forward, &blueprint.routing) {
            let matrices = layers.experts.iter().flat_map(|mlp| mlp.gate.iter().chain([&mlp.up, &mlp.down]));
            let all: usize = matrices.map(|linear| linear.weights.bytes()).sum();
            let unused = layers.experts.len().saturating_sub(routing.top_k);
            bytes -= all as f64 * unused as f64 / layers.experts.len() as f64;
        }
    }
    let of_a_block = decoder.cache_bytes_per_token() as f64 / blueprint.layers as f64;
    for window in &blueprint.windows {
        bytes += of_a_block * window.map_or(seen, |window| seen.min(window as f64));
    }
    bytes.round() as u64
}

/// How often something is done.
struct Repeating<'a> {
    protocol: &'a Protocol,
    stop: &'a AtomicBool,
}

/// What repetitions took.
struct Repeated {
    /// Of one run, on average over those of each repetition.
    seconds: Vec<f64>,
    /// Runs of all repetitions.
    runs: usize,
}

impl Repeating<'_> {
    /// Runs `once`, which says what it took, to warm up, and then in repetitions, all within `part` of the time limit.
    /// What takes longer by itself has no need to warm up: that run is the only one.
    fn run_warmed_up(
        &self,
        part: f64,
        once: &mut dyn FnMut() -> Result<f64, Error>,
    ) -> Result<Option<Repeated>, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let first = once()?;
        match first < part * self.protocol.seconds_limit {
            true => self.run(part, first, once),
            false => Ok(Some(Repeated { seconds: vec![first], runs: 1 })),
        }
    }

    /// Runs `once`, which takes about `expected` seconds, in repetitions; no further one begins when `part` of the time
    /// limit is over. `None` if it was stopped.
    fn run(
        &self,
        part: f64,
        expected: f64,
        once: &mut dyn FnMut() -> Result<f64, Error>,
    ) -> Result<Option<Repeated>, Error> {
        let runs = (REPETITION_SECONDS / expected).ceil().clamp(1.0, 1000.0) as usize;
        let (began, mut seconds) = (Instant::now(), Vec::new());
        while seconds.len() < self.protocol.repetitions.max(1) {
            if !seconds.is_empty() && began.elapsed().as_secs_f64() > part * self.protocol.seconds_limit {
                break;
            }
            let mut sum = 0.0;
            for _ in 0..runs {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                sum += once()?;
            }
            seconds.push(sum / runs as f64);
        }
        let runs = runs * seconds.len();
        Ok(Some(Repeated { seconds, runs }))
    }

    /// How many of what takes `seconds` fit into `part` of the time limit, in each repetition.
    fn fitting(&self, part: f64, seconds: f64) -> usize {
        let fitting = part * self.protocol.seconds_limit / self.protocol.repetitions.max(1) as f64 / seconds;
        fitting as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::builtin;
    use engine::runtime::{IsaChoice, Runtime};

    #[test]
    fn the_middle_of_odd_and_even_numbers() {
        let spread = Spread::of(12, &[6.0, 2.0, 3.0]);
        assert_eq!((spread.median, spread.low, spread.high), (4.0, 2.0, 6.0));
        assert_eq!(spread.samples, [2.0, 6.0, 4.0]);
        assert_eq!(Spread::of(12, &[6.0, 2.0, 3.0, 1.0]).median, 5.0);
        assert_eq!(Spread::of(8, &[2.0]).median, 4.0);
    }

    #[test]
    fn quick_things_are_done_often_and_slow_ones_once() {
        let never = AtomicBool::new(false);
        let protocol = Protocol { repetitions: 3, seconds_limit: 8.0, ..Protocol::default() };
        let repeating = Repeating { protocol: &protocol, stop: &never };
        let mut calls = 0;
        let mut once = || {
            calls += 1;
            Ok(0.01)
        };
        let repeated = repeating.run_warmed_up(0.25, &mut once).unwrap().unwrap();
        assert_eq!((repeated.seconds.len(), repeated.runs, calls), (3, 15, 16));
        let repeated = repeating.run_warmed_up(0.25, &mut || Ok(2.5)).unwrap().unwrap();
        assert_eq!((repeated.seconds, repeated.runs), (vec![2.5], 1));
        assert_eq!((repeating.fitting(0.5, 0.1), repeating.fitting(0.5, 100.0)), (13, 0));
        never.store(true, Ordering::Relaxed);
        assert!(repeating.run_warmed_up(0.25, &mut || Ok(1.0)).unwrap().is_none());
    }

    #[test]
    fn no_time_means_a_short_generation_of_one_sequence() {
        let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
        let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
        let decoder = Decoder::new(&model, &runtime);
        let protocol = Protocol { prompt_tokens: 16, seconds_limit: 0.0, ..Protocol::default() };
        let never = AtomicBool::new(false);
        let figures = measure(&model, decoder, &protocol, None, &never).unwrap().unwrap();
        let lengths = Lengths { prompt_tokens: 16, generated_tokens: PACE_TOKENS, scored_sequences: 1 };
        assert_eq!(figures.measured, lengths);
        for spread in
            [&figures.prompt_tokens_per_second, &figures.generated_tokens_per_second, &figures.scored_tokens_per_second]
        {
            assert!(spread.samples.len() == 1 && spread.median > 0.0, "{figures:?}");
        }
        // bf16 matrices of three blocks and the head; keys and values in f32, two heads of 16, 16 + 4.5 tokens.
        let block = 2 * (64 * 64 * 2 + 2 * 64 * 32 + 3 * 64 * 176);
        let cache = 3 * 2 * 2 * 16 * 4;
        assert_eq!(figures.cache_bytes_per_token, cache);
        assert_eq!(figures.weight_and_cache_bytes, figures.weight_bytes + 528 * cache);
        assert_eq!(figures.bytes_per_generated_token, 3 * block + 2 * 258 * 64 + cache * 41 / 2);
        assert!(figures.joules_per_generated_token.is_none() && figures.weight_bytes > 3 * block);
    }
}
