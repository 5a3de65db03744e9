//! BoolQ: yes or no, by a paragraph of Wikipedia (Clark et al. 2019).
//!
//! ```text
//! {passage}
//! Question: {question}?
//! Answer:
//! ```
//!
//! and the likelier of " no" and " yes". Source: EleutherAI/lm-evaluation-harness, `lm_eval/tasks/super_glue/boolq`.

use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::likeliest::{ChoiceQuestion, Choices, Scores, ZeroShot, add_zero_shot};
use super::{Inputs, Suite, TaskId};
use crate::error::Error;
use datasets::boolq::{self, Answer, BOOLQ as DATASET, Item, Split};

/// BoolQ.
pub static BOOLQ: Entry = Entry {
    name: "boolq",
    summary: "reading: a yes-no question about a paragraph",
    datasets: &[&DATASET],
    split: "validation",
    variants: &[],
    protocols: PROTOCOLS,
    default_protocol: LM_EVAL,
    default_reason: ONLY_LM_EVAL,
    metrics: &["acc"],
    example: "Tea -- Tea is a drink made by pouring hot water over leaves.\nQuestion: is tea made with cold water?\nAnswer:",
    names: || vec!["boolq".into()],
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build,
};

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "zero-shot; the likelier of \" no\" and \" yes\"",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/super_glue/boolq",
}];

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let loaded = boolq::read(inputs.roots, Split::Validation)?;
    let words = ZeroShot {
        version: 2.0,
        doc_to_text: "{passage}\nQuestion: {question}?\nAnswer:",
        choices: Choices::Fixed(&["no", "yes"]),
        scores: Scores::Acc,
    };
    add_zero_shot(id, inputs, suite, words, loaded, |asked: Item| ChoiceQuestion {
        text: format!("{}\nQuestion: {}?\nAnswer:", asked.passage, asked.question),
        choices: Vec::new(),
        answer: match asked.answer {
            Answer::No => 0,
            Answer::Yes => 1,
        },
    })
}
