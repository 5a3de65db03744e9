//! C-Eval by log-likelihood of the letters.
//!
//! ```text
//! 以下是中国关于{subject}的单项选择题，请选出其中的正确答案。
//!
//! {question}
//! A. {choice}
//! ...
//! 答案： {letter}
//!
//! {question}
//! ...
//! 答案：
//! ```
//!
//! Sources: EleutherAI/lm-evaluation-harness, `lm_eval/tasks/ceval`, where a space joins the letter; hkust-nlp/ceval,
//! `evaluators/llama.py`, where none does, "考试" follows the subject, questions are not stripped, and the letters are
//! encoded alone. There only the first token of a letter counts; here all of them do, which is the same wherever a
//! letter is one token.

use super::Subject;
use crate::error::Error;
use crate::python;
use crate::task::ask::{Asker, Example};
use crate::task::card::LM_EVAL;
use crate::task::choices::Joining;
use crate::task::lettered::{LETTERS, choice_lines, letter};
use crate::task::likeliest::{ChoiceQuestion, Choices, LikeliestChoice, Scores, Wording};
use crate::task::{Inputs, TaskId};
use datasets::ceval::Question;

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
    let ask = |asked: &Question| {
        let question = if harness { python::strip(&asked.question) } else { &asked.question };
        format!("{question}\n{}答案：", choice_lines(&asked.choices))
    };
    let joined = if harness { " " } else { "" };
    let example =
        |shown: &Question| Example { question: ask(shown), answer: format!("{joined}{}", letter(shown.answer)) };
    let examination = if harness { "" } else { "考试" };
    let wording = Wording {
        description: format!("以下是中国关于{}{examination}的单项选择题，请选出其中的正确答案。\n\n", subject.title),
        examples: subject.examples.iter().map(example).collect(),
        fewshot_sampler: Some("first_n of dev"),
        doc_to_text: if harness {
            "{question stripped}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\n答案："
        } else {
            "{question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\n答案："
        },
        delimiter: if harness { asker.delimiter() } else { "" },
        joining: if harness { Joining::Together } else { Joining::Apart },
        choices: Choices::Fixed(LETTERS),
        scores: if harness { Scores::AccAndNorm } else { Scores::Acc },
    };
    let question = |asked: &Question| ChoiceQuestion { text: ask(asked), choices: Vec::new(), answer: asked.answer };
    let questions = subject.questions.iter().map(question).collect();
    Ok(LikeliestChoice { frame: subject.frame, asker, wording, questions })
}
