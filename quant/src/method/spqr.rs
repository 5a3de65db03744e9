//! SpQR: small groups whose scales and zeros are codes themselves, and the weights that matter most kept apart.
//!
//! The solver is `crate::spqr`; here are the words of recipes. Layers that share an input share the factor of its
//! Hessian and the map of columns to features.

use super::gptq::{DAMP_MEANING, TRUE_SEQUENTIAL};
use super::{
    ACTIVATIONS, Choices, Chosen, Method, MethodOption, Needs, NumberRange, OptionValue, Site, SiteLayer, Spacing,
};
use crate::error::Error;
use crate::inverse_factor::{ColumnOrder, InverseFactor};
use crate::recipe::Scheme;
use crate::spqr::{self, GridWeights, Outlier, SECOND_GROUP, Settings, Solution, ZeroKind};
use engine::format::{DenseMatrix, OutlierPrecision};
use engine::linear::Weights;
use engine::tensor::Dtype;
use kernels::CodeBits;

pub(super) static METHOD: Method = Method {
    name: "spqr",
    title: "SpQR",
    summary: "As GPTQ, in small groups whose scales and zeros take 3 bits, with the weights that lose most kept in 16 bits.",
    paper: "Dettmers et al. 2023",
    example: "spqr:w3g16",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    ungrouped: false,
    implied: None,
    activations: ACTIVATIONS,
    options: &[
        MethodOption {
            name: "tau",
            summary: "how large an error makes an outlier",
            words: &[OptionValue { name: "none", meaning: "no outliers" }],
            number: Some(NumberRange {
                least: 0.0,
                most: 1000.0,
                spacing: Spacing::Real,
                default: 0.2,
                meaning: "mean sensitivities of a column",
            }),
        },
        MethodOption::of_number(
            "damp",
            "what is added to the diagonal of the Hessian",
            NumberRange { least: 0.0, most: 10.0, spacing: Spacing::Real, default: 1.0, meaning: DAMP_MEANING },
        ),
        MethodOption::of_words(
            "act_order",
            "the order of columns",
            &[
                OptionValue { name: "true", meaning: "columns with the largest activations first" },
                OptionValue { name: "false", meaning: "columns in their order" },
            ],
        ),
        TRUE_SEQUENTIAL,
        MethodOption::of_words(
            "simplified_outliers",
            "which weights grids are fitted to",
            &[
                OptionValue { name: "false", meaning: "grids fitted without candidates for outliers" },
                OptionValue { name: "true", meaning: "grids fitted to all weights" },
            ],
        ),
        MethodOption::of_words(
            "round_zero",
            "what zeros are",
            &[
                OptionValue { name: "false", meaning: "zeros that are any number" },
                OptionValue { name: "true", meaning: "zeros that are whole numbers" },
            ],
        ),
    ],
    needs: Needs::Inputs,
    // A tenth of the weights are outliers of 32 bits where codes have 2, and far fewer otherwise; statistics take two bits
    // less than scales and zero points would.
    extra_bits: 1.5,
    quantize,
};

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    let Some(first) = site.layers.iter().find_map(|layer| layer.scheme) else {
        return site.each(|layer, _| Ok(Weights::Dense(layer.source.matrix.clone())));
    };
    let (kernels, tensor) = (site.kernels, &site.layers[0].source.tensor);
    let hessian = site.inputs.and_then(|inputs| inputs.hessian);
    let hessian = hessian.ok_or_else(|| Error::NoCalibration { recipe: METHOD.name.into() })?;
    // It depends on no scheme.
    let preparation = settings(site.choices, &first).preparation();
    let factor = InverseFactor::new(kernels, hessian, &preparation)
        .map_err(|source| Error::Factor { tensor: tensor.clone(), source })?;
    let map = factor.input_map();
    let mut chosen = Vec::with_capacity(site.layers.len());
    for fused in site.layers.chunk_by(is_one_matrix) {
        let parts: Vec<&DenseMatrix> = fused.iter().map(|layer| &layer.source.matrix).collect();
        let Some(scheme) = fused[0].scheme else {
            chosen.extend(parts.iter().map(|part| Chosen::of_weights(Weights::Dense((*part).clone()))));
            continue;
        };
        let settings = settings(site.choices, &scheme);
        let solve = |matrix: &DenseMatrix| spqr::solve(kernels, matrix, &factor, &settings);
        let solution =
            if let [matrix] = parts.as_slice() { solve(matrix) } else { solve(&DenseMatrix::stacked(&parts)) };
        let mut first = 0;
        for part in parts {
            let of_part = rows_of(&solution, first, part.rows());
            // Outliers as exact as weights are in the checkpoint.
            let precision = match part.dtype() {
                Dtype::F32 => OutlierPrecision::TwoHalves,
                Dtype::F16 | Dtype::Bf16 => OutlierPrecision::Half,
            };
            let matrix = of_part.pack(kernels, scheme.bits, precision, map.as_ref())?;
            let weights = Weights::SparseQuantized { matrix, activations: scheme.activations };
            let loss = (first == 0).then_some(solution.loss);
            chosen.push(Chosen { weights, loss, outliers: Some(of_part.outliers.len()) });
            first += part.rows();
        }
    }
    Ok(chosen)
}

/// Whether two layers are parts of one tensor (a fused query, key and value projection) that are quantized as the
/// matrix that it is, as the authors' code does: the threshold for outliers is a mean over all its rows. Their loss is
/// then told with the first of them.
fn is_one_matrix(a: &SiteLayer, b: &SiteLayer) -> bool {
    a.source.tensor == b.source.tensor && a.scheme == b.scheme && a.source.matrix.rows().is_multiple_of(SECOND_GROUP)
}

/// The part of a solution that is its rows `first..first + count`; `first` is a multiple of the second level's group.
fn rows_of(whole: &Solution, first: usize, count: usize) -> Solution {
    let [_, columns] = whole.shape;
    let groups = columns.div_ceil(whole.group);
    let end = first + count;
    let seconds = first / SECOND_GROUP * groups..end.div_ceil(SECOND_GROUP) * groups;
    let is_inside = |outlier: &&Outlier| (first..end).contains(&(outlier.row as usize));
    let outliers = whole.outliers.iter().filter(is_inside);
    Solution {
        codes: whole.codes[first * columns..end * columns].to_vec(),
        scale_codes: whole.scale_codes[first * groups..end * groups].to_vec(),
        zero_codes: whole.zero_codes[first * groups..end * groups].to_vec(),
        second_levels: whole.second_levels[seconds].to_vec(),
        outliers: outliers.map(|outlier| Outlier { row: outlier.row - first as u32, ..*outlier }).collect(),
        loss: whole.loss,
        shape: [count, columns],
        group: whole.group,
    }
}

fn settings(choices: &Choices, scheme: &Scheme) -> Settings {
    let defaults = Settings::new(scheme.bits);
    Settings {
        group: scheme.group.unwrap_or(defaults.group),
        tau: choices.number("tau").unwrap_or(f64::INFINITY),
        damping: choices.number("damp").unwrap_or(defaults.damping),
        order: match choices.holds("act_order", "true") {
            true => ColumnOrder::Activation,
            false => ColumnOrder::Natural,
        },
        grid_weights: match choices.holds("simplified_outliers", "true") {
            true => GridWeights::All,
            false => GridWeights::WithoutCandidates,
        },
        zeros: if choices.holds("round_zero", "true") { ZeroKind::Integer } else { ZeroKind::Float },
        ..defaults
    }
}
