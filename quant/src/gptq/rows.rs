//! GPTQ of a block of rows, which need no other row.

use super::{GridFit, Groups, Settings};
use crate::grid::{Grid, Search};
use crate::inverse_factor::InverseFactor;
use engine::format::DenseMatrix;
use kernels::{Columns, ColumnsMut, FeedbackColumn, Kernels, Sign};
use std::ops::Range;

/// Columns that are completed one by one, the rows of the largest tile; more are halved.
const STRIP: usize = 12;
/// Rows that are transposed at a time: what is written of a column is then a cache line or two.
const FILLED: usize = 16;

/// Weights of a block of rows, transposed, on their way to codes.
pub(super) struct RowBlock<'a> {
    kernels: &'a Kernels,
    factor: &'a InverseFactor,
    settings: &'a Settings,
    rows: usize,
    /// Weights with feedback, f64 [columns, rows] in the order of quantization; errors where codes are chosen.
    weights: Vec<f64>,
    /// [columns, rows] in the order of quantization.
    codes: Vec<u8>,
    /// Of the rows' grids, [groups, rows].
    scales: Vec<f64>,
    zeros: Vec<f64>,
}

impl<'a> RowBlock<'a> {
    pub(super) fn new(
        kernels: &'a Kernels,
        stored: &DenseMatrix,
        factor: &'a InverseFactor,
        settings: &'a Settings,
    ) -> Self {
        let (rows, columns) = (stored.rows(), stored.columns());
        let groups = settings.group.map_or(1, |group| columns.div_ceil(group));
        let mut weights = vec![0.0; columns * rows];
        let mut natural = vec![0f32; FILLED * columns];
        for first in (0..rows).step_by(FILLED) {
            let count = FILLED.min(rows - first);
            for (row, natural) in natural.chunks_mut(columns).take(count).enumerate() {
                stored.row_to_f32(first + row, natural);
            }
            for (k, weights) in weights.chunks_mut(rows).enumerate() {
                let feature = factor.feature(k);
                if !factor.is_dead(feature) {
                    for (row, weight) in weights[first..first + count].iter_mut().enumerate() {
                        *weight = f64::from(natural[row * columns + feature]);
                    }
                }
            }
        }
        let (scales, zeros) = (vec![0.0; groups * rows], vec![0.0; groups * rows]);
        Self { kernels, factor, settings, rows, weights, codes: vec![0; columns * rows], scales, zeros }
    }

    /// Chooses all codes, and adds the squares of errors to `losses` [rows].
    pub(super) fn quantize(&mut self, losses: &mut [f64]) {
        let columns = self.factor.columns();
        match (self.settings.group, self.settings.groups) {
            (None, _) => {
                self.fit(0, 0..columns);
                self.columns(0..columns, losses);
            }
            (Some(width), Groups::Static) => {
                // Places of a group's features in the order of quantization, which need not be neighbours.
                let mut places = vec![Vec::new(); columns.div_ceil(width)];
                for k in 0..columns {
                    places[self.factor.feature(k) / width].push(k);
                }
                for (group, places) in places.into_iter().enumerate() {
                    self.fit(group, places.into_iter());
                }
                self.columns(0..columns, losses);
            }
            (Some(width), Groups::Dynamic(GridFit::InPlace)) => self.groups(0..columns, width, losses),
            (Some(width), Groups::Dynamic(GridFit::Original { block })) => {
                for first in (0..columns).step_by(block) {
                    let end = (first + block).min(columns);
                    for group in first.div_ceil(width)..end.div_ceil(width) {
                        self.fit(group, group * width..((group + 1) * width).min(columns));
                    }
                    self.columns(first..end, losses);
                    self.feed_back(first..end, end..columns);
                }
            }
        }
    }

    /// The columns of whole groups, which carry the feedback of all before them.
    fn groups(&mut self, range: Range<usize>, width: usize, losses: &mut [f64]) {
        if range.len() <= width {
            self.fit(range.start / width, range.clone());
            self.columns(range, losses);
            return;
        }
        let middle = range.start + range.len().div_ceil(width).div_ceil(2) * width;
        self.groups(range.start..middle, width, losses);
        self.feed_back(range.start..middle, middle..range.end);
        self.groups(middle..range.end, width, losses);
    }

    /// Columns whose grids are fitted, and which carry the feedback of all before them.
    fn columns(&mut self, range: Range<usize>, losses: &mut [f64]) {
        if range.len() > STRIP {
            let middle = range.start + range.len().div_ceil(2).next_multiple_of(STRIP);
            self.columns(range.start..middle, losses);
            self.feed_back(range.start..middle, middle..range.end);
            self.columns(middle..range.end, losses);
            return;
        }
        for k in range.clone() {
            let group = match (self.settings.group, self.settings.groups) {
                (None, _) => 0,
                (Some(width), Groups::Static) => self.factor.feature(k) / width,
                (Some(width), Groups::Dynamic(_)) => k / width,
            };
            let (grid, column) = (group * self.rows..(group + 1) * self.rows, k * self.rows..(k + 1) * self.rows);
            let feedback = FeedbackColumn {
                scales: &self.scales[grid.clone()],
                zeros: &self.zeros[grid],
                max_code: self.settings.bits.max_code(),
                pivot: self.factor.pivot(k),
            };
            self.kernels.feedback(feedback, &mut self.weights[column.clone()], &mut self.codes[column], losses);
            self.feed_back(k..k + 1, k + 1..range.end);
        }
    }

    /// Subtracts what errors of the columns `from` mean for the columns `to`, which follow them.
    fn feed_back(&mut self, from: Range<usize>, to: Range<usize>) {
        if to.is_empty() {
            return;
        }
        let (errors, later) = self.weights.split_at_mut(to.start * self.rows);
        let upper = Columns::new(self.factor.upper(), self.factor.columns());
        let errors = Columns::new(errors, self.rows).block(from.clone(), 0..self.rows);
        let mut later = ColumnsMut::new(&mut later[..to.len() * self.rows], self.rows);
        self.kernels.product_f64(Sign::Minus, upper.block(from, to), errors, &mut later);
    }

    /// Fits a group's grid of every row to the weights of these columns.
    fn fit(&mut self, group: usize, columns: impl Iterator<Item = usize> + Clone) {
        let (rows, bits, symmetry) = (self.rows, self.settings.bits, self.settings.symmetry);
        let (mut low, mut high) = (vec![0f64; rows], vec![0f64; rows]);
        for k in columns.clone() {
            let weights = &self.weights[k * rows..(k + 1) * rows];
            for ((low, high), &weight) in low.iter_mut().zip(&mut high).zip(weights) {
                *low = if weight < *low { weight } else { *low };
                *high = if weight > *high { weight } else { *high };
            }
        }
        let grid = group * rows..(group + 1) * rows;
        let grids = self.scales[grid.clone()].iter_mut().zip(&mut self.zeros[grid]);
        let mut weights = Vec::new();
        for (row, (scale, zero)) in grids.enumerate() {
            let fitted = match self.settings.search {
                Search::Span => Grid::between(low[row], high[row], bits, symmetry),
                Search::LeastError => {
                    weights.clear();
                    weights.extend(columns.clone().map(|k| self.weights[k * rows + row]));
                    Grid::least_error(&weights, low[row], high[row], bits, symmetry)
                }
            };
            (*scale, *zero) = (fitted.scale(), f64::from(fitted.zero()));
        }
    }

    /// Writes codes [rows, columns], scales and zeros [rows, groups]. Codes are in the order of quantization if that is
    /// the order of groups, otherwise in the natural one.
    pub(super) fn write(&self, codes: &mut [u8], scales: &mut [f64], zeros: &mut [u8]) {
        /// Rows of which a cache line each is written meanwhile.
        const LINES: usize = 64;
        let (rows, columns) = (self.rows, self.factor.columns());
        let in_place = self.settings.group.is_some() && self.settings.groups != Groups::Static;
        for (first, codes) in (0..rows).step_by(LINES).zip(codes.chunks_mut(LINES * columns)) {
            let count = codes.len() / columns;
            for k in 0..columns {
                let place = if in_place { k } else { self.factor.feature(k) };
                let column = &self.codes[k * rows + first..][..count];
                for (row, &code) in column.iter().enumerate() {
                    codes[row * columns + place] = code;
                }
            }
        }
        let groups = self.scales.len() / rows;
        for row in 0..rows {
            for group in 0..groups {
                scales[row * groups + group] = self.scales[group * rows + row];
                zeros[row * groups + group] = self.zeros[group * rows + row] as u8;
            }
        }
    }
}
