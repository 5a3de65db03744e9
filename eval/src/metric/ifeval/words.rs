//! Words in capital letters, as NLTK's `word_tokenize` separates them.
//!
//! The tokenizer puts spaces around marks and into contractions, one substitution after the other; what matters here is
//! where a word in capitals becomes two ("IT'S", "CANNOT") or gets free of small letters ("I'm"). The text is split
//! into [sentences](super::sentences) first.
//!
//! Source: `nltk/tokenize/destructive.py` of NLTK 3.10, after the Penn Treebank's tokenizer.

use super::sentences;
use crate::python::{self, SPACE, WORD, pattern};
use fancy_regex::Regex;
use std::sync::LazyLock;

/// What is replaced, in this order. After the first ten the text gets a space at each end.
static SUBSTITUTIONS: LazyLock<[(Regex, &str); 21]> = LazyLock::new(|| {
    let build = |(source, replacement): (&str, &'static str)| {
        (pattern(&source.replace("{SPACE}", SPACE).replace("{WORD}", WORD)), replacement)
    };
    [
        // Quotes that open.
        ("[«“‘„]|`+", " $0 "),
        (r#"([ (\[{<])(?:"|'{2})"#, "$1 `` "),
        (r"(?i)(?<![{WORD}])'(?!(?:re|ve|ll|m|t|s|d|n)(?![{WORD}]))(?=[{WORD}])", "' "),
        // Marks. A comma or colon before a digit stays.
        (r"([:,])([^\p{Nd}])", " $1 $2"),
        (r"([:,])\z", " $1 "),
        (r"\.{2,}|[;@#$%&‒–—―?!*]", " $0 "),
        (r#"([^.])(\.)([\])}>"'»”’ ]*)[{SPACE}]*\z"#, "$1 $2 $3 "),
        ("([^'])' ", "$1 ' "),
        (r"[\]\[(){}<>]", " $0 "),
        ("--", " -- "),
        // Quotes that close, and clitics.
        ("[»”’]", " $0 "),
        ("''|\"", " '' "),
        ("[{SPACE}]+", " "),
        ("([^' ])('[sSmMdD]|') ", "$1 $2 "),
        ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "),
        // Words that are two.
        (r"(?i)(?<![{WORD}])(can)(not)(?![{WORD}])", " $1 $2 "),
        (r"(?i)(?<![{WORD}])(d)('ye)(?![{WORD}])", " $1 $2 "),
        (r"(?i)(?<![{WORD}])(gim|lem)(me)(?![{WORD}])", " $1 $2 "),
        (r"(?i)(?<![{WORD}])(?:(gon)(na)|(got)(ta))(?![{WORD}])", " $1$3 $2$4 "),
        (r"(?i)(?<![{WORD}])(?:(more)('n)(?![{WORD}])|(wan)(na)(?=[{SPACE}]))", " $1$3 $2$4 "),
        (r"(?i) ('t)(is|was)(?![{WORD}])", " $1 $2 "),
    ]
    .map(build)
});

/// Substitutions before the text gets its spaces.
const INNER: usize = 10;

/// Number of words with a capital letter and without a small one.
pub fn count_capital(text: &str) -> usize {
    sentences::split(text).into_iter().map(count_in_sentence).sum()
}

fn count_in_sentence(sentence: &str) -> usize {
    let mut text = sentence.to_string();
    for (index, (pattern, replacement)) in SUBSTITUTIONS.iter().enumerate() {
        if index == INNER {
            text = format!(" {text} ");
        }
        text = pattern.replace_all(&text, *replacement).into_owned();
    }
    python::words(&text).filter(|word| python::is_upper(word)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_capitals_are_counted_as_nltk_separates_them() {
        for (text, expected) in [
            ("", 0),
            ("A WORD and a Word", 2),
            ("I'm sure I'll say I've it", 3),
            ("IT'S DON'T", 4),
            ("CANNOT GIMME cannot", 4),
            ("U.S.A. and U.S.", 2),
            ("HELLO,WORLD 10,000 A,5", 3),
            ("WELL-KNOWN A/B A--B", 4),
            ("*BOLD* (NOTE): [TAG]", 3),
            ("“QUOTED” 'SINGLE' \"DOUBLE\"", 3),
            ("3D MP3s X2", 2),
            ("Mr. X.", 1),
            ("'TIS WANNA", 3),
            ("IT'S. I WANNA! NOW", 6),
            ("I’m", 1),
            ("ÉTÉ ß ПРИВЕТ", 2),
        ] {
            assert_eq!(count_capital(text), expected, "{text}");
        }
    }
}
