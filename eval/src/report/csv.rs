//! The report as comma-separated values (RFC 4180), one row a metric.

use crate::runner::{RunSummary, Variant};

const HEADER: &str = "model,recipe,nominal_bits_per_weight,true_bits_per_weight,weight_bytes,task,metric,value,stderr,\
                      documents,failed,skipped,baseline,difference,p_value";

/// All metrics of all variants.
pub fn rows(summary: &RunSummary) -> String {
    let mut text = format!("{HEADER}\n");
    for variant in &summary.variants {
        variant_rows(summary, variant, &mut text);
    }
    text
}

fn variant_rows(summary: &RunSummary, variant: &Variant, text: &mut String) {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for result in &variant.results {
        for metric in &result.metrics {
            let difference = summary.differences.iter().find(|difference| {
                difference.task == result.id && difference.recipe == variant.recipe && difference.metric == metric.name
            });
            let cells = [
                quoted(&variant.model),
                quoted(&variant.recipe),
                variant.weights.nominal_bits_per_weight.to_string(),
                variant.weights.true_bits_per_weight.to_string(),
                variant.weights.weight_bytes.to_string(),
                quoted(&result.id),
                quoted(&metric.label()),
                number(metric.value),
                number(metric.standard_error),
                result.counts.effective.to_string(),
                result.failed.to_string(),
                result.skipped.to_string(),
                difference.map(|difference| quoted(&difference.baseline)).unwrap_or_default(),
                number(difference.map(|difference| difference.value - difference.baseline_value)),
                number(difference.and_then(|difference| difference.p_value)),
            ];
            text.push_str(&cells.join(","));
            text.push('\n');
        }
    }
}

/// A cell in quotes where it needs them.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_string() }
}
