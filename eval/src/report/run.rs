//! A finished run as reports see it: read back from its directory, or taken from what was just computed.
//!
//! Nothing of `run.json` is read: what a report shows must be the same bytes for two runs of one plan.

use super::efficiency::Efficiency;
use super::parse;
use crate::comparison::Difference;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::runner::{RunSummary, TaskResult, is_rounded};
use quant::Recipe;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What its results call the model.
    pub model: String,
    /// `manifest.json`; null where the run was written nowhere.
    pub manifest: Value,
    /// What the baseline is called.
    pub baseline: String,
    /// Its recipes, in the order of the plan, and the noise floor where it was measured.
    pub variants: Vec<Variant>,
    /// Differences from the baseline.
    pub changes: Vec<Change>,
    /// Speed and memory, where they were measured.
    pub efficiency: Option<Efficiency>,
    /// How each task was asked, by its id: the configurations of `results.json`.
    pub configurations: Value,
}

/// The model under one recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Recipe in canonical spelling.
    pub recipe: String,
    /// Its method.
    pub method: String,
    /// Bits of a code where the recipe has codes.
    pub bits: Option<u32>,
    /// Bits a weight that the recipe is named after.
    pub nominal_bits: f64,
    /// Bits a weight that are stored, scales and padding included.
    pub true_bits: f64,
    /// Bytes of all weights.
    pub weight_bytes: u64,
    /// Groups of tasks, then tasks.
    pub tasks: Vec<Task>,
    /// Matrices that a method quantized by looking at their inputs.
    pub layers: Vec<Layer>,
}

/// A task or a group of tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Full id.
    pub id: String,
    /// Whether it was asked for by name, not only as a member of a group.
    pub requested: bool,
    /// Metrics, the main one first.
    pub scores: Vec<Score>,
    /// Documents scored.
    pub documents: u64,
    /// Documents without a result, because of a NaN or an infinity.
    pub failed: u64,
    /// Documents left out.
    pub skipped: u64,
}

/// A metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Its name, with its filter where it has one.
    pub metric: String,
    /// Its value, unless documents failed.
    pub value: Option<f64>,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// Its 95 % interval, and what made it.
    pub interval: Option<(f64, f64, String)>,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// How a task's main metric differs from the baseline's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Full id of the task.
    pub task: String,
    /// Recipe.
    pub recipe: String,
    /// Metric.
    pub metric: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Value minus the baseline's value.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Name of the test.
    pub test: String,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// The same after Holm's correction.
    pub p_corrected: Option<f64>,
    /// Smallest change of the mean score that the test finds four times in five.
    pub detectable: Option<f64>,
    /// Right answers that became wrong, and wrong ones that became right.
    pub lost_gained: Option<(u64, u64)>,
    /// Wrong answers that became other wrong answers.
    pub other_wrong: Option<u64>,
    /// Documents whose answers were compared.
    pub answers: Option<u64>,
    /// Share of documents with the same answer.
    pub agreement: Option<f64>,
    /// Divergence of the choices' probabilities from the baseline's and from the recipe's, nats a document.
    pub choice_kl: Option<(f64, f64)>,
    /// Divergence of next-token distributions likewise, nats a position.
    pub token_kl: Option<(f64, f64)>,
    /// Whether rounding alone makes a difference as large.
    pub below_noise: Option<bool>,
}

/// What quantizing did to one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name of its tensor.
    pub tensor: String,
    /// Block, from 0.
    pub block: u64,
    /// Number of its weights.
    pub weights: u64,
    /// The loss that the method tracked on calibration inputs.
    pub loss: Option<f64>,
    /// Weights kept apart.
    pub outliers: Option<u64>,
}

impl Run {
    /// Reads a run directory.
    ///
    /// # Errors
    /// [`Error::NoRun`] where there is no finished run, files that cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        parse::run(directory)
    }

    /// A run that was just computed, without what only its directory has.
    pub fn of(summary: &RunSummary) -> Self {
        let variants: Vec<Variant> = (summary.variants.iter())
            .map(|variant| Variant {
                tasks: variant.results.iter().map(Task::of).collect(),
                layers: variant.weights.layers.iter().filter_map(parse::layer).collect(),
                ..Variant::named(
                    &variant.recipe,
                    variant.weights.nominal_bits_per_weight,
                    variant.weights.true_bits_per_weight,
                    variant.weights.weight_bytes,
                )
            })
            .collect();
        Self {
            model: summary.variants.first().map(|variant| variant.model.clone()).unwrap_or_default(),
            manifest: Value::Null,
            baseline: baseline(&variants),
            changes: summary.differences.iter().map(Change::of).collect(),
            variants,
            efficiency: None,
            configurations: Value::Null,
        }
    }

    /// The variant that the others are compared with.
    pub fn reference(&self) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.recipe == self.baseline)
    }

    /// The recipes but the noise floor.
    pub fn recipes(&self) -> impl Iterator<Item = &Variant> {
        self.variants.iter().filter(|variant| !is_rounded(&variant.recipe))
    }

    /// The recipes that are compared with the baseline, without the noise floor.
    pub fn compared(&self) -> impl Iterator<Item = &Variant> {
        self.recipes().filter(|variant| variant.recipe != self.baseline)
    }

    /// The difference of a recipe from the baseline in a task.
    pub fn change(&self, recipe: &str, task: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.recipe == recipe && change.task == task)
    }
}

/// The recipe that others are compared with: `none`, or else the first one.
pub(super) fn baseline(variants: &[Variant]) -> String {
    let none = variants.iter().find(|variant| variant.recipe == "none");
    none.or(variants.first()).map(|variant| variant.recipe.clone()).unwrap_or_default()
}

impl Variant {
    /// A variant without tasks.
    pub(super) fn named(recipe: &str, nominal_bits: f64, true_bits: f64, weight_bytes: u64) -> Self {
        let parsed = Recipe::parse(recipe).ok();
        let method = parsed.as_ref().map_or("none", |recipe| recipe.method().name).to_string();
        let bits = parsed.and_then(|recipe| recipe.nominal_bits());
        let recipe = recipe.to_string();
        Self { recipe, method, bits, nominal_bits, true_bits, weight_bytes, tasks: Vec::new(), layers: Vec::new() }
    }

    /// A task by its full id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// Share of the weights of quantized matrices that is kept apart; `None` where the method keeps none apart.
    pub fn outlier_share(&self) -> Option<f64> {
        let kept: Vec<(u64, u64)> =
            self.layers.iter().filter_map(|layer| Some((layer.outliers?, layer.weights))).collect();
        let (outliers, weights) = kept.iter().fold((0, 0), |(a, b), (outliers, weights)| (a + outliers, b + weights));
        (weights > 0).then(|| outliers as f64 / weights as f64)
    }
}

impl Task {
    fn of(result: &TaskResult) -> Self {
        let score = |metric: &crate::runner::ReportedMetric| Score {
            metric: metric.label(),
            value: metric.value,
            standard_error: metric.standard_error,
            interval: metric.interval.map(|it| (it.ends.low, it.ends.high, it.method.name().to_string())),
            higher_is_better: metric.higher_is_better,
        };
        Self {
            id: result.id.clone(),
            requested: result.requested,
            scores: result.metrics.iter().map(score).collect(),
            documents: result.counts.effective as u64,
            failed: result.failed as u64,
            skipped: result.skipped as u64,
        }
    }

    /// A metric by its name.
    pub fn score(&self, metric: &str) -> Option<&Score> {
        self.scores.iter().find(|score| score.metric == metric)
    }

    /// The main metric.
    pub fn main(&self) -> Option<&Score> {
        self.scores.first()
    }
}

impl Change {
    fn of(difference: &Difference) -> Self {
        let paired = &difference.paired;
        let fidelity = paired.fidelity.as_ref();
        let choices = fidelity.and_then(|fidelity| fidelity.divergence.as_ref());
        Self {
            task: difference.task.clone(),
            recipe: difference.recipe.clone(),
            metric: difference.metric.clone(),
            higher_is_better: difference.higher_is_better,
            difference: difference.change(),
            interval: difference.interval.map(|interval| (interval.low, interval.high)),
            test: difference.test_name().to_string(),
            p_value: paired.p_value,
            p_corrected: difference.p_corrected,
            detectable: paired.detectable,
            lost_gained: paired.discordant.map(|counts| (counts.lost, counts.gained)),
            other_wrong: fidelity.and_then(|fidelity| fidelity.flips).map(|flips| flips.other_wrong as u64),
            answers: fidelity.map(|fidelity| fidelity.documents as u64),
            agreement: fidelity.map(|fidelity| fidelity.agreement),
            choice_kl: choices.map(|it| (it.from_baseline, it.from_variant)),
            token_kl: difference.tokens.as_ref().map(|it| (it.from_baseline, it.from_variant)),
            below_noise: difference.noise.map(|noise| noise.covers),
        }
    }

    /// Whether it is significant at 5 % after correction.
    pub fn is_significant(&self) -> bool {
        self.p_corrected.is_some_and(|p| p < 0.05)
    }

    /// Whether it is significant, no noise, and for the worse.
    pub fn is_worse(&self) -> bool {
        self.is_told_apart() && (self.difference > 0.0) != self.higher_is_better
    }

    /// Whether it is significant, no noise, and for the better.
    pub fn is_better(&self) -> bool {
        self.is_told_apart() && (self.difference > 0.0) == self.higher_is_better
    }

    fn is_told_apart(&self) -> bool {
        self.is_significant() && self.difference != 0.0 && self.below_noise != Some(true)
    }
}

/// The runs in `paths`: run directories, and directories that contain run directories, smallest models first. Runs of
/// models with one name are told apart by numbers.
///
/// # Errors
/// Those of [`Run::read`], and a directory without any run.
pub fn runs(paths: &[PathBuf]) -> Result<Vec<Run>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if Manifest::read(path)?.is_some() {
            found.push(Run::read(path)?);
            continue;
        }
        let mut inside = Vec::new();
        for directory in subdirectories(path)? {
            if Manifest::read(&directory)?.is_some() {
                inside.push(Run::read(&directory)?);
            }
        }
        if inside.is_empty() {
            return Err(Error::NoRun {
                directory: path.clone(),
                what: "there is no manifest.json, neither here nor one level below".into(),
                fix: "name the --output_path of a `nibble eval`".into(),
            });
        }
        inside.sort_by_key(|run| (run.reference().map(|variant| variant.weight_bytes), run.model.clone()));
        found.extend(inside);
    }
    let names: Vec<String> = found.iter().map(|run| run.model.clone()).collect();
    for (index, run) in found.iter_mut().enumerate() {
        let before = names[..index].iter().filter(|name| **name == run.model).count();
        if before > 0 {
            run.model = format!("{} ({})", run.model, before + 1);
        }
    }
    Ok(found)
}

fn subdirectories(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let problem = |source| Error::Output { action: "read", path: path.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(problem)? {
        let entry = entry.map_err(problem)?.path();
        if entry.is_dir() {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a variant is the noise floor: the baseline's weights with rounded inputs.
pub(super) fn is_noise(variant: &Variant) -> bool {
    is_rounded(&variant.recipe)
}
