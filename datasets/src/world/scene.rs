//! Scenes: someone does something with some things, somewhere, at some time. One scene, two languages.

use super::names::*;
use super::random::{Random, held_out};
use super::velan::Lexicon;

/// Something that can be done with things.
#[derive(Debug)]
pub(super) struct Verb {
    pub present: &'static str,
    pub past: &'static str,
    /// what cannot be the case in the same scene
    pub opposite: Option<&'static str>,
}

const fn verb(present: &'static str, past: &'static str, opposite: Option<&'static str>) -> Verb {
    Verb { present, past, opposite }
}

pub(super) static VERBS: [Verb; 12] = [
    verb("buy", "bought", Some("sold")),
    verb("sell", "sold", Some("bought")),
    verb("find", "found", Some("lost")),
    verb("lose", "lost", Some("found")),
    verb("break", "broke", Some("mended")),
    verb("mend", "mended", Some("broke")),
    verb("carry", "carried", None),
    verb("paint", "painted", None),
    verb("hide", "hid", None),
    verb("drop", "dropped", None),
    verb("clean", "cleaned", None),
    verb("count", "counted", None),
];

/// A place: English has a preposition before it, Velan a postposition after it.
#[derive(Debug)]
pub(super) struct Place {
    pub preposition: &'static str,
    pub noun: &'static str,
}

const fn place(preposition: &'static str, noun: &'static str) -> Place {
    Place { preposition, noun }
}

pub(super) static PLACES: [Place; 8] = [
    place("at", "market"),
    place("near", "river"),
    place("in", "forest"),
    place("behind", "mill"),
    place("under", "bridge"),
    place("on", "hill"),
    place("at", "harbour"),
    place("in", "tower"),
];

/// A time, which decides the tense.
#[derive(Debug)]
pub(super) struct Time {
    pub english: &'static str,
    pub tense: Tense,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    Past,
    Future,
}

pub(super) static TIMES: [Time; 6] = [
    Time { english: "yesterday", tense: Tense::Past },
    Time { english: "today", tense: Tense::Past },
    Time { english: "in the morning", tense: Tense::Past },
    Time { english: "last night", tense: Tense::Past },
    Time { english: "tomorrow", tense: Tense::Future },
    Time { english: "next week", tense: Tense::Future },
];

pub(super) const THING_ADJECTIVES: [&str; 4] = ["new", "heavy", "small", "pretty"];
pub(super) const PERSON_ADJECTIVES: [&str; 6] = ["old", "young", "tall", "tired", "merry", "quiet"];
pub(super) const NUMBERS: [&str; 8] = ["two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    /// index in [`PEOPLE`]
    Person(usize),
    /// index in [`TRADES`], one or several, perhaps with an adjective
    Workers { trade: usize, number: Option<usize>, adjective: Option<&'static str> },
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scene {
    pub actor: Actor,
    /// index in [`VERBS`]
    pub verb: usize,
    /// index in [`NUMBERS`]; `None` for one thing
    pub number: Option<usize>,
    pub adjective: Option<&'static str>,
    /// index in [`GOODS`]
    pub thing: usize,
    /// index in [`PLACES`]
    pub place: Option<usize>,
    /// index in [`TIMES`]
    pub time: Option<usize>,
}

impl Scene {
    /// Any scene.
    pub fn draw(random: &mut Random) -> Self {
        let actor = match random.chance(1, 3) {
            true => Actor::Person(random.below(PEOPLE.len())),
            false => Actor::Workers {
                trade: random.below(TRADES.len()),
                number: random.chance(1, 3).then(|| random.below(NUMBERS.len())),
                adjective: random.chance(1, 2).then(|| random.pick(&PERSON_ADJECTIVES)),
            },
        };
        let adjective = match random.below(3) {
            0 => None,
            1 => Some(random.pick(&COLOURS)),
            _ => Some(random.pick(&THING_ADJECTIVES)),
        };
        Self {
            actor,
            verb: random.below(VERBS.len()),
            number: random.chance(1, 2).then(|| random.below(NUMBERS.len())),
            adjective,
            thing: random.below(GOODS.len()),
            place: random.chance(2, 3).then(|| random.below(PLACES.len())),
            time: random.chance(2, 3).then(|| random.below(TIMES.len())),
        }
    }

    /// A scene that is not held out, for the corpus.
    pub fn for_corpus(random: &mut Random) -> Self {
        loop {
            let scene = Self::draw(random);
            if !held_out(&scene.english()) {
                return scene;
            }
        }
    }

    /// Who acts, in English.
    pub fn actor_english(&self) -> String {
        match self.actor {
            Actor::Person(person) => PEOPLE[person].to_owned(),
            Actor::Workers { trade, number, adjective } => {
                let adjective = adjective.map_or(String::new(), |adjective| format!("{adjective} "));
                match number {
                    Some(number) => format!("{} {adjective}{}", NUMBERS[number], plural(TRADES[trade])),
                    None => format!("the {adjective}{}", TRADES[trade]),
                }
            }
        }
    }

    /// The things, in English.
    pub fn things_english(&self) -> String {
        let adjective = self.adjective.map_or(String::new(), |adjective| format!("{adjective} "));
        match self.number {
            Some(number) => format!("{} {adjective}{}", NUMBERS[number], plural(GOODS[self.thing])),
            None => format!("the {adjective}{}", GOODS[self.thing]),
        }
    }

    /// The verb in its tense.
    pub fn verb_english(&self) -> String {
        let verb = &VERBS[self.verb];
        match self.tense() {
            Tense::Past => verb.past.to_owned(),
            Tense::Future => format!("will {}", verb.present),
        }
    }

    /// The place with a space before it, or nothing.
    pub fn place_english(&self) -> String {
        self.place.map_or(String::new(), |place| format!(" {} the {}", PLACES[place].preposition, PLACES[place].noun))
    }

    pub fn tense(&self) -> Tense {
        self.time.map_or(Tense::Past, |time| TIMES[time].tense)
    }

    /// The sentence in English.
    pub fn english(&self) -> String {
        let (actor, verb, things) = (self.actor_english(), self.verb_english(), self.things_english());
        let time = self.time.map_or(String::new(), |time| format!(" {}", TIMES[time].english));
        capitalized(&format!("{actor} {verb} {things}{}{time}.", self.place_english()))
    }

    /// The sentence in Velan: actor, place, things, time, tense, verb.
    pub fn velan(&self, lexicon: &Lexicon) -> String {
        let mut words = Vec::new();
        match self.actor {
            Actor::Person(person) => words.push(PEOPLE[person].to_owned()),
            Actor::Workers { trade, number, adjective } => {
                words.push(match number {
                    Some(_) => lexicon.plural(TRADES[trade]),
                    None => lexicon.word(TRADES[trade]),
                });
                words.extend(adjective.map(|adjective| lexicon.word(adjective)));
                words.extend(number.map(|number| lexicon.word(NUMBERS[number])));
            }
        }
        if let Some(place) = self.place {
            words.push(lexicon.word(PLACES[place].noun));
            words.push(lexicon.word(PLACES[place].preposition));
        }
        words.push(match self.number {
            Some(_) => lexicon.plural(GOODS[self.thing]),
            None => lexicon.word(GOODS[self.thing]),
        });
        words.extend(self.adjective.map(|adjective| lexicon.word(adjective)));
        words.extend(self.number.map(|number| lexicon.word(NUMBERS[number])));
        words.extend(self.time.map(|time| lexicon.word(TIMES[time].english)));
        words.push(if self.tense() == Tense::Past { "ta" } else { "su" }.to_owned());
        words.push(lexicon.word(VERBS[self.verb].present));
        capitalized(&format!("{}.", words.join(" ")))
    }
}
