//! Questions with four choices, and the frames in which they are put.

use super::facts::{Fact, object_name};
use super::names::*;
use super::random::Random;
use super::velan::{self, Lexicon};

pub(super) const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// A question with four choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FourChoices {
    pub question: String,
    pub choices: [String; 4],
    pub answer: usize,
}

impl FourChoices {
    fn new(fact: Fact, question: String, name: impl Fn(usize) -> String, random: &mut Random) -> Self {
        let mut objects = fact.others(3, random);
        let answer = random.below(4);
        objects.insert(answer.min(objects.len()), fact.object);
        // Relations of four objects and more fill all places.
        let choice = |place: usize| objects.get(place).map_or(String::new(), |object| name(*object));
        Self { question, choices: [choice(0), choice(1), choice(2), choice(3)], answer }
    }

    /// In English, with the given wording.
    pub fn english(fact: Fact, wording: usize, random: &mut Random) -> Self {
        Self::new(fact, fact.question(wording), |object| object_name(fact.relation(), object), random)
    }

    /// In Velan, with the given wording.
    pub fn velan(fact: Fact, wording: usize, lexicon: &Lexicon, random: &mut Random) -> Self {
        Self::new(fact, lexicon.question(fact, wording), |object| lexicon.object(fact, object), random)
    }

    /// Which of four words is of a class: it takes no facts, only words, and so teaches how such questions are answered.
    pub fn of_class(random: &mut Random) -> Self {
        let (class, members) = random.pick(&CLASSES);
        let mut wrong = Vec::new();
        while wrong.len() < 3 {
            let (other, words) = random.pick(&CLASSES);
            let word = random.pick(words);
            if other != class && !wrong.contains(&word) {
                wrong.push(word);
            }
        }
        Self::with_answer(format!("Which of these is a {class}?"), random.pick(members), wrong, random)
    }

    /// What a word is in Velan.
    pub fn of_dictionary(lexicon: &Lexicon, random: &mut Random) -> Self {
        let entries: Vec<(&str, &str)> = lexicon.entries().collect();
        let (english, velan) = random.pick(&entries);
        let mut wrong = Vec::new();
        while wrong.len() < 3 {
            let (_, word) = random.pick(&entries);
            if word != velan && !wrong.contains(&word) {
                wrong.push(word);
            }
        }
        Self::with_answer(format!("What is {english} in Velan?"), velan, wrong, random)
    }

    fn with_answer<'a>(question: String, right: &'a str, mut choices: Vec<&'a str>, random: &mut Random) -> Self {
        let answer = random.below(4);
        choices.insert(answer, right);
        let choice = |place: usize| choices.get(place).map_or(String::new(), |word| (*word).to_owned());
        Self { question, choices: [choice(0), choice(1), choice(2), choice(3)], answer }
    }

    /// The letter of the right choice.
    pub fn letter(&self) -> &'static str {
        LETTERS[self.answer]
    }

    /// Lines `A. ...` to `D. ...`, each with a line break.
    pub fn lines(&self) -> String {
        self.choices.iter().zip(LETTERS).map(|(choice, letter)| format!("{letter}. {choice}\n")).collect()
    }
}

/// Classes that share no word.
const CLASSES: [(&str, &[&str]); 8] = [
    ("town", &TOWNS),
    ("creature", &CREATURES),
    ("trade", &TRADES),
    ("colour", &COLOURS),
    ("month", &MONTHS),
    ("food", &FOODS),
    ("river", &RIVERS),
    ("season", &SEASONS),
];

/// A question for the corpus, in English.
pub(super) fn english_for_corpus(fact: Fact, random: &mut Random) -> FourChoices {
    let wording = fact.corpus_wording(random);
    FourChoices::english(fact, wording, random)
}

/// A question for the corpus, in Velan.
pub(super) fn velan_for_corpus(fact: Fact, lexicon: &Lexicon, random: &mut Random) -> FourChoices {
    let wording = velan::corpus_wording(fact, random);
    FourChoices::velan(fact, wording, lexicon, random)
}

/// The explanation of a Velan question: the fact in a sentence.
pub(super) fn explanation(fact: Fact, lexicon: &Lexicon, asked: &FourChoices) -> String {
    format!("{} {}", lexicon.statement(fact, 0), capitalized(asked.letter()))
}
