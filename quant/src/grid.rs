//! The min/max grid of GPTQ: evenly spaced values, zero among them, that span a row or a group of its weights.
//!
//! For the weights w of one row and group, and codes of b bits (Frantar et al. 2023, `find_params` of the authors'
//! code):
//! ```text
//! xmin = min(w, 0)    xmax = max(w, 0)    xmin = -1, xmax = 1 where both are 0
//! symmetric: xmax = max(|xmin|, xmax), and xmin = -xmax if a weight is negative
//! maxq  = 2^b - 1
//! scale = (xmax - xmin) / maxq
//! zero  = round(-xmin / scale), or 2^(b - 1) if symmetric
//! code  = clamp(round(w / scale) + zero, 0, maxq)
//! value = scale * (code - zero)
//! ```
//! `round` takes halves to even. With a search for the least error both ends are shrunk by a common factor
//! ([`Grid::least_error`]).
//!
//! # Precision
//! All of it is f64, from weights widened exactly; the scale is rounded to f32 once, when it is stored. Codes are
//! those of the f64 grid: a weight half way between two codes (common where a checkpoint was made from 8-bit codes)
//! then falls as it does in any other f64 computation of the same grid, where a grid in f32 would move it by a code.
//! Against the grid as stored the choice is off by at most maxq * 2^-24 of a step, the rounding of the scale.
//!
//! # Error
//! |w - value| <= scale / 2, except for the symmetric grid of weights that are all >= 0: there the authors' code
//! spans [0, xmax] with the zero point still at 2^(b - 1), so that weights above about xmax / 2 are cut.
//! A stored scale can underflow where all weights are below 2^-126 * maxq in magnitude: it is then the nearest
//! subnormal number or 0, and values are off by at most maxq * 2^-150 more. Nothing divides by a stored scale.

use kernels::grid::nearest_integer;
use kernels::{CodeBits, CodeGrid};

/// Whether the grid is centred on zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetry {
    /// The grid spans [xmin, xmax]; the zero point is fitted and stored.
    Asymmetric,
    /// The grid spans [-xmax, xmax]; the zero point is 2^(bits - 1).
    Symmetric,
}

/// Which span a grid is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// That of the weights.
    Span,
    /// That part of it which gives the least error: `mse`.
    LeastError,
}

/// The grid of one row and group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    codes: CodeGrid,
}

impl Grid {
    /// The grid that spans `weights` with codes of `bits` bits.
    pub fn span(weights: &[f32], bits: CodeBits, symmetry: Symmetry) -> Self {
        let (low, high) = range_with_zero(weights);
        Self::between(low, high, bits, symmetry)
    }

    /// The grid that spans weights with low = min(w, 0) and high = max(w, 0), as [`kernels::Kernels::spans`] finds them.
    #[inline]
    pub fn between(low: impl Into<f64>, high: impl Into<f64>, bits: CodeBits, symmetry: Symmetry) -> Self {
        let (low, high) = ends(low.into(), high.into(), symmetry);
        Self::of_ends(low, high, bits, symmetry)
    }

    /// The grid of least error: of 80, whose ends are those of the span of `weights` times 1, 0.99, and so on down to 0.21,
    /// the first with the least sum of |w - value|^2.4, a sum in the order of the weights (`mse` in the authors' code).
    /// `low` and `high` as of [`Self::between`].
    pub fn least_error(weights: &[f64], low: f64, high: f64, bits: CodeBits, symmetry: Symmetry) -> Self {
        let (low, high) = ends(low, high, symmetry);
        let mut best = Self::of_ends(low, high, bits, symmetry);
        let mut least = f64::INFINITY;
        for hundredths in 0..80 {
            let share = 1.0 - f64::from(hundredths) / 100.0;
            let grid = Self::of_ends(share * low, share * high, bits, symmetry);
            let mut error = 0.0;
            for &weight in weights {
                let difference = (weight - grid.value(grid.codes.code(weight))).abs();
                error += kernels::math::pow(difference, 2.4);
            }
            if error < least {
                (least, best) = (error, grid);
            }
        }
        best
    }

    /// The grid with these ends. No step can be so small that it is 0, or infinite: such weights are taken for zeros.
    #[inline]
    fn of_ends(low: f64, high: f64, bits: CodeBits, symmetry: Symmetry) -> Self {
        let max_code = i32::from(bits.max_code());
        let step = (high - low) / f64::from(max_code);
        let (low, scale) = if step > 0.0 && step.is_finite() { (low, step) } else { (-1.0, 2.0 / f64::from(max_code)) };
        let zero = match symmetry {
            Symmetry::Asymmetric => nearest_integer(-low / scale).clamp(0, max_code),
            Symmetry::Symmetric => 1 << (bits.bits() - 1),
        };
        Self { codes: CodeGrid::new(scale, zero, bits) }
    }

    /// Writes the code of every weight.
    pub fn encode(&self, weights: &[f32], codes: &mut [u8]) {
        for (code, &weight) in codes.iter_mut().zip(weights) {
            *code = self.codes.code(weight);
        }
    }

    /// What [`kernels::Kernels::encode`] takes: the codes of [`Self::encode`], faster.
    pub fn codes(&self) -> CodeGrid {
        self.codes
    }

    /// The distance of two values, as fitted.
    pub fn scale(&self) -> f64 {
        self.codes.scale()
    }

    /// The distance of two values as it is stored.
    pub fn stored_scale(&self) -> f32 {
        self.scale() as f32
    }

    /// The code of zero.
    pub fn zero(&self) -> u8 {
        self.codes.zero()
    }

    /// The weight that `code` stands for on the grid as fitted.
    pub fn value(&self, code: u8) -> f64 {
        self.scale() * f64::from(i32::from(code) - i32::from(self.zero()))
    }
}

/// The ends of a grid that spans [low, high].
#[inline]
fn ends(mut low: f64, mut high: f64, symmetry: Symmetry) -> (f64, f64) {
    if symmetry == Symmetry::Symmetric {
        high = if -low > high { -low } else { high };
        if low < 0.0 {
            low = -high;
        }
    }
    if low == 0.0 && high == 0.0 { (-1.0, 1.0) } else { (low, high) }
}

/// (min(w, 0), max(w, 0)). A minimum is the same in any order, so sixteen are taken at a time.
fn range_with_zero(weights: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([0f32; 16], [0f32; 16]);
    let mut widen = |chunk: &[f32]| {
        for ((low, high), &weight) in low.iter_mut().zip(&mut high).zip(chunk) {
            *low = if weight < *low { weight } else { *low };
            *high = if weight > *high { weight } else { *high };
        }
    };
    let (chunks, tail) = weights.as_chunks::<16>();
    for chunk in chunks {
        widen(chunk);
    }
    widen(tail);
    let lowest = low.into_iter().fold(0.0, |a, b| if b < a { b } else { a });
    let highest = high.into_iter().fold(0.0, |a, b| if b > a { b } else { a });
    (lowest, highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_is_that_of_any_order() {
        let weights: Vec<f32> = (0..37).map(|k| ((k * 29 % 37) as f32 - 11.0) / 8.0).collect();
        assert_eq!(range_with_zero(&weights), (-11.0 / 8.0, 25.0 / 8.0));
        assert_eq!(range_with_zero(&[0.5; 20]), (0.0, 0.5));
        assert_eq!(range_with_zero(&[]), (0.0, 0.0));
    }

    /// Four bits by hand: -3 and 12 are 15 apart, the step is 1 and the zero point 3.
    #[test]
    fn a_grid_worked_out_by_hand() {
        let grid = Grid::span(&[-3.0, 12.0], CodeBits::Four, Symmetry::Asymmetric);
        assert_eq!((grid.scale(), grid.zero()), (1.0, 3));
        let mut codes = [0; 5];
        grid.encode(&[-3.0, 12.0, 0.5, 1.5, -0.5], &mut codes);
        assert_eq!(codes, [0, 15, 3, 5, 3]);
        // Symmetric: [-12, 12] in 15 steps of 1.6, zero point 8; 12 / 1.6 = 7.5 would be code 16 and is cut to 15.
        let grid = Grid::span(&[-3.0, 12.0], CodeBits::Four, Symmetry::Symmetric);
        assert_eq!((grid.scale(), grid.zero()), (1.6, 8));
        let mut codes = [0; 2];
        grid.encode(&[-3.0, 12.0], &mut codes);
        assert_eq!((codes, grid.value(15)), ([6, 15], 1.6 * 7.0));
    }
}
