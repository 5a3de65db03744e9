//! Every family quantized by the methods of the paper: prompts and decoding agree bit for bit, what was written reads back,
//! and an expert that no calibration token came to is rounded to nearest and says so.
//!
//! The checkpoints are those of `engine/tests/golden` and, where they are, of `shared/golden`.

use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::model::{BlockInput, Mlp, Model};
use engine::runtime::{IsaChoice, Runtime};
use engine::save::{Existing, save};
use quant::build::{Build, Unobserved};
use quant::{Calibration, Quantized, Recipe, build_model};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

static NEVER: AtomicBool = AtomicBool::new(false);

fn checkpoints() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../shared/golden/A");
    if !shared.is_dir() {
        assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none(), "{} is required and missing", shared.display());
        println!("skipped: shared data missing; only the checkpoints in the repository");
    }
    let roots = [here.join("../engine/tests/golden"), shared];
    let entries = roots.iter().flat_map(|root| std::fs::read_dir(root).into_iter().flatten());
    let mut found: Vec<PathBuf> = Vec::new();
    for directory in entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("golden.json").exists()) {
        if !found.iter().any(|known| known.file_name() == directory.file_name()) {
            found.push(directory);
        }
    }
    found.sort();
    assert!(found.len() >= 10, "only {} checkpoints", found.len());
    found
}

fn runtime() -> Runtime {
    Runtime::new(Some(2), IsaChoice::Best).unwrap()
}

fn quantized(checkpoint: &Checkpoint, recipe: &str, sequences: Vec<Vec<u32>>) -> Quantized {
    let build = Build {
        checkpoint,
        recipe: &Recipe::parse(recipe).unwrap(),
        runtime: &runtime(),
        calibration: Some(&Calibration::of_sequences("numbers", sequences)),
        cache: None,
        available_bytes: None,
        stop: &NEVER,
    };
    build.run(&mut Unobserved).unwrap().unwrap()
}

/// Logits of every token, read `chunk` tokens at a time.
fn logits(model: &Model, tokens: &[u32], chunk: usize) -> Vec<f32> {
    let runtime = runtime();
    let decoder = Decoder::new(model, &runtime);
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let mut found = Vec::new();
    for tokens_now in tokens.chunks(chunk) {
        let wanted = 0..tokens_now.len();
        let chunk = Chunk { cache: &mut cache, tokens: tokens_now, sequence_len: tokens.len(), wanted };
        let hidden = decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap();
        found.extend(decoder.logits(&hidden));
    }
    found
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_family_runs_quantized() {
    for directory in checkpoints() {
        let checkpoint = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
        let golden: Value =
            serde_json::from_str(&std::fs::read_to_string(directory.join("golden.json")).unwrap()).unwrap();
        let ids = |index: usize| -> Vec<u32> {
            golden["sequences"][index]["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
        };
        for recipe in ["rtn:w8", "rtn:w4g32", "gptq:w4g32", "llm.int8", "spqr:w3g16", "rtn:w8:kv=8"] {
            let model = quantized(&checkpoint, recipe, vec![ids(1), ids(4)]).model;
            let whole = logits(&model, &ids(1), usize::MAX);
            let place = format!("{} {recipe}", directory.display());
            assert!(whole.iter().all(|logit| logit.is_finite()), "{place}");
            assert!(bits(&whole) == bits(&logits(&model, &ids(1), 1)), "{place}");
            let root = tempfile::tempdir().unwrap();
            let place = root.path().join("out");
            save(&model, &checkpoint, &place, Existing::Refuse, recipe, &Map::new()).unwrap();
            let again = Checkpoint::open(&place, OpenOptions::default()).unwrap();
            let read = build_model(&again, &Recipe::parse("none").unwrap(), &runtime()).unwrap();
            let read = match recipe.contains("kv=") {
                true => read.with_kv_precision(model.kv_precision()).unwrap(),
                false => read,
            };
            assert!(bits(&whole) == bits(&logits(&read, &ids(1), 16)), "{} {recipe}, read back", directory.display());
        }
    }
}

#[test]
fn an_expert_that_no_token_came_to_is_rounded_to_nearest() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/qwen2_moe");
    let checkpoint = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
    // One token goes to two of six experts.
    let Quantized { model, layers } = quantized(&checkpoint, "gptq:w4g32", vec![vec![7]]);
    let nearest = build_model(&checkpoint, &Recipe::parse("rtn:w4g32").unwrap(), &runtime()).unwrap();
    let row = |model: &Model, layer: usize, role| {
        let linear = model.blocks[layer].linear(role).unwrap();
        let mut row = vec![0.0; linear.weights.columns()];
        linear.weights.row(0, &mut row);
        bits(&row)
    };
    let unseen = layers.iter().filter(|layer| layer.is_unseen).count();
    // Two sparse blocks, four experts each, three matrices of each; the dense block and the shared experts see it.
    assert_eq!(unseen, 2 * 4 * 3);
    for report in &layers {
        let same = row(&model, report.layer, report.role) == row(&nearest, report.layer, report.role);
        assert!(same || !report.is_unseen, "{report:?}");
        assert_eq!(report.loss.is_none(), report.is_unseen, "{report:?}");
    }
    let inputs = model.blocks[0].inputs();
    assert!(
        inputs.contains(&BlockInput::Down(Mlp::Expert(5))) && inputs.contains(&BlockInput::FeedForward(Mlp::Shared))
    );
}
