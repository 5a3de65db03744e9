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
//! Source: EleutherAI/lm-evaluation-harness, `lm_eval/tasks/mmlu/default`. The four continuations are encoded together
//! with the prompt. All have one character, so that `acc_norm` would be `acc`.

use super::{Subject, choice_lines, letter};
use crate::error::Error;
use crate::metric::{self, accuracy};
use crate::request::Outcome;
use crate::task::ask::{Asker, Example, Question};
use crate::task::choices::{Joining, ScoredChoices};
use crate::task::prompt::python_strip;
use crate::task::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use crate::task::{Frame, Inputs, Task, TaskId};
use datasets::mmlu::MultipleChoice;
use serde_json::{Map, Value};

/// A subject, scored by log-likelihood.
pub struct LogLikelihood<'a> {
    subject: Subject,
    examples: Vec<Example>,
    asker: Asker<'a>,
}

impl<'a> LogLikelihood<'a> {
    /// Reads a subject.
    ///
    /// # Errors
    /// Missing or damaged data, too few worked examples, a chat template that is asked for and missing.
    pub fn new(id: &TaskId, inputs: &Inputs<'a>) -> Result<Self, Error> {
        let asker = Asker::lm_eval(id, inputs)?;
        let subject = Subject::read(id, inputs, inputs.options.num_fewshot.unwrap_or(0))?;
        let example = |example: &MultipleChoice| Example {
            question: ask(example),
            answer: format!(" {}", letter(example.answer)),
        };
        Ok(Self { examples: subject.examples.iter().map(example).collect(), subject, asker })
    }

    fn description(&self) -> String {
        format!("The following are multiple choice questions (with answers) about {}.\n\n", self.subject.title)
    }
}

/// A question with its choices, up to where the letter belongs.
fn ask(question: &MultipleChoice) -> String {
    format!("{}\n{}Answer:", python_strip(&question.question), choice_lines(question))
}

impl Task for LogLikelihood<'_> {
    fn frame(&self) -> &Frame {
        &self.subject.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("output_type", "multiple_choice".into());
        set("description", self.description().into());
        set("doc_to_text", "{question stripped}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:".into());
        set("doc_to_choice", vec!["A", "B", "C", "D"].into());
        set("target_delimiter", self.asker.delimiter().into());
        set("fewshot_delimiter", "\n\n".into());
        set("fewshot_sampler", "first_n of dev".into());
        self.asker.describe(&self.subject.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let text = ask(self.subject.question(document)?);
        let question = Question { description: &self.description(), examples: &self.examples, text: &text };
        let delimiter = self.asker.delimiter();
        let letters = (0..4).map(|choice| format!("{delimiter}{}", letter(choice))).collect();
        self.asker.choices(&self.subject.frame, document, &question, Joining::Together, letters)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let question = self.subject.question(document)?;
        let scored = ScoredChoices::read(self.subject.frame.place(document), outcomes, 4)?;
        let chosen = metric::first_largest(&scored.log_likelihoods)?;
        Ok(scored
            .log(Sample::of(item))
            .with("answer", letter(question.answer))
            .with("extracted", letter(chosen))
            .with("correct", chosen == question.answer))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        Ok(vec![self.subject.frame.mean(samples, "correct", &accuracy::ACC)?])
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
