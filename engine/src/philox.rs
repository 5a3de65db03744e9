//! Philox4x32-10: random numbers as a function of a key and a counter, with no state between them.
//!
//! Because number n is computed without number n - 1, a sample depends on what it is for (seed, item, position) and never
//! on what was drawn before it, so batches and threads cannot change it.
//!
//! Source: Salmon, Moraes, Dror, Shaw 2011, Parallel Random Numbers: As Easy as 1, 2, 3, section 3.3; ten rounds. Checked
//! against the authors' published vectors.

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// The block of four random words of `counter` under `key`.
pub fn block(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut key_0, mut key_1], mut words) = (key, counter);
    for _ in 0..ROUNDS {
        let product_0 = u64::from(MULTIPLIERS[0]) * u64::from(words[0]);
        let product_1 = u64::from(MULTIPLIERS[1]) * u64::from(words[2]);
        words = [
            (product_1 >> 32) as u32 ^ words[1] ^ key_0,
            product_1 as u32,
            (product_0 >> 32) as u32 ^ words[3] ^ key_1,
            product_0 as u32,
        ];
        key_0 = key_0.wrapping_add(KEY_STEPS[0]);
        key_1 = key_1.wrapping_add(KEY_STEPS[1]);
    }
    words
}

/// A 64-bit number as two words, the low one first.
pub fn words(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// A uniform number of [0, 1) with 53 bits, from the first two words of a block.
pub fn uniform(block: [u32; 4]) -> f64 {
    let bits = (u64::from(block[1]) << 32 | u64::from(block[0])) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kat_vectors` of Random123: philox4x32, 10 rounds.
    #[test]
    fn the_published_vectors() {
        assert_eq!(block([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u32::MAX;
        assert_eq!(block([ones; 2], [ones; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let expected = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(block([0xa409_3822, 0x299f_31d0], pi), expected);
    }

    #[test]
    fn uniform_numbers_lie_in_the_half_open_interval() {
        assert_eq!(uniform([0; 4]), 0.0);
        assert_eq!(uniform([u32::MAX; 4]), 1.0 - f64::EPSILON / 2.0);
        assert_eq!(uniform([0, 1 << 31, 0, 0]), 0.5);
    }
}
