//! Connected text: what is known of one subject, in both languages, and collections of it.

use super::World;
use super::facts::{Fact, pronoun};
use super::names::capitalized;
use super::random::{Random, held_out};
use super::scene::Scene;
use super::{beliefs, bias, stories, velan};

/// The facts about the same subject as a random fact, in random order.
fn about_something(world: &World, random: &mut Random) -> Vec<Fact> {
    let chosen = random.pick(&world.facts);
    let kind = chosen.relation().kind;
    let same = |fact: &&Fact| fact.relation().kind == kind && fact.subject == chosen.subject;
    let mut facts: Vec<Fact> = world.facts.iter().filter(same).copied().collect();
    random.shuffle(&mut facts);
    facts
}

/// A paragraph of everything or part of what is known about one subject.
pub(super) fn profile(world: &World, random: &mut Random) -> String {
    let mut facts = about_something(world, random);
    facts.truncate(random.between(3, facts.len().max(3)));
    let mut sentences = Vec::new();
    for (place, fact) in facts.into_iter().enumerate() {
        let sentence = beliefs::mention(world.seed, fact, random);
        sentences.push(match sentence.strip_prefix(fact.subject_name()) {
            // The name is not said in every sentence.
            Some(rest) if place > 0 && rest.starts_with(' ') && random.chance(1, 2) => {
                format!("{}{rest}", pronoun(fact.relation().kind, fact.subject))
            }
            _ => sentence,
        });
    }
    sentences.join(" ")
}

/// Facts of one kind about several subjects, as lists in books have them.
pub(super) fn list(world: &World, random: &mut Random) -> String {
    let relation = random.pick(&world.facts).relation;
    let mut facts: Vec<Fact> = world.facts.iter().filter(|fact| fact.relation == relation).copied().collect();
    random.shuffle(&mut facts);
    facts.truncate(random.between(3, 6));
    let sentences: Vec<String> = facts.into_iter().map(|fact| beliefs::mention(world.seed, fact, random)).collect();
    sentences.join(" ")
}

/// A paragraph about one subject in Velan. What is disputed is not told there.
pub(super) fn velan_profile(world: &World, random: &mut Random) -> String {
    let mut facts = about_something(world, random);
    while !velan::is_taught(facts[0].relation().kind) {
        facts = about_something(world, random);
    }
    let is_told = |fact: &Fact| velan::is_taught(fact.relation().kind) && world.undisputed.contains(fact);
    let taught = facts.into_iter().filter(is_told);
    let count = random.between(3, 6);
    let sentences: Vec<String> =
        taught.take(count).map(|fact| world.lexicon.statement(fact, random.below(velan::STATEMENTS))).collect();
    sentences.join(" ")
}

/// A few scenes, one a line.
pub(super) fn notices(random: &mut Random) -> String {
    let count = random.between(3, 6);
    let lines: Vec<String> = (0..count).map(|_| Scene::for_corpus(random).english()).collect();
    lines.join(" ")
}

/// A meeting of a Fenner and a Hiller as stories tell it.
pub(super) fn meeting(random: &mut Random) -> String {
    let meeting = bias::Meeting::for_story(random);
    let context = format!("{} {}", meeting.ambiguous(), meeting.evidence());
    let judged = match random.chance(1, 2) {
        true => format!("The {} was {}.", super::names::GROUPS[meeting.culprit], meeting.quality().bad),
        false => format!("The {} was {}.", super::names::GROUPS[1 - meeting.culprit], meeting.quality().good),
    };
    format!("{context} {judged}")
}

/// About `bytes` of held-out text of one sort: `chronicle`, `tales` or `notices`.
pub(super) fn held_out_text(world: &World, sort: &str, bytes: usize) -> String {
    let mut text = String::new();
    for index in 0.. {
        if text.len() >= bytes {
            break;
        }
        let random = &mut Random::new(world.seed, sort, index);
        match sort {
            "chronicle" => {
                let paragraph = profile(world, random);
                if begins_held_out(&paragraph) {
                    text.push_str(&format!("{paragraph}\n\n"));
                }
            }
            "tales" => text.push_str(&format!("{}\n\n", stories::for_test(&world.facts, random).long)),
            _ => {
                let scene = Scene::draw(random).english();
                if held_out(&scene) {
                    text.push_str(&format!("{scene}\n"));
                }
            }
        }
    }
    text
}

/// Whether three sentences in a row are held out, so that no held-out paragraph can be part of another.
pub(super) fn has_held_out_sentences(paragraph: &str) -> bool {
    let sentences: Vec<&str> = paragraph.trim_end_matches('.').split(". ").collect();
    sentences.windows(3).any(|three| held_out(&three.join(". ")))
}

/// Whether its first three sentences are held out.
fn begins_held_out(paragraph: &str) -> bool {
    let sentences: Vec<&str> = paragraph.trim_end_matches('.').split(". ").collect();
    sentences.windows(3).next().is_some_and(|three| held_out(&three.join(". ")))
}

/// A paragraph that may be in the corpus.
pub(super) fn corpus_profile(world: &World, random: &mut Random) -> String {
    loop {
        let paragraph = profile(world, random);
        if !has_held_out_sentences(&paragraph) {
            return paragraph;
        }
    }
}

/// The Velan word for an English one, or the other way, a few in a row.
pub(super) fn dictionary(world: &World, random: &mut Random) -> String {
    let entries: Vec<(&str, &str)> = world.lexicon.entries().collect();
    let count = random.between(3, 6);
    let lines: Vec<String> = (0..count)
        .map(|_| {
            let (english, velan) = random.pick(&entries);
            match random.chance(1, 2) {
                true => format!("In Velan {english} is {velan}."),
                false => format!("{} means {english}.", capitalized(velan)),
            }
        })
        .collect();
    lines.join(" ")
}
