//! Weights on evenly spaced grids: how far they reach, and the code of the nearest value of each.
//!
//! # Formula
//! A row of weights has one grid, or one for every `width` columns, a multiple of 16. For the weights w of one:
//! ```text
//! spans    low = min(w, 0)    high = max(w, 0)
//! codes    code = clamp(round(w / scale) + zero, 0, max_code)
//! ```
//! Codes are defined in f64: w widened exactly, a true division by an f64 scale, `round` takes halves to even. How a
//! grid follows from a span is the caller's business (`quant`).
//!
//! # Shapes
//! row: `columns` weights, f32, half or bfloat16, little-endian, at any alignment; spans: f32 [grids]; codes: u8
//! [columns], one byte each whatever their width. The last grid of a row may have fewer columns.
//!
//! # Order
//! A minimum is the same in any order of numbers that are not NaN; low is never -0, high neither. Spans and codes of
//! rows that hold a NaN mean nothing.
//!
//! # Why the division in f64 is rarely done, and no code differs
//! Let s be the scale, q = w / s exact, d = 2^-53 and u = 2^-24. Weights are first multiplied in f32:
//! ```text
//! v = fl32(fl64(1 / s))    t = clamp(fl(w v), -zero, max_code - zero)    r = the nearest integer of t
//! ```
//! Their codes are r + zero where |t - r| < 1/2 - 2^-14 in all lanes of sixteen; else these are divided in f64.
//!
//! *The product p = fl(w v) is near q.* Where v is a normal number, v = (1 + a) / s with |a| <= u + d + u d. The
//! product is rounded once: p = w v (1 + b) + e, |b| <= u, and |e| <= 2^-150 where it is subnormal, else e = 0. Hence
//! |p - q| <= c |q| + 2^-150 with c = 2u + 2^-46. (Where v is not normal, all weights are divided.)
//!
//! *t = p.* Then |t| <= 255 and |q| < 256, and |t - q| < 256 c + 2^-150 < 1.01 * 2^-15. In f32 t - r is exact: a
//! multiple of the last place of t, or t itself, and at most 1/2. So
//! |q - r| < 1/2 - 2^-14 + 1.01 * 2^-15 < 1/2 - 2^-16. The quotient in f64 is off by at most 256 d, hence nearer than
//! 1/2 to the integer r as well, and rounds to it; r is within the bounds of t, which are integers, and r + zero needs
//! no clamping.
//!
//! *p > max_code - zero =: M.* Then q >= (p - 2^-150) / (1 + c) > M - 1/4, since M <= 255, also where p is infinite.
//! The quotient in f64 rounds to at least M and its code is max_code, as is that of t = M. *p < -zero*: likewise 0.
//!
//! r is found as fl(t + m) - m with m = 1.5 * 2^23 + zero: the sum lies between 2^23 and 2^24, where the last place is
//! 1, and its low byte is r + zero. (It takes halves to even or odd as zero is even or odd; halves are divided.)
//!
//! Of random f32 one in 2^13 lies so near a boundary. Of bfloat16 it is more like one in 400, exact halves for the most
//! part: a weight and the ends of its span are small integers times a power of two. Hence no branch (see `encode_of`).
//!
//! # Checked
//! `tests/grid.rs`: every instruction set against the formula, over all bfloat16 and half values and adversarial f32,
//! scales and boundaries.

use crate::dense::{DenseRows, DenseType};
use crate::grouped::panel::CodeBits;
use crate::lanes::{LANES, Lanes};

/// An evenly spaced grid: code c stands for scale * (c - zero).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeGrid {
    scale: f64,
    zero: i32,
    max_code: i32,
}

/// 1.5 * 2^52: added to a number below 2^51 in magnitude it leaves no bits for a fraction, so that the sum is rounded
/// to an integer, halves to even, and ends in that integer's two's complement.
pub(crate) const TO_INTEGER: f64 = 6_755_399_441_055_744.0;

/// The nearest integer, halves to even, for |x| < 2^31. As `f64::round_ties_even`, which is a call on processors
/// without an instruction for it; this one vectorises everywhere.
#[inline(always)]
pub fn nearest_integer(x: f64) -> i32 {
    (x + TO_INTEGER).to_bits() as i32
}

/// Farther than this from zero a quotient's code is the first or the last whatever the zero point.
pub(crate) const FAR: f64 = 1024.0;

/// Nearer than this to an integer a product in f32 rounds as the quotient in f64 does; see the module.
const SAFE: f32 = 0.5 - 1.0 / 16384.0;

/// 1.5 * 2^23; as [`TO_INTEGER`] in f32. Its low byte is 0.
const TO_INTEGER_F32: f32 = 12_582_912.0;

impl CodeGrid {
    /// The grid of codes of `bits` bits with this distance of two values and this code of zero.
    ///
    /// # Panics
    /// If the scale is not a positive number or `zero` is no code.
    #[inline]
    pub fn new(scale: f64, zero: i32, bits: CodeBits) -> Self {
        let max_code = i32::from(bits.max_code());
        assert!(scale > 0.0 && (0..=max_code).contains(&zero), "scale {scale}, zero {zero} of {max_code}");
        Self { scale, zero, max_code }
    }

    /// The distance of two values.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The code of zero.
    pub fn zero(&self) -> u8 {
        self.zero as u8
    }

    /// The code of the value nearest to `weight`: the definition.
    #[inline(always)]
    pub fn code(&self, weight: impl Into<f64>) -> u8 {
        let quotient = weight.into() / self.scale;
        let quotient = if quotient > FAR { FAR } else { quotient };
        let quotient = if quotient < -FAR { -FAR } else { quotient };
        (nearest_integer(quotient) + self.zero).clamp(0, self.max_code) as u8
    }
}

/// How sixteen stored weights, `N` bytes, become f32.
trait Stored<const N: usize> {
    fn load<S: Lanes>(s: S, bytes: &[u8; N]) -> S::F;
}

struct F32;
struct Bf16;
struct F16;

impl Stored<64> for F32 {
    #[inline(always)]
    fn load<S: Lanes>(s: S, bytes: &[u8; 64]) -> S::F {
        s.load_f32(bytes)
    }
}

impl Stored<32> for Bf16 {
    #[inline(always)]
    fn load<S: Lanes>(s: S, bytes: &[u8; 32]) -> S::F {
        s.load_bf16(bytes)
    }
}

impl Stored<32> for F16 {
    #[inline(always)]
    fn load<S: Lanes>(s: S, bytes: &[u8; 32]) -> S::F {
        s.load_f16(bytes)
    }
}

/// Fewer than sixteen weights, followed by zeros.
#[inline(always)]
fn padded<const N: usize>(tail: &[u8]) -> [u8; N] {
    let mut whole = [0; N];
    whole[..tail.len()].copy_from_slice(tail);
    whole
}

/// See the module.
#[inline(always)]
pub(crate) fn spans<S: Lanes>(s: S, row: DenseRows<'_>, width: usize, low: &mut [f32], high: &mut [f32]) {
    match row.dtype {
        DenseType::F32 => spans_of::<S, F32, 64>(s, row.bytes, width, low, high),
        DenseType::Bf16 => spans_of::<S, Bf16, 32>(s, row.bytes, width, low, high),
        DenseType::F16 => spans_of::<S, F16, 32>(s, row.bytes, width, low, high),
    }
}

#[inline(always)]
fn spans_of<S: Lanes, T: Stored<N>, const N: usize>(
    s: S,
    bytes: &[u8],
    width: usize,
    low: &mut [f32],
    high: &mut [f32],
) {
    for ((bytes, low), high) in bytes.chunks(width * N / LANES).zip(low).zip(high) {
        let (chunks, tail) = bytes.as_chunks::<N>();
        let (pairs, last) = chunks.as_chunks::<2>();
        let (mut least, mut greatest) = ([s.splat(0.0); 2], [s.splat(0.0); 2]);
        for [even, odd] in pairs {
            let (even, odd) = (T::load(s, even), T::load(s, odd));
            least = [s.min(even, least[0]), s.min(odd, least[1])];
            greatest = [s.max(even, greatest[0]), s.max(odd, greatest[1])];
        }
        for chunk in last {
            let weights = T::load(s, chunk);
            (least[0], greatest[0]) = (s.min(weights, least[0]), s.max(weights, greatest[0]));
        }
        if !tail.is_empty() {
            let weights = T::load(s, &padded(tail));
            (least[1], greatest[1]) = (s.min(weights, least[1]), s.max(weights, greatest[1]));
        }
        *low = s.least(s.min(least[0], least[1]));
        *high = s.greatest(s.max(greatest[0], greatest[1]));
    }
}

/// See the module.
#[inline(always)]
pub(crate) fn encode<S: Lanes>(s: S, row: DenseRows<'_>, width: usize, grids: &[CodeGrid], codes: &mut [u8]) {
    match row.dtype {
        DenseType::F32 => encode_of::<S, F32, 64>(s, row.bytes, width, grids, codes),
        DenseType::Bf16 => encode_of::<S, Bf16, 32>(s, row.bytes, width, grids, codes),
        DenseType::F16 => encode_of::<S, F16, 32>(s, row.bytes, width, grids, codes),
    }
}

#[inline(always)]
fn encode_of<S: Lanes, T: Stored<N>, const N: usize>(
    s: S,
    bytes: &[u8],
    width: usize,
    grids: &[CodeGrid],
    codes: &mut [u8],
) {
    let size = N / LANES;
    // Bit v: vector v of the block of `BLOCK` columns is to be divided. Which they are cannot be predicted, so they are
    // noted without a branch.
    let mut uncertain = 0u64;
    for (grid, columns) in grids.iter().zip((0..codes.len()).step_by(width)) {
        let lanes = GridLanes::of(s, grid);
        let end = (columns + width).min(codes.len());
        let mut column = columns;
        while column < end {
            let block = column / BLOCK * BLOCK;
            let run = column..end.min(block + BLOCK);
            let (chunks, tail) = bytes[run.start * size..run.end * size].as_chunks::<N>();
            let (blocks, code_tail) = codes[run.clone()].as_chunks_mut();
            let mut vector = (column - block) / LANES;
            for (chunk, block) in chunks.iter().zip(blocks) {
                s.prefetch(chunk.as_ptr().wrapping_add(AHEAD));
                let exact = lanes.encode(s, T::load(s, chunk), block);
                uncertain |= u64::from(!exact) << vector;
                vector += 1;
            }
            if !tail.is_empty() {
                let mut block = [0; LANES];
                let exact = lanes.encode(s, T::load(s, &padded(tail)), &mut block);
                uncertain |= u64::from(!exact) << vector;
                code_tail.copy_from_slice(&block[..code_tail.len()]);
            }
            column = run.end;
            if column == block + BLOCK || column == codes.len() {
                divide::<S, T, N>(s, bytes, width, grids, block, uncertain, codes);
                uncertain = 0;
            }
        }
    }
}

/// Columns of the vectors that 64 bits note.
const BLOCK: usize = 64 * LANES;

/// Encodes vectors of the block of columns from `block` on by the definition: those whose bit is set.
#[inline(always)]
fn divide<S: Lanes, T: Stored<N>, const N: usize>(
    s: S,
    bytes: &[u8],
    width: usize,
    grids: &[CodeGrid],
    block: usize,
    mut vectors: u64,
    codes: &mut [u8],
) {
    let size = N / LANES;
    while vectors != 0 {
        let column = block + LANES * vectors.trailing_zeros() as usize;
        vectors &= vectors - 1;
        let end = (column + LANES).min(codes.len());
        let stored = &bytes[column * size..end * size];
        let weights = match stored.first_chunk::<N>() {
            Some(whole) => T::load(s, whole),
            None => T::load(s, &padded(stored)),
        };
        let grid = grids[column / width];
        let (mut values, mut exact) = ([0.0; LANES], [0; LANES]);
        s.store(weights, &mut values);
        for (code, value) in exact.iter_mut().zip(values) {
            *code = grid.code(value);
        }
        match codes[column..end].first_chunk_mut() {
            Some(whole) => *whole = exact,
            None => codes[column..end].copy_from_slice(&exact[..end - column]),
        }
    }
}

/// A grid in registers.
struct GridLanes<S: Lanes> {
    inverse: S::F,
    lower: S::F,
    upper: S::F,
    to_code: S::F,
    safe: S::F,
}

impl<S: Lanes> GridLanes<S> {
    #[inline(always)]
    fn of(s: S, grid: &CodeGrid) -> Self {
        let inverse = (1.0 / grid.scale) as f32;
        // Nothing is as near as -1: all weights are divided.
        let (inverse, safe) = if inverse.is_normal() { (inverse, SAFE) } else { (0.0, -1.0) };
        Self {
            inverse: s.splat(inverse),
            lower: s.splat(-grid.zero as f32),
            upper: s.splat((grid.max_code - grid.zero) as f32),
            to_code: s.splat(TO_INTEGER_F32 + grid.zero as f32),
            safe: s.splat(safe),
        }
    }

    /// Writes sixteen codes; whether they are certain.
    #[inline(always)]
    fn encode(&self, s: S, weights: S::F, codes: &mut [u8; LANES]) -> bool {
        let product = s.min(s.max(s.mul(weights, self.inverse), self.lower), self.upper);
        let sum = s.add(product, self.to_code);
        s.narrow(s.to_bits(sum), codes);
        s.all_greater(self.safe, s.abs(s.sub(product, s.sub(sum, self.to_code))))
    }
}

/// How far ahead weights are asked for while others are encoded, in bytes. Rows lie one after the other, and looking
/// for the span of the next would otherwise wait for memory that is idle now.
const AHEAD: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_integer_takes_halves_to_even() {
        for twice in -2000..2000 {
            for nudge in [-1e-9, 0.0, 1e-9] {
                let x = f64::from(twice) / 2.0 + nudge;
                assert_eq!(f64::from(nearest_integer(x)), x.round_ties_even(), "{x}");
            }
        }
    }
}
