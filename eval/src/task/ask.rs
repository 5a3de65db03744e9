//! Asking: a question with its worked examples becomes text, plain or in the chat template, and then requests.
//!
//! A plain prompt is, as in lm-evaluation-harness, description + example 1 + "\n\n" + ... + question, an example being
//! its question and its answer. In a chat template the description is the system's message, the rest the user's.

use super::Inputs;
use super::choices::{ChoicePrompt, Joining, Place};
use super::frame::Frame;
use super::id::TaskId;
use super::options::{Concession, GenerationOptions, OnOverflow, PromptForm};
use super::prompt::{Conversation, PromptEncoder};
use super::sample::{Item, Prepared, Sample, hash_text};
use crate::error::Error;
use crate::request::{Outcome, Request};
use engine::chat_template::Message;
use engine::generate::{Decoding, DrawKey, Sampling};
use engine::tokenizer::Specials;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A worked example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// As a question is asked, up to where the answer belongs.
    pub question: String,
    /// The answer, with what joins it to the question.
    pub answer: String,
}

/// A question, not yet in words for one model.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// What comes first, with the line breaks after it; may be empty.
    pub description: &'q str,
    /// Worked examples, the first ones taken first.
    pub examples: &'q [Example],
    /// The question, up to where the answer belongs.
    pub text: &'q str,
}

/// What ends a generated answer.
#[derive(Clone, Copy, Debug)]
pub struct ReplyLimits<'q> {
    /// Tokens at most.
    pub max_new_tokens: usize,
    /// Strings before which it is cut off.
    pub stop: &'q [&'q str],
}

/// Asks in the words of one protocol.
pub struct Asker<'a> {
    encoder: PromptEncoder<'a>,
    /// Where prompts are put into the chat template.
    conversation: Option<Conversation<'a>>,
    /// Whether replies are asked for without the tokens that the tokenizer would add: the template has them.
    specials: Specials,
    /// How tokens of replies are chosen.
    decoding: Decoding,
}

impl<'a> Asker<'a> {
    /// Plain prompts, or the chat template where the options ask for it: lm-evaluation-harness.
    ///
    /// # Errors
    /// A chat template that is asked for and missing.
    pub fn lm_eval(id: &TaskId, inputs: &Inputs<'a>) -> Result<Self, Error> {
        let conversation = match inputs.options.prompt_form {
            PromptForm::Plain => None,
            PromptForm::Chat => Some(Conversation::new(inputs, id, "plain prompts (no --apply_chat_template)")?),
        };
        Self::new(inputs, conversation, Specials::AsConfigured)
    }

    /// Always in the chat template.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`], which names `alternative`.
    pub fn chat(id: &TaskId, inputs: &Inputs<'a>, alternative: &str) -> Result<Self, Error> {
        let conversation = Some(Conversation::new(inputs, id, alternative)?);
        Self::new(inputs, conversation, Specials::Bare)
    }

    fn new(inputs: &Inputs<'a>, conversation: Option<Conversation<'a>>, specials: Specials) -> Result<Self, Error> {
        let encoder = PromptEncoder::new(inputs.tokenizer)?;
        let decoding = inputs.options.generation.decoding.unwrap_or(Decoding::Greedy);
        Ok(Self { encoder, conversation, specials, decoding })
    }

    /// Draws replies, as a protocol has it; what the options say comes first.
    pub fn drawing(self, inputs: &Inputs<'_>, sampling: Sampling) -> Self {
        let decoding = inputs.options.generation.decoding.unwrap_or(Decoding::Sampled(sampling));
        Self { decoding, ..self }
    }

    /// What stands between question and answer: a space, nothing in a chat template.
    pub fn delimiter(&self) -> &'static str {
        if self.conversation.is_some() { "" } else { " " }
    }

    /// The form of prompts, in results.
    pub fn form(&self) -> PromptForm {
        if self.conversation.is_some() { PromptForm::Chat } else { PromptForm::Plain }
    }

    /// The prompt with the first `shots` worked examples.
    ///
    /// # Errors
    /// The template refuses the conversation.
    pub fn text(&self, question: &Question<'_>, shots: usize) -> Result<String, Error> {
        let mut body = String::new();
        for example in question.examples.iter().take(shots) {
            body.push_str(&example.question);
            body.push_str(&example.answer);
            body.push_str("\n\n");
        }
        body.push_str(question.text);
        match &self.conversation {
            None => Ok(question.description.to_string() + &body),
            Some(conversation) => {
                let mut messages = Vec::with_capacity(2);
                if !question.description.is_empty() {
                    messages.push(Message::new("system", question.description));
                }
                messages.push(Message::new("user", body));
                conversation.render(&messages)
            }
        }
    }

    /// Asks for the log-likelihood of each of `continuations`, which begin with what joins them to the question.
    ///
    /// # Errors
    /// A worked example that is the question itself, and those of [`ChoicePrompt::prepare`].
    pub fn choices(
        &self,
        frame: &Frame,
        document: usize,
        question: &Question<'_>,
        joining: Joining,
        continuations: Vec<String>,
    ) -> Result<Prepared, Error> {
        refuse_shown_answer(frame, document, question)?;
        let prompt = ChoicePrompt {
            place: frame.place(document),
            encoder: &self.encoder,
            joining,
            options: &frame.options,
            context_len: frame.context_len,
            shots: question.examples.len(),
            context: &|shots| self.text(question, shots),
            continuations,
        };
        prompt.prepare()
    }

    /// Asks for the log-likelihood of `continuation` after each of several questions. Documented as one prompt: the
    /// texts one below the other.
    ///
    /// # Errors
    /// As [`Self::choices`].
    pub fn after_each(
        &self,
        frame: &Frame,
        document: usize,
        questions: &[Question<'_>],
        continuation: &str,
    ) -> Result<Prepared, Error> {
        let (mut texts, mut asked) = (Vec::new(), Vec::new());
        let mut first: Option<Item> = None;
        for question in questions {
            let continuations = vec![continuation.to_string()];
            match self.choices(frame, document, question, Joining::Together, continuations)? {
                Prepared::Skipped(reason) => return Ok(Prepared::Skipped(reason)),
                Prepared::Ready(item, requests) => {
                    texts.push(self.text(question, question.examples.len())?);
                    asked.extend(requests);
                    first = match first {
                        None => Some(item),
                        Some(first) => Some(first.joined_by(item)),
                    };
                }
            }
        }
        let first = first.ok_or_else(|| frame.place(document).mismatch("nothing is asked"))?;
        Ok(Prepared::Ready(Item { prompt_hash: hash_text(&texts.join("\n")), ..first }, asked))
    }

    /// Asks for a generated answer.
    ///
    /// # Errors
    /// A worked example that is the question itself, [`Error::ContextOverflow`], [`Error::DoubleBos`], the
    /// tokenizer's.
    pub fn reply(
        &self,
        frame: &Frame,
        document: usize,
        question: &Question<'_>,
        limits: ReplyLimits<'_>,
    ) -> Result<Prepared, Error> {
        refuse_shown_answer(frame, document, question)?;
        let on_overflow = frame.options.on_overflow;
        let wanted = wanted_tokens(frame, limits);
        // At least one token has to be generated; lm-evaluation-harness cuts until all of them find room.
        let room = if on_overflow == OnOverflow::Left { wanted.max(1) } else { 1 };
        let limit = frame.context_len.saturating_sub(room);
        let mut shots = question.examples.len();
        let (text, mut tokens) = loop {
            let text = self.text(question, shots)?;
            let tokens = match self.specials {
                Specials::Bare => self.encoder.tokenizer().encode(&text, Specials::Bare)?,
                Specials::AsConfigured => self.encoder.encode(&text)?,
            };
            if tokens.len() <= limit || on_overflow != OnOverflow::DropShots || shots == 0 {
                break (text, tokens);
            }
            shots -= 1;
        };
        let task = || frame.id.clone();
        if frame.options.double_bos == Concession::Refuse && self.encoder.begins_twice(&tokens) {
            let token = self.encoder.tokenizer().bos_token().unwrap_or_default().to_string();
            return Err(Error::DoubleBos { task: task(), document, token });
        }
        let mut item = Item::of_text(&text, tokens.len(), &[]);
        if shots < question.examples.len() {
            item.notes.insert("shots".into(), shots.into());
        }
        if tokens.len() > limit {
            match on_overflow {
                OnOverflow::Skip => {
                    let reason = format!("{} tokens do not fit in the context of {limit}", tokens.len());
                    return Ok(Prepared::Skipped(reason));
                }
                OnOverflow::Left if limit > 0 => {
                    let cut = tokens.len() - limit;
                    tokens.drain(..cut);
                    item.prompt_tokens = tokens.len();
                    item.notes.insert("tokens_cut_left".into(), cut.into());
                }
                OnOverflow::Extend => {
                    item.notes.insert("tokens_beyond_context".into(), (tokens.len() - limit).into());
                }
                OnOverflow::Left | OnOverflow::DropShots | OnOverflow::Error => {
                    return Err(Error::ContextOverflow { task: task(), document, tokens: tokens.len(), limit });
                }
            }
        }
        let max_new_tokens = match on_overflow {
            OnOverflow::Extend => wanted,
            _ => wanted.min(frame.context_len - tokens.len()),
        };
        if max_new_tokens < wanted {
            item.notes.insert("max_new_tokens".into(), max_new_tokens.into());
        }
        let stop = limits.stop.iter().map(|stop| stop.to_string()).collect();
        let key = DrawKey { seed: frame.options.seed, item: draw_item(&frame.id, document), ..DrawKey::default() };
        let request = Request::Generate { prompt: tokens, max_new_tokens, stop, decoding: self.decoding, key };
        Ok(Prepared::Ready(item, vec![request]))
    }

    /// Adds to a configuration how replies are generated.
    pub fn describe_reply(&self, frame: &Frame, limits: ReplyLimits<'_>, fields: &mut Map<String, Value>) {
        fields.insert("output_type".into(), "generate_until".into());
        let decoding = match self.decoding {
            Decoding::Greedy => "greedy".to_string(),
            Decoding::Sampled(Sampling { temperature, top_k, top_p }) => {
                let top_k = top_k.map(|top_k| format!(", top_k {top_k}")).unwrap_or_default();
                let seed = frame.options.seed;
                format!("drawn: temperature {temperature}{top_k}, top_p {top_p}, seed {seed}, task and document")
            }
        };
        fields.insert("decoding".into(), decoding.into());
        fields.insert("max_new_tokens".into(), wanted_tokens(frame, limits).into());
        fields.insert("stop".into(), limits.stop.into());
        if frame.options.generation != GenerationOptions::default() {
            let note = "decoding or max_new_tokens are not the protocol's: --gen_kwargs";
            fields.insert("generation_note".into(), note.into());
        }
    }

    /// Adds to a configuration what every prompt is subject to.
    pub fn describe(&self, frame: &Frame, fields: &mut Map<String, Value>) {
        fields.insert("num_fewshot".into(), frame.shots.into());
        if frame.options.num_fewshot.is_some_and(|wanted| wanted != frame.shots) {
            let note = format!("the protocol fixes num_fewshot at {}: --num_fewshot is ignored", frame.shots);
            fields.insert("note".into(), note.into());
        }
        fields.insert("prompt_form".into(), self.form().name().into());
        fields.insert("on_overflow".into(), frame.options.on_overflow.name().into());
        fields.insert("double_bos".into(), frame.options.double_bos.name().into());
        if frame.shots > 0 {
            fields.insert("shown_answers".into(), frame.options.shown_answers.name().into());
        }
    }
}

/// Tokens of a reply at most: what the options say, or else the protocol.
fn wanted_tokens(frame: &Frame, limits: ReplyLimits<'_>) -> usize {
    frame.options.generation.max_new_tokens.unwrap_or(limits.max_new_tokens)
}

/// The number of a document in the keys of draws: the first eight bytes, as a little-endian number, of the SHA-256 of the
/// task's full id, a line break and the document's number in decimal.
fn draw_item(task: &str, document: usize) -> u64 {
    let digest = Sha256::digest(format!("{task}\n{document}"));
    digest.iter().take(8).rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// A generated answer.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'o> {
    /// Cut before the first stop string.
    pub text: &'o str,
    /// Number of tokens.
    pub tokens: usize,
}

impl<'o> Reply<'o> {
    /// The outcome of [`Asker::reply`].
    ///
    /// # Errors
    /// [`Error::Mismatch`].
    pub fn read(place: Place<'_>, outcomes: &'o [Outcome]) -> Result<Self, Error> {
        match outcomes {
            [Outcome::Generated { tokens, text }] => Ok(Self { text, tokens: tokens.len() }),
            other => Err(place.mismatch(format!("one reply was asked for, got {other:?}"))),
        }
    }

    /// Appends it to a sample.
    pub fn log(&self, sample: Sample) -> Sample {
        sample.with("token_counts", vec![self.tokens]).with("reply", self.text)
    }
}

/// The first `shots` worked examples.
///
/// # Errors
/// [`Error::TooFewExamples`].
pub fn first_examples<Q>(id: &TaskId, mut questions: Vec<Q>, shots: usize) -> Result<Vec<Q>, Error> {
    if shots > questions.len() {
        return Err(Error::TooFewExamples { task: id.to_string(), wanted: shots, available: questions.len() });
    }
    questions.truncate(shots);
    Ok(questions)
}

/// Refuses a worked example that is the question itself, unless the options allow it.
fn refuse_shown_answer(frame: &Frame, document: usize, question: &Question<'_>) -> Result<(), Error> {
    let shown = question.examples.iter().position(|example| example.question == question.text);
    match shown {
        Some(example) if frame.options.shown_answers == Concession::Refuse => {
            Err(Error::ShownAnswer { task: frame.id.clone(), document, example })
        }
        _ => Ok(()),
    }
}
