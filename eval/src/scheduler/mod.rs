//! The engine of an evaluation: every shared prefix once, ragged batches, logits only where they are scored.
//!
//! Requests become a prefix tree. Ready nodes are taken from a stack, so that a branch is finished, and its cache
//! freed, before the next is begun; as many as fit a batch are computed together. A sequence that generates takes one
//! token of every batch, beside the prompts that are still being read: as texts end, new prompts come in, as long as the
//! keys and values of all of them find room. None of this can change a bit of an answer:
//! the decoder gives the same result whatever shares a batch. (Where the tokens of a sequence depend on each other, as with
//! LLM.int8()'s `outliers=per_call`, sequences are read whole, and prefixes are not shared.)

mod scoring;
mod stream;
mod tree;

use crate::request::{Outcome, Request};
use engine::decoder::{Chunk, Decoder, NumericalFailure};
use engine::kv_cache::{KvCache, KvPrefix};
use engine::tokenizer::Tokenizer;
use scoring::{Scores, Target, Wanted};
use std::collections::BTreeMap;
use std::ops::Range;
use stream::{Limits, Stream};
use tree::{Sequence, Tree};

/// How much is computed together.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerOptions {
    /// Tokens of one batch.
    pub batch_tokens: usize,
    /// Sequences of one batch.
    pub batch_sequences: usize,
    /// Bytes of keys and values that texts may take together, before further prompts are read.
    pub cache_bytes: usize,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self { batch_tokens: 512, batch_sequences: 256, cache_bytes: 4 << 30 }
    }
}

/// Whether to go on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// Go on.
    Yes,
    /// Leave the rest unanswered.
    Stop,
}

/// Work asked for and work done, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Tokens of all requests and of their texts that are read, as if each were computed alone.
    pub requested: usize,
    /// Tokens that went through the decoder.
    pub computed: usize,
    /// Tokens generated.
    pub generated: usize,
}

/// Answers requests with one model.
pub struct Scheduler<'a> {
    decoder: Decoder<'a>,
    tokenizer: Option<&'a Tokenizer>,
    options: SchedulerOptions,
    counts: TokenCounts,
}

/// A node being computed.
struct Reading {
    node: usize,
    cache: KvCache,
    /// Tokens of the node already in the cache.
    done: usize,
}

/// What one run keeps track of.
struct Run<'r> {
    requests: &'r [(usize, Request)],
    sequences: Vec<Sequence<'r>>,
    tree: Tree,
    /// Log-probabilities gathered so far, one a request.
    scores: Vec<Scores>,
    /// Nodes ready to be read, the next one last.
    ready: Vec<Reading>,
    streams: Vec<Stream<'r>>,
}

impl<'r> Run<'r> {
    fn new(requests: &'r [(usize, Request)], decoder: &Decoder<'_>) -> Self {
        let reads_whole = decoder.reads_whole();
        let sharing_key = |request: usize, sequence_len| match reads_whole {
            true => request as u64,
            false => decoder.blueprint().positions.sharing_key(sequence_len),
        };
        let sequences: Vec<Sequence<'r>> = requests
            .iter()
            .enumerate()
            .map(|(index, (_, request))| match request {
                Request::Score { tokens, first_scored, sequence_len } => {
                    assert!(*first_scored > 0 && *first_scored < tokens.len(), "a request that scores nothing");
                    // The last token is scored, never read.
                    let tokens = &tokens[..tokens.len() - 1];
                    Sequence { tokens, sharing_key: sharing_key(index, *sequence_len), sequence_len: *sequence_len }
                }
                Request::Generate { prompt, .. } => {
                    let sequence_len = prompt.len();
                    Sequence { tokens: prompt, sharing_key: sharing_key(index, sequence_len), sequence_len }
                }
            })
            .collect();
        let scores = requests.iter().map(|_| Scores::default()).collect();
        let tree = Tree::new(&sequences);
        Self { requests, sequences, tree, scores, ready: Vec::new(), streams: Vec::new() }
    }

    /// Positions that the texts which begin at the end of a node take, its own included; 0 if none begins there.
    fn reserved(&self, node: usize) -> usize {
        let node = &self.tree.nodes[node];
        let ended = self.tree.order[node.members.clone()]
            .iter()
            .take_while(|&&request| self.sequences[request].tokens.len() == node.tokens.end);
        let wanted = ended.filter_map(|&request| match &self.requests[request].1 {
            Request::Generate { max_new_tokens, .. } => Some(node.tokens.len() + max_new_tokens),
            Request::Score { .. } => None,
        });
        wanted.sum()
    }

    /// What is read off the hidden states of `positions` of a node, ascending.
    fn targets(&self, node: usize, positions: Range<usize>) -> Vec<Target> {
        let mut targets: BTreeMap<usize, Target> = BTreeMap::new();
        for &request in &self.tree.order[self.tree.nodes[node].members.clone()] {
            let request_itself = &self.requests[request].1;
            let first = match request_itself {
                Request::Score { first_scored, .. } => first_scored - 1,
                Request::Generate { prompt, .. } => prompt.len() - 1,
            };
            for position in positions.start.max(first)..positions.end.min(self.sequences[request].tokens.len()) {
                let target = targets.entry(position).or_insert_with(|| Target::at(position));
                let wanted = match request_itself {
                    Request::Score { tokens, .. } => Wanted::LogProb(tokens[position + 1]),
                    Request::Generate { decoding, key, .. } => Wanted::next(*decoding, *key, position),
                };
                target.readers.push((request, wanted));
            }
        }
        targets.into_values().collect()
    }
}

impl<'a> Scheduler<'a> {
    /// A scheduler; the tokenizer is needed to generate text.
    pub fn new(decoder: Decoder<'a>, tokenizer: Option<&'a Tokenizer>, options: SchedulerOptions) -> Self {
        Self { decoder, tokenizer, options, counts: TokenCounts::default() }
    }

    /// Tokens asked for and computed since the scheduler was made.
    pub fn counts(&self) -> TokenCounts {
        self.counts
    }

    /// Answers `requests`, in any order: `on_done(key, outcome)` once for each.
    ///
    /// # Errors
    /// What the decoder refuses (a token outside the vocabulary, a sequence too long) and what `on_done` returns.
    ///
    /// # Panics
    /// If a request is empty or scores its first token.
    pub fn run<E: From<engine::Error>>(
        &mut self,
        requests: &[(usize, Request)],
        on_done: &mut dyn FnMut(usize, Outcome) -> Result<Continue, E>,
    ) -> Result<Continue, E> {
        let mut run = Run::new(requests, &self.decoder);
        self.counts.requested += run.sequences.iter().map(|sequence| sequence.tokens.len()).sum::<usize>();
        for &root in run.tree.roots.iter().rev() {
            run.ready.push(Reading { node: root, cache: self.decoder.cache_after(&KvPrefix::default()), done: 0 });
        }
        while !(run.ready.is_empty() && run.streams.is_empty()) {
            for (request, outcome) in self.step(&mut run)? {
                if on_done(requests[request].0, outcome)? == Continue::Stop {
                    return Ok(Continue::Stop);
                }
            }
        }
        Ok(Continue::Yes)
    }

    /// Computes one batch and returns the requests it finished.
    fn step<'r>(&mut self, run: &mut Run<'r>) -> Result<Vec<(usize, Outcome)>, engine::Error>
    where
        'a: 'r,
    {
        let limit = self.options.batch_sequences.min(self.options.batch_tokens).max(1);
        let mut streams: Vec<Stream<'r>> = run.streams.drain(..run.streams.len().min(limit)).collect();
        let mut readings = self.take_readings(run, &streams);
        // A text's own tokens are shared with nobody.
        self.counts.requested += streams.len();

        let mut chunks = Vec::with_capacity(streams.len() + readings.len());
        for stream in &mut streams {
            let position = stream.cache.len();
            let prompt_len = run.sequences[stream.request].sequence_len;
            let sequence_len = self.decoder.blueprint().positions.generation_len(prompt_len, position);
            let tokens = &stream.generated[stream.generated.len() - 1..];
            chunks.push(Chunk { cache: &mut stream.cache, tokens, sequence_len, wanted: 0..1 });
        }
        let mut targets = Vec::with_capacity(readings.len());
        for (reading, count) in &mut readings {
            let node = &run.tree.nodes[reading.node];
            let sequence = &run.sequences[node.sequence];
            let start = node.tokens.start + reading.done;
            let found = run.targets(reading.node, start..start + *count);
            let wanted = match (found.first(), found.last()) {
                (Some(first), Some(last)) => first.position - start..last.position - start + 1,
                _ => 0..0,
            };
            let tokens = &sequence.tokens[start..start + *count];
            chunks.push(Chunk { cache: &mut reading.cache, tokens, sequence_len: sequence.sequence_len, wanted });
            targets.push(found);
        }
        for chunk in &chunks {
            self.counts.computed += chunk.tokens.len();
        }
        let outputs = self.decoder.forward(&mut chunks)?;
        drop(chunks);
        let targets: Vec<Vec<Target>> = streams.iter().map(|stream| vec![stream.target()]).chain(targets).collect();
        let mut scored = self.score(&mut run.scores, &targets, outputs).into_iter();

        let mut finished = Vec::new();
        for (stream, outcome) in streams.into_iter().zip(scored.by_ref()) {
            match outcome {
                Ok(()) => {
                    let next = run.scores[stream.request].next_token();
                    self.extend_stream(run, stream, next, &mut finished);
                }
                Err(failure) => finished.push((stream.request, Outcome::Failed(failure))),
            }
        }
        // The last ready node was taken first: put back in reverse, the stack keeps its order.
        for ((reading, count), outcome) in readings.into_iter().zip(scored).rev() {
            self.advance_reading(run, reading, count, outcome, &mut finished);
        }
        Ok(finished)
    }

    /// Takes ready nodes off the stack, as many as fit beside `streams`, with the tokens to read now of each.
    fn take_readings(&self, run: &mut Run<'_>, streams: &[Stream<'_>]) -> Vec<(Reading, usize)> {
        let mut room = self.options.batch_tokens.max(1).saturating_sub(streams.len());
        let slots = self.options.batch_sequences.max(1).saturating_sub(streams.len());
        // Positions that texts may still take. A prompt that was begun is read to its end.
        let positions = self.options.cache_bytes / self.decoder.cache_bytes_per_token().max(1);
        let reserved: usize = streams.iter().chain(&run.streams).map(|stream| stream.reserved).sum();
        let mut free = positions.saturating_sub(reserved);
        let mut is_idle = streams.is_empty() && run.streams.is_empty();
        let reads_whole = self.decoder.reads_whole();
        let mut taken = Vec::new();
        while room > 0 && taken.len() < slots {
            let Some(reading) = run.ready.pop() else { break };
            let takes = run.reserved(reading.node);
            if reading.done == 0 && takes > free && !is_idle {
                run.ready.push(reading);
                break;
            }
            (free, is_idle) = (free.saturating_sub(takes), is_idle && takes == 0);
            let left = run.tree.nodes[reading.node].tokens.len() - reading.done;
            if reads_whole && left > room && !taken.is_empty() {
                run.ready.push(reading);
                break;
            }
            let count = if reads_whole { left } else { left.min(room) };
            room = room.saturating_sub(count);
            taken.push((reading, count));
        }
        taken
    }

    /// Reads the targets of every chunk off its hidden states; a chunk that failed is left out.
    fn score(
        &self,
        scores: &mut [Scores],
        targets: &[Vec<Target>],
        outputs: Vec<Result<Vec<f32>, NumericalFailure>>,
    ) -> Vec<Result<(), NumericalFailure>> {
        let sound =
            outputs.iter().zip(targets).filter_map(|(output, targets)| Some((output.as_deref().ok()?, &targets[..])));
        let mut read = scoring::read(&self.decoder, &sound.collect::<Vec<_>>()).into_iter();
        (outputs.iter().zip(targets))
            .map(|(output, targets)| {
                output.as_ref().map_err(|failure| *failure)?;
                scoring::score(&self.decoder, targets, &read.next().unwrap_or_default(), scores)
            })
            .collect()
    }

    /// Takes in one batch's part of a node: failures, children, streams.
    fn advance_reading<'r>(
        &mut self,
        run: &mut Run<'r>,
        mut reading: Reading,
        count: usize,
        outcome: Result<(), NumericalFailure>,
        finished: &mut Vec<(usize, Outcome)>,
    ) where
        'a: 'r,
    {
        let node = &run.tree.nodes[reading.node];
        let members = node.members.clone();
        if let Err(failure) = outcome {
            // Nothing below this node can be computed.
            finished.extend(run.tree.order[members].iter().map(|&request| (request, Outcome::Failed(failure))));
            return;
        }
        reading.done += count;
        if reading.done < node.tokens.len() {
            run.ready.push(reading);
            return;
        }
        let (end, children, reading_node) = (node.tokens.end, node.children.clone(), reading.node);
        let prefix = reading.cache.freeze();
        for place in members {
            let request = run.tree.order[place];
            if run.sequences[request].tokens.len() != end {
                break;
            }
            match &run.requests[request].1 {
                Request::Score { .. } => finished.push((request, run.scores[request].take_outcome())),
                Request::Generate { max_new_tokens, stop, decoding, key, .. } => {
                    let cache = self.decoder.cache_after(&prefix);
                    let limits = Limits { max_new_tokens: *max_new_tokens, stop, decoding: *decoding, key: *key };
                    let reserved = run.tree.nodes[reading_node].tokens.len() + max_new_tokens;
                    let stream = Stream::new(request, cache, reserved, limits, self.tokenizer);
                    let next = run.scores[request].next_token();
                    self.extend_stream(run, stream, next, finished);
                }
            }
        }
        for &child in children.iter().rev() {
            run.ready.push(Reading { node: child, cache: self.decoder.cache_after(&prefix), done: 0 });
        }
    }

    /// Adds a token to a stream; one that ends with it is finished.
    fn extend_stream<'r>(
        &mut self,
        run: &mut Run<'r>,
        mut stream: Stream<'r>,
        next: u32,
        finished: &mut Vec<(usize, Outcome)>,
    ) where
        'a: 'r,
    {
        if !stream.push(next) {
            run.streams.push(stream);
            return;
        }
        self.counts.generated += stream.generated.len();
        finished.push((stream.request, stream.outcome(self.tokenizer)));
    }
}
