//! The models that come with the program, and what is evaluated where nothing is said.

use super::program::{command, finished, nibble, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[cfg(unix)]
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn lab() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/lab")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_embedded_model_is_its_directory_and_chats() {
    let directory = lab().join("s");
    let logits = ["logits", "-q", "--prompt", "Who is a miller?"];
    let of = |model: &str| nibble(&[&logits[..], &["-m", model]].concat()).json();
    let embedded = of("builtin");
    assert_eq!(embedded["digest"], of(text(&directory))["digest"]);
    assert_eq!(embedded["digest"], of("builtin:s")["digest"]);
    nibble(&["generate", "-q", "-m", "builtin", "--chat", "--prompt", "Who?", "-n", "2"]).ok();
    let listed = nibble(&["models", "ls", text(&directory), "--format", "json"]).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"builtin-s") && names.contains(&"builtin-seeded"), "{names:?}");
    // Written as a checkpoint, it has its tokenizer.
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    nibble(&["quantize", "-q", "-m", "builtin", "--quant", "rtn:w8", "-o", text(&out)]).ok();
    assert_eq!(fs::read(out.join("tokenizer.json")).unwrap(), fs::read(directory.join("tokenizer.json")).unwrap());
    assert_eq!(
        of(text(&out))["digest"],
        nibble(&[&logits[..], &["-m", "builtin", "--quant", "rtn:w8"]].concat()).json()["digest"]
    );
}

#[test]
fn a_size_that_is_not_here_says_where_it_was_looked_for() {
    // The program looks beside itself too: a copy elsewhere finds nothing there.
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("nibble");
    fs::copy(env!("CARGO_BIN_EXE_nibble"), &program).unwrap();
    let run = std::process::Command::new(&program)
        .args(["logits", "-m", "builtin:m", "--tokens", "1"])
        .current_dir(place.path())
        .output()
        .unwrap();
    let [what, looked, fix] = finished(run).error(3);
    assert!(what.contains("builtin:m") && looked.contains("datasets/lab/m"), "{what} {looked}");
    assert!(looked.contains(text(&place.path().canonicalize().unwrap())), "{looked}");
    assert!(fix.contains("repository") && fix.contains("--model DIR"), "{fix}");
    let [what, _, fix] = nibble(&["logits", "-m", "builtin:sed", "--tokens", "1"]).error(2);
    assert!(what.contains("sed") && fix.contains("builtin:s"), "{what} {fix}");
    nibble(&["logits", "-m", "builtin:all", "--tokens", "1"]).error(2);
}

#[test]
fn all_sizes_are_three_runs() {
    let place = tempfile::tempdir().unwrap();
    for size in ["m", "l"] {
        let directory = place.path().join("datasets/lab").join(size);
        fs::create_dir_all(&directory).unwrap();
        for entry in fs::read_dir(lab().join("s")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, directory.join(path.file_name().unwrap())).unwrap();
        }
    }
    let evaluate = |more: &[&str]| {
        let fixed = ["eval", "-q", "-m", "builtin:all", "--limit", "2", "--quant", "none", "--tasks", "snli:builtin"];
        finished(command(&[&fixed[..], more].concat()).current_dir(place.path()).output().unwrap())
    };
    let rows = evaluate(&["--output_path", "OUT", "--format", "json"]).json();
    let models: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["builtin-s", "builtin-m", "builtin-l"]);
    for model in models {
        assert!(place.path().join("OUT").join(model).join("summary.json").is_file(), "{model}");
    }
    let table = evaluate(&["--format", "csv"]).ok();
    assert_eq!(table.lines().filter(|line| line.starts_with("model,")).count(), 1, "{table}");
    assert!(table.contains("builtin-m,") && table.contains("builtin-l,"), "{table}");
    assert!(!place.path().join("runs").exists());
}

/// What runs for half a minute is stopped as soon as it is under way.
#[cfg(unix)]
#[test]
fn without_arguments_a_run_is_kept_and_can_go_on() {
    let place = tempfile::tempdir().unwrap();
    let child =
        command(&["eval"]).current_dir(place.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let run = place.path().join("runs/builtin-s");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(120) {
        let lines = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default().lines().count();
        if lines > 4 {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let run_result = finished(child.wait_with_output().unwrap());
    assert_eq!(run_result.code, 4, "{}", run_result.stderr);
    assert!(run_result.stderr.contains("runs/builtin-s"), "{}", run_result.stderr);
    let manifest = json(&run.join("manifest.json"));
    let recipes = manifest["recipes"].as_array().unwrap();
    assert_eq!((recipes[0].as_str(), recipes[1].as_str()), (Some("none"), Some("llm.int8")), "{manifest}");
    assert_eq!(manifest["calibration"]["source"], "builtin:world", "{manifest}");
    assert_eq!(manifest["model"]["name"], "builtin-s", "{manifest}");
    // Another plan has no directory of its own, and does not touch this one.
    let other = ["eval", "-q", "--quant", "none", "--tasks", "snli:builtin", "--limit", "1"];
    finished(command(&other).current_dir(place.path()).output().unwrap()).ok();
    assert_eq!(json(&run.join("manifest.json")), manifest);
    let refused = [&other[..], &["--overwrite"]].concat();
    let [what, _, fix] = finished(command(&refused).current_dir(place.path()).output().unwrap()).error(2);
    assert!(what.contains("no run") && fix.contains("--output_path"), "{what} {fix}");
}
