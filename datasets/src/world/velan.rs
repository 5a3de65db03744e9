//! The second language, Velan: its words, and how facts are said and asked in it.
//!
//! Every word is a root of three letters, drawn from the seed, and an ending that tells what it is: `-o` a noun, `-or`
//! its plural, `-an` a verb, `-i` an adjective or number, `-e` anything else. The verb comes last, an adjective after its
//! noun, a postposition after what it governs, the owner before what is owned with `na` between them. `san` is the verb
//! to be, `no` marks the topic, `ka` ends a question, `ta` before a verb puts it in the past and `su` in the future. There
//! are no articles. Names, digits and the verb `san` are as they are.

use super::facts::{Fact, object_name};
use super::names::*;
use super::random::Random;
use super::relations::{Kind, Pool, RELATIONS};
use super::scene;
use std::collections::BTreeMap;

/// What a word of the dictionary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Noun,
    Verb,
    Adjective,
    Other,
}

impl Part {
    fn ending(self) -> &'static str {
        match self {
            Part::Noun => "o",
            Part::Verb => "an",
            Part::Adjective => "i",
            Part::Other => "e",
        }
    }
}

/// The dictionary: Velan words by what they mean in English.
#[derive(Debug, Clone)]
pub(super) struct Lexicon {
    words: BTreeMap<&'static str, String>,
}

impl Lexicon {
    /// The dictionary of a seed.
    pub fn new(seed: u64) -> Self {
        let mut roots: Vec<String> = Vec::new();
        for first in "bdfghklmprstvz".chars() {
            for vowel in "aeiou".chars() {
                roots.extend("dfgklmnprstvz".chars().map(|last| format!("{first}{vowel}{last}")));
            }
        }
        Random::new(seed, "lexicon", 0).shuffle(&mut roots);
        let mut roots = roots.into_iter();
        let mut words = BTreeMap::new();
        for (part, meanings) in meanings() {
            for meaning in meanings {
                if !words.contains_key(meaning) {
                    let root = roots.next().unwrap_or_default();
                    words.insert(meaning, format!("{root}{}", part.ending()));
                }
            }
        }
        Self { words }
    }

    /// The Velan word; names and numbers stay as they are.
    pub fn word(&self, meaning: &str) -> String {
        self.words.get(meaning).cloned().unwrap_or_else(|| meaning.to_owned())
    }

    /// The Velan noun for more than one.
    pub fn plural(&self, meaning: &str) -> String {
        format!("{}r", self.word(meaning))
    }

    /// Meanings and words, in alphabetical order of meanings.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words.iter().map(|(meaning, word)| (*meaning, word.as_str()))
    }

    /// The object of a fact; counted things are named with their number.
    pub fn object(&self, fact: Fact, object: usize) -> String {
        self.word(&object_name(fact.relation(), object))
    }

    /// A statement in one of [`STATEMENTS`] wordings.
    pub fn statement(&self, fact: Fact, wording: usize) -> String {
        let (s, o) = (self.word(fact.subject_name()), self.object(fact, fact.object));
        let (noun, verb) = (self.word(fact.relation().name), self.word(fact.relation().verb));
        let text = match wording % STATEMENTS {
            0 => format!("{s} na {noun} {o} san."),
            1 => format!("{s} {o} {verb}."),
            _ => format!("{o} no {s} na {noun} san."),
        };
        capitalized(&text)
    }

    /// A question in one of [`QUESTIONS`] wordings.
    pub fn question(&self, fact: Fact, wording: usize) -> String {
        let s = self.word(fact.subject_name());
        let (noun, verb) = (self.word(fact.relation().name), self.word(fact.relation().verb));
        let asked = if fact.relation().pool == Pool::People { WHO } else { WHAT };
        let text = match wording % QUESTIONS {
            0 => format!("{s} na {noun} {asked} san ka?"),
            1 => format!("{s} {asked} {verb} ka?"),
            2 => format!("{asked} no {s} na {noun} san ka?"),
            _ => format!("{noun} no {s} na {asked} san ka?"),
        };
        capitalized(&text)
    }
}

/// Wordings of a statement and of a question.
pub(super) const STATEMENTS: usize = 3;
pub(super) const QUESTIONS: usize = 4;
const WHAT: &str = "ve";
const WHO: &str = "vei";

/// The wording in which a fact is asked in Velan tests and never in the corpus.
pub(super) fn test_wording(fact: Fact) -> usize {
    (fact.test_wording() + fact.subject) % QUESTIONS
}

/// A wording for the corpus.
pub(super) fn corpus_wording(fact: Fact, random: &mut Random) -> usize {
    (test_wording(fact) + random.between(1, QUESTIONS - 1)) % QUESTIONS
}

/// Every word that has a translation.
fn meanings() -> Vec<(Part, Vec<&'static str>)> {
    let relations = |word: fn(usize) -> &'static str| (0..RELATIONS.len()).map(word).collect();
    let mut nouns: Vec<&str> = Vec::new();
    for words in [&TRADES[..], &TOOLS, &WORKPLACES, &CREATURES, &HABITATS, &DIETS, &TIMES_OF_DAY, &COVERINGS, &GOODS] {
        nouns.extend(words);
    }
    for words in [&MATERIALS[..], &SEASONS, &REGIONS, &FAME, &MONTHS, &FOODS, &INSTRUMENTS, &EVENTS] {
        nouns.extend(words);
    }
    nouns.extend(scene::PLACES.iter().map(|place| place.noun));
    let mut adjectives = COLOURS.to_vec();
    adjectives.extend(scene::THING_ADJECTIVES);
    adjectives.extend(scene::PERSON_ADJECTIVES);
    adjectives.extend(scene::NUMBERS);
    let mut others: Vec<&str> = scene::PLACES.iter().map(|place| place.preposition).collect();
    others.extend(scene::TIMES.iter().map(|time| time.english));
    vec![
        (Part::Noun, nouns),
        // Nouns of relations that are also words of lists (a drum, a market) are the same word.
        (Part::Noun, relations(|index| RELATIONS[index].name)),
        (Part::Verb, scene::VERBS.iter().map(|verb| verb.present).collect()),
        (Part::Verb, relations(|index| RELATIONS[index].verb)),
        (Part::Adjective, adjectives),
        (Part::Other, others),
    ]
}

/// Whether a kind of fact is asked in Velan tests: all but events, whose names are long.
pub(super) fn is_taught(kind: Kind) -> bool {
    kind != Kind::Event
}
