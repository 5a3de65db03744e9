//! The table: what each recipe stores, and what that costs.

use super::changes;
use super::figures::{bits, number, signed, thousands};
use super::grid::Grid;
use crate::comparison::Difference;
use crate::runner::{RunSummary, Status, TaskResult, Variant, is_rounded};

/// The table for a terminal, with notes.
pub fn text(summary: &RunSummary) -> String {
    finish(grid(summary).text(), changes::grid(summary).map(|grid| grid.text()), summary)
}

/// The table in Markdown, with notes.
pub fn markdown(summary: &RunSummary) -> String {
    finish(grid(summary).markdown(), changes::grid(summary).map(|grid| grid.markdown()), summary)
}

fn grid(summary: &RunSummary) -> Grid {
    let compared = !summary.differences.is_empty();
    let mut header: Vec<Vec<String>> = vec![
        ["model", "recipe", "bits a weight", "", "bytes"].map(String::from).into(),
        ["", "", "nominal", "true", ""].map(String::from).into(),
    ];
    for result in columns(summary) {
        let metric = result.metrics.first();
        let arrow = metric.map_or("", |metric| if metric.higher_is_better { "↑" } else { "↓" });
        header[0].push(result.id.clone());
        header[1].push(format!("{} {arrow}", metric.map_or_else(String::new, |metric| metric.label())));
        if compared {
            header[0].push(String::new());
            header[1].push("change".into());
        }
    }
    let row = |variant: &Variant| {
        let mut cells = vec![
            variant.model.clone(),
            variant.recipe.clone(),
            bits(variant.weights.nominal_bits_per_weight),
            bits(variant.weights.true_bits_per_weight),
            thousands(variant.weights.weight_bytes),
        ];
        for column in columns(summary) {
            let result = variant.result(&column.id);
            cells.push(result.map_or_else(|| "-".into(), measured));
            if compared {
                let same =
                    |difference: &&Difference| difference.task == column.id && difference.recipe == variant.recipe;
                cells.push(summary.differences.iter().find(same).map_or_else(String::new, change));
            }
        }
        cells
    };
    Grid { header, rows: summary.variants.iter().map(row).collect(), left: 2 }
}

/// The results that were asked for by name.
fn columns(summary: &RunSummary) -> impl Iterator<Item = &TaskResult> {
    summary.variants.first().into_iter().flat_map(|variant| variant.results.iter().filter(|result| result.requested))
}

fn measured(result: &TaskResult) -> String {
    let Some(metric) = result.metrics.first() else { return "-".into() };
    match (metric.value, metric.standard_error) {
        (None, _) if result.failed == 0 => "no value".into(),
        (None, _) => format!("no value ({} failed)", result.failed),
        (Some(value), None) => number(value),
        (Some(value), Some(error)) => format!("{} ± {}", number(value), number(error)),
    }
}

/// The change with its mark.
fn change(difference: &Difference) -> String {
    let mark = match &difference.noise {
        Some(noise) if noise.covers => "~",
        _ if difference.is_significant() => "*",
        _ => " ",
    };
    format!("{}{mark}", signed(difference.change()))
}

/// The tables with what has to be said about them.
fn finish(table: String, changes: Option<String>, summary: &RunSummary) -> String {
    let mut notes: Vec<String> = Vec::new();
    if let Some(first) = summary.differences.first() {
        let mut tests: Vec<&str> = Vec::new();
        for difference in summary.differences.iter().filter(|difference| difference.requested) {
            if !tests.contains(&difference.test_name()) {
                tests.push(difference.test_name());
            }
        }
        notes.push(format!(
            "± standard error; change from `{}` on the same documents, * where p < 0.05 ({}) after Holm's correction over \
             the tasks of a recipe",
            first.baseline,
            tests.join("; ")
        ));
        notes.extend(noise_note(summary, &first.baseline));
    } else if !summary.variants.is_empty() {
        notes.push("± standard error".into());
    }
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    let changes = changes.map(|grid| format!("\n{grid}{}\n", changes::NOTE)).unwrap_or_default();
    format!("{table}\n{notes}{}{changes}", problems(summary))
}

/// What went otherwise than planned, one line each.
pub fn problems(summary: &RunSummary) -> String {
    let mut notes: Vec<String> = Vec::new();
    for variant in &summary.variants {
        for result in variant.results.iter().filter(|result| result.requested) {
            let place = format!("{}, {}", variant.recipe, result.id);
            if result.failed > 0 {
                let reason = result.problem.as_deref().unwrap_or_default();
                notes.push(format!(
                    "{place}: {} of the documents failed, so there is no value; {reason}",
                    result.failed
                ));
            }
            if result.skipped > 0 {
                notes.push(format!("{place}: {} documents skipped (--on_overflow skip)", result.skipped));
            }
            if result.unjudged > 0 {
                notes.push(format!(
                    "{place}: {} documents wait for a judge (questions in judge_*.jsonl of --output_path; answers with \
                     --judgements)",
                    result.unjudged
                ));
            }
            if result.unreadable > 0 {
                notes.push(format!(
                    "{place}: {} judgements cannot be read, so they count for nothing",
                    result.unreadable
                ));
            }
        }
    }
    if let Some(variant) = summary.variants.first() {
        for result in variant.results.iter().filter(|result| result.requested) {
            if result.beyond_context > 0 {
                notes.push(format!(
                    "{}: {} documents read beyond the model's context",
                    result.id, result.beyond_context
                ));
            }
            if result.shortened > 0 {
                notes.push(format!("{}: {} prompts shortened to fit the model's context", result.id, result.shortened));
            }
        }
    }
    if let Status::Incomplete { done, total } = summary.status {
        notes.push(format!("incomplete: {done} of {total} documents done; the same command takes the run up again"));
    }
    notes.iter().map(|note| format!("{note}\n")).collect()
}

/// What the noise floor is, and how to get one.
fn noise_note(summary: &RunSummary, baseline: &str) -> Option<String> {
    let rounded = summary.variants.iter().find(|variant| is_rounded(&variant.recipe));
    Some(match rounded {
        Some(rounded) => format!(
            "~ below the noise floor: no further from `{baseline}` than `{}`, the same weights with inputs rounded to \
             bfloat16",
            rounded.recipe
        ),
        None if summary.status == Status::Complete => {
            "noise floor not measured (--noise_floor): how much rounding alone changes is not known".into()
        }
        None => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0.275, 12345.678, 3.2e12].map(number), ["0.2750", "12345.7", "3.200e12"]);
        assert_eq!([8.0, 4.5, 2.138_671, 16.0].map(bits), ["8", "4.5", "2.14", "16"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
