//! Random indices by counting: what is drawn depends on the seed and on what it is drawn for, never on earlier draws.

use engine::philox;

/// A seeded source of indices for resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// The draws of this seed.
    pub fn new(seed: u64) -> Self {
        Self { key: philox::words(seed) }
    }

    /// Two indices below `bound`: draws `2 * pair` and `2 * pair + 1` of resample `resample`.
    ///
    /// The counter of the Philox block is (pair, resample), low words first. Each half of the block is a 64-bit word;
    /// times the bound, the high half of the product is the index: none is likelier than another by more than 2^-64.
    pub fn indices(&self, resample: u64, pair: u64, bound: u64) -> [u64; 2] {
        let [a, b, c, d] = self.words(resample, pair);
        let index = |low: u32, high: u32| {
            let word = u64::from(low) | (u64::from(high) << 32);
            ((u128::from(word) * u128::from(bound)) >> 64) as u64
        };
        [index(a, b), index(c, d)]
    }

    /// 128 random bits, block `block` of resample `resample`: what [`Self::indices`] makes its indices from.
    pub fn words(&self, resample: u64, block: u64) -> [u32; 4] {
        let ([block_low, block_high], [low, high]) = (philox::words(block), philox::words(resample));
        philox::block(self.key, [block_low, block_high, low, high])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_cover_the_range_evenly() {
        let draws = Draws::new(7);
        let mut counts = [0; 5];
        for pair in 0..5000 {
            for index in draws.indices(3, pair, 5) {
                counts[index as usize] += 1;
            }
        }
        // 2,000 expected a bin, standard deviation 40.
        assert!(counts.iter().all(|&count| (1800..2200).contains(&count)), "{counts:?}");
        assert_eq!(draws.indices(0, 0, 1), [0, 0]);
    }

    #[test]
    fn seed_resample_and_position_all_matter() {
        let drawn = Draws::new(7).indices(3, 4, u64::MAX);
        assert_eq!(drawn, Draws::new(7).indices(3, 4, u64::MAX));
        for other in [Draws::new(8).indices(3, 4, u64::MAX), Draws::new(7).indices(4, 3, u64::MAX)] {
            assert_ne!(drawn, other);
        }
        assert_ne!(drawn[0], drawn[1]);
    }
}
