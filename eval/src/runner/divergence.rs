//! How far a recipe's next-token distributions lie from the baseline's, over the whole vocabulary.
//!
//! A row of logits takes 600 KB for a vocabulary of 150,000, so none is kept: both models stand in memory side by side,
//! read the same tokens, and of each position four numbers remain. They go into the journal like scores, under a task
//! name of their own, so that a run that was interrupted goes on there too.

use super::Run;
use super::building::Filed;
use crate::comparison::TokenDivergence;
use crate::error::Error;
use crate::journal::{Journal, Record};
use crate::request::Request;
use crate::task::{Prepared, Sample, Suite};
use engine::decoder::{Chunk, Decoder, NumericalFailure};
use engine::kv_cache::KvPrefix;
use kernels::math::exp;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What stands after the id of a task in the journal.
const SUFFIX: &str = "#kl";

/// Positions whose logits are held at a time.
const POSITIONS: usize = 16;

/// Documents that are compared: index of the task, and document.
pub fn documents(suite: &Suite<'_>, limit: usize) -> Vec<(usize, usize)> {
    let tasks = suite.tasks().iter().enumerate();
    tasks
        .flat_map(|(index, task)| (0..task.document_count().min(limit)).map(move |document| (index, document)))
        .collect()
}

/// Those of them that the journal does not hold for a recipe; the baseline is not compared with itself.
pub(super) fn missing(run: &Run<'_>, filed: &Filed, journal: &Journal) -> Vec<(usize, usize)> {
    if *filed == run.filed[run.reference] {
        return Vec::new();
    }
    let mut missing = documents(run.suite, run.plan.fidelity.kl_documents);
    missing.retain(|&(task, document)| !journal.contains(&filed.key, &name(run.suite, task), document));
    missing
}

fn name(suite: &Suite<'_>, task: usize) -> String {
    format!("{}{SUFFIX}", suite.tasks()[task].id())
}

/// Compares `variant` with `baseline` on `missing` and writes each document into the journal as it is finished.
///
/// # Errors
/// What a task or a decoder refuses, what cannot be written.
pub(super) fn measure(
    run: &Run<'_>,
    filed: &Filed,
    models: [Decoder<'_>; 2],
    missing: &[(usize, usize)],
    journal: &mut Journal,
) -> Result<(), Error> {
    for &(task, document) in missing {
        if run.plan.stop.load(Ordering::Relaxed) {
            break;
        }
        let record = match run.suite.tasks()[task].prepare(document)? {
            Prepared::Skipped(reason) => Record::Skipped(reason),
            Prepared::Ready(_, requests) => compared(models, &requests, run.plan.runtime.threads())?,
        };
        journal.append(&filed.key, &name(run.suite, task), document, &record)?;
    }
    Ok(())
}

/// What two distributions over the vocabulary say of each other.
#[derive(Clone, Copy, Default)]
struct Position {
    from_baseline: f64,
    from_variant: f64,
    is_same_best: bool,
    /// Change of the probability of the token that the text has there.
    shift: Option<f64>,
}

/// Compares two models at every scored position of a document; one that several requests share counts once.
fn compared(models: [Decoder<'_>; 2], requests: &[Request], threads: usize) -> Result<Record, Error> {
    let mut positions = Vec::new();
    let mut read: Vec<(&[u32], usize)> = Vec::new();
    for request in requests {
        let (tokens, first, sequence_len, text): (&[u32], _, _, &[u32]) = match request {
            Request::Score { tokens, first_scored, sequence_len } => {
                (&tokens[..tokens.len() - 1], first_scored - 1, *sequence_len, tokens)
            }
            Request::Generate { prompt, .. } => (prompt, prompt.len() - 1, prompt.len(), prompt),
        };
        let is_new = |position: &usize| {
            let same = |&(other, from): &(&[u32], usize)| {
                *position >= from && other.get(..=*position) == Some(&tokens[..=*position])
            };
            !read.iter().any(same)
        };
        let Some(first) = (first..tokens.len()).find(is_new) else { continue };
        let mut hidden = Vec::with_capacity(2);
        for decoder in &models {
            match last_hidden(decoder, tokens, sequence_len, first..tokens.len())? {
                Ok(rows) => hidden.push(rows),
                Err(failure) => return Ok(Record::Failed(failed(failure))),
            }
        }
        let block = POSITIONS * models[0].blueprint().d_model;
        for (index, (before, after)) in hidden[0].chunks(block).zip(hidden[1].chunks(block)).enumerate() {
            let logits = [models[0].logits(before), models[1].logits(after)];
            let place = first + index * POSITIONS;
            let Some(found) = distances(models, &logits, &text[place + 1..], threads) else {
                let layer = models[0].blueprint().layers;
                return Ok(Record::Failed(failed(NumericalFailure { layer, position: place })));
            };
            positions.extend(found);
        }
        read.push((tokens, first));
    }
    let numbers = |value: fn(&Position) -> f64| positions.iter().map(value).collect::<Vec<f64>>();
    let shifts: Vec<f64> = positions.iter().filter_map(|position| position.shift).collect();
    let same: Vec<bool> = positions.iter().map(|position| position.is_same_best).collect();
    let sample = Sample::default()
        .with("kl_from_baseline", numbers(|position| position.from_baseline))
        .with("kl_from_recipe", numbers(|position| position.from_variant))
        .with("same_best", same)
        .with("shifts", shifts);
    Ok(Record::Scored(sample))
}

fn failed(failure: NumericalFailure) -> String {
    let NumericalFailure { layer, position } = failure;
    format!("a NaN or an infinity after block {layer}, at position {position} of the sequence")
}

/// Hidden states of the `wanted` positions of a sequence, [wanted, d_model].
fn last_hidden(
    decoder: &Decoder<'_>,
    tokens: &[u32],
    sequence_len: usize,
    wanted: Range<usize>,
) -> Result<Result<Vec<f32>, NumericalFailure>, Error> {
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let mut outputs = decoder.forward(&mut [Chunk { cache: &mut cache, tokens, sequence_len, wanted }])?;
    Ok(outputs.pop().unwrap_or_else(|| Ok(Vec::new())))
}

/// Compares rows of logits [positions, vocab_size] of both models; `text` begins with the token after the first position.
/// `None` where one is not finite.
fn distances(models: [Decoder<'_>; 2], logits: &[Vec<f32>; 2], text: &[u32], threads: usize) -> Option<Vec<Position>> {
    let vocab_size = models[0].blueprint().vocab_size;
    let sums = [models[0].log_sum_exps(&logits[0]), models[1].log_sum_exps(&logits[1])];
    if logits.iter().flatten().any(|logit| !logit.is_finite()) {
        return None;
    }
    let mut found = vec![Position::default(); sums[0].len()];
    let share = found.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        for (part, positions) in found.chunks_mut(share).enumerate() {
            let (logits, sums) = (&logits, &sums);
            scope.spawn(move || {
                for (index, position) in positions.iter_mut().enumerate() {
                    let row = part * share + index;
                    let columns = row * vocab_size..(row + 1) * vocab_size;
                    let rows = [&logits[0][columns.clone()], &logits[1][columns]];
                    *position = distance(rows, [sums[0][row], sums[1][row]], text.get(row).copied());
                }
            });
        }
    });
    Some(found)
}

/// sum over the vocabulary of p ln(p / q) and of q ln(q / p), token by token in ascending order, p of the first row.
fn distance(rows: [&[f32]; 2], sums: [f64; 2], next: Option<u32>) -> Position {
    let log_prob = |model: usize, token: usize| f64::from(rows[model][token]) - sums[model];
    let (mut from_baseline, mut from_variant) = (0.0, 0.0);
    let mut best = [0; 2];
    for token in 0..rows[0].len() {
        let (p, q) = (log_prob(0, token), log_prob(1, token));
        from_baseline += exp(p) * (p - q);
        from_variant += exp(q) * (q - p);
        for (best, row) in best.iter_mut().zip(rows) {
            if row[token] > row[*best] {
                *best = token;
            }
        }
    }
    let next = next.map(|token| token as usize).filter(|&token| token < rows[0].len());
    Position {
        from_baseline: f64::max(from_baseline, 0.0),
        from_variant: f64::max(from_variant, 0.0),
        is_same_best: best[0] == best[1],
        shift: next.map(|token| exp(log_prob(1, token)) - exp(log_prob(0, token))),
    }
}

/// What the journal holds of a recipe's divergence on some tasks; `None` where that is nothing.
///
/// # Errors
/// Lines that cannot be read back.
pub fn read(
    suite: &Suite<'_>,
    tasks: &[usize],
    limit: usize,
    key: &str,
    journal: &mut Journal,
) -> Result<Option<TokenDivergence>, Error> {
    let mut samples = Vec::new();
    for (task, document) in documents(suite, limit) {
        if tasks.contains(&task)
            && let Some(Record::Scored(sample)) = journal.record(key, &name(suite, task), document)?
        {
            samples.push(sample);
        }
    }
    Ok(TokenDivergence::of(&samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_equal_scipy() {
        // scipy.special.softmax of both rows, scipy.stats.entropy(p, q) and entropy(q, p).
        let rows: [&[f32]; 2] = [&[-1.0, -2.0, -4.0], &[-1.5, -1.25, -5.0]];
        let sum = |row: &[f32]| kernels::math::ln(row.iter().fold(0.0, |sum, &logit| sum + exp(f64::from(logit))));
        let found = distance(rows, [sum(rows[0]), sum(rows[1])], Some(0));
        assert!((found.from_baseline - 0.18325062895933378).abs() < 1e-14);
        assert!((found.from_variant - 0.1969651066300876).abs() < 1e-14);
        assert!(!found.is_same_best && (found.shift.unwrap() + 0.2732740002823918).abs() < 1e-14);
        let same = distance([rows[0]; 2], [sum(rows[0]); 2], Some(7));
        assert_eq!((same.from_baseline, same.from_variant, same.shift), (0.0, 0.0, None));
        assert!(same.is_same_best);
    }
}
