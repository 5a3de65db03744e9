//! The grids of SpQR: min/max grids with a float zero, whose own statistics lie on such grids again.

use kernels::ROW_BLOCK;
use kernels::grid::nearest_integer;

/// Rows that share the second level of their statistics; also the rows that share a vector in the kernels.
pub const SECOND_GROUP: usize = ROW_BLOCK;

/// An evenly spaced grid: code c stands for scale * (c - zero), where `zero` need not be an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FloatGrid {
    /// The distance of two values.
    pub scale: f64,
    /// The code of zero.
    pub zero: f64,
}

impl FloatGrid {
    /// The grid from `low` to `high` with codes up to `max_code`; from -1 to 1 where they are equal. Zero need not lie
    /// inside.
    pub(super) fn between(low: f64, high: f64, max_code: f64) -> Self {
        let (low, high) = if low == high { (-1.0, 1.0) } else { (low, high) };
        let scale = (high - low) / max_code;
        Self { scale, zero: -low / scale }
    }

    /// The grid that spans `values`.
    pub(super) fn span(values: &[f64], max_code: f64) -> Self {
        let (low, high) = range(values);
        Self::between(low, high, max_code)
    }

    /// clamp(round(value / scale + zero), 0, max_code), halves to even.
    pub(super) fn code(&self, value: f64, max_code: f64) -> u8 {
        // Cut first: the bounds are integers, so the order makes no difference, and what is rounded is small.
        nearest_integer((value / self.scale + self.zero).clamp(0.0, max_code)) as u8
    }

    /// What `code` stands for.
    pub fn value(&self, code: u8) -> f64 {
        self.scale * (f64::from(code) - self.zero)
    }

    /// The value of the grid that stands for `value`.
    pub(super) fn nearest(&self, value: f64, max_code: f64) -> f64 {
        self.value(self.code(value, max_code))
    }
}

/// (min, max).
pub(super) fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
        (if value < low { value } else { low }, if value > high { value } else { high })
    })
}

/// The two levels of the statistics of one column group in up to [`SECOND_GROUP`] rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SecondLevel {
    /// What the codes of scales stand for.
    pub scales: FloatGrid,
    /// What the codes of zeros stand for.
    pub zeros: FloatGrid,
}

/// How statistics are quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZeroCodes {
    /// On a grid of so many bits.
    Spanned,
    /// Kept as they are, integers: code 0 is the least of the rows. (Where they lie further apart than a byte reaches,
    /// they are spanned.)
    Integers,
}

impl SecondLevel {
    /// Fits both levels to the statistics of some rows and writes their codes.
    pub(super) fn fit(
        rows: &[FloatGrid],
        max_code: f64,
        zeros: ZeroCodes,
        scale_codes: &mut [u8],
        zero_codes: &mut [u8],
    ) -> Self {
        let mut values = [0.0; SECOND_GROUP];
        let values = &mut values[..rows.len()];
        values.iter_mut().zip(rows).for_each(|(value, grid)| *value = grid.scale);
        let scales = FloatGrid::span(values, max_code);
        scale_codes.iter_mut().zip(&*values).for_each(|(code, &value)| *code = scales.code(value, max_code));
        values.iter_mut().zip(rows).for_each(|(value, grid)| *value = grid.zero);
        let (low, high) = range(values);
        let (zeros, max_code) = match zeros {
            ZeroCodes::Spanned => (FloatGrid::between(low, high, max_code), max_code),
            ZeroCodes::Integers if high - low <= 255.0 => (FloatGrid { scale: 1.0, zero: -low }, 255.0),
            ZeroCodes::Integers => (FloatGrid::between(low, high, 255.0), 255.0),
        };
        zero_codes.iter_mut().zip(&*values).for_each(|(code, &value)| *code = zeros.code(value, max_code));
        Self { scales, zeros }
    }

    /// The grid of a row with these codes.
    pub fn grid(&self, scale_code: u8, zero_code: u8) -> FloatGrid {
        FloatGrid { scale: self.scales.value(scale_code), zero: self.zeros.value(zero_code) }
    }
}
