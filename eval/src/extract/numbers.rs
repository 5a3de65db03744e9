//! The number in a worked answer, by the patterns of published evaluations.

use super::Error;
use fancy_regex::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::LazyLock;

/// What was found in a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// the answer
    pub text: String,
    /// bytes of the reply that the pattern matched
    pub span: Range<usize>,
}

/// Which of several matches counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Last,
}

/// A pattern that finds an answer in a reply.
pub struct Pattern {
    name: &'static str,
    which: Which,
    regex: Regex,
}

/// lm-evaluation-harness, `gsm8k`, filter `strict-match`: the number after the first `#### `.
pub static AFTER_HASHES: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::new("strict-match", Which::First, r"#### (\-?[0-9\.\,]+)"));

/// lm-evaluation-harness, `gsm8k_cot`, filter `strict-match`: the number after the first `The answer is `; one character
/// has to follow it, which may be a digit of it.
pub static ANSWER_IS: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::new("strict-match", Which::First, r"The answer is (\-?[0-9\.\,]+)."));

/// lm-evaluation-harness, filter `flexible-extract`: the last number, dollar signs included.
pub static ANY_NUMBER: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::new("flexible-extract", Which::Last, r"(-?[$0-9.,]{2,})|(-?[0-9]+)"));

/// QwenLM/Qwen, `eval/evaluate_chat_gsm8k.py` since November 2023: the last number with sign, commas and fraction.
pub static LAST_NUMBER: LazyLock<Pattern> = LazyLock::new(|| {
    let pattern = r"(([+-])?(?=([0-9]|\.[0-9]))(0|([1-9](\d{0,2}(,\d{3})*)|\d*))?(\.\d*)?)(?=\D|\z)";
    Pattern::new("last-number", Which::Last, pattern)
});

/// The same script before: the last run of digits.
pub static LAST_DIGITS: LazyLock<Pattern> = LazyLock::new(|| Pattern::new("last-digits", Which::Last, r"(\d+)"));

impl Pattern {
    fn new(name: &'static str, which: Which, pattern: &str) -> Self {
        let regex = RegexBuilder::new(pattern).backtrack_limit(1 << 32).build();
        let regex = regex.unwrap_or_else(|error| panic!("the pattern of {name} is a constant: {error}"));
        Self { name, which, regex }
    }

    /// The first of the pattern's groups that is not empty, at the match that counts, without white space around it.
    ///
    /// # Errors
    /// [`Error::Pattern`]: on no reply of any ordinary size.
    pub fn find(&self, reply: &str) -> Result<Option<Found>, Error> {
        let mut found = None;
        for captures in self.regex.captures_iter(reply) {
            let captures = captures.map_err(|source| Error::Pattern {
                rule: self.name,
                bytes: reply.len(),
                source: Box::new(source),
            })?;
            let group = captures.iter().skip(1).flatten().find(|group| !group.as_str().is_empty());
            found = group.zip(captures.get(0)).map(|(group, whole)| Found {
                text: crate::python::strip(group.as_str()).to_string(),
                span: whole.range(),
            });
            if self.which == Which::First {
                break;
            }
        }
        Ok(found)
    }
}

/// A match of [`LAST_NUMBER`] as Python's `eval` reads it once commas and plus signs are gone: `None` where that raises an
/// exception, as for whole numbers that begin with a zero.
pub fn number(text: &str) -> Option<f64> {
    let plain = text.replace([',', '+'], "");
    let digits = plain.strip_prefix('-').unwrap_or(&plain);
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    if !digits.contains('.') {
        whole_number(digits)?;
    }
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A match of [`LAST_DIGITS`] as Python's `eval` reads it, without the zeros of a zero; `None` where that raises an
/// exception.
pub fn whole_number(digits: &str) -> Option<&str> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.trim_start_matches('0') {
        "" => Some("0"),
        rest if rest.len() == digits.len() => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pattern: &Pattern, reply: &str) -> Option<String> {
        pattern.find(reply).unwrap().map(|found| found.text)
    }

    #[test]
    fn patterns_find_what_python_finds() {
        for (reply, expected) in VECTORS {
            let patterns: [&Pattern; 5] = [&AFTER_HASHES, &ANSWER_IS, &ANY_NUMBER, &LAST_NUMBER, &LAST_DIGITS];
            let found = patterns.map(|pattern| text(pattern, reply));
            assert_eq!(found.each_ref().map(Option::as_deref), *expected, "{reply:?}");
        }
    }

    #[test]
    fn spans_are_those_of_the_whole_match() {
        let found = AFTER_HASHES.find("so\n#### 18 eggs #### 19").unwrap().unwrap();
        assert_eq!((found.text.as_str(), found.span), ("18", 3..10));
        assert_eq!(LAST_NUMBER.find("é 3, then -4.50.").unwrap().unwrap().span, 11..16);
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("18", Some(18.0)),
            ("1,234.50", Some(1234.5)),
            ("+7", Some(7.0)),
            ("-.5", Some(-0.5)),
            ("18.", Some(18.0)),
            ("007.5", Some(7.5)),
            ("00", Some(0.0)),
            ("007", None),
            ("1\u{ff11}", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
        assert_eq!(number(&"9".repeat(400)), None);
        assert_eq!([whole_number("12"), whole_number("00"), whole_number("012")], [Some("12"), Some("0"), None]);
    }

    /// Replies, and what `re` finds by each pattern.
    #[allow(clippy::type_complexity, reason = "a table")]
    const VECTORS: &[(&str, [Option<&str>; 5])] = &[
        ("", [None, None, None, None, None]),
        ("no number", [None, None, None, None, None]),
        ("#### 18", [Some("18"), None, Some("18"), Some("18"), Some("18")]),
        ("She has 3 eggs.\n#### 1,234.", [Some("1,234."), None, Some("1,234."), Some("1,234."), Some("234")]),
        ("The answer is 42.", [None, Some("42"), Some("42."), Some("42."), Some("42")]),
        ("The answer is 42", [None, Some("4"), Some("42"), Some("42"), Some("42")]),
        ("The answer is $5.00, or -7", [None, None, Some("-7"), Some("-7"), Some("7")]),
        ("-3 - 4 = -7.", [None, None, Some("-7."), Some("-7."), Some("7")]),
        ("It costs $1,200,000.75!", [None, None, Some("$1,200,000.75"), Some("1,200,000.75"), Some("75")]),
        ("10-5", [None, None, Some("-5"), Some("-5"), Some("5")]),
        ("x=.5", [None, None, Some(".5"), Some(".5"), Some("5")]),
        ("007 bond", [None, None, Some("007"), Some("007"), Some("007")]),
        ("a 1234567 b", [None, None, Some("1234567"), Some("1234567"), Some("1234567")]),
        ("12,34", [None, None, Some("12,34"), Some("34"), Some("34")]),
        ("5..6", [None, None, Some("5..6"), Some(".6"), Some("6")]),
        ("#### x #### -3", [Some("-3"), None, Some("-3"), Some("-3"), Some("3")]),
        ("The answer is -1,000. The answer is 2.", [None, Some("-1,000."), Some("2."), Some("2."), Some("2")]),
        ("50%", [None, None, Some("50"), Some("50"), Some("50")]),
        ("\u{ff11}\u{ff12}", [None, None, None, None, Some("\u{ff11}\u{ff12}")]),
        ("1\u{ff11}", [None, None, Some("1"), Some("1\u{ff11}"), Some("1\u{ff11}")]),
        ("12\n", [None, None, Some("12"), Some("12"), Some("12")]),
        ("4 + 4 = +8", [None, None, Some("8"), Some("+8"), Some("8")]),
        ("3.", [None, None, Some("3."), Some("3."), Some("3")]),
        ("$", [None, None, None, None, None]),
        ("$.", [None, None, Some("$."), None, None]),
        ("so #### 5\n\n#### 6", [Some("5"), None, Some("6"), Some("6"), Some("6")]),
    ];
}
