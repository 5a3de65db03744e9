//! Runs made up for tests.

use super::efficiency::Efficiency;
use super::run::{Change, Run, Score, Task, Variant, baseline};
use crate::runner::is_rounded;
use serde_json::{Value, json};

/// A recipe: its name, true bits, bytes, and the values of the main metric by task id.
pub type Made<'a> = (&'a str, f64, u64, &'a [(&'a str, f64)]);

/// Standard error of every share.
const ERROR: f64 = 0.01;

/// A run; what differs from the baseline by more than two standard errors is significant.
pub fn run(model: &str, recipes: &[Made<'_>]) -> Run {
    let variants: Vec<Variant> = recipes.iter().map(variant).collect();
    let reference = baseline(&variants);
    let base = variants.iter().find(|variant| variant.recipe == reference).cloned();
    let mut changes = Vec::new();
    for variant in variants.iter().filter(|variant| variant.recipe != reference) {
        for task in &variant.tasks {
            let before = base.as_ref().and_then(|base| base.task(&task.id)?.main()?.value);
            let score = &task.scores[0];
            let (Some(before), Some(after)) = (before, score.value) else { continue };
            let difference = after - before;
            let scale = if score.higher_is_better { 1.0 } else { before };
            let p = if difference.abs() > 2.0 * ERROR * scale { 0.001 } else { 0.5 };
            changes.push(Change {
                task: task.id.clone(),
                recipe: variant.recipe.clone(),
                metric: score.metric.clone(),
                higher_is_better: score.higher_is_better,
                difference,
                interval: Some((difference - 0.02, difference + 0.02)),
                test: "made up".into(),
                p_value: Some(p / 2.0),
                p_corrected: Some(p),
                detectable: Some(0.03),
                lost_gained: Some((5, 2)),
                other_wrong: Some(3),
                answers: Some(100),
                agreement: Some(0.9),
                choice_kl: Some((0.25, 0.2)),
                token_kl: None,
                below_noise: Some(is_rounded(&variant.recipe)),
            });
        }
    }
    let tasks: Vec<Value> =
        recipes[0].3.iter().map(|(id, _)| json!({"id": id, "version": 1, "documents": 100, "files": []})).collect();
    Run {
        model: model.into(),
        manifest: json!({
            "program": {"name": "nibble", "version": "0"},
            "numerics_version": 3,
            "model": {"name": model, "digest": "d", "files": {"model.safetensors": "5a"}},
            "requested": recipes[0].3.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            "tasks": tasks,
            "options": {"seed": 1},
        }),
        baseline: reference,
        variants,
        changes,
        efficiency: None,
        configurations: Value::Null,
    }
}

fn variant((recipe, true_bits, bytes, scores): &Made<'_>) -> Variant {
    let task = |(id, value): &(&str, f64)| {
        let is_perplexity = id.starts_with("perplexity");
        Task {
            id: (*id).to_string(),
            requested: true,
            scores: vec![Score {
                metric: if is_perplexity { "perplexity" } else { "acc" }.into(),
                value: Some(*value),
                standard_error: Some(ERROR),
                interval: Some((value - 2.0 * ERROR, value + 2.0 * ERROR, "made up".into())),
                higher_is_better: !is_perplexity,
            }],
            documents: 100,
            failed: 0,
            skipped: 0,
        }
    };
    Variant {
        tasks: scores.iter().map(task).collect(),
        ..Variant::named(recipe, true_bits.round(), *true_bits, *bytes)
    }
}

/// Speed and memory: tokens a second and bytes held by recipe.
pub fn efficiency(recipes: &[(&str, f64, u64)]) -> Option<Efficiency> {
    let of = |(recipe, speed, bytes): &(&str, f64, u64)| {
        let rate = json!({"median": speed, "low": 0.9 * speed, "high": 1.1 * speed});
        (
            (*recipe).to_string(),
            json!({"generated_tokens_per_second": rate, "weight_and_cache_bytes": bytes, "peak_resident_bytes": 10 * bytes}),
        )
    };
    let recipes: serde_json::Map<String, Value> = recipes.iter().map(of).collect();
    Efficiency::parse(&json!({"format": 1, "machine": {}, "protocol": {}, "recipes": recipes}))
}

/// Three benchmarks and a perplexity under falling bits: equal at 8 and 4, worse at 3, gone at 2.
pub fn falling(model: &str, bytes: u64, top: f64) -> Run {
    let scores = |share: f64, perplexity: f64| {
        let of = |id: &'static str, chance: f64| (id, chance + share * (top - chance));
        vec![
            ("perplexity:text@gptq-256", perplexity),
            of("mmlu:builtin@qwen-chat", 0.25),
            of("gsm8k:builtin@qwen-chat", 0.0),
            of("snli:builtin@jin-2024", 1.0 / 3.0),
        ]
    };
    let (full, eight, four, three, two) =
        (scores(1.0, 5.0), scores(0.999, 5.01), scores(0.98, 5.05), scores(0.7, 8.0), scores(0.01, 900.0));
    run(
        model,
        &[
            ("none", 16.0, bytes, &full),
            ("gptq:w8g128", 8.2, bytes / 2, &eight),
            ("gptq:w4g128", 4.2, bytes / 4, &four),
            ("gptq:w3g128", 3.2, bytes / 5, &three),
            ("gptq:w2g128", 2.2, bytes / 7, &two),
            ("spqr:w2g16", 6.2, bytes * 2 / 5, &three),
        ],
    )
}
