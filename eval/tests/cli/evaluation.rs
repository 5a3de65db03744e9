//! `nibble eval`: without files, with them, stopped and taken up again.

use super::program::{command, finished, nibble, shared, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything in a run directory that must be reproducible, by path.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(place) = pending.pop() {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            if path.is_dir() {
                pending.push(path);
            } else if name.ends_with("results.json")
                || name.contains("samples_")
                || name == "summary.json"
                || name == "manifest.json"
            {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

const TASKS: &str = "perplexity:builtin_chronicle@gptq-128,mmlu:builtin@lm-eval";

fn evaluate(output: &Path, more: &[&str]) -> String {
    let fixed = ["eval", "-q", "-m", "builtin:seeded", "--quant", "none,rtn:w4g32", "--tasks", TASKS, "--limit", "8"];
    nibble(&[fixed.as_slice(), &["--output_path", text(output)], more].concat()).ok()
}

#[test]
fn the_first_line_about_the_seeded_model_says_that_scores_are_chance() {
    let seeded = ["eval", "-m", "builtin:seeded", "--limit", "1"];
    let table = nibble(&[&seeded[..], &["-q", "--quant", "none,rtn:w4g32"]].concat()).ok();
    let first = table.lines().next().unwrap();
    assert!(
        first.contains("seeded model") && first.contains("without training") && first.contains("chance"),
        "{table}"
    );
    assert!(table.contains("rtn:w4g32"), "{table}");
    let run = nibble(&[&seeded[..], &["--quant", "none", "--format", "json"]].concat());
    assert!(run.stderr.lines().next().unwrap().contains("chance"), "{}", run.stderr);
    assert_eq!(run.json()[0]["recipe"], "none");
}

#[test]
fn threads_batches_and_instruction_sets_change_no_byte() {
    let directory = tempfile::tempdir().unwrap();
    let first = directory.path().join("first");
    evaluate(&first, &["--threads", "1"]);
    let expected = contents(&first);
    assert!(expected.keys().any(|name| name.ends_with("results.json")), "{:?}", expected.keys());
    let others: [&[&str]; 4] = [
        &["--threads", "3"],
        &["--batch_size", "1"],
        &["--batch_size", "5", "--batch_tokens", "33"],
        &["--isa", "scalar"],
    ];
    for (index, flags) in others.into_iter().enumerate() {
        let other = directory.path().join(index.to_string());
        evaluate(&other, flags);
        assert!(contents(&other) == expected, "{flags:?}");
    }
    // The same command again finds everything done and leaves everything as it is.
    evaluate(&first, &[]);
    assert!(contents(&first) == expected);
}

#[test]
fn another_plan_does_not_mix_with_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    evaluate(&run, &[]);
    let before = contents(&run);
    let fixed = [
        "eval",
        "-q",
        "-m",
        "builtin:seeded",
        "--format",
        "json",
        "--quant",
        "none",
        "--tasks",
        TASKS,
        "--limit",
        "2",
        "--output_path",
        text(&run),
    ];
    let [what, place, fix] = nibble(&fixed).error(2);
    assert!(
        what.contains("another plan") && place.ends_with("run") && fix.contains("--overwrite"),
        "{what} {place} {fix}"
    );
    assert!(contents(&run) == before);
    nibble(&[fixed.as_slice(), &["--overwrite"]].concat()).ok();
    assert!(contents(&run) != before);
}

/// Starts an evaluation, stops it once its journal has a few documents, and returns what it ended with.
#[cfg(unix)]
fn stopped(output: &Path, signal: &str) -> std::process::Output {
    let fixed = ["eval", "-m", "builtin:seeded", "--quant", "none,rtn:w4g32", "--tasks", TASKS];
    let slowly = ["--output_path", text(output), "--threads", "1", "--isa", "scalar", "--limit", "8"];
    let child =
        command(&[fixed.as_slice(), &slowly].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(300) {
        let files = fs::read_dir(output).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut lines = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
        if lines.any(|path| fs::read_to_string(path).unwrap_or_default().lines().count() > 4) {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_stopped_run_goes_on_and_ends_with_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    evaluate(&whole, &[]);
    let expected = contents(&whole);

    let interrupted = directory.path().join("interrupted");
    let run = finished(stopped(&interrupted, "-INT"));
    // It may have been done before the signal came.
    if run.code != 0 {
        assert_eq!(run.code, 4, "{}", run.stderr);
        assert!(
            run.stderr.contains("incomplete: stopped after") && run.stderr.contains("same command"),
            "{}",
            run.stderr
        );
        assert!(!interrupted.join("summary.json").exists());
    }
    evaluate(&interrupted, &[]);
    assert!(contents(&interrupted) == expected);

    let killed = directory.path().join("killed");
    stopped(&killed, "-KILL");
    evaluate(&killed, &[]);
    assert!(contents(&killed) == expected);
}

#[test]
fn the_perplexity_of_a_trained_model_is_that_of_float64() {
    let (Some(model), Some(data), Some(golden)) =
        (shared("models/stories260K"), shared("data/tinystories"), shared("golden/real/stories260K.json"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("head.txt");
    let text_bytes = fs::read(data.join("tinystories_validation_head.txt")).unwrap();
    fs::write(&file, &text_bytes[..65536]).unwrap();
    let task = format!("perplexity:{}@gptq-256", file.display());
    let recipes = "none,rtn:w4a32g32,rtn:w2g32";
    let report =
        nibble(&["eval", "-q", "-m", text(&model), "--tasks", &task, "--quant", recipes, "--format", "json"]).json();
    let golden: Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let perplexity =
        |index: usize| report[index]["metrics"]["perplexity:head.txt@gptq-256"]["perplexity"].as_f64().unwrap();
    let relative_error =
        |index: usize, expected: &Value| (perplexity(index) / expected["ppl_f64"].as_f64().unwrap() - 1.0).abs();
    assert!(relative_error(0, &golden["perplexity"]) < 1e-6, "{report}");
    assert!(relative_error(1, &golden["rtn"]["w4g32"]) < 1e-4, "{report}");
    assert!(relative_error(2, &golden["rtn"]["w2g32"]) < 1e-3, "{report}");
    assert!(
        report[1]["true_bits_per_weight"].as_f64().unwrap() > report[1]["nominal_bits_per_weight"].as_f64().unwrap()
    );
}

#[test]
fn efficiency_is_measured_where_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let run = |output: &Path| {
        let fixed = ["eval", "-q", "--tasks", "mmlu:builtin@lm-eval", "--limit", "1", "--quant", "none"];
        let flags = ["--efficiency", "auto", "--output_path", text(output)];
        let mut command = command(&[fixed.as_slice(), &flags].concat());
        finished(command.env("XDG_CACHE_HOME", at("cache")).output().unwrap()).ok();
        fs::read(output.join("efficiency.json")).unwrap()
    };
    let file = run(&at("first"));
    let value: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(
        (&value["protocol"]["prompt_tokens"], &value["protocol"]["generated_tokens"]),
        (&256.into(), &512.into())
    );
    assert_eq!(value["recipes"]["none"]["measured"]["generated_tokens"], 512);
    assert_eq!(run(&at("second")), file);
    let [what, place, _] =
        nibble(&["eval", "-q", "-m", "builtin:seeded", "--efficiency", "measure", "--format", "json"]).error(2);
    assert!(what.contains("nowhere") && place == "--efficiency", "{what} {place}");
}
