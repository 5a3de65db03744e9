//! `nibble logits`: what two auditors compare.

use super::Context;
use super::calibration::CalibrationFlags;
use super::failure::{Failure, Outcome, Status};
use super::loading::{ModelFlags, RecipeFlag};
use super::prompt::PromptFlags;
use super::runtime::RuntimeFlags;
use clap::{Args, ValueEnum};
use engine::decoder::{Chunk, Decoder, NumericalFailure};
use engine::kv_cache::KvPrefix;
use engine::model::Model;
use engine::runtime::Runtime;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Print logits and the log-probability of every given token
///
/// One JSON object: `tokens`; `positions`; `logits`, one row of the vocabulary a position, as the shortest decimals that
/// read back as the same f32; `next_logprobs`, of which number i is the natural-log probability of token i + 1 after
/// tokens 0 to i (logit minus log-sum-exp, summed in f64); `digest`, the SHA-256 of the printed logits as little-endian
/// f32. For the same model bytes, tokens and recipe the output is the same on every machine, byte for byte.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble logits -m DIR --tokens 1,2,3
  nibble logits -m DIR --prompt \"Once upon a time\" --positions all --quant rtn:w4g32
  nibble logits -m DIR --tokens 1,2,3 --prefill_chunk 1 --isa scalar --threads 1     the same bytes"
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    recipe: RecipeFlag,
    #[command(flatten)]
    calibration: CalibrationFlags,
    #[command(flatten)]
    prompt: PromptFlags,
    #[command(flatten)]
    runtime: RuntimeFlags,
    /// Tokens in one pass through the model; 1 goes token by token through the cache. Changes no bit
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Machine")]
    prefill_chunk: u32,
    /// Positions whose logits are printed: `last`, `all`, or indices from 0 separated by commas
    #[arg(long, value_name = "WHICH", default_value = "last", value_parser = Positions::parse, help_heading = "Output")]
    positions: Positions,
    /// How it is written
    #[arg(long, value_enum, default_value_t = OutputFormat::Json, help_heading = "Output")]
    format: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// One object in one line
    Json,
}

/// Which positions are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Positions {
    Last,
    All,
    Listed(Vec<usize>),
}

impl Positions {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Positions::Last),
            "all" => Ok(Positions::All),
            list => {
                let positions: Result<Vec<usize>, _> = list.split(',').map(|index| index.trim().parse()).collect();
                let expected = "expected `last`, `all`, or indices from 0 separated by commas";
                positions.map(Positions::Listed).map_err(|_| expected.to_string())
            }
        }
    }

    /// The positions in a sequence of `len` tokens, ascending, each once.
    fn of(&self, len: usize) -> Result<Vec<usize>, Failure> {
        match self {
            Positions::Last => Ok(vec![len - 1]),
            Positions::All => Ok((0..len).collect()),
            Positions::Listed(list) => {
                let mut positions = list.clone();
                positions.sort_unstable();
                positions.dedup();
                match positions.iter().find(|&&position| position >= len) {
                    None => Ok(positions),
                    Some(position) => {
                        let what =
                            format!("position {position}: expected at most {}, the last of {len} tokens", len - 1);
                        Err(Failure::usage(what, "--positions", "count from 0, or ask for `last` or `all`"))
                    }
                }
            }
        }
    }
}

/// What is printed.
#[derive(Debug, Default, Serialize)]
struct Report {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    logits: Vec<Vec<f32>>,
    next_logprobs: Vec<f64>,
    digest: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let recipe = arguments.recipe.recipe()?;
    let source = arguments.model.open(context.verbosity)?;
    let runtime = arguments.runtime.runtime(context.verbosity)?;
    let blueprint = engine::family::blueprint(&source.checkpoint)?;
    let tokens = arguments.prompt.read(None, &source, blueprint.vocab_size)?.tokens;
    let positions = arguments.positions.of(tokens.len())?;
    let model = arguments.calibration.model(&source, &recipe, &runtime, context)?;
    let Some(report) = evaluate(&model, &runtime, tokens, positions, arguments.prefill_chunk as usize, context)? else {
        let fix = "run the same command again; it starts from the beginning";
        return Err(Failure::new(Status::Incomplete, "stopped before the last token", "the logits", fix));
    };
    match arguments.format {
        OutputFormat::Json => serde_json::to_writer(&mut *context.out, &report).map_err(std::io::Error::from)?,
    }
    writeln!(context.out)?;
    Ok(Status::Done)
}

/// Rows of logits that exist at one time; a row of a large vocabulary takes half a megabyte.
const LOGIT_ROWS: usize = 32;

/// Reads all tokens and gathers what is printed; `None` when the user wants no more.
fn evaluate(
    model: &Model,
    runtime: &Runtime,
    tokens: Vec<u32>,
    positions: Vec<usize>,
    prefill_chunk: usize,
    context: &Context<'_>,
) -> Result<Option<Report>, Failure> {
    let decoder = Decoder::new(model, runtime);
    let (d_model, vocab_size, layers) = {
        let blueprint = decoder.blueprint();
        (blueprint.d_model, blueprint.vocab_size, blueprint.layers)
    };
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let mut report = Report { positions, ..Report::default() };
    let mut digest = Sha256::new();
    let mut position = 0;
    for chunk in decoder.chunks(&tokens, prefill_chunk) {
        if context.stop.is_raised() {
            return Ok(None);
        }
        let (sequence_len, wanted) = (tokens.len(), 0..chunk.len());
        let outputs = decoder.forward(&mut [Chunk { cache: &mut cache, tokens: chunk, sequence_len, wanted }])?;
        for hidden in outputs {
            let hidden = hidden.map_err(engine::Error::from)?;
            for rows in hidden.chunks(LOGIT_ROWS * d_model) {
                for row in decoder.logits(rows).chunks(vocab_size) {
                    if !row.iter().all(|logit| logit.is_finite()) {
                        return Err(engine::Error::from(NumericalFailure { layer: layers, position }).into());
                    }
                    if let Some(&next) = tokens.get(position + 1) {
                        let log_sum_exp = runtime.kernels().log_sum_exp(row);
                        report.next_logprobs.push(f64::from(row[next as usize]) - log_sum_exp);
                    }
                    if report.positions.binary_search(&position).is_ok() {
                        row.iter().for_each(|logit| digest.update(logit.to_le_bytes()));
                        report.logits.push(row.to_vec());
                    }
                    position += 1;
                }
            }
        }
    }
    let hexadecimal: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Report { tokens, digest: format!("sha256:{hexadecimal}"), ..report }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_sorted_and_within_the_sequence() {
        assert_eq!(Positions::parse("7,0, 5,0").unwrap().of(8), Ok(vec![0, 5, 7]));
        assert_eq!(Positions::parse("last").unwrap().of(8), Ok(vec![7]));
        assert_eq!(Positions::parse("all").unwrap().of(2), Ok(vec![0, 1]));
        assert_eq!(Positions::parse("8").unwrap().of(8).unwrap_err().status(), Status::Usage);
        assert!(Positions::parse("first").is_err() && Positions::parse("-1").is_err());
    }
}
