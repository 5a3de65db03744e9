//! The mixed-precision decomposition of LLM.int8(): a few features of a token leave its 8-bit codes and enter as f32.
//!
//! # Formula
//! With x one token, O its outlier features, w the weights:
//! ```text
//! split        kept[k] = x[k] where |x[k]| < threshold, else 0        largest = max |kept|
//! product      y[r] = (product of codes, `grouped`)  +  s[r] * sum over k in O of x[k] * w[r, k]
//! ```
//! The weights of outlier features are codes of 8 bits with one scale a row, w = c - z and s the scale (bitsandbytes), or
//! weights as a checkpoint has them, s = 1 (the paper's formula). What is in O is the business of the caller, who
//! quantizes `kept` with one scale for the row (`quantize`).
//!
//! # Shapes
//! x, kept: f32 [columns]. y: f32 [rows], 1 to 64 of them. Features ascend. A column of codes lies in memory sixteen rows
//! at a time, one byte in four of 64 (`grouped::panel`); a column of stored weights one element a row.
//!
//! # Order
//! Lanes are output rows. Per output: a sum from +0 on, ascending features, product and sum rounded apart; then times
//! the scale, rounded, and added to y. The largest of numbers is the same in any order.
//!
//! # Range
//! A NaN is no less than the threshold: the caller finds it among the outliers, and it makes y NaN, as an infinity does.
//!
//! # Source
//! Dettmers et al. 2022, LLM.int8(), equation 8; bitsandbytes 0.50, `MatMul8bitLt`.
//!
//! # Checked
//! `tests/agree.rs`.

use crate::dense::{DenseRows, DenseType};
use crate::grouped::panel::{CodeBits, PANEL_ROWS, Panel, ROW_BLOCK, Zeros};
use crate::lanes::{LANES, Lanes};

/// A feature of a token that enters as f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierFeature {
    /// Which.
    pub feature: u32,
    /// Its activation.
    pub value: f32,
}

/// The weights of which outlier features take columns.
#[derive(Clone, Copy, Debug)]
pub enum OutlierWeights<'a> {
    /// A panel of 8-bit codes with one scale a row.
    Codes(Panel<'a>),
    /// Up to 64 rows as they are stored.
    Stored(DenseRows<'a>),
}

impl OutlierWeights<'_> {
    pub(crate) fn check(&self, features: &[OutlierFeature], y: &[f32]) {
        let (rows, columns) = match self {
            OutlierWeights::Codes(panel) => {
                panel.check();
                assert!(panel.bits == CodeBits::Eight && panel.group.is_none(), "codes of 8 bits, one scale a row");
                assert!(!matches!(panel.zeros, Zeros::Floats(_)), "zero points that are codes");
                (panel.rows, panel.columns)
            }
            OutlierWeights::Stored(weights) => {
                assert_eq!(weights.bytes.len(), weights.rows() * weights.columns * weights.dtype.size_bytes());
                (weights.rows(), weights.columns)
            }
        };
        assert!(y.len() == rows && rows <= PANEL_ROWS, "{} outputs of {rows} rows", y.len());
        assert!(features.iter().all(|it| (it.feature as usize) < columns), "features of {columns}");
    }
}

/// Writes `kept` and returns the largest of its magnitudes; see the module.
#[inline(always)]
pub(crate) fn split<S: Lanes>(s: S, x: &[f32], threshold: f32, kept: &mut [f32]) -> f32 {
    let (threshold, zero) = (s.splat(threshold), s.splat(0.0));
    let mut largest = zero;
    let (chunks, tail) = x.as_chunks::<LANES>();
    let (kept_chunks, kept_tail) = kept.as_chunks_mut::<LANES>();
    for (chunk, kept) in chunks.iter().zip(kept_chunks) {
        let x = s.load(chunk);
        let inside = s.select_gt(threshold, s.abs(x), x, zero);
        largest = s.max(s.abs(inside), largest);
        s.store(inside, kept);
    }
    let x = s.load_partial(tail);
    let inside = s.select_gt(threshold, s.abs(x), x, zero);
    largest = s.max(s.abs(inside), largest);
    s.store_partial(inside, kept_tail);
    s.greatest(largest)
}

/// Adds the part of one token that its outlier features make; see the module.
#[inline(always)]
pub(crate) fn add<S: Lanes>(s: S, weights: &OutlierWeights<'_>, features: &[OutlierFeature], y: &mut [f32]) {
    match weights {
        OutlierWeights::Codes(panel) => {
            let (blocks, last) = y.as_chunks_mut::<{ 2 * ROW_BLOCK }>();
            let paired = blocks.len() * 2 * ROW_BLOCK;
            for (index, y) in blocks.iter_mut().enumerate() {
                add_codes::<S, 2>(s, panel, features, index * 2 * ROW_BLOCK, y);
            }
            for (index, y) in last.chunks_mut(ROW_BLOCK).enumerate() {
                add_codes::<S, 1>(s, panel, features, paired + index * ROW_BLOCK, y);
            }
        }
        OutlierWeights::Stored(weights) => {
            for (index, y) in y.chunks_mut(ROW_BLOCK).enumerate() {
                match weights.dtype {
                    DenseType::F32 => add_stored::<S, 4>(s, weights, features, index * ROW_BLOCK, y),
                    DenseType::F16 | DenseType::Bf16 => add_stored::<S, 2>(s, weights, features, index * ROW_BLOCK, y),
                }
            }
        }
    }
}

/// R row blocks of codes from `row` on; of the last one, as many rows as `y` has.
#[inline(always)]
fn add_codes<S: Lanes, const R: usize>(
    s: S,
    panel: &Panel<'_>,
    features: &[OutlierFeature],
    row: usize,
    y: &mut [f32],
) {
    let row_bytes = 4 * panel.padded_rows();
    let mut zeros = [s.splat_int(0); R];
    for r in 0..R {
        zeros[r] = match panel.zeros {
            Zeros::Constant(zero) => s.splat_int(i32::from(zero)),
            Zeros::PerGroup(zeros) => match zeros[row + r * ROW_BLOCK..].first_chunk() {
                Some(sixteen) => s.widen_u8(sixteen),
                None => unreachable!("a panel has zero points of whole row blocks"),
            },
            Zeros::Floats(_) => unreachable!("checked: zero points of these codes are codes"),
        };
    }
    let mut sums = [s.splat(0.0); R];
    for outlier in features {
        let (step, byte) = (outlier.feature as usize / 4, outlier.feature % 4);
        let value = s.splat(outlier.value);
        for r in 0..R {
            let codes = match panel.codes[step * row_bytes + 4 * (row + r * ROW_BLOCK)..].first_chunk() {
                Some(codes) => s.load_bytes(codes),
                None => unreachable!("a panel has codes of whole row blocks"),
            };
            let code = match byte {
                0 => s.byte::<0>(codes),
                1 => s.byte::<1>(codes),
                2 => s.byte::<2>(codes),
                _ => s.byte::<3>(codes),
            };
            sums[r] = s.accumulate(sums[r], value, s.to_float(s.sub_int(code, zeros[r])));
        }
    }
    for (r, y) in y.chunks_mut(ROW_BLOCK).enumerate() {
        let scales = s.load_partial(&panel.scales[row + r * ROW_BLOCK..][..ROW_BLOCK]);
        s.store_partial(s.accumulate(s.load_partial(y), sums[r], scales), y);
    }
}

/// Up to sixteen rows of stored weights, elements of SIZE bytes, from `row` on.
#[inline(always)]
fn add_stored<S: Lanes, const SIZE: usize>(
    s: S,
    weights: &DenseRows<'_>,
    features: &[OutlierFeature],
    row: usize,
    y: &mut [f32],
) {
    let row_bytes = weights.columns * SIZE;
    let mut column = [[0u8; SIZE]; LANES];
    let mut sum = s.splat(0.0);
    for outlier in features {
        let first = row * row_bytes + outlier.feature as usize * SIZE;
        for (r, element) in column.iter_mut().enumerate().take(y.len()) {
            element.copy_from_slice(&weights.bytes[first + r * row_bytes..][..SIZE]);
        }
        let bytes = column.as_flattened();
        let w = match (weights.dtype, bytes.first_chunk(), bytes.first_chunk()) {
            (DenseType::F32, Some(all), _) => s.load_f32(all),
            (DenseType::F16, _, Some(all)) => s.load_f16(all),
            (DenseType::Bf16, _, Some(all)) => s.load_bf16(all),
            _ => unreachable!("sixteen elements of the type's size"),
        };
        sum = s.accumulate(sum, s.splat(outlier.value), w);
    }
    s.store_partial(s.add(s.load_partial(y), sum), y);
}
