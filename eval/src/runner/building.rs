//! From a recipe to a model: calibration text, finished blocks of an earlier run, and who is told.

use super::{Observer, Plan};
use crate::error::Error;
use crate::manifest::NUMERICS_VERSION;
use crate::task::hash_text;
use engine::decoder::InputRounding;
use quant::build::{BuildObserver, MemoryNeed, Progress};
use quant::report::LayerReport;
use quant::{BlockCache, Build, Calibration, Quantized, Recipe};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How methods that look at inputs get theirs.
#[derive(Clone, Debug, Default)]
pub struct Quantization {
    /// Calibration text.
    pub calibration: quant::calibration::Options,
    /// Where finished blocks are kept beyond the run; without one they are kept in the run directory until the recipe is
    /// done.
    pub cache: Option<PathBuf>,
    /// Memory that can be had, where it is known.
    pub available_bytes: Option<u64>,
}

/// What the building of a model has to tell.
#[derive(Clone, Copy, Debug)]
pub enum Building<'a> {
    /// The memory that it is going to take.
    Memory(&'a MemoryNeed),
    /// How far it is.
    Progress(Progress),
    /// A matrix is quantized.
    Layer(&'a LayerReport),
}

/// A recipe as a run files it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Canonical spelling.
    pub name: String,
    /// Its key in the journal: the spelling, and which calibration text it saw.
    pub key: String,
    /// What is done to the inputs of its products.
    pub rounding: InputRounding,
}

/// Folder of finished blocks in a run directory.
const CACHE: &str = "quant_cache";

/// Characters of a calibration's digest in a key.
const DIGEST_LEN: usize = 16;

impl Filed {
    /// `recipe`, calibrated by `calibration` if its method looks at inputs.
    pub fn new(recipe: &Recipe, calibration: Option<&Calibration>) -> Self {
        let name = recipe.to_string();
        let digest = calibration.filter(|_| recipe.method().needs.calibration());
        let digest = digest.map(|calibration| &calibration.identity().digest()[..DIGEST_LEN]);
        let key = digest.map_or_else(|| name.clone(), |digest| format!("{name}@{digest}"));
        Self { name, key, rounding: InputRounding::None }
    }
}

/// The calibration text of a plan, if one of its recipes needs it.
pub(super) fn calibration(
    plan: &Plan<'_>,
    context_len: usize,
    vocab_size: usize,
) -> Result<Option<Calibration>, Error> {
    let is_needed = plan.recipes.iter().any(|recipe| recipe.method().needs.calibration());
    let read = || Calibration::read(&plan.quantization.calibration, plan.tokenizer, context_len, vocab_size);
    Ok(if is_needed { Some(read()?) } else { None })
}

/// Finished blocks below `parent`, of the checkpoint whose files have these `hashes`; none for methods that look at
/// weights alone, which are quicker than a disk.
pub fn block_cache(
    parent: &Path,
    hashes: &[(String, String)],
    recipe: &Recipe,
    calibration: Option<&Calibration>,
) -> Option<BlockCache> {
    let calibration = calibration.filter(|_| recipe.method().needs.calibration())?;
    let parts = json!({
        "checkpoint": hashes,
        "recipe": recipe.to_string(),
        "calibration": calibration.identity().digest(),
        "numerics_version": NUMERICS_VERSION,
    });
    Some(BlockCache::new(parent, hash_text(&parts.to_string())))
}

/// Builds the model of a recipe; `None` if it was stopped.
pub(super) fn build(
    plan: &Plan<'_>,
    hashes: &[(String, String)],
    recipe: &Recipe,
    calibration: Option<&Calibration>,
    observer: &mut dyn Observer,
) -> Result<Option<Quantized>, Error> {
    let cache = cache_directory(plan).and_then(|parent| block_cache(&parent, hashes, recipe, calibration));
    let build = Build {
        checkpoint: plan.checkpoint,
        recipe,
        runtime: plan.runtime,
        calibration,
        cache: cache.as_ref(),
        available_bytes: plan.quantization.available_bytes,
        stop: plan.stop,
    };
    Ok(build.run(&mut Telling { recipe: &recipe.to_string(), observer })?)
}

/// Removes what the run directory keeps of a recipe that is done.
pub(super) fn forget(
    plan: &Plan<'_>,
    hashes: &[(String, String)],
    recipe: &Recipe,
    calibration: Option<&Calibration>,
) -> Result<(), Error> {
    if plan.quantization.cache.is_some() {
        return Ok(());
    }
    let Some(parent) = cache_directory(plan) else { return Ok(()) };
    if let Some(cache) = block_cache(&parent, hashes, recipe, calibration) {
        cache.remove()?;
        // Other recipes may have blocks in there.
        let _ = std::fs::remove_dir(&parent);
    }
    Ok(())
}

fn cache_directory(plan: &Plan<'_>) -> Option<PathBuf> {
    plan.quantization.cache.clone().or_else(|| plan.output.map(|output| output.join(CACHE)))
}

/// Passes on what a build tells.
struct Telling<'a> {
    recipe: &'a str,
    observer: &'a mut dyn Observer,
}

impl BuildObserver for Telling<'_> {
    fn memory(&mut self, need: &MemoryNeed) {
        self.observer.building(self.recipe, Building::Memory(need));
    }

    fn progress(&mut self, progress: Progress) {
        self.observer.building(self.recipe, Building::Progress(progress));
    }

    fn layer(&mut self, report: &LayerReport) {
        self.observer.building(self.recipe, Building::Layer(report));
    }
}
