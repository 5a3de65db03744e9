//! Product of activations with packed 2, 3, 4 or 8-bit weights.
//!
//! # Formula
//! With codes c, zero points z and scales s_w of the weights, and codes x and scales s_x of the activations:
//! ```text
//! y[t, r] = sum over segments g of  ( sum over k in g of (c[r, k] - z[g, r]) * x[t, k] ) * ( s_w[g, r] * s_x[t, g] )
//! ```
//! `matmul` takes 8-bit or 16-bit activation codes (`quantize`): the inner sum is an exact integer.
//! `matmul_f32` takes f32 activations (`a32`): the inner sum is taken in f32, ascending k, and scaled by s_w alone.
//!
//! # Shapes
//! Panel: see `panel`. x: [tokens, columns]. y: f32 [tokens, rows], a block of columns of a wider matrix.
//! A segment is a weight group, or 128 columns where weights have one scale a row.
//!
//! # Order
//! Lanes are output rows. Per output: segments ascending, acc = acc + (isum as f32) * (s_w * s_x), the product of
//! scales rounded first (R5).
//!
//! # Range
//! A segment has at most 128 columns, so |isum| <= 255 * 127 * 128 < 2^22 with 8-bit activations, converted exactly;
//! with 16-bit activations |isum| <= 255 * 32512 * 128 < 2^31, exact in i32 and rounded once, to nearest even, when it
//! is converted to f32. The sum with the unsigned codes and the correction by z * sum(x) obey the same bounds; sums in
//! between may wrap, which cancels.
//!
//! # Source
//! u8 x s8 products with a zero-point correction: the arithmetic of gemmlowp (Jacob et al. 2018, eq. 7).

pub mod panel;

use self::panel::{CodeBits, Panel, ROW_BLOCK, Zeros, segment_of};
use crate::columns::ColumnsMut;
use crate::dense::bytes_at;
use crate::lanes::{LANES, Lanes};
use crate::quantize::QuantizedRows;

/// Unpacks a panel into 8-bit order, [K/4][R][4].
#[inline(always)]
fn unpack<S: Lanes>(s: S, panel: &Panel<'_>, out: &mut [u8]) {
    let plane = panel.padded_rows() * 4;
    let steps = panel.bits.padded_columns(panel.columns) / panel.bits.step();
    let load = |at: usize| match panel.codes[at..at + 64].first_chunk() {
        Some(bytes) => s.load_bytes(bytes),
        None => unreachable!("64 bytes were sliced"),
    };
    let mut store = |at: usize, value: S::B| {
        if let Some(bytes) = out[at..at + 64].first_chunk_mut() {
            s.store_bytes(value, bytes);
        }
    };
    for step in 0..steps {
        for block in (0..plane).step_by(64) {
            match panel.bits {
                CodeBits::Eight => {}
                CodeBits::Four => {
                    let x = load(step * plane + block);
                    store(step * 2 * plane + block, s.field::<0>(x, 15));
                    store((step * 2 + 1) * plane + block, s.field::<4>(x, 15));
                }
                CodeBits::Two => {
                    let x = load(step * plane + block);
                    let to = step * 4;
                    store(to * plane + block, s.field::<0>(x, 3));
                    store((to + 1) * plane + block, s.field::<2>(x, 3));
                    store((to + 2) * plane + block, s.field::<4>(x, 3));
                    store((to + 3) * plane + block, s.field::<6>(x, 3));
                }
                CodeBits::Three => {
                    let a = load(step * 3 * plane + block);
                    let b = load((step * 3 + 1) * plane + block);
                    let h = load((step * 3 + 2) * plane + block);
                    let to = step * 8;
                    store(to * plane + block, s.join::<2>(s.field::<0>(a, 3), s.field::<0>(h, 1)));
                    store((to + 1) * plane + block, s.join::<2>(s.field::<2>(a, 3), s.field::<1>(h, 1)));
                    store((to + 2) * plane + block, s.join::<2>(s.field::<4>(a, 3), s.field::<2>(h, 1)));
                    store((to + 3) * plane + block, s.join::<2>(s.field::<6>(a, 3), s.field::<3>(h, 1)));
                    store((to + 4) * plane + block, s.join::<2>(s.field::<0>(b, 3), s.field::<4>(h, 1)));
                    store((to + 5) * plane + block, s.join::<2>(s.field::<2>(b, 3), s.field::<5>(h, 1)));
                    store((to + 6) * plane + block, s.join::<2>(s.field::<4>(b, 3), s.field::<6>(h, 1)));
                    store((to + 7) * plane + block, s.join::<2>(s.field::<6>(b, 3), s.field::<7>(h, 1)));
                }
            }
        }
    }
}

/// A panel with its codes in 8-bit order.
#[derive(Clone, Copy)]
struct Unpacked<'a> {
    panel: &'a Panel<'a>,
    codes: &'a [u8],
}

impl<'a> Unpacked<'a> {
    /// Unpacks into `scratch` what is not in 8-bit order already.
    #[inline(always)]
    fn new<S: Lanes>(s: S, panel: &'a Panel<'a>, scratch: &'a mut [u8]) -> Self {
        let codes = match panel.bits {
            CodeBits::Eight => panel.codes,
            _ => {
                unpack(s, panel, scratch);
                &*scratch
            }
        };
        Self { panel, codes }
    }

    /// Scales and zero points of sixteen rows of one group, from place `at` of the grid on.
    #[inline(always)]
    fn grid<S: Lanes>(self, s: S, at: usize) -> (S::F, S::I) {
        let scale = s.load_partial(&self.panel.scales[at..at + LANES]);
        let zero = match self.panel.zeros {
            Zeros::Constant(zero) => s.splat_int(i32::from(zero)),
            Zeros::PerGroup(zeros) => match zeros[at..at + LANES].first_chunk() {
                Some(bytes) => s.widen_u8(bytes),
                None => unreachable!("sixteen bytes were sliced"),
            },
        };
        (scale, zero)
    }
}

/// See the module. R row blocks x T tokens is the register tile of the instruction set.
#[inline(always)]
pub(crate) fn matmul<S: Lanes, const R: usize, const T: usize>(
    s: S,
    panel: &Panel<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
    scratch: &mut [u8],
) {
    let weights = Unpacked::new(s, panel, scratch);
    match panel.bits {
        CodeBits::Eight => blocks::<S, R, T, true>(s, weights, x, y),
        _ => blocks::<S, R, T, false>(s, weights, x, y),
    }
}

#[inline(always)]
fn blocks<S: Lanes, const R: usize, const T: usize, const WIDE: bool>(
    s: S,
    weights: Unpacked<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
) {
    let blocks = weights.panel.padded_rows() / ROW_BLOCK;
    let mut block = 0;
    while block + R <= blocks {
        tokens::<S, R, T, WIDE>(s, weights, x, y, block);
        block += R;
    }
    while block < blocks {
        tokens::<S, 1, T, WIDE>(s, weights, x, y, block);
        block += 1;
    }
}

#[inline(always)]
fn tokens<S: Lanes, const R: usize, const T: usize, const WIDE: bool>(
    s: S,
    weights: Unpacked<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
    block: usize,
) {
    let count = y.rows();
    let mut token = 0;
    while token + T <= count {
        tile::<S, R, T, WIDE>(s, weights, x, y, block, token);
        token += T;
    }
    while token < count {
        tile::<S, R, 1, WIDE>(s, weights, x, y, block, token);
        token += 1;
    }
}

/// R blocks of sixteen rows times T tokens.
#[inline(always)]
fn tile<S: Lanes, const R: usize, const T: usize, const WIDE: bool>(
    s: S,
    weights: Unpacked<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
    block: usize,
    token: usize,
) {
    let panel = weights.panel;
    let (padded, segment) = (panel.padded_rows(), segment_of(panel.group));
    let segments = panel.columns.div_ceil(segment);
    let mut sums = [[s.splat(0.0); R]; T];
    for index in 0..segments {
        let start = index * segment;
        let end = (start + segment).min(panel.columns).next_multiple_of(4);
        let mut acc = [[s.splat_int(0); R]; T];
        accumulate::<S, R, T, WIDE>(s, weights, x.high, x.stride, block, token, start, end, &mut acc);
        if !x.low.is_empty() {
            let base = s.splat_int(255);
            for row in &mut acc {
                for value in row {
                    *value = s.mul_int(*value, base);
                }
            }
            accumulate::<S, R, T, WIDE>(s, weights, x.low, x.stride, block, token, start, end, &mut acc);
        }
        let group = if panel.group.is_some() { index } else { 0 };
        for r in 0..R {
            let at = group * padded + (block + r) * ROW_BLOCK;
            let (scale, zero) = weights.grid(s, at);
            for t in 0..T {
                let place = (token + t) * segments + index;
                let exact = s.sub_int(acc[t][r], s.mul_int(zero, s.splat_int(x.sums[place])));
                let scales = s.mul(scale, s.splat(x.scales[place]));
                sums[t][r] = s.add(sums[t][r], s.mul(s.to_float(exact), scales));
            }
        }
    }
    write::<S, R, T>(s, &sums, panel.rows, y, block, token);
}

/// Adds the integer products of columns `start..end` of one byte plane.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn accumulate<S: Lanes, const R: usize, const T: usize, const WIDE: bool>(
    s: S,
    weights: Unpacked<'_>,
    plane: &[i8],
    stride: usize,
    block: usize,
    token: usize,
    start: usize,
    end: usize,
    acc: &mut [[S::I; R]; T],
) {
    let row_bytes = weights.panel.padded_rows() * 4;
    let first = block * ROW_BLOCK * 4;
    assert!(end <= stride && (token + T) * stride <= plane.len());
    assert!(end / 4 * row_bytes <= weights.codes.len() && first + R * 64 <= row_bytes);
    let mut local = *acc;
    for step in start / 4..end / 4 {
        let w: [S::B; R] = std::array::from_fn(|r| {
            // SAFETY: step < end / 4 and block + r < padded rows / 16, so the 64 bytes lie in the codes checked above.
            s.load_bytes(unsafe { bytes_at(weights.codes, step * row_bytes + first + r * 64) })
        });
        for t in 0..T {
            // SAFETY: 4 * step + 4 <= end <= stride and token + t is a row of the plane checked above.
            let v = s.splat_bytes(unsafe { *plane.as_ptr().add((token + t) * stride + 4 * step).cast() });
            for r in 0..R {
                local[t][r] = if WIDE { s.dot_u8(local[t][r], w[r], v) } else { s.dot_u7(local[t][r], w[r], v) };
            }
        }
    }
    *acc = local;
}

/// Writes a tile, leaving out padded rows.
#[inline(always)]
fn write<S: Lanes, const R: usize, const T: usize>(
    s: S,
    sums: &[[S::F; R]; T],
    rows: usize,
    y: &mut ColumnsMut<'_>,
    block: usize,
    token: usize,
) {
    for (t, row) in sums.iter().enumerate() {
        let out = y.row(token + t);
        for (r, &value) in row.iter().enumerate() {
            let first = (block + r) * ROW_BLOCK;
            s.store_partial(value, &mut out[first..rows.min(first + ROW_BLOCK)]);
        }
    }
}

/// See the module: f32 activations. T tokens share each widened code.
#[inline(always)]
pub(crate) fn matmul_f32<S: Lanes, const T: usize>(
    s: S,
    panel: &Panel<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
    scratch: &mut [u8],
) {
    let weights = Unpacked::new(s, panel, scratch);
    for block in 0..panel.padded_rows() / ROW_BLOCK {
        let mut token = 0;
        while token + T <= y.rows() {
            tile_f32::<S, T>(s, weights, x, y, block, token);
            token += T;
        }
        while token < y.rows() {
            tile_f32::<S, 1>(s, weights, x, y, block, token);
            token += 1;
        }
    }
}

/// Sixteen rows times T tokens, f32 activations.
#[inline(always)]
fn tile_f32<S: Lanes, const T: usize>(
    s: S,
    weights: Unpacked<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
    block: usize,
    token: usize,
) {
    let panel = weights.panel;
    let (padded, segment, columns) = (panel.padded_rows(), segment_of(panel.group), panel.columns);
    let x = &x[token * columns..(token + T) * columns];
    let mut sums = [[s.splat(0.0); 1]; T];
    for (index, start) in (0..columns).step_by(segment).enumerate() {
        let end = (start + segment).min(columns);
        let group = if panel.group.is_some() { index } else { 0 };
        let at = group * padded + block * ROW_BLOCK;
        let (scale, zero) = weights.grid(s, at);
        let mut inner = [s.splat(0.0); T];
        for step in start / 4..end.div_ceil(4) {
            let from = (step * padded + block * ROW_BLOCK) * 4;
            let bytes = match weights.codes[from..from + 64].first_chunk() {
                Some(bytes) => s.load_bytes(bytes),
                None => unreachable!("64 bytes were sliced"),
            };
            let codes = [s.byte::<0>(bytes), s.byte::<1>(bytes), s.byte::<2>(bytes), s.byte::<3>(bytes)];
            for (j, &code) in codes.iter().enumerate().take(end - 4 * step) {
                let w = s.to_float(s.sub_int(code, zero));
                for (t, acc) in inner.iter_mut().enumerate() {
                    *acc = s.add(*acc, s.mul(w, s.splat(x[t * columns + 4 * step + j])));
                }
            }
        }
        for (sum, acc) in sums.iter_mut().zip(inner) {
            sum[0] = s.add(sum[0], s.mul(acc, scale));
        }
    }
    write::<S, 1, T>(s, &sums, panel.rows, y, block, token);
}
