//! `nibble eval`: every recipe on every task.

mod defaults;
mod reports;

use super::Context;
use super::calibration::CalibrationFlags;
use super::failure::{Failure, Outcome, Status};
use super::lab::Builtin;
use super::loading::{self, ModelFlags, recipes};
use super::observer::Reporter;
use super::progress::Verbosity;
use super::runtime::RuntimeFlags;
use super::table::Format;
use clap::{Args, ValueEnum};
use datasets::{DataRoots, Pinning};
use eval::efficiency::{self, Protocol, Store};
use eval::machine;
use eval::runner::{self, Existing, Plan, RunSummary};
use eval::scheduler::SchedulerOptions;
use eval::task::{
    self, Concession, DEFAULT_SEED, GenerationOptions, Judgements, OnOverflow, PromptForm, TaskId, TaskOptions,
};
use reports::Reports;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// Evaluate recipes of a model on benchmarks
///
/// The checkpoint is read once; each recipe quantizes it in memory and answers every task. The table on stdout compares
/// all recipes with the baseline, `none` or else the first one: the difference, and whether it is significant document by
/// document after Holm's correction over the tasks; a second table has intervals, the smallest change that could have been
/// found, and how many answers changed. With --output_path everything is written there while it is computed, and the same command goes on where it
/// stopped, after Ctrl-C or a power cut, and ends with the same bytes.
///
/// Without --model it is `builtin`, a small model that is part of this program, trained on a micro-world of our own. Where
/// nothing is said, the builtin models answer ten benchmarks about that world and three texts of it under the paper's
/// recipes, with the noise floor and with next-token distributions on 4 documents of each task, and the run is kept in
/// runs/<model>. `--model builtin:all` is three runs, one a size.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble eval                                              everything, without any file; kept in runs/builtin-s
  nibble eval -m builtin:all                               the same of three sizes
  nibble eval -m DIR --quant none,rtn:w8,rtn:w4g32 --tasks perplexity:text.txt@gptq-256
  nibble eval -m DIR --quant none,gptq:w4g128,spqr:w3g16 --calibration train.txt --tasks perplexity:text.txt@gptq-256
  nibble eval -m DIR --quant none,rtn:w4g128 --tasks mmlu@lm-eval,truthfulqa --num_fewshot 5 \\
      --data DATA --output_path RUN                        the same command again resumes"
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelFlags,
    /// Quantization recipes, separated by commas [default: none; of builtin models paper]
    ///
    /// `none` is the checkpoint's own precision and the baseline of the comparison. `paper` stands for the ten recipes of
    /// Jin et al. 2024. `nibble quants ls` lists the methods, `nibble quants show RECIPE` explains a recipe.
    #[arg(long, value_name = "RECIPES", help_heading = "Model")]
    quant: Vec<String>,
    #[command(flatten)]
    calibration: CalibrationFlags,
    /// Tasks, separated by commas: NAME[:VARIANT][@PROTOCOL]
    ///
    /// `mmlu`, `mmlu_anatomy@lm-eval`, `perplexity:FILE@gptq-256`, ... `nibble tasks ls` lists them, `nibble tasks show
    /// NAME` explains one.
    #[arg(long, value_name = "TASKS", value_delimiter = ',', help_heading = "Tasks")]
    tasks: Vec<String>,
    /// Directory with benchmark files as their authors publish them; may be given several times [default: ./data]
    #[arg(long, value_name = "DIR", help_heading = "Tasks")]
    data: Vec<PathBuf>,
    /// File with answers of a judge to the questions in judge_<task>.jsonl of a run; may be given several times
    ///
    /// One JSON object a line: {"prompt_new": QUESTION, "choices": [{"message": {"content": ANSWER}}]}. A finished run
    /// takes them in without asking the model again.
    #[arg(long, value_name = "FILE", help_heading = "Tasks")]
    judgements: Vec<PathBuf>,
    /// Documents of each task, the first N [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Tasks")]
    limit: Option<u64>,
    /// Worked examples in a prompt [default: the protocol's own number]
    #[arg(long, value_name = "K", help_heading = "Tasks")]
    num_fewshot: Option<usize>,
    /// Put the prompts of lm-eval protocols into the model's chat template
    #[arg(long, help_heading = "Tasks")]
    apply_chat_template: bool,
    /// Longest window of rolling log-likelihoods, in tokens [default: the model's context]
    #[arg(long, value_name = "N", help_heading = "Tasks")]
    window: Option<usize>,
    /// Seed of everything that draws
    #[arg(long, value_name = "S", default_value_t = DEFAULT_SEED, help_heading = "Tasks")]
    seed: u64,
    /// How texts are generated, where not as the protocol says: temperature, top_p, top_k, do_sample, max_gen_toks; results
    /// say so
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = GenerationOptions::from_str, help_heading = "Tasks")]
    gen_kwargs: Option<GenerationOptions>,
    /// Also run the baseline with the inputs of its layers rounded to bfloat16: one more pass
    ///
    /// What such rounding changes is the least that a bfloat16 engine changes. Differences of recipes that are no larger
    /// are marked as below the noise floor.
    #[arg(long, help_heading = "Tasks")]
    noise_floor: bool,
    /// Documents of each task, the first N, on which next-token distributions are compared with the baseline's
    ///
    /// Over the whole vocabulary, at every scored position, or after the prompt of what is generated: divergence both ways,
    /// agreement of the likeliest token, shifts of probability. Baseline and recipe are in memory together meanwhile.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Tasks")]
    kl: usize,
    /// What to do with a prompt that is longer than the model's context; results say so
    #[arg(long, value_name = "ACTION", value_enum, default_value_t = Overflow::Extend, help_heading = "Exceptions")]
    on_overflow: Overflow,
    /// Accept benchmark files that differ from the official release; results say so
    #[arg(long, help_heading = "Exceptions")]
    allow_unpinned: bool,
    /// Accept prompts that begin with two tokens for the beginning of a sequence; results say so
    #[arg(long, help_heading = "Exceptions")]
    allow_double_bos: bool,
    /// Accept worked examples that are the question itself; results say so
    #[arg(long, help_heading = "Exceptions")]
    allow_shown_answers: bool,
    #[command(flatten)]
    runtime: RuntimeFlags,
    /// Sequences computed together, at most, or `auto`; changes memory and speed, no bit
    #[arg(short, long, value_name = "N", default_value = "auto", value_parser = batch_size, help_heading = "Machine")]
    batch_size: usize,
    /// Tokens computed together, at most; changes memory and speed, no bit
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Machine")]
    batch_tokens: u32,
    /// Directory of the run: manifest, results, sample logs, and the journal that a later run goes on from [default: none;
    /// runs/MODEL of builtin models where nothing is said that changes what they are asked]
    ///
    /// Of --model builtin:all it holds a run directory for each size.
    #[arg(short, long, value_name = "RUN", help_heading = "Output")]
    output_path: Option<PathBuf>,
    /// Discard the run in its directory and begin again
    #[arg(long, help_heading = "Output")]
    overwrite: bool,
    /// Measure speed and memory of every recipe into RUN/efficiency.json [default: off; auto where the run of a builtin
    /// model is kept without being asked for]
    ///
    /// 256 tokens are read and 512 generated after them, one sequence at a time, as the paper does; 16 sequences are scored
    /// together; bytes read for a token are set against the memory bandwidth, energy is read where the processor's counters
    /// can be. No result depends on it.
    #[arg(long, value_name = "WHEN", value_enum, help_heading = "Output")]
    efficiency: Option<Efficiency>,
    /// How the comparison is written to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, help_heading = "Output")]
    format: Format,
}

/// When speed and memory are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Efficiency {
    /// Once for each machine, program, model and recipe: what was measured before is taken from the user's cache directory
    Auto,
    /// Now, in place of what was measured before; models whose questions are answered are built again
    Measure,
    /// Never
    Off,
}

/// What to do with a prompt that is longer than the model's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Overflow {
    /// Read all of it where the model has positions for it, and stop with an error where it has not
    Extend,
    /// Stop with an error that names the document
    Error,
    /// Leave the document out and count it
    Skip,
    /// Take worked examples out, the last ones first
    DropShots,
    /// Cut tokens off the beginning
    Left,
}

impl From<Overflow> for OnOverflow {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::Extend => OnOverflow::Extend,
            Overflow::Error => OnOverflow::Error,
            Overflow::Skip => OnOverflow::Skip,
            Overflow::DropShots => OnOverflow::DropShots,
            Overflow::Left => OnOverflow::Left,
        }
    }
}

/// Half of the memory that can be had is for keys and values, where the system tells.
fn cache_limit() -> SchedulerOptions {
    let options = SchedulerOptions::default();
    let half = machine::memory().map(|memory| memory.available as usize / 2);
    SchedulerOptions { cache_bytes: half.unwrap_or(options.cache_bytes), ..options }
}

fn batch_size(text: &str) -> Result<usize, String> {
    match text {
        "auto" => Ok(SchedulerOptions::default().batch_sequences),
        number => {
            number.parse().ok().filter(|&size| size > 0).ok_or_else(|| "expected a number above 0, or `auto`".into())
        }
    }
}

/// Printed before scores that mean nothing.
const SEEDED: &str = "This is a small seeded model made in memory, without training: its scores are chance. Give a real one \
                      with --model DIR.";

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let models = defaults::models(arguments);
    let mut reports = Reports::new(arguments.format, models.len());
    for model in &models {
        let (summary, output) = evaluate(arguments, model, models.len(), context)?;
        reports.add(&summary, output.as_deref(), context)?;
        if let Err(failure) = arguments.conclude(&summary, output.as_deref()) {
            reports.finish(context)?;
            return Err(failure);
        }
    }
    reports.finish(context)?;
    Ok(Status::Done)
}

/// Every recipe of one of so many models on every task; and where that is kept.
fn evaluate(
    arguments: &Arguments,
    model: &str,
    models: usize,
    context: &mut Context<'_>,
) -> Result<(RunSummary, Option<PathBuf>), Failure> {
    let builtin = Builtin::parse(model)?;
    let recipes = match arguments.quant.as_slice() {
        [] => recipes(&[defaults::recipes(builtin).to_string()])?,
        given => recipes(given)?,
    };
    let tasks = arguments.tasks(builtin)?;
    let source = loading::open(model, arguments.model.no_mmap, context.verbosity)?;
    let output = defaults::output(arguments, builtin, &source.name, models);
    if arguments.overwrite && output.is_none() {
        let fix = "add --output_path RUN, or leave --overwrite out: nothing is kept without a directory";
        return Err(Failure::usage("there is no run to discard", "--overwrite", fix));
    }
    if builtin == Some(Builtin::Seeded) {
        announce(arguments.format, context)?;
    }
    let runtime = arguments.runtime.runtime(context.verbosity)?;
    let blueprint = engine::family::blueprint(&source.checkpoint)?;
    let tokenizer = source.fitting_tokenizer(blueprint.vocab_size)?;
    let data = if arguments.data.is_empty() { vec![PathBuf::from("data")] } else { arguments.data.clone() };
    let pinning = if arguments.allow_unpinned { Pinning::Allow } else { Pinning::Require };
    if let (Some(output), None) = (&output, &arguments.output_path) {
        context
            .verbosity
            .note(format!("note: this run is kept in {}; the same command goes on there", output.display()));
    }
    let plan = Plan {
        model: &source.name,
        checkpoint: &source.checkpoint,
        tokenizer: &tokenizer,
        runtime: &runtime,
        recipes: &recipes,
        tasks: &tasks,
        roots: &DataRoots::new(&data).with_pinning(pinning),
        options: arguments.options()?,
        fidelity: defaults::fidelity(arguments, builtin),
        efficiency: arguments.efficiency(builtin, output.as_deref())?,
        quantization: arguments.calibration.quantization(&source),
        scheduler: SchedulerOptions {
            batch_tokens: arguments.batch_tokens as usize,
            batch_sequences: arguments.batch_size,
            ..cache_limit()
        },
        output: output.as_deref(),
        existing: if arguments.overwrite { Existing::Overwrite } else { Existing::Resume },
        stop: context.stop.as_atomic(),
    };
    let mut reporter = Reporter::new(context.verbosity);
    let summary = runner::run(&plan, &mut reporter);
    reporter.finish();
    Ok((summary?, output))
}

/// Says before anything else that the numbers mean nothing; on stderr where stdout is for programs.
fn announce(format: Format, context: &mut Context<'_>) -> Result<(), Failure> {
    match format {
        Format::Table | Format::Md => {
            writeln!(context.out, "{SEEDED}\n")?;
            context.out.flush()?;
        }
        Format::Json | Format::Csv => Verbosity::Normal.note(SEEDED),
    }
    Ok(())
}

impl Arguments {
    fn tasks(&self, builtin: Option<Builtin>) -> Result<Vec<TaskId>, Failure> {
        let ids: Vec<&str> = match self.tasks.as_slice() {
            [] => defaults::tasks(builtin)?.to_vec(),
            given => given.iter().map(String::as_str).collect(),
        };
        ids.into_iter().map(|id| task::parse(id.trim()).map_err(Failure::from)).collect()
    }

    fn options(&self) -> Result<TaskOptions, Failure> {
        let concession = |allowed: bool| if allowed { Concession::Allow } else { Concession::Refuse };
        Ok(TaskOptions {
            limit: self.limit.map(|limit| limit as usize),
            num_fewshot: self.num_fewshot,
            on_overflow: self.on_overflow.into(),
            window: self.window,
            prompt_form: if self.apply_chat_template { PromptForm::Chat } else { PromptForm::Plain },
            double_bos: concession(self.allow_double_bos),
            shown_answers: concession(self.allow_shown_answers),
            generation: self.gen_kwargs.unwrap_or_default(),
            seed: self.seed,
            judgements: Arc::new(Judgements::read(&self.judgements)?),
        })
    }

    fn efficiency(&self, builtin: Option<Builtin>, output: Option<&Path>) -> Result<efficiency::Options, Failure> {
        let mode = match self.efficiency.unwrap_or(defaults::efficiency(self, builtin)) {
            Efficiency::Off => return Ok(efficiency::Options::default()),
            Efficiency::Auto => efficiency::Mode::Auto,
            Efficiency::Measure => efficiency::Mode::Measure,
        };
        if output.is_none() {
            let fix = "add --output_path RUN: what is measured is written to RUN/efficiency.json";
            return Err(Failure::usage("what is measured would be written nowhere", "--efficiency", fix));
        }
        Ok(efficiency::Options { mode, protocol: Protocol::default(), store: Store::of_user() })
    }

    /// How the command ends after a run.
    fn conclude(&self, summary: &RunSummary, output: Option<&Path>) -> Outcome {
        if let runner::Status::Incomplete { done, total } = summary.status {
            let what = format!("stopped after {done} of {total} documents");
            let (place, fix) = match output {
                Some(path) => (path.display().to_string(), "run the same command again: it goes on from there"),
                None => {
                    ("--output_path".into(), "nothing was kept; with --output_path RUN the same command would go on")
                }
            };
            return Err(Failure::new(Status::Incomplete, what, place, fix));
        }
        if !summary.unmeasured.is_empty() {
            let what = "stopped while speed and memory were measured; all results are complete";
            let fix = "run the same command with --efficiency measure";
            return Err(Failure::new(Status::Incomplete, what, summary.unmeasured.join(", "), fix));
        }
        let problem = summary.variants.iter().find_map(|variant| {
            let result = variant.results.iter().find(|result| result.problem.is_some())?;
            Some((format!("{}, {}", variant.recipe, result.id), result.problem.clone()?))
        });
        match problem {
            None => Ok(Status::Done),
            Some((place, problem)) => {
                let fix = "a recipe with more bits, or a checkpoint whose activations stay finite";
                Err(Failure::new(Status::Input, format!("no number: {problem}"), place, fix))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_out_of_an_overflow_has_its_word() {
        let words = Overflow::value_variants().iter().map(|&overflow| {
            let word = overflow.to_possible_value().map(|value| value.get_name().to_string());
            (word.unwrap_or_default(), OnOverflow::from(overflow))
        });
        let known = OnOverflow::ALL.map(|(word, overflow)| (word.to_string(), overflow));
        assert_eq!(words.collect::<Vec<_>>(), known);
        assert_eq!(OnOverflow::from(Overflow::Extend), OnOverflow::default());
    }

    #[test]
    fn batch_sizes() {
        assert_eq!(batch_size("16"), Ok(16));
        assert_eq!(batch_size("auto"), Ok(SchedulerOptions::default().batch_sequences));
        assert!(batch_size("0").is_err() && batch_size("many").is_err());
    }
}
