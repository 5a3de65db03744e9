//! ARC: science questions of school examinations, easy ones and challenging ones (Clark et al. 2018).
//!
//! ```text
//! Question: {question}
//! Answer:
//! ```
//!
//! and the likeliest of three to five answers, joined by a space. Source: EleutherAI/lm-evaluation-harness,
//! `lm_eval/tasks/arc`.

use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::likeliest::{ChoiceQuestion, Choices, Scores, ZeroShot, add_zero_shot};
use super::{Inputs, Suite, TaskId};
use crate::error::Error;
use datasets::Dataset;
use datasets::arc::{self, ARC as DATASET, Question, Set, Split};

static DATASETS: &[&Dataset] = &[&DATASET];

const fn entry(name: &'static str, summary: &'static str, names: fn() -> Vec<String>) -> Entry {
    Entry {
        name,
        summary,
        datasets: DATASETS,
        split: "test",
        variants: &[],
        protocols: PROTOCOLS,
        default_protocol: LM_EVAL,
        default_reason: ONLY_LM_EVAL,
        metrics: &["acc", "acc_norm"],
        example: "Question: Which of these is warm-blooded?\nAnswer:",
        names,
        canonical_protocol: |word| find_protocol(PROTOCOLS, word),
        build,
    }
}

/// The easy set.
pub static ARC_EASY: Entry =
    entry("arc_easy", "reasoning: 2,376 school science questions that retrieval answers", || vec!["arc_easy".into()]);

/// The challenge set.
pub static ARC_CHALLENGE: Entry = entry(
    "arc_challenge",
    "reasoning: 1,172 school science questions that neither retrieval nor co-occurrence answers",
    || vec!["arc_challenge".into()],
);

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "zero-shot; the likeliest answer, as it stands and by character",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/arc",
}];

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let set = if id.name == "arc_easy" { Set::Easy } else { Set::Challenge };
    let loaded = arc::read(inputs.roots, set, Split::Test)?;
    let words = ZeroShot {
        version: 1.0,
        doc_to_text: "Question: {question}\nAnswer:",
        choices: Choices::Own,
        scores: Scores::AccAndNorm,
    };
    add_zero_shot(id, inputs, suite, words, loaded, |asked: Question| ChoiceQuestion {
        text: format!("Question: {}\nAnswer:", asked.question),
        choices: asked.choices,
        answer: asked.answer,
    })
}
