//! One test of llama-bench's kind: what is timed, and the check that every repetition gave the same bits.

use super::energy::Counters;
use crate::error::Error;
use crate::task::hexadecimal;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::{KvCache, KvPrefix};
use engine::philox;
use sha2::{Digest, Sha256};
use std::time::Instant;

/// Tokens to read and to generate, in one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// Tokens read together.
    pub prompt: usize,
    /// Tokens read one after the other.
    pub generated: usize,
    /// Tokens in the cache before.
    pub depth: usize,
}

impl Test {
    /// llama-bench's name.
    pub fn name(&self) -> String {
        let kind = match (self.prompt, self.generated) {
            (prompt, 0) => format!("pp{prompt}"),
            (0, generated) => format!("tg{generated}"),
            (prompt, generated) => format!("pp{prompt}+tg{generated}"),
        };
        if self.depth == 0 { kind } else { format!("{kind} @ d{}", self.depth) }
    }

    /// Tokens of one measurement.
    pub fn tokens(&self) -> usize {
        self.prompt + self.generated
    }
}

/// The measurements of one test.
pub struct Measured {
    /// Of each repetition.
    pub seconds: Vec<f64>,
    /// Of all repetitions together, where energy is counted.
    pub joules: Option<f64>,
    /// SHA-256 of the last logits.
    pub digest: String,
    /// Whether all repetitions, the warm-up too, gave this digest.
    pub same_bits: bool,
}

/// One execution of a test.
pub struct Timed {
    /// What it took.
    pub seconds: f64,
    /// After the last token.
    pub logits: Vec<f32>,
    /// The sequence, those before the test included.
    pub cache: KvCache,
}

/// A model on a runtime, about to be timed.
pub struct Bench<'a> {
    decoder: Decoder<'a>,
    batch_size: usize,
    counters: Option<&'a Counters>,
}

impl<'a> Bench<'a> {
    /// Prompts are read `batch_size` tokens at a time; [`Self::run`] counts energy with `counters`.
    pub fn new(decoder: Decoder<'a>, batch_size: usize, counters: Option<&'a Counters>) -> Self {
        Self { decoder, batch_size, counters }
    }

    /// Measures `test`; `next` is told after each run and says whether to go on. `None` if it was stopped.
    ///
    /// # Errors
    /// A test that is longer than the model's positions; logits that are not finite.
    pub fn run(
        &self,
        test: Test,
        warm_ups: usize,
        repetitions: usize,
        next: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Measured>, Error> {
        if let Some(limit) = self.decoder.blueprint().positions.limit()
            && test.depth + test.tokens() > limit
        {
            return Err(engine::Error::ContextLength { position: limit, limit }.into());
        }
        let tokens = self.tokens(test.depth + test.tokens());
        let mut cache = self.decoder.cache_after(&KvPrefix::default());
        self.read(&mut cache, &tokens[..test.depth], self.batch_size)?;
        let prefix = cache.freeze();
        let mut seconds = Vec::with_capacity(repetitions);
        let mut digests = Vec::with_capacity(warm_ups + repetitions);
        let counted = || self.counters.and_then(|counters| counters.read().ok());
        let mut before = None;
        for run in 0..warm_ups + repetitions {
            if run == warm_ups {
                before = counted();
            }
            let timed = self.time(test, &prefix)?;
            if run >= warm_ups {
                seconds.push(timed.seconds);
            }
            digests.push(digest(&timed.logits));
            if !next() {
                return Ok(None);
            }
        }
        let joules = self.counters.zip(before.zip(counted()));
        let joules = joules.map(|(counters, (before, after))| counters.joules(&before, &after));
        let same_bits = digests.windows(2).all(|pair| pair[0] == pair[1]);
        Ok(Some(Measured { seconds, joules, digest: digests.pop().unwrap_or_default(), same_bits }))
    }

    /// Executes `test` once, after `prefix`, whose length is the test's depth.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn time(&self, test: Test, prefix: &KvPrefix) -> Result<Timed, Error> {
        let tokens = self.tokens(test.depth + test.tokens());
        let (prompt, generated) = tokens[test.depth..].split_at(test.prompt);
        let mut cache = self.decoder.cache_after(prefix);
        let started = Instant::now();
        let mut logits = self.read(&mut cache, prompt, self.batch_size)?;
        if !generated.is_empty() {
            logits = self.read_each(&mut cache, generated)?;
        }
        Ok(Timed { seconds: started.elapsed().as_secs_f64(), logits, cache })
    }

    /// Tokens from a counter-based generator: the same for every run, thread count and recipe.
    pub fn tokens(&self, count: usize) -> Vec<u32> {
        let vocab_size = self.decoder.blueprint().vocab_size as f64;
        let token = |index: usize| philox::uniform(philox::block([0, 0], [index as u32, 0, 0, 0])) * vocab_size;
        (0..count).map(|index| token(index) as u32).collect()
    }

    /// Reads tokens and returns the logits after the last of them; empty without tokens.
    fn read(&self, cache: &mut KvCache, tokens: &[u32], batch_size: usize) -> Result<Vec<f32>, Error> {
        let (mut hidden, sequence_len) = (Vec::new(), cache.len() + tokens.len());
        for chunk in self.decoder.chunks(tokens, batch_size) {
            let wanted = chunk.len() - 1..chunk.len();
            let mut outputs = self.decoder.forward(&mut [Chunk { cache, tokens: chunk, sequence_len, wanted }])?;
            hidden = outputs.pop().map_or(Ok(Vec::new()), |output| output.map_err(engine::Error::from))?;
        }
        Ok(if hidden.is_empty() { Vec::new() } else { self.decoder.logits(&hidden) })
    }

    /// Reads tokens one by one, with the logits after each, as a generation does.
    fn read_each(&self, cache: &mut KvCache, tokens: &[u32]) -> Result<Vec<f32>, Error> {
        let mut logits = Vec::new();
        for token in tokens {
            logits = self.read(cache, std::slice::from_ref(token), 1)?;
        }
        Ok(logits)
    }
}

fn digest(logits: &[f32]) -> String {
    let mut digest = Sha256::new();
    logits.iter().for_each(|logit| digest.update(logit.to_le_bytes()));
    hexadecimal(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tests() {
        let name = |prompt, generated, depth| Test { prompt, generated, depth }.name();
        assert_eq!(name(512, 0, 0), "pp512");
        assert_eq!(name(0, 128, 2048), "tg128 @ d2048");
        assert_eq!(name(8, 4, 0), "pp8+tg4");
    }
}
