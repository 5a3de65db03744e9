//! `nibble generate`: continues a prompt.

use super::Context;
use super::calibration::CalibrationFlags;
use super::failure::{Failure, Outcome, Status};
use super::loading::{ModelFlags, RecipeFlag, Source};
use super::prompt::{ChatFlags, PromptFlags};
use super::runtime::RuntimeFlags;
use clap::{Args, ValueEnum};
use engine::blueprint::Blueprint;
use engine::generate::{Decoding, DrawKey, Finish, GenerateError, Generator, PREFILL_CHUNK, Sampling, Settings, Step};
use engine::tokenizer::Tokenizer;
use serde_json::json;
use std::ops::ControlFlow;
use std::time::Instant;

/// Continue a prompt
///
/// Text goes to stdout as it comes. The same flags give the same tokens on every machine: greedy decoding takes the
/// lowest id among equal logits, and a draw depends on --seed and the position alone.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble generate -m DIR --prompt \"Once upon a time\" --max_new_tokens 64
  nibble generate -m DIR --prompt \"Why is the sky blue?\" --chat --temperature 0.7 --top_p 0.9 --seed 1
  nibble generate -m DIR --tokens 1,2,3 --quant rtn:w4g32 --format json"
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
    chat: ChatFlags,
    /// Tokens to generate at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128, help_heading = "Decoding")]
    max_new_tokens: usize,
    /// Divisor of the logits; 0 takes the most probable token
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature, help_heading = "Decoding", allow_negative_numbers = true)]
    temperature: f64,
    /// Draw from the K most probable tokens; 0 takes all
    #[arg(long, value_name = "K", default_value_t = 0, help_heading = "Decoding")]
    top_k: usize,
    /// Draw from the fewest tokens that hold this probability, above 0 and at most 1
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = probability, help_heading = "Decoding", allow_negative_numbers = true)]
    top_p: f64,
    /// Seed of the draws
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Decoding")]
    seed: u64,
    /// Text that ends the continuation and is cut off; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Decoding")]
    stop: Vec<String>,
    /// Go on after the tokens that end a sequence
    #[arg(long, help_heading = "Decoding")]
    ignore_eos: bool,
    #[command(flatten)]
    runtime: RuntimeFlags,
    /// Tokens of the prompt in one pass through the model; changes memory and speed, no bit
    #[arg(long, value_name = "N", default_value_t = PREFILL_CHUNK as u32, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Machine")]
    prefill_chunk: u32,
    /// `text` as it comes, or one JSON object at the end
    #[arg(long, value_enum, default_value_t = OutputFormat::Text, help_heading = "Output")]
    format: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// The continuation alone; token ids where the checkpoint has no tokenizer
    Text,
    /// Prompt, continuation, log-probabilities and why it ended
    Json,
}

fn temperature(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0, "a number of at least 0")
}

fn probability(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value <= 1.0, "a number above 0 and at most 1")
}

fn number(text: &str, allowed: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && allowed(*value));
    value.ok_or_else(|| format!("expected {expected}"))
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let recipe = arguments.recipe.recipe()?;
    let source = arguments.model.open(context.verbosity)?;
    let runtime = arguments.runtime.runtime(context.verbosity)?;
    let blueprint = engine::family::blueprint(&source.checkpoint)?;
    // A large tokenizer takes longer to open than a small model to quantize.
    let (prompt, model) = std::thread::scope(|scope| {
        let prompt = scope.spawn(|| arguments.prompt.read(Some(&arguments.chat), &source, blueprint.vocab_size));
        let model = arguments.calibration.model(&source, &recipe, &runtime, context);
        (prompt.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), model)
    });
    let (prompt, model) = (prompt?, model?);
    warn_beyond_context(&blueprint, prompt.tokens.len() + arguments.max_new_tokens, context);
    let settings = arguments.settings(&source, prompt.tokenizer.as_ref());
    let generator = Generator::new(&model, &runtime, prompt.tokenizer.as_ref(), settings);

    let streams = arguments.format == OutputFormat::Text;
    let spells = prompt.tokenizer.is_some();
    let started = Instant::now();
    let (mut first_token, mut written_len, mut written) = (None, 0, Ok(()));
    let generated = generator.run(&prompt.tokens, &mut |step: Step<'_>| {
        first_token.get_or_insert_with(Instant::now);
        if streams {
            let separator = if written_len == 0 { "" } else { "," };
            written = match spells {
                true => write!(context.out, "{}", step.text),
                false => write!(context.out, "{separator}{}", step.token),
            };
            written = std::mem::replace(&mut written, Ok(())).and_then(|()| context.out.flush());
            written_len += if spells { step.text.len() } else { 1 };
        }
        let stop = written.is_err() || context.stop.is_raised();
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    written?;
    let generated = generated.map_err(failure)?;
    match arguments.format {
        OutputFormat::Text if spells => {
            writeln!(context.out, "{}", generated.text.get(written_len..).unwrap_or_default())?
        }
        OutputFormat::Text => writeln!(context.out)?,
        OutputFormat::Json => {
            let value = json!({
                "model": source.name,
                "quant": recipe.to_string(),
                "prompt_tokens": prompt.tokens,
                "tokens": generated.tokens,
                "text": spells.then_some(&generated.text),
                "logprobs": generated.log_probs,
                "finish_reason": generated.finish.reason(),
            });
            writeln!(context.out, "{value}")?;
        }
    }
    context.out.flush()?;
    if let Some(first_token) = first_token {
        let (prefill, decode) = (first_token - started, first_token.elapsed());
        context.verbosity.note(format!(
            "{} prompt tokens in {:.2} s, {} new tokens in {:.2} s on {} threads ({})",
            prompt.tokens.len(),
            prefill.as_secs_f64(),
            generated.tokens.len(),
            decode.as_secs_f64(),
            runtime.threads(),
            runtime.kernels().isa(),
        ));
    }
    match generated.finish {
        Finish::Interrupted => Ok(Status::Incomplete),
        _ => Ok(Status::Done),
    }
}

impl Arguments {
    fn settings(&self, source: &Source, tokenizer: Option<&Tokenizer>) -> Settings {
        let decoding = match self.temperature {
            0.0 => Decoding::Greedy,
            temperature => Decoding::Sampled(Sampling {
                temperature,
                top_k: Some(self.top_k).filter(|&k| k > 0),
                top_p: self.top_p,
            }),
        };
        let eos_ids = match (self.ignore_eos, tokenizer) {
            (true, _) => Vec::new(),
            (false, Some(tokenizer)) => tokenizer.eos_ids().to_vec(),
            (false, None) => configured_eos(source.checkpoint.config()),
        };
        Settings {
            decoding,
            key: DrawKey { seed: self.seed, ..DrawKey::default() },
            max_new_tokens: self.max_new_tokens,
            eos_ids,
            stop: self.stop.clone(),
            prefill_chunk: self.prefill_chunk as usize,
        }
    }
}

/// The end tokens that config.json names, a number or a list.
fn configured_eos(config: &serde_json::Value) -> Vec<u32> {
    let value = &config["eos_token_id"];
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok())).collect()
}

/// Says so where a sequence may grow longer than those the model was made for.
fn warn_beyond_context(blueprint: &Blueprint, longest_len: usize, context: &Context<'_>) {
    if longest_len > blueprint.context_len {
        context.verbosity.note(format!(
            "note: prompt and answer may reach {longest_len} tokens; the model was made for {}",
            blueprint.context_len
        ));
    }
}

fn failure(error: GenerateError) -> Failure {
    match error {
        GenerateError::Model(error) => error.into(),
        error => Failure::from_text(Status::Input, error, "the prompt", "give at least one token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_numbers() {
        assert!(temperature("-1").is_err() && temperature("nan").is_err() && temperature("0").is_ok());
        assert!(probability("0").is_err() && probability("1.01").is_err() && probability("1").is_ok());
    }

    #[test]
    fn end_tokens_of_a_configuration() {
        assert_eq!(configured_eos(&json!({"eos_token_id": 2})), [2]);
        assert_eq!(configured_eos(&json!({"eos_token_id": [2, 7]})), [2, 7]);
        assert!(configured_eos(&json!({})).is_empty());
    }
}
