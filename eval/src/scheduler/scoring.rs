//! From hidden states to log-probabilities: the head only at scored positions, each row once for all its readers.

use crate::request::Outcome;
use engine::decoder::{Decoder, NumericalFailure};
use engine::head::Distribution;

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

/// Reads the distributions at the targets of several chunks, the head applied to all of them together; of each chunk,
/// hidden states [last position - first position + 1, embedding_width] of consecutive positions.
pub fn read(decoder: &Decoder<'_>, chunks: &[(&[f32], &[Target])]) -> Vec<Vec<Distribution>> {
    let width = decoder.blueprint().embedding_width;
    let (mut rows, mut tokens) = (Vec::new(), Vec::new());
    for (hidden, targets) in chunks {
        for target in *targets {
            let row = target.position - targets[0].position;
            rows.extend_from_slice(&hidden[row * width..(row + 1) * width]);
            tokens.push(target.readers.iter().filter_map(|&(_, token)| token).collect());
        }
    }
    let mut distributions = decoder.distributions(&rows, &tokens).into_iter();
    chunks.iter().map(|(_, targets)| distributions.by_ref().take(targets.len()).collect()).collect()
}

/// Takes in what was read at `targets`, up to the first position with a logit that is not finite.
pub fn score(
    decoder: &Decoder<'_>,
    targets: &[Target],
    distributions: &[Distribution],
    scores: &mut [Scores],
) -> Result<(), NumericalFailure> {
    for (target, distribution) in targets.iter().zip(distributions) {
        if !distribution.is_finite {
            return Err(NumericalFailure { layer: decoder.blueprint().layers, position: target.position });
        }
        let mut logits = distribution.logits.iter();
        for &(request, token) in &target.readers {
            match token {
                Some(token) => {
                    // A token outside the vocabulary has no probability.
                    let logit = logits.next().copied().flatten();
                    let log_prob = logit.map_or(f64::NEG_INFINITY, |it| f64::from(it) - distribution.log_sum_exp);
                    scores[request].log_probs.push(log_prob);
                    scores[request].greedy.push(token == distribution.best);
                }
                None => scores[request].next = distribution.best,
            }
        }
    }
    Ok(())
}
