//! Logits of tiny checkpoints against float64 PyTorch, and the invariances of the decoder on them.
//!
//! Some checkpoints lie in `tests/golden`, all of them beside the repository (`shared/golden`), all made with
//! transformers' own classes; where the latter are missing, the test says so. The bound is four times the error of
//! PyTorch's own float32.

use engine::blueprint::{AlibiRounding, Positions};
use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use kernels::Isa;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The golden checkpoints: those in the repository, and all of `shared` where it is.
fn variants() -> Vec<(PathBuf, Value)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../shared/golden/A");
    if !shared.is_dir() {
        assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none(), "{} is required and missing", shared.display());
        println!("skipped: shared data missing; only the checkpoints in the repository");
    }
    let mut found = Vec::new();
    for root in [here.join("tests/golden"), shared] {
        for entry in std::fs::read_dir(&root).into_iter().flatten() {
            let directory = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(directory.join("golden.json")) else { continue };
            let golden: Value = serde_json::from_str(&text).unwrap();
            let known = found.iter().any(|(other, _): &(PathBuf, Value)| other.file_name() == directory.file_name());
            if !known {
                found.push((directory, golden));
            }
        }
    }
    assert!(found.len() >= 7, "only {} golden checkpoints", found.len());
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn tokens(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

/// Logits of all tokens of each sequence, computed together in chunks of `chunk` tokens.
fn logits(decoder: &Decoder<'_>, sequences: &[&[u32]], chunk: usize) -> Vec<Vec<f32>> {
    let mut caches: Vec<_> = sequences.iter().map(|_| decoder.cache_after(&KvPrefix::default())).collect();
    let mut results = vec![Vec::new(); sequences.len()];
    let longest = sequences.iter().map(|s| s.len()).max().unwrap();
    for start in (0..longest).step_by(chunk) {
        let mut batch = Vec::new();
        let mut members = Vec::new();
        for (index, (cache, sequence)) in caches.iter_mut().zip(sequences).enumerate() {
            if start < sequence.len() {
                let tokens = &sequence[start..sequence.len().min(start + chunk)];
                batch.push(Chunk { cache, tokens, sequence_len: sequence.len(), wanted: 0..tokens.len() });
                members.push(index);
            }
        }
        for (member, hidden) in members.into_iter().zip(decoder.forward(&mut batch).unwrap()) {
            results[member].extend(decoder.logits(&hidden.unwrap()));
        }
    }
    results
}

fn greedy(decoder: &Decoder<'_>, prompt: &[u32], count: usize) -> Vec<u32> {
    let vocab = decoder.blueprint().vocab_size;
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let mut next = prompt.to_vec();
    let mut generated = Vec::new();
    while generated.len() < count {
        let position = cache.len();
        let sequence_len = decoder.blueprint().positions.generation_len(prompt.len(), position);
        let wanted = next.len() - 1..next.len();
        let hidden = decoder.forward(&mut [Chunk { cache: &mut cache, tokens: &next, sequence_len, wanted }]).unwrap();
        let row = decoder.logits(hidden[0].as_ref().unwrap());
        let mut best = 0;
        for token in 0..vocab {
            if row[token] > row[best] {
                best = token;
            }
        }
        generated.push(best as u32);
        next = vec![best as u32];
    }
    generated
}

#[test]
fn logits_and_generation_agree_with_float64() {
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let mut problems = Vec::new();
    for (directory, golden) in variants() {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let checkpoint = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
        if let Err(error) = engine::family::blueprint(&checkpoint) {
            problems.push(format!("{name}: {error}"));
            continue;
        }
        let mut model = Model::unquantized(&checkpoint).unwrap();
        if let Positions::Alibi { slopes, rounding: AlibiRounding::Bf16 } = &mut model.blueprint.positions {
            // These logits are those of transformers' "eager" attention, which adds Falcon's biases twice: to the scores, and
            // again with the mask. Its default attention, as the authors' code, adds them once.
            slopes.iter_mut().for_each(|slope| *slope *= 2.0);
        }
        let decoder = Decoder::new(&model, &runtime);
        let vocab = model.blueprint.vocab_size;
        let bound = 4.0 * golden["max_abs_diff_logits"].as_f64().unwrap();
        let log_prob_bound = 4.0 * golden["max_abs_diff_next_logprob"].as_f64().unwrap();
        let (mut worst, mut worst_log_prob) = (0.0f64, 0.0f64);
        for sequence in golden["sequences"].as_array().unwrap() {
            let ids = tokens(&sequence["ids"]);
            let found = logits(&decoder, &[&ids], ids.len()).remove(0);
            for (position, expected) in
                numbers(&sequence["positions"]).into_iter().zip(sequence["logits_f64"].as_array().unwrap())
            {
                let row = &found[position as usize * vocab..][..vocab];
                for (&a, b) in row.iter().zip(numbers(expected)) {
                    worst = worst.max((f64::from(a) - b).abs());
                }
            }
            let normalizers = decoder.log_sum_exps(&found);
            for (i, expected) in numbers(&sequence["next_logprob_f64"]).into_iter().enumerate() {
                let log_prob = f64::from(found[i * vocab + ids[i + 1] as usize]) - normalizers[i];
                worst_log_prob = worst_log_prob.max((log_prob - expected).abs());
            }
        }
        println!(
            "{name}: logits {:.2} of the bound, log-probabilities {:.2}",
            worst / bound,
            worst_log_prob / log_prob_bound
        );
        if worst > bound || worst_log_prob > log_prob_bound {
            problems.push(format!(
                "{name}: logits off by {worst:e}, bound {bound:e}; log-probabilities by {worst_log_prob:e}, bound \
                 {log_prob_bound:e}"
            ));
        }
        for generation in golden["generation"].as_array().unwrap() {
            let prompt = golden["sequences"].as_array().unwrap().iter().find(|s| s["name"] == generation["prompt"]);
            let expected = tokens(&generation["ids"]);
            let found = greedy(&decoder, &tokens(&prompt.unwrap()["ids"]), expected.len());
            if found != expected {
                problems.push(format!("{name} after {}: {found:?}, expected {expected:?}", generation["prompt"]));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// transformers 5 spells some settings differently.
#[test]
fn both_spellings_of_a_configuration_are_one_model() {
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    for (directory, golden) in variants() {
        let Ok(second) = std::fs::read(directory.join("config_v5.json")) else { continue };
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if name.to_string_lossy().contains("safetensors") {
                std::fs::copy(entry.path(), copy.path().join(name)).unwrap();
            }
        }
        std::fs::write(copy.path().join("config.json"), second).unwrap();
        let ids = tokens(&golden["sequences"][1]["ids"]);
        let [first, second] = [directory.as_path(), copy.path()].map(|directory| {
            let checkpoint = Checkpoint::open(directory, OpenOptions::default()).unwrap();
            let model = Model::unquantized(&checkpoint).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
            logits(&Decoder::new(&model, &runtime), &[&ids], ids.len()).remove(0)
        });
        assert!(first == second, "{}", directory.display());
    }
}

#[test]
fn bits_do_not_depend_on_threads_batch_chunks_or_instruction_set() {
    for (directory, golden) in variants() {
        let checkpoint = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
        let model = Model::unquantized(&checkpoint).unwrap();
        let sequences: Vec<Vec<u32>> = golden["sequences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| tokens(&s["ids"]))
            .filter(|s| s.len() < 64)
            .collect();
        let together: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let scalar = Runtime::new(Some(1), IsaChoice::Exactly(Isa::Scalar)).unwrap();
        let alone: Vec<Vec<f32>> = together
            .iter()
            .map(|sequence| logits(&Decoder::new(&model, &scalar), &[sequence], sequence.len()).remove(0))
            .collect();
        for isa in Isa::present() {
            for (threads, chunk) in [(1, 1), (2, 3), (3, 16), (7, 64)] {
                let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
                let found = logits(&Decoder::new(&model, &runtime), &together, chunk);
                assert!(found == alone, "{}: {isa}, {threads} threads, chunks of {chunk}", directory.display());
            }
        }
    }
}
