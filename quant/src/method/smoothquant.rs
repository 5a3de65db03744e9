//! SmoothQuant: features with large activations are divided by a scale that their weights are multiplied with.
//!
//! x W = (x / s) (s W) for any scales s of the input features (Xiao et al. 2023, equation 3). Between activations that are
//! hard to quantize and weights that are easy, s moves a share alpha of the difficulty over (equation 4):
//! ```text
//! s_j = max |x_j|^alpha / max |w_j|^(1 - alpha)
//! ```
//! the maxima over the calibration tokens, and over all layers that read the input. What is left is rounding to nearest,
//! with activations of 8 bits. The paper smooths inputs that come from a norm, those of query, key and value and of gate and
//! up, where the division costs nothing once it is part of the norm's weights. Here an input map divides
//! ([`engine::InputMap`]), so that every input can be smoothed: `inputs=all`.
//!
//! A feature that calibration never saw, or that no weight reads, keeps its scale; the authors' code would take 1e-5
//! for the maximum, and let such a feature grow without bounds in other text.

use super::rtn::{self, SYM};
use super::{ACTIVATIONS, Chosen, Method, MethodOption, Needs, NumberRange, OptionValue, Site, SiteLayer, Spacing};
use crate::error::Error;
use engine::InputMap;
use engine::format::DenseMatrix;
use engine::linear::Weights;
use engine::model::Role;
use engine::tensor::{Dtype, TensorBytes};
use kernels::CodeBits;
use kernels::math::pow;
use rayon::prelude::*;
use std::sync::Arc;

pub(super) static METHOD: Method = Method {
    name: "smoothquant",
    title: "SmoothQuant",
    summary: "Round to nearest, after features with large activations on calibration text were scaled down and their \
              weights up.",
    paper: "Xiao et al. 2023",
    example: "smoothquant:w8a8",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    ungrouped: true,
    implied: None,
    activations: ACTIVATIONS,
    options: &[
        MethodOption::of_number(
            "alpha",
            "how much of the difficulty moves from activations to weights",
            NumberRange { least: 0.0, most: 1.0, spacing: Spacing::Real, default: 0.5, meaning: "migration strength" },
        ),
        MethodOption::of_words(
            "inputs",
            "which inputs are smoothed",
            &[
                OptionValue { name: "norms", meaning: "inputs that come from a norm smoothed" },
                OptionValue { name: "all", meaning: "all inputs smoothed" },
            ],
        ),
        SYM,
    ],
    needs: Needs::Magnitudes,
    extra_bits: 0.0,
    quantize,
};

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    let symmetry = rtn::symmetry(site.choices);
    let map = smoothing(&site)?;
    site.each(|layer, scheme| {
        let source = &layer.source.matrix;
        let matrix = match &map {
            Some(map) => rtn::pack(site.kernels, &scaled(source, map), scheme, symmetry).with_input_map(map.clone()),
            None => rtn::pack(site.kernels, source, scheme, symmetry),
        };
        Ok(Weights::Packed { matrix, activations: scheme.activations })
    })
}

/// 1 / s of every feature, where the input is to be smoothed.
fn smoothing(site: &Site<'_>) -> Result<Option<Arc<InputMap>>, Error> {
    let quantized: Vec<&SiteLayer> = site.layers.iter().filter(|layer| layer.scheme.is_some()).collect();
    let is_smoothed = |layer: &&SiteLayer| site.choices.holds("inputs", "all") || reads_norm(layer.source.role);
    let Some(first) = quantized.first().filter(|layer| is_smoothed(layer)) else { return Ok(None) };
    let inputs = site.inputs.as_ref().ok_or_else(|| Error::NoCalibration { recipe: METHOD.name.into() })?;
    let columns = first.source.matrix.columns();
    let (mut largest, mut row) = (vec![0f32; columns], vec![0f32; columns]);
    for layer in &quantized {
        for index in 0..layer.source.matrix.rows() {
            layer.source.matrix.row_to_f32(index, &mut row);
            for (largest, weight) in largest.iter_mut().zip(&row) {
                *largest = if weight.abs() > *largest { weight.abs() } else { *largest };
            }
        }
    }
    let alpha = site.choices.number("alpha").unwrap_or_default();
    let scales = inputs.absolute_max.iter().zip(&largest).map(|(&x, &w)| inverse_scale(x, w, alpha));
    Ok(Some(Arc::new(InputMap::new(columns, None, Some(scales.collect()))?)))
}

/// Whether an input of this layer is what a norm gives.
fn reads_norm(role: Role) -> bool {
    matches!(role, Role::Query | Role::Key | Role::Value | Role::Gate(_) | Role::Up(_))
}

/// 1 / s, rounded once to the f32 that activations are multiplied with; 1 where that would be no scale.
fn inverse_scale(x: f32, w: f32, alpha: f64) -> f32 {
    let inverse = (pow(f64::from(w), 1.0 - alpha) / pow(f64::from(x), alpha)) as f32;
    if x > 0.0 && w > 0.0 && inverse.is_normal() { inverse } else { 1.0 }
}

/// s W, f32: every weight divided in f64 by the scale as it is stored, and rounded once.
fn scaled(matrix: &DenseMatrix, map: &InputMap) -> DenseMatrix {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let scales = map.scales().unwrap_or_default();
    let mut bytes = vec![0u8; 4 * rows * columns];
    bytes.par_chunks_mut(4 * columns).enumerate().for_each_init(
        || vec![0f32; columns],
        |row, (index, bytes)| {
            matrix.row_to_f32(index, row);
            for ((bytes, &weight), &scale) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(row.iter()).zip(scales) {
                *bytes = ((f64::from(weight) / f64::from(scale)) as f32).to_le_bytes();
            }
        },
    );
    DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::F32, rows, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use crate::statistics::InputStatistics;
    use engine::linear::Linear;
    use engine::model::{LinearSource, Mlp};
    use engine::runtime::{IsaChoice, Runtime};

    const COLUMNS: usize = 96;
    const TOKENS: usize = 40;

    /// A number from a seed, about normal.
    fn number(seed: usize) -> f32 {
        let uniform = |seed: u64| {
            let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..4).map(|part| uniform(4 * seed as u64 + part)).fold(0.0, |sum, x| sum + x)
    }

    fn layer(role: Role, rows: usize) -> LinearSource {
        let bytes = (0..rows * COLUMNS).flat_map(|i| (0.1 * number(i + 7000 * rows)).to_le_bytes()).collect();
        let matrix = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::F32, rows, COLUMNS);
        LinearSource { tensor: "model.layers.0.mlp.up_proj.weight".into(), role, layer: Some(0), matrix }
    }

    /// Activations of which three features are fifty times as large as the others, and one is always 0.
    fn activations() -> Vec<f32> {
        let factor = |k: usize| {
            if k == 5 {
                0.0
            } else if k % 32 == 17 {
                50.0
            } else {
                1.0
            }
        };
        (0..TOKENS * COLUMNS).map(|i| number(i) * factor(i % COLUMNS)).collect()
    }

    fn quantized(recipe: &str, sources: &[LinearSource]) -> Vec<Weights> {
        let mut inputs = InputStatistics::of_magnitudes(COLUMNS);
        inputs.add(kernels::Kernels::best(), &activations());
        let recipe = Recipe::parse(recipe).unwrap();
        let chosen = recipe.choose_site(kernels::Kernels::best(), sources, Some(inputs)).unwrap();
        chosen.into_iter().map(|chosen| chosen.weights).collect()
    }

    /// sum of (y - x w^T)^2 over the tokens and all layers.
    fn loss(recipe: &str, sources: &[LinearSource]) -> f64 {
        let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
        let x = activations();
        let mut loss = 0.0;
        for (source, weights) in sources.iter().zip(quantized(recipe, sources)) {
            let rows = source.matrix.rows();
            let [exact, found] = [Weights::Dense(source.matrix.clone()), weights].map(|weights| {
                let mut y = vec![0.0; TOKENS * rows];
                Linear { weights, bias: None }.forward(&runtime, &x, &mut y);
                y
            });
            loss += exact.iter().zip(&found).fold(0.0, |sum, (a, b)| sum + f64::from(a - b) * f64::from(a - b));
        }
        loss
    }

    #[test]
    fn scales_move_no_product() {
        let sources = [layer(Role::Gate(Mlp::Dense), 20), layer(Role::Up(Mlp::Dense), 33)];
        let weights = quantized("smoothquant:w8a8", &sources);
        let map = weights[0].input_map().unwrap();
        assert!(Arc::ptr_eq(map, weights[1].input_map().unwrap()), "one map for all that read the input");
        let scales = map.scales().unwrap();
        let mut row = [0.0; COLUMNS];
        let mut largest = [0f32; COLUMNS];
        for source in &sources {
            for index in 0..source.matrix.rows() {
                source.matrix.row_to_f32(index, &mut row);
                row.iter().zip(&mut largest).for_each(|(w, largest)| *largest = largest.max(w.abs()));
            }
        }
        let x = activations();
        for k in 0..COLUMNS {
            let seen = x.chunks(COLUMNS).fold(0.0, |seen: f32, x| seen.max(x[k].abs()));
            let expected = if k == 5 { 1.0 } else { (f64::from(largest[k]) / f64::from(seen)).sqrt() };
            assert!((f64::from(scales[k]) / expected - 1.0).abs() < 1e-7, "feature {k}: {} for {expected}", scales[k]);
        }
        for source in &sources {
            let smooth = scaled(&source.matrix, map);
            let mut smooth_row = [0.0; COLUMNS];
            for index in 0..source.matrix.rows() {
                source.matrix.row_to_f32(index, &mut row);
                smooth.row_to_f32(index, &mut smooth_row);
                for x in x.chunks(COLUMNS) {
                    for k in 0..COLUMNS {
                        let plain = f64::from(x[k]) * f64::from(row[k]);
                        let smoothed = f64::from(x[k] * scales[k]) * f64::from(smooth_row[k]);
                        assert!((smoothed - plain).abs() <= 1.3e-7 * plain.abs(), "{smoothed} for {plain}");
                    }
                }
            }
        }
    }

    #[test]
    fn loses_less_than_rounding_where_features_are_large() {
        let sources = [layer(Role::Query, 24), layer(Role::Key, 8), layer(Role::Value, 8)];
        let (nearest, smooth) = (loss("rtn:w8a8", &sources), loss("smoothquant:w8a8", &sources));
        assert!(smooth * 4.0 < nearest, "{smooth} and {nearest}");
        // alpha = 0 flattens weights alone, alpha = 1 activations alone.
        assert!(smooth < loss("smoothquant:w8a8:alpha=0", &sources));
        assert!(smooth < loss("smoothquant:w4a16:alpha=1", &sources));
    }

    #[test]
    fn inputs_that_come_from_no_norm_are_smoothed_where_asked() {
        let sources = [layer(Role::Down(Mlp::Dense), 24)];
        assert_eq!(loss("smoothquant:w8a8", &sources), loss("rtn:w8a8", &sources));
        assert!(loss("smoothquant:w8a8:inputs=all", &sources) * 4.0 < loss("rtn:w8a8", &sources));
        let kept = quantized("smoothquant:w8a8:*.up_proj=none", &sources);
        assert!(matches!(kept[0], Weights::Dense(_)));
    }
}
