//! Exact match: the share of generated answers that are, letter by letter, the one expected; and the share of replies
//! without an answer.

use super::{Direction, Metric};

/// Exact match.
pub static EXACT_MATCH: Metric = Metric {
    key: "exact_match",
    summary: "share of answers that are the expected one, after both were rewritten",
    formula: "mean of [rewritten(answer) = rewritten(expected)]",
    direction: Direction::HigherIsBetter,
    source: "lm-evaluation-harness, api/metrics.py, exact_match_hf_evaluate",
};

pub(super) const METRICS: &[&Metric] = &[&EXACT_MATCH];

/// An answer as lm-evaluation-harness compares those of GSM8K: without commas and dollar signs, without all that comes
/// before the last `#### `, without a full stop at the end, in lower case.
///
/// These are its patterns `,`, `\$`, `(?s).*#### ` and `\.$`, of which the last also finds a full stop before a final line
/// break.
pub fn rewritten(answer: &str) -> String {
    let plain = answer.replace([',', '$'], "");
    let number = plain.rsplit_once("#### ").map_or(plain.as_str(), |(_, number)| number);
    let (text, line_break) = number.strip_suffix('\n').map_or((number, ""), |text| (text, "\n"));
    match (text.strip_suffix('.'), number.strip_suffix('.')) {
        (Some(text), _) => format!("{text}{line_break}").to_lowercase(),
        (None, Some(text)) => text.to_lowercase(),
        (None, None) => number.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_rewritten_as_by_the_patterns() {
        // import re
        // for p in [",", r"\$", r"(?s).*#### ", r"\.$"]: s = re.sub(p, "", s)
        // s.lower()
        for (answer, expected) in [
            ("#### 1,234", "1234"),
            ("$18.", "18"),
            ("a\n#### 5\n#### 6 Eggs.", "6 eggs"),
            ("18..", "18."),
            ("18.\n", "18\n"),
            ("18.\n\n", "18.\n\n"),
            ("####5", "####5"),
            ("", ""),
        ] {
            assert_eq!(rewritten(answer), expected, "{answer:?}");
        }
    }
}
