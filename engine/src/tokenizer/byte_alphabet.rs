//! The byte-level alphabet: one printable character for each of the 256 bytes.
//!
//! Byte-level tokenizers (GPT-2 and its many descendants) store tokens as text although tokens are bytes. Bytes that are
//! printable in Latin-1 stand for themselves; the other 68 take the characters from U+0100 on, in ascending order.
//! Source: `bytes_to_unicode` of GPT-2's published `encoder.py`.

/// The character that stands for each byte, indexed by the byte.
pub(super) fn characters() -> [char; 256] {
    let mut characters = ['\0'; 256];
    let mut next_free = 0x100;
    for byte in 0..=255u8 {
        characters[byte as usize] = match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => {
                // U+0100 to U+0143, all assigned characters.
                let character = char::from_u32(next_free).unwrap_or(char::REPLACEMENT_CHARACTER);
                next_free += 1;
                character
            }
        };
    }
    characters
}

/// The text under which a byte-level vocabulary stores `bytes`.
pub(super) fn text_of(bytes: &[u8], characters: &[char; 256]) -> String {
    bytes.iter().map(|&byte| characters[byte as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_distinct_and_known_ones_are_where_gpt2_has_them() {
        let characters = characters();
        let distinct: std::collections::BTreeSet<char> = characters.iter().copied().collect();
        assert_eq!(distinct.len(), 256);
        assert_eq!(characters[b' ' as usize], 'Ġ');
        assert_eq!(characters[b'\n' as usize], 'Ċ');
        assert_eq!(characters[0], 'Ā');
        assert_eq!(characters[0xAD], 'Ń');
        assert_eq!(text_of("é ".as_bytes(), &characters), "Ã©Ġ");
    }
}
