//! Python's strings: what its methods and its `re` call a space, a word, a small letter.
//!
//! Checkers that were published in Python decide by these. Where Unicode grows, Python and Rust may know different
//! versions of it; the rules are the same.

use fancy_regex::Regex;
use std::sync::LazyLock;

/// The class `\w` of `re`, for use between brackets: what `str.isalnum` accepts, and the underscore.
pub(crate) const WORD: &str = r"\p{L}\p{N}_";

/// The class `\s` of `re`, for use between brackets.
pub(crate) const SPACE: &str = r"\s\x1c-\x1f";

/// White space of `str.isspace`, `str.split`, `str.strip` and `\s`: Unicode's, and the separators U+001C to U+001F.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The text without white space at its ends: `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The words of `str.split()`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Whether `\w` matches.
pub(crate) fn is_word(character: char) -> bool {
    static CLASS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{N}]"));
    match character {
        '_' => true,
        _ if character.is_ascii() => character.is_ascii_alphanumeric(),
        // No pattern without look-around can fail to be matched.
        _ => CLASS.is_match(character.encode_utf8(&mut [0; 4])).unwrap_or(false),
    }
}

/// `str.isnumeric` of a character: a number of any script, also one of the ideographs that are numbers.
pub(crate) fn is_numeric(character: char) -> bool {
    const IDEOGRAPHS: &str = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零\
                              \u{f96b}\u{f973}\u{f978}\u{f9b2}\u{f9d1}\u{f9d3}\u{f9fd}\u{20001}\u{20064}\
                              \u{200e2}\u{20121}\u{2092a}\u{20983}\u{2098c}\u{2099c}\u{20aea}\u{20afd}\u{20b19}\
                              \u{22390}\u{22998}\u{23b1b}\u{2626d}\u{2f890}";
    character.is_numeric() || IDEOGRAPHS.contains(character)
}

/// `str.islower`: no letter is a capital or a title letter, one is small.
pub(crate) fn is_lower(text: &str) -> bool {
    let mut small = false;
    for character in text.chars() {
        if character.is_uppercase() || is_title(character) {
            return false;
        }
        small |= character.is_lowercase();
    }
    small
}

/// `str.isupper`: no letter is a small or a title letter, one is a capital.
pub(crate) fn is_upper(text: &str) -> bool {
    let mut capital = false;
    for character in text.chars() {
        if character.is_lowercase() || is_title(character) {
            return false;
        }
        capital |= character.is_uppercase();
    }
    capital
}

/// A letter that is a capital and a small one in one character, as `ǅ`.
fn is_title(character: char) -> bool {
    !character.is_ascii()
        && !character.is_uppercase()
        && !character.is_lowercase()
        && character.to_lowercase().next() != Some(character)
}

/// Where `\b` + `word` + `\b` matches, for a word that begins and ends with characters of `\w`: whether anywhere.
pub(crate) fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// A pattern of this program.
pub(crate) fn pattern(pattern: &str) -> Regex {
    // The work is bounded by the patterns, which nest no repetitions; the limit only has to be out of the way.
    let built = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(1 << 32).build();
    built.unwrap_or_else(|error| panic!("the pattern {pattern} is a constant: {error}"))
}

/// A pattern that matches `word` letter for letter in any case, as `re.IGNORECASE` compares: also the dotted capital and
/// the dotless small i are an i.
pub(crate) fn any_case(word: &str) -> String {
    let mut pattern = String::from("(?i:");
    for character in word.chars() {
        match character {
            'i' | 'I' | 'ı' | 'İ' => pattern.push_str("[iIıİ]"),
            _ => pattern.push_str(&fancy_regex::escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern + ")"
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values are Python 3.11's.
    #[test]
    fn classes_of_characters() {
        for (character, word, space) in
            [('a', true, false), ('_', true, false), ('½', true, false), ('中', true, false), ('²', true, false)]
        {
            assert_eq!((is_word(character), is_space(character)), (word, space), "{character}");
        }
        // A vowel sign is a mark, no letter; a circled letter is a symbol.
        for character in ['\u{93f}', 'Ⓐ', '-', '\u{301}', '\u{200d}', '‿'] {
            assert!(!is_word(character), "{character:?}");
        }
        for character in [' ', '\u{1c}', '\u{1f}', '\u{85}', '\u{3000}', '\u{a0}'] {
            assert!(is_space(character), "{character:?}");
        }
        assert!(!is_space('\u{200b}'));
        for (character, numeric) in [('7', true), ('七', true), ('½', true), ('Ⅷ', true), ('两', false), ('a', false)]
        {
            assert_eq!(is_numeric(character), numeric, "{character}");
        }
        assert!(is_numeric('\u{f9d3}') && is_numeric('\u{2f890}'));
    }

    #[test]
    fn case_of_strings() {
        for (text, lower, upper) in [
            ("abc", true, false),
            ("ABC", false, true),
            ("a1 !", true, false),
            ("123", false, false),
            ("", false, false),
            ("aB", false, false),
            ("ǅ", false, false),
            ("ªa", true, false),
            ("Ⓐ", false, true),
            ("中A", false, true),
        ] {
            assert_eq!((is_lower(text), is_upper(text)), (lower, upper), "{text}");
        }
    }

    #[test]
    fn words_and_their_bounds() {
        assert_eq!(words(" a  b\u{1c}c\n").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(strip("\u{1f} a b \u{3000}"), "a b");
        assert!(contains_word("the bus.", "bus") && contains_word("busbus bus", "bus"));
        assert!(!contains_word("busy", "bus") && !contains_word("Bus", "bus") && !contains_word("_bus", "bus"));
    }

    #[test]
    fn any_case_is_pythons() {
        let kin = pattern(&any_case("kin."));
        for (text, found) in [("KIN.", true), ("\u{212a}ın.", true), ("kİn.", true), ("kine", false)] {
            assert_eq!(kin.is_match(text).unwrap(), found, "{text}");
        }
    }
}
