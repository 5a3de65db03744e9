//! FollowBench's rules: what a reply must be, by the source of its instruction and its level.
//!
//! Each source has one rule for all levels, or five checks of which level l needs the first l. A reply is taken as it is
//! generated: white space at its ends counts.

use super::Language::{self, Chinese, English};
use super::format::{bold_points, follows_template, matches, suggestions};
use super::literal;
use super::sentences::{all_shorter, contains, length, nth_contains, sentences};
use crate::python::{self, SPACE, WORD, any_case, pattern};
use fancy_regex::Regex;
use std::sync::LazyLock;

/// An instruction that a rule judges.
#[derive(Clone, Copy, Debug)]
pub struct Instruction<'i> {
    /// Its language.
    pub language: Language,
    /// Field `category` of its item.
    pub category: &'i str,
    /// Field `source`.
    pub source: &'i str,
    /// Field `example_id`.
    pub example_id: u64,
    /// Field `level`, 1 to 5.
    pub level: usize,
    /// Field `target`.
    pub target: &'i str,
}

/// Whether a reply satisfies its instruction; `None` if no rule says so, but a judge has to.
///
/// A target that should be a list and is none is satisfied by nothing; see [`has_readable_target`].
pub fn satisfied(instruction: &Instruction<'_>, reply: &str) -> Option<bool> {
    let Instruction { language, level, target, .. } = *instruction;
    let cumulative = |checks: [bool; 5]| checks.iter().take(level).all(|&check| check);
    let last = |pattern: &Regex| pattern.find_iter(reply).flatten().last().is_some_and(|found| found.as_str() == target);
    if instruction.category == "example" {
        return Some(follows_template(reply, target));
    }
    let by_source = match instruction.source {
        "E2E" | "text_editing" => reply == target,
        "WIKIEVENTS" => reply.split('\n').all(|line| target.split('\n').any(|known| known == line)),
        "CONLL2003" => literal::strings(target).is_some_and(|names| names.iter().any(|name| name == reply)),
        "cnn_dailymail" => cumulative(news_summary(language, reply)),
        "xsum" => cumulative(one_sentence_summary(language, reply)),
        "samsum" => cumulative(dialogue_summary(language, reply)),
        "gigaword" => cumulative(headline(language, reply)),
        "arxiv" => cumulative(abstract_summary(language, reply)),
        "BBH_logical" => last(&LETTER),
        "BBH_time" => last(&DATE),
        "self_made_space" => reply.contains(target),
        "gsm_8k" => last(match language {
            English => &DOLLARS,
            Chinese => &DOLLARS_ZH,
        }),
        _ => {
            return match (instruction.category, instruction.example_id, language) {
                ("format", 22, _) => Some(suggestions(language, reply, level)),
                ("format", 30, English) => Some(bold_points(reply, level)),
                _ => None,
            };
        }
    };
    Some(by_source)
}

/// Whether the target is what its rule reads: a list of strings where a list is wanted.
pub fn has_readable_target(instruction: &Instruction<'_>) -> bool {
    instruction.source != "CONLL2003" || literal::strings(instruction.target).is_some()
}

static LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\([A-Z]\)"));
static DATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\p{Nd}{2}/\p{Nd}{2}/\p{Nd}{4}"));
static DOLLARS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\p{Nd}+"));
static DOLLARS_ZH: LazyLock<Regex> = LazyLock::new(|| pattern(r"\p{Nd}+美元"));
static PROCRASTINATION: LazyLock<Regex> = LazyLock::new(|| pattern(&any_case("procrast")));
static PRESENT_CONTINUOUS: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!("(?<![{WORD}])(?:am|is|are)[{SPACE}]+[{WORD}]+ing(?![{WORD}])")));
static PRESENT_PERFECT: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!("(?<![{WORD}])(?:has|have)[{SPACE}]+[{WORD}]")));

/// Length of a whole reply: spaces and one; of a Chinese one its characters.
fn reply_length(language: Language, reply: &str) -> usize {
    match language {
        English => reply.split(' ').count(),
        Chinese => length(language, reply),
    }
}

fn is_one_sentence(language: Language, reply: &str) -> bool {
    sentences(language, reply).len() == 1
}

/// Number of punctuation marks: those of `string.punctuation`; in Chinese also its own.
fn punctuation_marks(language: Language, reply: &str) -> usize {
    let own = match language {
        English => "",
        Chinese => "，。：’“”",
    };
    reply.chars().filter(|character| character.is_ascii_punctuation() || own.contains(*character)).count()
}

/// Three sentences; each under 15; a word in each; no lavish second; what has been done in the third.
fn news_summary(language: Language, reply: &str) -> [bool; 5] {
    let ([first, second, third], lavish) = match language {
        English => (["Potter", "actor", "films"], "lavish"),
        Chinese => (["波特", "演员", "电影"], "奢侈"),
    };
    let nth = |number, word| nth_contains(language, reply, number, word);
    let perfect = match language {
        English => sentences(language, reply).get(2).is_some_and(|sentence| matches(&PRESENT_PERFECT, sentence)),
        Chinese => nth(3, "了"),
    };
    [
        sentences(language, reply).len() == 3,
        all_shorter(language, reply, 15),
        nth(1, first) && nth(2, second) && nth(3, third),
        !nth(2, lavish),
        perfect,
    ]
}

/// One sentence; under 20; without the place; what is being done; with the word.
fn one_sentence_summary(language: Language, reply: &str) -> [bool; 5] {
    let (place, word) = match language {
        English => ("Newton Stewart", "operation"),
        Chinese => ("牛顿斯图尔特", "操作"),
    };
    let continuous = match language {
        English => matches(&PRESENT_CONTINUOUS, reply),
        Chinese => reply.contains('在'),
    };
    [
        is_one_sentence(language, reply),
        reply_length(language, reply) < 20,
        !contains(language, reply, place),
        continuous,
        contains(language, reply, word),
    ]
}

/// One sentence; under 15; with a word; without another in any form; with one punctuation mark.
fn dialogue_summary(language: Language, reply: &str) -> [bool; 5] {
    let (word, avoided) = match language {
        English => ("stuff", matches(&PROCRASTINATION, reply)),
        Chinese => ("琐碎的", reply.contains("拖沓的")),
    };
    [
        is_one_sentence(language, reply),
        reply_length(language, reply) < 15,
        contains(language, reply, word),
        !avoided,
        punctuation_marks(language, reply) == 1,
    ]
}

/// Length 8; no punctuation; in small letters, in Chinese without numbers; without a word; with another.
fn headline(language: Language, reply: &str) -> [bool; 5] {
    let (avoided, word, plain) = match language {
        English => ("bus", "in", python::is_lower(reply)),
        Chinese => ("公交车", "在", !reply.chars().any(python::is_numeric)),
    };
    [
        reply_length(language, reply) == 8,
        punctuation_marks(language, reply) == 0,
        plain,
        !contains(language, reply, avoided),
        contains(language, reply, word),
    ]
}

/// One sentence; at most 20; begins with "We"; with a word; without another.
fn abstract_summary(language: Language, reply: &str) -> [bool; 5] {
    let (beginning, word) = match language {
        English => ("We", "activations"),
        Chinese => ("我们", "激活"),
    };
    [
        is_one_sentence(language, reply),
        reply_length(language, reply) <= 20,
        reply.starts_with(beginning),
        contains(language, reply, word),
        !contains(language, reply, "transformer"),
    ]
}

#[cfg(test)]
mod tests;
