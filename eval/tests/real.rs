//! Perplexities of a trained checkpoint against float64 PyTorch (`shared/golden/real`): the baseline to 1e-6 relative,
//! round-to-nearest with f32 activations to 1e-4, with 16-bit activations to 1e-3.

use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::decoder::Decoder;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::{Specials, Tokenizer};
use eval::request::{Outcome, Request};
use eval::scheduler::{Continue, Scheduler, SchedulerOptions};
use quant::Recipe;
use std::path::Path;

#[test]
fn perplexities_of_a_trained_checkpoint_equal_the_published_ones() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let directory = shared.join("models/stories260K");
    let (Ok(golden), Ok(text)) = (
        std::fs::read_to_string(shared.join("golden/real/stories260K.json")),
        std::fs::read(shared.join("data/tinystories/tinystories_validation_head.txt")),
    ) else {
        assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none(), "{} is required and incomplete", shared.display());
        println!("skipped: shared data missing");
        return;
    };
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    let checkpoint = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
    let tokenizer = Tokenizer::open(&directory).unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let text = std::str::from_utf8(&text[..65536]).unwrap();
    let tokens = tokenizer.encode(text, Specials::AsConfigured).unwrap();
    assert_eq!(tokens.len() as u64, golden["perplexity"]["tokens"].as_u64().unwrap());
    let requests: Vec<(usize, Request)> = tokens.chunks_exact(256).map(Request::window).enumerate().collect();
    let perplexity = |recipe: &str| {
        let model = quant::build_model(&checkpoint, &Recipe::parse(recipe).unwrap(), &runtime).unwrap();
        let mut losses = vec![0.0; requests.len()];
        let mut scheduler = Scheduler::new(Decoder::new(&model, &runtime), None, SchedulerOptions::default());
        scheduler
            .run::<engine::Error>(&requests, &mut |window, outcome| {
                let Outcome::Scored { log_probs, .. } = outcome else { panic!("{outcome:?}") };
                let sum: f64 = log_probs.iter().sum();
                losses[window] = -sum / log_probs.len() as f64;
                Ok(Continue::Yes)
            })
            .unwrap();
        kernels::math::exp(losses.iter().sum::<f64>() / losses.len() as f64)
    };
    let check = |recipe: &str, expected: &serde_json::Value, tolerance: f64| {
        let (found, expected) = (perplexity(recipe), expected.as_f64().unwrap());
        let error = (found / expected - 1.0).abs();
        println!("{recipe}: {found} for {expected}, {error:.1e} relative");
        assert!(error <= tolerance, "{recipe}: {found} for {expected}, {error:e} relative");
    };
    check("none", &golden["perplexity"]["ppl_f64"], 1e-6);
    for (name, numbers) in golden["rtn"].as_object().unwrap() {
        let (bits, group) = name.split_at(2);
        check(&format!("rtn:{bits}a32{group}"), &numbers["ppl_f64"], 1e-4);
        check(&format!("rtn:{bits}{group}"), &numbers["ppl_f64"], 1e-3);
    }
}
