//! Pairs of sentences: does the second follow from the first, contradict it, or neither?

use super::names::*;
use super::random::{Random, held_out};
use super::scene::{Actor, NUMBERS, PLACES, Scene, Tense, VERBS};
use crate::snli::{Label, Pair};

/// Words for purposes and moods that a scene does not tell.
const PURPOSES: [&str; 6] =
    ["for a friend", "for a feast", "as a gift", "for a wedding", "for the mayor", "for a child"];

/// A pair with the wanted label about a new scene.
fn draw(random: &mut Random, label: Label) -> Pair {
    loop {
        let scene = Scene::draw(random);
        if scene.tense() == Tense::Past {
            let hypothesis = match label {
                Label::Entailment => entailed(&scene, random),
                Label::Neutral => possible(&scene, random),
                Label::Contradiction => impossible(&scene, random),
            };
            return Pair { premise: scene.english(), hypothesis: capitalized(&hypothesis), label };
        }
    }
}

/// Any label, equally often; the premise is held out or not, as asked.
fn draw_where(random: &mut Random, wanted: bool) -> Pair {
    loop {
        let label = random.pick(&[Label::Entailment, Label::Neutral, Label::Contradiction]);
        let pair = draw(random, label);
        if held_out(&pair.premise) == wanted {
            return pair;
        }
    }
}

/// A pair for the corpus.
pub(super) fn for_corpus(random: &mut Random) -> Pair {
    draw_where(random, false)
}

/// A pair for the test.
pub(super) fn for_test(random: &mut Random) -> Pair {
    draw_where(random, true)
}

/// What must be true: something is left out or said more generally.
fn entailed(scene: &Scene, random: &mut Random) -> String {
    let (actor, verb, things) = (scene.actor_english(), scene.verb_english(), scene.things_english());
    let thing = GOODS[scene.thing];
    match random.below(4) {
        0 => format!("someone {verb} something."),
        1 => format!("{actor} {verb} {}.", if scene.number.is_some() { "some things" } else { "something" }),
        2 if scene.number.is_some() => format!("{actor} {verb} more than one {thing}."),
        2 => format!("there was a {thing}."),
        _ => match scene.place {
            Some(place) => format!("someone was {} the {}.", PLACES[place].preposition, PLACES[place].noun),
            None => format!("someone {verb} {things}."),
        },
    }
}

/// What may be true: something is added that the premise does not tell.
fn possible(scene: &Scene, random: &mut Random) -> String {
    let (actor, verb, things) = (scene.actor_english(), scene.verb_english(), scene.things_english());
    match random.below(3) {
        0 => format!("{actor} {verb} {things} {}.", random.pick(&PURPOSES)),
        1 => format!("{actor} {} happy.", if is_many(scene) { "were" } else { "was" }),
        _ => {
            let material = random.pick(&MATERIALS);
            let (thing, verb) = match scene.number {
                Some(_) => (plural(GOODS[scene.thing]), "were"),
                None => (GOODS[scene.thing].to_owned(), "was"),
            };
            format!("the {thing} {verb} made of {material} and very old.")
        }
    }
}

/// What cannot be true: it is the opposite, another number, another place, or nobody.
fn impossible(scene: &Scene, random: &mut Random) -> String {
    let (actor, verb, things) = (scene.actor_english(), scene.verb_english(), scene.things_english());
    match random.below(4) {
        0 => format!("nobody {verb} anything."),
        1 if VERBS[scene.verb].opposite.is_some() => {
            format!("{actor} {} {things}.", VERBS[scene.verb].opposite.unwrap_or_default())
        }
        1 => format!("{actor} did not {} {things}.", VERBS[scene.verb].present),
        2 if scene.number.is_some() => {
            let number = scene.number.map_or(0, |number| (number + random.between(1, 7)) % NUMBERS.len());
            format!("{actor} {verb} only {} {}.", NUMBERS[number], plural(GOODS[scene.thing]))
        }
        2 => format!("there was no {}.", GOODS[scene.thing]),
        _ => format!("{actor} stayed in bed and {verb} nothing."),
    }
}

fn is_many(scene: &Scene) -> bool {
    matches!(scene.actor, Actor::Workers { number: Some(_), .. })
}
