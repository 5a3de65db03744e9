//! Round to nearest: every weight takes the nearest value of its row's or group's min/max grid.
//!
//! No calibration and no interplay of weights: the least that a method can do, and the lower bound that the others
//! are measured against. The grid is that of GPTQ, so that the two differ in the choice of codes alone.

use super::{Choices, Method, MethodOption, OptionValue};
use crate::error::Error;
use crate::grid::{Grid, Symmetry};
use crate::recipe::Scheme;
use engine::format::{DenseMatrix, GridRow, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::Weights;
use engine::model::LinearSource;
use kernels::CodeBits;

pub(super) static METHOD: Method = Method {
    name: "rtn",
    title: "round to nearest",
    summary: "Every weight takes the nearest value of a min/max grid fitted to its row or group. Needs no calibration.",
    paper: "the baseline of Frantar et al. 2023 (GPTQ), section 5, on the grid of its code",
    example: "rtn:w4g128",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    options: &[MethodOption {
        name: "sym",
        summary: "whether the grid is centred on zero",
        values: &[
            OptionValue { name: "false", meaning: "asymmetric grid" },
            OptionValue { name: "true", meaning: "symmetric grid" },
        ],
    }],
    quantize,
};

fn quantize(source: &LinearSource, scheme: &Scheme, choices: &Choices) -> Result<Weights, Error> {
    let symmetry = if choices.holds("sym", "true") { Symmetry::Symmetric } else { Symmetry::Asymmetric };
    Ok(Weights::Packed { matrix: pack(&source.matrix, scheme, symmetry), activations: scheme.activations })
}

/// Rows in parallel, one row at a time as f32: nothing as large as the matrix is held but its codes.
fn pack(matrix: &DenseMatrix, scheme: &Scheme, symmetry: Symmetry) -> PackedMatrix {
    let zero_points = match symmetry {
        Symmetry::Asymmetric => ZeroPoints::Stored,
        Symmetry::Symmetric => ZeroPoints::Middle,
    };
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let shape = PackedShape { rows, columns, bits: scheme.bits, group: scheme.group, zero_points };
    PackedMatrix::build(shape, |row: GridRow<'_>| {
        let mut weights = vec![0f32; columns];
        matrix.row_to_f32(row.row, &mut weights);
        let width = scheme.group.unwrap_or(columns);
        let groups = weights.chunks(width).zip(row.codes.chunks_mut(width));
        let grids = row.scales.iter_mut().zip(row.zeros);
        for ((weights, codes), (scale, zero)) in groups.zip(grids) {
            let grid = Grid::span(weights, scheme.bits, symmetry);
            grid.encode(weights, codes);
            (*scale, *zero) = (grid.stored_scale(), grid.zero());
        }
    })
}
