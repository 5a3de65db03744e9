//! The tokenizers of sacreBLEU that need no model: where a text is cut into words before they are counted.
//!
//! What `intl` takes for punctuation, symbols and numbers is Unicode 16's. sacreBLEU takes it from whatever version of
//! the package `regex` is installed; only characters that Unicode did not have yet can differ.

use crate::python::{is_space, words};
use fancy_regex::Regex;
use std::sync::LazyLock;

/// How a text is cut into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tokenizer {
    /// `13a`: as mteval-v13a of NIST; the default, for languages that put spaces between words
    #[default]
    V13a,
    /// `zh`: every Chinese character is a word, the rest is cut as by `13a`
    Zh,
    /// `intl`: as mteval-v14 of NIST; all of Unicode's punctuation and symbols are words
    Intl,
    /// `char`: every character is a word
    Char,
    /// `none`: words are what white space separates
    None,
}

/// Rules of `13a`, to be applied in this order.
static WESTERN: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        // The punctuation of ASCII but for apostrophe, comma, hyphen and full stop, and the space.
        (r"([\x20-&(-+/:-@\[-`{-~])", " ${1} "),
        // A full stop or comma, unless it comes after a digit; then, unless it comes before one.
        (r"([^0-9])([.,])", "${1} ${2} "),
        (r"([.,])([^0-9])", " ${1} ${2}"),
        // A hyphen after a digit.
        (r"([0-9])(-)", "${1} ${2} "),
    ])
});

/// Rules of `intl`: punctuation unless it is between numbers, then every symbol.
static INTERNATIONAL: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[(r"(\P{N})(\p{P})", "${1} ${2} "), (r"(\p{P})(\P{N})", " ${1} ${2}"), (r"(\p{S})", " ${1} ")])
});

/// A pattern, and what each of its matches is replaced by.
type Rule = (Regex, &'static str);

fn rules(patterns: &[(&str, &'static str)]) -> Vec<Rule> {
    let compiled = |pattern| Regex::new(pattern).unwrap_or_else(|error| panic!("the pattern is a constant: {error}"));
    patterns.iter().map(|&(pattern, replacement)| (compiled(pattern), replacement)).collect()
}

/// The text after all rules, its words one space apart.
fn rewrite(text: String, rules: &[Rule]) -> String {
    let rewritten =
        rules.iter().fold(text, |text, (pattern, replacement)| pattern.replace_all(&text, *replacement).into_owned());
    words(&rewritten).collect::<Vec<_>>().join(" ")
}

impl Tokenizer {
    /// Its name in signatures.
    pub fn name(self) -> &'static str {
        match self {
            Self::V13a => "13a",
            Self::Zh => "zh",
            Self::Intl => "intl",
            Self::Char => "char",
            Self::None => "none",
        }
    }

    /// The text with white space between its words, as sacreBLEU's tokenizer of this name returns it.
    pub fn tokenize(self, text: &str) -> String {
        match self {
            Self::V13a => {
                let line = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
                // The ampersand before the others, so that `&amp;lt;` becomes `<`.
                let line = line.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
                rewrite(format!(" {line} "), &WESTERN)
            }
            Self::Zh => rewrite(apart(text.trim_matches(is_space), is_chinese), &WESTERN),
            Self::Intl => rewrite(text.to_owned(), &INTERNATIONAL),
            Self::Char => text.chars().map(String::from).collect::<Vec<_>>().join(" "),
            Self::None => text.to_owned(),
        }
    }
}

/// The text with spaces around the characters that are meant.
fn apart(text: &str, meant: fn(char) -> bool) -> String {
    let mut spaced = String::with_capacity(3 * text.len());
    for character in text.chars() {
        if meant(character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced
}

/// Whether `zh` takes a character for Chinese.
///
/// The last range is an accident that scores depend on: sacreBLEU means U+20000 to U+2A6D6 and U+2F800 to U+2FA1D, but
/// Python reads `'\u20000'` as U+2000 and a digit, and single characters compare with that as strings do. So curly
/// quotes, dashes, arrows and mathematical signs are Chinese, and the ideographs of plane 2 are not. (The second pair
/// lies within the radicals.)
fn is_chinese(character: char) -> bool {
    matches!(character,
        '\u{3400}'..='\u{4db5}' // ideographs, extension A
        | '\u{4e00}'..='\u{9fbb}' // ideographs
        | '\u{f900}'..='\u{fa2d}' | '\u{fa30}'..='\u{fa6a}' | '\u{fa70}'..='\u{fad9}' // compatibility ideographs
        | '\u{ff00}'..='\u{ffef}' // full-width ASCII, half-width kana
        | '\u{2e80}'..='\u{2eff}' | '\u{2f00}'..='\u{2fdf}' // radicals
        | '\u{2ff0}'..='\u{2fff}' // description of characters
        | '\u{3000}'..='\u{303f}' // punctuation
        | '\u{31c0}'..='\u{31ef}' // strokes
        | '\u{3100}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' // bopomofo
        | '\u{fe10}'..='\u{fe1f}' | '\u{fe30}'..='\u{fe4f}' // vertical forms
        | '\u{2600}'..='\u{27bf}' // symbols, dingbats
        | '\u{3200}'..='\u{33ff}' // enclosed and compatibility forms
        | '\u{2001}'..='\u{2a6d}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_the_reference_cuts_them() {
        let cases = [
            (Tokenizer::V13a, "It's 1,000.5, &quot;A&amp;lt;B&quot;.", "It's 1,000.5 , \" A < B \" ."),
            (Tokenizer::V13a, "hyphen-\nation 3-4 x-y\n<skipped>end.", "hyphenation 3 - 4 x-y end ."),
            (Tokenizer::Zh, "他说“你好”，GPT-4很好…", "他 说 “ 你 好 ” ， GPT-4 很 好 …"),
            (Tokenizer::Intl, "«Straße» 1,5€ (3.). x²", "« Straße » 1,5 € ( 3 . ) . x²"),
            (Tokenizer::Char, "né e", "n é   e"),
            (Tokenizer::None, " a  b.", " a  b."),
        ];
        for (tokenizer, text, expected) in cases {
            assert_eq!(tokenizer.tokenize(text), expected, "{}", tokenizer.name());
        }
        assert!(is_chinese('\u{2014}') && !is_chinese('\u{2000}') && !is_chinese('\u{20000}'));
    }
}
