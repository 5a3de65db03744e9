//! Do the ids and texts equal those of the reference implementation, for the two trained checkpoints beside the repository?
//!
//! `tokenizer_fixtures/expected.json` was made with the Python library `tokenizers` 0.23.3 (`make_expected.py` there).

use std::path::PathBuf;

use engine::tokenizer::{SpecialText, Specials, Tokenizer, TokenizerError};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The directory beside the repository root, `None` with a message where it is missing.
fn shared() -> Option<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none(), "{} is missing", directory.display());
    println!("skipped: shared data missing");
    None
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn sha256_of_ids(ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 65,536 bytes of the validation text, cut at a character.
fn validation_text(shared: &std::path::Path) -> String {
    let bytes = std::fs::read(shared.join("data/tinystories/tinystories_validation_head.txt")).unwrap();
    let bytes = &bytes[..65536];
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    String::from_utf8(bytes[..valid].to_vec()).unwrap()
}

#[test]
fn awkward_texts_have_the_ids_and_texts_of_the_reference() {
    let Some(shared) = shared() else { return };
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tokenizer_fixtures/expected.json");
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture).unwrap()).unwrap();
    for (model, cases) in expected.as_object().unwrap() {
        let tokenizer = Tokenizer::open(&shared.join("models").join(model)).unwrap();
        for case in cases.as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let full = ids(&case["full"]);
            assert_eq!(tokenizer.encode(text, Specials::Bare).unwrap(), ids(&case["bare"]), "{model}: {text:?}");
            assert_eq!(tokenizer.encode(text, Specials::AsConfigured).unwrap(), full, "{model}: {text:?}");
            assert_eq!(tokenizer.decode(&full, SpecialText::Keep).unwrap(), case["keep"], "{model}: {text:?}");
            assert_eq!(tokenizer.decode(&full, SpecialText::Skip).unwrap(), case["skip"], "{model}: {text:?}");
            for specials in [SpecialText::Keep, SpecialText::Skip] {
                let mut stream = tokenizer.text_stream(specials);
                let mut streamed: String = full.iter().map(|&id| stream.push(id).unwrap()).collect();
                streamed += &stream.finish().unwrap();
                assert_eq!(streamed, tokenizer.decode(&full, specials).unwrap(), "{model}: {text:?}");
            }
        }
    }
}

#[test]
fn stories260k_encodes_64_kib_to_the_golden_ids() {
    let Some(shared) = shared() else { return };
    let tokenizer = Tokenizer::open(&shared.join("models/stories260K")).unwrap();
    let golden: Value =
        serde_json::from_slice(&std::fs::read(shared.join("golden/real/stories260K.json")).unwrap()).unwrap();
    let golden = &golden["perplexity"];
    let found = tokenizer.encode(&validation_text(&shared), Specials::AsConfigured).unwrap();
    let (first, last) = (ids(&golden["first_ids"]), ids(&golden["last_ids"]));
    assert_eq!(found[..first.len()], first);
    assert_eq!(found[found.len() - last.len()..], last);
    assert_eq!(found.len() as u64, golden["tokens"].as_u64().unwrap());
    assert_eq!(sha256_of_ids(&found), golden["ids_sha256_u32le"]);
}

#[test]
fn craftgpt_encodes_64_kib_of_lines_to_the_golden_ids() {
    let Some(shared) = shared() else { return };
    let tokenizer = Tokenizer::open(&shared.join("models/craftgpt-5M")).unwrap();
    let golden: Value =
        serde_json::from_slice(&std::fs::read(shared.join("golden/real/craftgpt-5M.json")).unwrap()).unwrap();
    let golden = &golden["perplexity"];
    let unknown = tokenizer.token_to_id("<unk>").unwrap();
    let mut found = Vec::new();
    for line in validation_text(&shared).split('\n').filter(|line| !line.trim().is_empty()) {
        let line = tokenizer.encode(line, Specials::AsConfigured).unwrap();
        if !line.contains(&unknown) {
            found.extend(line);
        }
    }
    assert_eq!(found.len() as u64, golden["tokens"].as_u64().unwrap());
    assert_eq!(sha256_of_ids(&found), golden["ids_sha256_u32le"]);
}

#[test]
fn the_files_beside_the_vocabulary_are_read() {
    let Some(shared) = shared() else { return };
    let stories = Tokenizer::open(&shared.join("models/stories260K")).unwrap();
    assert_eq!(stories.vocab_size(), 512);
    assert_eq!((stories.bos_id(), stories.bos_token()), (Some(1), Some("<s>")));
    assert_eq!((stories.eos_ids(), stories.eos_token()), ([2].as_slice(), Some("</s>")));
    assert!(stories.adds_bos());
    assert_eq!(stories.prefix_token_id(), Some(1));
    assert_eq!(stories.chat_template(), None);
    assert_eq!(stories.vocabulary_file(), "tokenizer.json");
    assert_eq!(stories.sha256(), "91f1fd8905efa434f3f08e4064c0a3c925b1da81c3ec1660cff4718acf9eb97a");
    assert_eq!(stories.id_to_token(1).as_deref(), Some("<s>"));
    assert_eq!(stories.id_to_token(512), None);
    stories.check_fits(512).unwrap();
    match stories.check_fits(500) {
        Err(TokenizerError::BeyondVocabulary { id: 511, vocab_size: 500, token, .. }) => {
            assert_eq!(Some(token), stories.id_to_token(511));
        }
        other => panic!("{other:?}"),
    }

    let craft = Tokenizer::open(&shared.join("models/craftgpt-5M")).unwrap();
    assert_eq!(craft.bos_id(), Some(0));
    assert_eq!(craft.eos_ids(), [0, 1]);
    assert!(!craft.adds_bos());
    assert!(craft.chat_template().unwrap().starts_with("{% for m in messages %}"));
}

#[test]
fn a_long_text_without_word_boundaries_is_encoded_in_pieces_or_in_one_go_alike() {
    let Some(shared) = shared() else { return };
    // 128 KiB in one word: with the library's own search this takes hours.
    let craft = Tokenizer::open(&shared.join("models/craftgpt-5M")).unwrap();
    let sentence = "once upon a time, there was a little dog. ";
    let once = craft.encode(sentence, Specials::Bare).unwrap();
    let text = sentence.repeat(128 * 1024 / sentence.len());
    let many = craft.encode(&text, Specials::Bare).unwrap();
    assert!(many.len() > 1000 * once.len());
    assert_eq!(craft.decode(&many, SpecialText::Keep).unwrap(), text);
}
