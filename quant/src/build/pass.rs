//! Passes of a block over the calibration text: what they gather, and how far all of them are.

use super::{Build, BuildObserver, Progress, Stage};
use crate::method::Needs;
use crate::statistics::InputStatistics;
use engine::blueprint::{Blueprint, FeedForwardTensors};
use engine::model::{BlockInput, Mlp, Model};
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
        let Costs { token, squares, solving } = Costs::of(blueprint);
        // Hessians and what is solved with them.
        let (squares, solving) = match build.recipe.method().needs {
            Needs::Inputs => (squares, solving),
            _ => (0.0, 0.0),
        };
        let passes = if build.recipe.is_true_sequential() { 4.0 } else { 1.0 };
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

/// Products in a block, on average over the model.
struct Costs {
    /// Of a token in its matrices.
    token: f64,
    /// Of a token in its Hessians: squares of the features of its inputs.
    squares: f64,
    /// Of quantizing its matrices.
    solving: f64,
}

impl Costs {
    fn of(blueprint: &Blueprint) -> Self {
        let mut costs = Self { token: 0.0, squares: 0.0, solving: 0.0 };
        let shapes = blueprint.matrix_shapes();
        for (layer, block) in blueprint.tensors.blocks.iter().enumerate() {
            // A token goes to some of the experts.
            let share = match (&block.feed_forward, blueprint.routing) {
                (FeedForwardTensors::Experts(experts), Some(routing)) => {
                    routing.top_k as f64 / experts.experts.len() as f64
                }
                _ => 1.0,
            };
            for input in block.inputs() {
                let share = match input {
                    BlockInput::FeedForward(Mlp::Expert(_)) | BlockInput::Down(Mlp::Expert(_)) => share,
                    _ => 1.0,
                };
                let columns = input.columns(blueprint, layer);
                costs.squares += share * square(columns);
                for names in input.roles().into_iter().filter_map(|role| block.linear(role)) {
                    let of_tensor = shapes.get(names.weight.tensor.as_str()).map_or(0, |[rows, _]| *rows);
                    let rows = names.weight.rows_of(of_tensor) as f64;
                    costs.token += share * rows * columns as f64;
                    costs.solving += rows * square(columns);
                }
            }
        }
        let layers = blueprint.layers as f64;
        Self { token: costs.token / layers, squares: costs.squares / layers, solving: costs.solving / layers }
    }
}

fn square(columns: usize) -> f64 {
    columns as f64 * columns as f64
}
