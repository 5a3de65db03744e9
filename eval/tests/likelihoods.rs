//! Do prompts reach the model as lm-evaluation-harness puts them? Log-likelihoods of a trained checkpoint against float64.
//!
//! The numbers were made with lm-evaluation-harness at commit 4e7e0d4 on the same files: its prompts, encoded by the
//! checkpoint's tokenizer.json, and transformers 5.23 with every operation in float64.

mod fixture;

use datasets::DataRoots;
use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::runner::{Existing, Plan, Quantization, Unobserved, run};
use eval::scheduler::SchedulerOptions;
use eval::task::{self, TaskOptions};
use fixture::shared;
use quant::Recipe;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Runs `tasks` unquantized and returns the directory with the sample logs.
fn samples(tasks: &str, options: TaskOptions, data: &Path, output: &Path) {
    let directory = data.join("../models/stories260K");
    let tokenizer = Tokenizer::open(&directory).unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let summary = run(
        &Plan {
            model: "stories260K",
            checkpoint: &Checkpoint::open(&directory, OpenOptions::default()).unwrap(),
            tokenizer: &tokenizer,
            runtime: &runtime,
            recipes: &[Recipe::none()],
            tasks: &tasks.split(',').map(|id| task::parse(id).unwrap()).collect::<Vec<_>>(),
            roots: &DataRoots::new(&[data.to_path_buf()]),
            options,
            fidelity: eval::runner::FidelityOptions::default(),
            efficiency: eval::efficiency::Options::default(),
            quantization: Quantization::default(),
            scheduler: SchedulerOptions::default(),
            output: Some(output),
            existing: Existing::Resume,
            stop: &AtomicBool::new(false),
        },
        &mut Unobserved,
    );
    summary.unwrap();
}

fn lines(output: &Path, task: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(output.join(format!("none/samples_{task}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log_probs(sample: &Value) -> Vec<f64> {
    sample["log_probs"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn choices_have_the_log_likelihoods_of_float64_on_lm_evals_prompts() {
    let Some(data) = shared("data") else { return };
    let output = tempfile::tempdir().unwrap();
    let options = TaskOptions { limit: Some(40), num_fewshot: Some(2), ..TaskOptions::default() };
    let tasks = "mmlu_abstract_algebra@lm-eval,mmlu_anatomy@lm-eval,truthfulqa_mc1";
    samples(tasks, options, &data, output.path());
    let expected: [(&str, usize, &[f64]); 5] = [
        ("mmlu_abstract_algebra@lm-eval", 3, &[-3.33995553, -4.55331043, -4.09697995, -4.81054058]),
        ("mmlu_anatomy@lm-eval", 0, &[-2.41768947, -2.94559375, -4.04939944, -2.67661433]),
        ("mmlu_anatomy@lm-eval", 39, &[-2.82411605, -2.6988517, -3.95758056, -2.70610639]),
        ("truthfulqa_mc1@lm-eval", 0, &[-114.473434, -64.338437, -49.2246241, -26.4549068]),
        ("truthfulqa_mc1@lm-eval", 7, &[-161.178505, -119.828834, -90.7229866, -135.023727, -93.8510485]),
    ];
    for (task, document, expected) in expected {
        let found = log_probs(&lines(output.path(), task)[document]);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{task} {document}: {found} for {expected}");
        }
    }
    // lm-evaluation-harness's own accuracies over these 40 documents.
    let results: Value =
        serde_json::from_slice(&std::fs::read(output.path().join("none/results.json")).unwrap()).unwrap();
    for (task, accuracy) in [("mmlu_abstract_algebra", 0.225), ("mmlu_anatomy", 0.225), ("truthfulqa_mc1", 0.2)] {
        assert_eq!(results["results"][format!("{task}@lm-eval")]["acc,none"], accuracy, "{task}");
    }
}

#[test]
fn rolling_log_likelihoods_are_those_of_lm_eval() {
    let Some(data) = shared("data") else { return };
    let output = tempfile::tempdir().unwrap();
    let options = TaskOptions { limit: Some(1), ..TaskOptions::default() };
    samples("perplexity:wikitext2@lm-eval", options, &data, output.path());
    let samples = lines(output.path(), "perplexity-wikitext2@lm-eval");
    let sum = samples.iter().fold(0.0, |sum, sample| sum + log_probs(sample)[0]);
    // The first article: 3,415 tokens in windows of 512.
    assert_eq!(samples.len(), 7);
    assert!((sum / -15_246.399_01 - 1.0).abs() < 1e-7, "{sum}");
}
