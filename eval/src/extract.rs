//! The answer in a generated reply: which choice did the model mean?
//!
//! The protocol is that of Qwen's chat evaluation (QwenLM/Qwen, `eval/evaluate_chat_mmlu.py`; for Chinese
//! `eval/evaluate_chat_ceval.py`, [`chinese`]), which the published numbers of the paper follow:
//!
//! 1. Every choice's text, without its full stops at the end, is replaced in the reply by its letter, longest text
//!    first, in any case.
//! 2. Four patterns are tried in order on what results; the first that matches anywhere gives the letter
//!    ([`Rule`]).
//! 3. If none matches, the choice whose text is most similar to the reply is taken ([`similarity`]).
//!
//! So there is always an answer, and a model that writes nonsense scores as if it guessed.

mod chinese;
pub mod similarity;

pub use chinese::qwen_chat_ceval;

use fancy_regex::{Captures, Regex, RegexBuilder};
use std::ops::Range;
use std::sync::LazyLock;

/// The letters of the choices.
const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// "answer is A", "choice: A", "choose A", without a negation in between
    Statement,
    /// "A is correct", "A would be right", without a negation in between
    Verdict,
    /// the reply begins with a letter before a full stop, comma, colon or its end
    Opening,
    /// the first letter that stands alone
    Letter,
    /// no letter: the choice whose text is most similar to the reply
    Similarity,
}

impl Extraction {
    /// What the pattern matched; `None` for [`Rule::Similarity`].
    pub fn matched(&self) -> Option<&str> {
        self.rewritten.get(self.span.clone()?)
    }
}

impl Rule {
    /// The word that sample files carry.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Statement => "statement",
            Rule::Verdict => "verdict",
            Rule::Opening => "opening",
            Rule::Letter => "letter",
            Rule::Similarity => "similarity",
        }
    }
}

/// The answer found in a reply, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Extraction {
    /// index of the choice
    pub choice: usize,
    /// what decided
    pub rule: Rule,
    /// the reply with choice texts replaced by letters: what the patterns saw
    pub rewritten: String,
    /// bytes of `rewritten` that the pattern matched; `None` for [`Rule::Similarity`]
    pub span: Option<Range<usize>>,
    /// similarity of the chosen text, 0 to 100; `None` for the other rules
    pub similarity: Option<f64>,
}

/// Why nothing could be extracted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// the pattern engine gave up
    #[error("rule {rule}: the pattern engine gave up on a reply of {bytes} bytes: {source}")]
    Pattern {
        /// name of the rule
        rule: &'static str,
        /// length of the rewritten reply
        bytes: usize,
        /// what the engine says
        source: Box<fancy_regex::Error>,
    },
    /// a choice text from which no pattern can be made
    #[error("choice {choice}: no pattern can be made from its {bytes} bytes: {source}")]
    ChoiceText {
        /// its letter
        choice: &'static str,
        /// its length
        bytes: usize,
        /// what the engine says
        source: Box<fancy_regex::Error>,
    },
}

/// The rules of a script, in order.
type Patterns = [(Rule, Regex); 4];

/// The patterns of the official script, with Python's `$` (which also matches before a final line break) spelled out.
static FOUR_CHOICES: LazyLock<Patterns> = LazyLock::new(|| english("A|B|C|D"));
/// The same for three choices.
static THREE_CHOICES: LazyLock<Patterns> = LazyLock::new(|| english("A|B|C"));

fn english(letters: &str) -> Patterns {
    let patterns = [
        (
            Rule::Statement,
            r"(?:(?:[Cc]hoose)|(?:(?:[Aa]nswer|[Cc]hoice)(?![^ABCD]{0,20}?(?:n't|not))[^ABCD]{0,10}?\b(?:|is|:|be))\b)[^ABCD]{0,20}?\b(A|B|C|D)\b",
        ),
        (
            Rule::Verdict,
            r"\b(A|B|C|D)\b(?![^ABCD]{0,8}?(?:n't|not)[^ABCD]{0,5}?(?:correct|right))[^ABCD]{0,10}?\b(?:correct|right)\b",
        ),
        (Rule::Opening, r"^(A|B|C|D)(?:\.|,|:|(?=\n?\z))"),
        (Rule::Letter, r"(?<![a-zA-Z])(A|B|C|D)(?![a-zA-Z=])"),
    ];
    compile(
        patterns.map(|(rule, pattern)| {
            (rule, pattern.replace("A|B|C|D", letters).replace("ABCD", &letters.replace('|', "")))
        }),
    )
}

fn compile(patterns: [(Rule, String); 4]) -> Patterns {
    patterns.map(|(rule, pattern)| {
        // Every repetition is bounded, so the work is linear in the reply; the limit only has to be out of the way.
        let regex = RegexBuilder::new(&pattern).backtrack_limit(1 << 32).build();
        (rule, regex.unwrap_or_else(|error| panic!("the pattern of rule {} is a constant: {error}", rule.name())))
    })
}

/// The choice that `reply` names, by Qwen's rules for MMLU.
///
/// `choices` are the texts as the data file has them, three or four; `reply` is the generated text without special
/// tokens.
///
/// Case is compared by Unicode's simple folding; Python also takes the dotless and the dotted i for an i.
///
/// # Errors
/// [`Error::Pattern`], [`Error::ChoiceText`]: none on replies and choices of any ordinary size.
pub fn qwen_chat_mmlu(reply: &str, choices: &[String]) -> Result<Extraction, Error> {
    let rewritten = replace_choices(reply, choices)?;
    decide(if choices.len() == 3 { &THREE_CHOICES } else { &FOUR_CHOICES }, rewritten, choices)
}

/// The first of `words` that stands alone in a reply, in any case, and where.
pub fn first_word(reply: &str, words: &[&str]) -> Option<(usize, Range<usize>)> {
    let lower = reply.to_ascii_lowercase();
    let is_letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let alone = |found: &Range<usize>| {
        let (before, after) = (lower.get(..found.start), lower.get(found.end..));
        !is_letter(before.and_then(|text| text.chars().next_back()))
            && !is_letter(after.and_then(|text| text.chars().next()))
    };
    let places = words.iter().enumerate().filter_map(|(index, word)| {
        let mut ranges = lower.match_indices(word).map(|(start, text)| start..start + text.len());
        ranges.find(alone).map(|range| (index, range))
    });
    places.min_by_key(|(_, range)| range.start)
}

/// The first pattern that matches decides, else similarity.
fn decide(patterns: &Patterns, rewritten: String, choices: &[String]) -> Result<Extraction, Error> {
    for (rule, pattern) in patterns {
        let captures = pattern.captures(rewritten.as_str()).map_err(|source| Error::Pattern {
            rule: rule.name(),
            bytes: rewritten.len(),
            source: Box::new(source),
        })?;
        if let Some((choice, span)) = captures.and_then(|captures| letter(&captures)) {
            return Ok(Extraction { choice, rule: *rule, rewritten, span: Some(span), similarity: None });
        }
    }
    let (choice, score) = similarity::most_similar(&rewritten, choices);
    Ok(Extraction { choice, rule: Rule::Similarity, rewritten, span: None, similarity: Some(score) })
}

/// Index of the captured letter, and the range of the whole match.
fn letter(captures: &Captures<'_, str>) -> Option<(usize, Range<usize>)> {
    let captured = captures.get(1)?;
    let choice = LETTERS.iter().position(|letter| *letter == captured.as_str())?;
    Some((choice, captures.get(0)?.range()))
}

/// The reply with each choice text replaced by its letter, the text of most characters first, of equal ones in order.
///
/// The replacements follow one another: a later text is also found in what an earlier one left. A text of nothing but
/// full stops is empty without them and matches between all characters, in the official script as here.
fn replace_choices(reply: &str, choices: &[String]) -> Result<String, Error> {
    let mut order: Vec<(&str, &String)> = LETTERS.into_iter().zip(choices).collect();
    order.sort_by_key(|(_, text)| std::cmp::Reverse(text.chars().count()));
    let mut rewritten = reply.to_owned();
    for (letter, text) in order {
        let failed = |source| Error::ChoiceText { choice: letter, bytes: text.len(), source: Box::new(source) };
        let pattern = format!("(?i){}", fancy_regex::escape(text.trim_end_matches('.')));
        let regex = Regex::new(&pattern).map_err(failed)?;
        rewritten = regex.try_replacen(&rewritten, 0, fancy_regex::NoExpand(letter)).map_err(failed)?.into_owned();
    }
    Ok(rewritten)
}
