//! Linear layers: weights in one format, activations quantized once for all layers that share an input.
//!
//! A layer is cut into products of up to 64 output rows, all tokens each: the tasks that threads share. No sum is cut.

use crate::format::{DecomposedMatrix, DenseMatrix, LevelMatrix, PackedMatrix, SparseQuantizedMatrix};
pub use crate::input::{Decomposition, Input, InputPrecision, OutlierScope};
use crate::input::{Form, Reading};
use crate::input_map::InputMap;
use crate::runtime::Runtime;
use kernels::{
    ActivationCodes, BilevelPanel, ColumnsMut, DenseRows, Kernels, LevelPanel, OutlierFeature, OutlierWeights,
    Outliers, PANEL_ROWS, Panel, QuantizedRows, TokenColumns, segment_of,
};
use std::ops::Range;
use std::sync::Arc;

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
    /// Packed codes with quantized statistics, and outliers that are multiplied with f32 activations.
    SparseQuantized {
        /// The codes and the outliers.
        matrix: SparseQuantizedMatrix,
        /// How activations enter the product with codes.
        activations: Activations,
    },
    /// 8-bit codes, multiplied with 8-bit activations but for outlier features: LLM.int8().
    Decomposed(DecomposedMatrix),
    /// Packed codes of uneven levels, multiplied with f32 activations.
    Levels(LevelMatrix),
}

/// y = x w^T + bias.
#[derive(Clone, Debug)]
pub struct Linear {
    /// [out_features, in_features].
    pub weights: Weights,
    /// [out_features].
    pub bias: Option<Vec<f32>>,
}

/// Up to 64 output rows of a layer and its input, ready to be multiplied.
pub struct Product<'a> {
    operands: Operands<'a>,
    outliers: Option<(Outliers<'a>, TokenColumns<'a>)>,
    /// What the outlier features of every token are multiplied with.
    features: Option<(OutlierWeights<'a>, &'a [Vec<OutlierFeature>])>,
    bias: Option<&'a [f32]>,
}

enum Operands<'a> {
    Dense(DenseRows<'a>, &'a [f32]),
    Codes(Panel<'a>, QuantizedRows<'a>),
    Floats(Panel<'a>, &'a [f32]),
    BilevelCodes(BilevelPanel<'a>, QuantizedRows<'a>),
    BilevelFloats(BilevelPanel<'a>, &'a [f32]),
    Levels(LevelPanel<'a>, &'a [f32]),
}

/// Output rows of a product: a panel of packed weights, and as many dense rows.
pub const PRODUCT_ROWS: usize = PANEL_ROWS;

impl Activations {
    /// The form in which weights with scales of `group` columns read them.
    fn form(self, group: Option<usize>) -> Form {
        match self {
            Activations::A8 => Form::Codes(ActivationCodes::A8, segment_of(group)),
            Activations::A16 => Form::Codes(ActivationCodes::A16, segment_of(group)),
            Activations::A32 => Form::Floats,
        }
    }
}

impl Weights {
    /// Output features.
    pub fn rows(&self) -> usize {
        match self {
            Weights::Dense(matrix) => matrix.rows(),
            Weights::Packed { matrix, .. } => matrix.shape().rows,
            Weights::SparseQuantized { matrix, .. } => matrix.shape().rows,
            Weights::Decomposed(matrix) => matrix.codes().shape().rows,
            Weights::Levels(matrix) => matrix.shape().rows,
        }
    }

    /// Input features.
    pub fn columns(&self) -> usize {
        match self {
            Weights::Dense(matrix) => matrix.columns(),
            Weights::Packed { matrix, .. } => matrix.shape().columns,
            Weights::SparseQuantized { matrix, .. } => matrix.shape().columns,
            Weights::Decomposed(matrix) => matrix.codes().shape().columns,
            Weights::Levels(matrix) => matrix.shape().columns,
        }
    }

    /// Bytes held or mapped, without an input map: layers share it.
    pub fn bytes(&self) -> usize {
        match self {
            Weights::Dense(matrix) => matrix.as_bytes().len(),
            Weights::Packed { matrix, .. } => matrix.bytes(),
            Weights::SparseQuantized { matrix, .. } => matrix.bytes(),
            Weights::Decomposed(matrix) => matrix.bytes(),
            Weights::Levels(matrix) => matrix.bytes(),
        }
    }

    /// How the input's features map to columns, where they are not the same.
    pub fn input_map(&self) -> Option<&Arc<InputMap>> {
        match self {
            Weights::Dense(_) | Weights::Levels(_) => None,
            Weights::Packed { matrix, .. } => matrix.input_map(),
            Weights::SparseQuantized { matrix, .. } => matrix.input_map(),
            Weights::Decomposed(matrix) => matrix.codes().input_map(),
        }
    }

    /// Row `row` as floats, into `out` [features]. For checks: no product uses it.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        match self {
            Weights::Dense(matrix) => matrix.row_to_f32(row, out),
            Weights::Packed { matrix, .. } => matrix.dequantize_row(row, out),
            Weights::SparseQuantized { matrix, .. } => matrix.dequantize_row(row, out),
            Weights::Decomposed(matrix) => matrix.codes().dequantize_row(row, out),
            Weights::Levels(matrix) => matrix.dequantize_row(row, out),
        }
    }

    /// Bits of a code, or of an element.
    pub fn nominal_bits(&self) -> u32 {
        match self {
            Weights::Dense(matrix) => 8 * matrix.dtype().bytes() as u32,
            Weights::Packed { matrix, .. } => matrix.shape().bits.bits(),
            Weights::SparseQuantized { matrix, .. } => matrix.shape().bits.bits(),
            Weights::Decomposed(matrix) => matrix.codes().shape().bits.bits(),
            Weights::Levels(_) => 4,
        }
    }
}

impl Linear {
    /// How it reads its input, where not as it is: for the product with codes, and for that with outliers.
    pub(crate) fn readings(&self) -> impl Iterator<Item = Reading> {
        let (form, has_outliers) = match &self.weights {
            Weights::Dense(_) | Weights::Levels(_) => (Form::Floats, false),
            Weights::Packed { matrix, activations } => (activations.form(matrix.shape().group), false),
            Weights::SparseQuantized { matrix, activations } => {
                (activations.form(Some(matrix.shape().group)), matrix.outlier_count() > 0)
            }
            Weights::Decomposed(matrix) => (Form::Decomposed(matrix.rule()), false),
        };
        let map = self.weights.input_map();
        let main = (form != Form::Floats || map.is_some()).then(|| Reading { form, map: map.cloned() });
        let outliers = has_outliers.then(|| Reading { form: Form::Columns, map: map.cloned() });
        main.into_iter().chain(outliers)
    }

    /// The codes that it reads its input as; none for f32.
    pub(crate) fn codes_width(&self) -> Option<ActivationCodes> {
        self.readings().find_map(|reading| match reading.form {
            Form::Codes(width, _) => Some(width),
            Form::Decomposed(_) => Some(ActivationCodes::A8),
            Form::Floats | Form::Columns => None,
        })
    }

    /// Whether what it makes of a token depends on the other tokens of its sequence that are read in the same call.
    pub(crate) fn couples_tokens(&self) -> bool {
        matches!(&self.weights, Weights::Decomposed(matrix) if matrix.rule().scope == OutlierScope::Call)
    }

    /// Number of products.
    pub fn products(&self) -> usize {
        self.weights.rows().div_ceil(PRODUCT_ROWS)
    }

    /// Output rows `index * PRODUCT_ROWS` on, at most PRODUCT_ROWS of them, for all tokens of `input`.
    ///
    /// # Panics
    /// If the input has other features or lacks the view that the layer reads.
    pub fn product<'a>(&'a self, input: &'a Input, index: usize) -> Product<'a> {
        assert_eq!(input.columns(), self.weights.columns(), "input features");
        let first = index * PRODUCT_ROWS;
        let rows = PRODUCT_ROWS.min(self.weights.rows() - first);
        let map = self.weights.input_map();
        let (mut outliers, mut features) = (None, None);
        let operands = match &self.weights {
            Weights::Dense(matrix) => Operands::Dense(matrix.as_rows().slice(first, rows), input.x()),
            Weights::Levels(matrix) => Operands::Levels(matrix.panel(index), input.x()),
            Weights::Packed { matrix, activations } => match activations.form(matrix.shape().group) {
                Form::Codes(width, segment) => Operands::Codes(matrix.panel(index), input.codes(width, segment, map)),
                _ => Operands::Floats(matrix.panel(index), input.floats(map)),
            },
            Weights::SparseQuantized { matrix, activations } => {
                outliers = (matrix.outlier_count() > 0).then(|| (matrix.outliers(index), input.token_columns(map)));
                match activations.form(Some(matrix.shape().group)) {
                    Form::Codes(width, segment) => {
                        Operands::BilevelCodes(matrix.panel(index), input.codes(width, segment, map))
                    }
                    _ => Operands::BilevelFloats(matrix.panel(index), input.floats(map)),
                }
            }
            Weights::Decomposed(matrix) => {
                let (panel, (codes, found)) = (matrix.codes().panel(index), input.decomposed(matrix.rule(), map));
                let weights = match matrix.stored() {
                    Some(stored) => OutlierWeights::Stored(stored.as_rows().slice(first, rows)),
                    None => OutlierWeights::Codes(panel),
                };
                features = Some((weights, found));
                Operands::Codes(panel, codes)
            }
        };
        Product { operands, outliers, features, bias: self.bias.as_deref().map(|bias| &bias[first..first + rows]) }
    }

    /// y [tokens, out_features] = x w^T + bias.
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn forward(&self, runtime: &Runtime, x: &[f32], y: &mut [f32]) {
        let mut input = Input::default();
        input.fill(runtime, x, &[self]);
        multiply(runtime, &input, &mut [(self, y)]);
    }
}

/// y = x w^T + bias for several layers that share an input, as one parallel region.
///
/// # Panics
/// If lengths disagree.
pub fn multiply(runtime: &Runtime, input: &Input, outputs: &mut [(&Linear, &mut [f32])]) {
    let mut tasks = Vec::new();
    for (layer, y) in outputs {
        let rows = layer.weights.rows();
        assert_eq!(y.len(), input.tokens() * rows, "outputs");
        for (run, y) in runs(runtime, input.tokens(), ColumnsMut::new(y, rows)) {
            tasks.push((&**layer, run, Some(y)));
        }
    }
    runtime.team().for_each_mut(&mut tasks, |_, (layer, run, y)| {
        let Some(y) = y.take() else { return };
        for (index, mut y) in run.clone().zip(y.chunks(PRODUCT_ROWS)) {
            layer.product(input, index).write(runtime.kernels(), &mut y);
        }
    });
}

/// Tokens up to which a product is bound by memory, so that what counts is to read long runs of it.
const FEW_TOKENS: usize = 8;

/// The products of a matrix in runs, one a task, with their outputs.
///
/// A product of many tokens is a task by itself: a thread that loses its core holds little. Of few tokens, a product
/// takes a microsecond: threads take runs of them, long ones first, so that memory is read in long streams and all end
/// together.
pub(crate) fn runs<'a>(
    runtime: &Runtime,
    tokens: usize,
    outputs: ColumnsMut<'a>,
) -> Vec<(Range<usize>, ColumnsMut<'a>)> {
    let products = outputs.width().div_ceil(PRODUCT_ROWS);
    let (mut runs, mut rest, mut first) = (Vec::new(), outputs, 0);
    while first < products {
        let share = (products - first) / (2 * runtime.threads());
        let run = first..first + if tokens > FEW_TOKENS { 1 } else { share.max(1) };
        let width = (run.len() * PRODUCT_ROWS).min(rest.width());
        let (block, tail) = rest.split_at(width);
        (first, rest) = (run.end, tail);
        runs.push((run, block));
    }
    runs
}

impl Product<'_> {
    /// Writes y [tokens, rows], with the bias.
    pub fn write(&self, kernels: &Kernels, y: &mut ColumnsMut<'_>) {
        match &self.operands {
            Operands::Dense(weights, x) => kernels.dense(*weights, x, y),
            Operands::Codes(panel, x) => kernels.grouped(panel, x, y),
            Operands::Floats(panel, x) => kernels.grouped_f32(panel, x, y),
            Operands::Levels(panel, x) => kernels.levels(panel, x, y),
            Operands::BilevelCodes(panel, x) => kernels.bilevel(panel, x, y),
            Operands::BilevelFloats(panel, x) => kernels.bilevel_f32(panel, x, y),
        }
        if let Some((outliers, x)) = &self.outliers {
            kernels.outliers(outliers, x, y);
        }
        if let Some((weights, features)) = &self.features {
            for (token, features) in features.iter().enumerate().filter(|(_, features)| !features.is_empty()) {
                kernels.add_outlier_features(weights, features, y.row(token));
            }
        }
        if let Some(bias) = self.bias {
            for token in 0..y.rows() {
                for (value, &b) in y.row(token).iter_mut().zip(bias) {
                    *value += b;
                }
            }
        }
    }
}
