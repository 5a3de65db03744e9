//! What a task asks of a model, in tokens, and what comes back.

use engine::decoder::NumericalFailure;
use engine::generate::{Decoding, DrawKey};

/// One question to a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The log-probabilities of `tokens[first_scored..]`, each given all tokens before it.
    Score {
        /// The sequence; not empty.
        tokens: Vec<u32>,
        /// First scored token, at least 1: the first token of a sequence is conditioned on nothing.
        first_scored: usize,
        /// Length of the sequence that the published code gives to the model: position encodings that depend on the
        /// length are made for it. lm-evaluation-harness leaves the last token out, the perplexity windows do not.
        sequence_len: usize,
    },
    /// A continuation.
    Generate {
        /// The sequence to continue; not empty.
        prompt: Vec<u32>,
        /// Tokens to generate at most.
        max_new_tokens: usize,
        /// Strings that end the text; cut off. One that is the text of a single token ends it as an end token does.
        stop: Vec<String>,
        /// How each token is chosen.
        decoding: Decoding,
        /// What draws are for; the position is filled in. Of greedy continuations it means nothing.
        key: DrawKey,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// To [`Request::Score`]: natural-log probabilities and, token by token, whether it was the most probable one.
    Scored {
        /// One a scored token.
        log_probs: Vec<f64>,
        /// One a scored token.
        greedy: Vec<bool>,
    },
    /// To [`Request::Generate`].
    Generated {
        /// New tokens, an end token left out; those of a stop string are in it.
        tokens: Vec<u32>,
        /// Their text, cut before the first stop string.
        text: String,
    },
    /// A NaN or an infinity: there is no answer.
    Failed(NumericalFailure),
}

impl Request {
    /// The log-likelihood of `continuation` after `context`, which must not be empty.
    pub fn loglikelihood(context: &[u32], continuation: &[u32]) -> Self {
        let tokens = [context, continuation].concat();
        let sequence_len = tokens.len().saturating_sub(1);
        Request::Score { tokens, first_scored: context.len(), sequence_len }
    }

    /// Every token of `window` but the first, each given the ones before it.
    pub fn window(window: &[u32]) -> Self {
        Request::Score { tokens: window.to_vec(), first_scored: 1, sequence_len: window.len() }
    }
}
