//! Are the small files read as transformers reads them, and do damaged files end in an error that names the place?

use engine::tokenizer::{SpecialText, Specials, Tokenizer, TokenizerError};
use serde_json::{Value, json};

/// A BPE over `a`, `b`, `c`, `ab` and `abc` with `<s>`, `</s>` and `<pad>` in the vocabulary.
fn small() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "<s>"), added(1, "</s>")],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE", "unk_token": null,
            "vocab": {"<s>": 0, "</s>": 1, "<pad>": 2, "a": 3, "b": 4, "c": 5, "ab": 6, "abc": 7},
            "merges": [["a", "b"], ["ab", "c"]]
        }
    })
}

fn added(id: u32, content: &str) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true
    })
}

fn template(single: &[&str]) -> Value {
    let piece = |name: &&str| match *name {
        "$A" => json!({"Sequence": {"id": "A", "type_id": 0}}),
        name => json!({"SpecialToken": {"id": name, "type_id": 0}}),
    };
    json!({
        "type": "TemplateProcessing",
        "single": single.iter().map(piece).collect::<Vec<_>>(), "pair": [],
        "special_tokens": {
            "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}
        }
    })
}

/// `small()` with the value at a JSON pointer replaced.
fn changed(pointer: &str, value: Value) -> Value {
    let mut file = small();
    match file.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            file.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    file
}

fn open(files: &[(&str, String)]) -> Result<Tokenizer, TokenizerError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    Tokenizer::open(directory.path())
}

fn open_with(tokenizer: Value, others: &[(&str, Value)]) -> Tokenizer {
    let mut files = vec![("tokenizer.json", tokenizer.to_string())];
    files.extend(others.iter().map(|(name, value)| (*name, value.to_string())));
    open(&files).unwrap()
}

#[test]
fn names_come_from_the_tokenizers_files_and_ids_from_the_models() {
    let config = ("config.json", json!({"bos_token_id": 3, "eos_token_id": 4}));
    let generation = ("generation_config.json", json!({"bos_token_id": 5, "eos_token_id": [5, 4]}));
    let named = json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}});

    let only_config = open_with(small(), std::slice::from_ref(&config));
    assert_eq!((only_config.bos_id(), only_config.eos_ids()), (Some(3), [4].as_slice()));
    assert_eq!((only_config.bos_token(), only_config.eos_token()), (Some("a"), Some("b")));
    let both = open_with(small(), &[config.clone(), generation.clone()]);
    assert_eq!((both.bos_id(), both.eos_ids()), (Some(5), [5, 4].as_slice()));
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let all = open_with(small(), &[config.clone(), generation.clone(), (name, named.clone())]);
        assert_eq!((all.bos_id(), all.eos_ids()), (Some(0), [5, 4, 1].as_slice()), "{name}");
        assert_eq!((all.eos_token(), all.prefix_token_id()), (Some("</s>"), Some(0)));
    }
    // null is an answer, a missing key is not.
    let null = ("tokenizer_config.json", json!({"bos_token": null, "eos_token": "</s>"}));
    let map = ("special_tokens_map.json", json!({"bos_token": "<s>"}));
    let none = open_with(small(), &[null, map, generation.clone()]);
    assert_eq!((none.bos_id(), none.prefix_token_id()), (None, Some(1)));
    // A name that the vocabulary lacks is no token.
    let unknown = open_with(small(), &[("tokenizer_config.json", json!({"bos_token": "[BOS]", "pad_token": "[PAD]"}))]);
    assert_eq!((unknown.bos_id(), unknown.vocab_size()), (None, 8));
    let nothing = open_with(small(), &[]);
    assert_eq!((nothing.bos_id(), nothing.prefix_token_id(), nothing.adds_bos()), (None, None, false));
    assert!(nothing.eos_ids().is_empty());
}

#[test]
fn special_tokens_in_a_text_are_recognised() {
    let plain = open_with(small(), &[]);
    assert_eq!(plain.encode("<s>abc</s>ab", Specials::Bare).unwrap(), [0, 7, 1, 6]);
    // <pad> is only in the vocabulary: once it is named it is special, and letters that are no tokens vanish.
    assert_eq!(plain.encode("ab<pad>", Specials::Bare).unwrap(), [6, 3]);
    let named = open_with(small(), &[("tokenizer_config.json", json!({"pad_token": "<pad>"}))]);
    assert_eq!(named.encode("ab<pad>c", Specials::Bare).unwrap(), [6, 2, 5]);
    assert_eq!(named.decode(&[0, 6, 2, 5], SpecialText::Keep).unwrap(), "<s>ab<pad>c");
    assert_eq!(named.decode(&[0, 6, 2, 5], SpecialText::Skip).unwrap(), "abc");
    let listed = json!({"added_tokens_decoder": {
        "9": {"content": "<y>", "special": false}, "8": {"content": "<x>", "special": true, "rstrip": true}
    }});
    let listed = open_with(small(), &[("tokenizer_config.json", listed)]);
    assert_eq!(listed.vocab_size(), 10);
    assert_eq!(listed.encode("a<x>  b<y>", Specials::Bare).unwrap(), [3, 8, 4, 9]);
    assert!(listed.check_fits(10).is_ok());
    assert!(listed.check_fits(9).is_err());
    // Ids without a token have no text.
    assert_eq!(listed.decode(&[3, 4_000_000_000, 4], SpecialText::Keep).unwrap(), "ab");
}

#[test]
fn the_beginning_of_a_sequence_follows_post_processor_and_flags() {
    let names = |flags: Value| {
        let mut names = json!({"bos_token": "<s>", "eos_token": "</s>"});
        names.as_object_mut().unwrap().extend(flags.as_object().unwrap().clone());
        [("tokenizer_config.json", names)]
    };
    let none = template(&["$A"]);
    let both = template(&["<s>", "$A", "</s>"]);
    let cases = [
        (Value::Null, json!({}), vec![6]),
        (none.clone(), json!({}), vec![6]),
        (both.clone(), json!({}), vec![0, 6, 1]),
        (both.clone(), json!({"add_bos_token": false}), vec![6, 1]),
        (both.clone(), json!({"add_bos_token": true, "add_eos_token": false}), vec![0, 6]),
        (both.clone(), json!({"add_bos_token": null}), vec![0, 6, 1]),
        (none.clone(), json!({"add_bos_token": true}), vec![0, 6]),
        (Value::Null, json!({"add_bos_token": true, "add_eos_token": true}), vec![0, 6, 1]),
    ];
    for (post_processor, flags, expected) in cases {
        let tokenizer = open_with(changed("/post_processor", post_processor), &names(flags.clone()));
        assert_eq!(tokenizer.encode("ab", Specials::AsConfigured).unwrap(), expected, "{flags}");
        assert_eq!(tokenizer.encode("ab", Specials::Bare).unwrap(), [6]);
        assert_eq!(tokenizer.adds_bos(), expected[0] == 0);
        let around: Vec<u32> = expected.iter().copied().filter(|&id| id != 6).collect();
        assert_eq!(tokenizer.encode("", Specials::AsConfigured).unwrap(), around);
    }
}

#[test]
fn truncation_padding_and_dropout_are_off() {
    let mut file =
        changed("/truncation", json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}));
    file["padding"] = json!({
        "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 2, "pad_type_id": 0,
        "pad_token": "<pad>"
    });
    file["model"]["dropout"] = json!(0.9);
    let tokenizer = Tokenizer::from_json(file.to_string().as_bytes()).unwrap();
    for _ in 0..20 {
        assert_eq!(tokenizer.encode("abcabcabc", Specials::AsConfigured).unwrap(), [7, 7, 7]);
    }
}

#[test]
fn chat_templates_are_found_where_checkpoints_keep_them() {
    let config = |template: Value| ("tokenizer_config.json", json!({"chat_template": template}).to_string());
    let file = ("tokenizer.json", small().to_string());
    let found = |files: &[(&str, String)]| open(files).unwrap().chat_template().map(str::to_string);
    assert_eq!(found(std::slice::from_ref(&file)), None);
    assert_eq!(found(&[file.clone(), config(json!("one"))]).as_deref(), Some("one"));
    let list = json!([{"name": "rag", "template": "two"}, {"name": "default", "template": "three"}]);
    assert_eq!(found(&[file.clone(), config(list.clone())]).as_deref(), Some("three"));
    let jinja = ("chat_template.jinja", "four".to_string());
    assert_eq!(found(&[file.clone(), config(list), jinja]).as_deref(), Some("four"));
    let lists = [json!([]), json!([{"name": "rag", "template": "x"}, {"name": "tool", "template": "y"}]), json!(3)];
    for list in lists {
        assert!(matches!(open(&[file.clone(), config(list)]), Err(TokenizerError::Malformed { .. })));
    }
}

#[test]
fn what_is_missing_is_named_with_the_fix() {
    let error = open(&[]).unwrap_err();
    assert!(matches!(error, TokenizerError::NotFound { .. }));
    let text = error.to_string();
    assert!(text.contains("tokenizer.json, qwen.tiktoken") && text.contains("copy"), "{text}");
}

#[test]
fn a_truncated_or_damaged_file_is_an_error_at_every_length() {
    let whole = small().to_string();
    for length in 0..whole.len() {
        match Tokenizer::from_json(&whole.as_bytes()[..length]) {
            Err(TokenizerError::NotJson { line: 1, .. }) => {}
            other => panic!("{other:?} at {length}"),
        }
    }
    // Every byte replaced: whatever happens, it is not a panic.
    for place in 0..whole.len() {
        for byte in [b'0', b'"', b'}', b'\\', 0xFF] {
            let mut bytes = whole.clone().into_bytes();
            bytes[place] = byte;
            if let Ok(tokenizer) = Tokenizer::from_json(&bytes) {
                let _ = tokenizer.encode("abc <s>", Specials::AsConfigured);
            }
        }
    }
    for name in ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json"] {
        for text in ["{\"bos_token\": ", "[]", "\u{feff}{}"] {
            let error = open(&[("tokenizer.json", small().to_string()), (name, text.to_string())]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn wrong_values_in_the_small_files_name_file_and_key() {
    let cases = [
        ("tokenizer_config.json", json!({"bos_token": 3}), "bos_token"),
        ("tokenizer_config.json", json!({"eos_token": {"text": "</s>"}}), "eos_token"),
        ("tokenizer_config.json", json!({"add_bos_token": "yes"}), "add_bos_token"),
        ("tokenizer_config.json", json!({"additional_special_tokens": [1]}), "additional_special_tokens"),
        ("tokenizer_config.json", json!({"added_tokens_decoder": {"x": {"content": "<x>"}}}), "added_tokens_decoder"),
        ("tokenizer_config.json", json!({"added_tokens_decoder": []}), "added_tokens_decoder"),
        ("generation_config.json", json!({"eos_token_id": "2"}), "eos_token_id"),
        ("generation_config.json", json!({"eos_token_id": [1, -1]}), "eos_token_id"),
        ("config.json", json!({"bos_token_id": 4294967296u64}), "bos_token_id"),
        ("config.json", json!({"bos_token_id": 1.5}), "bos_token_id"),
    ];
    for (name, value, key) in cases {
        match open(&[("tokenizer.json", small().to_string()), (name, value.to_string())]) {
            Err(TokenizerError::Malformed { file, place, .. }) => {
                assert!(file.ends_with(name) && place.starts_with(key), "{} {place}", file.display());
            }
            other => panic!("{other:?} for {value}"),
        }
    }
    let listed = json!({"added_tokens_decoder": {"9": {"content": "<x>"}}});
    match open(&[("tokenizer.json", small().to_string()), ("tokenizer_config.json", listed.to_string())]) {
        Err(TokenizerError::AddedTokenId { token, expected: 9, found: 8, .. }) => assert_eq!(token, "<x>"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_vocabularies_are_refused_by_name() {
    let charsmap = |text: &str| json!({"type": "Precompiled", "precompiled_charsmap": text});
    let long = "x".repeat(2000);
    let cases = [
        ("/model", json!(null), "model"),
        ("/model/vocab", json!(null), "model.vocab"),
        ("/model/vocab/a", json!(-1), "model.vocab[\"a\"]"),
        ("/model/vocab/a", json!(4), "model.vocab[\"b\"]"),
        ("/model/vocab/a", json!(4294967295u32), "model.vocab[\"a\"]"),
        ("/model/vocab/a", json!("3"), "model.vocab[\"a\"]"),
        ("/model/merges", json!({}), "model.merges"),
        // Longer than every token: the library would write past its buffer's end and panic.
        ("/model/merges/1", json!(["abc", "abc"]), "model.merges[1]"),
        ("/model/merges/1", json!(["abc", "x"]), "model.merges[1]"),
        ("/model/merges/1", json!("a b c"), "model.merges[1]"),
        ("/model/merges/1", json!("ab"), "model.merges[1]"),
        ("/model/merges/1", json!(["a", "b", "c"]), "model.merges[1]"),
        // A prefix that is longer than the token, and one that ends inside a character.
        ("/model/continuing_subword_prefix", json!("####"), "model.merges[0]"),
        ("/model/continuing_subword_prefix", json!("é"), "model.merges[0]"),
        ("/added_tokens", json!({}), "added_tokens"),
        ("/added_tokens/0", json!({"content": "<s>"}), "added_tokens[0]"),
        ("/added_tokens/0/id", json!(4294967296u64), "added_tokens[0]"),
        ("/pre_tokenizer", json!({"type": "FixedLength", "length": 0}), "pre_tokenizer.length"),
        (
            "/pre_tokenizer",
            json!({"type": "Sequence", "pretokenizers": [{"type": "FixedLength", "length": 0}]}),
            "pre_tokenizer.length",
        ),
        ("/post_processor", template(&["[CLS]", "$A"]), "post_processor.single"),
        ("/post_processor", template(&["<s>"]), "post_processor.single"),
        ("/post_processor", template(&["$A", "<s>", "$A"]), "post_processor.single"),
        (
            "/post_processor",
            json!({"type": "Sequence", "processors": [
                {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {}}
            ]}),
            "post_processor.single",
        ),
        ("/normalizer", charsmap("?"), "normalizer.precompiled_charsmap"),
        ("/normalizer", charsmap("AA=="), "normalizer.precompiled_charsmap"),
        ("/normalizer", charsmap("/////w=="), "normalizer.precompiled_charsmap"),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": [charsmap("AAAAAA==")]}),
            "normalizer.precompiled_charsmap",
        ),
        ("/model", json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], [long, -1.0]]}), "model.vocab[1]"),
        ("/model", json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>"]]}), "model.vocab[0]"),
    ];
    for (pointer, value, expected) in cases {
        match Tokenizer::from_json(changed(pointer, value.clone()).to_string().as_bytes()) {
            Err(TokenizerError::Malformed { place, .. }) => assert_eq!(place, expected, "{value}"),
            other => panic!("{other:?} for {pointer} {value}"),
        }
    }
    match Tokenizer::from_json(changed("/added_tokens/1", added(9, "<new>")).to_string().as_bytes()) {
        Err(TokenizerError::AddedTokenId { token, expected: 9, found: 8, .. }) => assert_eq!(token, "<new>"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_library_rejects_or_panics_on_is_an_error() {
    let cases = [
        ("/version", json!("2.0")),
        ("/model/type", json!("CharacterLevel")),
        ("/normalizer", json!({"type": "Uppercase"})),
        (
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": false}),
        ),
        ("/decoder", json!({"type": "Nothing"})),
        ("/model", json!({"type": "Unigram", "unk_id": 7, "vocab": [["<unk>", 0.0]]})),
    ];
    for (pointer, value) in cases {
        let result = Tokenizer::from_json(changed(pointer, value.clone()).to_string().as_bytes());
        assert!(matches!(result, Err(TokenizerError::Rejected { .. })), "{result:?} for {value}");
    }
    // A decoder that cuts more than there is panics in the library.
    let strip = changed("/decoder", json!({"type": "Strip", "content": "a", "start": 0, "stop": 3}));
    let tokenizer = Tokenizer::from_json(strip.to_string().as_bytes()).unwrap();
    assert!(matches!(tokenizer.decode(&[3, 3], SpecialText::Keep), Err(TokenizerError::Decode { ids_len: 2, .. })));
}
