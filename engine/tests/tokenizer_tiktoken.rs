//! Does `qwen.tiktoken` give the ids that its definition, joining pairs by rank, gives?
//!
//! The vocabulary is learned here from a text of ours; the reference joins by rank in the plainest way.

use std::collections::BTreeMap;
use std::path::Path;

use engine::tokenizer::{SpecialText, Specials, Tokenizer, TokenizerError};

const TEXT: &str = "The river ran past the red house, and the red house had a garden. In the garden, Anna's cat didn't \
    chase the birds: it watched them, hour after hour, 12 or 13 of them. \"They're here again,\" said Anna; \"we've got \
    nothing for them.\"\n\nÜber den Fluss führte eine Brücke aus Holz. Ein Junge läuft über die Brücke.\n\
    Река течёт мимо дома. 河流经过红房子，花园里有一只猫。猫在看鸟。😀😀 a=b;  if (x > 0) {\n    return x;\n}\n";

fn join(parts: &mut Vec<Vec<u8>>, place: usize) {
    let right = parts.remove(place + 1);
    parts[place].extend(right);
}

/// Pieces of a text: here words with the space before them, a cut that the tokenizer's own never crosses.
fn words(text: &str) -> Vec<Vec<Vec<u8>>> {
    let mut words: Vec<String> = vec![String::new()];
    for character in text.chars() {
        let last = words.last_mut().unwrap();
        if !character.is_alphabetic() || !last.chars().all(|c| c.is_alphabetic() || c == ' ') {
            words.push(character.to_string());
        } else {
            last.push(character);
        }
    }
    words.iter().map(|word| word.bytes().map(|byte| vec![byte]).collect()).collect()
}

/// 256 bytes, then the most frequent pair again and again.
fn learn_ranks(text: &str, size: usize) -> Vec<Vec<u8>> {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    // A rank order that is not the byte order, as in published files.
    tokens.rotate_left(33);
    let mut words = words(text);
    while tokens.len() < size {
        let mut counts: BTreeMap<(&[u8], &[u8]), usize> = BTreeMap::new();
        for pair in words.iter().flat_map(|word| word.windows(2)) {
            *counts.entry((&pair[0], &pair[1])).or_default() += 1;
        }
        let Some((pair, _)) = counts.iter().max_by_key(|(pair, count)| (**count, **pair)) else { break };
        let joined = [pair.0, pair.1].concat();
        for word in &mut words {
            let mut place = 0;
            while place + 1 < word.len() {
                if word[place].len() + word[place + 1].len() == joined.len()
                    && [word[place].as_slice(), &word[place + 1]].concat() == joined
                {
                    join(word, place);
                }
                place += 1;
            }
        }
        if !tokens.contains(&joined) {
            tokens.push(joined);
        }
    }
    tokens
}

/// Ids of one piece: of all adjacent pairs that join into a token, the one of lowest rank is joined, the first of equals.
fn reference(piece: &[u8], ranks: &BTreeMap<Vec<u8>, u32>) -> Vec<u32> {
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
    loop {
        let best = (0..parts.len().saturating_sub(1))
            .filter_map(|place| Some((*ranks.get(&parts[place..place + 2].concat())?, place)))
            .min();
        match best {
            Some((_, place)) => join(&mut parts, place),
            None => return parts.iter().map(|part| ranks[part]).collect(),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let character = ALPHABET[(bits >> (18 - 6 * position) & 63) as usize] as char;
            text.push(if position <= chunk.len() { character } else { '=' });
        }
    }
    text
}

fn rank_file(tokens: &[Vec<u8>]) -> String {
    tokens.iter().enumerate().map(|(rank, token)| format!("{} {rank}\n", base64(token))).collect()
}

fn open(file: &str, generation_config: Option<&str>) -> Result<Tokenizer, TokenizerError> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("qwen.tiktoken", file);
    if let Some(text) = generation_config {
        write("generation_config.json", text);
    }
    Tokenizer::open(directory.path())
}

#[test]
fn pieces_are_joined_by_rank() {
    let tokens = learn_ranks(TEXT, 420);
    assert!(tokens.len() > 380, "{}", tokens.len());
    let ranks: BTreeMap<Vec<u8>, u32> =
        tokens.iter().enumerate().map(|(rank, token)| (token.clone(), rank as u32)).collect();
    let tokenizer = open(&rank_file(&tokens), None).unwrap();
    // (text, the pieces that the published pattern cuts it into)
    let cases: [(&str, &[&str]); 14] = [
        ("the red garden", &["the", " red", " garden"]),
        ("Anna's cat didn't", &["Anna", "'s", " cat", " didn", "'t"]),
        ("THEY'RE", &["THEY", "'RE"]),
        ("12 or 13", &["1", "2", " or", " ", "1", "3"]),
        ("  two  spaces ", &[" ", " two", " ", " spaces", " "]),
        ("a\n\n b", &["a", "\n\n", " b"]),
        (" \n \nx", &[" \n \n", "x"]),
        ("x;\n}", &["x", ";\n", "}"]),
        ("(x > 0)", &["(x", " >", " ", "0", ")"]),
        ("Brücke über Fluss", &["Brücke", " über", " Fluss"]),
        ("河流，猫", &["河流", "，猫"]),
        ("😀😀😀 a", &["😀😀😀", " a"]),
        ("thethethe themthemthem", &["thethethe", " themthemthem"]),
        ("", &[]),
    ];
    for (text, pieces) in cases {
        assert_eq!(pieces.concat(), text);
        let expected: Vec<u32> = pieces.iter().flat_map(|piece| reference(piece.as_bytes(), &ranks)).collect();
        let found = tokenizer.encode(text, Specials::AsConfigured).unwrap();
        assert_eq!(found, expected, "{text:?}");
        assert_eq!(tokenizer.decode(&found, SpecialText::Skip).unwrap(), text);
    }
    // Single words over few letters, where many joins compete.
    for seed in 0..400u32 {
        let mut state = seed;
        let text: String = (0..40)
            .map(|_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                ['t', 'h', 'e', 'r', 'n', 'a'][(state >> 16) as usize % 6]
            })
            .collect();
        assert_eq!(tokenizer.encode(&text, Specials::Bare).unwrap(), reference(text.as_bytes(), &ranks), "{text}");
    }
}

#[test]
fn special_tokens_follow_the_ranks_and_text_is_composed() {
    let tokens = learn_ranks(TEXT, 300);
    let tokenizer = open(&rank_file(&tokens), None).unwrap();
    let base = tokens.len() as u32;
    assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(base));
    assert_eq!(tokenizer.token_to_id("<|im_start|>"), Some(base + 1));
    assert_eq!(tokenizer.token_to_id("<|im_end|>"), Some(base + 2));
    assert_eq!(tokenizer.token_to_id("<|extra_0|>"), Some(base + 3));
    assert_eq!(tokenizer.token_to_id("<|extra_204|>"), Some(base + 207));
    assert_eq!(tokenizer.token_to_id("<|extra_205|>"), None);
    assert_eq!(tokenizer.vocab_size(), tokens.len() + 208);
    assert_eq!(tokenizer.encode("<|im_start|><|im_end|>", Specials::Bare).unwrap(), [base + 1, base + 2]);
    assert_eq!(
        tokenizer.encode("u\u{308}ber", Specials::Bare).unwrap(),
        tokenizer.encode("über", Specials::Bare).unwrap()
    );
    assert_eq!(tokenizer.bos_id(), None);
    assert_eq!(tokenizer.prefix_token_id(), Some(base));
    assert_eq!(tokenizer.eos_ids(), [base]);
    assert_eq!(tokenizer.chat_template(), None);
    assert_eq!(tokenizer.vocabulary_file(), "qwen.tiktoken");

    let configuration = format!("{{\"chat_format\": \"chatml\", \"eos_token_id\": {base}}}");
    let chat = open(&rank_file(&tokens), Some(&configuration)).unwrap();
    assert_eq!(chat.eos_ids(), [base, base + 2, base + 1]);
    assert!(chat.chat_template().unwrap().contains("<|im_start|>assistant"));
}

#[test]
fn a_broken_rank_file_names_its_line() {
    let tokens = learn_ranks(TEXT, 260);
    let file = rank_file(&tokens);
    let lines: Vec<&str> = file.lines().collect();
    let with_line = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number - 1] = line;
        lines.join("\n")
    };
    let cases = [
        (with_line(7, "!!!! 6"), "line 7"),
        (with_line(7, "AAAA"), "line 7"),
        (with_line(7, "AAAA six"), "line 7"),
        (with_line(7, " 6"), "line 7"),
        (with_line(7, "AAAA 18446744073709551616"), "line 7"),
        (with_line(7, &format!("{} 6", base64(&tokens[2]))), "line 7"),
        (with_line(7, "AAAA 5"), "line 7"),
        (with_line(7, &format!("{} 6", base64(&[65; 5000]))), "line 7"),
        (lines[..200].join("\n"), "the vocabulary"),
        (lines[1..].join("\n"), "line 1"),
        (String::new(), "the vocabulary"),
    ];
    for (file, where_) in cases {
        match open(&file, None) {
            Err(TokenizerError::Malformed { place, .. }) => assert_eq!(place, where_, "{file}"),
            other => panic!("{other:?} for {file}"),
        }
    }
    // Lines in another order and Windows line ends are fine.
    let mut turned = lines.clone();
    turned.reverse();
    let turned = open(&turned.join("\r\n"), None).unwrap();
    assert_eq!(
        turned.encode(TEXT, Specials::Bare).unwrap(),
        open(&file, None).unwrap().encode(TEXT, Specials::Bare).unwrap()
    );
    assert!(Tokenizer::open(Path::new("/nonexistent")).is_err());
}
