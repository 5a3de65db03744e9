//! `ls`, `show` and `doctor` in every format.

use super::program::{command, finished, nibble, shared, text};
use serde_json::Value;

#[test]
fn every_listing_has_every_format() {
    let listings: [&[&str]; 8] = [
        &["models", "ls", "."],
        &["models", "families"],
        &["models", "show", "builtin:seeded"],
        &["tasks", "ls"],
        &["quants", "ls"],
        &["quants", "show", "none,rtn:w4g32"],
        &["data", "ls"],
        &["data", "show", "gsm8k"],
    ];
    for listing in listings {
        let with = |format: &str| nibble(&[listing, &["--format", format]].concat()).ok();
        assert!(serde_json::from_str::<Value>(&with("json")).is_ok(), "{listing:?}");
        assert!(with("md").starts_with("| "), "{listing:?}");
        assert!(with("csv").lines().next().unwrap().contains(','), "{listing:?}");
        assert!(with("table").lines().all(|line| line == line.trim_end()), "{listing:?}");
    }
}

#[test]
fn listings_are_the_registries() {
    let column = |arguments: &[&str], key: &str| -> Vec<String> {
        let listing = nibble(&[arguments, &["--format", "json"]].concat()).json();
        listing.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap().to_string()).collect()
    };
    let families: Vec<&str> = engine::family::all().iter().map(|family| family.name).collect();
    assert_eq!(column(&["models", "families"], "family"), families);
    let methods: Vec<&str> = quant::method::all().iter().map(|method| method.name).collect();
    assert_eq!(column(&["quants", "ls"], "method"), methods);
    let tasks: Vec<&str> = eval::task::all().iter().map(|entry| entry.name).collect();
    assert_eq!(column(&["tasks", "ls"], "task"), tasks);
    assert_eq!(column(&["tasks", "ls", "--names"], "name"), eval::task::names());
    for name in methods {
        assert!(nibble(&["quants", "show", name]).ok().contains(name));
    }
    for name in tasks {
        assert!(nibble(&["tasks", "show", name]).ok().contains("protocols"), "{name}");
    }
}

#[test]
fn a_prompt_is_printed_to_the_letter() {
    let entry = eval::task::find("truthfulqa").unwrap();
    let prompt = ["tasks", "prompt", "truthfulqa:builtin@lm-eval"];
    assert_eq!(nibble(&prompt).ok(), entry.example);
    let json = nibble(&[&prompt[..], &["--format", "json"]].concat()).json();
    assert_eq!((&json["asked"][0]["prompt"], &json["doc_id"]), (&Value::from(entry.example), &Value::from(0)));
    assert_eq!(json["prompt_hash"], eval::task::hash_text(entry.example));
    let continuations = json["asked"][0]["continuations"].as_array().unwrap();
    assert_eq!(continuations.len(), json["requests"].as_array().unwrap().len());
    assert!(continuations.iter().all(|continuation| continuation.as_str().unwrap().starts_with(' ')));
    // Of a group, the items of its members one after the other.
    let second = nibble(&["tasks", "prompt", "mmlu:builtin@lm-eval", "--doc", "40", "--format", "json"]).json();
    assert_eq!(second["doc_id"], 0);
    let missing = nibble(&["tasks", "prompt", "mmlu:builtin@lm-eval", "--doc", "240"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("from 0 to 239"), "{}", missing.stderr);
}

#[test]
fn a_checkpoint_is_described_or_refused_with_a_reason() {
    let builtin = nibble(&["models", "show", "builtin:seeded", "--format", "json"]).json();
    assert_eq!((&builtin["supported"], &builtin["family"]), (&Value::Bool(true), &Value::from("llama")));
    let bytes: u64 = builtin["parts"].as_object().unwrap().values().map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes, builtin["bytes"].as_u64().unwrap());
    let Some(golden) = shared("golden/A") else { return };
    let bloom = nibble(&["models", "show", text(&golden.join("bloom")), "--format", "json"]).json();
    assert_eq!((&bloom["supported"], &bloom["family"]), (&Value::Bool(true), &Value::from("bloom")));
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(golden.join("bloom/model.safetensors"), other.path().join("model.safetensors")).unwrap();
    std::fs::write(other.path().join("config.json"), r#"{"architectures": ["MambaForCausalLM"]}"#).unwrap();
    let mamba = nibble(&["models", "show", text(other.path()), "--format", "json"]).json();
    assert_eq!(mamba["supported"], false);
    assert!(mamba["reason"].as_str().unwrap().contains("MambaForCausalLM"), "{mamba}");
    let listed = nibble(&["models", "ls", text(&golden), "--format", "json"]).json();
    assert!(listed.as_array().unwrap().len() > 20);
}

#[test]
fn the_doctor_says_what_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let run = command(&["doctor", "--format", "json"]).current_dir(empty.path()).output().unwrap();
    let report = finished(run).json();
    assert_eq!(report["usable"], true);
    assert!(report["instruction_sets"].as_array().unwrap().contains(&"scalar".into()));
    let missing = report["missing"].as_array().unwrap();
    assert!(missing.iter().any(|missing| missing["what"].as_str().unwrap().contains("checkpoint")), "{report}");
    assert!(missing.iter().all(|missing| !missing["fix"].as_str().unwrap().is_empty()), "{report}");
    let (Some(data), Some(models)) = (shared("data"), shared("models")) else { return };
    let report = nibble(&["doctor", "--format", "json", "--data", text(&data), "--models", text(&models)]).json();
    // What may not be passed on, and the categories of BBQ that could not be had.
    let missing: Vec<&str> =
        report["missing"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    let names: Vec<&str> =
        missing.iter().filter_map(|what| what.strip_prefix("data set ")?.split(':').next()).collect();
    assert_eq!(
        (names.len(), names),
        (missing.len(), vec!["cnn_dailymail", "xsum", "bbq", "ptb", "piqa", "boolq"]),
        "{report}"
    );
    assert!(nibble(&["doctor", "--models", text(&models)]).ok().contains("stories260K"));
}
