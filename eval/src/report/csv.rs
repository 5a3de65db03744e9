//! The report as comma-separated values (RFC 4180), one row a metric.

use crate::comparison::Difference;
use crate::runner::{RunSummary, Variant};

const HEADER: &str = "model,recipe,nominal_bits_per_weight,true_bits_per_weight,weight_bytes,task,metric,value,stderr,\
                      ci95_low,ci95_high,ci95_method,documents,failed,skipped,baseline,difference,difference_ci95_low,\
                      difference_ci95_high,p_value,p_value_holm,minimum_detectable_effect,lost,gained,\
                      wrong_to_other_wrong,agreement,kl_from_baseline,kl_from_recipe,\
                      next_token_kl_from_baseline,next_token_kl_from_recipe,below_noise_floor";

/// All metrics of all variants.
pub fn rows(summary: &RunSummary) -> String {
    let mut text = format!("{HEADER}\n");
    for variant in &summary.variants {
        variant_rows(summary, variant, &mut text);
    }
    text
}

fn variant_rows(summary: &RunSummary, variant: &Variant, text: &mut String) {
    for result in &variant.results {
        for metric in &result.metrics {
            let label = metric.label();
            let difference = summary.differences.iter().find(|difference| {
                difference.task == result.id && difference.recipe == variant.recipe && difference.metric == label
            });
            let mut cells = vec![
                quoted(&variant.model),
                quoted(&variant.recipe),
                variant.weights.nominal_bits_per_weight.to_string(),
                variant.weights.true_bits_per_weight.to_string(),
                variant.weights.weight_bytes.to_string(),
                quoted(&result.id),
                quoted(&label),
                optional(metric.value),
                optional(metric.standard_error),
                optional(metric.interval.map(|interval| interval.ends.low)),
                optional(metric.interval.map(|interval| interval.ends.high)),
                metric.interval.map(|interval| quoted(interval.method.name())).unwrap_or_default(),
                result.counts.effective.to_string(),
                result.failed.to_string(),
                result.skipped.to_string(),
            ];
            cells.extend(match difference {
                Some(difference) => difference_cells(difference),
                None => vec![String::new(); HEADER.split(',').count() - cells.len()],
            });
            text.push_str(&cells.join(","));
            text.push('\n');
        }
    }
}

fn difference_cells(difference: &Difference) -> Vec<String> {
    let paired = &difference.paired;
    let fidelity = paired.fidelity.as_ref();
    let divergence = fidelity.and_then(|fidelity| fidelity.divergence.as_ref());
    vec![
        quoted(&difference.baseline),
        difference.change().to_string(),
        optional(difference.interval.map(|interval| interval.low)),
        optional(difference.interval.map(|interval| interval.high)),
        optional(paired.p_value),
        optional(difference.p_corrected),
        optional(paired.detectable),
        optional(paired.discordant.map(|counts| counts.lost)),
        optional(paired.discordant.map(|counts| counts.gained)),
        optional(fidelity.and_then(|fidelity| fidelity.flips).map(|flips| flips.other_wrong)),
        optional(fidelity.map(|fidelity| fidelity.agreement)),
        optional(divergence.map(|divergence| divergence.from_baseline)),
        optional(divergence.map(|divergence| divergence.from_variant)),
        optional(difference.tokens.as_ref().map(|tokens| tokens.from_baseline)),
        optional(difference.tokens.as_ref().map(|tokens| tokens.from_variant)),
        optional(difference.noise.map(|noise| noise.covers)),
    ]
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A cell in quotes where it needs them.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_string() }
}
