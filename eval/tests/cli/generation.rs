//! `nibble generate`.

use super::program::{nibble, shared, text};
use serde_json::Value;

fn joined(value: &Value) -> String {
    let ids: Vec<String> = value.as_array().unwrap().iter().map(Value::to_string).collect();
    ids.join(",")
}

#[test]
fn greedy_continuations_are_those_of_float64() {
    let Some(golden) = shared("golden/A") else { return };
    for name in ["llama-plain", "qwen1-plain", "mistral"] {
        let directory = golden.join(name);
        let expected: Value = serde_json::from_slice(&std::fs::read(directory.join("golden.json")).unwrap()).unwrap();
        let generation = &expected["generation"][0];
        let prompt =
            expected["sequences"].as_array().unwrap().iter().find(|s| s["name"] == generation["prompt"]).unwrap();
        let ids = joined(&prompt["ids"]);
        let flags = ["generate", "-m", text(&directory), "--tokens", &ids, "-n", "16", "--ignore_eos"];
        let found = nibble(&[&flags, ["--format", "json"].as_slice()].concat()).json();
        assert_eq!(found["tokens"], generation["ids"], "{name}");
        assert_eq!(found["finish_reason"], "length");
        // Without a tokenizer the text form is the ids.
        let found = nibble(&flags).ok();
        assert_eq!(found.trim_end(), joined(&generation["ids"]), "{name}");
    }
}

#[test]
fn a_trained_model_tells_a_story() {
    let Some(model) = shared("models/stories260K") else { return };
    let flags = ["generate", "-m", text(&model), "--prompt", "Once upon a time", "-n", "48"];
    let streamed = nibble(&flags).ok();
    let report = nibble(&[&flags, ["--format", "json"].as_slice()].concat()).json();
    assert_eq!(streamed, format!("{}\n", report["text"].as_str().unwrap()));
    assert!(streamed.contains("there was a little"), "{streamed}");
    assert_eq!(report["logprobs"].as_array().unwrap().len(), report["tokens"].as_array().unwrap().len());

    let stopped = nibble(&[&flags, ["--stop", " little", "--stop", "zzz"].as_slice()].concat()).ok();
    assert_eq!(stopped.trim_end(), streamed.split(" little").next().unwrap().trim_end());
}

#[test]
fn draws_depend_on_the_seed_and_not_on_threads() {
    let with = |seed: &str, threads: &str| {
        let flags =
            ["generate", "-m", "builtin:seeded", "--prompt", "a", "-n", "20", "--temperature", "1", "--top_k", "40"];
        let more = ["--seed", seed, "--threads", threads, "--format", "json"];
        nibble(&[flags.as_slice(), &more].concat()).json()["tokens"].clone()
    };
    assert_eq!(with("1", "1"), with("1", "2"));
    assert_ne!(with("1", "1"), with("2", "1"));
}

#[test]
fn a_chat_needs_a_template() {
    let [what, _, fix] = nibble(&["generate", "-m", "builtin:seeded", "--prompt", "a", "--chat"]).error(3);
    assert!(what.contains("chat template") && fix.contains("--chat"), "{what} {fix}");
    let Some(model) = shared("models/stories260K") else { return };
    // A copy with a template of our own.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&model).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
    std::fs::write(copy.path().join("chat_template.jinja"), template).unwrap();
    let tokens = |flags: &[&str]| {
        let fixed = ["generate", "-q", "-m", text(copy.path()), "-n", "1", "--format", "json"];
        nibble(&[&fixed, flags].concat()).json()["prompt_tokens"].clone()
    };
    let chat = tokens(&["--prompt", "Hi", "--chat", "--system_instruction", "Be brief"]);
    let plain = tokens(&["--prompt", "system: Be brief\nuser: Hi\nassistant:"]);
    // The plain prompt begins with the token for the beginning of a sequence, a template writes its own.
    assert_eq!(chat.as_array().unwrap()[..], plain.as_array().unwrap()[1..]);
}
