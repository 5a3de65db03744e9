//! The facts: who has which object in which relation, drawn once from the seed.

use super::names::{PEOPLE, WOMEN, capitalized, plural};
use super::random::{Random, hash};
use super::relations::{Assignment, Kind, Pool, RELATIONS, Relation};

/// Couples: woman n and man n. Children of the first half of them are the last people of either list.
const COUPLES: usize = 20;

/// One fact of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact {
    /// index in [`RELATIONS`]
    pub relation: usize,
    /// index among the names of the relation's kind
    pub subject: usize,
    /// index among the objects of the relation
    pub object: usize,
}

impl Fact {
    pub fn relation(self) -> &'static Relation {
        &RELATIONS[self.relation]
    }

    /// The subject as a name or word.
    pub fn subject_name(self) -> &'static str {
        self.relation().kind.names()[self.subject]
    }

    /// The object as a word.
    pub fn answer(self) -> String {
        object_name(self.relation(), self.object)
    }

    /// A pattern of the relation with subject and object in their places, as a sentence.
    pub fn fill(self, pattern: &str, object: usize) -> String {
        let subject = self.subject_name();
        let text = pattern
            .replace("{s}", subject)
            .replace("{p}", &plural(subject))
            .replace("{o}", &object_name(self.relation(), object));
        capitalized(&text)
    }

    /// The statement with the given wording.
    pub fn statement(self, wording: usize) -> String {
        self.fill(self.relation().statements[wording % self.relation().statements.len()], self.object)
    }

    /// The question with the given wording.
    pub fn question(self, wording: usize) -> String {
        self.fill(self.relation().questions[wording % self.relation().questions.len()], self.object)
    }

    /// The wording in which this fact is asked in tests and never in the corpus.
    pub fn test_wording(self) -> usize {
        let key = format!("{} {}", self.relation().name, self.subject_name());
        (hash(&key) >> 20) as usize % self.relation().questions.len()
    }

    /// A wording for the corpus.
    pub fn corpus_wording(self, random: &mut Random) -> usize {
        let count = self.relation().questions.len();
        (self.test_wording() + random.between(1, count - 1)) % count
    }

    /// Objects that answer the question as well in form: three others for the choices of a question.
    pub fn others(self, count: usize, random: &mut Random) -> Vec<usize> {
        let mut objects: Vec<usize> = candidates(self.relation(), self.object).collect();
        objects.retain(|object| *object != self.object);
        random.shuffle(&mut objects);
        objects.truncate(count);
        objects
    }
}

/// How many objects a relation has.
fn objects(relation: &Relation) -> usize {
    match relation.pool {
        Pool::Words(words) => words.len(),
        Pool::Numbers(low, high) => high + 1 - low,
        Pool::Years => relation.kind.names().len(),
        Pool::People => PEOPLE.len(),
    }
}

/// Objects of the same sort as `object`: of people only women or only men.
fn candidates(relation: &Relation, object: usize) -> std::ops::Range<usize> {
    match relation.pool {
        Pool::People if object < WOMEN => 0..WOMEN,
        Pool::People => WOMEN..PEOPLE.len(),
        _ => 0..objects(relation),
    }
}

/// An object as a word.
pub(super) fn object_name(relation: &Relation, object: usize) -> String {
    match relation.pool {
        Pool::Words(words) => words[object].to_owned(),
        Pool::Numbers(low, _) => (low + object).to_string(),
        // Years of three digits, 17 apart, so that no two look alike.
        Pool::Years => (113 + 17 * object).to_string(),
        Pool::People => PEOPLE[object].to_owned(),
    }
}

/// Every fact, relation by relation.
pub(super) fn facts(seed: u64) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (number, relation) in RELATIONS.iter().enumerate() {
        let subjects = relation.kind.names().len();
        let mut random = Random::new(seed, "facts", number as u64);
        match relation.assignment {
            Assignment::Aligned => {
                facts.extend((0..subjects).map(|subject| Fact { relation: number, subject, object: subject }));
            }
            Assignment::Family => facts.extend(family(number)),
            Assignment::Even => {
                let count = objects(relation);
                let mut drawn: Vec<usize> = (0..count).collect();
                // An object must not come more often than another because it is first in its list.
                random.shuffle(&mut drawn);
                let mut drawn: Vec<usize> = (0..subjects).map(|subject| drawn[subject % count]).collect();
                random.shuffle(&mut drawn);
                let fact = |(subject, object)| Fact { relation: number, subject, object };
                facts.extend(drawn.into_iter().enumerate().map(fact));
            }
        }
    }
    share_homes(&mut facts);
    facts
}

/// The facts of one relation between members of families.
fn family(relation: usize) -> Vec<Fact> {
    let men = PEOPLE.len() - WOMEN;
    let fact = |subject, object| Fact { relation, subject, object };
    match RELATIONS[relation].name {
        "spouse" => (0..COUPLES).flat_map(|n| [fact(n, WOMEN + n), fact(WOMEN + n, n)]).collect(),
        // A daughter and a son each for the first couples.
        name => (COUPLES..WOMEN.min(men))
            .flat_map(|child| [child, WOMEN + child])
            .map(|child| {
                let parents = child % WOMEN - COUPLES;
                fact(child, if name == "mother" { parents } else { WOMEN + parents })
            })
            .collect(),
    }
}

/// Couples live in one town: hers.
fn share_homes(facts: &mut [Fact]) {
    let is_home = |fact: &Fact| fact.relation().name == "home";
    let homes: Vec<usize> = facts.iter().filter(|fact| is_home(fact)).map(|fact| fact.object).collect();
    for fact in facts.iter_mut().filter(|fact| is_home(fact)) {
        if (WOMEN..WOMEN + COUPLES).contains(&fact.subject) {
            fact.object = homes[fact.subject - WOMEN];
        }
    }
}

/// The pronoun of a subject at the beginning of a sentence.
pub(super) fn pronoun(kind: Kind, subject: usize) -> &'static str {
    match kind {
        Kind::Person if subject < WOMEN => "She",
        Kind::Person => "He",
        _ => "It",
    }
}
