//! What does the precision of activations change?
//!
//! Predictions of every token of a text by one model whose weights are the same and whose activations are not: f32 (the
//! reference), f32 rounded to bfloat16 before every linear layer (the noise that an engine with bf16 activations has at
//! least), 16-bit and 8-bit codes. A kind of activations whose divergence from the reference lies below that of bfloat16
//! is as faithful as bf16 inference, or better.
#![forbid(unsafe_code)]

use benches::{Machine, Measuring, Report, number, options, text};
use clap::Parser;
use engine::checkpoint::{Checkpoint, OpenOptions};

use engine::decoder::{Chunk, Decoder, InputRounding};
use engine::kv_cache::KvPrefix;
use engine::model::Model;
use engine::runtime::Runtime;
use engine::tokenizer::Tokenizer;
use kernels::math;
use quant::build_model;
use quant::calibration::{self, Calibration};
use std::path::PathBuf;

/// Divergence of a model's predictions from those with f32 activations, for every kind of activations
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// Checkpoint directory, best of a trained model
    #[arg(short, long, value_name = "DIR")]
    model: PathBuf,
    /// Weights: bits, and group where there is one
    #[arg(long, value_name = "w<BITS>[g<GROUP>],...", value_delimiter = ',', default_value = "w8,w4g32")]
    weights: Vec<String>,
    /// Windows of the built-in text
    #[arg(long, value_name = "N", default_value_t = 8)]
    windows: usize,
    /// Tokens of a window
    #[arg(long, value_name = "N", default_value_t = 256)]
    tokens: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let checkpoint = Checkpoint::open(&options.model, OpenOptions::default())?;
    let tokenizer = Tokenizer::open(&options.model)?;
    let wanted =
        calibration::Options { samples: Some(options.windows), length: Some(options.tokens), ..Default::default() };
    let windows = Calibration::read(&wanted, &tokenizer, options.tokens, tokenizer.vocab_size())?;
    let columns = [
        text("weights", 8),
        text("activations", 12),
        number("mean_divergence", 9),
        number("greatest_divergence", 7),
        number("percent_same_first_choice", 2),
    ];
    let about = [("machine", options::about(&runtime)), ("predictions", count(windows.sequences()).into())];
    let mut report = Report::new(options.measuring.output, "fidelity", &about, &columns);
    for weights in &options.weights {
        let (bits, group) = weights.split_at(weights.find('g').unwrap_or(weights.len()));
        let model = |activations: &str| {
            let recipe = options::recipe(&format!("rtn:{bits}{activations}{group}"))?;
            Ok::<Model, Box<dyn std::error::Error>>(build_model(&checkpoint, &recipe, &runtime)?)
        };
        let floats = model("a32")?;
        let predict = |model: &Model, rounding| predictions(model, &runtime, rounding, windows.sequences());
        let reference = predict(&floats, InputRounding::None)?;
        let vocab_size = floats.blueprint.vocab_size;
        for (name, found) in [
            ("bf16", predict(&floats, InputRounding::Bf16)?),
            ("a16", predict(&model("a16")?, InputRounding::None)?),
            ("a8", predict(&model("a8")?, InputRounding::None)?),
        ] {
            let (mut sum, mut greatest, mut same, mut rows) = (0.0, 0.0f64, 0, 0);
            for (p, q) in reference.chunks(vocab_size).zip(found.chunks(vocab_size)) {
                let divergence = divergence(p, q);
                (sum, greatest, rows) = (sum + divergence, greatest.max(divergence), rows + 1);
                same += usize::from(first_choice(p) == first_choice(q));
            }
            let share = 100.0 * same as f64 / rows as f64;
            report.row([
                weights.clone().into(),
                name.to_string().into(),
                (sum / rows as f64).into(),
                greatest.into(),
                share.into(),
            ]);
        }
    }
    report.finish();
    Ok(())
}

fn count(sequences: &[Vec<u32>]) -> usize {
    sequences.iter().map(Vec::len).sum()
}

/// Log-probabilities after every token of every sequence, [tokens, vocab_size].
fn predictions(
    model: &Model,
    runtime: &Runtime,
    rounding: InputRounding,
    sequences: &[Vec<u32>],
) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let decoder = Decoder::new(model, runtime).with_inputs(rounding);
    let mut found = Vec::new();
    for tokens in sequences {
        let mut cache = decoder.cache_after(&KvPrefix::default());
        let chunk = Chunk { cache: &mut cache, tokens, sequence_len: tokens.len(), wanted: 0..tokens.len() };
        for hidden in decoder.forward(&mut [chunk])? {
            let logits = decoder.logits(&hidden.map_err(engine::Error::from)?);
            let sums = decoder.log_sum_exps(&logits);
            for (logits, sum) in logits.chunks(decoder.blueprint().vocab_size).zip(sums) {
                found.extend(logits.iter().map(|&logit| f64::from(logit) - sum));
            }
        }
    }
    Ok(found)
}

/// Kullback-Leibler divergence, sum of p ln(p / q), in nats, of two rows of log-probabilities.
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).fold(0.0, |sum, (&p, &q)| sum + math::exp(p) * (p - q))
}

/// The likeliest token, the lowest of equals.
fn first_choice(row: &[f64]) -> usize {
    row.iter().enumerate().fold(0, |best, (token, &value)| if value > row[best] { token } else { best })
}
