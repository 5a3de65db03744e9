//! The checkers: one line or function a kind of instruction.

use super::{Instruction, language, sentences, words};
use crate::python::{self, SPACE, WORD, any_case, pattern};
use fancy_regex::{Regex, RegexBuilder};
use serde::de::IgnoredAny;
use std::sync::LazyLock;

/// Whether a reply that is not blank follows an instruction; `None` where that is not checked.
pub(super) fn follows(instruction: &Instruction, reply: &str) -> Option<bool> {
    Some(match instruction {
        Instruction::Keywords(keywords) => keywords.iter().all(|keyword| is_found(keyword, reply)),
        Instruction::KeywordFrequency(keyword, bound) => bound.holds(count(keyword, reply)),
        Instruction::ForbiddenWords(words) => !words.iter().any(|word| is_found(word, reply)),
        Instruction::LetterFrequency(letter, bound) => bound.holds(reply.to_lowercase().matches(*letter).count()),
        Instruction::Language(language) => return language::is_in(reply, language),
        Instruction::Sentences(bound) => bound.holds(sentences::split(reply).len()),
        Instruction::Paragraphs(number) => paragraphs(reply) == Some(*number),
        Instruction::Words(bound) => bound.holds(words::count(reply)),
        Instruction::ParagraphBeginning { paragraphs, nth, word } => begins_with(reply, *paragraphs, *nth, word),
        Instruction::Placeholders(number) => count(&PLACEHOLDER, reply) >= *number,
        Instruction::Postscript(marker) => is_found(marker, &reply.to_lowercase()),
        Instruction::Bullets(number) => count(&STAR, reply) + count(&DASH, reply) == *number,
        Instruction::ConstrainedResponse => OPTIONS.iter().any(|option| reply.contains(option)),
        Instruction::Highlights(number) => highlights(reply) >= *number,
        Instruction::Sections(heading, number) => count(heading, reply) >= *number,
        Instruction::Json => is_json(reply),
        Instruction::Title => TITLE.find_iter(reply).flatten().any(|title| {
            !python::strip(title.as_str().trim_start_matches('<').trim_end_matches('>')).is_empty()
        }),
        Instruction::TwoResponses => two_responses(reply),
        Instruction::RepeatPrompt(prompt) => {
            python::strip(reply).to_lowercase().starts_with(&python::strip(prompt).to_lowercase())
        }
        Instruction::Ending(ending) => {
            let reply = python::strip(reply).trim_matches('"').to_lowercase();
            reply.ends_with(&python::strip(ending).to_lowercase())
        }
        Instruction::CapitalWords(bound) => bound.holds(words::count_capital(reply)),
        Instruction::AllCapital => python::is_upper(reply) && language::may_be_english(reply),
        Instruction::AllSmall => python::is_lower(reply) && language::may_be_english(reply),
        Instruction::NoComma => !reply.contains(','),
        Instruction::Quotation => {
            let reply = python::strip(reply);
            reply.len() > 1 && reply.starts_with('"') && reply.ends_with('"')
        }
    })
}

/// What a constrained response has to hold.
const OPTIONS: [&str; 3] = ["My answer is yes.", "My answer is no.", "My answer is maybe."];

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[.*?\]"));
static STAR: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?m)^[{SPACE}]*\*[^*].*$")));
static DASH: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?m)^[{SPACE}]*-.*$")));
static TITLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"<<[^\n]+>>"));
static HIGHLIGHT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\*[^\n*]*\*"));
static DOUBLE_HIGHLIGHT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\*\*[^\n*]*\*\*"));

fn is_found(pattern: &Regex, text: &str) -> bool {
    // A pattern that gives up, of a file that is not the official one, finds nothing.
    pattern.is_match(text).unwrap_or(false)
}

fn count(pattern: &Regex, text: &str) -> usize {
    pattern.find_iter(text).flatten().count()
}

/// A keyword as a pattern: letter for letter in any case; with characters that mean something in a pattern, as one.
fn keyword_pattern(keyword: &str) -> String {
    let is_plain = keyword.chars().all(|character| python::is_word(character) || " -'&,!".contains(character));
    if is_plain { any_case(keyword) } else { format!("(?i:{keyword})") }
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).backtrack_limit(1 << 24).build().ok()
}

/// A keyword, wherever it stands.
pub(super) fn keyword(keyword: &str) -> Option<Regex> {
    compile(&keyword_pattern(keyword))
}

/// A keyword with a bound of words at both ends.
pub(super) fn whole_word(word: &str) -> Option<Regex> {
    let bound = format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))");
    compile(&format!("{bound}{}{bound}", keyword_pattern(word)))
}

/// The beginning of a postscript, in a text in small letters.
pub(super) fn postscript(marker: &str) -> Option<Regex> {
    match marker {
        "P.P.S" => compile(&format!(r"p\.[{SPACE}]?p\.[{SPACE}]?s")),
        "P.S." => compile(&format!(r"p\.[{SPACE}]?s\.")),
        other => compile(&other.to_lowercase()),
    }
}

/// A heading: its word and a number.
pub(super) fn heading(word: &str) -> Option<Regex> {
    compile(&format!(r"[{SPACE}]?(?:{word})[{SPACE}]?\p{{Nd}}+[{SPACE}]?"))
}

/// Number of paragraphs between `***`; `None` if one within is blank.
fn paragraphs(reply: &str) -> Option<usize> {
    parts(reply, "***").map(|parts| parts.len())
}

/// The parts of a reply that are not blank; the first and the last may be, one within may not.
fn parts<'r>(reply: &'r str, separator: &str) -> Option<Vec<&'r str>> {
    let parts: Vec<&str> = reply.split(separator).collect();
    let is_blank = |part: &&str| python::strip(part).is_empty();
    let within = parts.get(1..parts.len() - 1).unwrap_or_default();
    (!within.iter().any(is_blank)).then(|| parts.into_iter().filter(|part| !is_blank(part)).collect())
}

/// Two responses that differ, between them, before or after them `******`.
fn two_responses(reply: &str) -> bool {
    match parts(reply, "******").as_deref() {
        Some([first, second]) => python::strip(first) != python::strip(second),
        _ => false,
    }
}

/// Whether there are so many paragraphs, and the nth begins with the word.
///
/// Blank paragraphs are not counted, but the nth is looked for among all.
fn begins_with(reply: &str, paragraphs: usize, nth: usize, word: &str) -> bool {
    let parts: Vec<&str> = reply.split("\n\n").map(python::strip).collect();
    let count = parts.iter().filter(|part| !part.is_empty()).count();
    let Some(first) = parts.get(nth - 1).and_then(|part| python::words(part).next()) else { return false };
    let first = first.trim_start_matches('\'').trim_start_matches('"');
    let end = first.find(['.', ',', '?', '!', '\'', '"']).unwrap_or(first.len());
    // Letter by letter, so that a final sigma is like any other.
    let letters: String = first[..end].chars().flat_map(char::to_lowercase).collect();
    nth <= count && count == paragraphs && letters == word
}

/// Number of texts in asterisks, and once more of those in two pairs.
fn highlights(reply: &str) -> usize {
    let single = HIGHLIGHT.find_iter(reply).flatten().filter(|found| {
        let text = found.as_str().trim_matches('*');
        !python::strip(text).is_empty()
    });
    let double = DOUBLE_HIGHLIGHT.find_iter(reply).flatten().filter(|found| {
        let text = found.as_str();
        !python::strip(text.get(2..text.len() - 2).unwrap_or_default()).is_empty()
    });
    single.count() + double.count()
}

/// Whether the reply, without the back-ticks of a code block, is JSON as Python reads it: with NaN and Infinity.
fn is_json(reply: &str) -> bool {
    let mut text = python::strip(reply);
    for prefix in ["```json", "```Json", "```JSON", "```"] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let text = python::strip(text.strip_suffix("```").unwrap_or(text));
    serde_json::from_str::<IgnoredAny>(&without_constants(text)).is_ok()
}

/// The text with NaN, Infinity and -Infinity, outside strings, as zeros.
fn without_constants(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let constant = ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| rest.starts_with(name));
        if let Some(name) = constant.filter(|_| !in_string) {
            plain.push_str(" 0 ");
            rest = &rest[name.len()..];
            continue;
        }
        in_string ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        plain.push(character);
        rest = &rest[character.len_utf8()..];
    }
    plain
}
