//! Rotary position embedding: inverse frequencies of every supported scaling, computed in f64.

use kernels::math;

/// A rotary embedding (Su et al. 2021, RoFormer) over the first `rotary_dim` dimensions of a head.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the geometric progression of wavelengths (`rope_theta`).
    pub theta: f64,
    /// Rotated dimensions of a head; even.
    pub rotary_dim: usize,
    /// Which dimensions are rotated together.
    pub pairing: Pairing,
    /// Change of the frequencies for long contexts.
    pub scaling: RopeScaling,
}

/// Pairs of dimensions; h is half of the rotated ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// i and i + h.
    Halves,
    /// 2i and 2i + 1.
    Neighbours,
}

/// How frequencies are changed to reach longer contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Unchanged.
    Unscaled,
    /// All frequencies divided by `factor` (Chen et al. 2023, position interpolation).
    Linear {
        /// Divisor.
        factor: f64,
    },
    /// Base grown with the length of the sequence (transformers' `dynamic`).
    Dynamic {
        /// Scaling factor.
        factor: f64,
        /// Length up to which nothing changes, in tokens.
        original_context_len: usize,
    },
    /// Frequency bands of Llama 3.1 (transformers' `llama3`).
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Low-frequency bound.
        low_freq_factor: f64,
        /// High-frequency bound.
        high_freq_factor: f64,
        /// Context the model was first trained on, in tokens.
        original_context_len: usize,
    },
    /// YaRN (Peng et al. 2023): low frequencies divided, high ones kept, a ramp between.
    Yarn {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Turns within the original context above which a frequency is kept.
        beta_fast: f64,
        /// Turns below which it is divided.
        beta_slow: f64,
        /// Whether the ramp's ends are whole dimensions.
        ends: RampEnds,
        /// Factor on cos and sin.
        attention_factor: f64,
        /// Context the model was first trained on, in tokens.
        original_context_len: usize,
    },
    /// LongRoPE (Ding et al. 2024): a divisor for each frequency, one list for short sequences and one for long ones.
    Long {
        /// Divisors up to the original context.
        short_factors: Vec<f64>,
        /// Divisors beyond it.
        long_factors: Vec<f64>,
        /// Factor on cos and sin.
        attention_factor: f64,
        /// Context the model was first trained on, in tokens.
        original_context_len: usize,
    },
    /// NTK-aware base in powers of two, chosen by the length of the prefill (first-generation Qwen).
    QwenNtk {
        /// Training length in tokens (`seq_length`).
        seq_length: usize,
    },
}

/// The ends of YaRN's ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RampEnds {
    /// Rounded outwards to whole dimensions.
    Whole,
    /// As they come (`truncate: false`).
    Fractional,
}

impl Rope {
    /// The factor on cos and sin.
    pub fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { attention_factor, .. } | RopeScaling::Long { attention_factor, .. } => attention_factor,
            _ => 1.0,
        }
    }

    /// The rotated dimensions' inverse frequencies, [rotary_dim / 2], for a sequence of `sequence_len` tokens.
    ///
    /// Only `Dynamic`, `Long` and `QwenNtk` depend on the length. Source: transformers `modeling_rope_utils.py`; for `QwenNtk`
    /// the published `modeling_qwen.py`.
    pub fn inverse_frequencies(&self, sequence_len: usize) -> Vec<f64> {
        let dim = self.rotary_dim as f64;
        let exponent = dim / (dim - 2.0);
        let theta = match &self.scaling {
            RopeScaling::Dynamic { factor, original_context_len } if sequence_len > *original_context_len => {
                let grown = factor * sequence_len as f64 / *original_context_len as f64 - (factor - 1.0);
                self.theta * math::pow(grown, exponent)
            }
            RopeScaling::QwenNtk { seq_length } => {
                self.theta * math::pow(ntk_alpha(sequence_len, *seq_length), exponent)
            }
            _ => self.theta,
        };
        let plain = (0..self.rotary_dim / 2).map(|i| 1.0 / math::pow(theta, (2 * i) as f64 / dim));
        match &self.scaling {
            RopeScaling::Linear { factor } => plain.map(|frequency| frequency / factor).collect(),
            RopeScaling::Yarn { factor, beta_fast, beta_slow, ends, original_context_len, .. } => {
                // The dimension whose frequency makes `turns` turns in the original context.
                let dimension = |turns: f64| {
                    let turns = *original_context_len as f64 / (turns * std::f64::consts::TAU);
                    dim * math::ln(turns) / (2.0 * math::ln(theta))
                };
                let (mut low, mut high) = (dimension(*beta_fast), dimension(*beta_slow));
                if *ends == RampEnds::Whole {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, high) = (low.max(0.0), high.min(dim - 1.0));
                let high = if low == high { high + 0.001 } else { high };
                let ramp = |i: usize| ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                let mixed = |(i, frequency): (usize, f64)| {
                    let kept = 1.0 - ramp(i);
                    frequency / factor * (1.0 - kept) + frequency * kept
                };
                plain.enumerate().map(mixed).collect()
            }
            RopeScaling::Long { short_factors, long_factors, original_context_len, .. } => {
                let factors = if sequence_len > *original_context_len { long_factors } else { short_factors };
                plain.zip(factors).map(|(frequency, factor)| frequency / factor).collect()
            }
            &RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context_len } => {
                let context = original_context_len as f64;
                plain
                    .map(|frequency| {
                        let wavelength = std::f64::consts::TAU / frequency;
                        if wavelength < context / high_freq_factor {
                            frequency
                        } else if wavelength > context / low_freq_factor {
                            frequency / factor
                        } else {
                            let smooth =
                                (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                            (1.0 - smooth) * frequency / factor + smooth * frequency
                        }
                    })
                    .collect()
            }
            _ => plain.collect(),
        }
    }

    /// What of a sequence's length enters its frequencies: sequences with equal keys may share a prefix.
    pub fn sharing_key(&self, sequence_len: usize) -> u64 {
        match self.scaling {
            RopeScaling::Dynamic { original_context_len, .. } if sequence_len > original_context_len => {
                sequence_len as u64
            }
            RopeScaling::Long { original_context_len, .. } => u64::from(sequence_len > original_context_len),
            RopeScaling::QwenNtk { seq_length } => ntk_alpha(sequence_len, seq_length) as u64,
            _ => 0,
        }
    }

    /// The length that governs the token at `position` of a generation after a prompt of `prompt_len` tokens, as the
    /// published code has it with its cache: `dynamic` grows with every token and leaves the keys in the cache as they
    /// are; first-generation Qwen keeps the prompt's.
    pub fn generation_len(&self, prompt_len: usize, position: usize) -> usize {
        match self.scaling {
            RopeScaling::QwenNtk { .. } => prompt_len,
            _ => prompt_len.max(position + 1),
        }
    }
}

/// max(2^ceil(log2(len / seq_length) + 1) - 1, 1), in integers: the power is the least one with
/// 2^e * seq_length >= 2 * len.
fn ntk_alpha(len: usize, seq_length: usize) -> f64 {
    let mut power = 1u64;
    while (power as u128) * (seq_length as u128) < 2 * len as u128 {
        power *= 2;
    }
    (power - 1).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // std is the oracle
    fn ntk_alpha_is_the_published_formula() {
        for seq_length in [48usize, 100, 2048] {
            for len in 1..6 * seq_length {
                let exponent = (len as f64 / seq_length as f64).log2() + 1.0;
                // Exact powers of two are where log2 could err; there the formula's value is known.
                let expected = (exponent.ceil().exp2() - 1.0).max(1.0);
                assert_eq!(ntk_alpha(len, seq_length), expected, "{len} / {seq_length}");
            }
        }
    }
}
