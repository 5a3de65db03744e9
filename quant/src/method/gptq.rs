//! GPTQ: weights are rounded column by column, and later columns make up for the error of each.
//!
//! The solver is `crate::gptq`; here are the words of recipes, and the way from codes to a packed matrix. Layers that
//! share an input share the factor of its Hessian and, where groups follow the order of activations, the map of columns
//! to features.

use super::rtn::SYM;
use super::{ACTIVATIONS, Choices, Chosen, Method, MethodOption, Needs, NumberRange, OptionValue, Site, Spacing};
use crate::error::Error;
use crate::gptq::{self, GridFit, Groups, Settings, Solution};
use crate::grid::{Search, Symmetry};
use crate::inverse_factor::{ColumnOrder, InverseFactor};
use crate::recipe::Scheme;
use engine::format::{GridRow, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::Weights;
use kernels::{CodeBits, Kernels};
use std::sync::Arc;

pub(super) static METHOD: Method = Method {
    name: "gptq",
    title: "GPTQ",
    summary: "Columns are rounded one after the other, and those that follow make up for the error on calibration text.",
    paper: "Frantar et al. 2023",
    example: "gptq:w4g128",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    ungrouped: true,
    implied: None,
    activations: ACTIVATIONS,
    options: &[
        SYM,
        ACT_ORDER,
        MethodOption::of_words(
            "static_groups",
            "when the grids of groups are fitted",
            &[
                OptionValue { name: "false", meaning: "grids fitted as columns are reached" },
                OptionValue { name: "true", meaning: "grids fitted beforehand, groups of neighbours" },
            ],
        ),
        TRUE_SEQUENTIAL,
        MethodOption::of_number(
            "damp",
            "what is added to the diagonal of the Hessian",
            NumberRange { least: 0.0, most: 10.0, spacing: Spacing::Real, default: 0.01, meaning: DAMP_MEANING },
        ),
        MethodOption::of_number(
            "blocksize",
            "columns of a block; matters where grid=original",
            NumberRange { least: 1.0, most: 65536.0, spacing: Spacing::Whole, default: 128.0, meaning: "columns" },
        ),
        MethodOption::of_words(
            "grid",
            "on which weights the grid of a group is fitted",
            &[
                OptionValue { name: "in_place", meaning: "grids on weights with all feedback" },
                OptionValue { name: "original", meaning: "grids on weights without their block's feedback" },
            ],
        ),
        MethodOption::of_words(
            "mse",
            "what grids span",
            &[
                OptionValue { name: "false", meaning: "grids that span all weights" },
                OptionValue { name: "true", meaning: "grids searched for the least error" },
            ],
        ),
    ],
    needs: Needs::Inputs,
    extra_bits: 0.0,
    quantize,
};

/// Which columns come first.
const ACT_ORDER: MethodOption = MethodOption::of_words(
    "act_order",
    "the order of columns",
    &[
        OptionValue { name: "false", meaning: "columns in their order" },
        OptionValue { name: "true", meaning: "columns with the largest activations first" },
    ],
);

/// How often inputs are gathered; see `crate::build`.
pub(super) const TRUE_SEQUENTIAL: MethodOption = MethodOption::of_words(
    "true_sequential",
    "when the inputs of a block's matrices are gathered",
    &[
        OptionValue { name: "false", meaning: "all inputs of a block gathered in one pass" },
        OptionValue { name: "true", meaning: "inputs gathered anew after each group of matrices" },
    ],
);

pub(super) const DAMP_MEANING: &str = "share of the diagonal's mean";

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    let Some(first) = site.layers.iter().find_map(|layer| layer.scheme) else {
        return site.each(|layer, _| Ok(Weights::Dense(layer.source.matrix.clone())));
    };
    let preparation = settings(site.choices, &first).preparation();
    let (kernels, tensor) = (site.kernels, &site.layers[0].source.tensor);
    let hessian = site.inputs.and_then(|inputs| inputs.hessian);
    let hessian = hessian.ok_or_else(|| Error::NoCalibration { recipe: METHOD.name.into() })?;
    let factor = InverseFactor::new(kernels, hessian, &preparation)
        .map_err(|source| Error::Factor { tensor: tensor.clone(), source })?;
    let map = factor.input_map();
    let chosen = site.layers.iter().map(|layer| {
        let matrix = &layer.source.matrix;
        let Some(scheme) = layer.scheme else { return Chosen::of_weights(Weights::Dense(matrix.clone())) };
        let solution = gptq::solve(kernels, matrix, &factor, &settings(site.choices, &scheme));
        let packed = pack(kernels, &solution, &scheme, symmetry(site.choices));
        let packed = match (&solution.permutation, &map) {
            (Some(_), Some(map)) => packed.with_input_map(Arc::clone(map)),
            _ => packed,
        };
        let weights = Weights::Packed { matrix: packed, activations: scheme.activations };
        Chosen { loss: Some(solution.loss), ..Chosen::of_weights(weights) }
    });
    Ok(chosen.collect())
}

fn symmetry(choices: &Choices) -> Symmetry {
    if choices.holds("sym", "true") { Symmetry::Symmetric } else { Symmetry::Asymmetric }
}

fn settings(choices: &Choices, scheme: &Scheme) -> Settings {
    let block = choices.number("blocksize").unwrap_or_default() as usize;
    let fit = match choices.holds("grid", "original") {
        true => GridFit::Original { block },
        false => GridFit::InPlace,
    };
    Settings {
        bits: scheme.bits,
        group: scheme.group,
        symmetry: symmetry(choices),
        search: if choices.holds("mse", "true") { Search::LeastError } else { Search::Span },
        groups: if choices.holds("static_groups", "true") { Groups::Static } else { Groups::Dynamic(fit) },
        order: if choices.holds("act_order", "true") { ColumnOrder::Activation } else { ColumnOrder::Natural },
        damp: choices.number("damp").unwrap_or_default(),
    }
}

/// Scales are rounded to f32 here, once.
fn pack(kernels: &Kernels, solution: &Solution, scheme: &Scheme, symmetry: Symmetry) -> PackedMatrix {
    let (columns, groups) = (solution.columns, solution.groups());
    let zero_points = match symmetry {
        Symmetry::Asymmetric => ZeroPoints::Stored,
        Symmetry::Symmetric => ZeroPoints::Middle,
    };
    let shape = PackedShape { rows: solution.rows, columns, bits: scheme.bits, group: scheme.group, zero_points };
    PackedMatrix::build(kernels, shape, |row: GridRow<'_>| {
        let (cells, grids) = (row.row * columns..(row.row + 1) * columns, row.row * groups..(row.row + 1) * groups);
        row.codes.copy_from_slice(&solution.codes[cells]);
        row.zeros.copy_from_slice(&solution.zeros[grids.clone()]);
        for (stored, &scale) in row.scales.iter_mut().zip(&solution.scales[grids]) {
            *stored = scale as f32;
        }
    })
}
