//! Flags of calibration text, and building a model with it.

use super::Context;
use super::failure::{Failure, Status};
use super::loading::{Origin, Source};
use super::progress::{Progress, SHARE, Verbosity, seconds};
use clap::{Args, ValueEnum};
use datasets::world::{SEED, World};
use engine::model::Model;
use engine::runtime::Runtime;
use eval::machine;
use eval::runner::{Quantization, block_cache};
use quant::build::{BuildObserver, MemoryNeed, Stage};
use quant::calibration::{DEFAULT_SAMPLES, Form, Options, Order, Source as CalibrationSource};
use quant::method::Needs;
use quant::report::LayerReport;
use quant::{BlockCache, Build, Calibration, Quantized, Recipe};
use std::path::PathBuf;
use std::time::Instant;

/// Flags of methods that look at the inputs of layers (`gptq`, `spqr`, ...); the others pay them no attention.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Calibration")]
pub struct CalibrationFlags {
    /// Text over which inputs are gathered: a FILE, `alpaca:FILE`, `builtin` or `builtin:world` [default: builtin; of
    /// builtin models builtin:world]
    ///
    /// A file is plain text, tokenized as a whole and cut into windows, or records (.json, .jsonl): conversations
    /// (`messages`, `conversations`), instructions (`instruction`, `input`, `output`), `prompt` and `response`, or `text`;
    /// each record is a sequence, cut to --calibration_length, never padded. `alpaca:FILE` takes 128 instructions drawn at
    /// random. `builtin` is a short English text, part of this program; `builtin:world` are documents of the micro-world, as
    /// the builtin models were trained on. Results name the text by its SHA-256, and that of its tokens.
    #[arg(long, value_name = "TEXT")]
    calibration: Option<String>,
    /// Sequences [default: at most 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    calibration_samples: Option<u32>,
    /// Tokens of a sequence [default: the model's context, at most 2048; of `builtin` at most 512; of `builtin:world` 128]
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u32).range(1..))]
    calibration_length: Option<u32>,
    /// Which windows of a text, or which records [default: first; of `alpaca:FILE` random]
    #[arg(long, value_enum, value_name = "ORDER")]
    calibration_order: Option<CalibrationOrder>,
    /// Seed of random windows and records
    #[arg(long, value_name = "S", default_value_t = 0)]
    calibration_seed: u64,
    /// Put conversations and instructions into the model's chat template
    #[arg(long)]
    calibration_chat_template: bool,
    /// Keep finished blocks of quantized models here; the same command, or one with the same recipe, takes them from there
    ///
    /// Without it, `eval` keeps them in --output_path until the recipe's results are written, and the other commands keep
    /// none.
    #[arg(long, value_name = "DIR")]
    quant_cache: Option<PathBuf>,
}

/// Which windows, or which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum CalibrationOrder {
    /// Consecutive ones from the beginning
    First,
    /// Drawn with --calibration_seed
    Random,
}

/// The word for documents of the micro-world.
const WORLD: &str = "builtin:world";
/// Tokens of their sequences where nothing is said.
const WORLD_LENGTH: usize = 128;
/// Bytes of the world's text that certainly give one token, of tokenizers that were not made for it too.
const BYTES_A_TOKEN: usize = 8;
/// Longest text that is made, in bytes.
const WORLD_LIMIT_BYTES: usize = 64 << 20;

/// Documents of the micro-world from the first one on, as the builtin models were trained on them, enough for so many
/// tokens.
fn world_text(tokens: usize) -> String {
    let bytes = tokens.saturating_mul(BYTES_A_TOKEN).min(WORLD_LIMIT_BYTES);
    let mut text = String::new();
    for document in World::new(SEED).corpus() {
        if text.len() >= bytes {
            break;
        }
        text += &document.chatml();
        text += "<|endoftext|>";
    }
    text
}

impl CalibrationFlags {
    fn options(&self, source: &Source) -> Options {
        let (samples, length) = (self.calibration_samples, self.calibration_length);
        let (mut samples, mut length) = (samples.map(|samples| samples as usize), length.map(|length| length as usize));
        let text = match (self.calibration.as_deref(), source.origin) {
            (Some(text), _) => text,
            (None, Origin::Lab) => WORLD,
            (None, Origin::Seeded | Origin::Directory) => "builtin",
        };
        let source = if text == WORLD {
            let (samples, length) = (*samples.get_or_insert(DEFAULT_SAMPLES), *length.get_or_insert(WORLD_LENGTH));
            CalibrationSource::Text { name: WORLD.into(), text: world_text(samples.saturating_mul(length)).into() }
        } else {
            CalibrationSource::parse(text)
        };
        Options {
            source,
            samples,
            length,
            order: self.calibration_order.map(|order| match order {
                CalibrationOrder::First => Order::First,
                CalibrationOrder::Random => Order::Random,
            }),
            seed: self.calibration_seed,
            form: if self.calibration_chat_template { Form::ChatTemplate } else { Form::Plain },
        }
    }

    /// Whether nothing is said that changes the text.
    pub fn is_plain(&self) -> bool {
        let Self { calibration, calibration_samples, calibration_length, calibration_order, .. } = self;
        let is_chosen = calibration.is_some() || calibration_order.is_some() || self.calibration_chat_template;
        !is_chosen && calibration_samples.is_none() && calibration_length.is_none() && self.calibration_seed == 0
    }

    /// What a run is told.
    pub fn quantization(&self, source: &Source) -> Quantization {
        Quantization {
            calibration: self.options(source),
            cache: self.quant_cache.clone(),
            available_bytes: machine::memory().map(|memory| memory.available),
        }
    }

    /// The calibration text, if the method of `recipe` looks at inputs.
    pub fn read(&self, source: &Source, recipe: &Recipe) -> Result<Option<Calibration>, Failure> {
        match recipe.method().needs {
            Needs::Weights => Ok(None),
            Needs::Inputs | Needs::Magnitudes => {
                let blueprint = engine::family::blueprint(&source.checkpoint)?;
                let tokenizer = source.fitting_tokenizer(blueprint.vocab_size)?;
                let (context_len, vocab_size) = (blueprint.context_len, blueprint.vocab_size);
                Ok(Some(Calibration::read(&self.options(source), &tokenizer, context_len, vocab_size)?))
            }
        }
    }

    /// Where finished blocks are kept, if they are.
    pub fn cache(
        &self,
        source: &Source,
        recipe: &Recipe,
        calibration: Option<&Calibration>,
    ) -> Result<Option<BlockCache>, Failure> {
        match (&self.quant_cache, calibration) {
            (Some(parent), Some(_)) => Ok(block_cache(parent, &source.checkpoint.sha256()?, recipe, calibration)),
            _ => Ok(None),
        }
    }

    /// What is to be built.
    pub fn plan<'a>(
        &self,
        source: &'a Source,
        recipe: &'a Recipe,
        calibration: Option<&'a Calibration>,
        cache: Option<&'a BlockCache>,
        runtime: &'a Runtime,
        context: &'a Context<'_>,
    ) -> Build<'a> {
        Build {
            checkpoint: &source.checkpoint,
            recipe,
            runtime,
            calibration,
            cache,
            available_bytes: machine::memory().map(|memory| memory.available),
            stop: context.stop.as_atomic(),
        }
    }

    /// The model of `source` quantized by `recipe`.
    pub fn model(
        &self,
        source: &Source,
        recipe: &Recipe,
        runtime: &Runtime,
        context: &Context<'_>,
    ) -> Result<Model, Failure> {
        let calibration = self.read(source, recipe)?;
        self.build(source, recipe, calibration.as_ref(), runtime, context)
    }

    /// The same with calibration text that was read.
    pub fn build(
        &self,
        source: &Source,
        recipe: &Recipe,
        calibration: Option<&Calibration>,
        runtime: &Runtime,
        context: &Context<'_>,
    ) -> Result<Model, Failure> {
        let verbosity = context.verbosity;
        let started = Instant::now();
        let cache = self.cache(source, recipe, calibration)?;
        if let Some(calibration) = calibration {
            verbosity.note(format!("{recipe}: calibrating with {}", calibration.identity().describe()));
        }
        let build = self.plan(source, recipe, calibration, cache.as_ref(), runtime, context);
        let mut reporter = BuildReporter::new(verbosity, recipe.to_string());
        let built = build.run(&mut reporter);
        reporter.finish();
        let Some(Quantized { model, .. }) = built? else {
            let fix = match &self.quant_cache {
                Some(_) => "run the same command again: it goes on from the blocks that are done",
                None => "nothing was kept; with --quant_cache DIR the same command would go on",
            };
            return Err(Failure::new(Status::Incomplete, "stopped while quantizing", recipe.to_string(), fix));
        };
        let elapsed = started.elapsed().as_secs_f64();
        if elapsed > 1.0 {
            verbosity.note(format!("{}: {recipe} ready after {}", source.name, seconds(elapsed)));
        }
        Ok(model)
    }
}

/// Shows how far quantizing is.
pub struct BuildReporter {
    verbosity: Verbosity,
    recipe: String,
    progress: Option<Progress>,
    /// Matrices that no token of the calibration text came to.
    unseen: usize,
}

/// Steps of a progress bar.
const STEPS: f64 = 1000.0;

impl BuildReporter {
    /// A reporter that has nothing to say yet.
    pub fn new(verbosity: Verbosity, recipe: String) -> Self {
        Self { verbosity, recipe, progress: None, unseen: 0 }
    }

    /// Takes the progress bar away, and says what has to be said of the whole.
    pub fn finish(&mut self) {
        if let Some(mut progress) = self.progress.take() {
            progress.finish();
        }
        if self.unseen > 0 {
            self.verbosity.note(format!(
                "{}: no token of the calibration text came to the experts of {} matrices: they were rounded to nearest; more \
                 text reaches more of them",
                self.recipe, self.unseen
            ));
        }
    }

    fn note(&self, text: &str) {
        match &self.progress {
            Some(progress) => progress.note(text),
            None => self.verbosity.note(text),
        }
    }
}

impl BuildObserver for BuildReporter {
    fn memory(&mut self, need: &MemoryNeed) {
        self.note(&format!("{}: quantizing needs {need}", self.recipe));
    }

    fn progress(&mut self, progress: quant::build::Progress) {
        let bar = self
            .progress
            .get_or_insert_with(|| Progress::new(self.verbosity, self.recipe.as_str(), STEPS as u64, SHARE));
        let stage = match progress.stage {
            Stage::Gathering => "gathering inputs",
            Stage::Solving => "choosing codes",
            Stage::Passing => "passing on",
        };
        bar.label(format!("{} block {}/{}, {stage}", self.recipe, progress.block + 1, progress.blocks));
        bar.set((progress.share * STEPS) as u64);
    }

    fn layer(&mut self, report: &LayerReport) {
        self.unseen += usize::from(report.is_unseen);
        if self.verbosity == Verbosity::Detailed {
            self.note(&layer_line(report));
        }
    }
}

/// A matrix in a line: loss, share of outliers, seconds.
fn layer_line(report: &LayerReport) -> String {
    let mut text = format!("  {} ({}), {} x {}", report.tensor, report.role, report.rows, report.columns);
    if let Some(loss) = report.loss {
        text += &format!(", loss {loss:.6e}");
    }
    if let Some(share) = report.outlier_share() {
        text += &format!(", outliers {:.3} %", 100.0 * share);
    }
    if report.is_unseen {
        text += ", no token: rounded to nearest";
    }
    format!("{text}, {:.2} s", report.seconds)
}
