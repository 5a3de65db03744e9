//! Everything that reports compute, as JSON.

use super::benchmark::{Column, columns, shared};
use super::correlation::{self, Correlation};
use super::efficiency::{Measured, Rate};
use super::equal_bytes::{EqualBytes, equal_bytes};
use super::findings::findings;
use super::quality::{Losses, Mean, mean_perplexity, mean_score};
use super::run::{Run, Variant};
use super::verdict::Verdict;
use serde_json::{Map, Value, json};

/// The report of runs.
pub fn value(runs: &[Run]) -> Value {
    let all = columns(runs);
    let of_all = shared(&all, runs);
    let finding = |it: &super::findings::Finding| {
        json!({
            "claim": it.claim,
            "outcome": it.outcome.name(),
            "agreeing": it.agreeing.0,
            "tested": it.agreeing.1,
            "rule": it.rule,
            "evidence": it.evidence,
        })
    };
    let correlations = correlation::rows(&all, runs);
    let row = |it: &correlation::Row| {
        json!({
            "benchmark": it.column.key,
            "metric": it.column.metric,
            "perplexity_of_4_and_3_bits": of_correlation(&it.paper),
            "log_perplexity": of_correlation(&it.perplexity),
            "divergence": of_correlation(&it.divergence),
        })
    };
    let pair = |it: &EqualBytes| {
        let side = |(model, recipe, bytes): &(String, String, u64)| json!({"model": model, "recipe": recipe, "weight_bytes": bytes});
        json!({
            "larger": side(&it.larger),
            "smaller": side(&it.smaller),
            "mean_scores": it.scores.map(|(larger, smaller)| [larger, smaller]),
            "perplexities": it.perplexities.map(|(larger, smaller)| [larger, smaller]),
            "better": it.better_worse.0,
            "worse": it.better_worse.1,
        })
    };
    json!({
        "runs": runs.iter().map(|run| of_run(&all, &of_all, run)).collect::<Vec<_>>(),
        "findings": findings(&all, runs).iter().map(finding).collect::<Vec<_>>(),
        "correlations": correlations.iter().map(row).collect::<Vec<_>>(),
        "equal_bytes": equal_bytes(&all, runs).iter().map(pair).collect::<Vec<_>>(),
    })
}

fn of_run(all: &[Column], shared: &[Column], run: &Run) -> Value {
    let verdict = Verdict::of(all, run);
    json!({
        "model": run.model,
        "model_digest": run.manifest["model"]["digest"],
        "baseline": run.baseline,
        "verdict": {"keeps_most": verdict.chosen, "breaks_at": verdict.broken, "sentences": verdict.sentences},
        "recipes": run.variants.iter().map(|variant| of_variant(all, shared, run, variant)).collect::<Vec<_>>(),
    })
}

fn of_variant(all: &[Column], shared: &[Column], run: &Run, variant: &Variant) -> Value {
    let losses = Losses::of(all, run, variant);
    let measured = run.efficiency.as_ref().and_then(|efficiency| efficiency.recipe(&variant.recipe));
    let mut scores = Map::new();
    for column in all {
        let Some(task) = column.task(variant) else { continue };
        let Some(score) = task.main() else { continue };
        let change = run.change(&variant.recipe, &task.id);
        scores.insert(
            column.key.clone(),
            json!({
                "task": task.id,
                "metric": score.metric,
                "value": score.value,
                "ci95": score.interval.as_ref().map(|(low, high, _)| [*low, *high]),
                "difference": change.map(|change| change.difference),
                "difference_ci95": change.and_then(|change| change.interval).map(|(low, high)| [low, high]),
                "p_value_holm": change.and_then(|change| change.p_corrected),
                "significant": change.map(|change| change.is_worse() || change.is_better()),
            }),
        );
    }
    let mean = |mean: Mean| json!({"value": mean.value, "ci95": mean.ends.map(|(low, high)| [low, high])});
    json!({
        "recipe": variant.recipe,
        "nominal_bits_per_weight": variant.nominal_bits,
        "true_bits_per_weight": variant.true_bits,
        "weight_bytes": variant.weight_bytes,
        "mean_score_of_shared_benchmarks": mean_score(shared, variant).map(mean),
        "geometric_mean_perplexity": mean_perplexity(all, variant),
        "lead_over_guessing_left": losses.retained,
        "tests": losses.tests,
        "worse": losses.worse,
        "better": losses.better,
        "at_chance": losses.at_chance,
        "outlier_share": variant.outlier_share(),
        "divergence": correlation::divergence(run, variant),
        "scores": scores,
        "efficiency": measured.map(of_measured),
    })
}

fn of_measured(it: &Measured) -> Value {
    let rate = |rate: Option<Rate>| rate.map(|it| json!({"median": it.median, "low": it.low, "high": it.high}));
    json!({
        "prompt_tokens_per_second": rate(it.prompt),
        "generated_tokens_per_second": rate(it.generated),
        "scored_tokens_per_second": rate(it.scored),
        "weight_and_cache_bytes": it.held_bytes,
        "peak_resident_bytes": it.peak_bytes,
        "cache_bytes_per_token": it.cache_bytes_per_token,
        "bytes_per_generated_token": it.bytes_per_token,
        "share_of_memory_bandwidth": it.bandwidth_share,
        "joules_per_generated_token": it.joules_per_token,
    })
}

fn of_correlation(it: &Correlation) -> Value {
    json!({"points": it.points, "pooled": it.pooled, "within_model": it.within})
}
