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

use super::{Subject, accuracy, choice_lines, letter};
use crate::error::Error;
use crate::extract;
use crate::request::{Outcome, Request};
use crate::task::choices::Place;
use crate::task::options::{Concession, OnOverflow};
use crate::task::prompt::{Conversation, PromptEncoder};
use crate::task::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use crate::task::{Entry, Inputs, SampleCounts, Task, TaskId};
use datasets::DatasetFile;
use datasets::mmlu::MultipleChoice;
use engine::chat_template::Message;
use engine::tokenizer::Specials;
use serde_json::{Map, Value};

const INSTRUCTION: &str = "The following is a multiple-choice question. Please choose the most suitable one among A, B, C \
                           and D as the answer to this question.";

const MAX_NEW_TOKENS: usize = 512;

/// A subject, scored by generation.
pub struct Generated<'a> {
    subject: Subject,
    encoder: PromptEncoder<'a>,
    conversation: Conversation<'a>,
}

impl<'a> Generated<'a> {
    /// Reads a subject.
    ///
    /// # Errors
    /// Missing or damaged data; a model without chat template.
    pub fn new(id: &TaskId, inputs: &Inputs<'a>) -> Result<Self, Error> {
        let conversation = Conversation::new(inputs, id, &format!("`{}@lm-eval`", id.name))?;
        Ok(Self {
            subject: Subject::read(id, inputs, 0)?,
            encoder: PromptEncoder::new(inputs.tokenizer)?,
            conversation,
        })
    }

    fn place(&self, document: usize) -> Place<'_> {
        Place { task: &self.subject.id, document }
    }

    fn question(&self, document: usize) -> Result<&MultipleChoice, Error> {
        let question = self.subject.questions.get(document);
        question.ok_or_else(|| self.place(document).mismatch("there is no such document"))
    }
}

impl Task for Generated<'_> {
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
        0
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
        set("output_type", "generate_until".into());
        set("doc_to_text", format!("{INSTRUCTION}\n\n{{question}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\n").into());
        set("num_fewshot", 0.into());
        if options.num_fewshot.is_some_and(|shots| shots > 0) {
            set("note", "the protocol has no worked examples: --num_fewshot is ignored".into());
        }
        set("prompt_form", "chat".into());
        set("decoding", "greedy".into());
        set("max_new_tokens", MAX_NEW_TOKENS.into());
        set("extraction", "QwenLM/Qwen, eval/evaluate_chat_mmlu.py: always gives a letter".into());
        set("on_overflow", options.on_overflow.name().into());
        set("double_bos", options.double_bos.name().into());
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = self.question(document)?;
        let body = format!("{INSTRUCTION}\n\n{}\n{}", question.question, choice_lines(question));
        let text = self.conversation.render(&[Message::new("user", body)])?;
        let mut tokens = self.encoder.tokenizer().encode(&text, Specials::Bare)?;
        if self.subject.options.double_bos == Concession::Refuse && self.encoder.begins_twice(&tokens) {
            let token = self.encoder.tokenizer().bos_token().unwrap_or_default().to_string();
            return Err(Error::DoubleBos { task: self.subject.id.clone(), document, token });
        }
        // At least one token has to be generated.
        let limit = self.subject.context_len.saturating_sub(1);
        let mut item = Item::of_text(&text, tokens.len());
        if tokens.len() > limit {
            match self.subject.options.on_overflow {
                OnOverflow::Skip => {
                    let reason = format!("{} tokens do not fit in the context of {limit}", tokens.len());
                    return Ok(Prepared::Skipped(reason));
                }
                OnOverflow::Left => {
                    let cut = tokens.len() - limit;
                    tokens.drain(..cut);
                    item.prompt_tokens = tokens.len();
                    item.notes.insert("tokens_cut_left".into(), cut.into());
                }
                OnOverflow::Extend => {
                    item.notes.insert("tokens_beyond_context".into(), (tokens.len() - limit).into());
                }
                OnOverflow::DropShots | OnOverflow::Error => {
                    let task = self.subject.id.clone();
                    return Err(Error::ContextOverflow { task, document, tokens: tokens.len(), limit });
                }
            }
        }
        let max_new_tokens = match self.subject.options.on_overflow {
            OnOverflow::Extend => MAX_NEW_TOKENS,
            _ => MAX_NEW_TOKENS.min(self.subject.context_len - tokens.len()),
        };
        if max_new_tokens < MAX_NEW_TOKENS {
            item.notes.insert("max_new_tokens".into(), max_new_tokens.into());
        }
        Ok(Prepared::Ready(item, vec![Request::Generate { prompt: tokens, max_new_tokens, stop: Vec::new() }]))
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let question = self.question(document)?;
        let [Outcome::Generated { tokens, text }] = outcomes else {
            return Err(self.place(document).mismatch(format!("one reply was asked for, got {outcomes:?}")));
        };
        let found = extract::qwen_chat_mmlu(text, &question.choices)?;
        Ok(Sample::of(item)
            .with("token_counts", vec![tokens.len()])
            .with("reply", text.as_str())
            .with("rule", found.rule.name())
            .with("answer", letter(question.answer))
            .with("extracted", letter(found.choice))
            .with("correct", found.choice == question.answer))
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
