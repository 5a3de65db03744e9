//! A text on its way: the tokens of one continuation, and where it ends.

use super::scoring::{Target, Wanted};
use crate::request::Outcome;
use engine::generate::{Decoding, DrawKey, Progress, StoppedText};
use engine::kv_cache::KvCache;
use engine::tokenizer::{SpecialText, TextStream, Tokenizer};

/// What a request says of its continuation.
#[derive(Clone, Copy)]
pub struct Limits<'r> {
    /// Tokens to generate at most.
    pub max_new_tokens: usize,
    /// Strings that end the text.
    pub stop: &'r [String],
    /// How each token is chosen.
    pub decoding: Decoding,
    /// What draws are for.
    pub key: DrawKey,
}

/// One token at a time after a prompt.
pub struct Stream<'r> {
    /// Index of the request.
    pub request: usize,
    /// Keys and values of the prompt, and of all tokens but the last.
    pub cache: KvCache,
    /// Tokens so far.
    pub generated: Vec<u32>,
    /// Positions that are its own at its end.
    pub reserved: usize,
    limits: Limits<'r>,
    /// Tokens that end it.
    ends: Vec<u32>,
    /// Its text piece by piece, where something is looked for in it.
    text: Option<(TextStream<'r>, StoppedText<'r>)>,
}

impl<'r> Stream<'r> {
    /// A stream before its first token; without tokenizer there is no text, and nothing but the number of tokens ends it.
    pub fn new(
        request: usize,
        cache: KvCache,
        reserved: usize,
        limits: Limits<'r>,
        tokenizer: Option<&'r Tokenizer>,
    ) -> Self {
        let mut ends = Vec::new();
        let mut text = None;
        if let Some(tokenizer) = tokenizer {
            ends.extend_from_slice(tokenizer.eos_ids());
            ends.extend(limits.stop.iter().filter_map(|stop| tokenizer.token_to_id(stop)));
            if limits.stop.iter().any(|stop| !stop.is_empty()) {
                text = Some((tokenizer.text_stream(SpecialText::Skip), StoppedText::new(limits.stop)));
            }
        }
        Self { request, cache, generated: Vec::new(), reserved, limits, ends, text }
    }

    /// What is read after the last position computed.
    pub fn target(&self) -> Target {
        let position = self.cache.len() - 1;
        let wanted = Wanted::next(self.limits.decoding, self.limits.key, position);
        Target { position, readers: vec![(self.request, wanted)] }
    }

    /// Takes in a token; whether the text ends with it.
    pub fn push(&mut self, token: u32) -> bool {
        if self.limits.max_new_tokens == 0 || self.ends.contains(&token) {
            return true;
        }
        self.generated.push(token);
        let stopped = self.text.as_mut().is_some_and(|(text, end)| {
            let piece = text.push(token).unwrap_or_default();
            matches!(end.push(&piece), Progress::Stopped { .. })
        });
        stopped || self.generated.len() >= self.limits.max_new_tokens
    }

    /// The outcome of a stream that has ended. Its tokens are decoded at once, so that bytes that spell no character
    /// appear as they do in any decoding of the whole.
    pub fn outcome(self, tokenizer: Option<&Tokenizer>) -> Outcome {
        let decode = |tokenizer: &Tokenizer| tokenizer.decode(&self.generated, SpecialText::Skip).unwrap_or_default();
        let mut text = tokenizer.map(decode).unwrap_or_default();
        let stops = self.limits.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(end) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
            text.truncate(end);
        }
        Outcome::Generated { tokens: self.generated, text }
    }
}
