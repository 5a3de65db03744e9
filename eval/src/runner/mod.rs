//! A run: every recipe on every task, from a plan to files and a table.
//!
//! For each recipe the model is built once and asked everything that the [journal](crate::journal) does not hold yet.
//! Results are then made from the journal alone. So a run may be interrupted anywhere and taken up again, on another
//! machine or with other settings of speed, and ends with the same bytes.

mod asking;
mod building;
mod comparison;
mod directory;
mod divergence;
mod environment;
mod files;
mod interval;
mod noise;
mod results;

pub use building::{Building, Filed, Quantization, block_cache};
pub use directory::Existing;
pub(crate) use directory::folder_of;
pub use files::summary as summary_json;
pub(crate) use files::{COMPARED, COMPARISON, REPORT, RESULTS, SUMMARY};
pub use interval::{IntervalMethod, MetricInterval};
pub use noise::{FidelityOptions, NoiseFloor, is_rounded};
pub use results::{ReportedMetric, TaskResult, Variant};

use crate::comparison::Difference;
use crate::efficiency::{self, Mode, Recorder, Subject};
use crate::error::Error;
use crate::journal::Weights;
use crate::manifest::{Manifest, ModelIdentity};
use crate::scheduler::SchedulerOptions;
use crate::task::{Inputs, OnOverflow, Suite, TaskId, TaskOptions};
use datasets::DataRoots;
use directory::RunDirectory;
use engine::checkpoint::Checkpoint;
use engine::decoder::{Decoder, InputRounding};
use engine::family;
use engine::runtime::Runtime;
use engine::tokenizer::Tokenizer;
use environment::Invocation;
use quant::report::LayerReport;
use quant::{Calibration, Quantized, Recipe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to be run, and on what.
pub struct Plan<'a> {
    /// What results call the model: a name, not a path.
    pub model: &'a str,
    /// Its weights.
    pub checkpoint: &'a Checkpoint,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// What computes.
    pub runtime: &'a Runtime,
    /// Recipes; `none`, or else the first one, is the baseline.
    pub recipes: &'a [Recipe],
    /// Tasks.
    pub tasks: &'a [TaskId],
    /// Where benchmark files are looked for.
    pub roots: &'a DataRoots,
    /// What is asked of all tasks.
    pub options: TaskOptions,
    /// What is measured beside scores.
    pub fidelity: FidelityOptions,
    /// Whether speed and memory are measured; needs a run directory.
    pub efficiency: efficiency::Options,
    /// Calibration text, and where finished blocks are kept.
    pub quantization: Quantization,
    /// How much is computed together; changes no bit.
    pub scheduler: SchedulerOptions,
    /// Run directory; without one nothing is written.
    pub output: Option<&'a Path>,
    /// What to do with a run that is in that directory.
    pub existing: Existing,
    /// Set from outside to end the run where it is.
    pub stop: &'a AtomicBool,
}

/// How a run ended, and what it found.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Whether everything was done.
    pub status: Status,
    /// Finished variants, in the order of the recipes.
    pub variants: Vec<Variant>,
    /// Their differences from the baseline.
    pub differences: Vec<Difference>,
    /// Recipes that the run was stopped at while their speed and memory were measured. Results do not depend on it.
    pub unmeasured: Vec<String>,
}

/// Whether everything was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was.
    Complete,
    /// The run was stopped; the same command takes it up again.
    Incomplete {
        /// Documents in the journal, over all recipes.
        done: usize,
        /// Documents of the plan.
        total: usize,
    },
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase<'a> {
    /// Benchmark files are read.
    ReadingTasks,
    /// The checkpoint's files are hashed.
    HashingModel,
    /// The model is quantized.
    Building {
        /// Recipe.
        recipe: &'a str,
    },
    /// Next-token distributions are compared with the baseline's.
    Comparing {
        /// Recipe.
        recipe: &'a str,
    },
    /// Questions are asked.
    Asking {
        /// Recipe.
        recipe: &'a str,
    },
    /// Speed and memory are measured.
    Measuring {
        /// Recipe.
        recipe: &'a str,
    },
    /// Results are made from the journal.
    WritingResults {
        /// Recipe.
        recipe: &'a str,
    },
    /// The checkpoint's files are hashed again.
    CheckingModel,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Recipe.
    pub recipe: &'a str,
    /// Task of the document that was finished.
    pub task: &'a str,
    /// Documents done, over all recipes, those of earlier invocations included.
    pub done: usize,
    /// Documents of the plan.
    pub total: usize,
    /// Tokens asked for by this invocation in finished documents, as if each request were computed alone.
    pub tokens: usize,
}

/// Who is told what a run is doing.
pub trait Observer {
    /// Something new begins.
    fn phase(&mut self, phase: Phase<'_>);
    /// A document is done.
    fn progress(&mut self, progress: Progress<'_>);
    /// The model of a recipe is being built.
    fn building(&mut self, recipe: &str, building: Building<'_>) {
        _ = (recipe, building);
    }
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn phase(&mut self, _: Phase<'_>) {}
    fn progress(&mut self, _: Progress<'_>) {}
}

/// Runs a plan.
///
/// # Errors
/// What the plan asks for and is not there; what the options refuse; what cannot be written; a checkpoint that changed
/// meanwhile, whose results are removed.
pub fn run(plan: &Plan<'_>, observer: &mut dyn Observer) -> Result<RunSummary, Error> {
    let mut recipes = recipe_names(plan)?;
    observer.phase(Phase::ReadingTasks);
    let blueprint = family::blueprint(plan.checkpoint)?;
    plan.tokenizer.check_fits(blueprint.vocab_size)?;
    let mut options = plan.options.clone();
    if options.on_overflow == OnOverflow::Extend && blueprint.positions.limit().is_some() {
        // A table of positions ends.
        options.on_overflow = OnOverflow::Error;
    }
    let inputs =
        Inputs { tokenizer: plan.tokenizer, context_len: blueprint.context_len, roots: plan.roots, options: &options };
    let suite = Suite::build(plan.tasks, &inputs)?;
    let calibration = building::calibration(plan, blueprint.context_len, blueprint.vocab_size)?;
    let reference = recipes.iter().position(|name| name == "none").unwrap_or(0);
    let mut filed: Vec<Filed> = plan.recipes.iter().map(|recipe| Filed::new(recipe, calibration.as_ref())).collect();
    let mut built: Vec<&Recipe> = plan.recipes.iter().collect();
    if plan.fidelity.noise_floor == NoiseFloor::Measure {
        let rounded = filed[reference].rounded();
        recipes.push(rounded.name.clone());
        filed.push(rounded);
        built.push(&plan.recipes[reference]);
    }
    observer.phase(Phase::HashingModel);
    let hashes = plan.checkpoint.sha256()?;
    let identity = identity(plan, &hashes);
    let mut manifest = Manifest::new(&identity, &recipes, calibration.as_ref(), &suite, &options);
    if plan.fidelity.kl_documents > 0 {
        manifest.set_option("kl_documents", plan.fidelity.kl_documents);
    }
    let digest = identity.digest();
    let mut directory = RunDirectory::open(plan.output, plan.existing, &manifest, &digest)?;
    let longest = blueprint.positions.limit().map_or(blueprint.context_len, |limit| limit.min(blueprint.context_len));
    let mut recorder = plan.output.and_then(|_| Recorder::begin(&plan.efficiency, plan.runtime, &digest, longest));
    let mut invocation = Invocation::begin(plan.runtime);

    let run = Run { plan, suite: &suite, filed, reference, calibration: calibration.as_ref(), hashes: &hashes };
    let mut summary =
        RunSummary { status: Status::Complete, variants: Vec::new(), differences: Vec::new(), unmeasured: Vec::new() };
    let per_recipe = suite.tasks().iter().map(|task| task.document_count()).sum::<usize>();
    for (recipe, filed) in built.into_iter().zip(&run.filed) {
        run.ask(recipe, filed, &mut directory, &mut invocation, recorder.as_mut(), observer)?;
        let done = directory.done(&filed.key, &suite);
        let is_open = !divergence::missing(&run, filed, directory.journal()).is_empty();
        if done < per_recipe || is_open || directory.journal().weights(&filed.key)?.is_none() {
            let compared = divergence::documents(&suite, plan.fidelity.kl_documents).len() * (recipes.len() - 1);
            let (mut done, total) = (compared, per_recipe * recipes.len() + compared);
            for filed in &run.filed {
                done += directory.done(&filed.key, &suite);
                done -= divergence::missing(&run, filed, directory.journal()).len();
            }
            summary.status = Status::Incomplete { done, total };
            break;
        }
        observer.phase(Phase::WritingResults { recipe: &filed.name });
        let variant = results::variant(plan.model, filed, &suite, directory.journal(), plan.options.seed)?;
        directory.write_variant(&manifest, &suite, &variant)?;
        building::forget(plan, &hashes, recipe, calibration.as_ref())?;
        summary.variants.push(variant);
    }
    if summary.status == Status::Complete {
        observer.phase(Phase::CheckingModel);
        if let Err(changed) = plan.checkpoint.verify_unchanged(&hashes) {
            directory.discard(&manifest)?;
            return Err(changed.into());
        }
    }
    let (variants, journal) = (&summary.variants, directory.journal());
    let settings = comparison::Settings { seed: plan.options.seed, kl_documents: plan.fidelity.kl_documents };
    summary.differences = comparison::differences(variants, reference, &suite, journal, settings)?;
    directory.write_summary(&summary, invocation)?;
    if let (Some(recorder), Some(output)) = (&mut recorder, plan.output) {
        recorder.write(output)?;
        summary.unmeasured = recorder.stopped().to_vec();
    }
    Ok(summary)
}

/// A plan with what it led to.
struct Run<'a> {
    plan: &'a Plan<'a>,
    suite: &'a Suite<'a>,
    /// The recipes, in their order, and the noise floor.
    filed: Vec<Filed>,
    /// Which of them is the baseline.
    reference: usize,
    calibration: Option<&'a Calibration>,
    /// SHA-256 of the checkpoint's files.
    hashes: &'a [(String, String)],
}

impl Run<'_> {
    /// Builds the model of a recipe and asks it what is missing, unless nothing is.
    fn ask(
        &self,
        recipe: &Recipe,
        filed: &Filed,
        directory: &mut RunDirectory,
        invocation: &mut Invocation,
        recorder: Option<&mut Recorder<'_>>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let (plan, journal) = (self.plan, directory.journal());
        let missing = asking::missing(&filed.key, self.suite, journal);
        let apart = divergence::missing(self, filed, journal);
        let is_done = missing.is_empty() && apart.is_empty() && journal.weights(&filed.key)?.is_some();
        let subject = Subject { recipe: &filed.name, key: &filed.key };
        // The noise floor has the baseline's speed.
        let recorder = recorder.filter(|_| filed.rounding == InputRounding::None);
        let recorder = recorder.and_then(|recorder| recorder.lacks(subject).then_some(recorder));
        let is_built_again = recorder.is_some() && plan.efficiency.mode == Mode::Measure;
        if plan.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if is_done && !is_built_again {
            recorder.into_iter().for_each(|recorder| recorder.leave_out(subject));
            return Ok(());
        }
        observer.phase(Phase::Building { recipe: &filed.name });
        let mut timing = invocation.recipe(&filed.name);
        let built = building::build(plan, self.hashes, recipe, self.calibration, observer)?;
        timing.built();
        let Some(Quantized { model, layers }) = built else { return Ok(()) };
        let size = model.size();
        let weights = Weights {
            nominal_bits_per_weight: size.nominal_bits_per_weight(),
            true_bits_per_weight: size.true_bits_per_weight(),
            weight_bytes: size.bytes as u64,
            layers: layers.iter().map(LayerReport::to_json).collect(),
        };
        journal.append_weights(&filed.key, weights)?;
        observer.phase(Phase::Asking { recipe: &filed.name });
        let decoder = Decoder::new(&model, plan.runtime).with_inputs(filed.rounding);
        let counts = asking::ask(self, filed, decoder, &missing, journal, observer)?;
        timing.asked(counts);
        if let Some(recorder) = recorder {
            // While no other model is in memory.
            observer.phase(Phase::Measuring { recipe: &filed.name });
            recorder.measure(subject, &model, decoder, plan.stop)?;
        }
        if !apart.is_empty() && !plan.stop.load(Ordering::Relaxed) {
            observer.phase(Phase::Comparing { recipe: &filed.name });
            let reference = &plan.recipes[self.reference];
            let built = building::build(plan, self.hashes, reference, self.calibration, observer)?;
            if let Some(baseline) = built {
                let models = [Decoder::new(&baseline.model, plan.runtime), decoder];
                divergence::measure(self, filed, models, &apart, journal)?;
            }
        }
        journal.sync()
    }
}

/// The canonical spellings of the recipes.
fn recipe_names(plan: &Plan<'_>) -> Result<Vec<String>, Error> {
    if plan.recipes.is_empty() {
        return Err(Error::EmptyPlan { what: "no recipe is given (--quant)" });
    }
    if plan.tasks.is_empty() {
        return Err(Error::EmptyPlan { what: "no task is given (--tasks)" });
    }
    let mut names: Vec<String> = Vec::with_capacity(plan.recipes.len());
    for recipe in plan.recipes {
        let name = recipe.to_string();
        if names.contains(&name) {
            return Err(Error::RepeatedRecipe { recipe: name });
        }
        names.push(name);
    }
    Ok(names)
}

/// The model by its bytes: its files, and the vocabulary where that is none of them.
fn identity(plan: &Plan<'_>, hashes: &[(String, String)]) -> ModelIdentity {
    let mut files = hashes.to_vec();
    let vocabulary = plan.tokenizer.vocabulary_file();
    if !files.iter().any(|(name, _)| name == vocabulary) {
        files.push((vocabulary.to_string(), plan.tokenizer.sha256().to_string()));
        files.sort();
    }
    ModelIdentity { name: plan.model.to_string(), files }
}
