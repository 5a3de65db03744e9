//! Multiple choice by generation: the letter is read out of the reply of a chat model.
//!
//! One message of the user in the checkpoint's chat template, no worked examples, greedy, at most 512 tokens, as Qwen's
//! evaluation scripts do (QwenLM/Qwen, `eval/evaluate_chat_*.py`).

use super::ask::{Asker, Question, Reply, ReplyLimits};
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::world::{Origin, WORD_TOKENS};
use super::{Frame, Inputs, Task, TaskId};
use crate::error::Error;
use crate::extract::{self, Extraction};
use crate::metric::accuracy;
use crate::request::Outcome;
use serde_json::{Map, Value};

/// What ends a reply where a protocol says no more: nothing but its length.
pub const LIMITS: ReplyLimits<'_> = ReplyLimits { max_new_tokens: 512, stop: &[] };

/// A question with lettered choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetteredQuestion {
    /// The question itself.
    pub question: String,
    /// The texts of its choices.
    pub choices: [String; 4],
    /// Index of the right one.
    pub answer: usize,
}

/// How a benchmark asks and reads.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The message of the user.
    pub message: fn(&LetteredQuestion) -> String,
    /// The same as a pattern, for results.
    pub doc_to_text: &'static str,
    /// Finds the answer in a reply.
    pub extract: fn(&str, &LetteredQuestion) -> Result<Extraction, extract::Error>,
    /// The code whose rules these are.
    pub extraction: &'static str,
}

/// A benchmark whose answer is the letter in a reply.
pub struct LetterInReply<'a> {
    frame: Frame,
    asker: Asker<'a>,
    script: Script,
    limits: ReplyLimits<'static>,
    questions: Vec<LetteredQuestion>,
}

impl<'a> LetterInReply<'a> {
    /// A benchmark, asked in the chat template.
    ///
    /// # Errors
    /// A model without chat template.
    pub fn new(
        id: &TaskId,
        inputs: &Inputs<'a>,
        frame: Frame,
        script: Script,
        questions: Vec<LetteredQuestion>,
    ) -> Result<Self, Error> {
        let asker = Asker::chat(id, inputs, &format!("`{}@lm-eval`", id.name))?;
        let limits = Origin::of(id)?.replies(LIMITS, WORD_TOKENS);
        Ok(Self { frame, asker, script, limits, questions })
    }

    fn question(&self, document: usize) -> Result<&LetteredQuestion, Error> {
        let question = self.questions.get(document);
        question.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }
}

/// Lines `A. ...` to `D. ...`, each with a line break.
pub fn choice_lines(choices: &[String]) -> String {
    choices.iter().enumerate().map(|(choice, text)| format!("{}. {text}\n", letter(choice))).collect()
}

/// The letter of a choice.
pub fn letter(choice: usize) -> &'static str {
    LETTERS.get(choice).copied().unwrap_or("?")
}

/// The letters of four choices.
pub const LETTERS: &[&str] = &["A", "B", "C", "D"];

/// Appends to a sample how an answer was found, and in which part of the reply with letters for choice texts.
pub fn log_extraction(sample: Sample, found: &Extraction) -> Sample {
    sample.with("rule", found.rule.name()).with("span", found.matched())
}

impl Task for LetterInReply<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("doc_to_text", self.script.doc_to_text.into());
        set("extraction", format!("{}: always gives a letter", self.script.extraction).into());
        self.asker.describe_reply(&self.frame, self.limits, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let text = (self.script.message)(self.question(document)?);
        let question = Question { description: "", examples: &[], text: &text };
        self.asker.reply(&self.frame, document, &question, self.limits)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let question = self.question(document)?;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let found = (self.script.extract)(reply.text, question)?;
        Ok(log_extraction(reply.log(Sample::of(item)), &found)
            .with("answer", letter(question.answer))
            .with("extracted", letter(found.choice))
            .with("correct", found.choice == question.answer))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        Ok(vec![self.frame.mean(samples, "correct", &accuracy::ACC)?])
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
