//! Pseudorandom numbers as a function of seed, stream and index, so that any document can be made without the others.
//!
//! SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), integers only.

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The numbers of one index of one stream.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The generator of `index` in the stream called `stream`.
    pub fn new(seed: u64, stream: &str, index: u64) -> Self {
        Self { state: mix(mix(seed ^ hash(stream)).wrapping_add(mix(index.wrapping_add(GAMMA)))) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// A number from 0 to `count` - 1; 0 if `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The upper half of a 128-bit product: no division, and a bias below 2^-50 for the counts used here.
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high + 1 - low)
    }

    /// True in `share` of `whole` cases.
    pub fn chance(&mut self, share: usize, whole: usize) -> bool {
        self.below(whole) < share
    }

    /// One of `items`, of which there must be one.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Brings `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

/// Whether what `key` names is kept out of the training corpus: one in eight.
///
/// The generator of the corpus skips what is kept out, test sets are made of nothing else: the two cannot meet.
pub(super) fn held_out(key: &str) -> bool {
    mix(hash(key)) & 7 == 0
}

/// FNV-1a over the bytes of a text.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finalizer_is_that_of_splitmix64() {
        // First three outputs of the reference implementation for the seed 1234567.
        let mut random = Random { state: 1_234_567 };
        let outputs = [random.next(), random.next(), random.next()];
        assert_eq!(outputs, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn streams_and_indices_differ_and_repeat() {
        let first = |stream, index| Random::new(1, stream, index).next();
        assert_eq!(first("a", 0), first("a", 0));
        assert_ne!(first("a", 0), first("b", 0));
        assert_ne!(first("a", 0), first("a", 1));
        let mut items: Vec<usize> = (0..9).collect();
        Random::new(1, "a", 0).shuffle(&mut items);
        assert_ne!(items, (0..9).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn one_key_in_eight_is_held_out() {
        let held = (0..8000).filter(|key| held_out(&key.to_string())).count();
        assert!((900..1100).contains(&held), "{held}");
    }
}
