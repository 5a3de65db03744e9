//! Methods that look at inputs against float64 PyTorch on a trained checkpoint (`shared/golden/real`): calibration tokens,
//! the loss of every matrix, perplexities.

mod stories;

use quant::build::{Build, Unobserved};
use quant::{Quantized, Recipe};
use serde_json::Value;
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

    /// Largest relative error of a loss, and relative error of the perplexity, against `golden`.
    fn errors(&self, recipe: &str, golden: &Value) -> (f64, f64) {
        let Quantized { model, layers } = self.quantized(recipe);
        let expected = golden["layers"].as_array().unwrap();
        assert_eq!(layers.len(), expected.len());
        let mut largest = 0.0;
        for (layer, expected) in layers.iter().zip(expected) {
            let name = format!("model.layers.{}.weight", expected["layer"].as_str().unwrap());
            assert_eq!((&layer.tensor, layer.rows as u64), (&name, expected["shape"][0].as_u64().unwrap()));
            largest = f64::max(largest, (layer.loss.unwrap() / expected["loss"].as_f64().unwrap() - 1.0).abs());
            if let Some(outliers) = expected["outliers"].as_u64() {
                assert_eq!(layer.outliers, Some(outliers as usize), "{recipe}, {name}");
            }
        }
        let (found, expected) = (self.perplexity(&model), golden["ppl_f64"].as_f64().unwrap());
        let error = (found / expected - 1.0).abs();
        println!("{recipe}: losses within {largest:.1e}, perplexity {found} for {expected}, {error:.1e} relative");
        (largest, error)
    }
}

#[test]
fn the_calibration_tokens_are_those_of_the_reference() {
    let Some(stories) = Stories::open() else { return };
    let (found, expected) = (stories.calibration().identity().to_json(), &stories.golden["calibration"]);
    assert_eq!(found["ids_sha256"], expected["ids_sha256_u32le"]);
    assert_eq!((&found["sequences"], &found["length"]), (&expected["windows"], &expected["window"]));
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
        let (loss, perplexity) = stories.errors(&recipe, golden);
        assert!(loss < 1e-6 && perplexity < 1e-5, "{recipe}: {loss:e}, {perplexity:e}");
        done += 1;
    }
    assert_eq!(done, 10);
}
