//! The built-in model, and its calibration with a few short sequences.

use engine::builtin;
use engine::checkpoint::Checkpoint;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use quant::build::Unobserved;
use quant::calibration::Options;
use quant::{Build, Calibration, Quantized, Recipe};
use std::sync::atomic::AtomicBool;

pub const LAYERS: usize = 3;

pub fn checkpoint() -> Checkpoint {
    builtin::checkpoint().unwrap()
}

pub fn runtime() -> Runtime {
    Runtime::new(Some(2), IsaChoice::Best).unwrap()
}

pub fn calibration() -> Calibration {
    let options = Options { samples: Some(3), length: Some(80), ..Options::default() };
    Calibration::read(&options, &Tokenizer::bytes_only().unwrap(), 4096, 258).unwrap()
}

pub fn build(recipe: &str) -> Model {
    let (checkpoint, recipe, runtime) = (checkpoint(), Recipe::parse(recipe).unwrap(), runtime());
    let (calibration, stop) = (calibration(), AtomicBool::new(false));
    let build = Build {
        checkpoint: &checkpoint,
        recipe: &recipe,
        runtime: &runtime,
        calibration: Some(&calibration),
        cache: None,
        available_bytes: None,
        stop: &stop,
    };
    let Quantized { model, .. } = build.run(&mut Unobserved).unwrap().unwrap();
    model
}
