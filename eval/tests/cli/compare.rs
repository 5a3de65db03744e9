//! `nibble compare`: recipes of one run, of two runs, thresholds, and what cannot be compared.

use super::program::{nibble, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

const TASKS: &str = "perplexity:builtin_chronicle@gptq-128,mmlu:builtin@lm-eval";

fn evaluate(output: &Path, more: &[&str]) {
    let fixed = ["eval", "-q", "-m", "builtin:seeded", "--quant", "none,rtn:w2g32", "--tasks", TASKS];
    nibble(&[fixed.as_slice(), &["--output_path", text(output)], more].concat()).ok();
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    let found = nibble(&[&["compare", "-q", "--format", "json"], arguments].concat()).json();
    found.as_array().unwrap().clone()
}

#[test]
fn recipes_of_a_run_are_compared_as_the_run_did() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    evaluate(&run, &["--limit", "6", "--noise_floor"]);
    let written: Value = serde_json::from_slice(&fs::read(run.join("comparison.json")).unwrap()).unwrap();
    let found = rows(&[text(&run), "--members"]);
    assert_eq!(found.len(), written.as_array().unwrap().len());
    for row in &found {
        let same = |other: &&Value| other["task"] == row["task"] && other["recipe"] == row["recipe"];
        let other = written.as_array().unwrap().iter().find(same).unwrap();
        for (name, expected) in [
            ("change", &other["difference"]),
            ("ci95_low", &other["difference_ci95_low"]),
            ("ci95_high", &other["difference_ci95_high"]),
            ("p_value", &other["paired"]["p_value"]),
            ("p_value_holm", &other["paired"]["p_value_holm"]),
            ("detectable", &other["paired"]["minimum_detectable_effect"]),
            ("lost", &other["paired"]["lost"]),
            ("gained", &other["paired"]["gained"]),
            ("test", &other["paired"]["test"]),
            ("agreement", &other["fidelity"]["agreement"]),
            ("kl_from_baseline", &other["fidelity"]["choices"]["kl_from_baseline"]),
        ] {
            assert_eq!(&row[name], expected, "{name} of {row}");
        }
    }
    let noise = written.as_array().unwrap().iter().find(|pair| pair["recipe"] == "rtn:w2g32").unwrap();
    assert!(noise["noise_floor"]["covers"].is_boolean(), "{noise}");
    // Without members: the two tasks of the recipe and of the noise floor.
    assert_eq!(rows(&[text(&run)]).len(), 4);
    assert_eq!(rows(&[text(&run), "--quant", "rtn:w2g32"]).len(), 2);
    let turned = rows(&[text(&run), "--baseline", "rtn:w2g32", "--quant", "none"]);
    let straight = rows(&[text(&run), "--quant", "rtn:w2g32"]);
    for (a, b) in turned.iter().zip(&straight) {
        assert_eq!(a["change"].as_f64(), b["change"].as_f64().map(|change| -change));
    }
    let table = nibble(&["compare", text(&run)]).ok();
    assert!(table.starts_with("baseline") && table.contains("rtn:w2g32") && table.contains("McNemar"), "{table}");
}

#[test]
fn a_run_that_was_repeated_lost_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a"), directory.path().join("b"));
    evaluate(&first, &["--limit", "3"]);
    evaluate(&second, &["--limit", "3", "--threads", "1"]);
    let found = rows(&[text(&first), text(&second), "--max_drop", "0"]);
    assert_eq!(found.len(), 4);
    for row in &found {
        assert_eq!((row["change"].as_f64(), row["p_value"].as_f64()), (Some(0.0), Some(1.0)), "{row}");
    }
}

#[test]
fn a_loss_beyond_the_threshold_is_exit_code_1() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    evaluate(&run, &["--limit", "3"]);
    // Two bits change the perplexity, for better or worse.
    let found = rows(&[text(&run)]);
    let change = found.iter().find(|row| row["metric"] == "perplexity").unwrap()["change"].as_f64().unwrap();
    let (baseline, recipe) = if change > 0.0 { ("none", "rtn:w2g32") } else { ("rtn:w2g32", "none") };
    let compare = |more: &[&str]| {
        let fixed = ["compare", "-q", text(&run), "--baseline", baseline, "--quant", recipe];
        nibble(&[fixed.as_slice(), more].concat())
    };
    let half = (change.abs() / 2.0).to_string();
    let failed = compare(&["--max_drop", &half]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stdout.contains("perplexity") && failed.stderr.contains("threshold:"), "{}", failed.stderr);
    assert!(failed.stderr.contains("worse by") && failed.stderr.contains(recipe), "{}", failed.stderr);
    let enough = "1000000000";
    assert_eq!(compare(&["--max_drop", enough]).code, 0);
    // The bound is never below the point.
    assert_eq!(compare(&["--max_drop", &half, "--max_drop_rule", "bound"]).code, 1);
    assert_eq!(compare(&["--max_drop", enough, "--max_drop_rule", "bound"]).code, 0);
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a"), directory.path().join("b"));
    evaluate(&first, &["--limit", "3"]);
    evaluate(&second, &["--limit", "2"]);
    let [what, place, fix] = nibble(&["compare", text(&first), text(&second)]).error(3);
    assert!(
        what.contains("documents") && place.contains("builtin") && fix.contains("same tasks"),
        "{what} {place} {fix}"
    );
    evaluate(&second, &["--limit", "3", "--num_fewshot", "1", "--overwrite"]);
    let [what, place, _] = nibble(&["compare", text(&first), text(&second)]).error(3);
    assert!(what.contains("bytes") || what.contains("files") || what.contains("prompt"), "{what} {place}");

    let [what, place, fix] = nibble(&["compare", text(directory.path())]).error(3);
    assert!(what.contains("manifest.json") && fix.contains("--output_path"), "{what} {place} {fix}");
    let [what, _, fix] = nibble(&["compare", text(&first), "--quant", "rtn:w8"]).error(3);
    assert!(what.contains("rtn:w8") && fix.contains("rtn:w2g32"), "{what} {fix}");
    let [what, _, fix] = nibble(&["compare", text(&first), "--quant", "none"]).error(2);
    assert!(what.contains("nothing to compare") && fix.contains("--baseline"), "{what} {fix}");
    fs::remove_file(first.join("none/results.json")).unwrap();
    let [what, _, _] = nibble(&["compare", text(&first)]).error(3);
    assert!(what.contains("not finished"), "{what}");
    // A damaged sample log is named with its line.
    evaluate(&first, &["--limit", "3"]);
    let log = first.join("none/samples_perplexity-builtin_chronicle@gptq-128.jsonl");
    fs::write(&log, "{\"doc_id\":0").unwrap();
    let [_, place, _] = nibble(&["compare", text(&first)]).error(3);
    assert!(place.ends_with("jsonl, line 1"), "{place}");
}
