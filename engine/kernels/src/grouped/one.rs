//! The product for one token: codes go from memory through registers into sums, once.
//!
//! One token waits for memory, so every packed byte is read once, in one stream, and nothing is written on the way:
//! where many tokens share codes they are unpacked to bytes first (`matmul`), here they are unpacked in registers, and the
//! high and low bytes of 16-bit activations multiply them side by side. Sums and their order are those of `matmul`.

use super::panel::{CodeBits, PANEL_ROWS, Panel, ROW_BLOCK, Zeros, segment_of};
use super::{AHEAD, low_bits, third_bits};
use crate::columns::ColumnsMut;
use crate::lanes::{LANES, Lanes};
use crate::quantize::QuantizedRows;

/// What row blocks read and write, as places in memory.
#[derive(Clone, Copy)]
struct Rows {
    /// Segments, and packing steps of a segment; the last one has `last_steps`.
    segments: usize,
    steps: usize,
    last_steps: usize,
    /// Packed codes of the first row, `row_bytes` from one plane to the next.
    codes: *const u8,
    row_bytes: usize,
    /// Scales and zero points, of one kind or the other, of the first row, so many elements from one segment to the next.
    scales: *const f32,
    scale_stride: usize,
    zeros: *const u8,
    float_zeros: *const f32,
    zero_stride: usize,
    /// Activation bytes; no low bytes: null.
    high: *const i8,
    low: *const i8,
    token_scales: *const f32,
    offsets: *const [i16; 2],
}

/// Whether `matvec` can take a panel: a segment must be whole packing steps, zeros codes, and products plain 32-bit sums.
pub(super) fn takes<S: Lanes>(panel: &Panel<'_>, x: &QuantizedRows<'_>) -> bool {
    let wide_enough = x.stride >= panel.bits.padded_columns(panel.columns);
    let zeros_are_codes = !matches!(panel.zeros, Zeros::Floats(_));
    zeros_are_codes
        && !S::NARROW
        && S::CENTRE == 0
        && segment_of(panel.group).is_multiple_of(panel.bits.step())
        && wide_enough
}

/// See the module: y [1, rows]. R row blocks are the register tile.
///
/// # Panics
/// If lengths disagree, or the panel is not one that it `takes`.
#[inline(always)]
pub(super) fn matvec<S: Lanes, const R: usize>(s: S, panel: &Panel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
    let (padded, segment, columns) = (panel.padded_rows(), segment_of(panel.group), panel.columns);
    let (segments, step) = (columns.div_ceil(segment), panel.bits.step());
    let constant = match panel.zeros {
        Zeros::Constant(zero) => [zero; PANEL_ROWS],
        _ => [0; PANEL_ROWS],
    };
    let scale_stride = if panel.group.is_some() { padded } else { 0 };
    let (zeros, float_zeros, zero_stride): (&[u8], &[f32], usize) = match panel.zeros {
        Zeros::Constant(_) => (&constant, &[], 0),
        Zeros::PerGroup(zeros) => (zeros, &[], scale_stride),
        Zeros::Floats(zeros) => (&[], zeros, scale_stride),
    };
    let floats = matches!(panel.zeros, Zeros::Floats(_));
    // All that row blocks read lies inside these.
    assert!(takes::<S>(panel, x) && panel.codes.len() == panel.bits.panel_bytes(panel.rows, columns));
    assert!(panel.scales.len() >= (segments - 1) * scale_stride + padded);
    assert!(if floats { float_zeros.len() } else { zeros.len() } >= (segments - 1) * zero_stride + padded);
    assert!(x.high.len() >= x.stride && (x.low.is_empty() || x.low.len() >= x.stride));
    assert!(x.scales.len() >= segments && x.offsets.len() >= segments);
    let y = y.row(0);
    assert!(y.len() == panel.rows);
    let rows_at = |row: usize| {
        // SAFETY: row is below padded, inside the slices, as checked above.
        unsafe {
            Rows {
                segments,
                steps: segment / step,
                last_steps: (columns - (segments - 1) * segment).div_ceil(step),
                codes: panel.codes.as_ptr().add(4 * row),
                row_bytes: 4 * padded,
                scales: panel.scales.as_ptr().add(row),
                scale_stride,
                zeros: if floats { std::ptr::null() } else { zeros.as_ptr().add(row) },
                float_zeros: if floats { float_zeros.as_ptr().add(row) } else { std::ptr::null() },
                zero_stride,
                high: x.high.as_ptr(),
                low: if x.low.is_empty() { std::ptr::null() } else { x.low.as_ptr() },
                token_scales: x.scales.as_ptr(),
                offsets: x.offsets.as_ptr(),
            }
        }
    };
    let mut row = 0;
    while row < padded {
        let left = (padded - row) / ROW_BLOCK;
        // SAFETY: R row blocks or one begin at `row`, below padded; all places lie inside slices as long as checked above.
        unsafe {
            if left >= R {
                let end = (row + R * ROW_BLOCK).min(panel.rows);
                of_planes::<S, R>(s, panel.bits, rows_at(row), &mut y[row..end]);
                row += R * ROW_BLOCK;
            } else {
                let end = (row + ROW_BLOCK).min(panel.rows);
                of_planes::<S, 1>(s, panel.bits, rows_at(row), &mut y[row..end]);
                row += ROW_BLOCK;
            }
        }
    }
}

#[inline(always)]
unsafe fn of_planes<S: Lanes, const R: usize>(s: S, bits: CodeBits, at: Rows, y: &mut [f32]) {
    // SAFETY: passed on.
    unsafe {
        match (at.low.is_null(), at.zeros.is_null()) {
            (true, false) => rows::<S, R, 1, false>(s, bits, at, y),
            (false, false) => rows::<S, R, 2, false>(s, bits, at, y),
            (true, true) => rows::<S, R, 1, true>(s, bits, at, y),
            (false, true) => rows::<S, R, 2, true>(s, bits, at, y),
        }
    }
}

/// The outputs of R row blocks; A is the number of activation bytes, 1 or 2; FLOATS: zeros are.
///
/// # Safety
/// All places of `at` must be those of R row blocks, of slices as long as `matvec` checks.
#[inline(always)]
unsafe fn rows<S: Lanes, const R: usize, const A: usize, const FLOATS: bool>(
    s: S,
    bits: CodeBits,
    at: Rows,
    y: &mut [f32],
) {
    // SAFETY: as promised; a step reads its planes of R row blocks and the activation bytes of its columns.
    unsafe {
        let (mut codes, mut high, mut low) = (at.codes, at.high, at.low);
        let mut sums = [s.splat(0.0); R];
        for segment in 0..at.segments {
            let steps = if segment + 1 == at.segments { at.last_steps } else { at.steps };
            let mut acc = [[s.splat_int(0); R]; A];
            /// All steps of the segment, of `$planes` planes each, which `$words` turns into `$count` words of codes.
            macro_rules! steps {
                ($planes:literal, $count:literal, $dot:ident, |$plane:ident| $words:expr) => {
                    for _ in 0..steps {
                        let mut x = [[s.splat_bytes([0; 4]); $count]; A];
                        for word in 0..$count {
                            x[0][word] = s.splat_bytes(*high.add(4 * word).cast());
                            if A == 2 {
                                x[1][word] = s.splat_bytes(*low.add(4 * word).cast());
                            }
                        }
                        for r in 0..R {
                            let mut $plane = [s.splat_bytes([0; 4]); $planes];
                            for plane in 0..$planes {
                                let place = codes.add(plane * at.row_bytes + 64 * r);
                                s.prefetch(place.wrapping_add(AHEAD));
                                $plane[plane] = s.load_bytes(&*place.cast());
                            }
                            let words = $words;
                            for word in 0..$count {
                                for a in 0..A {
                                    acc[a][r] = s.$dot(acc[a][r], words[word], x[a][word]);
                                }
                            }
                        }
                        codes = codes.add($planes * at.row_bytes);
                        high = high.add(4 * $count);
                        low = low.wrapping_add(4 * $count);
                    }
                };
            }
            match bits {
                CodeBits::Eight => steps!(1, 1, dot_u8, |x| x),
                CodeBits::Four => steps!(1, 2, dot_u8, |x| [s.field::<0>(x[0], 15), s.field::<4>(x[0], 15)]),
                CodeBits::Two => steps!(1, 4, dot_u8, |x| low_bits(s, x[0])),
                CodeBits::Three => steps!(3, 8, dot_u8, |x| third_bits(s, x)),
            }
            let (offset, token_scale) = (*at.offsets.add(segment), s.splat(*at.token_scales.add(segment)));
            let [high_sum, low_sum] = offset.map(i32::from);
            // At most 128 * 32512 in magnitude: exact.
            let minus_sum = s.splat(if A == 1 { high_sum } else { 255 * high_sum + low_sum } as f32);
            for r in 0..R {
                let zero_at = segment * at.zero_stride + r * ROW_BLOCK;
                let mut sum = s.splat_int(0);
                for a in 0..A {
                    if a == 1 {
                        sum = s.mul_int(sum, s.splat_int(255));
                    }
                    sum = s.add_int(sum, acc[a][r]);
                    if !FLOATS {
                        sum = s.mul_add_i16(sum, s.widen_u8(&*at.zeros.add(zero_at).cast()), offset[a]);
                    }
                }
                let mut sum = s.to_float(sum);
                if FLOATS {
                    sum = s.accumulate(sum, s.load(&*at.float_zeros.add(zero_at).cast()), minus_sum);
                }
                let scale = s.load(&*at.scales.add(segment * at.scale_stride + r * ROW_BLOCK).cast());
                sums[r] = s.accumulate(sums[r], sum, s.mul(scale, token_scale));
            }
        }
        for (r, y) in y.chunks_mut(LANES).enumerate() {
            s.store_partial(sums[r], y);
        }
    }
}
