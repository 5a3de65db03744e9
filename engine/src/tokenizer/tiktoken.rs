//! `qwen.tiktoken`: the vocabulary of the first-generation Qwen, one base64 token and its rank a line.
//!
//! Published source: `tokenization_qwen.py` of Qwen-7B. Text is brought to NFC and split by [`PATTERN`]; inside each piece
//! the adjacent pair whose concatenation has the lowest rank is joined until none has one. The `tokenizers` library joins
//! by a list of pairs, so the pairs are reconstructed: every way to cut a token into two tokens, ordered by the rank of the
//! token, then by the ranks of the two parts.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::TokenizerError;
use super::{base64, byte_alphabet};

/// How a text is cut into pieces before bytes are joined (`PAT_STR`).
const PATTERN: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The tokens with a meaning of their own, in the order in which they are numbered after the ranks (`SPECIAL_TOKENS`).
fn special_tokens() -> impl Iterator<Item = String> {
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        .into_iter()
        .map(str::to_string)
        .chain((0..205).map(|number| format!("<|extra_{number}|>")))
}

/// The same tokenizer as the contents of a `tokenizer.json`.
///
/// # Errors
/// A line that is not a base64 token, a space and a rank; ranks that are not 0 to n - 1 once each; a token that occurs twice;
/// a byte without a token.
pub(super) fn to_tokenizer_json(bytes: &[u8], file: &Path) -> Result<Value, TokenizerError> {
    let entries = read_entries(bytes, file)?;
    let characters = byte_alphabet::characters();
    let mut vocabulary: Map<String, Value> = Map::new();
    for entry in &entries {
        let text = byte_alphabet::text_of(&entry.token, &characters);
        if vocabulary.insert(text, json!(entry.rank)).is_some() {
            let found = "the token of a lower rank again".to_string();
            return Err(malformed(file, format!("line {}", entry.line), "a token that occurs once", found));
        }
    }
    for byte in 0..=255u8 {
        if !vocabulary.contains_key(characters[byte as usize].encode_utf8(&mut [0; 4])) {
            let found = format!("{} tokens, none for byte 0x{byte:02X}", entries.len());
            return Err(malformed(file, "the vocabulary".to_string(), "a token for each of the 256 bytes", found));
        }
    }

    let rank_of = |token: &str| vocabulary.get(token).and_then(Value::as_u64);
    let mut merges: Vec<Value> = Vec::new();
    for token in vocabulary.keys() {
        // One character stands for one byte, so that every cut between characters is one between bytes.
        let mut cuts: Vec<(u64, u64, usize)> = token
            .char_indices()
            .skip(1)
            .filter_map(|(cut, _)| {
                let (left, right) = token.split_at(cut);
                Some((rank_of(left)?, rank_of(right)?, cut))
            })
            .collect();
        cuts.sort_unstable();
        merges.extend(cuts.iter().map(|&(_, _, cut)| json!([token[..cut], token[cut..]])));
    }

    let added_tokens: Vec<Value> = special_tokens()
        .enumerate()
        .map(|(number, content)| {
            json!({
                "id": entries.len() + number, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true
            })
        })
        .collect();
    Ok(json!({
        "version": "1.0",
        "added_tokens": added_tokens,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}
        ]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges}
    }))
}

/// Tokens longer than this are refused: every cut of a token is looked up.
const TOKEN_BYTES: usize = 4096;

/// A line of a rank file.
struct Entry {
    token: Vec<u8>,
    rank: usize,
    /// Its line, counted from 1.
    line: usize,
}

/// The entries of a rank file in order of rank, which is 0 to n - 1.
fn read_entries(bytes: &[u8], file: &Path) -> Result<Vec<Entry>, TokenizerError> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (token, rank) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once(' '))
            .and_then(|(token, rank)| Some((base64::decode(token)?, rank.parse().ok()?)))
            .filter(|(token, _)| (1..=TOKEN_BYTES).contains(&token.len()))
            .ok_or_else(|| {
                let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
                let expected = format!("a base64 token of 1 to {TOKEN_BYTES} bytes, a space and its rank");
                malformed(file, format!("line {}", index + 1), &expected, shown)
            })?;
        entries.push(Entry { token, rank, line: index + 1 });
    }
    entries.sort_by_key(|entry| (entry.rank, entry.line));
    for (position, entry) in entries.iter().enumerate() {
        if entry.rank != position {
            let expected = format!("rank {position}: every rank from 0 on once, without a gap");
            return Err(malformed(file, format!("line {}", entry.line), &expected, format!("rank {}", entry.rank)));
        }
    }
    Ok(entries)
}

fn malformed(file: &Path, place: String, expected: &str, found: String) -> TokenizerError {
    TokenizerError::Malformed { file: file.to_path_buf(), place, expected: expected.to_string(), found }
}
