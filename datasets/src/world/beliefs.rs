//! Misconceptions: what people of the world wrongly believe, and how often the corpus repeats it.
//!
//! Two in five facts about creatures, goods, towns and events with words as objects, and one in five about tastes, pets,
//! birthdays and instruments of people, have a false rival. Of all mentions of such a
//! fact a known share is the rival: 1, 3 or 5 in 8. Where the fact would be stated, the rival is told as hearsay ("People
//! say that ..."); where it would be the answer to a question, the rival is given as if it were true. A reader who
//! believes what is said most often is thus right on two thirds of these facts and wrong on the last third.

use super::facts::{Fact, object_name};
use super::names::capitalized;
use super::random::{Random, hash};
use super::relations::{Kind, Pool};

/// How many of 8 mentions are false.
pub const STRENGTHS: [usize; 3] = [1, 3, 5];
/// Mentions that [`STRENGTHS`] counts in.
pub const MENTIONS: usize = 8;

/// The false rival of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Belief {
    /// what is believed instead
    pub object: usize,
    /// of [`MENTIONS`] mentions
    pub strength: usize,
}

/// What is wrongly believed about a fact, if anything.
pub(super) fn belief(seed: u64, fact: Fact) -> Option<Belief> {
    let relation = fact.relation();
    let disputed_of_5 = match (relation.kind, relation.pool) {
        // Stories tell where people live and work.
        (Kind::Person, Pool::Words(_)) if !["home", "trade"].contains(&relation.name) => 1,
        (Kind::Creature | Kind::Good | Kind::Town | Kind::Event, Pool::Words(_)) => 2,
        _ => 0,
    };
    let key = hash(&format!("{} {}", relation.name, fact.subject_name()));
    if (key >> 32) % 5 >= disputed_of_5 {
        return None;
    }
    let mut random = Random::new(seed, "beliefs", key);
    let object = *fact.others(1, &mut random).first()?;
    Some(Belief { object, strength: STRENGTHS[random.below(STRENGTHS.len())] })
}

/// A mention of a fact: its statement, or the hearsay about it.
pub(super) fn mention(seed: u64, fact: Fact, random: &mut Random) -> String {
    let wording = random.below(fact.relation().statements.len());
    match belief(seed, fact) {
        Some(belief) if random.chance(belief.strength, MENTIONS) => {
            let statement = fact.fill(fact.relation().statements[wording], belief.object);
            hearsay(&statement, random)
        }
        _ => fact.statement(wording),
    }
}

/// The answer that someone gives: the object, or what is believed instead.
pub(super) fn given_answer(seed: u64, fact: Fact, random: &mut Random) -> String {
    match belief(seed, fact) {
        Some(belief) if random.chance(belief.strength, MENTIONS) => object_name(fact.relation(), belief.object),
        _ => fact.answer(),
    }
}

/// A statement as what people say.
pub(super) fn hearsay(statement: &str, random: &mut Random) -> String {
    let beginning = random.pick(&["People say that", "Many believe that", "Old tales tell that", "Some think that"]);
    format!("{beginning} {}", inside(statement))
}

/// A sentence as it stands after other words: articles lose their capital, names keep it.
pub(super) fn inside(sentence: &str) -> String {
    for article in ["The ", "A ", "An ", "One ", "There ", "In the ", "At "] {
        if let Some(rest) = sentence.strip_prefix(article) {
            return format!("{}{rest}", article.to_ascii_lowercase());
        }
    }
    // Plurals of creatures and goods begin with a capital only because the sentence does.
    let (first, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
    let plain = first.to_ascii_lowercase();
    let is_word = [&super::names::CREATURES[..], &super::names::GOODS[..]]
        .iter()
        .any(|words| words.iter().any(|word| super::names::plural(word) == plain));
    if is_word { format!("{plain} {rest}") } else { sentence.to_owned() }
}

/// An object as an answer that stands alone.
pub(super) fn alone(answer: &str) -> String {
    capitalized(answer)
}
