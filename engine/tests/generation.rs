//! Generation: greedy continuations against float64 PyTorch, and what must not change them.

mod reference;

use engine::builtin;
use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::generate::{Decoding, DrawKey, Finish, Generated, Generator, PREFILL_CHUNK, Sampling, Settings};
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use reference::shared;
use serde_json::Value;
use std::ops::ControlFlow;

const GREEDY: Settings = Settings {
    decoding: Decoding::Greedy,
    key: DrawKey { seed: 0, item: 0, sample: 0, position: 0 },
    max_new_tokens: 16,
    eos_ids: Vec::new(),
    stop: Vec::new(),
    prefill_chunk: PREFILL_CHUNK,
};

/// Checkpoints of the families that exist, by the beginning of their directory's name.
const FAMILIES: [&str; 6] = ["llama-", "qwen2-", "qwen3", "mistral", "gpt2", "qwen1"];
/// Of these names, the ones that belong to other families or to a scaling that is not implemented.
const OTHERS: [&str; 2] = ["llama-yarn", "qwen3_moe"];

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn run(model: &Model, tokenizer: Option<&Tokenizer>, settings: Settings, prompt: &[u32]) -> Generated {
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let generator = Generator::new(model, &runtime, tokenizer, settings);
    generator.run(prompt, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn greedy_continuations_are_those_of_float64() {
    let Some(golden) = shared("golden/A") else { return };
    let mut names: Vec<String> = std::fs::read_dir(&golden)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| FAMILIES.iter().any(|family| name.starts_with(family)) && !OTHERS.contains(&name.as_str()))
        .collect();
    names.sort();
    assert!(names.len() >= 11, "{names:?}");
    for name in names {
        let expected = std::fs::read(golden.join(&name).join("golden.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let checkpoint = Checkpoint::open(&golden.join(&name), OpenOptions::default()).unwrap();
        let model = Model::unquantized(&checkpoint).unwrap();
        for generation in expected["generation"].as_array().unwrap() {
            let sequences = expected["sequences"].as_array().unwrap();
            let prompt = sequences.iter().find(|sequence| sequence["name"] == generation["prompt"]).unwrap();
            for prefill_chunk in [PREFILL_CHUNK, 7] {
                let found = run(&model, None, Settings { prefill_chunk, ..GREEDY }, &ids(&prompt["ids"]));
                assert_eq!(found.tokens, ids(&generation["ids"]), "{name} {}", generation["prompt"]);
                assert_eq!(found.finish, Finish::Length);
            }
        }
    }
}

#[test]
fn a_continuation_ends_at_end_tokens_and_stop_strings() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let prompt = [256, 72, 105];
    let free = run(&model, Some(&tokenizer), Settings { max_new_tokens: 40, ..GREEDY }, &prompt);
    assert_eq!(free.tokens.len(), 40);

    let eos = free.tokens[9];
    let first = free.tokens.iter().position(|&token| token == eos).unwrap();
    let ended = run(&model, Some(&tokenizer), Settings { eos_ids: vec![eos], max_new_tokens: 40, ..GREEDY }, &prompt);
    assert_eq!(ended.finish, Finish::EndToken(eos));
    assert_eq!(ended.tokens, free.tokens[..first]);
    assert_eq!(ended.log_probs, free.log_probs[..first]);

    // Two characters of the text, which come from two or more tokens.
    let (start, _) = free.text.char_indices().nth(5).unwrap();
    let stop: String = free.text[start..].chars().take(2).collect();
    let stopped = Settings { stop: vec![stop.clone()], max_new_tokens: 40, ..GREEDY };
    let stopped = run(&model, Some(&tokenizer), stopped, &prompt);
    assert_eq!(stopped.finish, Finish::StopString(stop.clone()));
    assert_eq!(stopped.text, free.text[..free.text.find(&stop).unwrap()]);

    // The text of a special token ends a continuation as the token itself does.
    let special = Settings { stop: vec!["</s>".into()], max_new_tokens: 400, ..GREEDY };
    let found = run(&model, Some(&tokenizer), special, &prompt);
    assert!(!found.tokens.contains(&257));
}

#[test]
fn steps_spell_the_beginning_of_the_text_and_can_break_off() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let settings = Settings { stop: vec!["never in it".into()], max_new_tokens: 30, ..GREEDY };
    let generator = Generator::new(&model, &runtime, Some(&tokenizer), settings);
    let (mut text, mut tokens) = (String::new(), Vec::new());
    let generated = generator.run(&[256, 65], &mut |step| {
        text.push_str(step.text);
        tokens.push(step.token);
        if tokens.len() == 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let generated = generated.unwrap();
    assert_eq!((generated.tokens.len(), &generated.finish), (20, &Finish::Interrupted));
    assert_eq!(generated.tokens, tokens);
    assert!(generated.text.starts_with(&text));
}

#[test]
fn a_sample_depends_on_its_key_and_on_nothing_else() {
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let decoding = Decoding::Sampled(Sampling { temperature: 1.5, top_k: Some(50), top_p: 0.95 });
    let with = |seed: u64, item: u64, prefill_chunk: usize| {
        let key = DrawKey { seed, item, ..DrawKey::default() };
        run(&model, None, Settings { decoding, key, prefill_chunk, ..GREEDY }, &[256, 1, 2, 3]).tokens
    };
    assert_eq!(with(7, 1, 64), with(7, 1, 1));
    assert_ne!(with(7, 1, 64), with(8, 1, 64));
    assert_ne!(with(7, 1, 64), with(7, 2, 64));
}

#[test]
fn an_empty_prompt_is_refused() {
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let generator = Generator::new(&model, &runtime, None, GREEDY);
    let error = generator.run(&[], &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("prompt is empty"), "{error}");
}
