//! C-Eval: Chinese four-choice questions in 52 subjects (Huang et al. 2023), scored on the validation questions: the
//! answers of the test questions were never released.
//!
//! The protocol `qwen-chat`, the paper's, reads the letter out of a generated reply ([`generated`]) and averages over
//! subjects (macro), as Qwen's script does; so does `official`, which like `lm-eval` compares the likelihoods of the
//! letters ([`log_likelihood`]). `lm-eval` averages over questions (micro).

mod generated;
mod log_likelihood;

use super::card::{Entry, LM_EVAL, Protocol, find_protocol};
use super::prompt::Conversation;
use super::suite::{Average, Group, Suite};
use super::world::Origin;
use super::{Frame, Inputs, TaskId};
use crate::error::Error;
use datasets::ceval::{self, CEVAL as DATASET, Category, Question, SUBJECTS, Split};
use datasets::{Loaded, catalogue, world};

/// All subjects and their average.
pub static CEVAL: Entry = Entry {
    name: "ceval",
    summary: "knowledge, in Chinese: four-choice questions in 52 subjects, with the averages of four categories and of \
              the eight hard subjects",
    datasets: &[&DATASET, &catalogue::WORLD],
    split: "val; worked examples from dev, the first ones",
    variants: &[(
        "builtin",
        "200 questions in 5 subjects of the micro-world, in its second language; only qwen-chat, replies of at most 8 tokens",
    )],
    protocols: PROTOCOLS,
    default_protocol: QWEN_CHAT,
    default_reason: DEFAULT_REASON,
    metrics: &["acc", "acc_norm"],
    example: EXAMPLE,
    names: || vec!["ceval".into()],
    canonical_protocol,
    build: build_group,
};

/// One subject.
pub static CEVAL_SUBJECT: Entry = Entry {
    name: "ceval_<subject>",
    summary: "knowledge, in Chinese: the four-choice questions of one of C-Eval's 52 subjects",
    datasets: &[&DATASET, &catalogue::WORLD],
    split: "val; worked examples from dev, the first ones",
    variants: &[("builtin", "for the subjects of the micro-world; only qwen-chat, replies of at most 8 tokens")],
    protocols: PROTOCOLS,
    default_protocol: QWEN_CHAT,
    default_reason: DEFAULT_REASON,
    metrics: &["acc", "acc_norm"],
    example: EXAMPLE,
    names: || {
        let official = SUBJECTS.iter().map(|subject| subject.name);
        official.chain(world::CEVAL_SUBJECTS).map(|subject| format!("ceval_{subject}")).collect()
    },
    canonical_protocol,
    build: |id, inputs, suite| add_subject(id, inputs, suite).map(|_| ()),
};

const QWEN_CHAT: &str = "qwen-chat";
const OFFICIAL: &str = "official";

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: QWEN_CHAT,
        summary: "zero-shot in the chat template, the question without instruction; greedy, at most 512 tokens; the \
                  letter is extracted from the reply, which always gives one; mean over subjects",
        source: "QwenLM/Qwen, eval/evaluate_chat_ceval.py",
    },
    Protocol {
        name: LM_EVAL,
        summary: "the likeliest of the continuations \" A\" to \" D\"; --num_fewshot worked examples, none unless asked \
                  for; mean over questions",
        source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/ceval (ceval-valid)",
    },
    Protocol {
        name: OFFICIAL,
        summary: "five worked examples unless --num_fewshot says otherwise; the likeliest of \"A\" to \"D\", each \
                  encoded alone; mean over subjects; the subject's name in Chinese",
        source: "hkust-nlp/ceval, code/evaluator_series/evaluators/llama.py",
    },
];

const DEFAULT_REASON: &str = "it is what Jin et al. 2024 used: their prompt and scores are those of Qwen's script";

/// A prompt of the protocol `lm-eval` with one worked example, of our own writing.
const EXAMPLE: &str = "\
以下是中国关于高中物理的单项选择题，请选出其中的正确答案。

下列单位中，用来表示力的是____。
A. 千克
B. 牛顿
C. 焦耳
D. 米
答案： B

一只苹果从树上落下，下落时它的速度____。
A. 越来越大
B. 越来越小
C. 保持不变
D. 始终为零
答案：";

fn canonical_protocol(word: &str) -> Option<String> {
    find_protocol(PROTOCOLS, word)
}

/// The questions of a subject and what is needed to ask them.
struct Subject {
    frame: Frame,
    /// Its Chinese name; in the micro-world its name.
    title: &'static str,
    /// Those to be scored.
    questions: Vec<Question>,
    /// Worked examples, as many as a prompt has.
    examples: Vec<Question>,
}

impl Subject {
    /// Reads a subject; `shots` worked examples if there are that many.
    fn read(id: &TaskId, inputs: &Inputs<'_>, shots: usize) -> Result<Self, Error> {
        let name = id.name.strip_prefix("ceval_").unwrap_or(&id.name);
        let (origin, of_world) = (Origin::of(id)?, world::CEVAL_SUBJECTS.into_iter().find(|subject| *subject == name));
        let title = match (origin, of_world) {
            (Origin::Official, Some(_)) => return Err(super::mmlu::only_in_the_world(id)),
            (Origin::World, Some(subject)) => subject,
            _ => ceval::find_subject(name)?.chinese,
        };
        let read = |split| -> Result<Loaded<Vec<Question>>, Error> {
            Ok(match origin {
                Origin::Official => ceval::read(inputs.roots, name, split)?,
                Origin::World => world::embedded().ceval(name, split)?,
            })
        };
        let questions = read(Split::Validation)?;
        let (mut frame, questions) = Frame::new(id, inputs, version(id), questions.content, questions.files);
        let mut examples = Vec::new();
        if shots > 0 {
            let dev = read(Split::Dev)?;
            examples = super::ask::first_examples(id, dev.content, shots)?;
            frame.files.extend(dev.files);
        }
        frame.shots = shots;
        frame.entry = &CEVAL_SUBJECT;
        Ok(Self { frame, title, questions, examples })
    }
}

/// lm-evaluation-harness counts its own.
fn version(id: &TaskId) -> f64 {
    if id.protocol == LM_EVAL { 2.0 } else { 1.0 }
}

/// The other protocols ask about subjects in Chinese, which the world does not know.
fn in_chinese(id: &TaskId) -> Error {
    Error::Variant {
        task: id.to_string(),
        expected: format!("`@{QWEN_CHAT}` with `:builtin`: other protocols ask in Chinese"),
        found: format!("`@{}`", id.protocol),
    }
}

/// Adds a subject unless it is there; returns its index.
fn add_subject<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<usize, Error> {
    match suite.position(&id.to_string()) {
        Some(index) => Ok(index),
        None if id.protocol != QWEN_CHAT && id.variant.is_some() => Err(in_chinese(id)),
        None if id.protocol == QWEN_CHAT => suite.add(Box::new(generated::task(id, inputs)?)),
        None => suite.add(Box::new(log_likelihood::task(id, inputs)?)),
    }
}

fn build_group<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    if id.protocol == QWEN_CHAT {
        // Said once, of the group, rather than of its first member.
        Conversation::new(inputs, id, &format!("`{}@{LM_EVAL}`", id.name))?;
    }
    let average = if id.protocol == LM_EVAL { Average::Micro } else { Average::Macro };
    let group = |name: &str| Group::new(&id.renamed(name), average);
    let mut all = group("ceval");
    if Origin::of(id)? == Origin::World {
        for name in world::CEVAL_SUBJECTS {
            let member = TaskId { entry: &CEVAL_SUBJECT, ..id.renamed(&format!("ceval_{name}")) };
            all.members.push(add_subject(&member, inputs, suite)?);
        }
        suite.add_group(all);
        return Ok(());
    }
    let mut hard = group("ceval_hard");
    let mut categories = [
        (Category::Stem, group("ceval_stem")),
        (Category::Humanities, group("ceval_humanities")),
        (Category::SocialSciences, group("ceval_social_science")),
        (Category::Other, group("ceval_other")),
    ];
    for subject in &SUBJECTS {
        let member = TaskId { entry: &CEVAL_SUBJECT, ..id.renamed(&format!("ceval_{}", subject.name)) };
        let index = add_subject(&member, inputs, suite)?;
        all.members.push(index);
        if subject.is_hard() {
            hard.members.push(index);
        }
        for (category, group) in &mut categories {
            if *category == subject.category {
                group.members.push(index);
            }
        }
    }
    suite.add_group(all);
    for (_, group) in categories {
        suite.add_group(group);
    }
    suite.add_group(hard);
    Ok(())
}
