//! Words as NLTK 3.10 separates them: all of them as runs of word characters, those in capitals by `word_tokenize`.
//!
//! Word characters are Unicode's: letters, marks, digits, connectors. (Before 3.10 NLTK used Python's own, without marks
//! and with fractions: it counts more words of Hindi.)
//!
//! `word_tokenize` puts spaces around marks and into contractions, one substitution after the other; what matters here is
//! where a word in capitals becomes two ("IT'S", "CANNOT") or gets free of small letters ("I'm"). The text is split
//! into [sentences](super::sentences) first.
//!
//! Source: `nltk/tokenize/destructive.py` of NLTK 3.10, after the Penn Treebank's tokenizer.

use super::sentences;
use crate::python::{self, pattern};
use fancy_regex::Regex;
use std::sync::LazyLock;

/// What is replaced, in this order. After the first ten the text gets a space at each end.
static SUBSTITUTIONS: LazyLock<[(Regex, &str); 21]> = LazyLock::new(|| {
    let build = |(source, replacement): (&str, &'static str)| (pattern(source), replacement);
    [
        // Quotes that open.
        ("[«“‘„]|`+", " $0 "),
        (r#"([ (\[{<])(?:"|'{2})"#, "$1 `` "),
        (r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)(?!\w))(?=\w)", "' "),
        // Marks. A comma or colon before a digit stays.
        (r"([:,])([^\p{Nd}])", " $1 $2"),
        (r"([:,])\z", " $1 "),
        (r"\.{2,}|[;@#$%&‒–—―?!*]", " $0 "),
        (r#"([^.])(\.)([\])}>"'»”’ ]*)\s*\z"#, "$1 $2 $3 "),
        ("([^'])' ", "$1 ' "),
        (r"[\]\[(){}<>]", " $0 "),
        ("--", " -- "),
        // Quotes that close, and clitics.
        ("[»”’]", " $0 "),
        ("''|\"", " '' "),
        (r"\s+", " "),
        ("([^' ])('[sSmMdD]|') ", "$1 $2 "),
        ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "),
        // Words that are two.
        (r"(?i)(?<!\w)(can)(not)(?!\w)", " $1 $2 "),
        (r"(?i)(?<!\w)(d)('ye)(?!\w)", " $1 $2 "),
        (r"(?i)(?<!\w)(gim|lem)(me)(?!\w)", " $1 $2 "),
        (r"(?i)(?<!\w)(?:(gon)(na)|(got)(ta))(?!\w)", " $1$3 $2$4 "),
        (r"(?i)(?<!\w)(?:(more)('n)(?!\w)|(wan)(na)(?=\s))", " $1$3 $2$4 "),
        (r"(?i) ('t)(is|was)(?!\w)", " $1 $2 "),
    ]
    .map(build)
});

/// Substitutions before the text gets its spaces.
const INNER: usize = 10;

/// Number of words.
pub fn count(text: &str) -> usize {
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\w+"));
    WORD.find_iter(text).count()
}

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
    fn words_are_runs_of_word_characters() {
        assert_eq!(count("It's a well-known_thing, 3.5"), 7);
        assert_eq!((count("हिन्दी में"), count("½ — ²"), count("中文，好"), count("")), (2, 0, 2, 0));
    }

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
