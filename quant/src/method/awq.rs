//! AWQ: features that are large in the inputs have their weights scaled up before rounding, and grids are clipped.
//!
//! For the layers of a site, with weights W: [rows, columns] and inputs x (Lin et al. 2024; `auto_scale.py` and
//! `auto_clip.py` of the authors' code):
//! ```text
//! s(a) = max(mean |x|^a, 1e-4) / sqrt(max * min of these)            over tokens; a = 0, 1/20, ... 19/20
//! a    = the first of least   sum over layers and tokens of |(Q(W s) / s - W) x|^2
//! then, row by row and group by group of W s, with m the largest magnitude of the group:
//! c    = the first of least   sum over tokens of |(Q(clip(W s, c)) - W s) x / s|^2, x of the group alone;
//!        c = m, 0.95 m, ... 0.55 m; weights of queries and keys are not clipped
//! ```
//! Q rounds to the nearest value of a grid, that of round-to-nearest (`crate::grid`). The engine multiplies Q(clip(W s, c))
//! with inputs x / s (`engine::InputMap`): nothing is folded into the layer before, so that every input can be scaled,
//! and the sharing of value heads forbids nothing.
//!
//! # Losses
//! A sum over all calibration tokens of |D x|^2 is n/2 tr(D H D^T) with the Hessian H (`crate::hessian`): no token is
//! kept. What is reported is tr(D H D^T) / 2 of the weights as chosen, as of GPTQ.
//!
//! # What differs
//! * The authors' code compares the outputs of attention, or of the whole feed-forward layer, for the layers that begin
//!   them; here it is the outputs of the layers themselves, everywhere.
//! * It clips by at most 512 tokens, here by all.
//! * Its asymmetric grid need not have zero inside: of a group of one sign most codes saturate. Here they do not. Its
//!   symmetric grid has steps of m / (2^(b - 1) - 1), that of round-to-nearest, used here, of 2 m / (2^b - 1).
//!
//! # Precision and order
//! f64. 1 / s is rounded to f32 first, and W divided by that: weights and inputs then fit exactly. Steps are rounded to
//! f32 when they are stored. A row's loss is a sum over columns in order, a layer's over rows in order; threads take rows.
//!
//! # Cost
//! rows x columns^2 / 2 operations for each of twenty a, in `kernels::product_f64`.

use super::rtn::SYM;
use super::{ACTIVATIONS, Chosen, Method, MethodOption, Needs, OptionValue, Site};
use crate::error::Error;
use crate::grid::{Grid, Symmetry};
use crate::recipe::Scheme;
use engine::InputMap;
use engine::format::{DenseMatrix, GridRow, PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::Weights;
use engine::model::Role;
use kernels::math::pow;
use kernels::{CodeBits, Columns, ColumnsMut, Kernels, Sign};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

pub(super) static METHOD: Method = Method {
    name: "awq",
    title: "activation-aware weight quantization",
    summary: "Weights of features with large activations are scaled up before they are rounded, inputs down, and grids \
              clipped, each as is best on calibration text.",
    paper: "Lin et al. 2024 (AWQ)",
    example: "awq:w4g128",
    widths: &[CodeBits::Eight, CodeBits::Four, CodeBits::Three, CodeBits::Two],
    groups: &[16, 32, 64, 128],
    ungrouped: true,
    implied: None,
    activations: ACTIVATIONS,
    options: &[
        SYM,
        MethodOption::of_words(
            "clip",
            "whether grids are clipped",
            &[
                OptionValue { name: "true", meaning: "clipped grids" },
                OptionValue { name: "false", meaning: "grids that span all weights" },
            ],
        ),
    ],
    needs: Needs::Inputs,
    extra_bits: 0.0,
    quantize,
};

/// Exponents that are tried: 0, 1/20, and so on.
const RATIOS: u32 = 20;
/// Clips that are tried: 1, 1 - 1/20, and so on.
const SHARES: u8 = 10;
/// Rows that a thread takes, and columns of the Hessian that they meet at a time.
const ROWS: usize = 192;
const PANEL: usize = 192;

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    if site.layers.iter().all(|layer| layer.scheme.is_none()) {
        return site.each(|layer, _| Ok(Weights::Dense(layer.source.matrix.clone())));
    }
    let statistics = site.inputs.ok_or_else(|| Error::NoCalibration { recipe: METHOD.name.into() })?;
    let means = statistics.absolute_mean();
    let hessian = statistics.hessian.ok_or_else(|| Error::NoCalibration { recipe: METHOD.name.into() })?.into_matrix();
    let symmetry = if site.choices.holds("sym", "true") { Symmetry::Symmetric } else { Symmetry::Asymmetric };
    let solvers = site.layers.iter().map(|layer| {
        let solver =
            |scheme| Solver { kernels: site.kernels, layer: &layer.source.matrix, scheme, symmetry, hessian: &hessian };
        layer.scheme.map(solver)
    });
    let solvers: Vec<Option<Solver<'_>>> = solvers.collect();
    let (mut least, mut inputs) = (f64::INFINITY, vec![1.0; means.len()]);
    for ratio in 0..RATIOS {
        let candidate = input_scales(&means, f64::from(ratio) / f64::from(RATIOS));
        let losses = solvers.iter().flatten().map(|solver| solver.loss(&candidate, None));
        let loss = losses.fold(0.0, |sum, loss| sum + loss);
        if loss < least {
            (least, inputs) = (loss, candidate);
        }
    }
    let map = Arc::new(InputMap::new(inputs.len(), None, Some(inputs.clone()))?);
    let chosen = site.layers.iter().zip(&solvers).map(|(layer, solver)| {
        let Some(solver) = solver else {
            return Chosen::of_weights(Weights::Dense(layer.source.matrix.clone()));
        };
        let is_clipped = site.choices.holds("clip", "true") && !matches!(layer.source.role, Role::Query | Role::Key);
        let clips = is_clipped.then(|| solver.clips(&inputs));
        let loss = Some(solver.loss(&inputs, clips.as_deref()) / 2.0);
        let matrix = solver.pack(&inputs, clips.as_deref()).with_input_map(Arc::clone(&map));
        let weights = Weights::Packed { matrix, activations: solver.scheme.activations };
        Chosen { loss, ..Chosen::of_weights(weights) }
    });
    Ok(chosen.collect())
}

/// 1 / s(a) of every feature, as stored.
fn input_scales(means: &[f64], exponent: f64) -> Vec<f32> {
    let (mut low, mut high) = (f64::INFINITY, 0.0);
    let mut scales = Vec::with_capacity(means.len());
    for &mean in means {
        let power = pow(mean, exponent);
        let scale = if power > 1e-4 { power } else { 1e-4 };
        low = if scale < low { scale } else { low };
        high = if scale > high { scale } else { high };
        scales.push(scale);
    }
    let middle = (high * low).sqrt();
    scales.iter().map(|scale| (middle / scale) as f32).collect()
}

/// A layer, and how it is to be stored.
struct Solver<'a> {
    kernels: &'a Kernels,
    layer: &'a DenseMatrix,
    scheme: Scheme,
    symmetry: Symmetry,
    /// f64 [columns, columns].
    hessian: &'a [f64],
}

/// What a thread needs for a block of rows.
struct Scratch {
    /// One row, as stored and scaled.
    stored: Vec<f32>,
    scaled: Vec<f64>,
    /// What rounding changes, f64 [columns, rows].
    differences: Vec<f64>,
    /// f64 [rows, PANEL].
    products: Vec<f64>,
}

/// A grid, and the largest magnitude that weights are cut to before they take its codes. (Both ends cut, zero lies half way
/// between two codes, and a weight at the end between two others: its code is not that of a weight beyond the end.)
#[derive(Clone, Copy)]
struct ClippedGrid {
    grid: Grid,
    limit: f64,
}

impl ClippedGrid {
    fn code(&self, weight: f64) -> u8 {
        let weight = if weight > self.limit { self.limit } else { weight };
        self.grid.codes().code(if weight < -self.limit { -self.limit } else { weight })
    }
}

impl Solver<'_> {
    fn width(&self) -> usize {
        self.scheme.group.unwrap_or(self.layer.columns())
    }

    fn groups(&self) -> usize {
        self.layer.columns().div_ceil(self.width())
    }

    fn scratch(&self) -> Scratch {
        let columns = self.layer.columns();
        let rows = ROWS.min(self.layer.rows());
        Scratch {
            stored: vec![0.0; columns],
            scaled: vec![0.0; columns],
            differences: vec![0.0; columns * rows],
            products: vec![0.0; rows * PANEL],
        }
    }

    /// The scaled weights of row `row`.
    fn scale_row(&self, row: usize, inputs: &[f32], stored: &mut [f32], scaled: &mut [f64]) {
        self.layer.row_to_f32(row, stored);
        for ((scaled, &weight), &input) in scaled.iter_mut().zip(&*stored).zip(inputs) {
            *scaled = f64::from(weight) / f64::from(input);
        }
    }

    /// The grid of a group of scaled weights, clipped as number `clip` of the clips that are tried.
    fn grid(&self, weights: &[f64], clip: u8) -> ClippedGrid {
        let (mut low, mut high) = (0.0, 0.0);
        for &weight in weights {
            low = if weight < low { weight } else { low };
            high = if weight > high { weight } else { high };
        }
        let share = 1.0 - f64::from(clip) / 20.0;
        let limit = share * if -low > high { -low } else { high };
        low = if low < -limit { -limit } else { low };
        high = if high > limit { limit } else { high };
        ClippedGrid { grid: Grid::between(low, high, self.scheme.bits, self.symmetry), limit }
    }

    /// Fills the differences of rows `rows`, value / s - w, where `clip` says how row and group are clipped.
    fn round(&self, rows: Range<usize>, inputs: &[f32], scratch: &mut Scratch, clip: impl Fn(usize, usize) -> u8) {
        let (width, count) = (self.width(), rows.len());
        let Scratch { stored, scaled, differences, .. } = scratch;
        for row in rows.clone() {
            self.scale_row(row, inputs, stored, scaled);
            let groups = scaled.chunks(width).zip(inputs.chunks(width)).enumerate();
            for (group, (weights, inputs)) in groups {
                let clipped = self.grid(weights, clip(row, group));
                let column = differences[group * width * count + row - rows.start..].iter_mut().step_by(count);
                for ((difference, &weight), &input) in column.zip(weights).zip(inputs) {
                    *difference = (clipped.grid.value(clipped.code(weight)) - weight) * f64::from(input);
                }
            }
        }
    }

    /// Adds d H d^T, d the differences in `columns` of every row, to `losses` [rows].
    fn add_losses(&self, columns: Range<usize>, scratch: &mut Scratch, losses: &mut [f64]) {
        let rows = losses.len();
        let differences = &scratch.differences[..self.layer.columns() * rows];
        let (d, h) = (Columns::new(differences, rows), Columns::new(self.hessian, self.layer.columns()));
        for first in columns.clone().step_by(PANEL) {
            let panel = first..(first + PANEL).min(columns.end);
            let products = &mut scratch.products[..rows * panel.len()];
            products.fill(0.0);
            let mut c = ColumnsMut::new(products, panel.len());
            let add = |before: Range<usize>, c: &mut ColumnsMut<'_, f64>| {
                self.kernels.product_f64(
                    Sign::Plus,
                    d.block(before.clone(), 0..rows),
                    h.block(before, panel.clone()),
                    c,
                );
            };
            // H is symmetric: what lies left of the panel counts twice.
            add(columns.start..first, &mut c);
            for row in 0..rows {
                c.row(row).iter_mut().for_each(|value| *value *= 2.0);
            }
            add(panel.clone(), &mut c);
            for (row, loss) in losses.iter_mut().enumerate() {
                for (product, k) in c.row(row).iter().zip(panel.clone()) {
                    *loss += product * differences[k * rows + row];
                }
            }
        }
    }

    /// tr(D H D^T) with the grids clipped as `clips` [rows, groups] says.
    fn loss(&self, inputs: &[f32], clips: Option<&[u8]>) -> f64 {
        let (columns, groups) = (self.layer.columns(), self.groups());
        let mut losses = vec![0.0; self.layer.rows()];
        let blocks = losses.par_chunks_mut(ROWS).enumerate();
        blocks.for_each_init(
            || self.scratch(),
            |scratch, (block, losses)| {
                let rows = block * ROWS..block * ROWS + losses.len();
                self.round(rows, inputs, scratch, |row, group| clips.map_or(0, |clips| clips[row * groups + group]));
                self.add_losses(0..columns, scratch, losses);
            },
        );
        losses.iter().fold(0.0, |sum, loss| sum + loss)
    }

    /// The best clip of every row and group, [rows, groups].
    fn clips(&self, inputs: &[f32]) -> Vec<u8> {
        let (columns, width, groups) = (self.layer.columns(), self.width(), self.groups());
        let mut best = vec![0; self.layer.rows() * groups];
        let blocks = best.par_chunks_mut(ROWS * groups).enumerate();
        blocks.for_each_init(
            || self.scratch(),
            |scratch, (block, best)| {
                let count = best.len() / groups;
                let mut least = vec![f64::INFINITY; best.len()];
                let mut losses = vec![0.0; count];
                for clip in 0..SHARES {
                    self.round(block * ROWS..block * ROWS + count, inputs, scratch, |_, _| clip);
                    for group in 0..groups {
                        losses.fill(0.0);
                        self.add_losses(group * width..((group + 1) * width).min(columns), scratch, &mut losses);
                        for (row, &loss) in losses.iter().enumerate() {
                            if loss < least[row * groups + group] {
                                (least[row * groups + group], best[row * groups + group]) = (loss, clip);
                            }
                        }
                    }
                }
            },
        );
        best
    }

    fn pack(&self, inputs: &[f32], clips: Option<&[u8]>) -> PackedMatrix {
        let zero_points = match self.symmetry {
            Symmetry::Asymmetric => ZeroPoints::Stored,
            Symmetry::Symmetric => ZeroPoints::Middle,
        };
        let (rows, columns, width, groups) = (self.layer.rows(), self.layer.columns(), self.width(), self.groups());
        let shape = PackedShape { rows, columns, bits: self.scheme.bits, group: self.scheme.group, zero_points };
        PackedMatrix::build(self.kernels, shape, |row: GridRow<'_>| {
            let (mut stored, mut scaled) = (vec![0.0; columns], vec![0.0; columns]);
            self.scale_row(row.row, inputs, &mut stored, &mut scaled);
            for (group, (weights, codes)) in scaled.chunks(width).zip(row.codes.chunks_mut(width)).enumerate() {
                let clipped = self.grid(weights, clips.map_or(0, |clips| clips[row.row * groups + group]));
                let grid = clipped.grid;
                (row.scales[group], row.zeros[group]) = (grid.stored_scale(), grid.zero());
                for (code, &weight) in codes.iter_mut().zip(weights) {
                    *code = clipped.code(weight);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
