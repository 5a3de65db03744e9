//! MMLU: four-choice questions in 57 subjects (Hendrycks et al. 2021).
//!
//! The protocols `lm-eval` and `official` compare the log-likelihoods of the letters ([`log_likelihood`]); `qwen-chat`,
//! the paper's, reads the letter out of a generated reply ([`generated`]). Averages are over questions (micro).

mod generated;
mod log_likelihood;

use super::card::{Entry, LM_EVAL, Protocol, find_protocol};
use super::prompt::Conversation;
use super::suite::{Average, Group, Suite};
use super::world::Origin;
use super::{Frame, Inputs, TaskId};
use crate::error::Error;
use datasets::mmlu::{Category, MultipleChoice, SUBJECTS, Split};
use datasets::{Loaded, catalogue, world};

/// All subjects and their average.
pub static MMLU: Entry = Entry {
    name: "mmlu",
    summary: "knowledge: four-choice questions in 57 subjects, with the averages of four categories",
    datasets: &[&catalogue::MMLU, &catalogue::WORLD],
    split: "test; worked examples from dev, the first ones",
    variants: &[("builtin", "240 questions in 6 subjects of the micro-world; replies of at most 8 tokens")],
    protocols: PROTOCOLS,
    default_protocol: QWEN_CHAT,
    default_reason: DEFAULT_REASON,
    metrics: &["acc"],
    example: EXAMPLE,
    names: || vec!["mmlu".into()],
    canonical_protocol,
    build: build_group,
};

/// One subject.
pub static MMLU_SUBJECT: Entry = Entry {
    name: "mmlu_<subject>",
    summary: "knowledge: the four-choice questions of one of MMLU's 57 subjects",
    datasets: &[&catalogue::MMLU, &catalogue::WORLD],
    split: "test; worked examples from dev, the first ones",
    variants: &[("builtin", "for the subjects of the micro-world; replies of at most 8 tokens")],
    protocols: PROTOCOLS,
    default_protocol: QWEN_CHAT,
    default_reason: DEFAULT_REASON,
    metrics: &["acc"],
    example: EXAMPLE,
    names: || {
        let official = SUBJECTS.iter().map(|subject| subject.name);
        official.chain(world::MMLU_SUBJECTS).map(|subject| format!("mmlu_{subject}")).collect()
    },
    canonical_protocol,
    build: build_subject,
};

const OFFICIAL: &str = "official";
const QWEN_CHAT: &str = "qwen-chat";

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: QWEN_CHAT,
        summary: "zero-shot in the chat template; greedy, at most 512 tokens; the letter is extracted from the reply, \
                  which always gives one; anatomy counts as STEM",
        source: "QwenLM/Qwen, eval/evaluate_chat_mmlu.py",
    },
    Protocol {
        name: LM_EVAL,
        summary: "the likeliest of the continuations \" A\" to \" D\"; --num_fewshot worked examples, none unless asked for",
        source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/mmlu/default",
    },
    Protocol {
        name: OFFICIAL,
        summary: "five worked examples unless --num_fewshot says otherwise, two spaces before the subject, questions as \
                  they stand; the likeliest of \" A\" to \" D\"",
        source: "hendrycks/test, evaluate.py",
    },
];

const DEFAULT_REASON: &str = "it is what Jin et al. 2024 used: their prompt and scores are those of Qwen's script";

/// The prompt of the micro-world's first question under `lm-eval`, with one worked example.
const EXAMPLE: &str = "\
The following are multiple choice questions (with answers) about people.

When is the birthday of Yorick?
A. September
B. March
C. June
D. April
Answer: A

How does Ivo earn a living?
A. mason
B. smith
C. potter
D. miller
Answer:";

fn canonical_protocol(word: &str) -> Option<String> {
    find_protocol(PROTOCOLS, word)
}

/// The questions of a subject and what is needed to ask them.
struct Subject {
    frame: Frame,
    /// With spaces.
    title: String,
    /// Those to be scored.
    questions: Vec<MultipleChoice>,
    /// Worked examples, as many as a prompt has.
    examples: Vec<MultipleChoice>,
}

impl Subject {
    /// Reads a subject; `shots` worked examples if there are that many.
    fn read(id: &TaskId, inputs: &Inputs<'_>, shots: usize) -> Result<Self, Error> {
        let name = id.name.strip_prefix("mmlu_").unwrap_or(&id.name);
        let read = |split| -> Result<Loaded<Vec<MultipleChoice>>, Error> {
            match Origin::of(id)? {
                Origin::Official if world::MMLU_SUBJECTS.contains(&name) => Err(only_in_the_world(id)),
                Origin::Official => Ok(datasets::mmlu::read(inputs.roots, name, split)?),
                Origin::World => Ok(world::embedded().mmlu(name, split)?),
            }
        };
        let test = read(Split::Test)?;
        let (mut frame, questions) = Frame::new(id, inputs, 1.0, test.content, test.files);
        let mut examples = Vec::new();
        if shots > 0 {
            let dev = read(Split::Dev)?;
            examples = super::ask::first_examples(id, dev.content, shots)?;
            frame.files.extend(dev.files);
        }
        frame.shots = shots;
        frame.entry = &MMLU_SUBJECT;
        Ok(Self { frame, title: name.replace('_', " "), questions, examples })
    }
}

/// A subject that the benchmark does not have.
pub(super) fn only_in_the_world(id: &TaskId) -> Error {
    let expected = format!("`{}:builtin`, since it is a subject of the micro-world alone", id.name);
    Error::Variant { task: id.name.clone(), expected, found: "nothing after the name".into() }
}

fn build_subject<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    add_subject(id, inputs, suite).map(|_| ())
}

/// Adds a subject unless it is there; returns its index.
fn add_subject<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<usize, Error> {
    if let Some(index) = suite.position(&id.to_string()) {
        return Ok(index);
    }
    match id.protocol.as_str() {
        LM_EVAL | OFFICIAL => suite.add(Box::new(log_likelihood::task(id, inputs)?)),
        _ => suite.add(Box::new(generated::task(id, inputs)?)),
    }
}

fn build_group<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    if id.protocol == QWEN_CHAT {
        // Said once, of the group, rather than of its first member.
        Conversation::new(inputs, id, &format!("`{}@{LM_EVAL}`", id.name))?;
    }
    let mut all = Group::new(id, Average::Micro);
    if Origin::of(id)? == Origin::World {
        for name in world::MMLU_SUBJECTS {
            let member = TaskId { entry: &MMLU_SUBJECT, ..id.renamed(&format!("mmlu_{name}")) };
            all.members.push(add_subject(&member, inputs, suite)?);
        }
        suite.add_group(all);
        return Ok(());
    }
    let order = [Category::Stem, Category::Humanities, Category::SocialSciences, Category::Other];
    let group = |category: Category| Group::new(&id.renamed(&format!("mmlu_{}", category.name())), Average::Micro);
    let mut categories = order.map(group);
    for subject in &SUBJECTS {
        let member = TaskId { entry: &MMLU_SUBJECT, ..id.renamed(&format!("mmlu_{}", subject.name)) };
        let index = add_subject(&member, inputs, suite)?;
        all.members.push(index);
        let category = if id.protocol == QWEN_CHAT { subject.category_qwen() } else { subject.category };
        for (group, which) in categories.iter_mut().zip(order) {
            if which == category {
                group.members.push(index);
            }
        }
    }
    suite.add_group(all);
    for group in categories {
        suite.add_group(group);
    }
    Ok(())
}
