//! Do the kinds of vocabulary work: bytes, WordPiece with our bounded search, Unigram, BPE with byte fallback; and text that
//! arrives token by token?

use engine::tokenizer::{SpecialText, Specials, TextStream, Tokenizer};
use serde_json::{Value, json};

fn from(file: Value) -> Tokenizer {
    Tokenizer::from_json(file.to_string().as_bytes()).unwrap()
}

/// Texts over a few letters, the same in every run.
fn texts(letters: &[char], count: u32) -> impl Iterator<Item = String> {
    let mut state = 1u32;
    let letters = letters.to_vec();
    (0..count).map(move |index| {
        (0..index % 37)
            .map(|_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                letters[(state >> 16) as usize % letters.len()]
            })
            .collect()
    })
}

fn stream_all(mut stream: TextStream, ids: &[u32]) -> (Vec<String>, String) {
    let pieces = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    (pieces, stream.finish().unwrap())
}

#[test]
fn a_tokenizer_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Tokenizer>();
}

#[test]
fn bytes_only_is_bytes_and_two_special_tokens() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    assert_eq!(tokenizer.vocab_size(), 258);
    tokenizer.check_fits(258).unwrap();
    assert_eq!((tokenizer.bos_id(), tokenizer.eos_ids()), (Some(256), [257].as_slice()));
    assert!(tokenizer.adds_bos());
    let text = "naïve 😀\n\0\t</s>";
    let mut expected: Vec<u32> = vec![256];
    expected.extend("naïve 😀\n\0\t".bytes().map(u32::from));
    expected.push(257);
    assert_eq!(tokenizer.encode(text, Specials::AsConfigured).unwrap(), expected);
    assert_eq!(tokenizer.decode(&expected, SpecialText::Keep).unwrap(), format!("<s>{text}"));
    assert_eq!(tokenizer.decode(&expected, SpecialText::Skip).unwrap(), "naïve 😀\n\0\t");
    let every: Vec<u32> = (0..256).collect();
    assert_eq!(tokenizer.decode(&every[..128], SpecialText::Keep).unwrap().as_bytes(), (0..128).collect::<Vec<u8>>());
    assert_eq!(tokenizer.decode(&[0xFF, 65], SpecialText::Keep).unwrap(), "\u{FFFD}A");
    assert_eq!(tokenizer.sha256(), Tokenizer::bytes_only().unwrap().sha256());
    // Two megabytes without a cut.
    let long = "tick tock ".repeat(200_000);
    assert_eq!(tokenizer.encode(&long, Specials::Bare).unwrap().len(), long.len());
}

#[test]
fn pieces_of_text_are_whole_characters() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let ids: Vec<u32> = "a😀é!".bytes().map(u32::from).collect();
    let (pieces, rest) = stream_all(tokenizer.text_stream(SpecialText::Keep), &ids);
    assert_eq!(pieces, ["a", "", "", "", "😀", "", "é", "!"]);
    assert_eq!(rest, "");
    // The text ends inside a character, or holds bytes that are none.
    let (pieces, rest) = stream_all(tokenizer.text_stream(SpecialText::Keep), &ids[..3]);
    assert_eq!((pieces.concat().as_str(), rest.as_str()), ("a", "\u{FFFD}"));
    let broken = [[0xFF; 50].as_slice(), &[65, 0xE2, 0x82, 0xAC]].concat();
    let (pieces, rest) = stream_all(tokenizer.text_stream(SpecialText::Keep), &broken);
    assert_eq!(pieces.concat() + &rest, "\u{FFFD}".repeat(50) + "A€");
    assert!(pieces.iter().filter(|piece| !piece.is_empty()).count() > 5, "held back for ever");
    // Special tokens that are skipped come with no text, and without harm to what follows.
    let special = [256, 256, 72, 257, 105, 256, 33];
    let (pieces, _) = stream_all(tokenizer.text_stream(SpecialText::Skip), &special);
    assert_eq!(pieces, ["", "", "H", "", "i", "", "!"]);
}

#[test]
fn bounded_word_piece_finds_what_the_library_finds() {
    for prefix in ["##", ""] {
        let word = |text: &str| format!("{prefix}{text}");
        let tokens = [
            "[UNK]".to_string(),
            "a".to_string(),
            "ab".to_string(),
            "é".to_string(),
            "cab".to_string(),
            "b".to_string(),
            word("a"),
            word("b"),
            word("c"),
            word("é"),
            word("ba"),
            word("ca"),
            word("éé"),
            word("abcaba"),
        ];
        // An empty prefix makes some tokens the same.
        let mut vocabulary = serde_json::Map::new();
        for token in tokens {
            let id = vocabulary.len();
            vocabulary.entry(token).or_insert(json!(id));
        }
        for limit in [1000, 9] {
            let file = json!({
                "version": "1.0", "added_tokens": [], "model": {
                    "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": prefix,
                    "max_input_chars_per_word": limit, "vocab": vocabulary
                }
            });
            let ours = from(file.clone());
            let library: tokenizers::Tokenizer = serde_json::from_value(file).unwrap();
            let mut known = 0;
            for text in texts(&['a', 'b', 'a', 'b', 'c', 'é', 'a', 'b', 'a', 'b', 'a', 'x'], 2000) {
                let found = ours.encode(&text, Specials::Bare).unwrap();
                assert_eq!(found, library.encode(text.as_str(), false).unwrap().get_ids(), "{prefix:?} {text:?}");
                known += usize::from(found.len() > 1);
            }
            assert!((50..1900).contains(&known), "{known} of 2000 texts have tokens");
        }
    }
}

#[test]
fn unigram_and_byte_fallback_are_read() {
    let unigram = from(json!({
        "version": "1.0", "added_tokens": [], "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": [
            ["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["b", -3.0], ["ab", -4.0], ["▁ab", -4.5], ["ba", -3.5]
        ]}
    }));
    // ▁ab + ab (-8.5) beats ▁ + ab + ab (-10), ▁ + a + ba + b (-11.5).
    assert_eq!(unigram.encode("abab", Specials::Bare).unwrap(), [5, 4]);
    assert_eq!(unigram.encode("ab b?", Specials::Bare).unwrap(), [5, 1, 3, 0]);
    assert_eq!(unigram.decode(&[5, 4, 1, 3], SpecialText::Keep).unwrap(), "abab b");

    let mut vocabulary = json!({"<unk>": 0, "▁": 257, "a": 258, "▁a": 259});
    for byte in 0..=255 {
        vocabulary[format!("<0x{byte:02X}>")] = json!(byte + 1);
    }
    let fallback = from(json!({
        "version": "1.0", "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        ]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}
        ]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary,
            "merges": ["▁ a"]}
    }));
    let ids = fallback.encode("a é a", Specials::Bare).unwrap();
    assert_eq!(ids, [259, 257, 0xC3 + 1, 0xA9 + 1, 259]);
    let (pieces, rest) = stream_all(fallback.text_stream(SpecialText::Keep), &ids);
    assert_eq!(pieces, ["a", " ", "", "é", " a"]);
    assert_eq!(rest, "");
    let spaces = fallback.encode("   a", Specials::Bare).unwrap();
    let (pieces, _) = stream_all(fallback.text_stream(SpecialText::Keep), &spaces);
    assert_eq!(pieces.concat(), "   a");
}
