//! SpQR: small groups whose scales and zeros are codes themselves, and the weights that matter most kept apart.
//!
//! The solver is `crate::spqr`; here are the words of recipes. Layers that share an input share the factor of its
//! Hessian and the map of columns to features.

use super::gptq::{DAMP_MEANING, TRUE_SEQUENTIAL};
use super::{Choices, Chosen, Method, MethodOption, Needs, NumberRange, OptionValue, Site, Spacing};
use crate::error::Error;
use crate::inverse_factor::{ColumnOrder, DeadColumns, InverseFactor, Preparation};
use crate::recipe::Scheme;
use crate::spqr::{self, GridWeights, Prepared, Settings, ZeroKind};
use engine::linear::Weights;
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
    // A tenth of the weights are outliers where codes have 2 bits, and far fewer otherwise.
    extra_bits: 4.0,
    quantize,
};

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    if site.layers.iter().all(|layer| layer.scheme.is_none()) {
        return site.each(|layer, _| Ok(Weights::Dense(layer.source.matrix.clone())));
    }
    let (kernels, tensor) = (site.kernels, &site.layers[0].source.tensor);
    let statistics = site.inputs.ok_or_else(|| Error::NoCalibration { recipe: METHOD.name.into() })?;
    let is_ordered = site.choices.holds("act_order", "true");
    let preparation = Preparation {
        order: if is_ordered { ColumnOrder::Activation } else { ColumnOrder::Natural },
        damp: site.choices.number("damp").unwrap_or_default(),
        dead: DeadColumns::Last,
    };
    let factor = InverseFactor::new(kernels, statistics.hessian, &preparation)
        .map_err(|source| Error::Factor { tensor: tensor.clone(), source })?;
    let features = (0..factor.columns()).map(|k| factor.feature(k));
    let prepared = Prepared {
        permutation: features.clone().map(|feature| feature as u32).collect(),
        dead: features.map(|feature| factor.is_dead(feature)).collect(),
    };
    let map = prepared.input_map()?;
    let chosen = site.layers.iter().map(|layer| {
        let matrix = &layer.source.matrix;
        let Some(scheme) = layer.scheme else { return Ok(Chosen::of_weights(Weights::Dense(matrix.clone()))) };
        let settings = settings(site.choices, &scheme);
        let solution = spqr::solve(kernels, matrix, factor.upper(), &prepared, &settings);
        let matrix = solution.pack(kernels, scheme.bits, map.as_ref())?;
        let weights = Weights::SparseQuantized { matrix, activations: scheme.activations };
        Ok(Chosen { weights, loss: Some(solution.loss), outliers: Some(solution.outliers.len()) })
    });
    chosen.collect()
}

fn settings(choices: &Choices, scheme: &Scheme) -> Settings {
    let defaults = Settings::new(scheme.bits);
    Settings {
        group: scheme.group.unwrap_or(defaults.group),
        tau: choices.number("tau").unwrap_or(f64::INFINITY),
        damping: choices.number("damp").unwrap_or(defaults.damping),
        order: match choices.holds("act_order", "true") {
            true => spqr::ColumnOrder::Diagonal,
            false => spqr::ColumnOrder::Given,
        },
        grid_weights: match choices.holds("simplified_outliers", "true") {
            true => GridWeights::All,
            false => GridWeights::WithoutCandidates,
        },
        zeros: if choices.holds("round_zero", "true") { ZeroKind::Integer } else { ZeroKind::Float },
        ..defaults
    }
}
