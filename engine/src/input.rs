//! Inputs of linear layers: f32, and the views that quantized layers read them in.

use crate::aligned::Aligned;
use crate::input_map::InputMap;
use crate::linear::Linear;
use crate::runtime::Runtime;
use decomposed::{Decomposed, DecomposedMut};
pub use decomposed::{Decomposition, InputPrecision, OutlierScope};
use kernels::{
    ActivationCodes, ColumnsMut, Kernels, OutlierFeature, QuantizedRowMut, QuantizedRows, TOKEN_BLOCK, TokenColumns,
};
use std::ops::Range;
use std::sync::Arc;

mod decomposed;

/// In which form a layer reads its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// Codes of a width, with the columns that share a scale.
    Codes(ActivationCodes, usize),
    /// f32.
    Floats,
    /// f32 with the tokens of a column side by side; see `kernels::outliers`.
    Columns,
    /// 8-bit codes with one scale a token, and outlier features apart.
    Decomposed(Decomposition),
}

/// How a layer reads its input: in a form, and through a map where it has one.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) form: Form,
    pub(crate) map: Option<Arc<InputMap>>,
}

/// What is done to the inputs of the blocks' linear layers before they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputRounding {
    /// Nothing.
    #[default]
    None,
    /// Rounded to bfloat16, halves to even: the noise that an engine with bf16 activations and f32 sums has at least.
    Bf16,
}

impl InputRounding {
    fn round(self, x: &mut [f32]) {
        if self == InputRounding::Bf16 {
            for value in x {
                *value = half::bf16::from_f32(*value).to_f32();
            }
        }
    }
}

/// The input of one or more linear layers, f32 [tokens, columns], with what layers read that do not take it as it is.
///
/// Its buffers only grow: an input that is used again allocates nothing.
#[derive(Debug, Default)]
pub struct Input {
    columns: usize,
    tokens: usize,
    x: Aligned<f32>,
    views: Vec<View>,
    pub(crate) rounding: InputRounding,
}

/// The input as some layers read it.
#[derive(Debug)]
struct View {
    reading: Reading,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Codes(Codes),
    /// [tokens, columns].
    Floats(Aligned<f32>),
    /// Blocks of TOKEN_BLOCK tokens, the last one of what is left, [columns][tokens of the block].
    Columns(Aligned<f32>),
    Decomposed(Decomposed),
}

/// Some rows of an input, to be written and then quantized by one task.
pub(crate) struct InputRows<'a> {
    /// First token.
    pub(crate) first: usize,
    /// f32 [rows, columns].
    pub(crate) x: &'a mut [f32],
    columns: usize,
    rounding: InputRounding,
    views: Vec<ViewMut<'a>>,
}

/// Some rows of a view.
struct ViewMut<'a> {
    map: Option<&'a InputMap>,
    data: DataMut<'a>,
}

enum DataMut<'a> {
    Codes(CodesMut<'a>),
    Floats(&'a mut [f32]),
    /// [columns, rows].
    Columns(ColumnsMut<'a>),
    Decomposed(DecomposedMut<'a>),
}

/// Activation codes of all tokens; see `kernels::quantize`.
#[derive(Debug)]
struct Codes {
    width: ActivationCodes,
    segment: usize,
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
        let wanted: Vec<Reading> = layers.iter().flat_map(|layer| layer.readings()).collect();
        self.views.retain(|view| wanted.contains(&view.reading));
        for reading in wanted {
            let index = self.views.iter().position(|view| view.reading == reading);
            let index = index.unwrap_or_else(|| {
                self.views.push(View::new(reading));
                self.views.len() - 1
            });
            self.views[index].resize(tokens, self.columns);
        }
    }

    /// Copies `x` [tokens, columns], the tokens of one call, and quantizes it for `layers`.
    pub fn fill(&mut self, runtime: &Runtime, x: &[f32], layers: &[&Linear]) {
        let tokens = x.len() / layers[0].weights.columns();
        self.fill_calls(runtime, x, layers, std::slice::from_ref(&(0..tokens)));
    }

    /// Likewise, the tokens of several calls.
    pub(crate) fn fill_calls(&mut self, runtime: &Runtime, x: &[f32], layers: &[&Linear], calls: &[Range<usize>]) {
        let columns = layers[0].weights.columns();
        assert!(x.len().is_multiple_of(columns), "{} values in rows of {columns}", x.len());
        self.prepare(x.len() / columns, layers);
        runtime.team().for_each_mut(&mut self.rows_mut(), |_, rows| {
            let first = rows.first * columns;
            rows.x.copy_from_slice(&x[first..first + rows.x.len()]);
            rows.write_views(runtime.kernels());
        });
        self.write_calls(runtime, calls);
    }

    /// Makes the views of what was written to [`Input::columns_mut`], where a layer reads any; `calls` as of
    /// [`Input::write_calls`].
    pub(crate) fn write_views(&mut self, runtime: &Runtime, calls: &[Range<usize>]) {
        if !self.views.is_empty() || self.rounding != InputRounding::None {
            runtime.team().for_each_mut(&mut self.rows_mut(), |_, rows| rows.write_views(runtime.kernels()));
            self.write_calls(runtime, calls);
        }
    }

    /// Makes the views that depend on which tokens are read in one call; `calls` are the tokens of each, in their order.
    pub(crate) fn write_calls(&mut self, runtime: &Runtime, calls: &[Range<usize>]) {
        for View { reading, data } in &mut self.views {
            if let Data::Decomposed(decomposed) = data {
                decomposed.write_calls(runtime, self.x.as_slice(), reading.map.as_deref(), calls);
            }
        }
    }

    /// All rows, TASK_TOKENS at a time.
    pub(crate) fn rows_mut(&mut self) -> Vec<InputRows<'_>> {
        let (columns, rounding) = (self.columns, self.rounding);
        let mut rows: Vec<InputRows<'_>> = (self.x.as_mut_slice().chunks_mut(TASK_TOKENS * columns).enumerate())
            .map(|(task, x)| InputRows { first: task * TASK_TOKENS, x, columns, rounding, views: Vec::new() })
            .collect();
        for View { reading, data } in &mut self.views {
            let map = reading.map.as_deref();
            match data {
                Data::Codes(codes) => {
                    for (rows, codes) in rows.iter_mut().zip(codes.rows_mut()) {
                        rows.views.push(ViewMut { map, data: DataMut::Codes(codes) });
                    }
                }
                Data::Floats(floats) => {
                    for (rows, floats) in rows.iter_mut().zip(floats.as_mut_slice().chunks_mut(TASK_TOKENS * columns)) {
                        rows.views.push(ViewMut { map, data: DataMut::Floats(floats) });
                    }
                }
                Data::Columns(floats) => {
                    let blocks = floats.as_mut_slice().chunks_mut(TOKEN_BLOCK * columns);
                    let parts = blocks.flat_map(|block| {
                        let tokens = block.len() / columns;
                        ColumnsMut::new(block, tokens).chunks(TASK_TOKENS)
                    });
                    for (rows, part) in rows.iter_mut().zip(parts) {
                        rows.views.push(ViewMut { map, data: DataMut::Columns(part) });
                    }
                }
                Data::Decomposed(decomposed) => {
                    for (rows, part) in rows.iter_mut().zip(decomposed.rows_mut()) {
                        rows.views.push(ViewMut { map, data: DataMut::Decomposed(part) });
                    }
                }
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

    /// f32 [tokens, columns], as written.
    pub(crate) fn x(&self) -> &[f32] {
        self.x.as_slice()
    }

    fn view(&self, form: Form, map: Option<&Arc<InputMap>>) -> &Data {
        let is_wanted = |view: &&View| view.reading.is(form, map);
        &self.views.iter().find(is_wanted).expect("an input prepared for the layer").data
    }

    /// f32 [tokens, columns], mapped.
    ///
    /// # Panics
    /// If the input was not prepared for a layer that reads it.
    pub(crate) fn floats(&self, map: Option<&Arc<InputMap>>) -> &[f32] {
        match map.map(|map| self.view(Form::Floats, Some(map))) {
            None => self.x(),
            Some(Data::Floats(floats)) => floats.as_slice(),
            Some(_) => unreachable!("a view has the form of its reading"),
        }
    }

    /// f32, mapped, with the tokens of a column side by side.
    ///
    /// # Panics
    /// If the input was not prepared for a layer that reads it.
    pub(crate) fn token_columns(&self, map: Option<&Arc<InputMap>>) -> TokenColumns<'_> {
        match self.view(Form::Columns, map) {
            Data::Columns(x) => TokenColumns { tokens: self.tokens, columns: self.columns, x: x.as_slice() },
            _ => unreachable!("a view has the form of its reading"),
        }
    }

    /// The codes of a width, with the columns that share a scale.
    ///
    /// # Panics
    /// If the input was not prepared for a layer that reads it.
    pub(crate) fn codes(
        &self,
        width: ActivationCodes,
        segment: usize,
        map: Option<&Arc<InputMap>>,
    ) -> QuantizedRows<'_> {
        match self.view(Form::Codes(width, segment), map) {
            Data::Codes(codes) => codes.rows(),
            _ => unreachable!("a view has the form of its reading"),
        }
    }

    /// The codes of what is no outlier, and the outlier features of every token.
    ///
    /// # Panics
    /// If the input was not prepared for a layer that reads it.
    pub(crate) fn decomposed(
        &self,
        rule: Decomposition,
        map: Option<&Arc<InputMap>>,
    ) -> (QuantizedRows<'_>, &[Vec<OutlierFeature>]) {
        match self.view(Form::Decomposed(rule), map) {
            Data::Decomposed(decomposed) => decomposed.rows(),
            _ => unreachable!("a view has the form of its reading"),
        }
    }
}

impl InputRows<'_> {
    /// Makes the views of the rows.
    pub(crate) fn write_views(&mut self, kernels: &Kernels) {
        self.rounding.round(self.x);
        let mut mapped = Vec::new();
        for ViewMut { map, data } in &mut self.views {
            for (index, x) in self.x.chunks(self.columns).enumerate() {
                match (&mut *data, &map) {
                    (DataMut::Codes(codes), None) => codes.quantize(kernels, index, x),
                    (DataMut::Codes(codes), Some(map)) => {
                        mapped.resize(self.columns, 0.0);
                        map.apply(x, &mut mapped);
                        codes.quantize(kernels, index, &mapped);
                    }
                    (DataMut::Floats(floats), None) => floats[index * x.len()..][..x.len()].copy_from_slice(x),
                    (DataMut::Floats(floats), Some(map)) => map.apply(x, &mut floats[index * x.len()..][..x.len()]),
                    (DataMut::Columns(_), _) => {}
                    (DataMut::Decomposed(part), map) => part.write(kernels, index, x, **map),
                }
            }
            if let DataMut::Columns(part) = data {
                write_columns(self.x, self.columns, *map, part);
            }
        }
    }
}

/// Turns rows [tokens, columns], mapped, into [columns, tokens].
fn write_columns(x: &[f32], columns: usize, map: Option<&InputMap>, to: &mut ColumnsMut<'_>) {
    let features = map.and_then(InputMap::features);
    let scales = map.and_then(InputMap::scales);
    for k in 0..columns {
        let feature = features.map_or(k, |features| features[k] as usize);
        let to = to.row(k);
        for (token, value) in to.iter_mut().enumerate() {
            *value = x[token * columns + feature];
        }
        if let Some(scales) = scales {
            to.iter_mut().for_each(|value| *value *= scales[k]);
        }
    }
}

impl Reading {
    /// Whether it is of this form, through this map: maps are the same where they are one, as layers that share an input
    /// share it.
    fn is(&self, form: Form, map: Option<&Arc<InputMap>>) -> bool {
        self.form == form
            && match (&self.map, map) {
                (Some(map), Some(other)) => Arc::ptr_eq(map, other),
                (None, None) => true,
                _ => false,
            }
    }
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.form, other.map.as_ref())
    }
}

impl View {
    fn new(reading: Reading) -> Self {
        let data = match reading.form {
            Form::Codes(width, segment) => Data::Codes(Codes::new(width, segment)),
            Form::Floats => Data::Floats(Aligned::default()),
            Form::Columns => Data::Columns(Aligned::default()),
            Form::Decomposed(rule) => Data::Decomposed(Decomposed::new(rule)),
        };
        Self { reading, data }
    }

    fn resize(&mut self, tokens: usize, columns: usize) {
        match &mut self.data {
            Data::Codes(codes) => codes.resize(tokens, columns),
            Data::Floats(floats) | Data::Columns(floats) => floats.resize(tokens * columns),
            Data::Decomposed(decomposed) => decomposed.resize(tokens, columns),
        }
    }
}

impl Codes {
    fn new(width: ActivationCodes, segment: usize) -> Self {
        Self {
            width,
            segment,
            stride: 0,
            segments: 0,
            high: Aligned::default(),
            low: Aligned::default(),
            scales: Aligned::default(),
            offsets: Aligned::default(),
        }
    }

    fn resize(&mut self, tokens: usize, columns: usize) {
        (self.stride, self.segments) = (columns.next_multiple_of(32), columns.div_ceil(self.segment));
        self.high.resize(tokens * self.stride);
        self.low.resize(if self.width == ActivationCodes::A16 { tokens * self.stride } else { 0 });
        self.scales.resize(tokens * self.segments);
        self.offsets.resize(tokens * self.segments);
    }

    /// All tokens, TASK_TOKENS at a time.
    fn rows_mut(&mut self) -> impl Iterator<Item = CodesMut<'_>> {
        let (stride, segments, segment) = (self.stride, self.segments, self.segment);
        let mut lows = self.low.as_mut_slice().chunks_mut(TASK_TOKENS * stride);
        let highs = self.high.as_mut_slice().chunks_mut(TASK_TOKENS * stride);
        let scales = self.scales.as_mut_slice().chunks_mut(TASK_TOKENS * segments);
        let offsets = self.offsets.as_mut_slice().chunks_mut(TASK_TOKENS * segments);
        highs.zip(scales).zip(offsets).map(move |((high, scales), offsets)| {
            let low = lows.next().unwrap_or_default();
            CodesMut { segment, stride, segments, high, low, scales, offsets }
        })
    }

    /// What the kernels multiply with.
    fn rows(&self) -> QuantizedRows<'_> {
        QuantizedRows {
            segment: self.segment,
            stride: self.stride,
            high: self.high.as_slice(),
            low: self.low.as_slice(),
            scales: self.scales.as_slice(),
            offsets: self.offsets.as_slice(),
        }
    }
}

impl CodesMut<'_> {
    /// Writes the codes of token `index` of the task.
    fn quantize(&mut self, kernels: &Kernels, index: usize, x: &[f32]) {
        let segment = self.segment;
        kernels.quantize_row(x, segment, self.row(index));
    }

    /// Likewise, with one scale for all segments.
    fn quantize_with(&mut self, kernels: &Kernels, index: usize, x: &[f32], scale: f32) {
        let segment = self.segment;
        kernels.quantize_row_with(x, scale, segment, self.row(index));
    }

    fn row(&mut self, index: usize) -> QuantizedRowMut<'_> {
        let bytes = index * self.stride..(index + 1) * self.stride;
        let grid = index * self.segments..(index + 1) * self.segments;
        let low = if self.low.is_empty() { &mut [][..] } else { &mut self.low[bytes.clone()] };
        QuantizedRowMut {
            high: &mut self.high[bytes],
            low,
            scales: &mut self.scales[grid.clone()],
            offsets: &mut self.offsets[grid],
        }
    }
}
