//! Sentences of an English text, nearly as NLTK's Punkt tokenizer finds them (Kiss and Strunk 2006).
//!
//! Punkt looks at every full stop, question mark and exclamation mark before white space or a punctuation mark. A question
//! or exclamation mark ends a sentence, and so does a full stop, unless its word is an abbreviation, an initial or a
//! number; then the next word decides. The procedure here is Punkt's, to the letter of NLTK 3.10. What it learned from
//! newspapers (156 abbreviations, 20,000 words with the case they were seen in) is replaced by the short lists below: so
//! counts differ where a rare abbreviation stands, or where an abbreviation or initial comes before a capital letter.

use crate::python::{self, pattern};
use fancy_regex::Regex;
use std::sync::LazyLock;

/// Abbreviations, without their last full stop, in small letters. Punkt's newspapers did not write "e.g.", "i.e." and
/// "etc.": it ends sentences there.
const ABBREVIATIONS: &[&str] = &[
    // Titles and names.
    "mr", "mrs", "ms", "dr", "prof", "sen", "rep", "reps", "gen", "col", "lt", "maj", "adm", "st", "jr", "sr", "messrs",
    // Companies.
    "co", "corp", "inc", "ltd", "cos", "bros", // Months and days.
    "jan", "feb", "aug", "sept", "sep", "oct", "nov", "dec", "fri", "wed", "tues", // Places.
    "ave", "ft", "ct", "calif", "ariz", "colo", "conn", "fla", "ga", "ill", "kan", "ky", "mich", "minn", "nev", "okla",
    "ore", "pa", "tenn", "va", "vt", "wash", "wis", // Letters with full stops between.
    "a.m", "p.m", "u.s", "u.s.a", "u.n", "u.k", "d.c", "n.y", "n.j", "n.c", "s.c", "l.a", "ph.d", "j.p", "j.c", "j.k",
    "j.r", "m.b.a", "s.a", "n.v", "a.d", // Others.
    "vs", "ok", "yr", "mg",
];

/// Letters whose full stop is an abbreviation's, whatever comes next.
const ABBREVIATING_LETTERS: &str = "cdefghklmnprstvw";

/// Words that, with a capital, begin a sentence also after an abbreviation.
const STARTERS: &[&str] = &[
    "according", "although", "always", "among", "being", "both", "but", "despite", "does", "even", "he", "her",
    "here", "however", "i", "if", "in", "indeed", "instead", "it", "many", "meanwhile", "moreover", "most", "neither",
    "nevertheless", "nonetheless", "nor", "please", "remember", "separately", "similarly", "since", "so", "some",
    "sometimes", "soon", "still", "such", "the", "there", "therefore", "these", "they", "this", "though", "through",
    "thus", "under", "unlike", "were", "when", "whether", "which", "while", "without", "yes", "yet", "your",
];

/// Words that are no names: with a capital they begin a sentence after an initial, though not after an abbreviation.
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "an", "and", "another", "any", "are", "as", "at", "be", "because",
    "been", "before", "by", "can", "could", "did", "do", "during", "each", "every", "few", "for", "from", "had",
    "has", "have", "his", "how", "is", "its", "just", "let", "like", "may", "more", "much", "my", "next", "no", "not",
    "now", "of", "on", "once", "one", "only", "or", "other", "others", "our", "over", "several", "she", "should",
    "than", "that", "their", "then", "those", "to", "today", "until", "was", "we", "well", "what", "where", "who",
    "why", "will", "with", "would", "you",
];

/// Marks that no word holds, for use between brackets: what may follow the end of a sentence at once.
const NON_WORD: &str = r#")";}\]*:@'({\[‘’“”«»?!"#;

/// Dashes, and full stops alone or apart.
const MULTIPLE: &str = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)";

/// A possible end, with what follows it.
static POSSIBLE_END: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"[.?!](?=(?<after>[{NON_WORD}]|\s+(?<next>\S+)))"))
});

/// A token of a stretch around a possible end: dashes, a word with its full stops, or a mark.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"{MULTIPLE}|(?=[^("`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|\z|[{NON_WORD}]|{MULTIPLE}|,(?=\z|\s|[{NON_WORD}]|{MULTIPLE}))|\S"#
    ))
});

/// Closing marks after a sentence, which belong to it.
static CLOSING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"\A["')\]}‘’“”«»]+?(?:\s+|(?=--)|(?m:$))"#));

/// The sentences, with closing marks after their end; a blank text has none.
pub fn split(text: &str) -> Vec<&str> {
    let spans = spans(text);
    let mut sentences = Vec::with_capacity(spans.len());
    // Closing marks at the beginning of a span go back to the sentence before it.
    let mut moved = 0;
    for (index, &(begin, end)) in spans.iter().enumerate() {
        let begin = begin + moved;
        moved = 0;
        let (next, next_end) = spans.get(index + 1).copied().unwrap_or((end, end));
        let following = text.get(next..next_end).unwrap_or_default();
        let sentence = match CLOSING.find(following).ok().flatten() {
            Some(closing) => {
                moved = closing.end();
                text.get(begin..next + closing.as_str().trim_end_matches(python::is_space).len())
            }
            None => text.get(begin..end),
        };
        sentences.extend(sentence.filter(|sentence| !sentence.is_empty()));
    }
    sentences
}

/// Where sentences begin and end, in bytes, before closing marks are taken back.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut begin = 0;
    for end in possible_ends(text) {
        if holds_end(&text[end.context.0..end.context.1]) {
            spans.push((begin, end.stop));
            begin = end.next.unwrap_or(end.stop);
        }
    }
    let trimmed = text.trim_end_matches(python::is_space).len();
    spans.push((begin, trimmed));
    spans
}

/// A mark that may end a sentence.
struct PossibleEnd {
    /// Byte after it.
    stop: usize,
    /// The word before it, up to and with what follows, as bytes.
    context: (usize, usize),
    /// Where the next word begins, if white space comes before it.
    next: Option<usize>,
}

/// The marks that may end a sentence; of several in one word the last.
fn possible_ends(text: &str) -> Vec<PossibleEnd> {
    let mut ends: Vec<PossibleEnd> = Vec::new();
    // The word before the mark seen last.
    let mut previous = (0, 0);
    let mut waiting: Option<PossibleEnd> = None;
    for found in POSSIBLE_END.captures_iter(text).flatten() {
        let (Some(mark), Some(after)) = (found.get(0), found.name("after")) else { continue };
        let before = text.get(previous.1..mark.start()).unwrap_or_default();
        // White space right after the previous mark's word is not seen.
        let begin = match before.rfind([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']) {
            Some(space) if space > 0 => previous.1 + space + 1,
            _ => previous.0,
        };
        if previous.1 <= begin {
            ends.extend(waiting.take());
        }
        let next = found.name("next").map(|next| next.start());
        waiting = Some(PossibleEnd { stop: mark.end(), context: (begin, after.end()), next });
        previous = (begin, mark.start());
    }
    ends.extend(waiting);
    ends
}

/// A token, and what is known of it.
struct Token<'t> {
    text: &'t str,
    ends_sentence: bool,
    abbreviates: bool,
}

/// Whether a sentence ends within a stretch of text.
fn holds_end(context: &str) -> bool {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    for line in context.split('\n').filter(|line| !python::strip(line).is_empty()) {
        for found in TOKEN.find_iter(line).flatten() {
            tokens.push(Token::new(found.as_str()));
        }
    }
    (1..tokens.len()).any(|next| tokens[next - 1].is_end_before(&tokens[next]))
}

impl<'t> Token<'t> {
    fn new(text: &'t str) -> Self {
        let mut token = Self { text, ends_sentence: matches!(text, "." | "?" | "!"), abbreviates: false };
        if let Some(word) = text.strip_suffix('.').filter(|word| !token.ends_sentence && !word.ends_with('.')) {
            let word = word.to_lowercase();
            let tail = word.rsplit('-').next().unwrap_or_default();
            token.abbreviates = is_abbreviation(&word) || is_abbreviation(tail);
            token.ends_sentence = !token.abbreviates;
        }
        token
    }

    /// Whether a sentence ends after it when `next` follows.
    fn is_end_before(&self, next: &Token<'_>) -> bool {
        let Some(word) = self.text.strip_suffix('.') else { return self.ends_sentence };
        let is_ellipsis = self.text.len() > 1 && self.text.bytes().all(|byte| byte == b'.');
        let is_initial = is_one_letter(word);
        let mut ends = self.ends_sentence;
        if (self.abbreviates || is_ellipsis) && !is_initial && next.begins() == Beginning::Sentence {
            ends = true;
        }
        if is_initial || is_number(self.text) {
            match next.begins() {
                Beginning::Middle => ends = false,
                Beginning::Name if is_initial => ends = false,
                _ => {}
            }
        }
        ends
    }

    /// What its first letter says about where it stands.
    fn begins(&self) -> Beginning {
        let first = self.text.chars().next();
        let capital = first.is_some_and(char::is_uppercase);
        let word = self.text.to_lowercase();
        let word = if self.ends_sentence { word.trim_end_matches('.') } else { &word };
        match self.text {
            ";" | ":" | "," | "." | "!" | "?" => Beginning::Middle,
            _ if first.is_some_and(char::is_lowercase) => Beginning::Middle,
            _ if capital && STARTERS.binary_search(&word).is_ok() => Beginning::Sentence,
            _ if capital && FUNCTION_WORDS.binary_search(&word).is_ok() => Beginning::Unknown,
            _ if capital => Beginning::Name,
            _ => Beginning::Unknown,
        }
    }
}

/// Where in a sentence a word seems to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// At its beginning.
    Sentence,
    /// Within it: a small letter or a mark.
    Middle,
    /// A capital that may be a name's.
    Name,
    /// No letter, or a capital of a word that is no name.
    Unknown,
}

fn is_abbreviation(word: &str) -> bool {
    ABBREVIATIONS.contains(&word) || (is_one_letter(word) && ABBREVIATING_LETTERS.contains(word))
}

fn is_one_letter(word: &str) -> bool {
    let mut characters = word.chars();
    let first = characters.next();
    characters.next().is_none()
        && first.is_some_and(|letter| python::is_word(letter) && !letter.is_ascii_digit())
}

/// `3.`, `-1,200.50.`: an ordinal at the end of its token.
fn is_number(token: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A-?[.,]?\p{Nd}[\p{Nd},.-]*\.?\n?\z"));
    NUMBER.is_match(token).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_counted_as_punkt_counts_them() {
        for (text, expected) in [
            ("", 0),
            (" \n", 0),
            ("No end", 1),
            ("One. Two! Three? Four.", 4),
            ("One... two.", 1),
            ("One... The second.", 2),
            ("Dr. Smith met Mr. Jones.", 1),
            ("He left at 5 p.m. The door was open.", 2),
            ("He left at 5 p.m. with Ann.", 1),
            ("J. S. Bach wrote it.", 1),
            ("1. One\n2. Two", 3),
            ("It costs 3. nothing more.", 1),
            ("end of it. lower case begins.", 2),
            ("\"Who?\" she asked.", 2),
            ("(In brackets.) After them.", 2),
            ("Really?! Yes.", 2),
            ("What?Yes.", 1),
            ("Well done!", 1),
            ("He said “Stop.” Then he left.", 2),
            ("etc. and so on", 2),
            ("Acme Inc. We sell.", 1),
            ("Acme Inc. The firm sells.", 2),
            ("Trailing space.   ", 1),
        ] {
            assert_eq!(split(text).len(), expected, "{text}");
        }
        assert_eq!(split(" (One.) \"Two!\"\nThree. "), [" (One.)", "\"Two!\"", "Three."]);
    }

    #[test]
    fn lists_are_in_order() {
        assert!(STARTERS.is_sorted() && FUNCTION_WORDS.is_sorted());
    }
}
