//! From logits to a token: the most probable one, or a draw that depends on nothing but what it is for.

use crate::philox;
use kernels::math;
use std::cmp::Ordering;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decoding {
    /// The largest logit, the lowest id among equals.
    Greedy,
    /// A draw from the distribution.
    Sampled(Sampling),
}

/// The distribution that is drawn from: the logits over the temperature, cut to the `top_k` largest, then to the fewest
/// tokens that hold `top_p` of the probability left (Holtzman et al. 2020, nucleus sampling); this order is transformers'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits, above 0.
    pub temperature: f64,
    /// Tokens kept, the lower id first among equal logits; `None` keeps all.
    pub top_k: Option<usize>,
    /// Probability kept, in (0, 1]; at least one token stays.
    pub top_p: f64,
}

/// What a random number is for. Equal keys give equal numbers, on every machine and in any order of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrawKey {
    /// Seed of the run.
    pub seed: u64,
    /// Which item of a task.
    pub item: u64,
    /// Which of several answers to it.
    pub sample: u32,
    /// Position in the sequence of the token that is drawn.
    pub position: u32,
}

impl DrawKey {
    /// The uniform number of [0, 1) with this key: Philox under the seed, with (position, sample, item) as counter.
    pub fn uniform(self) -> f64 {
        let [item_low, item_high] = philox::words(self.item);
        philox::uniform(philox::block(philox::words(self.seed), [self.position, self.sample, item_low, item_high]))
    }
}

impl Decoding {
    /// The token chosen from `logits` [vocab_size], all finite.
    ///
    /// # Panics
    /// If `logits` is empty.
    pub fn choose(&self, logits: &[f32], key: DrawKey) -> u32 {
        match self {
            Decoding::Greedy => greedy(logits),
            Decoding::Sampled(sampling) => sampling.draw(logits, key.uniform()),
        }
    }
}

/// The id of the largest logit, the lowest among equals.
///
/// # Panics
/// If `logits` is empty.
pub fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

/// Smallest argument of exp whose value is taken as more than 0.
const SMALLEST_EXPONENT: f64 = -700.0;

impl Sampling {
    /// The token at `uniform`, of [0, 1), in the cumulative distribution of the kept tokens, most probable first.
    ///
    /// The weights of all tokens that `top_k` keeps are summed by ascending id, those of the nucleus by rank.
    fn draw(&self, logits: &[f32], uniform: f64) -> u32 {
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        if let Some(top_k) = self.top_k.filter(|&k| k > 0 && k < ids.len()) {
            ids.select_nth_unstable_by(top_k - 1, |a, b| by_rank(logits, *a, *b));
            ids.truncate(top_k);
            ids.sort_unstable();
        }
        let largest = f64::from(logits[greedy(logits) as usize]);
        let weight = |id: u32| {
            let exponent = (f64::from(logits[id as usize]) - largest) / self.temperature;
            if exponent < SMALLEST_EXPONENT { 0.0 } else { math::exp(exponent) }
        };
        let mut total = 0.0;
        for &id in &ids {
            total += weight(id);
        }
        let mut ranked = Ranked { logits, ids, sorted: 0 };
        let (mut kept, mut kept_total) = (ranked.ids.len(), total);
        if self.top_p < 1.0 {
            (kept, kept_total) = (0, 0.0);
            while kept == 0 || (kept < ranked.ids.len() && kept_total < self.top_p * total) {
                kept_total += weight(ranked.id(kept));
                kept += 1;
            }
        }
        let target = uniform * kept_total;
        let mut cumulative = 0.0;
        for rank in 0..kept {
            let id = ranked.id(rank);
            cumulative += weight(id);
            if cumulative > target {
                return id;
            }
        }
        ranked.id(kept - 1)
    }
}

/// Whether `a` comes before `b`: the larger logit, the lower id among equals.
fn by_rank(logits: &[f32], a: u32, b: u32) -> Ordering {
    logits[b as usize].partial_cmp(&logits[a as usize]).unwrap_or(Ordering::Equal).then(a.cmp(&b))
}

/// Tokens by rank, sorted only as far as somebody looks: draws seldom leave the first ones of a vocabulary.
struct Ranked<'l> {
    logits: &'l [f32],
    ids: Vec<u32>,
    /// How many of `ids` are in their places.
    sorted: usize,
}

impl Ranked<'_> {
    /// Tokens that are put in their places first; then eight times as many as are.
    const FIRST: usize = 64;

    fn id(&mut self, rank: usize) -> u32 {
        while rank >= self.sorted {
            let end = Self::FIRST.max(8 * self.sorted).min(self.ids.len());
            let rest = &mut self.ids[self.sorted..];
            let count = end - self.sorted;
            if count < rest.len() {
                rest.select_nth_unstable_by(count - 1, |a, b| by_rank(self.logits, *a, *b));
            }
            rest[..count].sort_unstable_by(|a, b| by_rank(self.logits, *a, *b));
            self.sorted = end;
        }
        self.ids[rank]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampling = Sampling { temperature: 1.0, top_k: None, top_p: 1.0 };

    #[test]
    fn ties_go_to_the_lowest_id() {
        assert_eq!(greedy(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(greedy(&[-0.0, 0.0]), 0);
        let one = Sampling { top_k: Some(1), ..ALL };
        assert_eq!(one.draw(&[1.0, 3.0, 3.0, 2.0], 0.999), 1);
    }

    #[test]
    fn draws_follow_the_distribution_in_order_of_rank() {
        // Probabilities 1/2, 1/4, 1/4 in the order of rank: ids 2, 0, 1.
        let ln_2 = std::f32::consts::LN_2;
        let logits = [0.0, 0.0, ln_2];
        assert_eq!([0.0, 0.49, 0.51, 0.74, 0.76, 0.9999].map(|u| ALL.draw(&logits, u)), [2, 2, 0, 0, 1, 1]);
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [0.0, 0.0, std::f32::consts::LN_2, -30.0];
        let two = Sampling { top_k: Some(2), ..ALL };
        assert_eq!([0.0, 0.66, 0.67, 0.999].map(|u| two.draw(&logits, u)), [2, 2, 0, 0]);
        let half = Sampling { top_p: 0.4, ..ALL };
        assert_eq!(half.draw(&logits, 0.999), 2);
        // The token that crosses the bound is kept.
        let more = Sampling { top_p: 0.6, ..ALL };
        assert_eq!(more.draw(&logits, 0.999), 0);
        assert_eq!(Sampling { top_p: 1e-9, ..ALL }.draw(&logits, 0.5), 2);
    }

    #[test]
    fn tokens_are_ranked_as_far_as_somebody_looks() {
        // Many equal logits, in places that a generator scatters.
        let logits: Vec<f32> = (0..3000u32).map(|id| (id.wrapping_mul(2_654_435_761) >> 24) as f32 / 32.0).collect();
        let mut expected: Vec<u32> = (0..3000).collect();
        expected.sort_by(|a, b| by_rank(&logits, *a, *b));
        let mut ranked = Ranked { logits: &logits, ids: (0..3000).collect(), sorted: 0 };
        assert_eq!((ranked.id(5), ranked.sorted), (expected[5], 64));
        assert_eq!((ranked.id(64), ranked.sorted), (expected[64], 512));
        assert_eq!((0..3000).map(|rank| ranked.id(rank)).collect::<Vec<_>>(), expected);
        // The n-th of equally probable tokens, however deep it lies.
        let flat = vec![0.0; 3000];
        for id in [0, 63, 64, 511, 512, 2999] {
            assert_eq!(ALL.draw(&flat, (f64::from(id) + 0.5) / 3000.0), id);
        }
    }

    #[test]
    fn a_low_temperature_is_greedy_and_far_logits_have_no_weight() {
        let logits = [5.0, -3e38, 5.1];
        let cold = Sampling { temperature: 1e-4, ..ALL };
        assert!((0..100).all(|i| cold.draw(&logits, f64::from(i) / 100.0) == 2));
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let key = DrawKey { seed: 1, item: 2, sample: 3, position: 4 };
        let others = [
            DrawKey { seed: 2, ..key },
            DrawKey { item: 2 + (1 << 32), ..key },
            DrawKey { sample: 4, ..key },
            DrawKey { position: 5, ..key },
        ];
        assert!(others.iter().all(|other| other.uniform() != key.uniform()));
        assert_eq!(key.uniform(), key.uniform());
    }

    #[test]
    fn uniform_numbers_are_uniform() {
        let mut counts = [0u32; 10];
        for position in 0..10_000 {
            let u = DrawKey { position, ..DrawKey::default() }.uniform();
            counts[(u * 10.0) as usize] += 1;
        }
        // Binomial(10,000, 0.1): standard deviation 30.
        assert!(counts.iter().all(|&count| count.abs_diff(1000) < 150), "{counts:?}");
    }
}
