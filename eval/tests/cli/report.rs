//! `nibble report`, and the report that `nibble eval` leaves.

use super::program::{nibble, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

const TASKS: &str = "perplexity:builtin_chronicle@gptq-128,mmlu:builtin@lm-eval,truthfulqa:builtin@lm-eval,\
                     truthfulqa_mc1:builtin@lm-eval";

fn evaluate(output: &Path, more: &[&str]) -> super::program::Run {
    let fixed = [
        "eval",
        "-m",
        "builtin:seeded",
        "--quant",
        "none,rtn:w8,rtn:w2g32",
        "--tasks",
        TASKS,
        "--limit",
        "4",
        "-o",
        text(output),
    ];
    nibble(&[fixed.as_slice(), more].concat())
}

#[test]
fn a_run_ends_with_its_report() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a"), directory.path().join("b"));
    let run = evaluate(&first, &["--noise_floor"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("report: ") && last.ends_with("report.html"), "{last}");
    // Four tasks: the overview, with its verdict.
    assert!(
        run.stdout.contains("ppl ↓") && run.stdout.contains("TruthQA") && run.stdout.contains("true bits a weight"),
        "{}",
        run.stdout
    );
    let page = fs::read_to_string(first.join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Table 7") && !page.contains("<script"));
    let other = evaluate(&second, &["--noise_floor", "--threads", "1", "-q"]);
    assert_eq!((other.code, other.stderr.as_str()), (0, ""));
    assert_eq!(page, fs::read_to_string(second.join("report.html")).unwrap());
    // The same from the directory alone, whatever else is written there.
    fs::remove_file(first.join("run.json")).unwrap();
    assert_eq!(page, nibble(&["report", text(&first), "--format", "html"]).ok());
}

#[test]
fn the_same_content_in_other_forms() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        evaluate(&directory.path().join(name), &["-q"]).ok();
    }
    let all = text(directory.path());
    let table = nibble(&["report", all]).ok();
    assert!(table.starts_with("model") && table.contains("rtn:w2g32"), "{table}");
    let markdown = nibble(&["report", all, "--format", "md"]).ok();
    assert!(markdown.contains("## The paper's findings") && markdown.contains("| model | recipe |"), "{markdown}");
    let json: Value = nibble(&["report", all, "--format", "json"]).json();
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(6));
    let csv = nibble(&["report", text(&directory.path().join("a")), "--format", "csv"]).ok();
    let same = nibble(&[
        "eval",
        "-q",
        "-m",
        "builtin:seeded",
        "--quant",
        "none,rtn:w8,rtn:w2g32",
        "--tasks",
        TASKS,
        "--limit",
        "4",
        "--format",
        "csv",
    ]);
    assert_eq!(csv, same.ok().trim_start_matches('\u{feff}').to_string());
    let file = directory.path().join("out.md");
    assert_eq!(nibble(&["report", all, "--format", "md", "-o", text(&file), "-q"]).ok(), "");
    assert_eq!(fs::read_to_string(file).unwrap(), markdown);
}

#[test]
fn what_is_missing_or_damaged_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    evaluate(&run, &["-q"]).ok();
    let report = || nibble(&["report", "-q", text(&run)]);
    fs::write(run.join("efficiency.json"), "{\"format\": 7}").unwrap();
    let [what, place, _] = report().error(3);
    assert!(what.contains("format") && place.contains("efficiency.json"), "{what}, {place}");
    fs::write(run.join("efficiency.json"), "{").unwrap();
    assert!(report().error(3)[1].contains("efficiency.json"));
    fs::remove_file(run.join("efficiency.json")).unwrap();
    let results = run.join("rtn-w8/results.json");
    let whole = fs::read(&results).unwrap();
    fs::write(&results, &whole[..whole.len() / 2]).unwrap();
    let [_, place, fix] = report().error(3);
    assert!(place.contains("results.json") && fix.contains("restore"), "{place}, {fix}");
    fs::write(&results, "{}").unwrap();
    assert!(report().error(3)[0].contains("missing"));
    fs::remove_file(&results).unwrap();
    let [what, _, fix] = report().error(3);
    assert!(what.contains("rtn:w8") && what.contains("not finished") && fix.contains("nibble eval"), "{what}, {fix}");
    fs::write(&results, &whole).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    assert!(report().error(3)[0].contains("not finished"));
    let nothing = directory.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    assert!(nibble(&["report", text(&nothing)]).error(3)[0].contains("no manifest.json"));
    assert!(nibble(&["report", text(&directory.path().join("absent"))]).error(3)[1].contains("absent"));
}
