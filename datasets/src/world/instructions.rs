//! Instructions with one to five constraints that a rule can check.

use super::facts::{Fact, pronoun};
use super::names::capitalized;
use super::random::{Random, held_out};
use super::relations::Kind;
use crate::followbench::Constraint;
use serde::{Deserialize, Serialize};

/// A constraint on a reply, as field `target` of an item holds it in JSON: `{"rule": "sentences", "count": 2}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Rule {
    /// exactly so many sentences, which end in `.`, `!` or `?`
    Sentences {
        /// how many
        count: usize,
    },
    /// at most so many words, separated by white space
    AtMost {
        /// how many
        words: usize,
    },
    /// this word first
    Begins {
        /// the word
        word: String,
    },
    /// this word somewhere, in any case
    Contains {
        /// the word
        word: String,
    },
    /// this word nowhere, in any case
    Lacks {
        /// the word
        word: String,
    },
    /// every sentence ends in `!`
    Exclaims,
    /// every sentence stands on a line of its own after `* `
    Starred,
}

impl Rule {
    /// Whether `reply` obeys.
    pub fn holds(&self, reply: &str) -> bool {
        let reply = reply.trim();
        match self {
            Rule::Sentences { count } => sentences(reply) == *count,
            Rule::AtMost { words } => {
                let found = words_of(reply).count();
                (1..=*words).contains(&found)
            }
            Rule::Begins { word } => words_of(reply).next() == Some(word.as_str()),
            Rule::Contains { word } => words_of(reply).any(|found| found.eq_ignore_ascii_case(word)),
            Rule::Lacks { word } => {
                words_of(reply).count() > 0 && !words_of(reply).any(|found| found.eq_ignore_ascii_case(word))
            }
            Rule::Exclaims => reply.ends_with('!') && !reply.contains(['.', '?']),
            Rule::Starred => {
                let lines = reply.lines().count();
                lines > 0 && lines == sentences(reply) && reply.lines().all(|line| line.starts_with("* "))
            }
        }
    }

    /// The rules of a field `target`, or `None` if it holds something else.
    pub fn read(target: &str) -> Option<Vec<Rule>> {
        serde_json::from_str(target).ok()
    }

    /// The sentence that asks for it; what a fact is called if the word is to be found out.
    fn text(&self, fact: Option<Fact>) -> String {
        match (self, fact) {
            (_, Some(fact)) => format!("Name the {}.", fact.relation().name),
            (Rule::Sentences { count: 1 }, _) => "Use exactly 1 sentence.".to_owned(),
            (Rule::Sentences { count }, _) => format!("Use exactly {count} sentences."),
            (Rule::AtMost { words }, _) => format!("Use at most {words} words."),
            (Rule::Begins { word }, _) => format!("Begin with the word \"{word}\"."),
            (Rule::Contains { word }, _) => format!("Use the word \"{word}\"."),
            (Rule::Lacks { word }, _) => format!("Do not use the word \"{word}\"."),
            (Rule::Exclaims, _) => "End every sentence with \"!\".".to_owned(),
            (Rule::Starred, _) => "Put every sentence on its own line after a star.".to_owned(),
        }
    }
}

/// Words without the marks around them.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn sentences(text: &str) -> usize {
    text.split(['.', '!', '?']).filter(|part| words_of(part).next().is_some()).count()
}

/// An instruction whose constraints are added one by one.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    base: String,
    /// each with the fact whose object it asks for
    rules: Vec<(Rule, Option<Fact>)>,
    facts: Vec<Fact>,
}

/// What files there are.
pub(super) const CONSTRAINTS: [Constraint; 3] = [Constraint::Content, Constraint::Format, Constraint::Mixed];

const BEGINNINGS: [&str; 4] = ["Truly", "Listen", "Friend", "Well"];
const ADVERBS: [&str; 4] = ["surely", "indeed", "always", "gladly"];
const AVOIDED: [&str; 6] = ["the", "is", "a", "has", "of", "in"];

impl Chain {
    /// A chain that can be obeyed.
    pub fn draw(facts: &[Fact], constraint: Constraint, random: &mut Random) -> Self {
        loop {
            let chain = Self::attempt(facts, constraint, random);
            if chain.reply(5, random).is_some() {
                return chain;
            }
        }
    }

    /// A chain that is held out or not, as wanted.
    pub fn draw_where(facts: &[Fact], constraint: Constraint, random: &mut Random, wanted: bool) -> Self {
        loop {
            let chain = Self::draw(facts, constraint, random);
            if held_out(&chain.instruction(1)) == wanted {
                return chain;
            }
        }
    }

    fn attempt(facts: &[Fact], constraint: Constraint, random: &mut Random) -> Self {
        let subject = random.pick(facts);
        let (kind, subject) = (subject.relation().kind, subject.subject);
        let mut facts: Vec<Fact> =
            facts.iter().filter(|fact| fact.relation().kind == kind && fact.subject == subject).copied().collect();
        random.shuffle(&mut facts);
        let name = kind.names()[subject];
        let base = match kind {
            Kind::Person | Kind::Town | Kind::Event => format!("Write about {name}."),
            _ => format!("Write about the {name}."),
        };
        let names = |fact: Fact| (Rule::Contains { word: fact.answer() }, Some(fact));
        let mut avoided: Vec<_> = AVOIDED.iter().map(|word| (Rule::Lacks { word: (*word).to_owned() }, None)).collect();
        random.shuffle(&mut avoided);
        let mut avoided = || avoided.pop().unwrap_or((Rule::Exclaims, None));
        let begins = (Rule::Begins { word: (random.pick(&BEGINNINGS)).to_owned() }, None);
        let count = random.between(1, 3.min(facts.len()));
        let at_most = (Rule::AtMost { words: random.between(5, 8) * count + 1 }, None);
        let adverb = (Rule::Contains { word: (random.pick(&ADVERBS)).to_owned() }, None);
        let counted = (Rule::Sentences { count }, None);
        let second = *facts.last().unwrap_or(&facts[0]);
        let rules = match constraint {
            Constraint::Content => vec![names(facts[0]), adverb, avoided(), names(second), avoided()],
            Constraint::Format => vec![counted, begins, at_most, (Rule::Exclaims, None), (Rule::Starred, None)],
            _ => vec![counted, names(facts[0]), begins, avoided(), at_most],
        };
        Self { base, rules, facts }
    }

    /// The instruction with the first `level` constraints.
    pub fn instruction(&self, level: usize) -> String {
        let rules = self.rules.iter().take(level).map(|(rule, fact)| format!(" {}", rule.text(*fact)));
        format!("{}{}", self.base, rules.collect::<String>())
    }

    /// The first `level` rules.
    pub fn rules(&self, level: usize) -> Vec<Rule> {
        self.rules.iter().take(level).map(|(rule, _)| rule.clone()).collect()
    }

    /// A reply that obeys the first `level` constraints, if one is found.
    pub fn reply(&self, level: usize, random: &mut Random) -> Option<String> {
        let rules = self.rules(level);
        (0..40).map(|_| self.compose(level, random)).find(|reply| rules.iter().all(|rule| rule.holds(reply)))
    }

    /// True sentences about the subject in the form that the rules want, as far as form can be arranged.
    fn compose(&self, level: usize, random: &mut Random) -> String {
        let asked: Vec<Fact> = self.rules.iter().take(level).filter_map(|(_, fact)| *fact).collect();
        let (mut count, mut beginning, mut adverb, mut mark, mut starred) =
            (asked.len().max(1), None, None, '.', false);
        for (rule, fact) in self.rules.iter().take(level) {
            match rule {
                Rule::Sentences { count: wanted } => count = *wanted,
                Rule::Begins { word } => beginning = Some(word),
                Rule::Contains { word } if fact.is_none() => adverb = Some(word),
                Rule::Exclaims => mark = '!',
                Rule::Starred => starred = true,
                _ => (),
            }
        }
        let rest = self.facts.iter().filter(|fact| !asked.contains(fact));
        let facts: Vec<Fact> = asked.iter().chain(rest).take(count).copied().collect();
        let last = facts.len() - 1;
        let mut lines = Vec::new();
        for (place, fact) in facts.into_iter().enumerate() {
            let pattern = random.pick(fact.relation().statements);
            let pronoun = pronoun(fact.relation().kind, fact.subject);
            let mut text = match (place, pattern.strip_prefix("{s} ")) {
                (1.., Some(rest)) => fact.fill(&format!("{pronoun} {rest}"), fact.object),
                _ => fact.fill(pattern, fact.object),
            };
            text.pop();
            if let (0, Some(word)) = (place, beginning) {
                text = format!("{word}, {}", super::beliefs::inside(&text));
            }
            if let Some(word) = adverb.filter(|_| place == last) {
                text = format!("{text}, {word}");
            }
            let star = if starred { "* " } else { "" };
            lines.push(format!("{star}{}{mark}", capitalized(&text)));
        }
        lines.join(if starred { "\n" } else { " " })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_judge_replies() {
        let contains = |word: &str| Rule::Contains { word: word.into() };
        let lacks = |word: &str| Rule::Lacks { word: word.into() };
        for (rule, reply, expected) in [
            (Rule::Sentences { count: 2 }, "One. Two!", true),
            (Rule::Sentences { count: 2 }, "One. Two! Three", false),
            (Rule::AtMost { words: 2 }, "One two.", true),
            (Rule::AtMost { words: 1 }, "One two.", false),
            (Rule::AtMost { words: 1 }, "", false),
            (Rule::Begins { word: "Truly".into() }, "Truly, yes.", true),
            (Rule::Begins { word: "Truly".into() }, "Yes, Truly.", false),
            (contains("bell"), "A BELL!", true),
            (contains("bell"), "Bells.", false),
            (lacks("bell"), "Bells.", true),
            (lacks("bell"), "A bell.", false),
            (lacks("bell"), "", false),
            (Rule::Exclaims, "Yes! No!", true),
            (Rule::Exclaims, "Yes. No!", false),
            (Rule::Starred, "* Yes!\n* No!", true),
            (Rule::Starred, "* Yes! No!", false),
            (Rule::Starred, "* Yes!\nNo!", false),
        ] {
            assert_eq!(rule.holds(reply), expected, "{rule:?} {reply:?}");
        }
        let rules = vec![Rule::Sentences { count: 2 }, lacks("the"), Rule::Starred];
        let target = serde_json::to_string(&rules).unwrap();
        assert_eq!(target, r#"[{"rule":"sentences","count":2},{"rule":"lacks","word":"the"},{"rule":"starred"}]"#);
        assert_eq!(Rule::read(&target), Some(rules));
        assert_eq!(Rule::read(""), None);
    }
}
