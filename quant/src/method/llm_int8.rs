//! LLM.int8(): 8-bit weights times 8-bit activations, but for the few features whose activations are large.
//!
//! *Vector-wise quantization* (Dettmers et al. 2022, section 3.1): weights have one constant an output feature, activations
//! one a token, both the largest magnitude, and both codes are round(127 x / largest). *Decomposition* (section 3.2):
//! features with |x| >= 6 in some token are no part of that product. They are multiplied in high precision and added.
//!
//! Which weights those features meet is read in two ways: the paper's formula has the weights themselves, bitsandbytes
//! (`MatMul8bitLt` without 16-bit weights) the 8-bit codes, since nothing else is stored. And both choose outliers for a
//! whole call: the tokens of a sequence then depend on each other, and on what else is in the batch. Here every token has
//! its own, unless a recipe says `outliers=per_call`: a call is then one sequence, read as a whole, which is what
//! bitsandbytes does with batches of one.
//!
//! # Rounding
//! A row's product is a sum of exact integers over 128 columns each, every one times the same s_w s_x and added in f32
//! (`kernels::grouped`), where bitsandbytes sums all columns in 32 bits and rounds once: the difference is that of a
//! few roundings in f32, and there is no number of columns from which a sum overflows.

use super::{Chosen, Method, MethodOption, Needs, NumberRange, OptionValue, Site, SiteLayer, Spacing};
use crate::error::Error;
use crate::recipe::Scheme;
use engine::format::{DecomposedMatrix, DenseMatrix, GridRow, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::{Activations, Decomposition, InputPrecision, OutlierScope, Weights};
use engine::model::Role;
use engine::tensor::{Dtype, TensorBytes};
use kernels::{CodeBits, CodeGrid, Kernels};

pub(super) static METHOD: Method = Method {
    name: "llm.int8",
    title: "LLM.int8()",
    summary: "8-bit weights times 8-bit activations, but for features with large activations, which stay in f32. Needs no \
              calibration.",
    paper: "Dettmers et al. 2022",
    example: "llm.int8",
    widths: &[CodeBits::Eight],
    groups: &[],
    ungrouped: true,
    implied: Some(Scheme { bits: CodeBits::Eight, group: None, activations: Activations::A8 }),
    activations: &[Activations::A8],
    options: &[
        MethodOption {
            name: "threshold",
            summary: "from which magnitude on an activation is an outlier",
            words: &[OptionValue { name: "none", meaning: "no outliers" }],
            number: Some(NumberRange {
                least: 0.001,
                most: 1_000_000.0,
                spacing: Spacing::Real,
                default: 6.0,
                meaning: "magnitude of an activation",
            }),
        },
        MethodOption::of_words(
            "outliers",
            "which tokens a large activation makes its feature an outlier for",
            &[
                OptionValue { name: "token", meaning: "outlier features of every token by itself" },
                OptionValue { name: "per_call", meaning: "outlier features of whole sequences, each read in one call" },
            ],
        ),
        MethodOption::of_words(
            "outlier_weights",
            "what outlier features are multiplied with",
            &[
                OptionValue { name: "int8", meaning: "outlier features times 8-bit weights, as bitsandbytes" },
                OptionValue { name: "exact", meaning: "outlier features times the checkpoint's weights, as the paper" },
            ],
        ),
        MethodOption::of_words(
            "half",
            "what is quantized",
            &[
                OptionValue { name: "false", meaning: "weights and activations as they are" },
                OptionValue { name: "true", meaning: "weights and activations rounded to f16 before, as bitsandbytes" },
            ],
        ),
    ],
    needs: Needs::Weights,
    extra_bits: 0.0,
    quantize,
};

/// The largest code, in magnitude.
const LARGEST: f64 = 127.0;

/// The code of zero as it is stored.
const ZERO: i32 = 128;

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    site.each(|layer, _| Ok(Weights::Decomposed(decompose(&site, layer))))
}

fn decompose(site: &Site<'_>, layer: &SiteLayer) -> DecomposedMatrix {
    let (choices, role) = (site.choices, layer.source.role);
    let is_half = choices.holds("half", "true");
    let matrix = if is_half { rounded(&layer.source.matrix) } else { layer.source.matrix.clone() };
    // The head reads positions of several sequences, which are no call.
    let is_per_call = choices.holds("outliers", "per_call") && role.is_in_block();
    let rule = Decomposition {
        threshold: choices.number("threshold").map_or(f32::INFINITY, |threshold| threshold as f32),
        scope: if is_per_call { OutlierScope::Call } else { OutlierScope::Token },
        precision: if is_half { InputPrecision::F16 } else { InputPrecision::F32 },
    };
    let codes = encode(site.kernels, &matrix);
    // Embeddings are looked up.
    let is_exact = choices.holds("outlier_weights", "exact") && role != Role::Embedding;
    DecomposedMatrix::new(codes, is_exact.then_some(matrix), rule)
}

/// code = 128 + round(w / scale), scale = max |w| of the row / 127, in f64 from weights widened exactly.
fn encode(kernels: &Kernels, matrix: &DenseMatrix) -> PackedMatrix {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let shape = PackedShape { rows, columns, bits: CodeBits::Eight, group: None, zero_points: ZeroPoints::Middle };
    let weights = matrix.as_rows();
    PackedMatrix::build(kernels, shape, |row: GridRow<'_>| {
        let stored = weights.slice(row.row, 1);
        let (mut low, mut high) = ([0.0], [0.0]);
        kernels.spans(stored, columns, &mut low, &mut high);
        let largest = f64::from(if -low[0] > high[0] { -low[0] } else { high[0] });
        // A row of zeros has no scale; any will do.
        let scale = if largest > 0.0 { largest / LARGEST } else { 1.0 / LARGEST };
        row.scales[0] = scale as f32;
        kernels.encode(stored, columns, &[CodeGrid::new(scale, ZERO, CodeBits::Eight)], row.codes);
    })
}

/// The matrix rounded to IEEE half, in a buffer of its own unless it is that already.
fn rounded(matrix: &DenseMatrix) -> DenseMatrix {
    if matrix.dtype() == Dtype::F16 {
        return matrix.clone();
    }
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let (mut bytes, mut row) = (Vec::with_capacity(2 * rows * columns), vec![0.0; columns]);
    for index in 0..rows {
        matrix.row_to_f32(index, &mut row);
        bytes.extend(row.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()));
    }
    DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::F16, rows, columns)
}
