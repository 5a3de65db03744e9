//! Seeded numbers: the same on every machine, cheap enough for a gigabyte of weights.

use rayon::prelude::*;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Generator(u64);

/// Elements that share a seed, so that threads can fill a buffer.
const SEEDED: usize = 1 << 16;

impl Generator {
    /// A generator that begins with `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// `count` numbers between -1 and 1.
    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    /// `count` token ids below `vocab_size`.
    pub fn tokens(&mut self, count: usize, vocab_size: usize) -> Vec<u32> {
        (0..count).map(|_| self.below(vocab_size) as u32).collect()
    }
}

/// `count` little-endian bfloat16 spread evenly over `middle` - `reach` to `middle` + `reach`.
pub fn bf16(count: usize, seed: u64, middle: f32, reach: f32) -> Vec<u8> {
    let mut bytes = vec![0; 2 * count];
    bytes.par_chunks_mut(2 * SEEDED).enumerate().for_each(|(part, bytes)| {
        let mut generator = Generator::new(seed ^ ((part as u64 + 1) << 32));
        for four in bytes.chunks_mut(8) {
            let bits = generator.bits();
            for (index, word) in four.chunks_mut(2).enumerate() {
                let unit = (bits >> (16 * index)) as u16 as f32 / 32_768.0 - 1.0;
                word.copy_from_slice(&bf16_bits(middle + reach * unit).to_le_bytes());
            }
        }
    });
    bytes
}

/// The upper half of a f32, which is a bfloat16.
pub fn bf16_bits(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}
