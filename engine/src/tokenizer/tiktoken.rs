//! `qwen.tiktoken`: the vocabulary of the first-generation Qwen, one base64 token and its rank a line.
//!
//! Published source: `tokenization_qwen.py` of Qwen-7B. Text is brought to NFC and split by [`PATTERN`]; inside each piece
//! the adjacent pair whose concatenation has the lowest rank is joined until none has one. The `tokenizers` library joins
//! by a list of pairs, so the pairs are reconstructed: every way to cut a token into two tokens, ordered by the rank of the
//! token, then by the ranks of the two parts.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::TokenizerError;
use super::{base64, byte_alphabet};

/// How a text is cut into pieces before bytes are joined (`PAT_STR`).
const PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

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
/// A line that is not a base64 token, a space and a rank; ranks that are not 0 to n - 1 once each; a byte without token.
pub(super) fn to_tokenizer_json(bytes: &[u8], file: &Path) -> Result<Value, TokenizerError> {
    let tokens = read_ranks(bytes, file)?;
    let rank_of: HashMap<&[u8], usize> =
        tokens.iter().enumerate().map(|(rank, token)| (token.as_slice(), rank)).collect();
    let characters = byte_alphabet::characters();
    let texts: Vec<String> =
        tokens.iter().map(|token| byte_alphabet::text_of(token, &characters)).collect();
    let vocabulary: serde_json::Map<String, Value> =
        texts.iter().enumerate().map(|(rank, text)| (text.clone(), json!(rank))).collect();

    let mut merges: Vec<Value> = Vec::new();
    for token in &tokens {
        let mut cuts: Vec<(usize, usize)> = (1..token.len())
            .filter_map(|cut| {
                let (left, right) = token.split_at(cut);
                Some((*rank_of.get(left)?, *rank_of.get(right)?))
            })
            .collect();
        cuts.sort_unstable();
        merges.extend(cuts.iter().map(|&(left, right)| json!([texts[left], texts[right]])));
    }

    let added_tokens: Vec<Value> = special_tokens()
        .enumerate()
        .map(|(number, content)| {
            json!({
                "id": tokens.len() + number, "content": content, "single_word": false, "lstrip": false,
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

/// The tokens of a rank file, indexed by rank.
fn read_ranks(bytes: &[u8], file: &Path) -> Result<Vec<Vec<u8>>, TokenizerError> {
    let malformed = |place: String, expected: &str, found: String| TokenizerError::Malformed {
        file: file.to_path_buf(),
        place,
        expected: expected.to_string(),
        found,
    };
    // (rank, token, line number)
    let mut entries: Vec<(usize, Vec<u8>, usize)> = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (token, rank) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once(' '))
            .and_then(|(token, rank)| Some((base64::decode(token)?, rank.parse::<usize>().ok()?)))
            .filter(|(token, _)| !token.is_empty())
            .ok_or_else(|| {
                let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
                malformed(format!("line {}", index + 1), "a base64 token, a space and its rank", shown)
            })?;
        entries.push((rank, token, index + 1));
    }
    entries.sort_by_key(|&(rank, _, line)| (rank, line));
    let mut first_line: HashMap<&[u8], usize> = HashMap::new();
    for (position, (rank, token, line)) in entries.iter().enumerate() {
        if *rank != position {
            let expected = format!("rank {position}: every rank from 0 on once, without a gap");
            return Err(malformed(format!("line {line}"), &expected, format!("rank {rank}")));
        }
        if let Some(other) = first_line.insert(token, *line) {
            let found = format!("the token of line {other} again");
            return Err(malformed(format!("line {line}"), "a token that occurs once", found));
        }
    }
    for byte in 0..=255u8 {
        if !first_line.contains_key([byte].as_slice()) {
            let found = format!("{} tokens, none for byte 0x{byte:02X}", entries.len());
            return Err(malformed("the vocabulary".to_string(), "a token for each of the 256 bytes", found));
        }
    }
    Ok(entries.into_iter().map(|(_, token, _)| token).collect())
}
