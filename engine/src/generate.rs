//! Generation: a prompt to a continuation, one token at a time through the cache.

use crate::decoder::{Chunk, Decoder, NumericalFailure};
use crate::error::Error;
use crate::kv_cache::{KvCache, KvPrefix};
use crate::model::Model;
use crate::runtime::Runtime;
use crate::tokenizer::{SpecialText, TextStream, Tokenizer, TokenizerError};
use std::ops::ControlFlow;

mod sampling;
mod stop;

pub use sampling::{Decoding, DrawKey, Sampling, greedy};
pub use stop::{Progress, StoppedText};

/// When and how to continue a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How each token is chosen.
    pub decoding: Decoding,
    /// What the draws are for; the position is filled in.
    pub key: DrawKey,
    /// Tokens to generate at most.
    pub max_new_tokens: usize,
    /// Tokens that end the continuation; empty to go on whatever comes.
    pub eos_ids: Vec<u32>,
    /// Strings that end the continuation; cut off. One that is the text of a single token ends it as an end token does.
    pub stop: Vec<String>,
    /// Tokens of the prompt in one pass through the blocks, all where the model reads them whole; changes memory and
    /// speed, no bit.
    pub prefill_chunk: usize,
}

/// Tokens of a prompt in one pass through the blocks, unless said otherwise.
pub const PREFILL_CHUNK: usize = 256;

/// One generated token.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<'s> {
    /// The token.
    pub token: u32,
    /// Its natural-log probability under the model, before temperature and cuts.
    pub log_prob: f64,
    /// The text that became certain with it; empty without a tokenizer.
    pub text: &'s str,
}

/// Why a continuation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// An end token came.
    EndToken(u32),
    /// A stop string came.
    StopString(String),
    /// All tokens that were asked for are there.
    Length,
    /// The model has no further positions.
    Context,
    /// The caller wanted no more.
    Interrupted,
}

impl Finish {
    /// The word of the field's interfaces: `stop`, `length`, or `interrupted`.
    pub fn reason(&self) -> &'static str {
        match self {
            Finish::EndToken(_) | Finish::StopString(_) => "stop",
            Finish::Length | Finish::Context => "length",
            Finish::Interrupted => "interrupted",
        }
    }
}

/// A continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// New tokens, an end token left out; those of a stop string are in it.
    pub tokens: Vec<u32>,
    /// Their natural-log probabilities under the model, before temperature and cuts.
    pub log_probs: Vec<f64>,
    /// Their text, cut before the first stop string; empty without a tokenizer.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
}

/// Why there is no continuation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The model cannot take the tokens, or its numbers overflow.
    #[error(transparent)]
    Model(#[from] Error),
    /// Tokens have no text.
    #[error(transparent)]
    Text(#[from] TokenizerError),
    /// There is nothing to continue.
    #[error("the prompt is empty: expected at least one token; give a prompt, or the token that begins a sequence")]
    EmptyPrompt,
}

/// Continues prompts with one model.
pub struct Generator<'a> {
    decoder: Decoder<'a>,
    runtime: &'a Runtime,
    tokenizer: Option<&'a Tokenizer>,
    settings: Settings,
}

impl<'a> Generator<'a> {
    /// A generator; without `tokenizer` there is no text, and stop strings stop nothing.
    pub fn new(
        model: &'a Model,
        runtime: &'a Runtime,
        tokenizer: Option<&'a Tokenizer>,
        mut settings: Settings,
    ) -> Self {
        let single =
            settings.stop.iter().filter_map(|stop| tokenizer.and_then(|tokenizer| tokenizer.token_to_id(stop)));
        let single: Vec<u32> = single.filter(|id| !settings.eos_ids.contains(id)).collect();
        settings.eos_ids.extend(single);
        Self { decoder: Decoder::new(model, runtime), runtime, tokenizer, settings }
    }

    /// Continues `prompt`; `each` sees every token as it comes and may break off. The texts of the steps, joined, begin
    /// [`Generated::text`]; what was held back in case a stop string or a character went on follows there.
    ///
    /// # Errors
    /// An empty prompt, one that the model cannot take, numbers that overflow, tokens that cannot be decoded.
    pub fn run(
        &self,
        prompt: &[u32],
        each: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Generated, GenerateError> {
        let mut cache = self.decoder.cache_after(&KvPrefix::default());
        let mut logits = Vec::new();
        for chunk in self.decoder.chunks(prompt, self.settings.prefill_chunk) {
            logits = self.advance(&mut cache, chunk, prompt.len())?;
        }
        if logits.is_empty() {
            return Err(GenerateError::EmptyPrompt);
        }
        let mut text = Text::new(self.tokenizer, &self.settings.stop);
        let (mut tokens, mut log_probs) = (Vec::new(), Vec::new());
        let finish = loop {
            if tokens.len() >= self.settings.max_new_tokens {
                break Finish::Length;
            }
            let position = prompt.len() + tokens.len();
            let key = DrawKey { position: position as u32, ..self.settings.key };
            let token = self.settings.decoding.choose(&logits, key);
            if self.settings.eos_ids.contains(&token) {
                break Finish::EndToken(token);
            }
            let log_prob = f64::from(logits[token as usize]) - self.runtime.kernels().log_sum_exp(&logits);
            tokens.push(token);
            log_probs.push(log_prob);
            let stopped = text.push(token)?;
            let flow = each(Step { token, log_prob, text: &text.last });
            if let Some(stop) = stopped {
                break Finish::StopString(stop);
            }
            if flow.is_break() {
                break Finish::Interrupted;
            }
            if self.decoder.blueprint().positions.limit().is_some_and(|limit| position >= limit) {
                break Finish::Context;
            }
            if tokens.len() < self.settings.max_new_tokens {
                logits = self.advance(
                    &mut cache,
                    &[token],
                    self.decoder.blueprint().positions.generation_len(prompt.len(), position),
                )?;
            }
        };
        let (text, stopped) = text.finish()?;
        let finish = match stopped {
            Some(stop) if finish != Finish::Interrupted => Finish::StopString(stop),
            _ => finish,
        };
        Ok(Generated { tokens, log_probs, text, finish })
    }

    /// Appends `tokens` and returns the logits after the last of them, [vocab_size].
    fn advance(&self, cache: &mut KvCache, tokens: &[u32], sequence_len: usize) -> Result<Vec<f32>, Error> {
        let wanted = tokens.len() - 1..tokens.len();
        let last_position = cache.len() + tokens.len() - 1;
        let mut outputs = self.decoder.forward(&mut [Chunk { cache, tokens, sequence_len, wanted }])?;
        let hidden = match outputs.pop() {
            Some(outcome) => outcome?,
            None => return Ok(Vec::new()),
        };
        let logits = self.decoder.logits(&hidden);
        if logits.iter().all(|logit| logit.is_finite()) {
            return Ok(logits);
        }
        let layer = self.decoder.blueprint().layers;
        Err(NumericalFailure { layer, position: last_position }.into())
    }
}

/// The text of the tokens so far, without stop strings.
struct Text<'a> {
    stream: Option<TextStream<'a>>,
    end: StoppedText<'a>,
    all: String,
    last: String,
}

impl<'a> Text<'a> {
    fn new(tokenizer: Option<&'a Tokenizer>, stop: &'a [String]) -> Self {
        let stream = tokenizer.map(|tokenizer| tokenizer.text_stream(SpecialText::Skip));
        Self { stream, end: StoppedText::new(stop), all: String::new(), last: String::new() }
    }

    /// Appends a token; returns the stop string that it completes.
    fn push(&mut self, token: u32) -> Result<Option<String>, TokenizerError> {
        let piece = match &mut self.stream {
            Some(stream) => stream.push(token)?,
            None => String::new(),
        };
        Ok(self.append(&piece))
    }

    fn append(&mut self, piece: &str) -> Option<String> {
        let (text, stop) = match self.end.push(piece) {
            Progress::More(text) => (text, None),
            Progress::Stopped { text, stop } => (text, Some(stop)),
        };
        self.all.push_str(&text);
        self.last = text;
        if stop.is_some() {
            self.stream = None;
        }
        stop
    }

    /// The whole text; with the stop string, if the last bytes completed one.
    fn finish(mut self) -> Result<(String, Option<String>), TokenizerError> {
        let stop = match self.stream.take() {
            Some(stream) => self.append(&stream.finish()?),
            None => None,
        };
        if stop.is_none() {
            self.all.push_str(&self.end.finish());
        }
        Ok((self.all, stop))
    }
}
