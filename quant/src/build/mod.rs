//! A checkpoint quantized by a recipe, block by block where its method looks at inputs.
//!
//! The calibration sequences are embedded, and then, for each block in turn: the block as it is stored is applied to all
//! of them, and what its linear layers read is gathered; its matrices are quantized; the quantized block is applied, and
//! what comes out is the input of the next one (Frantar et al. 2023, the drivers of the authors' code). With
//! `true_sequential=true` inputs are gathered anew after each of query-key-value, output, gate-up and down.

mod layer;
mod memory;
mod pass;

pub use layer::QuantizedLayer;
pub use memory::{MemoryNeed, model_bytes};

use crate::cache::BlockCache;
use crate::calibration::Calibration;
use crate::error::Error;
use crate::method::{Chosen, Needs};
use crate::recipe::Recipe;
use crate::report::LayerReport;
use crate::statistics::InputStatistics;
use engine::checkpoint::Checkpoint;
use engine::decoder::Decoder;
use engine::linear::Weights;
use engine::model::{Block, BlockInput, Builder, LinearSource, Model};
use engine::runtime::Runtime;
use engine::walk::Walk;
use pass::{Gathering, Meter, Passing};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What is to be built, and with what.
pub struct Build<'a> {
    /// The weights.
    pub checkpoint: &'a Checkpoint,
    /// What is done to them.
    pub recipe: &'a Recipe,
    /// What computes.
    pub runtime: &'a Runtime,
    /// Text for methods that look at inputs.
    pub calibration: Option<&'a Calibration>,
    /// Where finished blocks are kept, and taken from.
    pub cache: Option<&'a BlockCache>,
    /// Memory that can be had, where it is known: a build that needs more is refused.
    pub available_bytes: Option<u64>,
    /// Set from outside to end the build where it is.
    pub stop: &'a AtomicBool,
}

/// A quantized model, and what was done to its matrices.
#[derive(Debug)]
pub struct Quantized {
    /// Ready to run.
    pub model: Model,
    /// One report a matrix of the blocks that was quantized, in the order of application; empty for methods that look
    /// at weights alone.
    pub layers: Vec<LayerReport>,
}

/// What a build is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A block is applied to the calibration text as it is stored.
    Gathering,
    /// Its matrices are quantized.
    Solving,
    /// It is applied as it was quantized.
    Passing,
}

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Block, 0-based.
    pub block: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Share of all work that is done, 0 to 1, by a count of its products.
    pub share: f64,
}

/// Who is told what a build is doing.
pub trait BuildObserver {
    /// The memory that it is going to take.
    fn memory(&mut self, need: &MemoryNeed);
    /// Something more is done.
    fn progress(&mut self, progress: Progress);
    /// A matrix is quantized.
    fn layer(&mut self, report: &LayerReport);
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl BuildObserver for Unobserved {
    fn memory(&mut self, _: &MemoryNeed) {}
    fn progress(&mut self, _: Progress) {}
    fn layer(&mut self, _: &LayerReport) {}
}

impl Build<'_> {
    /// Builds the model; `None` if it was stopped.
    ///
    /// # Errors
    /// What the checkpoint lacks or holds wrongly; a pattern of the recipe that matches no matrix of a block; a method
    /// that looks at inputs without calibration; more memory than there is; what the method finds.
    pub fn run(&self, observer: &mut dyn BuildObserver) -> Result<Option<Quantized>, Error> {
        match (self.recipe.method().needs, self.calibration) {
            (Needs::Weights, _) => {
                let model = crate::build_model(self.checkpoint, self.recipe, self.runtime)?;
                Ok(Some(Quantized { model, layers: Vec::new() }))
            }
            (_, None) => Err(Error::NoCalibration { recipe: self.recipe.to_string() }),
            (_, Some(calibration)) => self.block_by_block(calibration, observer),
        }
    }

    fn block_by_block(
        &self,
        calibration: &Calibration,
        observer: &mut dyn BuildObserver,
    ) -> Result<Option<Quantized>, Error> {
        let mut builder = Builder::new(self.checkpoint)?;
        self.recipe.check(&builder)?;
        let sequences = calibration.sequences();
        let tokens = sequences.iter().map(Vec::len).sum();
        let blocks = builder.blueprint().layers;
        // Behind the last block that is to be quantized nobody reads hidden states.
        let last = (0..blocks).rev().find(|&layer| !self.cache.is_some_and(|cache| cache.holds(layer)));
        if last.is_some() {
            let blueprint = builder.blueprint();
            let need = MemoryNeed::of(self.checkpoint, blueprint, self.recipe, tokens, self.available_bytes)?;
            observer.memory(&need);
            need.check(self.recipe)?;
        }
        let choose = &mut |source: LinearSource| self.recipe.choose_with(self.runtime.kernels(), source);
        let mut model = self.runtime.run(|| builder.without_blocks(choose))?;
        let mut meter = Meter::new(self, &model, tokens, observer);
        let mut walk = match last {
            Some(_) => Some(Walk::begin(Decoder::new(&model, self.runtime), sequences)?),
            None => None,
        };
        let mut layers = Vec::new();
        for layer in 0..blocks {
            meter.begin(layer);
            let mut block = builder.block(layer)?;
            let stored = match self.cache {
                Some(cache) => cache.load(layer, &mut block)?,
                None => None,
            };
            let reports = match (stored, &mut walk) {
                (Some(reports), _) => {
                    meter.stored(tokens);
                    reports
                }
                (None, Some(walk)) => match self.block(&model, layer, &mut block, walk, sequences.len(), &mut meter)? {
                    Some(reports) => reports,
                    None => return Ok(None),
                },
                (None, None) => return Err(Error::NoCalibration { recipe: self.recipe.to_string() }),
            };
            layers.extend(reports);
            if let Some(walk) = walk.as_mut().filter(|_| last.is_some_and(|last| layer < last)) {
                let decoder = Decoder::new(&model, self.runtime);
                if walk.pass(decoder, layer, &block, &mut Passing(&mut meter))?.is_break() {
                    return Ok(None);
                }
            }
            model.blocks.push(block);
        }
        let model = model.with_kv_precision(self.recipe.kv_precision())?;
        Ok(Some(Quantized { model, layers }))
    }

    /// Quantizes block `layer` and keeps it in the cache; `None` if that was stopped.
    fn block(
        &self,
        model: &Model,
        layer: usize,
        block: &mut Block,
        walk: &mut Walk<'_>,
        sequences: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Vec<LayerReport>>, Error> {
        let decoder = Decoder::new(model, self.runtime);
        let mut reports = Vec::new();
        for inputs in self.rounds(block) {
            let mut gathering = self.gathering(model, layer, block, &inputs, sequences, meter);
            if !gathering.parts.is_empty() && walk.watch(decoder, layer, block, &mut gathering)?.is_break() {
                return Ok(None);
            }
            for (input, statistics) in gathering.parts {
                reports.extend(self.quantize(model, layer, block, input, statistics, meter)?);
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
        }
        if let Some(cache) = self.cache {
            cache.store(layer, block, &reports)?;
        }
        Ok(Some(reports))
    }

    /// A pass that gathers those of `inputs` that a quantized matrix reads.
    fn gathering<'m, 'a>(
        &'m self,
        model: &Model,
        layer: usize,
        block: &Block,
        inputs: &[BlockInput],
        sequences: usize,
        meter: &'m mut Meter<'a>,
    ) -> Gathering<'m, 'a> {
        let sources = |input: BlockInput| sources(model, layer, block, input);
        let is_quantized = |input: &BlockInput| {
            sources(*input).iter().any(|source| self.recipe.scheme_of(&source.tensor, source.role).is_some())
        };
        let parts = inputs.iter().copied().filter(is_quantized);
        let statistics = |columns| match self.recipe.method().needs {
            Needs::Magnitudes => InputStatistics::of_magnitudes(columns),
            _ => InputStatistics::new(columns, sequences),
        };
        let parts = parts.map(|input| (input, statistics(input.columns(&model.blueprint, layer))));
        Gathering { runtime: self.runtime, parts: parts.collect(), meter }
    }

    /// Quantizes the matrices of `block` that read `input`.
    fn quantize(
        &self,
        model: &Model,
        layer: usize,
        block: &mut Block,
        input: BlockInput,
        statistics: InputStatistics,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<LayerReport>, Error> {
        let sources = sources(model, layer, block, input);
        let is_unseen = statistics.tokens == 0;
        let started = Instant::now();
        let chosen =
            self.runtime.run(|| self.recipe.choose_site(self.runtime.kernels(), &sources, Some(statistics)))?;
        let seconds = started.elapsed().as_secs_f64() / sources.len() as f64;
        let mut reports = Vec::new();
        for (source, chosen) in sources.into_iter().zip(chosen) {
            let Chosen { weights, loss, outliers } = chosen;
            let (rows, columns) = (weights.rows(), weights.columns());
            meter.solved(rows, columns);
            if !matches!(weights, Weights::Dense(_)) {
                let (tensor, role) = (source.tensor, source.role);
                let report = LayerReport { tensor, role, layer, rows, columns, loss, outliers, is_unseen, seconds };
                meter.observer.layer(&report);
                reports.push(report);
            }
            block.replace(source.role, weights);
        }
        Ok(reports)
    }

    /// Inputs that are gathered in one pass, pass after pass.
    fn rounds(&self, block: &Block) -> Vec<Vec<BlockInput>> {
        let all = block.inputs();
        if !self.recipe.is_true_sequential() {
            return vec![all];
        }
        let of = |is_wanted: fn(&BlockInput) -> bool| all.iter().copied().filter(is_wanted).collect();
        vec![
            of(|input| *input == BlockInput::Attention),
            of(|input| *input == BlockInput::Output),
            of(|input| matches!(input, BlockInput::FeedForward(_))),
            of(|input| matches!(input, BlockInput::Down(_))),
        ]
    }
}

/// The matrices of a block that read `input`, in the order of application.
fn sources(model: &Model, layer: usize, block: &Block, input: BlockInput) -> Vec<LinearSource> {
    input.roles().into_iter().filter_map(|role| block.source(&model.blueprint, layer, role)).collect()
}
