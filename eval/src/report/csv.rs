//! Runs as comma-separated values (RFC 4180), one row a metric.

use super::run::{Change, Run, Variant};

const HEADER: &str = "model,recipe,nominal_bits_per_weight,true_bits_per_weight,weight_bytes,task,metric,value,stderr,\
                      ci95_low,ci95_high,ci95_method,documents,failed,skipped,baseline,difference,difference_ci95_low,\
                      difference_ci95_high,p_value,p_value_holm,minimum_detectable_effect,lost,gained,\
                      wrong_to_other_wrong,agreement,kl_from_baseline,kl_from_recipe,\
                      next_token_kl_from_baseline,next_token_kl_from_recipe,below_noise_floor";

/// All metrics of all variants of all runs.
pub fn rows(runs: &[Run]) -> String {
    let mut text = format!("{HEADER}\n");
    for run in runs {
        for variant in &run.variants {
            variant_rows(run, variant, &mut text);
        }
    }
    text
}

fn variant_rows(run: &Run, variant: &Variant, text: &mut String) {
    for task in &variant.tasks {
        for score in &task.scores {
            let interval = score.interval.as_ref();
            let mut cells = vec![
                quoted(&run.model),
                quoted(&variant.recipe),
                variant.nominal_bits.to_string(),
                variant.true_bits.to_string(),
                variant.weight_bytes.to_string(),
                quoted(&task.id),
                quoted(&score.metric),
                optional(score.value),
                optional(score.standard_error),
                optional(interval.map(|(low, _, _)| low)),
                optional(interval.map(|(_, high, _)| high)),
                interval.map(|(_, _, method)| quoted(method)).unwrap_or_default(),
                task.documents.to_string(),
                task.failed.to_string(),
                task.skipped.to_string(),
            ];
            let change = run.change(&variant.recipe, &task.id).filter(|change| change.metric == score.metric);
            cells.extend(match change {
                Some(change) => change_cells(run, change),
                None => vec![String::new(); HEADER.split(',').count() - cells.len()],
            });
            text.push_str(&cells.join(","));
            text.push('\n');
        }
    }
}

fn change_cells(run: &Run, change: &Change) -> Vec<String> {
    vec![
        quoted(&run.baseline),
        change.difference.to_string(),
        optional(change.interval.map(|(low, _)| low)),
        optional(change.interval.map(|(_, high)| high)),
        optional(change.p_value),
        optional(change.p_corrected),
        optional(change.detectable),
        optional(change.lost_gained.map(|(lost, _)| lost)),
        optional(change.lost_gained.map(|(_, gained)| gained)),
        optional(change.other_wrong),
        optional(change.agreement),
        optional(change.choice_kl.map(|(from_baseline, _)| from_baseline)),
        optional(change.choice_kl.map(|(_, from_recipe)| from_recipe)),
        optional(change.token_kl.map(|(from_baseline, _)| from_baseline)),
        optional(change.token_kl.map(|(_, from_recipe)| from_recipe)),
        optional(change.below_noise),
    ]
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A cell in quotes where it needs them.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_string() }
}
