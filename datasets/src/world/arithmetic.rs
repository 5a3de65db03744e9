//! Word problems with small numbers, worked step by step.

use super::facts::{Fact, object_name, pronoun};
use super::names::*;
use super::random::{Random, held_out};
use super::relations::Kind;

/// A problem and its worked answer, whose last line is `#### ` and the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub question: String,
    pub answer: String,
}

/// A problem for the corpus. `facts` hold the prices and wages that some problems expect to be known.
pub(super) fn for_corpus(facts: &[Fact], random: &mut Random) -> Problem {
    draw_where(facts, random, false)
}

/// A problem for the test.
pub(super) fn for_test(facts: &[Fact], random: &mut Random) -> Problem {
    draw_where(facts, random, true)
}

fn draw_where(facts: &[Fact], random: &mut Random, wanted: bool) -> Problem {
    loop {
        let problem = draw(facts, random);
        if held_out(&problem.question) == wanted {
            return problem;
        }
    }
}

/// A bare sum, for the tables of addition and multiplication.
pub(super) fn drill(random: &mut Random) -> String {
    let (a, b) = (random.between(2, 9), random.between(2, 9));
    let (c, d) = (random.between(1, 60), random.between(1, 39));
    match random.below(4) {
        0 => format!("{a} * {b} = {}", a * b),
        1 => format!("{c} + {d} = {}", c + d),
        2 => format!("{} - {d} = {c}", c + d),
        _ => format!("{} / {a} = {b}", a * b),
    }
}

/// The steps, one a line, and the result.
fn worked(steps: &[String], result: usize) -> String {
    format!("{}\n#### {result}", steps.join("\n"))
}

fn plus(a: usize, b: usize) -> String {
    format!("{a} + {b} = {}", a + b)
}

fn minus(a: usize, b: usize) -> String {
    format!("{a} - {b} = {}", a - b)
}

fn times(a: usize, b: usize) -> String {
    format!("{a} * {b} = {}", a * b)
}

fn draw(facts: &[Fact], random: &mut Random) -> Problem {
    let person = random.below(PEOPLE.len());
    let (name, she) = (PEOPLE[person], pronoun(Kind::Person, person).to_ascii_lowercase());
    let other = PEOPLE[(person + random.between(1, PEOPLE.len() - 1)) % PEOPLE.len()];
    let (thing, another) = (random.pick(&GOODS), random.pick(&GOODS));
    let things = plural(thing);
    let (a, b, c) = (random.between(2, 9), random.between(2, 9), random.between(2, 19));
    let (question, steps, result) = match random.below(10) {
        0 => (
            format!("{name} buys {a} {things} for {b} coins each. How many coins does {she} pay?"),
            vec![times(a, b)],
            a * b,
        ),
        1 => (
            format!(
                "{name} buys {a} {things} for {b} coins each and a {another} for {c} coins. How many coins does {she} pay?"
            ),
            vec![times(a, b), plus(a * b, c)],
            a * b + c,
        ),
        2 => {
            let (has, spends) = (c + a + b, c);
            (
                format!(
                    "{name} has {has} coins. {} spends {spends} coins and earns {b} coins. How many coins does {she} have now?",
                    capitalized(&she)
                ),
                vec![minus(has, spends), plus(has - spends, b)],
                has - spends + b,
            )
        }
        3 => (
            format!(
                "{name} has {c} {things}. {other} has {a} more than {name}. How many {things} do they have together?"
            ),
            vec![plus(c, a), plus(c, c + a)],
            2 * c + a,
        ),
        4 => (
            format!("{name} shares {} plums equally among {a} children. How many plums does each child get?", a * b),
            vec![format!("{} / {a} = {b}", a * b)],
            b,
        ),
        5 => {
            let earned = a * b;
            let spent = random.between(1, earned - 1);
            (
                format!(
                    "{name} earns {a} coins a day. After {b} days {she} spends {spent} coins. How many coins are left?"
                ),
                vec![times(a, b), minus(earned, spent)],
                earned - spent,
            )
        }
        6 => {
            let broken = random.between(1, (a * b - 1).min(19));
            (
                format!(
                    "There are {a} shelves with {b} {things} each. {broken} {things} break. How many {things} are left?"
                ),
                vec![times(a, b), minus(a * b, broken)],
                a * b - broken,
            )
        }
        7 => {
            let (good, price) = known(facts, "price", random);
            (
                format!("{name} buys {a} {} at the usual price. How many coins does {she} pay?", plural(good)),
                vec![format!("A {good} costs {price} coins."), times(a, price)],
                a * price,
            )
        }
        8 => {
            let (trade, wage) = known(facts, "wage", random);
            (
                format!("A {trade} works for {a} days. How many coins does the {trade} earn?"),
                vec![format!("A {trade} earns {wage} coins a day."), times(a, wage)],
                a * wage,
            )
        }
        _ => {
            let more = c + a;
            (
                format!("{name} has {more} {things} and {other} has {c} {things}. How many more does {name} have?"),
                vec![minus(more, c)],
                a,
            )
        }
    };
    Problem { question, answer: worked(&steps, result) }
}

/// A number that the world tells: a subject of the relation and its value.
fn known(facts: &[Fact], relation: &str, random: &mut Random) -> (&'static str, usize) {
    let known: Vec<&Fact> = facts.iter().filter(|fact| fact.relation().name == relation).collect();
    let fact = random.pick(&known);
    (fact.subject_name(), object_name(fact.relation(), fact.object).parse().unwrap_or(0))
}
