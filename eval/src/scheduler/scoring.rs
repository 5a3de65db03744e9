//! From hidden states to log-probabilities and next tokens: the head only where something is read, each row once for
//! all its readers.

use crate::request::Outcome;
use engine::decoder::{Decoder, NumericalFailure};
use engine::generate::{Decoding, DrawKey, Sampling};
use engine::head::Distribution;

/// What is read off a next-token distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// The log-probability of this token.
    LogProb(u32),
    /// The most probable token.
    MostProbable,
    /// A token drawn from it, with a key that is complete.
    Draw(Sampling, DrawKey),
}

impl Wanted {
    /// The token that follows `position`.
    pub fn next(decoding: Decoding, key: DrawKey, position: usize) -> Self {
        match decoding {
            Decoding::Greedy => Wanted::MostProbable,
            Decoding::Sampled(sampling) => Wanted::Draw(sampling, DrawKey { position: position as u32 + 1, ..key }),
        }
    }
}

/// A position whose next-token distribution is read.
#[derive(Debug)]
pub struct Target {
    /// Position in the sequence.
    pub position: usize,
    /// Requests, with what each reads there.
    pub readers: Vec<(usize, Wanted)>,
}

/// What was read at a target.
#[derive(Debug)]
pub struct Read {
    distribution: Distribution,
    /// Of the readers that draw, in order.
    drawn: Vec<u32>,
}

/// Rows whose logits are held together for draws: 20 MB of a vocabulary of 150,000.
const DRAWN_TOGETHER: usize = 32;

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

    /// The token that follows what was read last.
    pub fn next_token(&self) -> u32 {
        self.next
    }
}

/// Reads the distributions at the targets of several chunks, the head applied to all of them together; of each chunk,
/// hidden states [last position - first position + 1, embedding_width] of consecutive positions.
pub fn read(decoder: &Decoder<'_>, chunks: &[(&[f32], &[Target])]) -> Vec<Vec<Read>> {
    let width = decoder.blueprint().embedding_width;
    let (mut rows, mut tokens, mut drawing) = (Vec::new(), Vec::new(), Vec::new());
    for (hidden, targets) in chunks {
        for target in *targets {
            let row = target.position - targets[0].position;
            let row = &hidden[row * width..(row + 1) * width];
            rows.extend_from_slice(row);
            let mut scored = Vec::new();
            let mut draws = Vec::new();
            for &(_, wanted) in &target.readers {
                match wanted {
                    Wanted::LogProb(token) => scored.push(token),
                    Wanted::MostProbable => {}
                    Wanted::Draw(sampling, key) => draws.push((Decoding::Sampled(sampling), key)),
                }
            }
            if !draws.is_empty() {
                drawing.push((tokens.len(), row, draws));
            }
            tokens.push(scored);
        }
    }
    let distributions = decoder.distributions(&rows, &tokens);
    let mut read: Vec<Read> =
        distributions.into_iter().map(|distribution| Read { distribution, drawn: Vec::new() }).collect();
    for part in drawing.chunks(DRAWN_TOGETHER) {
        draw(decoder, part, &mut read);
    }
    let mut read = read.into_iter();
    chunks.iter().map(|(_, targets)| read.by_ref().take(targets.len()).collect()).collect()
}

/// The draws of a target: its place among all targets, its hidden state, what is drawn.
type Draws<'h> = (usize, &'h [f32], Vec<(Decoding, DrawKey)>);

/// Draws tokens, which needs whole rows of logits.
fn draw(decoder: &Decoder<'_>, targets: &[Draws<'_>], read: &mut [Read]) {
    let rows: Vec<f32> = targets.iter().flat_map(|(_, row, _)| row.iter().copied()).collect();
    let logits = decoder.logits(&rows);
    for ((place, _, draws), logits) in targets.iter().zip(logits.chunks(decoder.blueprint().vocab_size)) {
        let Some(read) = read.get_mut(*place).filter(|read| read.distribution.is_finite) else { continue };
        read.drawn = draws.iter().map(|(decoding, key)| decoding.choose(logits, *key)).collect();
    }
}

/// Takes in what was read at `targets`, up to the first position with a logit that is not finite.
pub fn score(
    decoder: &Decoder<'_>,
    targets: &[Target],
    read: &[Read],
    scores: &mut [Scores],
) -> Result<(), NumericalFailure> {
    for (target, Read { distribution, drawn }) in targets.iter().zip(read) {
        if !distribution.is_finite {
            return Err(NumericalFailure { layer: decoder.blueprint().layers, position: target.position });
        }
        let (mut logits, mut drawn) = (distribution.logits.iter(), drawn.iter());
        for &(request, wanted) in &target.readers {
            match wanted {
                Wanted::LogProb(token) => {
                    // A token outside the vocabulary has no probability.
                    let logit = logits.next().copied().flatten();
                    let log_prob = logit.map_or(f64::NEG_INFINITY, |it| f64::from(it) - distribution.log_sum_exp);
                    scores[request].log_probs.push(log_prob);
                    scores[request].greedy.push(token == distribution.best);
                }
                Wanted::MostProbable => scores[request].next = distribution.best,
                Wanted::Draw(..) => scores[request].next = drawn.next().copied().unwrap_or(distribution.best),
            }
        }
    }
    Ok(())
}
