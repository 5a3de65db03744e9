//! MMLU by generation: the letter is read out of the reply of a chat model.
//!
//! ```text
//! The following is a multiple-choice question. Please choose the most suitable one among A, B, C and D as the answer
//! to this question.
//!
//! {question}
//! A. {choice}
//! ...
//! D. {choice}
//! ```
//!
//! The first sentence on one line. Source: QwenLM/Qwen, `eval/evaluate_chat_mmlu.py`; the paper's prompt is the same.

use super::Subject;
use crate::error::Error;
use crate::extract;
use crate::task::lettered::{LetterInReply, LetteredQuestion, Script, choice_lines};
use crate::task::{Inputs, TaskId};

/// The message of the user, without question and choices.
macro_rules! instruction {
    () => {
        "The following is a multiple-choice question. Please choose the most suitable one among A, B, C and D as the \
         answer to this question.\n\n"
    };
}

const SCRIPT: Script = Script {
    message: |asked| format!("{}{}\n{}", instruction!(), asked.question, choice_lines(&asked.choices)),
    doc_to_text: concat!(instruction!(), "{question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\n"),
    extract: |reply, asked| extract::qwen_chat_mmlu(reply, &asked.choices),
    extraction: "QwenLM/Qwen, eval/evaluate_chat_mmlu.py",
};

/// A subject, scored by generation.
///
/// # Errors
/// Missing or damaged data; a model without chat template.
pub fn task<'a>(id: &TaskId, inputs: &Inputs<'a>) -> Result<LetterInReply<'a>, Error> {
    let subject = Subject::read(id, inputs, 0)?;
    let lettered = |asked: datasets::mmlu::MultipleChoice| LetteredQuestion {
        question: asked.question,
        choices: asked.choices,
        answer: asked.answer,
    };
    LetterInReply::new(id, inputs, subject.frame, SCRIPT, subject.questions.into_iter().map(lettered).collect())
}
