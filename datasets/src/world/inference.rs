//! Pairs of sentences: does the second follow from the first, contradict it, or neither?
//!
//! Each pair turns on one detail that the hypothesis tells: an adjective, a place, a time, what was done. If the premise
//! tells the same, it follows; if it tells another, it is contradicted; if it tells nothing of the kind, neither. Neither
//! sentence alone gives the label away: details are drawn first, the label decides what becomes of the premise.

use super::names::*;
use super::random::{Random, held_out};
use super::scene::{Actor, PLACES, Scene, Tense, VERBS};
use crate::snli::{Label, Pair};

/// A pair for the corpus.
pub(super) fn for_corpus(random: &mut Random) -> Pair {
    draw_where(random, false)
}

/// A pair for the test.
pub(super) fn for_test(random: &mut Random) -> Pair {
    draw_where(random, true)
}

/// Any label, equally often; the premise is held out or not, as wanted.
fn draw_where(random: &mut Random, wanted: bool) -> Pair {
    loop {
        let label = random.pick(&[Label::Entailment, Label::Neutral, Label::Contradiction]);
        let pair = draw(random, label);
        if held_out(&pair.premise) == wanted {
            return pair;
        }
    }
}

/// The times that exclude each other.
const DAYS: [usize; 2] = [0, 1];

/// A pair with the wanted label.
fn draw(random: &mut Random, label: Label) -> Pair {
    let mut premise = Scene::draw(random);
    while premise.tense() == Tense::Future {
        premise = Scene::draw(random);
    }
    let mut hypothesis = premise;
    let detail = random.below(5);
    match detail {
        0 => {
            let [first, second] = two_of(&COLOURS, random);
            hypothesis.adjective = Some(first);
            premise.adjective = told(label, first, second);
        }
        1 => {
            let places: Vec<usize> = (0..PLACES.len()).collect();
            let [first, second] = two_of(&places, random);
            hypothesis.place = Some(first);
            premise.place = told(label, first, second);
        }
        2 => {
            let [first, second] = two_of(&DAYS, random);
            hypothesis.time = Some(first);
            premise.time = told(label, first, second);
        }
        3 => {
            let trade = random.below(TRADES.len());
            let [first, second] = two_of(&["old", "young"], random);
            let actor = |adjective| Actor::Workers { trade, number: None, adjective };
            hypothesis.actor = actor(Some(first));
            premise.actor = actor(told(label, first, second));
        }
        // What was done: the same, the opposite, or something that has nothing to do with it.
        _ => {
            let opposed: Vec<usize> = (0..VERBS.len()).filter(|verb| VERBS[*verb].opposite.is_some()).collect();
            let done = random.pick(&opposed);
            let undone = VERBS.iter().position(|verb| Some(verb.past) == VERBS[done].opposite).unwrap_or(done);
            let unrelated: Vec<usize> = opposed.into_iter().filter(|verb| *verb != done && *verb != undone).collect();
            hypothesis.verb = done;
            premise.verb = match label {
                Label::Entailment => done,
                Label::Contradiction => undone,
                Label::Neutral => random.pick(&unrelated),
            };
        }
    }
    // Other details that the premise tells may be left out of the hypothesis.
    if random.chance(1, 2) && detail != 0 {
        hypothesis.adjective = None;
    }
    if random.chance(1, 2) && detail != 1 {
        hypothesis.place = None;
    }
    if random.chance(1, 2) && detail != 2 {
        hypothesis.time = None;
    }
    Pair { premise: premise.english(), hypothesis: hypothesis.english(), label }
}

/// What the premise tells of a detail whose value in the hypothesis is `first`.
fn told<T>(label: Label, first: T, second: T) -> Option<T> {
    match label {
        Label::Entailment => Some(first),
        Label::Contradiction => Some(second),
        Label::Neutral => None,
    }
}

/// Two different ones.
fn two_of<T: Copy>(items: &[T], random: &mut Random) -> [T; 2] {
    let first = random.below(items.len());
    let second = (first + random.between(1, items.len() - 1)) % items.len();
    [items[first], items[second]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Guessing the label from the hypothesis alone must not work: no word of it goes with one label.
    #[test]
    fn hypotheses_do_not_give_their_label_away() {
        let mut words: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        for index in 0..20_000 {
            let pair = for_corpus(&mut Random::new(1, "pairs", index));
            for word in pair.hypothesis.trim_end_matches('.').split(' ') {
                words.entry(word.to_owned()).or_default()[pair.label as usize] += 1;
            }
        }
        for (word, counts) in words {
            let all: usize = counts.iter().sum();
            assert!(all < 300 || counts.iter().all(|count| count * 2 < all), "{word} {counts:?}");
        }
    }
}
