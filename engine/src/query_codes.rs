//! Queries as codes, for attention over keys that are codes.

use crate::aligned::Aligned;
use kernels::{ActivationCodes, Kernels, QuantizedRowMut, QueryCodes};

/// Codes of the queries of a task; see [`QueryCodes`].
#[derive(Default)]
pub(crate) struct QueryCodesBuffer {
    stride: usize,
    codes: Aligned<i8>,
    scales: Vec<f32>,
    offsets: Vec<i32>,
}

impl QueryCodesBuffer {
    /// Quantizes queries, [queries, head_dim], one scale each. One that is not finite gets the scale NaN, and so do its
    /// scores.
    pub(crate) fn quantize(&mut self, kernels: &Kernels, width: ActivationCodes, head_dim: usize, queries: &[f32]) {
        let planes = match width {
            ActivationCodes::A8 => 1,
            ActivationCodes::A16 => 2,
        };
        let count = queries.len() / head_dim;
        self.stride = head_dim.next_multiple_of(8);
        self.codes.resize(count * planes * self.stride);
        self.scales.clear();
        self.offsets.clear();
        let codes = self.codes.as_mut_slice().chunks_mut(planes * self.stride);
        for (query, codes) in queries.chunks(head_dim).zip(codes) {
            let (mut scale, mut offset) = ([0.0], [[0; 2]]);
            let (high, low) = codes.split_at_mut(self.stride);
            let row = QuantizedRowMut { high, low, scales: &mut scale, offsets: &mut offset };
            kernels.quantize_row(query, head_dim.next_multiple_of(16), row);
            self.scales.push(if query.iter().all(|x| x.is_finite()) { scale[0] } else { f32::NAN });
            self.offsets.extend(offset[0][..planes].iter().map(|&sum| i32::from(sum)));
        }
    }

    /// What was quantized last.
    pub(crate) fn codes(&self) -> QueryCodes<'_> {
        let Self { stride, codes, scales, offsets } = self;
        QueryCodes { stride: *stride, codes: codes.as_slice(), scales, offsets }
    }
}
