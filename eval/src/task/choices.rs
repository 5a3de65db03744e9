//! Multiple choice by log-likelihood: one context, several continuations.

use super::options::{Concession, OnOverflow, TaskOptions};
use super::prompt::{Pair, PromptEncoder};
use super::sample::{Item, Prepared, Sample};
use crate::error::Error;
use crate::metric::accuracy;
use crate::request::{Outcome, Request};
use serde_json::Value;

/// A document of a task, for errors.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Full id.
    pub task: &'a str,
    /// Document, 0-based.
    pub document: usize,
}

impl Place<'_> {
    /// A defect of the program at this document.
    pub fn mismatch(self, what: impl Into<String>) -> Error {
        Error::Mismatch { task: self.task.to_string(), document: self.document, what: what.into() }
    }
}

/// Whether continuations are encoded together with their context or on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// Together, as lm-evaluation-harness does.
    Together,
    /// Apart, each without special tokens, and appended, as RepE does.
    Apart,
}

/// The continuations of a prompt whose worked examples can be counted down.
pub struct ChoicePrompt<'a> {
    /// Where it stands.
    pub place: Place<'a>,
    /// What does the encoding.
    pub encoder: &'a PromptEncoder<'a>,
    /// How continuations are encoded.
    pub joining: Joining,
    /// Settings that decide what is refused.
    pub options: &'a TaskOptions,
    /// Tokens that the model can read.
    pub context_len: usize,
    /// Worked examples wanted.
    pub shots: usize,
    /// The text before the continuations, with so many worked examples.
    pub context: &'a dyn Fn(usize) -> Result<String, Error>,
    /// The continuations, with the space that joins them.
    pub continuations: Vec<String>,
}

impl ChoicePrompt<'_> {
    /// Encodes all continuations; what does not fit in the model's context is treated as the options say.
    ///
    /// The last token is scored but never read, so that `context_len + 1` tokens fit.
    ///
    /// # Errors
    /// [`Error::ContextOverflow`], [`Error::EmptyContinuation`], [`Error::DoubleBos`], and the tokenizer's.
    pub fn prepare(&self) -> Result<Prepared, Error> {
        let mut shots = self.shots;
        let (text, mut pairs) = loop {
            let text = (self.context)(shots)?;
            let pairs = self.encode(&text)?;
            let longest = longest_read(&pairs);
            if longest <= self.context_len {
                break (text, pairs);
            }
            match self.options.on_overflow {
                OnOverflow::Extend => break (text, pairs),
                OnOverflow::Left if pairs.iter().all(|pair| pair.continuation.len() <= self.context_len) => {
                    break (text, pairs);
                }
                OnOverflow::Skip => {
                    let limit = self.context_len;
                    return Ok(Prepared::Skipped(format!("{longest} tokens do not fit in the context of {limit}")));
                }
                OnOverflow::DropShots if shots > 0 => shots -= 1,
                OnOverflow::DropShots | OnOverflow::Left | OnOverflow::Error => {
                    return Err(Error::ContextOverflow {
                        task: self.place.task.to_string(),
                        document: self.place.document,
                        tokens: longest,
                        limit: self.context_len,
                    });
                }
            }
        };
        self.check(&pairs)?;
        let mut item = Item::of_text(&text, pairs.first().map_or(0, |pair| pair.context.len()), &self.continuations);
        if shots < self.shots {
            item.notes.insert("shots".into(), shots.into());
        }
        let longest = longest_read(&pairs);
        if self.options.on_overflow == OnOverflow::Extend && longest > self.context_len {
            item.notes.insert("tokens_beyond_context".into(), (longest - self.context_len).into());
        }
        let limit = match self.options.on_overflow {
            OnOverflow::Left => self.context_len,
            _ => usize::MAX,
        };
        let cut: Vec<usize> = pairs.iter_mut().map(|pair| pair.cut_left(limit)).collect();
        if cut.iter().any(|&tokens| tokens > 0) {
            item.notes.insert("tokens_cut_left".into(), cut.into());
        }
        let requests = pairs.iter().map(|pair| Request::loglikelihood(&pair.context, &pair.continuation));
        Ok(Prepared::Ready(item, requests.collect()))
    }

    fn encode(&self, text: &str) -> Result<Vec<Pair>, Error> {
        match self.joining {
            Joining::Together => self.encoder.pairs(text, &self.continuations),
            Joining::Apart => {
                let context = self.encoder.encode(text)?;
                let mut pairs = Vec::with_capacity(self.continuations.len());
                for continuation in &self.continuations {
                    let continuation =
                        self.encoder.tokenizer().encode(continuation, engine::tokenizer::Specials::Bare)?;
                    pairs.push(Pair { context: context.clone(), continuation });
                }
                Ok(pairs)
            }
        }
    }

    fn check(&self, pairs: &[Pair]) -> Result<(), Error> {
        let (task, document) = (self.place.task.to_string(), self.place.document);
        for (pair, answer) in pairs.iter().zip(&self.continuations) {
            if pair.context.is_empty() || pair.continuation.is_empty() {
                return Err(Error::EmptyContinuation { task, document, answer: answer.clone() });
            }
            if self.options.double_bos == Concession::Refuse && self.encoder.begins_twice(&pair.context) {
                let token = self.encoder.tokenizer().bos_token().unwrap_or_default().to_string();
                return Err(Error::DoubleBos { task, document, token });
            }
        }
        Ok(())
    }
}

impl Pair {
    /// Cuts tokens off the beginning until `context_len` remain to be read; returns how many. One token of context
    /// stays, whatever the length.
    fn cut_left(&mut self, context_len: usize) -> usize {
        let read = self.context.len() + self.continuation.len() - 1;
        let cut = read.saturating_sub(context_len).min(self.context.len().saturating_sub(1));
        self.context.drain(..cut);
        cut
    }
}

/// Tokens that the model reads for the longest of `pairs`.
fn longest_read(pairs: &[Pair]) -> usize {
    pairs.iter().map(|pair| (pair.context.len() + pair.continuation.len()).saturating_sub(1)).max().unwrap_or(0)
}

/// Sums and token counts of the outcomes of a [`ChoicePrompt`].
pub struct ScoredChoices {
    /// Sum of the log-probabilities of each continuation, in token order.
    pub log_likelihoods: Vec<f64>,
    /// Tokens of each.
    pub tokens: Vec<usize>,
    /// Whether each is what greedy decoding gives.
    pub greedy: Vec<bool>,
}

impl ScoredChoices {
    /// Reads the outcomes of `expected` requests.
    ///
    /// # Errors
    /// [`Error::Mismatch`].
    pub fn read(place: Place<'_>, outcomes: &[Outcome], expected: usize) -> Result<Self, Error> {
        if outcomes.len() != expected {
            return Err(place.mismatch(format!("{} outcomes for {expected} requests", outcomes.len())));
        }
        let mut scored = Self { log_likelihoods: Vec::new(), tokens: Vec::new(), greedy: Vec::new() };
        for outcome in outcomes {
            let (log_probs, greedy) = scored_tokens(place, outcome)?;
            scored.log_likelihoods.push(sum(log_probs));
            scored.tokens.push(log_probs.len());
            scored.greedy.push(greedy.iter().all(|&greedy| greedy));
        }
        Ok(scored)
    }

    /// The same as choices with lengths, of texts without the space that joins them.
    pub fn of_texts(&self, texts: &[&str]) -> Vec<accuracy::Choice> {
        texts.iter().zip(&self.log_likelihoods).map(|(text, &score)| accuracy::Choice::new(text, score)).collect()
    }

    /// Appends them to a sample.
    pub fn log(&self, sample: Sample) -> Sample {
        sample
            .with("token_counts", self.tokens.clone())
            .with("log_probs", numbers(&self.log_likelihoods))
            .with("is_greedy", self.greedy.clone())
    }
}

/// The log-probabilities of an outcome.
///
/// # Errors
/// [`Error::Mismatch`] if it is not a score.
pub fn scored_tokens<'o>(place: Place<'_>, outcome: &'o Outcome) -> Result<(&'o [f64], &'o [bool]), Error> {
    match outcome {
        Outcome::Scored { log_probs, greedy } => Ok((log_probs, greedy)),
        other => Err(place.mismatch(format!("a score was asked for, the answer is {other:?}"))),
    }
}

/// The sum in order.
pub fn sum(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for value in values {
        sum += value;
    }
    sum
}

/// A JSON list of numbers.
pub fn numbers(values: &[f64]) -> Value {
    values.iter().copied().map(Value::from).collect()
}
