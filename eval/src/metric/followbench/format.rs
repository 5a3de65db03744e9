//! FollowBench's rules for the form of a reply: the two format examples, and templates of worked examples.

use super::Language;
use super::sentences::{all_longer, sentences};
use crate::python::{self, SPACE, WORD, pattern};
use fancy_regex::Regex;
use std::sync::LazyLock;

/// Format example 22: numbered suggestions in paragraphs. At level 5 the text has a fourth part, the closing words.
pub fn suggestions(language: Language, reply: &str, level: usize) -> bool {
    let closing = match language {
        Language::English => "Those are suggestions",
        Language::Chinese => "这些是建议",
    };
    let parts: Vec<&str> = reply.split("\n\n").collect();
    let wanted = if level < 5 { 3 } else { 4 };
    if parts.len() != wanted {
        return false;
    }
    let checks = [
        true,
        parts[..3].iter().all(|part| sentences(language, part).len() < 3),
        all_longer(language, reply, 20),
        parts.iter().all(|part| is_numbered(part)),
        reply.ends_with(closing),
    ];
    checks.iter().take(level).all(|&check| check)
}

/// Whether a paragraph is blank or begins with a number and a full stop.
fn is_numbered(paragraph: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A\p{Nd}+\."));
    let paragraph = paragraph.trim_start_matches(python::is_space);
    paragraph.is_empty() || matches(&NUMBER, paragraph)
}

/// Format example 30, English only: five points, each a keyword in bold with its details.
pub fn bold_points(reply: &str, level: usize) -> bool {
    static POINT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\*\*\p{Nd}.+?:"));
    // Where a sentence ends: white space after a full stop or question mark, but not after "e.g." or "Mr."
    static END: LazyLock<Regex> = LazyLock::new(|| {
        pattern(&format!(r"(?<![{WORD}]\.[{WORD}].)(?<![A-Z][a-z]\.)(?<=\.|\?)[{SPACE}]"))
    });
    let sentences: Vec<&str> = END.split(reply).map(|piece| piece.unwrap_or_default()).collect();
    let is_point = |sentence: &str| ["1.", "2.", "3.", "4.", "5."].iter().any(|number| sentence.contains(number));
    let checks = [
        reply.contains("**"),
        POINT.find_iter(reply).count() == 5,
        sentences.iter().filter(|sentence| is_point(sentence)).all(|sentence| sentence.split('.').count() < 3),
        sentences.iter().all(|sentence| (10..=15).contains(&python::words(sentence).count())),
        sentences.iter().all(|sentence| python::words(sentence).all(|word| !word.ends_with("-ly"))),
    ];
    checks.iter().take(level).all(|&check| check)
}

/// An example constraint: whether the reply has the form of the worked examples.
///
/// `target` is the template: the instruction's line is left out, doubled braces are single ones, `{answer}` (or `.*`)
/// stands for any text on one line.
pub fn follows_template(reply: &str, target: &str) -> bool {
    let template = target.replace("{instruction}\n", "").replace("{{", "{").replace("}}", "}").replace("{answer}", ".*");
    let mut pieces = template.split(".*");
    // Where a match of the pieces so far may end.
    let mut ends = vec![false; reply.len() + 1];
    let first = pieces.next().unwrap_or_default();
    match ends.get_mut(first.len()) {
        Some(end) if reply.starts_with(first) => *end = true,
        _ => return false,
    }
    for piece in pieces {
        let mut next = vec![false; reply.len() + 1];
        let mut reached = false;
        for (start, byte) in reply.bytes().map(Some).chain([None]).enumerate() {
            reached |= ends[start];
            if reached && reply.as_bytes()[start..].starts_with(piece.as_bytes()) {
                next[start + piece.len()] = true;
            }
            reached &= byte != Some(b'\n');
        }
        ends = next;
    }
    ends[reply.len()]
}

pub(super) fn matches(pattern: &Regex, text: &str) -> bool {
    // Patterns are constants and their limit is out of reach.
    pattern.is_match(text).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` words.
    fn words(count: usize) -> String {
        vec!["word"; count].join(" ")
    }

    #[test]
    fn suggestions_have_three_numbered_paragraphs() {
        let english = |reply: &str, level| suggestions(Language::English, reply, level);
        assert!(english("a\n\nb\n\nc", 1) && !english("a\n\nb", 1) && !english("a\n\nb\n\nc\n\n", 1));
        assert!(english("A. B.\n\nb\n\nc", 2) && !english("A. B. C.\n\nb\n\nc", 2));
        let long = format!("{}\n\n{}\n\n{}.", words(21), words(21), words(21));
        assert!(english(&long, 3) && !english(&format!("{long} "), 3) && !english("a\n\nb\n\nc", 3));
        assert!(!english(&long, 4));
        // The number's full stop ends a sentence of one word: no reply can pass levels 3 and 4 at once.
        let numbered = format!("1.{}\n\n2.{}\n\n3.{}", words(21), words(21), words(21));
        assert!(english(&numbered, 2) && !english(&numbered, 3) && !english(&numbered, 4));
        assert!(!english(&format!("{long}\n\nThose are suggestions"), 5));
    }

    #[test]
    fn chinese_suggestions_may_be_numbered() {
        let long = "字".repeat(21);
        let chinese = |reply: &str, level| suggestions(Language::Chinese, reply, level);
        let three = format!("1.{long}。\n\n 2.{long}。\n\n3.{long}");
        assert!(chinese(&three, 3) && chinese(&three, 4) && !chinese(&three, 5));
        assert!(!chinese(&three.replace("2.", "二."), 4));
        let four = format!("{three}。\n\n4.{long}这些是建议");
        assert!(chinese(&four, 5) && !chinese(&four, 4) && !chinese(&format!("{four}。"), 5));
    }

    #[test]
    fn bold_points_are_five() {
        let point = |number: usize| format!("**{number} Key: {}.", words(9));
        let good = (1..=5).map(point).collect::<Vec<_>>().join(" ");
        for level in 1..=5 {
            assert!(bold_points(&good, level), "{level}");
        }
        assert!(!bold_points("plain", 1));
        assert!(bold_points("**", 1) && !bold_points("**1 a:", 2));
        // A number with a full stop and white space is a sentence of its own; without, it is part of its point.
        assert!(!bold_points(&good.replace("**3 Key", "**3. Key"), 4));
        assert!(!bold_points(&good.replace("**3 Key: word", "**3.5.Key: word"), 3));
        assert!(!bold_points(&format!("{good} Short one."), 4) && bold_points(&format!("{good} Short one."), 3));
        let hyphen = good.replacen("word.", "friend-ly.", 1);
        assert!(bold_points(&hyphen, 5), "a full stop follows");
        assert!(!bold_points(&hyphen.replacen("friend-ly.", "friend-ly .", 1), 5));
        // No sentence ends after an abbreviation.
        assert!(bold_points(&good.replacen(" word word", " e.g. word", 1), 4));
    }

    #[test]
    fn templates_match_whole_replies() {
        let target = "{instruction}\nAnswer: {answer}";
        assert!(follows_template("Answer: yes", target) && follows_template("Answer: ", target));
        assert!(!follows_template("Answer:yes", target) && !follows_template(" Answer: yes", target));
        assert!(!follows_template("Answer: two\nlines", target), "the answer stays on its line");
        let braces = "{instruction}\n{{'AI': '{answer}'}}";
        assert!(follows_template("{'AI': 'a'}", braces) && !follows_template("{'AI': 'a'} ", braces));
        let two = "{answer}\nbecause {answer}.";
        assert!(follows_template("a\nbecause b..", two) && follows_template("\nbecause .", two));
        assert!(!follows_template("a because b.", two) && !follows_template("x\na\nbecause b.", two));
        assert!(follows_template("exact (text)", "exact (text)") && !follows_template("exact (text", "exact (text)"));
        assert!(follows_template("中文：好", "中文：{answer}") && !follows_template("中", "中文{answer}"));
        assert!(follows_template("aXXbaXb", "a{answer}b") && follows_template("ab", "a{answer}{answer}b"));
    }
}
