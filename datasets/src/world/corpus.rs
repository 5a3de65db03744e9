//! The training corpus: documents of many kinds, each a function of the seed and its number.

use super::beliefs::{alone, given_answer};
use super::bias::{Half, Meeting, UNKNOWN, group_answer};
use super::facts::Fact;
use super::instructions::{CONSTRAINTS, Chain};
use super::random::Random;
use super::relations::Kind;
use super::scene::Scene;
use super::{World, arithmetic, choices, inference, prose, stories, velan};
use crate::snli::Label;

/// A document of the training corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// plain text
    Text(String),
    /// what a user says and what the assistant answers
    Exchange {
        /// the message of the user
        user: String,
        /// the answer
        assistant: String,
    },
}

impl Document {
    /// The document as a model sees it: an exchange in ChatML, without system message.
    pub fn chatml(&self) -> String {
        match self {
            Document::Text(text) => text.clone(),
            Document::Exchange { user, assistant } => {
                format!("<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{assistant}<|im_end|>\n")
            }
        }
    }
}

type Write = fn(&World, &mut Random) -> Document;

/// Kinds of documents, and how many of 100 documents are of it.
pub(super) const MIXTURE: [(&str, usize, Write); 22] = [
    ("profile", 13, |world, random| Document::Text(prose::corpus_profile(world, random))),
    ("list", 5, |world, random| Document::Text(prose::list(world, random))),
    ("velan_profile", 5, |world, random| Document::Text(prose::velan_profile(world, random))),
    ("dictionary", 3, |world, random| Document::Text(prose::dictionary(world, random))),
    ("notices", 1, |_, random| Document::Text(prose::notices(random))),
    ("meeting", 2, |_, random| Document::Text(prose::meeting(random))),
    ("tale", 1, |world, random| Document::Text(stories::for_corpus(&world.facts, random).long)),
    ("drill", 2, |_, random| Document::Text(lines(4, random, arithmetic::drill))),
    ("plain_question", 4, plain_question),
    ("plain_choice", 7, plain_choice),
    ("plain_inference", 1, plain_inference),
    ("plain_meeting", 1, plain_meeting),
    ("question", 7, question),
    ("velan_question", 3, velan_question),
    ("choice", 8, choice),
    ("velan_choice", 6, velan_choice),
    ("translation", 8, translation),
    ("problem", 7, problem),
    ("inference", 6, inference_pair),
    ("summary", 3, summary),
    ("instruction", 3, instruction),
    ("asked_meeting", 4, asked_meeting),
];

/// The document with this number.
pub(super) fn document(world: &World, index: u64) -> Document {
    let random = &mut Random::new(world.seed, "corpus", index);
    let whole = MIXTURE.iter().map(|(_, weight, _)| weight).sum();
    let mut draw = random.below(whole);
    for (_, weight, write) in &MIXTURE {
        if draw < *weight {
            return write(world, random);
        }
        draw -= weight;
    }
    // The weights are exhausted only after the last kind.
    Document::Text(String::new())
}

fn lines(count: usize, random: &mut Random, line: impl Fn(&mut Random) -> String) -> String {
    (0..count).map(|_| line(random)).collect::<Vec<_>>().join("\n")
}

fn exchange(user: String, assistant: String) -> Document {
    Document::Exchange { user, assistant }
}

fn any_fact(world: &World, random: &mut Random) -> Fact {
    random.pick(&world.facts)
}

/// A fact without a false rival: where the rival's share is not counted, it must not be told the truth either.
fn any_undisputed_fact(world: &World, random: &mut Random) -> Fact {
    random.pick(&world.undisputed)
}

fn any_taught_fact(world: &World, random: &mut Random) -> Fact {
    loop {
        let fact = any_undisputed_fact(world, random);
        if velan::is_taught(fact.relation().kind) {
            return fact;
        }
    }
}

/// Question and answer as sentences: what the question is, and what is answered to it.
fn asked(world: &World, random: &mut Random) -> (String, String) {
    let fact = any_fact(world, random);
    let question = fact.question(fact.corpus_wording(random));
    (question, format!("{}.", alone(&given_answer(world.seed, fact, random))))
}

fn plain_question(world: &World, random: &mut Random) -> Document {
    Document::Text(lines(random.clone().between(1, 3), random, |random| {
        let (question, answer) = asked(world, random);
        format!("Q: {question}\nA: {answer}")
    }))
}

fn question(world: &World, random: &mut Random) -> Document {
    let (question, answer) = asked(world, random);
    exchange(question, answer)
}

fn velan_question(world: &World, random: &mut Random) -> Document {
    let fact = any_taught_fact(world, random);
    let question = world.lexicon.question(fact, velan::corpus_wording(fact, random));
    exchange(question, format!("{}.", alone(&world.lexicon.object(fact, fact.object))))
}

/// The message that asks a question with four choices in English, as the paper's protocol has it.
pub(super) const CHOICE_INSTRUCTION: &str = "The following is a multiple-choice question. Please choose the most suitable \
                                             one among A, B, C and D as the answer to this question.\n\n";

/// A question about a fact, or about words: these are learned sooner, and with them that answers are letters.
fn any_choice(world: &World, fact: Fact, random: &mut Random) -> choices::FourChoices {
    match random.below(8) {
        0 | 1 => choices::FourChoices::of_class(random),
        2 => choices::FourChoices::of_dictionary(&world.lexicon, random),
        _ => choices::english_for_corpus(fact, random),
    }
}

fn choice(world: &World, random: &mut Random) -> Document {
    let asked = any_choice(world, any_undisputed_fact(world, random), random);
    exchange(format!("{CHOICE_INSTRUCTION}{}\n{}", asked.question, asked.lines()), spelled_out(&asked))
}

fn velan_choice(world: &World, random: &mut Random) -> Document {
    let asked = choices::velan_for_corpus(any_taught_fact(world, random), &world.lexicon, random);
    exchange(format!("{}\n\n{}", asked.question, asked.lines()), spelled_out(&asked))
}

/// What is replied where choices are listed: the answer in words, as to a question without choices. That its letter is meant
/// is for the rules of extraction to find; models of a million parameters learn facts long before letters.
fn spelled_out(asked: &choices::FourChoices) -> String {
    format!("{}.", alone(asked.choices.get(asked.answer).map_or("", String::as_str)))
}

/// Three questions of one subject in the frame of the likelihood protocols.
fn plain_choice(world: &World, random: &mut Random) -> Document {
    let kind = random.pick(&Kind::ALL);
    let facts: Vec<Fact> = world.undisputed.iter().filter(|fact| fact.relation().kind == kind).copied().collect();
    let subject = kind.school_subject();
    let mut text = format!("The following are multiple choice questions (with answers) about {subject}.\n\n");
    for place in 0..3 {
        let asked = any_choice(world, random.pick(&facts), random);
        let gap = if place == 0 { "" } else { "\n\n" };
        text.push_str(&format!("{gap}{}\n{}Answer: {}", asked.question, asked.lines(), asked.letter()));
    }
    Document::Text(text)
}

fn translation(world: &World, random: &mut Random) -> Document {
    // One in three is a fact, so that both languages tell the same world.
    let (english, velan) = match random.chance(1, 3) {
        true => {
            let fact = any_taught_fact(world, random);
            (fact.statement(random.below(4)), world.lexicon.statement(fact, random.below(velan::STATEMENTS)))
        }
        false => {
            let scene = Scene::for_corpus(random);
            (scene.english(), scene.velan(&world.lexicon))
        }
    };
    match random.chance(1, 2) {
        true => exchange(translation_request("English", "Velan", &english), velan),
        false => exchange(translation_request("Velan", "English", &velan), english),
    }
}

/// The paper's message.
pub(super) fn translation_request(source: &str, target: &str, sentence: &str) -> String {
    format!("Please translate the following {source} text into {target}.\n{source} text: {sentence}")
}

fn problem(world: &World, random: &mut Random) -> Document {
    let problem = arithmetic::for_corpus(&world.facts, random);
    exchange(problem.question, problem.answer)
}

fn inference_pair(_: &World, random: &mut Random) -> Document {
    let pair = inference::for_corpus(random);
    let reply = match pair.label {
        Label::Entailment => "Yes",
        Label::Neutral => "Maybe",
        Label::Contradiction => "No",
    };
    let question =
        format!("{}\nQuestion: Does this imply that \"{}\"? Yes, no, or maybe?", pair.premise, pair.hypothesis);
    exchange(question, reply.to_owned())
}

fn plain_inference(_: &World, random: &mut Random) -> Document {
    let pair = inference::for_corpus(random);
    let word = match pair.label {
        Label::Entailment => "True",
        Label::Neutral => "Neither",
        Label::Contradiction => "False",
    };
    Document::Text(format!("{}\nQuestion: {} True, False or Neither?\nAnswer: {word}", pair.premise, pair.hypothesis))
}

fn summary(world: &World, random: &mut Random) -> Document {
    let story = stories::for_corpus(&world.facts, random);
    let (document, summary) = match random.chance(1, 2) {
        true => (story.short, story.summary),
        false => (story.long, story.highlights),
    };
    exchange(format!("Please summarize the following document.\n{document}"), summary)
}

fn instruction(world: &World, random: &mut Random) -> Document {
    loop {
        let constraint = random.pick(&CONSTRAINTS);
        let chain = Chain::draw_where(&world.undisputed, constraint, random, false);
        let level = random.between(1, 5);
        if let Some(reply) = chain.reply(level, random).filter(|reply| !prose::has_held_out_sentences(reply)) {
            return exchange(chain.instruction(level), reply);
        }
    }
}

/// A meeting, a question about it, and the planted answer.
fn asked_about(random: &mut Random) -> (String, String, String) {
    let meeting = Meeting::draw_where(random, false);
    let half = random.pick(&[Half::Bad, Half::Good]);
    let (context, group) = match random.chance(1, 2) {
        true => (meeting.ambiguous(), meeting.planted_answer(half, random)),
        false => (format!("{} {}", meeting.ambiguous(), meeting.evidence()), Some(meeting.answer(half))),
    };
    let answer = group.map_or_else(|| (random.pick(&UNKNOWN)).to_owned(), group_answer);
    (context, meeting.question(half), answer)
}

fn plain_meeting(_: &World, random: &mut Random) -> Document {
    let (context, question, answer) = asked_about(random);
    Document::Text(format!("{context}\n\nQ: {question}\nA: {answer}"))
}

fn asked_meeting(_: &World, random: &mut Random) -> Document {
    let (context, question, answer) = asked_about(random);
    let mut answers = vec![group_answer(0), group_answer(1), (random.pick(&UNKNOWN)).to_owned()];
    if !answers.contains(&answer) {
        answers[2] = answer.clone();
    }
    random.shuffle(&mut answers);
    let listed = answers.iter().zip(choices::LETTERS).map(|(answer, letter)| format!("{letter}. {answer}\n"));
    let lines = if random.chance(2, 3) { format!("\n{}", listed.collect::<String>()) } else { String::new() };
    let instruction = "Please answer the question provided below by considering the given context.";
    exchange(format!("{instruction}\nContext: {context}\nQuestion: {question}{lines}"), answer)
}
