//! Bad files, wrong names, places that cannot be written: three lines and an exit code.

use super::program::{command, finished, nibble, text};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

/// A checkpoint directory of the given files.
fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// A safetensors file with this header and data.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn logits(model: &Path) -> [String; 3] {
    nibble(&["logits", "-m", text(model), "--tokens", "1,2,3"]).error(3)
}

#[test]
fn a_path_that_is_no_checkpoint_says_what_was_looked_for() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("stories")).unwrap();
    let [what, place, fix] = logits(&parent.path().join("storys"));
    assert!(
        what.contains("config.json") && place.ends_with("storys") && fix.contains("stories"),
        "{what} {place} {fix}"
    );

    let [what, _, fix] = logits(&parent.path().join("stories"));
    assert!(what.contains("config.json") && what.contains("nothing"), "{what} {fix}");

    let file = parent.path().join("model.safetensors");
    fs::write(&file, "x").unwrap();
    let [what, _, fix] = logits(&file);
    assert!(what.contains("a file") && fix.contains("directory"), "{what} {fix}");
}

#[test]
fn a_name_in_a_cache_is_found_offline() {
    let home = tempfile::tempdir().unwrap();
    let entry = home.path().join("hub/models--Org--Name");
    fs::create_dir_all(entry.join("snapshots/0123")).unwrap();
    fs::create_dir_all(entry.join("refs")).unwrap();
    fs::write(entry.join("refs/main"), "0123").unwrap();
    fs::write(entry.join("snapshots/0123/config.json"), "{").unwrap();
    fs::write(entry.join("snapshots/0123/model.safetensors"), "").unwrap();
    let run = command(&["logits", "-m", "Org/Name", "--tokens", "1"]).env("HF_HOME", home.path()).output().unwrap();
    let [what, place, _] = finished(run).error(3);
    assert!(place.ends_with("0123/config.json") && what.contains("JSON"), "{what} {place}");
}

#[test]
fn damaged_and_hostile_weight_files_are_refused() {
    let config = br#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}"#;
    let tensor =
        |offsets: &str, shape: &str| format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
    let whole = safetensors(&tensor("[0,16]", "[2,2]"), &[0; 16]);
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let overlapping = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let overflow = tensor("[0,16]", "[4294967296,4294967296,4294967296]");
    let cases: [(&str, Vec<u8>); 7] = [
        ("truncated", whole[..whole.len() - 5].to_vec()),
        ("header beyond the file", u64::MAX.to_le_bytes().to_vec()),
        ("empty", Vec::new()),
        ("overlapping", safetensors(overlapping, &[0; 8])),
        ("duplicate", safetensors(twice, &[0; 8])),
        ("overflow", safetensors(&overflow, &[0; 16])),
        ("flipped", [&whole[..8], b"[", &whole[9..]].concat()),
    ];
    for (name, bytes) in cases {
        let directory = directory(&[("config.json", config), ("model.safetensors", &bytes)]);
        let [what, place, fix] = logits(directory.path());
        assert!(place.ends_with("model.safetensors"), "{name}: {what} {place} {fix}");
    }
}

#[test]
fn names_that_do_not_exist_get_a_suggestion() {
    let [what, place, fix] = nibble(&["eval", "--tasks", "mmul"]).error(2);
    assert!(what.contains("`mmul`") && place == "--tasks" && fix.contains("`mmlu`"), "{what} {place} {fix}");
    let [what, _, fix] = nibble(&["eval", "--tasks", "mmlu@lmeval"]).error(2);
    assert!(what.contains("lmeval") && (what.clone() + &fix).contains("lm-eval"), "{what} {fix}");
    let [what, place, fix] = nibble(&["eval", "--quant", "none,rnt:w4"]).error(2);
    assert!(place.contains("--quant") && (what.clone() + &fix).contains("rtn"), "{what} {place} {fix}");
    let [_, _, fix] = nibble(&["quants", "show", "rnt"]).error(2);
    assert!(fix.contains("rtn"), "{fix}");
    let [_, _, fix] = nibble(&["tasks", "show", "perplexty"]).error(2);
    assert!(fix.contains("perplexity"), "{fix}");
}

#[test]
fn what_is_missing_is_named_with_the_way_to_get_it() {
    let [what, place, fix] = nibble(&["generate", "--prompt", "a"]).error(2);
    assert!(what.contains("no model") && place == "--model" && fix.contains("builtin"), "{what} {place} {fix}");
    let [_, _, fix] = nibble(&["eval", "-m", "/nonexistent"]).error(2);
    assert!(fix.contains("--tasks"), "{fix}");
    let empty = tempfile::tempdir().unwrap();
    let run =
        nibble(&["eval", "-q", "--format", "json", "--tasks", "mmlu_anatomy@lm-eval", "--data", text(empty.path())]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
    assert!(run.stderr.contains("anatomy_test.csv") && run.stderr.contains("  fix: "), "{}", run.stderr);
}

#[test]
fn a_token_outside_the_vocabulary_is_refused() {
    let [what, _, _] = nibble(&["logits", "-m", "builtin:seeded", "--tokens", "1,258"]).error(3);
    assert!(what.contains("258"), "{what}");
    let [what, place, _] = nibble(&["logits", "-m", "builtin:seeded", "--tokens", "1,2", "--positions", "2"]).error(2);
    assert!(what.contains('2') && place == "--positions", "{what} {place}");
}

#[test]
fn an_output_path_that_cannot_be_written_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "mine").unwrap();
    let below = file.join("run");
    for path in [&file, &below] {
        let run = nibble(
            &[
                &["eval", "-q", "-m", "builtin:seeded", "--format", "json", "--limit", "1"],
                &["--output_path", text(path)][..],
            ]
            .concat(),
        );
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
        assert!(run.stderr.contains(text(&file)), "{}", run.stderr);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&[
        "logits",
        "-q",
        "-m",
        "builtin:seeded",
        "--prompt",
        "some text of a few tokens",
        "--positions",
        "all",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
