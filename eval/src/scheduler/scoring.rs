//! From hidden states to log-probabilities: the head only at scored positions, each row once for all its readers.

use crate::request::Outcome;
use engine::decoder::{Decoder, NumericalFailure};

/// A position whose next-token distribution is read.
#[derive(Debug)]
pub struct Target {
    /// Position in the sequence.
    pub position: usize,
    /// Requests, with the token that each scores there; without one, the most probable token is taken.
    pub readers: Vec<(usize, Option<u32>)>,
}

impl Target {
    /// A target without readers.
    pub fn at(position: usize) -> Self {
        Self { position, readers: Vec::new() }
    }
}

/// What a request has gathered.
#[derive(Debug, Default)]
pub struct Scores {
    log_probs: Vec<f64>,
    greedy: Vec<bool>,
    next: u32,
}

impl Scores {
    /// The outcome of a finished request.
    pub fn take_outcome(&mut self) -> Outcome {
        Outcome::Scored { log_probs: std::mem::take(&mut self.log_probs), greedy: std::mem::take(&mut self.greedy) }
    }

    /// The most probable token after a prompt.
    pub fn next_token(&self) -> u32 {
        self.next
    }
}

/// Logits held at a time: 32 MiB.
const LOGITS_AT_ONCE: usize = 8 << 20;

/// Reads `targets` off hidden states [last position - first position + 1, d_model] of consecutive positions.
pub fn score(
    decoder: &Decoder<'_>,
    hidden: &[f32],
    targets: &[Target],
    scores: &mut [Scores],
) -> Result<(), NumericalFailure> {
    let Some(first) = targets.first().map(|target| target.position) else { return Ok(()) };
    let blueprint = decoder.blueprint();
    let (d_model, vocab_size) = (blueprint.d_model, blueprint.vocab_size);
    for block in targets.chunks((LOGITS_AT_ONCE / vocab_size).max(1)) {
        let mut rows = Vec::with_capacity(block.len() * d_model);
        for target in block {
            let row = target.position - first;
            rows.extend_from_slice(&hidden[row * d_model..(row + 1) * d_model]);
        }
        let logits = decoder.logits(&rows);
        let normalizers = decoder.log_sum_exps(&logits);
        for ((target, row), &normalizer) in block.iter().zip(logits.chunks(vocab_size)).zip(&normalizers) {
            check(decoder, row, target.position)?;
            let best = argmax(row);
            for &(request, token) in &target.readers {
                match token {
                    Some(token) => {
                        scores[request].log_probs.push(log_prob(row, token, normalizer));
                        scores[request].greedy.push(token == best);
                    }
                    None => scores[request].next = best,
                }
            }
        }
    }
    Ok(())
}

/// The most probable token after one hidden state [d_model].
pub fn next_token(decoder: &Decoder<'_>, hidden: &[f32], position: usize) -> Result<u32, NumericalFailure> {
    let logits = decoder.logits(hidden);
    check(decoder, &logits, position)?;
    Ok(argmax(&logits))
}

/// ln p(token); a token outside the vocabulary has none.
fn log_prob(row: &[f32], token: u32, normalizer: f64) -> f64 {
    row.get(token as usize).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit) - normalizer)
}

fn check(decoder: &Decoder<'_>, row: &[f32], position: usize) -> Result<(), NumericalFailure> {
    match row.iter().all(|logit| logit.is_finite()) {
        true => Ok(()),
        false => Err(NumericalFailure { layer: decoder.blueprint().layers, position }),
    }
}

/// The largest logit's token, the lowest id of equals.
fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (token, &logit) in row.iter().enumerate() {
        if logit > row[best] {
            best = token;
        }
    }
    best as u32
}
