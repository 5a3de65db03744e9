//! HellaSwag: which of four endings follows a description (Zellers et al. 2019)?
//!
//! ```text
//! {activity}: {beginning}
//! ```
//!
//! and the likeliest ending, joined by a space; texts without the marks of WikiHow. Source:
//! EleutherAI/lm-evaluation-harness, `lm_eval/tasks/hellaswag`.

use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::likeliest::{ChoiceQuestion, Choices, Scores, ZeroShot, add_zero_shot};
use super::{Inputs, Suite, TaskId};
use crate::error::Error;
use datasets::hellaswag::{self, HELLASWAG as DATASET, Item, Split};

/// HellaSwag.
pub static HELLASWAG: Entry = Entry {
    name: "hellaswag",
    summary: "common sense: which of four endings follows the beginning of a description?",
    datasets: &[&DATASET],
    split: "validation",
    variants: &[],
    protocols: PROTOCOLS,
    default_protocol: LM_EVAL,
    default_reason: ONLY_LM_EVAL,
    metrics: &["acc", "acc_norm"],
    example: "Baking bread: A man kneads dough on a table. He",
    names: || vec!["hellaswag".into()],
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build,
};

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "zero-shot; the likeliest ending, as it stands and by character (the number that is published)",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/hellaswag",
}];

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let loaded = hellaswag::read(inputs.roots, Split::Validation)?;
    let words = ZeroShot {
        version: 1.0,
        doc_to_text: "{activity_label}: {ctx_a} {ctx_b capitalized}, without marks of WikiHow",
        choices: Choices::Own,
        scores: Scores::AccAndNorm,
    };
    add_zero_shot(id, inputs, suite, words, loaded, |asked: Item| ChoiceQuestion {
        text: asked.query,
        choices: asked.endings.into(),
        answer: asked.answer,
    })
}
