//! Methods that choose weights alone to be quantized, on a trained checkpoint of the shared data: what each costs.

mod stories;

use quant::Recipe;
use quant::build::{Build, Unobserved};
use std::sync::atomic::AtomicBool;
use stories::Stories;

impl Stories {
    fn perplexity_of(&self, recipe: &str) -> f64 {
        let build = Build {
            checkpoint: &self.checkpoint,
            recipe: &Recipe::parse(recipe).unwrap(),
            runtime: &self.runtime,
            calibration: Some(&self.calibration()),
            cache: None,
            available_bytes: None,
            stop: &AtomicBool::new(false),
        };
        let model = build.run(&mut Unobserved).unwrap().unwrap().model;
        let (perplexity, size) = (self.perplexity(&model), model.size());
        println!("{recipe}: {perplexity:.4}, {:.3} bits a weight", size.true_bits_per_weight());
        perplexity
    }
}

#[test]
fn fewer_bits_cost_more_and_each_method_less_than_rounding() {
    let Some(stories) = Stories::open() else { return };
    let of = |method: &str| {
        ["w8g32", "w4g32", "w3g32", "w2g32"].map(|form| stories.perplexity_of(&format!("{method}:{form}")))
    };
    let none = stories.perplexity_of("none");
    let nearest = of("rtn");
    for method in ["awq", "hqq"] {
        let found = of(method);
        assert!((found[0] / none - 1.0).abs() < 0.005, "{method}: {found:?}");
        assert!(none < found[1] && found.is_sorted(), "{method}: {found:?}");
        for bits in 1..4 {
            assert!(found[bits] < nearest[bits], "{method}: {found:?} for {nearest:?}");
        }
    }
    // Of sixteen values centred on zero, those of NF4 are better placed than evenly spaced ones.
    let symmetric = stories.perplexity_of("rtn:w4g32:sym=true");
    let [exact, double] = ["nf4:w4g32:double_quant=false", "nf4:w4g32"].map(|recipe| stories.perplexity_of(recipe));
    assert!(none < exact && exact < symmetric && (double / exact - 1.0).abs() < 1e-3, "{exact}, {double}, {symmetric}");
}
