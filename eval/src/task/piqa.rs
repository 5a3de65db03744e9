//! PIQA: which of two ways reaches an everyday goal (Bisk et al. 2020)?
//!
//! ```text
//! Question: {goal}
//! Answer:
//! ```
//!
//! and the likelier solution, joined by a space. Source: EleutherAI/lm-evaluation-harness, `lm_eval/tasks/piqa`.

use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::likeliest::{ChoiceQuestion, Choices, Scores, ZeroShot, add_zero_shot};
use super::{Inputs, Suite, TaskId};
use crate::error::Error;
use datasets::piqa::{self, Item, PIQA as DATASET, Split};

/// PIQA.
pub static PIQA: Entry = Entry {
    name: "piqa",
    summary: "common sense: which of two ways reaches an everyday goal?",
    datasets: &[&DATASET],
    split: "validation",
    variants: &[],
    protocols: PROTOCOLS,
    default_protocol: LM_EVAL,
    default_reason: ONLY_LM_EVAL,
    metrics: &["acc", "acc_norm"],
    example: "Question: To keep a door from closing,\nAnswer:",
    names: || vec!["piqa".into()],
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build,
};

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "zero-shot; the likelier solution, as it stands and by character",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/piqa",
}];

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let loaded = piqa::read(inputs.roots, Split::Validation)?;
    let words = ZeroShot {
        version: 1.0,
        doc_to_text: "Question: {goal}\nAnswer:",
        choices: Choices::Own,
        scores: Scores::AccAndNorm,
    };
    add_zero_shot(id, inputs, suite, words, loaded, |asked: Item| ChoiceQuestion {
        text: format!("Question: {}\nAnswer:", asked.goal),
        choices: asked.solutions.into(),
        answer: asked.answer,
    })
}
