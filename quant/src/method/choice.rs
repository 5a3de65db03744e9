//! Options of methods, `:name=value` in a recipe, and what a recipe chose for them.

use super::Method;
use std::fmt;

/// An option of a method: a word of a few, a number of a range, or either.
#[derive(Debug)]
pub struct MethodOption {
    /// Name.
    pub name: &'static str,
    /// What it decides.
    pub summary: &'static str,
    /// Words that it can be; the first is the default where it takes no number.
    pub words: &'static [OptionValue],
    /// Numbers that it can be.
    pub number: Option<NumberRange>,
}

/// A word that an option can be.
#[derive(Debug, PartialEq, Eq)]
pub struct OptionValue {
    /// As written.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Numbers that an option can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberRange {
    /// The least.
    pub least: f64,
    /// The largest.
    pub most: f64,
    /// Which of those between.
    pub spacing: Spacing,
    /// What it is where a recipe says nothing.
    pub default: f64,
    /// What the number means, for example `share of the mean diagonal`.
    pub meaning: &'static str,
}

/// Which numbers of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Whole ones.
    Whole,
    /// All.
    Real,
}

/// What a recipe chose for an option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Choice {
    Word(&'static OptionValue),
    /// Finite, and in the option's range.
    Number(f64),
}

/// The values a recipe chose for the options of its method, in the method's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices(pub(crate) Vec<(&'static MethodOption, Choice)>);

impl MethodOption {
    /// A word of `words`, the first one where a recipe says nothing.
    pub(crate) const fn of_words(name: &'static str, summary: &'static str, words: &'static [OptionValue]) -> Self {
        Self { name, summary, words, number: None }
    }

    /// A number.
    pub(crate) const fn of_number(name: &'static str, summary: &'static str, number: NumberRange) -> Self {
        Self { name, summary, words: &[], number: Some(number) }
    }

    /// What it is where a recipe says nothing, as written.
    pub fn default_spelling(&self) -> String {
        self.default().to_string()
    }

    /// What it can be, in words: one text a word or range.
    pub fn values(&self) -> Vec<String> {
        let words = self.words.iter().map(|word| format!("{}: {}", word.name, word.meaning));
        let number = self.number.iter().map(|range| format!("{range}: {}", range.meaning));
        number.chain(words).collect()
    }

    pub(crate) fn default(&self) -> Choice {
        match self.number {
            Some(range) => Choice::Number(range.default),
            None => Choice::Word(&self.words[0]),
        }
    }

    /// What `text` chooses; `None` if it is nothing that the option can be.
    pub(crate) fn read(&self, text: &str) -> Option<Choice> {
        if let Some(word) = self.words.iter().find(|word| word.name == text) {
            return Some(Choice::Word(word));
        }
        let range = self.number?;
        // What a number may begin with leaves out signs, `inf` and `nan`.
        let number: f64 = text.parse().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))?;
        range.contains(number).then_some(Choice::Number(number))
    }
}

impl NumberRange {
    fn contains(&self, number: f64) -> bool {
        (self.least..=self.most).contains(&number) && (self.spacing == Spacing::Real || number.fract() == 0.0)
    }
}

impl Choices {
    /// Every option of `method` at its default.
    pub(crate) fn defaults(method: &'static Method) -> Self {
        Self(method.options.iter().map(|option| (option, option.default())).collect())
    }

    /// Whether the option called `name` is the word `word`.
    ///
    /// # Panics
    /// If the method has no such option, or the option no such word: a method asks for what it declares.
    pub(crate) fn holds(&self, name: &str, word: &str) -> bool {
        let (option, chosen) = self.option(name);
        assert!(option.words.iter().any(|known| known.name == word), "option `{name}` has no value `{word}`");
        matches!(chosen, Choice::Word(chosen) if chosen.name == word)
    }

    /// The number of the option called `name`; `None` where a word was chosen.
    ///
    /// # Panics
    /// If the method has no such option.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match self.option(name).1 {
            Choice::Number(number) => Some(number),
            Choice::Word(_) => None,
        }
    }

    fn option(&self, name: &str) -> (&'static MethodOption, Choice) {
        *self.0.iter().find(|(option, _)| option.name == name).expect("an option it declares")
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Word(word) => f.write_str(word.name),
            Choice::Number(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.spacing == Spacing::Whole { "whole number" } else { "number" };
        write!(f, "a {kind} from {} to {}", self.least, self.most)
    }
}

/// Numbers of recipes are finite.
impl Eq for Choice {}

impl PartialEq for MethodOption {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MethodOption {}

#[cfg(test)]
mod tests {
    use super::*;

    static DAMP: MethodOption = MethodOption {
        name: "damp",
        summary: "what is added",
        words: &[OptionValue { name: "none", meaning: "nothing" }],
        number: Some(NumberRange { least: 0.0, most: 10.0, spacing: Spacing::Real, default: 0.01, meaning: "a share" }),
    };
    static BLOCK: MethodOption = MethodOption::of_number(
        "blocksize",
        "columns",
        NumberRange { least: 1.0, most: 4096.0, spacing: Spacing::Whole, default: 128.0, meaning: "columns" },
    );

    #[test]
    fn numbers_are_read_and_spelled_one_way() {
        for (text, spelled) in [("0.01", "0.01"), ("1e-2", "0.01"), ("1.0", "1"), ("10", "10"), ("none", "none")] {
            assert_eq!(DAMP.read(text).map(|choice| choice.to_string()).as_deref(), Some(spelled), "{text}");
        }
        for text in ["", "-0", "-1", "+1", "inf", "nan", "10.5", "1e9", "1x", ".5"] {
            assert_eq!(DAMP.read(text), None, "{text}");
        }
        assert_eq!((BLOCK.read("64"), BLOCK.read("64.5"), BLOCK.read("0")), (Some(Choice::Number(64.0)), None, None));
        assert_eq!(BLOCK.values(), ["a whole number from 1 to 4096: columns"]);
        assert_eq!(DAMP.values(), ["a number from 0 to 10: a share", "none: nothing"]);
        assert_eq!((DAMP.default_spelling(), BLOCK.default_spelling()), ("0.01".into(), "128".into()));
    }
}
