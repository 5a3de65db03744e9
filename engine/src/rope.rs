//! Rotary position embedding: inverse frequencies of every supported scaling, computed in f64.

/// A rotary embedding (Su et al. 2021, RoFormer) over the first `rotary_dim` dimensions of a head, half-split pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the geometric progression of wavelengths (`rope_theta`).
    pub theta: f64,
    /// Rotated dimensions of a head; even.
    pub rotary_dim: usize,
    /// Change of the frequencies for long contexts.
    pub scaling: RopeScaling,
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
    /// NTK-aware base in powers of two, chosen by the length of the prefill (first-generation Qwen).
    QwenNtk {
        /// Training length in tokens (`seq_length`).
        seq_length: usize,
    },
}
