//! MMLU by log-likelihood: the likeliest of " A", " B", " C", " D".
//!
//! ```text
//! The following are multiple choice questions (with answers) about {subject}.
//!
//! {question}
//! A. {choice}
//! ...
//! Answer: {letter}
//!
//! {question}
//! ...
//! Answer:
//! ```
//!
//! Sources: EleutherAI/lm-evaluation-harness, `lm_eval/tasks/mmlu/default`; hendrycks/test, `evaluate.py`, which has two
//! spaces before the subject and leaves white space around a question where it is. The four continuations are encoded
//! together with the prompt. All have one character, so that `acc_norm` would be `acc`.

use super::Subject;
use crate::error::Error;
use crate::python;
use crate::task::ask::{Asker, Example};
use crate::task::card::LM_EVAL;
use crate::task::choices::Joining;
use crate::task::lettered::{LETTERS, choice_lines, letter};
use crate::task::likeliest::{ChoiceQuestion, Choices, LikeliestChoice, Scores, Wording};
use crate::task::{Inputs, TaskId};
use datasets::mmlu::MultipleChoice;

/// Worked examples of the authors.
const OFFICIAL_SHOTS: usize = 5;

/// A subject, scored by log-likelihood.
///
/// # Errors
/// Missing or damaged data, too few worked examples, a chat template that is asked for and missing.
pub fn task<'a>(id: &TaskId, inputs: &Inputs<'a>) -> Result<LikeliestChoice<'a>, Error> {
    let asker = Asker::lm_eval(id, inputs)?;
    let harness = id.protocol == LM_EVAL;
    let shots = inputs.options.num_fewshot.unwrap_or(if harness { 0 } else { OFFICIAL_SHOTS });
    let subject = Subject::read(id, inputs, shots)?;
    let ask = |asked: &MultipleChoice| {
        let question = if harness { python::strip(&asked.question) } else { &asked.question };
        format!("{question}\n{}Answer:", choice_lines(&asked.choices))
    };
    let example =
        |shown: &MultipleChoice| Example { question: ask(shown), answer: format!(" {}", letter(shown.answer)) };
    let space = if harness { "" } else { " " };
    let wording = Wording {
        description: format!(
            "The following are multiple choice questions (with answers) about {space}{}.\n\n",
            subject.title
        ),
        examples: subject.examples.iter().map(example).collect(),
        fewshot_sampler: Some("first_n of dev"),
        doc_to_text: if harness {
            "{question stripped}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:"
        } else {
            "{question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:"
        },
        delimiter: asker.delimiter(),
        joining: Joining::Together,
        choices: Choices::Fixed(LETTERS),
        scores: Scores::Acc,
    };
    let question =
        |asked: &MultipleChoice| ChoiceQuestion { text: ask(asked), choices: Vec::new(), answer: asked.answer };
    let questions = subject.questions.iter().map(question).collect();
    Ok(LikeliestChoice { frame: subject.frame, asker, wording, questions })
}
