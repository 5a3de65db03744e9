//! Round to nearest: every weight takes the nearest value of its row's or group's min/max grid.
//!
//! No calibration and no interplay of weights: the least that a method can do, and the lower bound that the others
//! are measured against. The grid is that of GPTQ, so that the two differ in the choice of codes alone.

use super::{ACTIVATIONS, Choices, Chosen, Method, MethodOption, Needs, OptionValue, Site};
use crate::error::Error;
use crate::grid::{Grid, Symmetry};
use crate::recipe::Scheme;
use engine::format::{DenseMatrix, GridRow, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::Weights;
use kernels::{CodeBits, DenseRows, Kernels};

pub(super) static METHOD: Method = Method {
    name: "rtn",
    title: "round to nearest",
    summary: "Every weight takes the nearest value of a min/max grid fitted to its row or group. Needs no calibration.",
    paper: "the baseline of Frantar et al. 2023 (GPTQ), section 5, on the grid of its code",
    example: "rtn:w4g128",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    ungrouped: true,
    implied: None,
    activations: ACTIVATIONS,
    options: &[SYM],
    needs: Needs::Weights,
    extra_bits: 0.0,
    quantize,
};

/// Which of the two grids; every method on them has it.
pub(super) const SYM: MethodOption = MethodOption::of_words(
    "sym",
    "whether the grid is centred on zero",
    &[
        OptionValue { name: "false", meaning: "asymmetric grid" },
        OptionValue { name: "true", meaning: "symmetric grid" },
    ],
);

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    let symmetry = symmetry(site.choices);
    site.each(|layer, scheme| {
        let matrix = pack(site.kernels, &layer.source.matrix, scheme, symmetry);
        Ok(Weights::Packed { matrix, activations: scheme.activations })
    })
}

/// The grid that a recipe chose.
pub(super) fn symmetry(choices: &Choices) -> Symmetry {
    if choices.holds("sym", "true") { Symmetry::Symmetric } else { Symmetry::Asymmetric }
}

/// Groups of a row whose grids are fitted before their weights are encoded: their bytes are then still near.
const GROUPS_AT_A_TIME: usize = 32;

/// Rows in parallel, read twice as they are stored: nothing as large as the matrix is held but its codes.
pub(super) fn pack(kernels: &Kernels, matrix: &DenseMatrix, scheme: &Scheme, symmetry: Symmetry) -> PackedMatrix {
    let zero_points = match symmetry {
        Symmetry::Asymmetric => ZeroPoints::Stored,
        Symmetry::Symmetric => ZeroPoints::Middle,
    };
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let shape = PackedShape { rows, columns, bits: scheme.bits, group: scheme.group, zero_points };
    let width = scheme.group.unwrap_or(columns);
    let weights = matrix.as_rows();
    let unfitted = Grid::between(0.0, 0.0, scheme.bits, symmetry).codes();
    PackedMatrix::build(kernels, shape, |row: GridRow<'_>| {
        let stored = weights.slice(row.row, 1);
        let part_columns = (width * GROUPS_AT_A_TIME).min(columns);
        let parts =
            stored.bytes.chunks(part_columns * stored.dtype.size_bytes()).zip(row.codes.chunks_mut(part_columns));
        let grids = row.scales.chunks_mut(GROUPS_AT_A_TIME).zip(row.zeros.chunks_mut(GROUPS_AT_A_TIME));
        for ((bytes, codes), (scales, zeros)) in parts.zip(grids) {
            let part = DenseRows { bytes, columns: codes.len(), ..stored };
            let groups = scales.len();
            let (mut low, mut high) = ([0.0; GROUPS_AT_A_TIME], [0.0; GROUPS_AT_A_TIME]);
            kernels.spans(part, width, &mut low[..groups], &mut high[..groups]);
            let mut grids = [unfitted; GROUPS_AT_A_TIME];
            for (group, grid) in grids[..groups].iter_mut().enumerate() {
                let fitted = Grid::between(low[group], high[group], scheme.bits, symmetry);
                (*grid, scales[group], zeros[group]) = (fitted.codes(), fitted.stored_scale(), fitted.zero());
            }
            kernels.encode(part, width, &grids[..groups], codes);
        }
    })
}
