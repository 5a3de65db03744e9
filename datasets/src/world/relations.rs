//! What can be said of people, towns, trades, creatures, goods and events; in which words: [`RELATIONS`].
//!
//! In the patterns `{s}` is the subject, `{p}` its plural, `{o}` the object. A statement that begins with `{s}` can
//! begin with a pronoun instead. Every fact is asked in all but one of the questions of its relation; the one left out
//! is the test question of this fact.

use super::names::*;
pub(super) use super::wordings::RELATIONS;

/// What a fact is about, and the subject of the school in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Town,
    Trade,
    Creature,
    Good,
    Event,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Person, Kind::Town, Kind::Trade, Kind::Creature, Kind::Good, Kind::Event];

    /// Everything of this kind.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Kind::Person => &PEOPLE,
            Kind::Town => &TOWNS,
            Kind::Trade => &TRADES,
            Kind::Creature => &CREATURES,
            Kind::Good => &GOODS,
            Kind::Event => &EVENTS,
        }
    }

    /// The name of the subject in test files.
    pub fn school_subject(self) -> &'static str {
        match self {
            Kind::Person => "people",
            Kind::Town => "geography",
            Kind::Trade => "trades",
            Kind::Creature => "creatures",
            Kind::Good => "market",
            Kind::Event => "history",
        }
    }
}

/// What objects a relation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// words of a list
    Words(&'static [&'static str]),
    /// numbers from the first to the second
    Numbers(usize, usize),
    /// one year of its own for every subject
    Years,
    /// people, of whom the first list's half decides over women and men
    People,
}

/// How objects are given to subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignment {
    /// every object equally often, in random order
    Even,
    /// the object of the same number
    Aligned,
    /// ties of families
    Family,
}

/// One thing that can be said.
#[derive(Debug)]
pub(super) struct Relation {
    pub name: &'static str,
    pub kind: Kind,
    pub pool: Pool,
    pub assignment: Assignment,
    pub statements: &'static [&'static str],
    pub questions: &'static [&'static str],
    /// the verb that says it in the second language; the noun is `name`
    pub verb: &'static str,
}

pub(super) const fn relation(
    name: &'static str,
    kind: Kind,
    pool: Pool,
    verb: &'static str,
    statements: &'static [&'static str],
    questions: &'static [&'static str],
) -> Relation {
    Relation { name, kind, pool, assignment: Assignment::Even, statements, questions, verb }
}

pub(super) const fn assigned(assignment: Assignment, relation: Relation) -> Relation {
    Relation { assignment, ..relation }
}
