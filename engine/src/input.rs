//! Inputs of linear layers: f32, and the codes that packed layers read them as.

use crate::aligned::Aligned;
use crate::linear::Linear;
use crate::runtime::Runtime;
use kernels::{ActivationCodes, ColumnsMut, Kernels, QuantizedRowMut, QuantizedRows};

/// Which codes a packed layer reads its input as: their width, and the columns that share a scale.
pub(crate) type Form = (ActivationCodes, usize);

/// The input of one or more linear layers, f32 [tokens, columns], with the codes that packed ones among them read.
///
/// Its buffers only grow: an input that is used again allocates nothing.
#[derive(Debug, Default)]
pub struct Input {
    columns: usize,
    tokens: usize,
    x: Aligned<f32>,
    codes: Vec<Codes>,
}

/// Some rows of an input, to be written and then quantized by one task.
pub(crate) struct InputRows<'a> {
    /// First token.
    pub(crate) first: usize,
    /// f32 [rows, columns].
    pub(crate) x: &'a mut [f32],
    columns: usize,
    codes: Vec<CodesMut<'a>>,
}

/// Activation codes of all tokens; see `kernels::quantize`.
#[derive(Debug)]
struct Codes {
    form: Form,
    /// Bytes and scales of a token.
    stride: usize,
    segments: usize,
    high: Aligned<i8>,
    low: Aligned<i8>,
    scales: Aligned<f32>,
    offsets: Aligned<[i16; 2]>,
}

/// Codes of some tokens.
struct CodesMut<'a> {
    segment: usize,
    stride: usize,
    segments: usize,
    high: &'a mut [i8],
    low: &'a mut [i8],
    scales: &'a mut [f32],
    offsets: &'a mut [[i16; 2]],
}

/// Tokens whose rows one task writes.
pub(crate) const TASK_TOKENS: usize = 8;

impl Input {
    /// Makes room for `tokens` tokens of what `layers` read.
    ///
    /// # Panics
    /// If the layers read different numbers of features, or there are none.
    pub(crate) fn prepare(&mut self, tokens: usize, layers: &[&Linear]) {
        (self.columns, self.tokens) = (layers[0].weights.columns(), tokens);
        assert!(layers.iter().all(|layer| layer.weights.columns() == self.columns), "layers that share an input");
        self.x.resize(tokens * self.columns);
        let mut wanted: Vec<Form> = layers.iter().filter_map(|layer| layer.form()).collect();
        wanted.sort();
        wanted.dedup();
        self.codes.retain(|codes| wanted.contains(&codes.form));
        for form in wanted {
            let codes = match self.codes.iter().position(|codes| codes.form == form) {
                Some(index) => &mut self.codes[index],
                None => {
                    self.codes.push(Codes::new(form));
                    let last = self.codes.len() - 1;
                    &mut self.codes[last]
                }
            };
            codes.resize(tokens, self.columns);
        }
    }

    /// Copies `x` [tokens, columns] and quantizes it for `layers`.
    pub(crate) fn fill(&mut self, runtime: &Runtime, x: &[f32], layers: &[&Linear]) {
        let columns = layers[0].weights.columns();
        assert!(x.len().is_multiple_of(columns), "{} values in rows of {columns}", x.len());
        self.prepare(x.len() / columns, layers);
        runtime.team().for_each_mut(&mut self.rows_mut(), |_, rows| {
            let first = rows.first * columns;
            rows.x.copy_from_slice(&x[first..first + rows.x.len()]);
            rows.quantize(runtime.kernels());
        });
    }

    /// Quantizes what was written to [`Input::columns_mut`], where a layer reads codes.
    pub(crate) fn quantize(&mut self, runtime: &Runtime) {
        if !self.codes.is_empty() {
            runtime.team().for_each_mut(&mut self.rows_mut(), |_, rows| rows.quantize(runtime.kernels()));
        }
    }

    /// All rows, TASK_TOKENS at a time.
    pub(crate) fn rows_mut(&mut self) -> Vec<InputRows<'_>> {
        let columns = self.columns;
        let mut rows: Vec<InputRows<'_>> = (self.x.as_mut_slice().chunks_mut(TASK_TOKENS * columns).enumerate())
            .map(|(task, x)| InputRows { first: task * TASK_TOKENS, x, columns, codes: Vec::new() })
            .collect();
        for codes in &mut self.codes {
            let (stride, segments, segment) = (codes.stride, codes.segments, codes.form.1);
            let mut lows = codes.low.as_mut_slice().chunks_mut(TASK_TOKENS * stride);
            let highs = codes.high.as_mut_slice().chunks_mut(TASK_TOKENS * stride);
            let scales = codes.scales.as_mut_slice().chunks_mut(TASK_TOKENS * segments);
            let offsets = codes.offsets.as_mut_slice().chunks_mut(TASK_TOKENS * segments);
            for (((rows, high), scales), offsets) in rows.iter_mut().zip(highs).zip(scales).zip(offsets) {
                let low = lows.next().unwrap_or_default();
                rows.codes.push(CodesMut { segment, stride, segments, high, low, scales, offsets });
            }
        }
        rows
    }

    /// The f32 rows, to be written in blocks of columns.
    pub(crate) fn columns_mut(&mut self) -> ColumnsMut<'_> {
        ColumnsMut::new(self.x.as_mut_slice(), self.columns)
    }

    /// Number of tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Features of a token.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// f32 [tokens, columns].
    pub(crate) fn x(&self) -> &[f32] {
        self.x.as_slice()
    }

    /// The codes of one form.
    ///
    /// # Panics
    /// If the input was not prepared for a layer that reads it.
    pub(crate) fn codes(&self, form: Form) -> QuantizedRows<'_> {
        let codes = self.codes.iter().find(|codes| codes.form == form).expect("an input prepared for the layer");
        QuantizedRows {
            segment: codes.form.1,
            stride: codes.stride,
            high: codes.high.as_slice(),
            low: codes.low.as_slice(),
            scales: codes.scales.as_slice(),
            offsets: codes.offsets.as_slice(),
        }
    }
}

impl InputRows<'_> {
    /// Writes the codes of the rows.
    pub(crate) fn quantize(&mut self, kernels: &Kernels) {
        for codes in &mut self.codes {
            let (stride, segments) = (codes.stride, codes.segments);
            for (index, x) in self.x.chunks(self.columns).enumerate() {
                let (bytes, grid) = (index * stride..(index + 1) * stride, index * segments..(index + 1) * segments);
                let low = if codes.low.is_empty() { &mut [][..] } else { &mut codes.low[bytes.clone()] };
                let out = QuantizedRowMut {
                    high: &mut codes.high[bytes],
                    low,
                    scales: &mut codes.scales[grid.clone()],
                    offsets: &mut codes.offsets[grid],
                };
                kernels.quantize_row(x, codes.segment, out);
            }
        }
    }
}

impl Codes {
    fn new(form: Form) -> Self {
        Self {
            form,
            stride: 0,
            segments: 0,
            high: Aligned::default(),
            low: Aligned::default(),
            scales: Aligned::default(),
            offsets: Aligned::default(),
        }
    }

    fn resize(&mut self, tokens: usize, columns: usize) {
        (self.stride, self.segments) = (columns.next_multiple_of(32), columns.div_ceil(self.form.1));
        self.high.resize(tokens * self.stride);
        self.low.resize(if self.form.0 == ActivationCodes::A16 { tokens * self.stride } else { 0 });
        self.scales.resize(tokens * self.segments);
        self.offsets.resize(tokens * self.segments);
    }
}
