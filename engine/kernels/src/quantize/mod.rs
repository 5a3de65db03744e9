//! Quantization of activations on the fly, one scale a segment of one token.
//!
//! # Formula
//! Per segment: m = max |x|.
//! * 8 bits (`a8`): scale = m / 127, code = clamp(round(x / scale), -127, 127).
//! * 16 bits (`a16`): scale = m / 32512, code = clamp(round(x / scale), -32512, 32512), split into two signed
//!   bytes, code = 255 * high + low with |high|, |low| <= 127. 255 is odd, so the split is unique and balanced, and a
//!   product with 16-bit codes is two products with bytes.
//!
//! A segment of zeros has scale 0 and codes 0. Division is a true division; `round` takes halves to even.
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
    /// Columns of one scale: 16, 32, 64 or 128.
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

/// See the module.
#[inline(always)]
pub(crate) fn quantize_row<S: Lanes>(s: S, x: &[f32], segment: usize, out: QuantizedRowMut<'_>) {
    let wide = !out.low.is_empty();
    let top = if wide { A16_MAX } else { 127.0 };
    out.high[x.len()..].fill(0);
    if wide {
        out.low[x.len()..].fill(0);
    }
    for (index, values) in x.chunks(segment).enumerate() {
        let range = index * segment..index * segment + values.len();
        let high = &mut out.high[range.clone()];
        let low = if wide { &mut out.low[range] } else { &mut [][..] };
        let lanes = fold_lanes!(s, s.splat(0.0), values, |acc, v| s.max(s.abs(v), acc));
        let mut maxima = [0.0; LANES];
        s.store(lanes, &mut maxima);
        let mut largest = 0.0f32;
        for m in maxima {
            largest = if m > largest { m } else { largest };
        }
        let scale = largest / top;
        out.scales[index] = scale;
        out.offsets[index] = [0, 0];
        if scale == 0.0 {
            // All zero, or so small that the scale underflows: the segment contributes nothing.
            out.scales[index] = 0.0;
            high.fill(0);
            low.fill(0);
            continue;
        }
        let (divisor, upper, lower) = (s.splat(scale), s.splat(top), s.splat(-top));
        let mut sums = [s.splat_int(0); 2];
        for (block, chunk) in values.chunks(LANES).enumerate() {
            let at = block * LANES;
            let code = s.round(s.div(s.load_partial(chunk), divisor));
            let code = s.max(lower, s.min(upper, code));
            if wide {
                // |code / 255| is at least 1 / 510 away from a half, far more than the product's rounding error.
                let quotient = s.round(s.mul(code, s.splat(1.0 / 255.0)));
                let rest = s.to_int(s.sub(code, s.mul(quotient, s.splat(255.0))));
                sums[1] = s.add_int(sums[1], rest);
                store_codes(s, rest, &mut low[at..at + chunk.len()]);
                let quotient = s.to_int(quotient);
                sums[0] = s.add_int(sums[0], quotient);
                store_codes(s, quotient, &mut high[at..at + chunk.len()]);
            } else {
                let code = s.to_int(code);
                sums[0] = s.add_int(sums[0], code);
                store_codes(s, code, &mut high[at..at + chunk.len()]);
            }
        }
        for (offset, sum) in out.offsets[index].iter_mut().zip(sums) {
            let mut lanes = [0; LANES];
            s.store_int(sum, &mut lanes);
            let mut total = 0;
            for lane in lanes {
                total -= lane;
            }
            *offset = total as i16;
        }
    }
}

/// The low bytes of the first `y.len()` lanes.
#[inline(always)]
fn store_codes<S: Lanes>(s: S, codes: S::I, y: &mut [i8]) {
    match y.first_chunk_mut() {
        Some(sixteen) => s.store_low_bytes(codes, sixteen),
        None => {
            let mut sixteen = [0; LANES];
            s.store_low_bytes(codes, &mut sixteen);
            y.copy_from_slice(&sixteen[..y.len()]);
        }
    }
}
