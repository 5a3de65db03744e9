//! IFEval: does a reply follow instructions that a program can check (Zhou et al. 2023)?
//!
//! 25 kinds of [`Instruction`]. A reply is checked as it is (strict), and also without its first line, its last line,
//! both, each with and without asterisks: whatever of these eight follows counts (loose). Accuracies are over prompts, all
//! of whose instructions must be followed, and over instructions.
//!
//! Checkers are those of EleutherAI/lm-evaluation-harness, `lm_eval/tasks/ifeval/instructions.py` (0.4.13), but for four
//! that need more than rules there, and are near to it here:
//!
//! * sentences are counted without Punkt's learned lists ([`sentences`]);
//! * words in capitals are counted in these sentences ([`words`]);
//! * the language of a reply is read off its script ([`language`]); where several languages share it, the instruction is
//!   *not checked* and left out of the accuracies, and so is a prompt that depends on it;
//! * "in English and in capitals (small letters)" takes Latin letters for English.
//!
//! Where the letter to count is no letter ("!", "#": two instructions), the original counts a letter drawn at random;
//! here the character asked for is counted.

mod check;
pub mod language;
pub mod sentences;
pub mod words;

use super::{Direction, Metric};
use fancy_regex::Regex;
use serde_json::{Map, Value};

const fn accuracy(key: &'static str, summary: &'static str, formula: &'static str) -> Metric {
    Metric {
        key,
        summary,
        formula,
        direction: Direction::HigherIsBetter,
        source: "lm-evaluation-harness, lm_eval/tasks/ifeval/utils.py",
    }
}

/// Strict accuracy over prompts.
pub static PROMPT_STRICT: Metric = accuracy(
    "prompt_level_strict_acc",
    "share of prompts all of whose instructions the reply follows",
    "mean over prompts of [all instructions are followed]",
);
/// Strict accuracy over instructions.
pub static INSTRUCTION_STRICT: Metric = accuracy(
    "inst_level_strict_acc",
    "share of instructions that the reply follows",
    "mean over instructions of [it is followed]",
);
/// Loose accuracy over prompts.
pub static PROMPT_LOOSE: Metric = accuracy(
    "prompt_level_loose_acc",
    "share of prompts each of whose instructions one of eight forms of the reply follows",
    "mean over prompts of [each instruction is followed by a form of the reply]",
);
/// Loose accuracy over instructions.
pub static INSTRUCTION_LOOSE: Metric = accuracy(
    "inst_level_loose_acc",
    "share of instructions that one of eight forms of the reply follows",
    "mean over instructions of [a form of the reply follows it]",
);
/// Instructions without a verdict.
pub static NOT_CHECKED: Metric = Metric {
    key: "inst_not_checked",
    summary: "share of instructions about a language that the script of the reply does not decide: in no accuracy",
    formula: "mean over instructions of [it has no verdict]",
    direction: Direction::LowerIsBetter,
    source: "this program",
};

pub(super) const METRICS: &[&Metric] =
    &[&PROMPT_STRICT, &INSTRUCTION_STRICT, &PROMPT_LOOSE, &INSTRUCTION_LOOSE, &NOT_CHECKED];

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// "less than".
    Below(usize),
    /// "at least".
    AtLeast(usize),
}

impl Bound {
    fn holds(self, number: usize) -> bool {
        match self {
            Bound::Below(bound) => number < bound,
            Bound::AtLeast(bound) => number >= bound,
        }
    }
}

/// An instruction, with what it asks for.
#[derive(Debug)]
pub enum Instruction {
    /// `keywords:existence`: each is found, in any case.
    Keywords(Vec<Regex>),
    /// `keywords:frequency`: how often a keyword is found, in any case.
    KeywordFrequency(Regex, Bound),
    /// `keywords:forbidden_words`: none is found as a word, in any case.
    ForbiddenWords(Vec<Regex>),
    /// `keywords:letter_frequency`: how often a letter occurs, in any case.
    LetterFrequency(char, Bound),
    /// `language:response_language`: ISO 639-1.
    Language(String),
    /// `length_constraints:number_sentences`.
    Sentences(Bound),
    /// `length_constraints:number_paragraphs`: that many, with `***` between them.
    Paragraphs(usize),
    /// `length_constraints:number_words`: runs of letters and digits.
    Words(Bound),
    /// `length_constraints:nth_paragraph_first_word`: so many paragraphs with an empty line between them, and one of
    /// them, from 1, begins with a word.
    ParagraphBeginning {
        /// How many.
        paragraphs: usize,
        /// Which one, from 1.
        nth: usize,
        /// In small letters.
        word: String,
    },
    /// `detectable_content:number_placeholders`: at least so many `[...]`.
    Placeholders(usize),
    /// `detectable_content:postscript`: what begins it, as a pattern of a text in small letters.
    Postscript(Regex),
    /// `detectable_format:number_bullet_lists`: exactly so many lines that begin with `*` or `-`.
    Bullets(usize),
    /// `detectable_format:constrained_response`: one of three answers is in it.
    ConstrainedResponse,
    /// `detectable_format:number_highlighted_sections`: at least so many `*...*` and `**...**`.
    Highlights(usize),
    /// `detectable_format:multiple_sections`: at least so many headings, a word with a number.
    Sections(Regex, usize),
    /// `detectable_format:json_format`.
    Json,
    /// `detectable_format:title`: `<<...>>`.
    Title,
    /// `combination:two_responses`: two that differ, with `******` between them.
    TwoResponses,
    /// `combination:repeat_prompt`: begins with a text, in any case.
    RepeatPrompt(String),
    /// `startend:end_checker`: ends with a text, in any case.
    Ending(String),
    /// `change_case:capital_word_frequency`: number of words in capitals.
    CapitalWords(Bound),
    /// `change_case:english_capital`.
    AllCapital,
    /// `change_case:english_lowercase`.
    AllSmall,
    /// `punctuation:no_comma`.
    NoComma,
    /// `startend:quotation`: in double quotation marks.
    Quotation,
}

/// Why an instruction cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// no checker has this name
    #[error("no instruction is called {0:?}")]
    Id(String),
    /// an argument is missing, or is not what it should be
    #[error("{id}: expected {expected} as `{argument}`, found {found}")]
    Argument {
        /// the instruction
        id: String,
        /// name of the argument
        argument: &'static str,
        /// what it should be
        expected: &'static str,
        /// what is there
        found: String,
    },
}

impl Instruction {
    /// The instruction of an item: its id in `instruction_id_list` and its arguments in `kwargs`.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn new(id: &str, arguments: &Map<String, Value>) -> Result<Self, Unknown> {
        let arguments = Arguments { id, values: arguments };
        Ok(match id {
            "keywords:existence" => Self::Keywords(arguments.keywords("keywords", check::keyword)?),
            "keywords:frequency" => {
                let keyword = arguments.keyword("keyword", arguments.text("keyword")?.trim(), check::keyword)?;
                Self::KeywordFrequency(keyword, arguments.bound("relation", "frequency")?)
            }
            "keywords:forbidden_words" => {
                Self::ForbiddenWords(arguments.keywords("forbidden_words", check::whole_word)?)
            }
            "keywords:letter_frequency" => {
                Self::LetterFrequency(arguments.letter("letter")?, arguments.bound("let_relation", "let_frequency")?)
            }
            "language:response_language" => Self::Language(arguments.text("language")?.to_string()),
            "length_constraints:number_sentences" => Self::Sentences(arguments.bound("relation", "num_sentences")?),
            "length_constraints:number_paragraphs" => Self::Paragraphs(arguments.number("num_paragraphs")?),
            "length_constraints:number_words" => Self::Words(arguments.bound("relation", "num_words")?),
            "length_constraints:nth_paragraph_first_word" => {
                let (paragraphs, nth) = (arguments.number("num_paragraphs")?, arguments.number("nth_paragraph")?);
                if nth > paragraphs {
                    return Err(arguments.wrong("nth_paragraph", "one of the paragraphs"));
                }
                Self::ParagraphBeginning { paragraphs, nth, word: arguments.text("first_word")?.to_lowercase() }
            }
            "detectable_content:number_placeholders" => Self::Placeholders(arguments.number("num_placeholders")?),
            "detectable_content:postscript" => {
                let marker = arguments.text("postscript_marker")?.trim();
                Self::Postscript(arguments.keyword("postscript_marker", marker, check::postscript)?)
            }
            "detectable_format:number_bullet_lists" => Self::Bullets(arguments.number("num_bullets")?),
            "detectable_format:constrained_response" => Self::ConstrainedResponse,
            "detectable_format:number_highlighted_sections" => Self::Highlights(arguments.number("num_highlights")?),
            "detectable_format:multiple_sections" => {
                let heading = arguments.text("section_spliter")?.trim();
                let heading = arguments.keyword("section_spliter", heading, check::heading)?;
                Self::Sections(heading, arguments.number("num_sections")?)
            }
            "detectable_format:json_format" => Self::Json,
            "detectable_format:title" => Self::Title,
            "combination:two_responses" => Self::TwoResponses,
            "combination:repeat_prompt" => Self::RepeatPrompt(arguments.text("prompt_to_repeat")?.to_string()),
            "startend:end_checker" => Self::Ending(arguments.text("end_phrase")?.to_string()),
            "change_case:capital_word_frequency" => {
                Self::CapitalWords(arguments.bound("capital_relation", "capital_frequency")?)
            }
            "change_case:english_capital" => Self::AllCapital,
            "change_case:english_lowercase" => Self::AllSmall,
            "punctuation:no_comma" => Self::NoComma,
            "startend:quotation" => Self::Quotation,
            other => return Err(Unknown::Id(other.to_string())),
        })
    }

    /// Whether the reply follows it as it is; `None` where that is not checked. A blank reply follows nothing.
    pub fn strictly(&self, reply: &str) -> Option<bool> {
        if crate::python::strip(reply).is_empty() { Some(false) } else { check::follows(self, reply) }
    }

    /// Whether one of `forms` follows it; `None` where no form does for certain and one is not checked.
    pub fn loosely(&self, forms: &[String]) -> Option<bool> {
        let mut verdict = Some(false);
        for form in forms {
            match self.strictly(form) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => verdict = None,
            }
        }
        verdict
    }
}

/// The eight forms of a reply: without its first line, its last line, both; and these without asterisks.
pub fn forms(reply: &str) -> [String; 8] {
    let lines: Vec<&str> = reply.split('\n').collect();
    let joined = |lines: Option<&[&str]>| crate::python::strip(&lines.unwrap_or_default().join("\n")).to_string();
    let last = lines.len() - 1;
    let plain = [reply.to_string(), joined(lines.get(1..)), joined(lines.get(..last)), joined(lines.get(1..last))];
    let bare = plain.clone().map(|form| form.replace('*', ""));
    let [a, b, c, d] = plain;
    let [e, f, g, h] = bare;
    [a, b, c, d, e, f, g, h]
}

/// Whether all are followed: no as soon as one is not, otherwise unknown if one is.
pub fn all(verdicts: &[Option<bool>]) -> Option<bool> {
    if verdicts.contains(&Some(false)) { Some(false) } else { verdicts.iter().copied().collect::<Option<Vec<bool>>>().map(|_| true) }
}

/// Arguments of one instruction.
struct Arguments<'a> {
    id: &'a str,
    values: &'a Map<String, Value>,
}

impl Arguments<'_> {
    fn wrong(&self, argument: &'static str, expected: &'static str) -> Unknown {
        let found = self.values.get(argument).map_or_else(|| "nothing".to_string(), Value::to_string);
        Unknown::Argument { id: self.id.to_string(), argument, expected, found }
    }

    /// A number above 0; some publish it with a decimal point.
    fn number(&self, argument: &'static str) -> Result<usize, Unknown> {
        let value = self.values.get(argument);
        let float = value.and_then(Value::as_f64).filter(|value| value.fract() == 0.0 && (1.0..1e9).contains(value));
        float.map(|value| value as usize).ok_or_else(|| self.wrong(argument, "a number above 0"))
    }

    fn text(&self, argument: &'static str) -> Result<&str, Unknown> {
        let text = self.values.get(argument).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong(argument, "a text"))
    }

    fn letter(&self, argument: &'static str) -> Result<char, Unknown> {
        let text = self.text(argument)?.to_lowercase();
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(letter), None) => Ok(letter),
            _ => Err(self.wrong(argument, "one character")),
        }
    }

    fn bound(&self, relation: &'static str, number: &'static str) -> Result<Bound, Unknown> {
        let limit = self.number(number)?;
        match self.text(relation)? {
            "less than" => Ok(Bound::Below(limit)),
            "at least" => Ok(Bound::AtLeast(limit)),
            _ => Err(self.wrong(relation, "`less than` or `at least`")),
        }
    }

    fn keyword(
        &self,
        argument: &'static str,
        keyword: &str,
        compile: fn(&str) -> Option<Regex>,
    ) -> Result<Regex, Unknown> {
        compile(keyword).ok_or_else(|| self.wrong(argument, "a word, or a pattern"))
    }

    fn keywords(
        &self,
        argument: &'static str,
        compile: fn(&str) -> Option<Regex>,
    ) -> Result<Vec<Regex>, Unknown> {
        let list = self.values.get(argument).and_then(Value::as_array).filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| self.wrong(argument, "a list of words"))?;
        let words = list.iter().map(|word| word.as_str().ok_or_else(|| self.wrong(argument, "a list of words")));
        words.map(|word| self.keyword(argument, word?, compile)).collect()
    }
}

#[cfg(test)]
mod tests;
