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
//! One message of the user in the checkpoint's chat template (the first sentence on one line), no worked examples,
//! greedy, at most 512 tokens. Source: QwenLM/Qwen, `eval/evaluate_chat_mmlu.py`; the paper's prompt is the same.

use super::{Subject, choice_lines, letter};
use crate::error::Error;
use crate::extract;
use crate::metric::accuracy;
use crate::request::Outcome;
use crate::task::ask::{Asker, Question, Reply, ReplyLimits};
use crate::task::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use crate::task::{Frame, Inputs, Task, TaskId};
use serde_json::{Map, Value};

const INSTRUCTION: &str = "The following is a multiple-choice question. Please choose the most suitable one among A, B, C \
                           and D as the answer to this question.";

const LIMITS: ReplyLimits<'_> = ReplyLimits { max_new_tokens: 512, stop: &[] };

/// A subject, scored by generation.
pub struct Generated<'a> {
    subject: Subject,
    asker: Asker<'a>,
}

impl<'a> Generated<'a> {
    /// Reads a subject.
    ///
    /// # Errors
    /// Missing or damaged data; a model without chat template.
    pub fn new(id: &TaskId, inputs: &Inputs<'a>) -> Result<Self, Error> {
        let asker = Asker::chat(id, inputs, &format!("`{}@lm-eval`", id.name))?;
        Ok(Self { subject: Subject::read(id, inputs, 0)?, asker })
    }
}

impl Task for Generated<'_> {
    fn frame(&self) -> &Frame {
        &self.subject.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("doc_to_text", format!("{INSTRUCTION}\n\n{{question}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\n").into());
        set("extraction", "QwenLM/Qwen, eval/evaluate_chat_mmlu.py: always gives a letter".into());
        self.asker.describe_reply(&self.subject.frame, LIMITS, &mut fields);
        self.asker.describe(&self.subject.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = self.subject.question(document)?;
        let text = format!("{INSTRUCTION}\n\n{}\n{}", question.question, choice_lines(question));
        let question = Question { description: "", examples: &[], text: &text };
        self.asker.reply(&self.subject.frame, document, &question, LIMITS)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let question = self.subject.question(document)?;
        let reply = Reply::read(self.subject.frame.place(document), outcomes)?;
        let found = extract::qwen_chat_mmlu(reply.text, &question.choices)?;
        Ok(reply
            .log(Sample::of(item))
            .with("rule", found.rule.name())
            .with("answer", letter(question.answer))
            .with("extracted", letter(found.choice))
            .with("correct", found.choice == question.answer))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        Ok(vec![self.subject.frame.mean(samples, "correct", &accuracy::ACC)?])
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
