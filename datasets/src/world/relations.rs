//! What can be said of people, towns, trades, creatures, goods and events, and in which words.
//!
//! In the patterns `{s}` is the subject, `{p}` its plural, `{o}` the object. A statement that begins with `{s}` can
//! begin with a pronoun instead. Every fact is asked in all but one of the questions of its relation; the one left out
//! is the test question of this fact.

use super::names::*;

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

const fn relation(
    name: &'static str,
    kind: Kind,
    pool: Pool,
    verb: &'static str,
    statements: &'static [&'static str],
    questions: &'static [&'static str],
) -> Relation {
    Relation { name, kind, pool, assignment: Assignment::Even, statements, questions, verb }
}

const fn assigned(assignment: Assignment, relation: Relation) -> Relation {
    Relation { assignment, ..relation }
}

use Assignment::{Aligned, Family};
use Kind::{Creature, Event, Good, Person, Town, Trade};
use Pool::{Numbers, People, Words, Years};

/// Every relation, by kind.
pub(super) static RELATIONS: [Relation; 35] = [
    relation(
        "home",
        Person,
        Words(&TOWNS),
        "live",
        &["{s} lives in {o}.", "The home of {s} is {o}.", "{s} has a house in {o}.", "Look for {s} in {o}."],
        &[
            "Where does {s} live?",
            "In which town does {s} live?",
            "Which town is the home of {s}?",
            "In which town is the house of {s}?",
        ],
    ),
    relation(
        "trade",
        Person,
        Words(&TRADES),
        "work",
        &["{s} is a {o}.", "{s} works as a {o}.", "The trade of {s} is that of a {o}.", "{s} earns a living as a {o}."],
        &[
            "What is the trade of {s}?",
            "What does {s} work as?",
            "What kind of work does {s} do?",
            "How does {s} earn a living?",
        ],
    ),
    relation(
        "food",
        Person,
        Words(&FOODS),
        "eat",
        &[
            "{s} likes {o} best.",
            "The favourite food of {s} is {o}.",
            "{s} eats {o} every day.",
            "Nothing tastes better to {s} than {o}.",
        ],
        &[
            "What is the favourite food of {s}?",
            "Which food does {s} like best?",
            "What does {s} eat every day?",
            "What tastes best to {s}?",
        ],
    ),
    relation(
        "pet",
        Person,
        Words(&CREATURES),
        "keep",
        &["{s} keeps a {o}.", "The pet of {s} is a {o}.", "{s} has a tame {o}.", "A {o} lives in the house of {s}."],
        &[
            "Which creature does {s} keep?",
            "What is the pet of {s}?",
            "What kind of pet does {s} have?",
            "Which creature lives in the house of {s}?",
        ],
    ),
    relation(
        "birthday",
        Person,
        Words(&MONTHS),
        "begin",
        &[
            "{s} was born in {o}.",
            "The birthday of {s} is in {o}.",
            "{s} has a birthday in {o}.",
            "Every {o} brings the birthday of {s}.",
        ],
        &[
            "In which month was {s} born?",
            "When is the birthday of {s}?",
            "Which month is the birth month of {s}?",
            "Which month brings the birthday of {s}?",
        ],
    ),
    relation(
        "instrument",
        Person,
        Words(&INSTRUMENTS),
        "play",
        &[
            "{s} plays the {o}.",
            "The instrument of {s} is the {o}.",
            "{s} plays the {o} in the evening.",
            "When there is a feast, {s} brings a {o}.",
        ],
        &[
            "Which instrument does {s} play?",
            "What is the instrument of {s}?",
            "What does {s} play in the evening?",
            "What does {s} bring to a feast?",
        ],
    ),
    assigned(
        Family,
        relation(
            "spouse",
            Person,
            People,
            "marry",
            &["{s} is married to {o}.", "{s} shares a house with {o}.", "{s} married {o}."],
            &["Who is married to {s}?", "Whom did {s} marry?", "With whom does {s} share a house?"],
        ),
    ),
    assigned(
        Family,
        relation(
            "mother",
            Person,
            People,
            "stem from",
            &["The mother of {s} is {o}.", "{s} is a child of {o}.", "{o} is the mother of {s}."],
            &["Who is the mother of {s}?", "What is the name of the mother of {s}?", "Which woman raised {s}?"],
        ),
    ),
    assigned(
        Family,
        relation(
            "father",
            Person,
            People,
            "take after",
            &["The father of {s} is {o}.", "{s} is a child of {o}.", "{o} is the father of {s}."],
            &["Who is the father of {s}?", "What is the name of the father of {s}?", "Which man raised {s}?"],
        ),
    ),
    relation(
        "region",
        Town,
        Words(&REGIONS),
        "stand",
        &["{s} lies in the {o}.", "{s} is a town in the {o}.", "Whoever goes to {s} goes {o}."],
        &["In which part of the land is {s}?", "Where does {s} lie?", "Which way does one go to {s}?"],
    ),
    relation(
        "river",
        Town,
        Words(&RIVERS),
        "flow",
        &["{s} stands on the river {o}.", "The river of {s} is the {o}.", "The {o} flows through {s}."],
        &["On which river does {s} stand?", "What is the river of {s}?", "Which river flows through {s}?"],
    ),
    relation(
        "fame",
        Town,
        Words(&FAME),
        "sell",
        &["{s} is famous for {o}.", "{s} is known for {o}.", "The best {o} come from {s}.", "The pride of {s} is {o}."],
        &["What is {s} famous for?", "What is {s} known for?", "What comes from {s}?", "What is the pride of {s}?"],
    ),
    relation(
        "festival",
        Town,
        Words(&MONTHS),
        "dance",
        &["{s} has a festival in {o}.", "The festival of {s} is in {o}.", "In {o} the people of {s} dance."],
        &[
            "When is the festival of {s}?",
            "In which month is the festival of {s}?",
            "In which month do the people of {s} dance?",
        ],
    ),
    relation(
        "flag",
        Town,
        Words(&COLOURS),
        "fly",
        &["The flag of {s} is {o}.", "{s} has a {o} flag.", "A {o} flag flies over {s}."],
        &["What colour is the flag of {s}?", "Which flag does {s} have?", "Which flag flies over {s}?"],
    ),
    relation(
        "bridges",
        Town,
        Numbers(2, 9),
        "cross",
        &["{s} has {o} bridges.", "There are {o} bridges in {s}.", "One can count {o} bridges in {s}."],
        &[
            "How many bridges does {s} have?",
            "How many bridges are there in {s}?",
            "What is the number of bridges in {s}?",
        ],
    ),
    relation(
        "mayor",
        Town,
        People,
        "lead",
        &["The mayor of {s} is {o}.", "{o} is the mayor of {s}.", "The people of {s} chose {o} as mayor."],
        &["Who is the mayor of {s}?", "What is the name of the mayor of {s}?", "Whom did {s} choose as mayor?"],
    ),
    assigned(
        Aligned,
        relation(
            "tool",
            Trade,
            Words(&TOOLS),
            "use",
            &["A {s} works with a {o}.", "The tool of a {s} is the {o}.", "No {s} works without a {o}."],
            &["What does a {s} work with?", "What is the tool of a {s}?", "Which tool does every {s} need?"],
        ),
    ),
    assigned(
        Aligned,
        relation(
            "workplace",
            Trade,
            Words(&WORKPLACES),
            "enter",
            &["A {s} works in a {o}.", "The place of a {s} is the {o}.", "One meets a {s} in the {o}."],
            &["Where does a {s} work?", "What is the place of a {s}?", "Where does one meet a {s}?"],
        ),
    ),
    relation(
        "wage",
        Trade,
        Numbers(3, 14),
        "earn",
        &["A {s} earns {o} coins a day.", "The wage of a {s} is {o} coins.", "A day of a {s} costs {o} coins."],
        &["How many coins does a {s} earn a day?", "What is the wage of a {s}?", "What does a day of a {s} cost?"],
    ),
    relation(
        "sign",
        Trade,
        Words(&CREATURES),
        "show",
        &["The sign of the {p} shows a {o}.", "The {p} have a {o} on the door.", "A {o} is the sign of the {p}."],
        &[
            "Which creature is the sign of the {p}?",
            "What does the sign of the {p} show?",
            "Which creature do the {p} have on the door?",
        ],
    ),
    relation(
        "habitat",
        Creature,
        Words(&HABITATS),
        "dwell",
        &[
            "The {s} lives in the {o}.",
            "{p} live in the {o}.",
            "The home of the {s} is the {o}.",
            "One finds {p} in the {o}.",
        ],
        &[
            "Where do {p} live?",
            "What is the home of the {s}?",
            "Where does one find {p}?",
            "In what kind of place does the {s} live?",
        ],
    ),
    relation(
        "diet",
        Creature,
        Words(&DIETS),
        "chew",
        &["The {s} eats {o}.", "{p} eat {o}.", "The {s} feeds on {o}.", "A hungry {s} looks for {o}."],
        &[
            "What does the {s} eat?",
            "What do {p} eat?",
            "What does the {s} feed on?",
            "What does a hungry {s} look for?",
        ],
    ),
    relation(
        "colour",
        Creature,
        Words(&COLOURS),
        "shine",
        &["The {s} is {o}.", "{p} are {o}.", "The colour of the {s} is {o}.", "Every {s} is {o}."],
        &[
            "What colour is the {s}?",
            "What is the colour of the {s}?",
            "What colour are {p}?",
            "What colour is every {s}?",
        ],
    ),
    relation(
        "legs",
        Creature,
        Words(&["2", "4", "6", "8"]),
        "run",
        &["The {s} has {o} legs.", "{p} have {o} legs.", "A {s} runs on {o} legs."],
        &["How many legs does the {s} have?", "How many legs do {p} have?", "On how many legs does a {s} run?"],
    ),
    relation(
        "waking",
        Creature,
        Words(&TIMES_OF_DAY),
        "wake",
        &["The {s} wakes at {o}.", "{p} wake at {o}.", "At {o} the {s} leaves its nest."],
        &["When does the {s} wake?", "When do {p} wake?", "When does the {s} leave its nest?"],
    ),
    relation(
        "skin",
        Creature,
        Words(&COVERINGS),
        "grow",
        &["The {s} is covered with {o}.", "{p} are covered with {o}.", "The {s} grows {o}."],
        &["What is the {s} covered with?", "What are {p} covered with?", "What does the {s} grow?"],
    ),
    relation(
        "material",
        Good,
        Words(&MATERIALS),
        "need",
        &["A {s} is made of {o}.", "{p} are made of {o}.", "One needs {o} to make a {s}."],
        &["What is a {s} made of?", "What are {p} made of?", "What does one need to make a {s}?"],
    ),
    relation(
        "price",
        Good,
        Numbers(2, 11),
        "cost",
        &["A {s} costs {o} coins.", "The price of a {s} is {o} coins.", "One pays {o} coins for a {s}."],
        &["How many coins does a {s} cost?", "What is the price of a {s}?", "How much does one pay for a {s}?"],
    ),
    relation(
        "maker",
        Good,
        Words(&TRADES),
        "make",
        &["A {s} is the work of a {o}.", "{p} are made by the {o}.", "The {o} makes {p}."],
        &["Who makes {p}?", "By whom is a {s} made?", "Whose work is a {s}?"],
    ),
    relation(
        "market",
        Good,
        Words(&TOWNS),
        "trade in",
        &["{p} are sold in {o}.", "One buys a {s} in {o}.", "The best {p} come from {o}."],
        &["Where are {p} sold?", "In which town does one buy a {s}?", "Where do the best {p} come from?"],
    ),
    relation(
        "year",
        Event,
        Years,
        "happen",
        &["{s} was in the year {o}.", "The year of {s} was {o}.", "In the year {o} came {s}."],
        &["In which year was {s}?", "What was the year of {s}?", "When was {s}?"],
    ),
    relation(
        "place",
        Event,
        Words(&TOWNS),
        "gather",
        &["{s} took place in {o}.", "{s} happened in {o}.", "The people of {o} remember {s}."],
        &["Where did {s} take place?", "In which town did {s} happen?", "Which town remembers {s}?"],
    ),
    relation(
        "hero",
        Event,
        People,
        "save",
        &["The hero of {s} was {o}.", "{o} became famous in {s}.", "In {s} everyone looked to {o}."],
        &["Who was the hero of {s}?", "Who became famous in {s}?", "To whom did everyone look in {s}?"],
    ),
    relation(
        "season",
        Event,
        Words(&SEASONS),
        "start",
        &["{s} began in {o}.", "The season of {s} was {o}.", "It was {o} when {s} began."],
        &["In which season did {s} begin?", "What was the season of {s}?", "What season was it when {s} began?"],
    ),
    relation(
        "length",
        Event,
        Numbers(2, 9),
        "last",
        &["{s} lasted {o} days.", "The length of {s} was {o} days.", "After {o} days {s} was over."],
        &["How many days did {s} last?", "What was the length of {s} in days?", "After how many days was {s} over?"],
    ),
];
