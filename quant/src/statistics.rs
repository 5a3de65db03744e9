//! What calibration finds out about an input of linear layers.

use crate::hessian::Hessian;
use kernels::Kernels;

/// An input of linear layers over all calibration sequences.
///
/// Every sum runs over the tokens in their order, so that neither threads nor how tokens were cut into calls change a
/// bit.
pub(crate) struct InputStatistics {
    /// H = (2 / n) sum of x^T x over n sequences; none where only magnitudes are wanted.
    pub(crate) hessian: Option<Hessian>,
    /// max |x| of every feature, [columns].
    pub(crate) absolute_max: Vec<f32>,
    /// Sum of |x| of every feature, [columns].
    absolute_sum: Vec<f64>,
    /// Tokens seen.
    pub(crate) tokens: usize,
}

impl InputStatistics {
    /// Of an input of `columns` features, over `sequences` sequences, nothing seen yet.
    pub(crate) fn new(columns: usize, sequences: usize) -> Self {
        let mut hessian = Hessian::new(columns);
        // Sequences are counted first; their tokens follow.
        (0..sequences).for_each(|_| hessian.add_sequence(Kernels::best(), &[]));
        Self { hessian: Some(hessian), ..Self::of_magnitudes(columns) }
    }

    /// Likewise, without the Hessian.
    pub(crate) fn of_magnitudes(columns: usize) -> Self {
        Self { hessian: None, absolute_max: vec![0.0; columns], absolute_sum: vec![0.0; columns], tokens: 0 }
    }

    /// Adds the next tokens, x: f32 [tokens, columns]. The work is shared by the threads of the pool that calls.
    pub(crate) fn add(&mut self, kernels: &Kernels, x: &[f32]) {
        let columns = self.absolute_max.len();
        if let Some(hessian) = &mut self.hessian {
            hessian.add_tokens(kernels, x);
        }
        for row in x.chunks(columns) {
            for ((max, sum), value) in self.absolute_max.iter_mut().zip(&mut self.absolute_sum).zip(row) {
                let magnitude = value.abs();
                *max = if magnitude > *max { magnitude } else { *max };
                *sum += f64::from(magnitude);
            }
        }
        self.tokens += x.len() / columns;
    }

    /// mean |x| of every feature, [columns].
    pub(crate) fn absolute_mean(&self) -> Vec<f64> {
        self.absolute_sum.iter().map(|sum| sum / self.tokens as f64).collect()
    }

    /// Bytes that an input of `columns` features takes, with its Hessian.
    pub(crate) fn bytes(columns: usize) -> u64 {
        let columns = columns as u64;
        8 * columns * columns + 12 * columns
    }
}
