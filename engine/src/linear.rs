//! Linear layers: weights in one format, activations quantized once for all layers that share an input.

use crate::format::{DenseMatrix, PackedMatrix};
use crate::runtime::Runtime;
use kernels::{ActivationCodes, ColumnsMut, PANEL_ROWS, QuantizedRowMut, QuantizedRows, segment_of};
use rayon::prelude::*;

/// How activations enter a product with packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activations {
    /// 8-bit codes, one scale a token and segment.
    A8,
    /// 16-bit codes, one scale a token and segment: as faithful as bf16 activations or better.
    A16,
    /// f32, the reference.
    A32,
}

/// The weights of a linear layer.
#[derive(Clone, Debug)]
pub enum Weights {
    /// As the checkpoint has them, multiplied with f32 activations.
    Dense(DenseMatrix),
    /// Packed codes.
    Packed {
        /// The codes.
        matrix: PackedMatrix,
        /// How activations enter.
        activations: Activations,
    },
}

/// y = x w^T + bias.
#[derive(Clone, Debug)]
pub struct Linear {
    /// [out_features, in_features].
    pub weights: Weights,
    /// [out_features].
    pub bias: Option<Vec<f32>>,
}

/// The input of one or more linear layers, f32 [tokens, in_features], with its quantized forms made on demand.
pub struct Input<'a> {
    x: &'a [f32],
    columns: usize,
    forms: Vec<(ActivationCodes, Quantized)>,
}

/// Activation codes of all tokens; see `kernels::quantize`.
struct Quantized {
    segment: usize,
    stride: usize,
    high: Vec<i8>,
    low: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<[i16; 2]>,
}

/// Dense rows computed by one task: enough to amortise dispatch, few enough to balance threads.
const DENSE_TASK_ROWS: usize = 64;

impl Weights {
    /// Output features.
    pub fn rows(&self) -> usize {
        match self {
            Weights::Dense(matrix) => matrix.rows(),
            Weights::Packed { matrix, .. } => matrix.shape().rows,
        }
    }

    /// Input features.
    pub fn columns(&self) -> usize {
        match self {
            Weights::Dense(matrix) => matrix.columns(),
            Weights::Packed { matrix, .. } => matrix.shape().columns,
        }
    }

    /// Bytes held or mapped.
    pub fn bytes(&self) -> usize {
        match self {
            Weights::Dense(matrix) => matrix.as_bytes().len(),
            Weights::Packed { matrix, .. } => matrix.bytes(),
        }
    }

    /// Bits of a code, or of an element.
    pub fn nominal_bits(&self) -> u32 {
        match self {
            Weights::Dense(matrix) => 8 * matrix.dtype().bytes() as u32,
            Weights::Packed { matrix, .. } => matrix.shape().bits.bits(),
        }
    }
}

impl Linear {
    /// y [tokens, out_features] = x w^T + bias. Call inside [`Runtime::run`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn forward(&self, runtime: &Runtime, input: &mut Input<'_>, y: &mut [f32]) {
        let rows = self.weights.rows();
        assert_eq!(input.columns, self.weights.columns(), "input features");
        assert_eq!(y.len(), input.tokens() * rows, "outputs");
        let kernels = runtime.kernels();
        match &self.weights {
            Weights::Dense(matrix) => {
                let weights = matrix.as_rows();
                ColumnsMut::new(y, rows).chunks(DENSE_TASK_ROWS).into_par_iter().enumerate().for_each(
                    |(task, mut y)| {
                        kernels.dense(weights.slice(task * DENSE_TASK_ROWS, y.width()), input.x, &mut y);
                    },
                );
            }
            Weights::Packed { matrix, activations } => {
                let outputs = ColumnsMut::new(y, rows).chunks(PANEL_ROWS).into_par_iter().enumerate();
                let codes = match activations {
                    Activations::A8 => ActivationCodes::A8,
                    Activations::A16 => ActivationCodes::A16,
                    Activations::A32 => {
                        let x = input.x;
                        outputs.for_each(|(panel, mut y)| kernels.grouped_f32(&matrix.panel(panel), x, &mut y));
                        return self.add_bias(y);
                    }
                };
                let x = input.quantized(runtime, codes, segment_of(matrix.shape().group));
                outputs.for_each(|(panel, mut y)| kernels.grouped(&matrix.panel(panel), &x, &mut y));
            }
        }
        self.add_bias(y);
    }

    fn add_bias(&self, y: &mut [f32]) {
        if let Some(bias) = &self.bias {
            y.par_chunks_mut(bias.len()).for_each(|row| {
                for (value, &b) in row.iter_mut().zip(bias) {
                    *value += b;
                }
            });
        }
    }
}

impl<'a> Input<'a> {
    /// An input [tokens, columns].
    pub fn new(x: &'a [f32], columns: usize) -> Self {
        assert!(columns > 0 && x.len().is_multiple_of(columns), "{} values in rows of {columns}", x.len());
        Self { x, columns, forms: Vec::new() }
    }

    fn tokens(&self) -> usize {
        self.x.len() / self.columns
    }

    fn quantized(&mut self, runtime: &Runtime, codes: ActivationCodes, segment: usize) -> QuantizedRows<'_> {
        let known = self.forms.iter().position(|(kind, form)| *kind == codes && form.segment == segment);
        let index = known.unwrap_or_else(|| {
            self.forms.push((codes, Quantized::new(runtime, self.x, self.columns, codes, segment)));
            self.forms.len() - 1
        });
        self.forms[index].1.as_rows()
    }
}

impl Quantized {
    fn new(runtime: &Runtime, x: &[f32], columns: usize, codes: ActivationCodes, segment: usize) -> Self {
        let (tokens, stride, segments) = (x.len() / columns, columns.next_multiple_of(32), columns.div_ceil(segment));
        let mut high = vec![0i8; tokens * stride];
        let mut low = match codes {
            ActivationCodes::A8 => Vec::new(),
            ActivationCodes::A16 => vec![0i8; tokens * stride],
        };
        let mut scales = vec![0f32; tokens * segments];
        let mut offsets = vec![[0i16; 2]; tokens * segments];
        let mut lows: Vec<&mut [i8]> = low.chunks_mut(stride).collect();
        lows.resize_with(tokens, Default::default);
        x.par_chunks(columns)
            .zip(high.par_chunks_mut(stride))
            .zip(lows)
            .zip(scales.par_chunks_mut(segments))
            .zip(offsets.par_chunks_mut(segments))
            .for_each(|((((x, high), low), scales), offsets)| {
                runtime.kernels().quantize_row(x, segment, QuantizedRowMut { high, low, scales, offsets });
            });
        Self { segment, stride, high, low, scales, offsets }
    }

    fn as_rows(&self) -> QuantizedRows<'_> {
        QuantizedRows {
            segment: self.segment,
            stride: self.stride,
            high: &self.high,
            low: &self.low,
            scales: &self.scales,
            offsets: &self.offsets,
        }
    }
}
