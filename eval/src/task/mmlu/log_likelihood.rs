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

use super::{Subject, accuracy, choice_lines, letter};
use crate::error::Error;
use crate::metric;
use crate::request::Outcome;
use crate::task::choices::{ChoicePrompt, Joining, Place, ScoredChoices};
use crate::task::options::{Concession, PromptForm};
use crate::task::prompt::{Conversation, PromptEncoder, python_strip};
use crate::task::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use crate::task::{Entry, Inputs, SampleCounts, Task, TaskId};
use datasets::DatasetFile;
use datasets::mmlu::MultipleChoice;
use engine::chat_template::Message;
use serde_json::{Map, Value};

/// A subject, scored by log-likelihood.
pub struct LogLikelihood<'a> {
    subject: Subject,
    encoder: PromptEncoder<'a>,
    /// Where prompts are put into the chat template.
    conversation: Option<Conversation<'a>>,
}

impl<'a> LogLikelihood<'a> {
    /// Reads a subject.
    ///
    /// # Errors
    /// Missing or damaged data, too few worked examples, a chat template that is asked for and missing.
    pub fn new(id: &TaskId, inputs: &Inputs<'a>) -> Result<Self, Error> {
        let conversation = match inputs.options.prompt_form {
            PromptForm::Plain => None,
            PromptForm::Chat => Some(Conversation::new(inputs, id, "plain prompts (no --apply_chat_template)")?),
        };
        Ok(Self {
            subject: Subject::read(id, inputs, inputs.options.num_fewshot.unwrap_or(0))?,
            encoder: PromptEncoder::new(inputs.tokenizer)?,
            conversation,
        })
    }

    fn description(&self) -> String {
        format!("The following are multiple choice questions (with answers) about {}.\n\n", self.subject.title)
    }

    /// The prompt of a question after `shots` worked examples.
    fn context(&self, question: &MultipleChoice, shots: usize) -> Result<String, Error> {
        let mut body = String::new();
        for example in self.subject.examples.iter().take(shots) {
            body.push_str(&format!("{} {}\n\n", ask(example), letter(example.answer)));
        }
        body.push_str(&ask(question));
        match &self.conversation {
            None => Ok(self.description() + &body),
            Some(conversation) => {
                conversation.render(&[Message::new("system", self.description()), Message::new("user", body)])
            }
        }
    }

    fn place(&self, document: usize) -> Place<'_> {
        Place { task: &self.subject.id, document }
    }

    fn question(&self, document: usize) -> Result<&MultipleChoice, Error> {
        let question = self.subject.questions.get(document);
        question.ok_or_else(|| self.place(document).mismatch("there is no such document"))
    }
}

/// A question with its choices, up to where the letter belongs.
fn ask(question: &MultipleChoice) -> String {
    format!("{}\n{}Answer:", python_strip(&question.question), choice_lines(question))
}

impl Task for LogLikelihood<'_> {
    fn id(&self) -> &str {
        &self.subject.id
    }

    fn entry(&self) -> &'static Entry {
        &super::MMLU_SUBJECT
    }

    fn version(&self) -> f64 {
        1.0
    }

    fn shots(&self) -> usize {
        self.subject.examples.len()
    }

    fn document_count(&self) -> usize {
        self.subject.questions.len()
    }

    fn sample_counts(&self) -> SampleCounts {
        self.subject.sample_counts()
    }

    fn files(&self) -> &[DatasetFile] {
        &self.subject.files
    }

    fn configuration(&self) -> Map<String, Value> {
        let options = &self.subject.options;
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("output_type", "multiple_choice".into());
        set("description", self.description().into());
        set("doc_to_text", "{question stripped}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:".into());
        set("doc_to_choice", vec!["A", "B", "C", "D"].into());
        set("target_delimiter", if self.conversation.is_some() { "" } else { " " }.into());
        set("fewshot_delimiter", "\n\n".into());
        set("num_fewshot", self.shots().into());
        set("fewshot_sampler", "first_n of dev".into());
        set("prompt_form", options.prompt_form.name().into());
        set("on_overflow", options.on_overflow.name().into());
        set("double_bos", options.double_bos.name().into());
        set("shown_answers", options.shown_answers.name().into());
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = self.question(document)?;
        let same = |example: &MultipleChoice| {
            python_strip(&example.question) == python_strip(&question.question) && example.choices == question.choices
        };
        if self.subject.options.shown_answers == Concession::Refuse
            && let Some(example) = self.subject.examples.iter().position(same)
        {
            return Err(Error::ShownAnswer { task: self.subject.id.clone(), document, example });
        }
        let delimiter = if self.conversation.is_some() { "" } else { " " };
        let prompt = ChoicePrompt {
            place: self.place(document),
            encoder: &self.encoder,
            joining: Joining::Together,
            options: &self.subject.options,
            context_len: self.subject.context_len,
            shots: self.shots(),
            context: &|shots| self.context(question, shots),
            continuations: (0..4).map(|choice| format!("{delimiter}{}", letter(choice))).collect(),
        };
        prompt.prepare()
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let question = self.question(document)?;
        let scored = ScoredChoices::read(self.place(document), outcomes, 4)?;
        let chosen = metric::first_largest(&scored.log_likelihoods)?;
        Ok(scored
            .log(Sample::of(item))
            .with("answer", letter(question.answer))
            .with("extracted", letter(chosen))
            .with("correct", chosen == question.answer))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        accuracy(samples)
    }

    fn metric_names(&self) -> &'static [&'static str] {
        super::MMLU_SUBJECT.metrics
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
