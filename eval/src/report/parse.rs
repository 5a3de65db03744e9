//! The files of a run directory, parsed.

use super::efficiency::Efficiency;
use super::run::{Change, Layer, Run, Score, Task, Variant, baseline};
use crate::error::Error;
use crate::manifest::Manifest;
use crate::runner::{COMPARISON, RESULTS, SUMMARY, folder_of};
use crate::task::NO_FILTER;
use serde_json::{Map, Value};
use std::path::Path;

/// Reads a run directory.
///
/// # Errors
/// [`Error::NoRun`] where there is no finished run, files that cannot be read.
pub fn run(directory: &Path) -> Result<Run, Error> {
    let missing =
        |what: String, fix: &str| Error::NoRun { directory: directory.to_path_buf(), what, fix: fix.to_string() };
    let Some(manifest) = Manifest::read(directory)? else {
        return Err(missing("there is no manifest.json".into(), "name the --output_path of a `nibble eval`"));
    };
    let go_on = "the same `nibble eval` goes on where it stopped";
    if !directory.join(SUMMARY).exists() {
        return Err(missing(format!("the run is not finished: there is no {SUMMARY}"), go_on));
    }
    let requested: Vec<&str> =
        manifest.value()["requested"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut variants = Vec::new();
    let mut configurations = Value::Null;
    for recipe in manifest.recipes() {
        let path = directory.join(folder_of(&recipe)).join(RESULTS);
        let Some(results) = read(&path)? else {
            return Err(missing(format!("recipe `{recipe}` is not finished: there is no {RESULTS} of it"), go_on));
        };
        if configurations.is_null() {
            configurations = results["configs"].clone();
        }
        let variant =
            variant(&recipe, &results, &requested).ok_or_else(|| damaged(&path, "keys of results are missing"));
        variants.push(variant?);
    }
    let path = directory.join(COMPARISON);
    let comparison = read(&path)?.ok_or_else(|| missing(format!("there is no {COMPARISON}"), go_on))?;
    let rows = comparison.as_array().ok_or_else(|| damaged(&path, "expected an array"))?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        changes
            .push(change(row, &variants).ok_or_else(|| damaged(&path, "a row lacks its task, recipe or difference"))?);
    }
    let named = rows.first().and_then(|row| row["baseline"].as_str()).map(str::to_string);
    let path = directory.join(Efficiency::FILE_NAME);
    let efficiency = match read(&path)? {
        Some(value) => {
            Some(Efficiency::parse(&value).ok_or_else(|| damaged(&path, "not the format that is known: 1"))?)
        }
        None => None,
    };
    Ok(Run {
        model: manifest.value()["model"]["name"].as_str().unwrap_or_default().to_string(),
        baseline: named.unwrap_or_else(|| baseline(&variants)),
        manifest: manifest.value().clone(),
        variants,
        changes,
        efficiency,
        configurations,
    })
}

/// A JSON file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Value>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Output { action: "read", path: path.to_path_buf(), source }),
    };
    let problem =
        |error: serde_json::Error| Error::Journal { file: path.into(), line: error.line(), problem: error.to_string() };
    serde_json::from_str(&text).map(Some).map_err(problem)
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::Journal { file: path.to_path_buf(), line: 1, problem: problem.into() }
}

fn variant(recipe: &str, results: &Value, requested: &[&str]) -> Option<Variant> {
    let weights = &results["weights"];
    let bits = |name: &str| weights[name].as_f64();
    let mut tasks = Vec::new();
    for (id, fields) in results["results"].as_object()? {
        let counts = |name: &str| fields[name].as_u64().unwrap_or_default();
        tasks.push(Task {
            id: id.clone(),
            requested: requested.contains(&id.as_str()),
            scores: scores(fields.as_object()?, &results["higher_is_better"][id]),
            documents: results["n-samples"][id]["effective"].as_u64().unwrap_or_default(),
            failed: counts("failed_items"),
            skipped: counts("skipped_items"),
        });
    }
    let layers = results["quantization"]["layers"].as_array().into_iter().flatten();
    let named = Variant::named(
        recipe,
        bits("nominal_bits_per_weight")?,
        bits("true_bits_per_weight")?,
        weights["weight_bytes"].as_u64()?,
    );
    Some(Variant { tasks, layers: layers.filter_map(layer).collect(), ..named })
}

/// What belongs to a metric, after its name.
const PARTS: [&str; 5] = ["_stderr", "_ci95_low", "_ci95_high", "_ci95_method", "_stderr_clustered"];

/// Metrics of one task, from keys such as `acc,none` and `acc_stderr,none`.
fn scores(fields: &Map<String, Value>, higher_is_better: &Value) -> Vec<Score> {
    let metrics = fields.iter().filter_map(|(key, value)| {
        let (name, filter) = key.split_once(',')?;
        if PARTS.iter().any(|part| name.ends_with(part)) {
            return None;
        }
        let part = |part: &str| fields.get(&format!("{name}{part},{filter}"));
        let number = |name: &str| part(name).and_then(Value::as_f64);
        let method = part("_ci95_method").and_then(Value::as_str).unwrap_or_default();
        Some(Score {
            metric: if filter == NO_FILTER { name.to_string() } else { key.clone() },
            value: value.as_f64(),
            standard_error: number("_stderr"),
            interval: number("_ci95_low").zip(number("_ci95_high")).map(|(low, high)| (low, high, method.to_string())),
            higher_is_better: higher_is_better[name].as_bool().unwrap_or(true),
        })
    });
    metrics.collect()
}

fn change(row: &Value, variants: &[Variant]) -> Option<Change> {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let pair = |value: &Value, first: &str, second: &str| value[first].as_f64().zip(value[second].as_f64());
    let (paired, fidelity) = (&row["paired"], &row["fidelity"]);
    let (task, recipe, metric) = (text(&row["task"])?, text(&row["recipe"])?, text(&row["metric"])?);
    let of_task = variants.iter().find(|variant| variant.recipe == recipe).and_then(|variant| variant.task(&task));
    let score = of_task.and_then(|task| task.score(&metric));
    Some(Change {
        higher_is_better: score.is_none_or(|score| score.higher_is_better),
        task,
        recipe,
        metric,
        difference: row["difference"].as_f64()?,
        interval: pair(row, "difference_ci95_low", "difference_ci95_high"),
        test: text(&paired["test"]).unwrap_or_default(),
        p_value: paired["p_value"].as_f64(),
        p_corrected: paired["p_value_holm"].as_f64(),
        detectable: paired["minimum_detectable_effect"].as_f64(),
        lost_gained: paired["lost"].as_u64().zip(paired["gained"].as_u64()),
        other_wrong: fidelity["flips"]["wrong_to_other_wrong"].as_u64(),
        answers: fidelity["documents"].as_u64(),
        agreement: fidelity["agreement"].as_f64(),
        choice_kl: pair(&fidelity["choices"], "kl_from_baseline", "kl_from_recipe"),
        token_kl: pair(&row["next_token"], "kl_from_baseline", "kl_from_recipe"),
        below_noise: row["noise_floor"]["covers"].as_bool(),
    })
}

/// A matrix, from its object in `results.json`.
pub(super) fn layer(value: &Value) -> Option<Layer> {
    Some(Layer {
        tensor: value["tensor"].as_str()?.to_string(),
        block: value["block"].as_u64()?,
        weights: value["rows"].as_u64()? * value["columns"].as_u64()?,
        loss: value["loss"].as_f64(),
        outliers: value["outliers"].as_u64(),
    })
}
