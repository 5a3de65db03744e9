//! Short stories and news with their summaries.

use super::facts::{Fact, pronoun};
use super::names::*;
use super::random::{Random, held_out};
use super::relations::Kind;
use super::scene::{PLACES, Place};

/// A text, its summary in one sentence, and in three lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// four sentences
    pub short: String,
    /// one sentence
    pub summary: String,
    /// the same events with a dateline and sentences between that do not matter
    pub long: String,
    /// three lines
    pub highlights: String,
}

/// A story for the corpus.
pub(super) fn for_corpus(facts: &[Fact], random: &mut Random) -> Story {
    draw_where(facts, random, false)
}

/// A story for tests.
pub(super) fn for_test(facts: &[Fact], random: &mut Random) -> Story {
    draw_where(facts, random, true)
}

fn draw_where(facts: &[Fact], random: &mut Random, wanted: bool) -> Story {
    loop {
        let story = draw(facts, random);
        if held_out(&story.short) == wanted {
            return story;
        }
    }
}

/// What the plots are about.
struct Cast {
    /// the first person: name, pronoun at the beginning of a sentence, home and trade
    who: &'static str,
    she: &'static str,
    home: String,
    trade: String,
    /// the second person
    other: &'static str,
    thing: &'static str,
    colour: &'static str,
    place: &'static Place,
    month: &'static str,
    number: usize,
}

fn cast(facts: &[Fact], random: &mut Random) -> Cast {
    let person = random.below(PEOPLE.len());
    let of = |relation: &str| {
        let is_it = |fact: &&Fact| fact.relation().name == relation && fact.subject == person;
        facts.iter().find(is_it).map_or(String::new(), |fact| fact.answer())
    };
    Cast {
        who: PEOPLE[person],
        she: pronoun(Kind::Person, person),
        home: of("home"),
        trade: of("trade"),
        other: PEOPLE[(person + random.between(1, PEOPLE.len() - 1)) % PEOPLE.len()],
        thing: random.pick(&GOODS),
        colour: random.pick(&COLOURS),
        place: &PLACES[random.below(PLACES.len())],
        month: random.pick(&MONTHS),
        number: random.between(2, 30),
    }
}

fn draw(facts: &[Fact], random: &mut Random) -> Story {
    let cast = cast(facts, random);
    let Cast { who, she, home, trade, other, thing, colour, place, month, number } = &cast;
    let her = if *she == "She" { "her" } else { "him" };
    let (preposition, noun) = (place.preposition, place.noun);
    let (things, small) = (plural(thing), she.to_ascii_lowercase());
    let building = random.pick(&["mill", "bridge", "harbour", "tower"]);
    // Three sentences that matter; a summary; three lines.
    let (events, summary, lines) = match random.below(6) {
        0 => (
            [
                format!("One day in {month} {who} found a {colour} {thing} {preposition} the {noun}."),
                format!("It belonged to {other}, who had looked for it for weeks."),
                format!("{other} thanked {who} and gave {her} {number} coins."),
            ],
            format!("{who}, a {trade} of {home}, found the {colour} {thing} of {other} and got {number} coins."),
            [
                format!("{who} found a {colour} {thing} {preposition} the {noun}."),
                format!("It belonged to {other}."),
                format!("{other} gave {who} {number} coins."),
            ],
        ),
        1 => (
            [
                format!("In {month} {small} sold {number} {colour} {things} {preposition} the {noun}."),
                "Nobody had ever sold so many of them in one month.".to_owned(),
                format!("{other} bought the last {thing}."),
            ],
            format!("{who}, a {trade} of {home}, sold {number} {colour} {things} in {month}."),
            [
                format!("{who} sold {number} {colour} {things} in {month}."),
                "Nobody had ever sold so many.".to_owned(),
                format!("{other} bought the last {thing}."),
            ],
        ),
        2 => (
            [
                format!("In {month} a storm broke the {building} of {home}."),
                format!("{who} and {other} mended it in {number} days."),
                format!("The town gave each of them a {colour} {thing}."),
            ],
            format!("{who} and {other} mended the {building} of {home} after a storm in {month}."),
            [
                format!("A storm broke the {building} of {home}."),
                format!("{who} and {other} mended it in {number} days."),
                format!("Each of them got a {colour} {thing}."),
            ],
        ),
        3 => (
            [
                format!("In {month} {small} lost a {colour} {thing} {preposition} the {noun}."),
                format!("{other} and {number} children looked for it all day."),
                "It was never seen again.".to_owned(),
            ],
            format!("{who}, a {trade} of {home}, lost a {colour} {thing} and nobody found it."),
            [
                format!("{who} lost a {colour} {thing} {preposition} the {noun}."),
                format!("{other} and {number} children looked for it."),
                "It was never seen again.".to_owned(),
            ],
        ),
        4 => (
            [
                format!("In {month} {small} won the race to the {noun}."),
                format!("{other} came second, with {number} steps between them."),
                format!("The prize was a {colour} {thing}."),
            ],
            format!("{who}, a {trade} of {home}, won a {colour} {thing} in a race against {other}."),
            [
                format!("{who} won the race to the {noun}."),
                format!("{other} came second."),
                format!("The prize was a {colour} {thing}."),
            ],
        ),
        _ => (
            [
                format!("In {month} {other} came to {home} with a broken {colour} {thing}."),
                format!("{who} mended it {preposition} the {noun} and asked for {number} coins."),
                "Since then the two have been friends.".to_owned(),
            ],
            format!("{who}, a {trade} of {home}, mended the {colour} {thing} of {other} for {number} coins."),
            [
                format!("{other} had a broken {colour} {thing}."),
                format!("{who} mended it for {number} coins."),
                "Since then the two have been friends.".to_owned(),
            ],
        ),
    };
    let introduction = format!("{who} is a {trade} in {home}.");
    let short = format!("{introduction} {}", events.join(" "));
    let mut between = FILLERS.to_vec();
    random.shuffle(&mut between);
    let [first, second, third] = &events;
    let long = format!(
        "{home}, {month}: {introduction} {} {first} {}\n{second} {} {third}",
        between[0], between[1], between[2]
    );
    Story { short, summary, long, highlights: lines.join("\n") }
}

/// Sentences that fit into any story and into no summary.
const FILLERS: [&str; 10] = [
    "The weather was fine.",
    "It was a day like any other.",
    "The streets were full of people.",
    "A cold wind came from the hills.",
    "Many people came to see it.",
    "The children laughed.",
    "The bells rang at noon.",
    "Nobody had expected that.",
    "Everyone spoke of it in the evening.",
    "The dogs barked all night.",
];
