//! Product of activations with packed weights whose scales and zeros are codes themselves (SpQR's dense part).
//!
//! # Formula
//! ```text
//! w[r, k] = s (c[r, k] - z)        s = scale_offset + scale_step * scale_code[g, r]
//!                                  z = zero_offset + zero_step * zero_code[g, r]        g the group of k
//! ```
//! Offsets and steps belong to a group of columns and a block of sixteen rows. The product is that of `grouped` with float zeros: the statistics of a block of columns are decoded
//! once, while its codes are unpacked, and all tokens pass by them.
//!
//! # Layout
//! Codes: see `grouped::panel`. Rows are padded to a multiple of 16, B blocks of sixteen. Little-endian:
//! ```text
//! planes   [groups][B][scale_bits + zero_bits]  u16   bit i of plane p: bit p of the code of row i of the block;
//!                                                     planes of scale codes, then of zero codes
//! seconds  [groups][B][4]                       f32   scale step, scale offset, zero step, zero offset
//! ```
//! A plane becomes a vector by one masked move.
//!
//! # Order
//! offset + (step * code), product and sum rounded. Then as in `grouped`.
//!
//! # Source
//! Dettmers et al. 2023 (SpQR), section 4.2 and appendix A: bilevel quantization.

use crate::columns::ColumnsMut;
use crate::grouped::panel::{CodeBits, PANEL_ROWS, Panel, ROW_BLOCK, Zeros};
use crate::grouped::{BLOCK_COLUMNS, Block, Unpacked, all_tokens, all_tokens_f32};
use crate::lanes::Lanes;
use crate::quantize::QuantizedRows;
use std::mem::MaybeUninit;

/// A panel of up to 64 output rows; see the module.
#[derive(Clone, Copy, Debug)]
pub struct BilevelPanel<'a> {
    /// Width of the codes.
    pub bits: CodeBits,
    /// Output rows, 1 to 64.
    pub rows: usize,
    /// Input columns.
    pub columns: usize,
    /// Columns of a group: 8, 16, 32, 64 or 128.
    pub group: usize,
    /// Packed codes, `bits.panel_bytes(rows, columns)` of them.
    pub codes: &'a [u8],
    /// Bits of the code of a scale and of a zero, 1 to 8 each.
    pub statistic_bits: [usize; 2],
    /// Codes of scales and zeros.
    pub planes: &'a [u8],
    /// What they stand for.
    pub seconds: &'a [[f32; 4]],
}

/// Columns of the smallest group.
const LEAST_GROUP: usize = 8;

/// Scales, or zeros, of a block of C columns, [groups of the block, R]: for groups of 8, an eighth of these places for each.
#[repr(align(64))]
struct Decoded<const C: usize>([[MaybeUninit<f32>; PANEL_ROWS / LEAST_GROUP]; C]);

impl<const C: usize> Decoded<C> {
    fn new() -> Self {
        Self([[MaybeUninit::uninit(); PANEL_ROWS / LEAST_GROUP]; C])
    }
}

impl BilevelPanel<'_> {
    /// Rows with padding, R.
    pub fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(ROW_BLOCK)
    }

    fn record(&self) -> usize {
        2 * (self.statistic_bits[0] + self.statistic_bits[1])
    }

    pub(crate) fn check(&self) {
        assert!(self.rows > 0 && self.rows <= PANEL_ROWS && self.columns > 0, "{} x {}", self.rows, self.columns);
        assert!([8, 16, 32, 64, 128].contains(&self.group), "group {}", self.group);
        assert!(self.statistic_bits.iter().all(|bits| (1..=8).contains(bits)), "{:?} bits", self.statistic_bits);
        assert_eq!(self.codes.len(), self.bits.panel_bytes(self.rows, self.columns), "bytes of codes");
        let blocks = self.columns.div_ceil(self.group) * self.padded_rows() / ROW_BLOCK;
        assert_eq!(self.planes.len(), blocks * self.record(), "planes");
        assert_eq!(self.seconds.len(), blocks, "second level");
    }

    /// The scale and the zero of one row and group, as the kernels decode them.
    ///
    /// # Panics
    /// If there is no such row or group.
    pub fn grid(&self, row: usize, group: usize) -> (f32, f32) {
        let block = group * self.padded_rows() / ROW_BLOCK + row / ROW_BLOCK;
        let planes = self.planes[block * self.record()..(block + 1) * self.record()].as_chunks().0;
        let (scale_planes, zero_planes) = planes.split_at(self.statistic_bits[0]);
        let value = |planes: &[[u8; 2]], step: f32, offset: f32| {
            let mut code = 0;
            for (p, &plane) in planes.iter().enumerate() {
                code |= (u16::from_le_bytes(plane) >> (row % ROW_BLOCK) & 1) << p;
            }
            offset + step * f32::from(code)
        };
        let [scale_step, scale_offset, zero_step, zero_offset] = self.seconds[block];
        (value(scale_planes, scale_step, scale_offset), value(zero_planes, zero_step, zero_offset))
    }

    /// The panel as `grouped` takes it, with grids elsewhere.
    fn as_panel(&self) -> Panel<'_> {
        let Self { bits, rows, columns, group, codes, .. } = *self;
        Panel { bits, rows, columns, group: Some(group), codes, scales: &[], zeros: Zeros::Floats(&[]) }
    }
}

/// Decodes the statistics of the groups of columns `first..end`: scales and zeros, [groups, R].
#[inline(always)]
fn decode<'a, S: Lanes, const C: usize>(
    s: S,
    panel: &BilevelPanel<'_>,
    first: usize,
    end: usize,
    scales: &'a mut Decoded<C>,
    zeros: &'a mut Decoded<C>,
) -> (&'a [f32], &'a [f32]) {
    let blocks = panel.padded_rows() / ROW_BLOCK;
    let (from, groups) = (first / panel.group * blocks, end.div_ceil(panel.group) - first / panel.group);
    let count = groups * blocks * ROW_BLOCK;
    let (scales, zeros) = (scales.0.as_flattened_mut(), zeros.0.as_flattened_mut());
    assert!(count <= scales.len(), "{count} grids in a block");
    let records = panel.planes[from * panel.record()..].chunks_exact(panel.record());
    let targets = scales[..count].as_chunks_mut::<ROW_BLOCK>().0.iter_mut();
    let targets = targets.zip(zeros[..count].as_chunks_mut::<ROW_BLOCK>().0);
    for (((scales, zeros), record), second) in targets.zip(records).zip(&panel.seconds[from..from + groups * blocks]) {
        let (scale_planes, zero_planes) = record.as_chunks().0.split_at(panel.statistic_bits[0]);
        decode_sixteen(s, scale_planes, second[0], second[1], scales);
        decode_sixteen(s, zero_planes, second[2], second[3], zeros);
    }
    assert!(panel.planes.len() >= (from + groups * blocks) * panel.record());
    // SAFETY: all `count` values were written; MaybeUninit<f32> has the layout of f32.
    unsafe {
        (
            std::slice::from_raw_parts(scales.as_ptr().cast(), count),
            std::slice::from_raw_parts(zeros.as_ptr().cast(), count),
        )
    }
}

/// offset + step * code of sixteen rows.
#[inline(always)]
fn decode_sixteen<S: Lanes>(s: S, planes: &[[u8; 2]], step: f32, offset: f32, to: &mut [MaybeUninit<f32>; ROW_BLOCK]) {
    let mut code = s.splat_int(0);
    for (p, &plane) in planes.iter().enumerate() {
        code = s.add_int(code, s.spread(u16::from_le_bytes(plane), 1 << p));
    }
    let value = s.accumulate(s.splat(offset), s.splat(step), s.to_float(code));
    // SAFETY: sixteen places, all written; `MaybeUninit<f32>` takes any bits.
    s.store(value, unsafe { &mut *std::ptr::from_mut(to).cast() });
}

/// See the module. R row blocks x T tokens is the register tile of the instruction set, C the columns of a block.
#[inline(always)]
pub(crate) fn matmul<S: Lanes, const R: usize, const T: usize, const WIDE_T: usize, const C: usize>(
    s: S,
    panel: &BilevelPanel<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
) {
    let (mut unpacked, mut scales, mut zeros) = (Unpacked::<C>::new(), Decoded::<C>::new(), Decoded::<C>::new());
    let codes = panel.as_panel();
    for first in (0..panel.columns).step_by(C) {
        let end = (first + C).min(panel.columns);
        let (scales, zeros) = decode(s, panel, first, end, &mut scales, &mut zeros);
        let zeros = Zeros::Floats(zeros);
        let block = Block { panel: &codes, first, end, codes: unpacked.codes(s, &codes, first, end), scales, zeros };
        match panel.bits {
            CodeBits::Eight => all_tokens::<S, R, WIDE_T, true, true>(s, block, x, y),
            _ => all_tokens::<S, R, T, false, true>(s, block, x, y),
        }
    }
}

/// See the module: f32 activations. T tokens share each widened code.
#[inline(always)]
pub(crate) fn matmul_f32<S: Lanes, const T: usize>(s: S, panel: &BilevelPanel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
    (0..y.rows()).for_each(|token| y.row(token).fill(0.0));
    let mut unpacked = Unpacked::<BLOCK_COLUMNS>::new();
    let (mut scales, mut zeros) = (Decoded::<BLOCK_COLUMNS>::new(), Decoded::<BLOCK_COLUMNS>::new());
    let codes = panel.as_panel();
    for first in (0..panel.columns).step_by(BLOCK_COLUMNS) {
        let end = (first + BLOCK_COLUMNS).min(panel.columns);
        let (scales, zeros) = decode(s, panel, first, end, &mut scales, &mut zeros);
        let zeros = Zeros::Floats(zeros);
        let block = Block { panel: &codes, first, end, codes: unpacked.codes(s, &codes, first, end), scales, zeros };
        all_tokens_f32::<S, T>(s, block, x, y);
    }
}
