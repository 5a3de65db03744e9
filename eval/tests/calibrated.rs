//! Methods that look at inputs against float64 PyTorch on a trained checkpoint (`shared/golden/real`): calibration tokens,
//! the loss of every matrix, perplexities.

mod stories;

use engine::decoder::Decoder;
use engine::format::DenseMatrix;
use engine::linear::Weights;
use engine::model::{BlockInput, Builder, LinearSource};
use engine::tensor::{Dtype, TensorBytes};
use engine::walk::{Walk, Watch};
use kernels::{CodeBits, Kernels};
use quant::build::{Build, Unobserved};
use quant::hessian::Hessian;
use quant::inverse_factor::InverseFactor;
use quant::spqr;
use quant::{Quantized, Recipe};
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use stories::Stories;

impl Stories {
    fn quantized(&self, recipe: &str) -> Quantized {
        let build = Build {
            checkpoint: &self.checkpoint,
            recipe: &Recipe::parse(recipe).unwrap(),
            runtime: &self.runtime,
            calibration: Some(&self.calibration()),
            cache: None,
            available_bytes: None,
            stop: &AtomicBool::new(false),
        };
        build.run(&mut Unobserved).unwrap().unwrap()
    }

    /// Relative errors against `golden`: the largest of a loss in the first block and in the others, and the
    /// perplexity's.
    fn errors(&self, recipe: &str, golden: &Value) -> [f64; 3] {
        let Quantized { model, layers } = self.quantized(recipe);
        let expected = golden["layers"].as_array().unwrap();
        assert_eq!(layers.len(), expected.len());
        let mut largest = [0.0; 2];
        let mut outliers = [0; 2];
        for (layer, expected) in layers.iter().zip(expected) {
            let name = format!("model.layers.{}.weight", expected["layer"].as_str().unwrap());
            assert_eq!((&layer.tensor, layer.rows as u64), (&name, expected["shape"][0].as_u64().unwrap()));
            let error = (layer.loss.unwrap() / expected["loss"].as_f64().unwrap() - 1.0).abs();
            let largest = &mut largest[usize::from(layer.layer > 0)];
            *largest = f64::max(*largest, error);
            if let Some(expected) = expected["outliers"].as_u64() {
                let found = layer.outliers.unwrap() as u64;
                assert!(layer.layer > 0 || found == expected, "{recipe}, {name}: {found} outliers for {expected}");
                outliers = [outliers[0] + found, outliers[1] + expected];
            }
        }
        let (found, expected) = (self.perplexity(&model), golden["ppl_f64"].as_f64().unwrap());
        let error = (found / expected - 1.0).abs();
        let [first, others] = largest;
        println!(
            "{recipe}: losses within {first:.1e} in the first block and {others:.1e} in the others, outliers {} for {}, \
             perplexity {found} for {expected}, {error:.1e} relative",
            outliers[0], outliers[1]
        );
        assert!(outliers[0].abs_diff(outliers[1]) <= 5 + outliers[1] / 20, "{recipe}: {outliers:?}");
        [first, others, error]
    }
}

#[test]
fn the_calibration_tokens_are_those_of_the_reference() {
    let Some(stories) = Stories::open() else { return };
    let (found, expected) = (stories.calibration().identity().to_json(), &stories.golden["calibration"]);
    assert_eq!(found["ids_sha256"], expected["ids_sha256_u32le"]);
    assert_eq!((&found["sequences"], &found["length"]), (&expected["windows"], &expected["window"]));
}

/// Bits and tau of the reference's SpQR results.
fn spqr_settings(name: &str) -> (&str, f64) {
    match name.strip_suffix("_no_outliers") {
        Some(bits) => (bits, f64::INFINITY),
        None => (name, 0.2),
    }
}

/// The walk and the solver, with weights as chosen and not as stored: every loss, every count of outliers.
#[test]
fn spqr_chooses_what_the_reference_chooses() {
    let Some(stories) = Stories::open() else { return };
    let calibration = stories.calibration();
    let kernels = stories.runtime.kernels();
    for (name, golden) in stories.golden["spqr"].as_object().unwrap().iter().filter(|(name, _)| *name != "settings") {
        let (bits, tau) = spqr_settings(name);
        let bits = CodeBits::from_bits(bits[1..].parse().unwrap()).unwrap();
        let settings = spqr::Settings { tau, ..spqr::Settings::new(bits) };
        let mut expected = golden["layers"].as_array().unwrap().iter();
        let mut builder = Builder::new(&stories.checkpoint).unwrap();
        let dense = &mut |source: LinearSource| Ok::<_, engine::Error>(Weights::Dense(source.matrix));
        let mut model = builder.without_blocks(dense).unwrap();
        let mut walk = Walk::begin(Decoder::new(&model, &stories.runtime), calibration.sequences()).unwrap();
        for layer in 0..model.blueprint.layers {
            let mut block = builder.block(layer).unwrap();
            let hessian = |input: BlockInput| (input, Hessian::new(input.columns(&model.blueprint, layer)));
            let mut gathering = Gathering { kernels, hessians: block.inputs().into_iter().map(hessian).collect() };
            let decoder = Decoder::new(&model, &stories.runtime);
            assert!(walk.watch(decoder, layer, &block, &mut gathering).unwrap().is_continue());
            for (input, mut hessian) in gathering.hessians {
                (0..calibration.sequences().len()).for_each(|_| hessian.add_sequence(kernels, &[]));
                let factor = InverseFactor::new(kernels, hessian, &settings.preparation()).unwrap();
                for role in input.roles() {
                    let source = block.source(&model.blueprint, layer, role).unwrap();
                    let solution = spqr::solve(kernels, &source.matrix, &factor, &settings);
                    let expected = expected.next().unwrap();
                    let error = (solution.loss / expected["loss"].as_f64().unwrap() - 1.0).abs();
                    assert!(error < 1e-5, "{name}, {}: {error:e}", source.tensor);
                    assert_eq!(solution.outliers.len() as u64, expected["outliers"].as_u64().unwrap(), "{name}");
                    let (columns, weights) = (source.matrix.columns(), solution.weights());
                    let mut bytes = vec![0; 4 * weights.len()];
                    for (index, weight) in weights.iter().enumerate() {
                        let at = 4 * (index / columns * columns + factor.feature(index % columns));
                        bytes[at..at + 4].copy_from_slice(&(*weight as f32).to_le_bytes());
                    }
                    let rows = source.matrix.rows();
                    let chosen = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::F32, rows, columns);
                    block.replace(role, Weights::Dense(chosen));
                }
            }
            let decoder = Decoder::new(&model, &stories.runtime);
            assert!(
                walk.pass(decoder, layer, &block, &mut Gathering { kernels, hessians: Vec::new() })
                    .unwrap()
                    .is_continue()
            );
            model.blocks.push(block);
        }
        let (found, expected) = (stories.perplexity(&model), golden["ppl_f64"].as_f64().unwrap());
        let error = (found / expected - 1.0).abs();
        println!("spqr {name} as chosen: perplexity {found} for {expected}, {error:.1e} relative");
        assert!(error < 1e-5, "{name}: {found} for {expected}, {error:e} relative");
    }
}

/// Sums the Hessians of a block; none of a pass that only goes on.
struct Gathering<'a> {
    kernels: &'a Kernels,
    hessians: Vec<(BlockInput, Hessian)>,
}

impl Watch for Gathering<'_> {
    fn input(&mut self, input: BlockInput, x: &[f32]) {
        if let Some((_, hessian)) = self.hessians.iter_mut().find(|(known, _)| *known == input) {
            hessian.add_tokens(self.kernels, x);
        }
    }

    fn passed(&mut self, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// As packed: outliers of an f32 checkpoint are held in two halves, and what later blocks see is what the reference sees.
#[test]
fn spqr_as_stored_has_the_perplexities_of_the_reference() {
    let Some(stories) = Stories::open() else { return };
    for (name, golden) in stories.golden["spqr"].as_object().unwrap().iter().filter(|(name, _)| *name != "settings") {
        let (bits, tau) = spqr_settings(name);
        let recipe = format!("spqr:{bits}a32g16{}", if tau.is_finite() { "" } else { ":tau=none" });
        let [first, others, perplexity] = stories.errors(&recipe, golden);
        assert!(first < 1e-6 && others < 1e-3 && perplexity < 1e-3, "{recipe}: {others:e}, {perplexity:e}");
    }
}

#[test]
fn gptq_has_the_losses_and_perplexities_of_the_reference() {
    let Some(stories) = Stories::open() else { return };
    let mut done = 0;
    for (name, golden) in stories.golden["gptq"].as_object().unwrap() {
        let Some((bits, form)) = name.split_once('_') else { continue };
        let recipe = match form {
            "per_row" => format!("gptq:{bits}a32"),
            "g32_in_place" => format!("gptq:{bits}a32g32"),
            "g32_original_b128" => format!("gptq:{bits}a32g32:grid=original"),
            _ => continue,
        };
        let [first, others, perplexity] = stories.errors(&recipe, golden);
        assert!(first < 1e-6 && others < 1e-6 && perplexity < 1e-5, "{recipe}: {first:e}, {others:e}, {perplexity:e}");
        done += 1;
    }
    assert_eq!(done, 10);
}
