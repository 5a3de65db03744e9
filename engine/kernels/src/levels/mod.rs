//! Product of f32 activations with packed 4-bit codes that index a table of sixteen levels.
//!
//! # Formula
//! ```text
//! y[t, r] = sum over groups g of  ( sum over k in g of level[c[r, k]] * x[t, k] ) * scale[g, r]
//! ```
//! Levels need not be evenly spaced, so that no integer product gives the sum: it is taken in f32.
//! A scale is an f32, or a code itself:
//! ```text
//! scale[g, r] = table[code[g, r]] * second[n / 256] + offset        n = (first row + r) * groups + g
//! ```
//! with one second-level scale for 256 groups, counted row after row through the whole matrix.
//!
//! # Shapes
//! Codes: see `grouped::panel`. Scales or their codes: [groups, R], R the rows padded to a multiple of 16. x: f32 [tokens,
//! columns]. y: f32 [tokens, rows], a block of columns of a wider matrix.
//!
//! # Tile
//! 128 columns at a time: their codes become levels, 32 KB of f32 that stay in the nearest cache, and all tokens pass by
//! them, R blocks of sixteen rows times T tokens in registers. One token pays for the detour with a store and a load for
//! sixteen weights, and still waits for memory.
//!
//! # Order
//! Lanes are output rows. Per output: groups ascending (128 columns where a row has one scale), in a group columns
//! ascending, product and sum rounded apart; then acc = acc + sum * scale. A scale that is a code is a product, rounded,
//! and a sum, rounded.
//!
//! # Source
//! Dettmers et al. 2023 (QLoRA), section 3: 4-bit NormalFloat and double quantization.

use crate::columns::ColumnsMut;
use crate::dense::bytes_at;
use crate::grouped::panel::{CodeBits, PANEL_ROWS, ROW_BLOCK, segment_of};
use crate::lanes::{LANES, Lanes};
use std::mem::MaybeUninit;

/// Groups that share a second-level scale.
pub const SECOND_GROUP: usize = 256;

/// A panel of up to 64 output rows; see the module.
#[derive(Clone, Copy, Debug)]
pub struct LevelPanel<'a> {
    /// Output rows, 1 to 64.
    pub rows: usize,
    /// Input columns.
    pub columns: usize,
    /// Columns of one scale: 16, 32, 64 or 128, or `None` for one scale a row.
    pub group: Option<usize>,
    /// What the codes stand for.
    pub levels: &'a [f32; 16],
    /// Packed codes of 4 bits.
    pub codes: &'a [u8],
    /// Scales.
    pub scales: LevelScales<'a>,
}

/// Scales of a panel.
#[derive(Clone, Copy, Debug)]
pub enum LevelScales<'a> {
    /// [groups, R].
    Floats(&'a [f32]),
    /// Codes; see the module.
    Codes {
        /// [groups, R].
        codes: &'a [u8],
        /// What a code stands for.
        table: &'a [f32; 256],
        /// One for 256 groups of the matrix.
        seconds: &'a [f32],
        /// Added to every scale.
        offset: f32,
        /// Row of the matrix that the panel begins with.
        first_row: usize,
    },
}

/// Columns that are widened at a time: a multiple of every group.
const BLOCK_COLUMNS: usize = 128;
/// Columns of a step of packing.
const STEP: usize = 8;
/// Bytes that packed codes are asked for ahead of their use.
const AHEAD: usize = 4096;

/// Levels of a block, [columns][R].
#[repr(align(64))]
struct Widened([[MaybeUninit<f32>; PANEL_ROWS]; BLOCK_COLUMNS]);

/// Scales of a block, [groups][R]: at most eight groups of 16 columns.
#[repr(align(64))]
struct BlockScales([f32; BLOCK_COLUMNS / 16 * PANEL_ROWS]);

impl LevelPanel<'_> {
    /// Rows with padding, R.
    pub fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(ROW_BLOCK)
    }

    fn groups(&self) -> usize {
        self.group.map_or(1, |group| self.columns.div_ceil(group))
    }

    pub(crate) fn check(&self) {
        assert!(self.rows > 0 && self.rows <= PANEL_ROWS && self.columns > 0, "{} x {}", self.rows, self.columns);
        assert!(self.group.is_none_or(|group| [16, 32, 64, 128].contains(&group)), "group {:?}", self.group);
        assert_eq!(self.codes.len(), CodeBits::Four.panel_bytes(self.rows, self.columns), "bytes of codes");
        let grids = self.groups() * self.padded_rows();
        match self.scales {
            LevelScales::Floats(scales) => assert_eq!(scales.len(), grids, "scales"),
            LevelScales::Codes { codes, seconds, first_row, .. } => {
                let last = (first_row + self.rows) * self.groups() - 1;
                assert!(codes.len() == grids && seconds.len() > last / SECOND_GROUP, "codes of scales");
            }
        }
    }

    /// The scale of one row and group, as the kernels decode it.
    ///
    /// # Panics
    /// If there is no such row or group.
    pub fn scale(&self, row: usize, group: usize) -> f32 {
        let at = group * self.padded_rows() + row;
        match self.scales {
            LevelScales::Floats(scales) => scales[at],
            LevelScales::Codes { codes, table, seconds, offset, first_row } => {
                let second = seconds[((first_row + row) * self.groups() + group) / SECOND_GROUP];
                table[usize::from(codes[at])] * second + offset
            }
        }
    }
}

/// Puts the levels of columns `first..end` into `to`, [columns][R].
#[inline(always)]
fn widen<S: Lanes>(s: S, panel: &LevelPanel<'_>, first: usize, end: usize, to: &mut Widened) {
    let padded = panel.padded_rows();
    let row_bytes = 4 * padded;
    let steps = (end - first).div_ceil(STEP);
    let packed = &panel.codes[first / STEP * row_bytes..(first / STEP + steps) * row_bytes];
    assert!(padded <= PANEL_ROWS && steps * STEP <= BLOCK_COLUMNS);
    let to = to.0.as_mut_ptr().cast::<f32>();
    let table = s.load(panel.levels);
    for step in 0..steps {
        for row in (0..padded).step_by(ROW_BLOCK) {
            let place = step * row_bytes + 4 * row;
            s.prefetch(packed.as_ptr().wrapping_add(place + AHEAD));
            // SAFETY: sixteen rows of one of the steps that were sliced.
            let pairs = s.load_bytes(unsafe { bytes_at(packed, place) });
            let halves = [s.field::<0>(pairs, 15), s.field::<4>(pairs, 15)];
            for half in 0..2 {
                let x = halves[half];
                let codes = [s.byte::<0>(x), s.byte::<1>(x), s.byte::<2>(x), s.byte::<3>(x)];
                for j in 0..4 {
                    let column = step * STEP + 4 * half + j;
                    // SAFETY: column < BLOCK_COLUMNS and row + 16 <= padded <= PANEL_ROWS, as checked.
                    let target = unsafe { &mut *to.add(column * padded + row).cast() };
                    s.store(s.lookup(table, codes[j]), target);
                }
            }
        }
    }
}

/// The scales of the groups of columns `first..end`, [groups][R].
#[inline(always)]
fn decode<S: Lanes>(s: S, panel: &LevelPanel<'_>, first: usize, end: usize, to: &mut BlockScales) {
    let (padded, groups) = (panel.padded_rows(), panel.groups());
    let range = panel.group.map_or(0..1, |group| first / group..end.div_ceil(group));
    for (group, to) in range.zip(to.0.chunks_mut(padded)) {
        let grid = group * padded..(group + 1) * padded;
        match panel.scales {
            LevelScales::Floats(scales) => to.copy_from_slice(&scales[grid]),
            LevelScales::Codes { codes, table, seconds, offset, first_row } => {
                for (block, (to, codes)) in to.chunks_mut(LANES).zip(codes[grid].chunks(LANES)).enumerate() {
                    let (mut values, mut scales) = ([0.0; LANES], [0.0; LANES]);
                    for lane in 0..LANES {
                        // Rows of padding have the scale of the last row.
                        let row = (block * LANES + lane).min(panel.rows - 1);
                        values[lane] = table[usize::from(codes[lane])];
                        scales[lane] = seconds[((first_row + row) * groups + group) / SECOND_GROUP];
                    }
                    let scale = s.accumulate(s.splat(offset), s.load(&values), s.load(&scales));
                    s.store_partial(scale, to);
                }
            }
        }
    }
}

/// What a tile reads and writes, for the groups of a block, as places in memory.
#[derive(Clone, Copy)]
struct Tile {
    /// Columns of the block, and of a group.
    columns: usize,
    segment: usize,
    /// Levels of the first row block, `padded` from one column to the next.
    levels: *const f32,
    padded: usize,
    /// Scales of the first row block, so many from one group to the next.
    scales: *const f32,
    scale_stride: usize,
    /// Activations of the first token, `x_stride` from one token to the next.
    x: *const f32,
    x_stride: usize,
    /// Output of the first row for the first token, `y_stride` from one token to the next.
    y: *mut f32,
    y_stride: usize,
    /// Whether sums begin with this block.
    is_first: bool,
}

/// See the module. R row blocks x T tokens is the register tile of the instruction set.
#[inline(always)]
pub(crate) fn matmul<S: Lanes, const R: usize, const T: usize>(
    s: S,
    panel: &LevelPanel<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    let (padded, columns, tokens) = (panel.padded_rows(), panel.columns, y.rows());
    assert!(x.len() == tokens * columns && y.width() == panel.rows);
    let mut widened = Widened([[MaybeUninit::uninit(); PANEL_ROWS]; BLOCK_COLUMNS]);
    let mut scales = BlockScales([0.0; BLOCK_COLUMNS / 16 * PANEL_ROWS]);
    let (y_start, y_stride) = y.start_and_stride();
    for first in (0..columns).step_by(BLOCK_COLUMNS) {
        let end = (first + BLOCK_COLUMNS).min(columns);
        widen(s, panel, first, end, &mut widened);
        decode(s, panel, first, end, &mut scales);
        let tile_at = |row: usize, token: usize| {
            // SAFETY: a row block of the panel and a token of y, inside the slices: row < padded, token < tokens.
            unsafe {
                Tile {
                    columns: end - first,
                    segment: segment_of(panel.group),
                    levels: widened.0.as_ptr().cast::<f32>().add(row),
                    padded,
                    scales: scales.0.as_ptr().add(row),
                    scale_stride: padded,
                    x: x.as_ptr().add(token * columns + first),
                    x_stride: columns,
                    y: y_start.add(token * y_stride + row),
                    y_stride,
                    is_first: first == 0,
                }
            }
        };
        let mut token = 0;
        /// Tiles of `$t` tokens, as many as there are left.
        macro_rules! tiles {
            ($t:expr) => {
                while tokens - token >= $t {
                    let mut row = 0;
                    // SAFETY: R row blocks or one, of which the last may have fewer rows, and `$t` tokens exist.
                    unsafe {
                        while row + R * ROW_BLOCK <= panel.rows {
                            tile::<S, R, { $t }>(s, tile_at(row, token), ROW_BLOCK);
                            row += R * ROW_BLOCK;
                        }
                        while row < panel.rows {
                            tile::<S, 1, { $t }>(s, tile_at(row, token), ROW_BLOCK.min(panel.rows - row));
                            row += ROW_BLOCK;
                        }
                    }
                    token += $t;
                }
            };
        }
        tiles!(T);
        if T > 2 {
            tiles!(2);
        }
        tiles!(1);
    }
}

/// Adds the groups of a block to R blocks of sixteen rows times T tokens of y; of the last row block, `rows` rows.
///
/// # Safety
/// All places of `at` must be those of R row blocks and T tokens.
#[inline(always)]
unsafe fn tile<S: Lanes, const R: usize, const T: usize>(s: S, at: Tile, rows: usize) {
    // SAFETY: as promised; of a row block that is not whole only `rows` outputs exist, and only these are touched.
    unsafe {
        let mut levels = at.levels;
        for (group, start) in (0..at.columns).step_by(at.segment).enumerate() {
            let end = (start + at.segment).min(at.columns);
            let mut acc = [[s.splat(0.0); R]; T];
            for k in start..end {
                let mut w = [s.splat(0.0); R];
                for r in 0..R {
                    w[r] = s.load(&*levels.add(r * ROW_BLOCK).cast());
                }
                for t in 0..T {
                    let v = s.splat(*at.x.add(t * at.x_stride + k));
                    for r in 0..R {
                        acc[t][r] = s.accumulate(acc[t][r], w[r], v);
                    }
                }
                levels = levels.add(at.padded);
            }
            for r in 0..R {
                let scale = s.load(&*at.scales.add(group * at.scale_stride + r * ROW_BLOCK).cast());
                for t in 0..T {
                    let y = at.y.add(t * at.y_stride + r * ROW_BLOCK);
                    let begins = at.is_first && group == 0;
                    if rows == ROW_BLOCK {
                        let before = if begins { s.splat(0.0) } else { s.load(&*y.cast()) };
                        s.store(s.accumulate(before, acc[t][r], scale), &mut *y.cast());
                    } else {
                        let y = std::slice::from_raw_parts_mut(y, rows);
                        let before = if begins { s.splat(0.0) } else { s.load_partial(y) };
                        s.store_partial(s.accumulate(before, acc[t][r], scale), y);
                    }
                }
            }
        }
    }
}
