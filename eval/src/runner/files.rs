//! The contents of the files that a run leaves.

use super::RunSummary;
use super::results::{ReportedMetric, TaskResult, Variant, record, unjudged_record};
use crate::comparison::{Difference, Fidelity, Noise, SHIFTS, TokenDivergence};
use crate::error::Error;
use crate::journal::{Journal, Record};
use crate::manifest::{Manifest, NUMERICS_VERSION};
use crate::task::{Group, Suite, Task};
use serde_json::{Map, Value, json};

/// All variants in one array.
pub const SUMMARY: &str = "summary.json";
/// Differences from the baseline.
pub const COMPARISON: &str = "comparison.json";
/// The page about the run.
pub const REPORT: &str = "report.html";
/// Everything of one recipe, with lm-evaluation-harness's keys.
pub const RESULTS: &str = "results.json";
/// What a task's configuration calls the field that is compared document by document, and the test.
pub const COMPARED: &str = "comparison";
/// Clock, host, threads: the only file that is not reproducible.
pub const RUN: &str = "run.json";

/// The sample log of a task: one JSON object a line, in the order of documents.
///
/// # Errors
/// A document that the journal does not hold.
pub fn samples(journal: &mut Journal, recipe: &str, task: &dyn Task) -> Result<String, Error> {
    let mut lines = String::new();
    for document in 0..task.document_count() {
        let mut fields = Map::new();
        fields.insert("doc_id".into(), document.into());
        match record(journal, recipe, task, document)? {
            Record::Scored(sample) => fields.extend(sample.fields),
            Record::Failed(reason) => {
                fields.insert("failed".into(), reason.into());
            }
            Record::Skipped(reason) => {
                fields.insert("skipped".into(), reason.into());
            }
        }
        lines.push_str(&Value::Object(fields).to_string());
        lines.push('\n');
    }
    Ok(lines)
}

/// The questions for a judge, one JSON object a line, in the order of documents; empty where no judge is needed.
///
/// # Errors
/// A document that the journal does not hold.
pub fn judge_lines(journal: &mut Journal, recipe: &str, task: &dyn Task) -> Result<String, Error> {
    let mut lines = String::new();
    for document in 0..task.document_count() {
        if let Record::Scored(sample) = unjudged_record(journal, recipe, task, document)?
            && let Some(line) = task.judge_line(document, &sample)?
        {
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
    }
    Ok(lines)
}

/// `results.json` of a recipe.
pub fn results(manifest: &Manifest, suite: &Suite<'_>, variant: &Variant) -> Value {
    let by_id = |value: &dyn Fn(&TaskResult) -> Value| -> Value {
        variant.results.iter().map(|result| (result.id.clone(), value(result))).collect::<Map<_, _>>().into()
    };
    let groups = || suite.groups().iter().filter_map(|group| Some((group, variant.result(&group.id)?)));
    let member_ids = |group: &Group| -> Value {
        group.members.iter().filter_map(|&index| suite.tasks().get(index)).map(|task| task.id()).collect()
    };
    let mut value = json!({
        "results": by_id(&metrics_with_filter),
        "groups": groups().map(|(group, result)| (group.id.clone(), metrics_with_filter(result))).collect::<Map<_, _>>(),
        "group_subtasks": groups().map(|(group, _)| (group.id.clone(), member_ids(group))).collect::<Map<_, _>>(),
        "group_averages": groups().map(|(group, _)| (group.id.clone(), group.average.name().into())).collect::<Map<_, _>>(),
        "configs": of_tasks(suite, |task| {
            let mut fields = Map::new();
            fields.insert("task".into(), task.id().into());
            fields.extend(task.configuration());
            fields.insert("files".into(), json!(task.frame().files));
            let comparison = task.comparison();
            fields.insert(COMPARED.into(), json!({"score": comparison.score, "test": comparison.test.name()}));
            if let Some(judgements) = task.judgements() {
                fields.insert("judgements".into(), judgements);
            }
            fields.into()
        }),
        "versions": of_tasks(suite, |task| task.frame().version.into()),
        "n-shot": of_tasks(suite, |task| task.frame().shots.into()),
        "higher_is_better": by_id(&|result| {
            let of = |metric: &ReportedMetric| (metric.name.to_string(), metric.higher_is_better.into());
            result.metrics.iter().map(of).collect::<Map<_, _>>().into()
        }),
        "n-samples": by_id(&|result| json!({
            "original": result.counts.original,
            "effective": result.counts.effective,
        })),
    });
    let details = json!({
        "model": manifest.value()["model"],
        "recipe": variant.recipe,
        "weights": weights(variant),
        "options": manifest.value()["options"],
        "numerics_version": NUMERICS_VERSION,
        "program": manifest.value()["program"],
    });
    if let (Value::Object(value), Value::Object(details)) = (&mut value, details) {
        value.extend(details);
        if !variant.weights.layers.is_empty() {
            let calibration = &manifest.value()["calibration"];
            let fields = json!({"calibration": calibration, "layers": variant.weights.layers});
            value.insert("quantization".into(), fields);
        }
    }
    value
}

/// `summary.json`: one object a variant.
pub fn summary(summary: &RunSummary) -> Value {
    let of = |variant: &Variant| {
        let metrics = variant.results.iter().map(|result| (result.id.clone(), bare_metrics(result)));
        let mut fields = Map::new();
        fields.insert("model".into(), variant.model.as_str().into());
        fields.insert("recipe".into(), variant.recipe.as_str().into());
        if let Value::Object(weights) = weights(variant) {
            fields.extend(weights);
        }
        fields.insert("metrics".into(), metrics.collect::<Map<_, _>>().into());
        Value::Object(fields)
    };
    summary.variants.iter().map(of).collect()
}

/// `comparison.json`: one object a task of every variant but the baseline.
pub fn comparison(differences: &[Difference]) -> Value {
    let of = |difference: &Difference| {
        let paired = &difference.paired;
        let mut fields = json!({
            "task": difference.task,
            "recipe": difference.recipe,
            "baseline": difference.baseline,
            "metric": difference.metric,
            "baseline_value": difference.baseline_value,
            "value": difference.value,
            "difference": difference.change(),
            "difference_ci95_low": difference.interval.map(|interval| interval.low),
            "difference_ci95_high": difference.interval.map(|interval| interval.high),
            "paired": {
                "score": difference.score,
                "documents": paired.documents,
                "clusters": paired.clusters,
                "mean_difference": paired.mean_difference,
                "stderr": paired.standard_error,
                "test": difference.test_name(),
                "p_value": paired.p_value,
                "p_value_holm": difference.p_corrected,
                "minimum_detectable_effect": paired.detectable,
                "lost": paired.discordant.map(|counts| counts.lost),
                "gained": paired.discordant.map(|counts| counts.gained),
            },
        });
        if let Value::Object(fields) = &mut fields {
            fields.extend(paired.fidelity.as_ref().map(|found| ("fidelity".to_string(), fidelity(found))));
            fields.extend(difference.tokens.as_ref().map(|found| ("next_token".to_string(), tokens(found))));
            fields.extend(difference.noise.as_ref().map(|found| ("noise_floor".to_string(), noise(found))));
        }
        fields
    };
    differences.iter().map(of).collect()
}

fn fidelity(fidelity: &Fidelity) -> Value {
    let mut fields = Map::new();
    fields.insert("documents".into(), fidelity.documents.into());
    fields.insert("agreement".into(), fidelity.agreement.into());
    if let Some(flips) = &fidelity.flips {
        let counts = json!({
            "right_to_wrong": flips.lost,
            "wrong_to_right": flips.gained,
            "wrong_to_other_wrong": flips.other_wrong,
            "unchanged": flips.unchanged,
        });
        fields.insert("flips".into(), counts);
    }
    if let Some(divergence) = &fidelity.divergence {
        let numbers = json!({
            "documents": divergence.documents,
            "kl_from_baseline": divergence.from_baseline,
            "kl_from_recipe": divergence.from_variant,
            "shift_percentiles": percentiles(&divergence.shifts),
        });
        fields.insert("choices".into(), numbers);
    }
    fields.into()
}

fn tokens(found: &TokenDivergence) -> Value {
    json!({
        "documents": found.documents,
        "positions": found.positions,
        "kl_from_baseline": found.from_baseline,
        "kl_from_recipe": found.from_variant,
        "kl_from_baseline_percentiles": percentiles(&found.percentiles),
        "same_likeliest_token": found.agreement,
        "shift_percentiles": found.shifts.as_ref().map(percentiles),
    })
}

fn percentiles(values: &[f64; SHIFTS.len()]) -> Value {
    let pairs = SHIFTS.iter().zip(values).map(|(percent, value)| (percent.to_string(), (*value).into()));
    pairs.collect::<Map<String, Value>>().into()
}

fn noise(noise: &Noise) -> Value {
    json!({"difference": noise.difference, "kl_from_baseline": noise.divergence, "covers": noise.covers})
}

fn weights(variant: &Variant) -> Value {
    json!({
        "nominal_bits_per_weight": variant.weights.nominal_bits_per_weight,
        "true_bits_per_weight": variant.weights.true_bits_per_weight,
        "weight_bytes": variant.weights.weight_bytes,
    })
}

fn of_tasks(suite: &Suite<'_>, value: impl Fn(&dyn Task) -> Value) -> Value {
    suite.tasks().iter().map(|task| (task.id().to_string(), value(task.as_ref()))).collect::<Map<_, _>>().into()
}

/// Metrics with lm-evaluation-harness's keys: `acc,none`, `acc_stderr,none`, the latter `"N/A"` where undefined; in the
/// same manner the 95 % interval, `acc_ci95_low,none`, and what made it.
fn metrics_with_filter(result: &TaskResult) -> Value {
    let mut fields = Map::new();
    fields.insert("alias".into(), result.id.as_str().into());
    for metric in &result.metrics {
        let error = metric.standard_error.map_or_else(|| "N/A".into(), Value::from);
        fields.insert(format!("{},{}", metric.name, metric.filter), metric.value.into());
        fields.insert(format!("{}_stderr,{}", metric.name, metric.filter), error);
        if let Some(interval) = &metric.interval {
            let mut add = |part: &str, value: Value| {
                fields.insert(format!("{}_{part},{}", metric.name, metric.filter), value);
            };
            add("ci95_low", interval.ends.low.into());
            add("ci95_high", interval.ends.high.into());
            add("ci95_method", interval.method.name().into());
            if let Some(error) = interval.clustered_error {
                add("stderr_clustered", error.into());
            }
        }
    }
    note_problems(&mut fields, result);
    if result.beyond_context > 0 {
        fields.insert("items_beyond_context".into(), result.beyond_context.into());
    }
    if result.shortened > 0 {
        fields.insert("items_shortened".into(), result.shortened.into());
    }
    fields.into()
}

/// Metrics with bare names, `acc`, `acc_stderr`, unless there are several filters.
fn bare_metrics(result: &TaskResult) -> Value {
    let mut fields = Map::new();
    for metric in &result.metrics {
        fields.insert(metric.label(), metric.value.into());
        fields.insert(format!("{}_stderr", metric.label()), metric.standard_error.into());
        let ends = metric.interval.map(|interval| interval.ends);
        fields.insert(format!("{}_ci95_low", metric.label()), ends.map(|ends| ends.low).into());
        fields.insert(format!("{}_ci95_high", metric.label()), ends.map(|ends| ends.high).into());
    }
    note_problems(&mut fields, result);
    fields.into()
}

fn note_problems(fields: &mut Map<String, Value>, result: &TaskResult) {
    if result.failed > 0 {
        fields.insert("failed_items".into(), result.failed.into());
    }
    if result.skipped > 0 {
        fields.insert("skipped_items".into(), result.skipped.into());
    }
    if result.unjudged > 0 {
        fields.insert("items_without_judgement".into(), result.unjudged.into());
    }
    if result.unreadable > 0 {
        fields.insert("items_with_unreadable_judgement".into(), result.unreadable.into());
    }
    if let Some(problem) = &result.problem {
        fields.insert("problem".into(), problem.as_str().into());
    }
}
