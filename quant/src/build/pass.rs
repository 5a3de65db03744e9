//! Passes of a block over the calibration text: what they gather, and how far all of them are.

use super::{Build, BuildObserver, Progress, Stage};
use crate::method::Needs;
use crate::statistics::InputStatistics;
use engine::blueprint::Blueprint;
use engine::model::{BlockInput, Model};
use engine::runtime::Runtime;
use engine::walk::Watch;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Counts work in products of two numbers, and tells the observer.
pub(super) struct Meter<'a> {
    pub(super) observer: &'a mut dyn BuildObserver,
    stop: &'a AtomicBool,
    stage: Stage,
    block: usize,
    blocks: usize,
    done: f64,
    total: f64,
    /// Of a block.
    each: f64,
    /// Of one token in a block, and in its Hessians.
    token: f64,
    hessian_token: f64,
}

/// A pass that gathers what layers read.
pub(super) struct Gathering<'m, 'a> {
    pub(super) runtime: &'m Runtime,
    pub(super) parts: Vec<(BlockInput, InputStatistics)>,
    pub(super) meter: &'m mut Meter<'a>,
}

/// A pass that only makes the next block's inputs.
pub(super) struct Passing<'m, 'a>(pub(super) &'m mut Meter<'a>);

impl<'a> Meter<'a> {
    pub(super) fn new(build: &Build<'a>, model: &Model, tokens: usize, observer: &'a mut dyn BuildObserver) -> Self {
        let blueprint = &model.blueprint;
        let (token, solving) = costs(blueprint);
        let squares: f64 = BlockInput::ALL.iter().map(|input| square(input.columns(blueprint))).sum();
        // Hessians and what is solved with them.
        let (squares, solving) = match build.recipe.method().needs {
            Needs::Inputs => (squares, solving),
            _ => (0.0, 0.0),
        };
        let passes = build.rounds().len() as f64;
        let block = tokens as f64 * ((passes + 1.0) * token + squares / 2.0) + solving;
        Self {
            observer,
            stop: build.stop,
            stage: Stage::Gathering,
            block: 0,
            blocks: blueprint.layers,
            done: 0.0,
            // Nobody reads what comes out of the last block.
            total: block * blueprint.layers as f64 - tokens as f64 * token,
            each: block,
            token,
            hessian_token: squares / 2.0 / passes,
        }
    }

    pub(super) fn begin(&mut self, block: usize) {
        self.block = block;
    }

    /// The block was quantized by an earlier run: all that is left is a pass of so many tokens.
    pub(super) fn stored(&mut self, tokens: usize) {
        let before = (self.block + 1) as f64 * self.each - tokens as f64 * self.token;
        self.add(Stage::Passing, before - self.done);
    }

    /// A matrix of this size is quantized.
    pub(super) fn solved(&mut self, rows: usize, columns: usize) {
        let work = if self.hessian_token > 0.0 { rows as f64 * square(columns) } else { 0.0 };
        self.add(Stage::Solving, work);
    }

    fn passed(&mut self, stage: Stage, work: f64) -> ControlFlow<()> {
        self.add(stage, work);
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn add(&mut self, stage: Stage, work: f64) {
        self.stage = stage;
        self.done += work;
        let share = (self.done / self.total).min(1.0);
        self.observer.progress(Progress { stage, block: self.block, blocks: self.blocks, share });
    }
}

impl Watch for Gathering<'_, '_> {
    fn input(&mut self, input: BlockInput, x: &[f32]) {
        if let Some((_, statistics)) = self.parts.iter_mut().find(|(known, _)| *known == input) {
            let kernels = self.runtime.kernels();
            self.runtime.run(|| statistics.add(kernels, x));
        }
    }

    fn passed(&mut self, tokens: usize) -> ControlFlow<()> {
        let each = self.meter.token + self.meter.hessian_token;
        self.meter.passed(Stage::Gathering, tokens as f64 * each)
    }
}

impl Watch for Passing<'_, '_> {
    fn input(&mut self, _: BlockInput, _: &[f32]) {}

    fn passed(&mut self, tokens: usize) -> ControlFlow<()> {
        let work = tokens as f64 * self.0.token;
        self.0.passed(Stage::Passing, work)
    }
}

/// Products of a token in a block, and of quantizing the block's matrices.
fn costs(blueprint: &Blueprint) -> (f64, f64) {
    let (query, kv) = (blueprint.heads * blueprint.head_dim, blueprint.kv_heads * blueprint.head_dim);
    let up = if blueprint.tensors.blocks.iter().any(|block| block.gate.is_some()) { 2 } else { 1 };
    let matrices = [
        (query + 2 * kv, blueprint.d_model),
        (blueprint.d_model, query),
        (up * blueprint.d_ff, blueprint.d_model),
        (blueprint.d_model, blueprint.d_ff),
    ];
    let token = matrices.iter().map(|&(rows, columns)| (rows * columns) as f64).sum();
    (token, matrices.iter().map(|&(rows, columns)| rows as f64 * square(columns)).sum())
}

fn square(columns: usize) -> f64 {
    columns as f64 * columns as f64
}
