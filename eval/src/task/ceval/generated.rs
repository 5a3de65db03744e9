//! C-Eval by generation: the letter is read out of the reply of a chat model.
//!
//! ```text
//! {question}
//!
//! A. {choice}
//! ...
//! D. {choice}
//! ```
//!
//! Source: QwenLM/Qwen, `eval/evaluate_chat_ceval.py`; the paper's prompt is the same.

use super::Subject;
use crate::error::Error;
use crate::extract;
use crate::task::lettered::{LetterInReply, LetteredQuestion, Script, choice_lines};
use crate::task::{Inputs, TaskId};
use datasets::ceval::Question;

const SCRIPT: Script = Script {
    message: |asked| format!("{}\n\n{}", asked.question, choice_lines(&asked.choices)),
    doc_to_text: "{question}\n\nA. {A}\nB. {B}\nC. {C}\nD. {D}\n",
    extract: |reply, asked| extract::qwen_chat_ceval(reply, &asked.question, &asked.choices),
    extraction: "QwenLM/Qwen, eval/evaluate_chat_ceval.py",
};

/// A subject, scored by generation.
///
/// # Errors
/// Missing or damaged data; a model without chat template.
pub fn task<'a>(id: &TaskId, inputs: &Inputs<'a>) -> Result<LetterInReply<'a>, Error> {
    let subject = Subject::read(id, inputs, 0)?;
    let lettered =
        |asked: Question| LetteredQuestion { question: asked.question, choices: asked.choices, answer: asked.answer };
    LetterInReply::new(id, inputs, subject.frame, SCRIPT, subject.questions.into_iter().map(lettered).collect())
}
