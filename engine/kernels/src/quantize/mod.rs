//! Quantization of activations on the fly, one scale a segment of one token.
//!
//! # Formula
//! Per segment: m = max |x|.
//! * 8 bits (`a8`): scale = m / 127, code = clamp(round(x / scale), -127, 127).
//! * 16 bits (`a16`): scale = m / 32512, code = clamp(round(x / scale), -32512, 32512), split into two signed
//!   bytes, code = 255 * high + low with |high|, |low| <= 127. 255 is odd, so the split is unique and balanced, and a
//!   product with 16-bit codes is two products with bytes.
//!
//! LLM.int8() has one scale for a row instead, of 8-bit codes: that of the largest |x| which is no outlier
//! (`decomposed`). A segment of zeros has scale 0 (or the row's) and codes 0. Division is a true division; `round` takes
//! halves to even.
//!
//! # Division
//! Of 8-bit codes, x / scale is at most 127.5 in magnitude, and both it and x * (1 / scale), each rounded, are within
//! 127.5 * 2^-23 < 2^-15 of the exact quotient. Where the product is further than 2^-14 from a half, both round to the
//! same integer: a vector of sixteen is divided only where one of them is nearer, once in hundreds. 1 / scale may be
//! infinite; then the product is further than that from any integer, or a NaN, and is divided too.
//!
//! # Shapes
//! x: f32 [columns]; codes: i8 [padded columns], zero beyond `columns`; scales: f32 [segments]; offsets: [segments],
//! minus the sum of the segment's codes (16-bit codes: of its high and of its low bytes), which carry the weights' zero
//! points: at most 128 * 127 in magnitude.
//!
//! # Range
//! Never -128, so that `vpmaddubsw` cannot saturate. NaN or infinity in x gives meaningless codes: the decoder
//! refuses such rows before.
//!
//! # Source
//! Dettmers et al. 2022 (LLM.int8()), absmax quantization, here per segment.

use crate::lanes::{LANES, Lanes};
use crate::order::fold_lanes;

/// How activations enter a product with packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivationCodes {
    /// One signed byte an element.
    A8,
    /// 255 * high + low, two signed bytes an element.
    A16,
}

/// Largest 16-bit code: 127 * 255 + 127.
pub(crate) const A16_MAX: f32 = 32512.0;

/// Activations of several tokens as codes; see the module.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedRows<'a> {
    /// Columns of one scale: 8, 16, 32, 64 or 128.
    pub segment: usize,
    /// Bytes from one token to the next: the columns, rounded up to 32.
    pub stride: usize,
    /// Codes (8 bits) or high bytes (16 bits), [tokens, stride].
    pub high: &'a [i8],
    /// Low bytes, [tokens, stride]; empty for 8 bits.
    pub low: &'a [i8],
    /// [tokens, segments].
    pub scales: &'a [f32],
    /// Minus the sums of the high and the low bytes, [tokens, segments].
    pub offsets: &'a [[i16; 2]],
}

/// Where the codes of one token go; lengths as in the module.
#[derive(Debug)]
pub struct QuantizedRowMut<'a> {
    /// Codes or high bytes, [stride].
    pub high: &'a mut [i8],
    /// Low bytes, [stride]; empty for 8 bits.
    pub low: &'a mut [i8],
    /// [segments].
    pub scales: &'a mut [f32],
    /// [segments].
    pub offsets: &'a mut [[i16; 2]],
}

impl QuantizedRowMut<'_> {
    pub(crate) fn check(&self, x: &[f32], segment: usize) {
        let segments = x.len().div_ceil(segment);
        assert!(segment > 0 && segment.is_multiple_of(8) && self.high.len() >= x.len());
        assert!(self.low.is_empty() || self.low.len() == self.high.len());
        assert!(self.scales.len() == segments && self.offsets.len() == segments);
    }
}

/// See the module.
#[inline(always)]
pub(crate) fn quantize_row<S: Lanes>(s: S, x: &[f32], segment: usize, out: QuantizedRowMut<'_>) {
    match out.low.is_empty() {
        true => quantize_segments::<S, false>(s, x, None, segment, out),
        false => quantize_segments::<S, true>(s, x, None, segment, out),
    }
}

/// See the module: 8-bit codes with one scale for the row, with which no |x / scale| may exceed 127.5.
#[inline(always)]
pub(crate) fn quantize_row_with<S: Lanes>(s: S, x: &[f32], scale: f32, segment: usize, out: QuantizedRowMut<'_>) {
    quantize_segments::<S, false>(s, x, Some(scale), segment, out);
}

#[inline(always)]
fn quantize_segments<S: Lanes, const WIDE: bool>(
    s: S,
    x: &[f32],
    row_scale: Option<f32>,
    segment: usize,
    out: QuantizedRowMut<'_>,
) {
    out.high[x.len()..].fill(0);
    if WIDE {
        out.low[x.len()..].fill(0);
    }
    for (index, values) in x.chunks(segment).enumerate() {
        let range = index * segment..index * segment + values.len();
        let high = &mut out.high[range.clone()];
        let low = if WIDE { &mut out.low[range] } else { &mut [][..] };
        let scale = match row_scale {
            Some(scale) => scale,
            None => {
                let lanes = fold_lanes!(s, s.splat(0.0), values, |acc, v| s.max(s.abs(v), acc));
                s.greatest(lanes) / if WIDE { A16_MAX } else { 127.0 }
            }
        };
        out.scales[index] = scale;
        out.offsets[index] = [0, 0];
        if scale == 0.0 {
            // All zero, or so small that the scale underflows: the segment contributes nothing.
            out.scales[index] = 0.0;
            high.fill(0);
            low.fill(0);
            continue;
        }
        let (mut high_sum, mut low_sum) = (s.splat_int(0), s.splat_int(0));
        let (chunks, tail) = values.as_chunks::<LANES>();
        let (highs, high_tail) = high.as_chunks_mut::<LANES>();
        let (lows, low_tail) = low.as_chunks_mut::<LANES>();
        let grid = Grid { scale: s.splat(scale), inverse: s.splat(1.0 / scale) };
        for i in 0..chunks.len() {
            let (code, rest) = encode::<S, WIDE>(s, s.load(&chunks[i]), grid);
            high_sum = s.add_int(high_sum, code);
            s.narrow(code, unsigned(&mut highs[i]));
            if WIDE {
                low_sum = s.add_int(low_sum, rest);
                s.narrow(rest, unsigned(&mut lows[i]));
            }
        }
        if !tail.is_empty() {
            let (code, rest) = encode::<S, WIDE>(s, s.load_partial(tail), grid);
            let mut sixteen = [[0i8; LANES]; 2];
            s.narrow(code, unsigned(&mut sixteen[0]));
            s.narrow(rest, unsigned(&mut sixteen[1]));
            (high_sum, low_sum) = (s.add_int(high_sum, code), s.add_int(low_sum, rest));
            high_tail.copy_from_slice(&sixteen[0][..high_tail.len()]);
            low_tail.copy_from_slice(&sixteen[1][..low_tail.len()]);
        }
        out.offsets[index] = [(-s.sum_int(high_sum)) as i16, (-s.sum_int(low_sum)) as i16];
    }
}

/// A segment's scale and its reciprocal, in all lanes.
#[derive(Clone, Copy)]
struct Grid<F> {
    scale: F,
    inverse: F,
}

/// The codes of sixteen values: (code, 0) of 8 bits, (high, low) of 16.
#[inline(always)]
fn encode<S: Lanes, const WIDE: bool>(s: S, x: S::F, grid: Grid<S::F>) -> (S::I, S::I) {
    if WIDE {
        let (top, base) = (s.splat(A16_MAX), s.splat(255.0));
        let code = s.max(s.splat(-A16_MAX), s.min(top, s.round(s.div(x, grid.scale))));
        // |code / 255| is at least 1 / 510 from a half, far more than the product's rounding error.
        let high = s.round(s.mul(code, s.splat(1.0 / 255.0)));
        return (s.to_int(high), s.to_int(s.sub(code, s.mul(high, base))));
    }
    let product = s.mul(x, grid.inverse);
    let mut code = s.round(product);
    if !s.all_greater(s.splat(0.5 - 1.0 / 16384.0), s.abs(s.sub(product, code))) {
        code = s.round(s.div(x, grid.scale));
    }
    (s.to_int(s.max(s.splat(-127.0), s.min(s.splat(127.0), code))), s.splat_int(0))
}

/// The same bytes, as the lanes take them.
#[inline(always)]
fn unsigned(codes: &mut [i8; LANES]) -> &mut [u8; LANES] {
    // SAFETY: u8 and i8 have one layout, and every bit pattern is valid for both.
    unsafe { &mut *std::ptr::from_mut(codes).cast() }
}
