//! Product of f32 activations with a row-major f32, bfloat16 or half weight matrix, read where it lies.
//!
//! # Formula
//! y[t, r] = sum over k of w[r, k] * x[t, k].
//!
//! # Shapes
//! ```text
//! weights: bytes, little-endian, row r at r * columns * size      r ->  | k k k k ... |   straight from the map
//! x: f32 [tokens, columns]       y: f32 [tokens, rows], a block of columns of a wider matrix
//! ```
//! The weights are widened, which is exact, sixteen elements at a time in registers; where more than a tile of tokens
//! shares them (four tiles, of f32), 64 rows by 1024 columns at a time into a buffer that stays in the second-level
//! cache. There is never a copy of the matrix.
//!
//! # Order
//! Every output is one `LaneTree16` over k, for one token as for many. A tile of R rows x T tokens keeps R * T
//! accumulators in registers and loads each operand once. Columns are taken in blocks, so that what a tile of tokens
//! needs stays in the nearest cache while rows pass by; accumulators wait in memory meanwhile, which changes no bit.
//!
//! # Checked
//! `tests/agree.rs`: every instruction set, ragged shapes, equal bits.

use crate::columns::ColumnsMut;
use crate::lanes::{LANES, Lanes};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Storage of dense weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseType {
    /// IEEE binary32.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE binary16.
    F16,
}

impl DenseType {
    /// Bytes of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            DenseType::F32 => 4,
            DenseType::Bf16 | DenseType::F16 => 2,
        }
    }
}

/// Rows of a dense weight matrix, [rows, columns], little-endian, at any alignment.
#[derive(Clone, Copy, Debug)]
pub struct DenseRows<'a> {
    /// rows * columns * size bytes.
    pub bytes: &'a [u8],
    /// Element type.
    pub dtype: DenseType,
    /// Elements of a row.
    pub columns: usize,
}

impl<'a> DenseRows<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.bytes.len() / (self.columns * self.dtype.size_bytes())
    }

    /// Rows `first..first + count`.
    pub fn slice(&self, first: usize, count: usize) -> DenseRows<'a> {
        let row_bytes = self.columns * self.dtype.size_bytes();
        DenseRows { bytes: &self.bytes[first * row_bytes..(first + count) * row_bytes], ..*self }
    }
}

/// How sixteen weights become f32.
pub(crate) trait Element {
    /// Bytes of one element.
    const SIZE: usize;
    /// Widens sixteen elements starting at byte `at` of `bytes`.
    ///
    /// # Safety
    /// `at + 16 * SIZE <= bytes.len()`.
    unsafe fn load<S: Lanes>(s: S, bytes: &[u8], at: usize) -> S::F;
}

/// The `N` bytes at `at`.
///
/// # Safety
/// `at + N <= bytes.len()`.
#[inline(always)]
pub(crate) unsafe fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    debug_assert!(at + N <= bytes.len());
    // SAFETY: in range by the caller's promise; u8 has no alignment.
    unsafe { &*bytes.as_ptr().add(at).cast() }
}

pub(crate) struct F32;
pub(crate) struct Bf16;
pub(crate) struct F16;

impl Element for F32 {
    const SIZE: usize = 4;
    #[inline(always)]
    unsafe fn load<S: Lanes>(s: S, bytes: &[u8], at: usize) -> S::F {
        // SAFETY: passed on.
        s.load_f32(unsafe { bytes_at(bytes, at) })
    }
}

impl Element for Bf16 {
    const SIZE: usize = 2;
    #[inline(always)]
    unsafe fn load<S: Lanes>(s: S, bytes: &[u8], at: usize) -> S::F {
        // SAFETY: passed on.
        s.load_bf16(unsafe { bytes_at(bytes, at) })
    }
}

impl Element for F16 {
    const SIZE: usize = 2;
    #[inline(always)]
    unsafe fn load<S: Lanes>(s: S, bytes: &[u8], at: usize) -> S::F {
        // SAFETY: passed on.
        s.load_f16(unsafe { bytes_at(bytes, at) })
    }
}

/// Tokens up to which rows are read from end to end, each once: more share blocks of columns.
pub(crate) const FEW_TOKENS: usize = 24;

/// Calls `$body` for the element type of `$weights`.
macro_rules! for_element {
    ($weights:expr, |$element:ident| $body:expr) => {
        match $weights.dtype {
            DenseType::F32 => {
                type $element = F32;
                $body
            }
            DenseType::Bf16 => {
                type $element = Bf16;
                $body
            }
            DenseType::F16 => {
                type $element = F16;
                $body
            }
        }
    };
}

/// See the module. R x T is the register tile of the instruction set, F the tokens of one that widens as it multiplies.
///
/// # Panics
/// If lengths disagree, or there are more than FEW_TOKENS tokens.
#[inline(always)]
pub(crate) fn matmul_few<S: Lanes, const R: usize, const T: usize, const F: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    assert!(y.rows() <= FEW_TOKENS);
    for_element!(weights, |E| if E::SIZE == 4 {
        few_of::<S, E, R, T>(s, weights, x, y)
    } else {
        few_of::<S, E, R, F>(s, weights, x, y)
    })
}

/// As `matmul_few`, for any number of tokens; its workspace makes it slow for few.
#[inline(always)]
pub(crate) fn matmul<S: Lanes, const R: usize, const T: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    for_element!(weights, |E| matmul_of::<S, E, R, T>(s, weights, x, y))
}

/// Rows and columns of a block, and its tokens where accumulators must wait for the next block of columns, and where one
/// block has all columns: so much that what a block needs (widened weights 256 KB, activations up to 700 KB) stays in
/// the second-level cache, and a tile's six rows of activations, 24 KB, in the first.
const BLOCK_ROWS: usize = 64;
const BLOCK_COLUMNS: usize = 1024;
const BLOCK_TOKENS: usize = 96;
const BLOCK_TOKENS_OF_ALL_COLUMNS: usize = 192;

/// Bytes of a row that are asked for ahead of their use.
const AHEAD: usize = 4096;

/// Accumulators of a tile on their way to y.
#[repr(align(64))]
struct Tile([[MaybeUninit<f32>; LANES]; 32]);

/// Weights of a block, widened, and accumulators that wait for the next block of columns.
#[repr(align(64))]
struct Workspace {
    widened: [MaybeUninit<f32>; BLOCK_ROWS * BLOCK_COLUMNS],
    waiting: [MaybeUninit<f32>; BLOCK_ROWS * BLOCK_TOKENS * LANES],
}

#[inline(always)]
fn check<E: Element>(weights: &DenseRows<'_>, x: &[f32], y: &ColumnsMut<'_>) {
    let row_bytes = weights.columns * E::SIZE;
    assert!(weights.bytes.len() == weights.rows() * row_bytes && x.len() == y.rows() * weights.columns);
    assert!(y.width() == weights.rows());
}

/// Rows from end to end, R at a time; one at a time for one or two tokens, which wait for memory: it reads one stream fastest.
#[inline(always)]
fn few_of<S: Lanes, E: Element, const R: usize, const T: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    check::<E>(&weights, x, y);
    const { assert!(R * T <= 32) };
    let mut tile = Tile([[MaybeUninit::uninit(); LANES]; 32]);
    let (columns, row_bytes, rows, tokens) = (weights.columns, weights.columns * E::SIZE, weights.rows(), y.rows());
    let (y_start, y_stride) = y.start_and_stride();
    let mut row = 0;
    while row < rows {
        let in_tile = if tokens > 2 && rows - row >= R { R } else { 1 };
        // SAFETY: the rows lie inside weights, x and y, whose lengths were checked; nothing waits but a tile.
        unsafe {
            let block = Block {
                weights: weights.bytes.as_ptr().add(row * row_bytes),
                tile_stride: in_tile * row_bytes,
                row_stride: row_bytes,
                step_stride: LANES * E::SIZE,
                x: x.as_ptr(),
                x_stride: columns,
                columns,
                waiting: tile.0.as_mut_ptr().cast(),
                y: y_start.add(row),
                y_stride,
                is_first: true,
                is_last: true,
            };
            if in_tile == R {
                tiles::<S, E, R, T, true>(s, &block, 0..R, tokens);
            } else {
                tiles::<S, E, 1, T, true>(s, &block, 0..1, tokens);
            }
        }
        row += in_tile;
    }
}

/// Blocks of rows, columns and tokens.
#[inline(always)]
fn matmul_of<S: Lanes, E: Element, const R: usize, const T: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    check::<E>(&weights, x, y);
    let (columns, row_bytes) = (weights.columns, weights.columns * E::SIZE);
    let mut workspace = Workspace {
        widened: [MaybeUninit::uninit(); BLOCK_ROWS * BLOCK_COLUMNS],
        waiting: [MaybeUninit::uninit(); BLOCK_ROWS * BLOCK_TOKENS * LANES],
    };
    let (y_start, y_stride) = y.start_and_stride();
    for first_row in (0..weights.rows()).step_by(BLOCK_ROWS) {
        let rows = BLOCK_ROWS.min(weights.rows() - first_row);
        let block_tokens = if columns > BLOCK_COLUMNS { BLOCK_TOKENS } else { BLOCK_TOKENS_OF_ALL_COLUMNS };
        for first_token in (0..y.rows()).step_by(block_tokens) {
            let tokens = block_tokens.min(y.rows() - first_token);
            for first in (0..columns).step_by(BLOCK_COLUMNS) {
                let count = BLOCK_COLUMNS.min(columns - first);
                // SAFETY: the block lies inside weights, x and y, whose lengths were checked, and its rows, tokens and
                // columns are at most those of the workspace.
                unsafe {
                    let block = Block {
                        weights: weights.bytes.as_ptr().add(first_row * row_bytes + first * E::SIZE),
                        tile_stride: R * row_bytes,
                        row_stride: row_bytes,
                        step_stride: LANES * E::SIZE,
                        x: x.as_ptr().add(first_token * columns + first),
                        x_stride: columns,
                        columns: count,
                        waiting: workspace.waiting.as_mut_ptr().cast(),
                        y: y_start.add(first_token * y_stride + first_row),
                        y_stride,
                        is_first: first == 0,
                        is_last: first + count == columns,
                    };
                    // Widening in the loop costs a fifth of its speed (measured): all tokens share it. Of f32, they share that
                    // rows lie in one stream, which costs another tenth where they do not.
                    let widened = workspace.widened.as_mut_ptr().cast();
                    widen::<S, E, R>(s, &block, rows, widened);
                    let ready = Block {
                        weights: widened.cast(),
                        tile_stride: count.div_ceil(LANES) * R * 64,
                        row_stride: 64,
                        step_stride: R * 64,
                        ..block
                    };
                    tiles::<S, F32, R, T, false>(s, &ready, 0..rows / R * R, tokens);
                    // Rows left over, of the last matrix rows only, are read where they lie.
                    let block = Block { tile_stride: row_bytes, ..block };
                    tiles::<S, E, 1, T, false>(s, &block, rows / R * R..rows, tokens);
                }
            }
        }
    }
}

/// A block of rows, tokens and columns, as places in memory.
#[derive(Clone, Copy)]
struct Block {
    /// First weight of the first row; bytes from one tile of rows to the next, from a row of a tile to the next, and
    /// from sixteen weights of a row to the next.
    weights: *const u8,
    tile_stride: usize,
    row_stride: usize,
    step_stride: usize,
    /// First activation of the first token, and elements from one token to the next.
    x: *const f32,
    x_stride: usize,
    columns: usize,
    /// Accumulators of the block's rows and tokens, tile by tile, [BLOCK_ROWS, BLOCK_TOKENS, 16].
    waiting: *mut f32,
    /// Output of the first row for the first token, and elements from one token to the next.
    y: *mut f32,
    y_stride: usize,
    /// Whether sums begin, and whether they end, with these columns.
    is_first: bool,
    is_last: bool,
}

/// Widens `rows` rows of a block, in the order tiles read them, [row tiles][columns / 16][R][16]: one stream, which the
/// processor fetches ahead. Columns are padded with zeros to sixteen; rows beyond the last tile are left out.
///
/// # Safety
/// The block must lie inside the weights, and `to` must have room for it.
#[inline(always)]
unsafe fn widen<S: Lanes, E: Element, const R: usize>(s: S, block: &Block, rows: usize, mut to: *mut f32) {
    for tile in 0..rows / R {
        for k in (0..block.columns).step_by(LANES) {
            for r in 0..R {
                // SAFETY: as promised; a row's last vector is read no further than the block.
                unsafe {
                    let row = block.weights.add(tile * block.tile_stride + r * block.row_stride);
                    s.store(load_weights::<S, E>(s, row.add(k * E::SIZE), block.columns - k), &mut *to.cast());
                    to = to.add(LANES);
                }
            }
        }
    }
}

/// Sixteen weights from `from` on, or `left` of them and zeros where fewer are left.
///
/// # Safety
/// So many elements must begin there.
#[inline(always)]
unsafe fn load_weights<S: Lanes, E: Element>(s: S, from: *const u8, left: usize) -> S::F {
    // SAFETY: as promised.
    unsafe {
        let bytes = std::slice::from_raw_parts(from, left.min(LANES) * E::SIZE);
        if left >= LANES {
            return E::load(s, bytes, 0);
        }
        let mut padded = [0u8; 64];
        padded[..bytes.len()].copy_from_slice(bytes);
        E::load(s, &padded, 0)
    }
}

/// The rows `rows`, in tiles of R, and all tokens of a block: all rows pass by a tile of tokens before the next one.
///
/// # Safety
/// As of `tile`, for all of them.
#[inline(always)]
unsafe fn tiles<S: Lanes, E: Element, const R: usize, const T: usize, const FEW: bool>(
    s: S,
    block: &Block,
    rows: Range<usize>,
    tokens: usize,
) {
    let mut token = 0;
    macro_rules! tiles {
        ($t:expr) => {
            while tokens - token >= $t && !rows.is_empty() {
                let mut row = rows.start;
                while row + R <= rows.end {
                    // SAFETY: as promised.
                    unsafe {
                        if FEW || block.is_first {
                            tile::<S, E, R, { $t }, true, FEW>(s, block, row, token);
                        } else {
                            tile::<S, E, R, { $t }, false, FEW>(s, block, row, token);
                        }
                    }
                    row += R;
                }
                token += $t;
            }
        };
    }
    tiles!(T);
    if T > 4 {
        tiles!(4);
    }
    if T > 2 {
        tiles!(2);
    }
    tiles!(1);
}

/// Adds a block's columns to the waiting accumulators of R rows from `row` on and T tokens from `token` on.
///
/// # Safety
/// All places of the block must be valid for these rows and tokens.
#[inline(always)]
unsafe fn tile<S: Lanes, E: Element, const R: usize, const T: usize, const FIRST: bool, const FEW: bool>(
    s: S,
    block: &Block,
    row: usize,
    token: usize,
) {
    // SAFETY: all places are those of the block, for R rows and T tokens; vectors end at or below `columns`.
    unsafe {
        let (mut w, mut x) = (block.weights.add(row / R * block.tile_stride), block.x.add(token * block.x_stride));
        // Where nothing waits, one place, which stays in the nearest cache, serves all tiles.
        let waits = !(FIRST && block.is_last);
        let waiting = block.waiting.add(if waits { (row * BLOCK_TOKENS + token * R) * LANES } else { 0 });
        let place = |t: usize, r: usize| waiting.add((t * R + r) * LANES).cast::<[f32; LANES]>();
        let mut acc = [[s.splat(0.0); R]; T];
        if !FIRST {
            for t in 0..T {
                for r in 0..R {
                    acc[t][r] = s.load(&*place(t, r));
                }
            }
        }
        for _ in 0..block.columns / LANES {
            if FEW {
                // Ahead in one row or long ones, the next tile of short ones: the processor stops at the end of a page.
                let ahead = if R == 1 || block.row_stride > AHEAD { AHEAD } else { block.tile_stride };
                for r in 0..R {
                    s.prefetch(w.wrapping_add(r * block.row_stride + ahead));
                }
            }
            if E::SIZE == 4 {
                s.accumulate_tile(&mut acc, w.cast(), block.row_stride / 4, x, block.x_stride);
            } else {
                let mut weights = [s.splat(0.0); R];
                for r in 0..R {
                    weights[r] =
                        E::load(s, std::slice::from_raw_parts(w.add(r * block.row_stride), LANES * E::SIZE), 0);
                }
                for t in 0..T {
                    let v = s.load(&*x.add(t * block.x_stride).cast());
                    for r in 0..R {
                        acc[t][r] = s.accumulate(acc[t][r], weights[r], v);
                    }
                }
            }
            (w, x) = (w.add(block.step_stride), x.add(LANES));
        }
        for t in 0..T {
            for r in 0..R {
                s.store(acc[t][r], &mut *place(t, r));
            }
        }
        let rest = block.columns % LANES;
        if rest > 0 {
            for r in 0..R {
                let weights = load_weights::<S, E>(s, w.add(r * block.row_stride), rest);
                for t in 0..T {
                    let v = s.load_partial(std::slice::from_raw_parts(x.add(t * block.x_stride), rest));
                    let acc = &mut *place(t, r);
                    s.store(s.accumulate(s.load(acc), weights, v), acc);
                }
            }
        }
        if !block.is_last {
            return;
        }
        for t in 0..T {
            let acc = |r: usize| s.load(&*place(t, r));
            let y = std::slice::from_raw_parts_mut(block.y.add((token + t) * block.y_stride + row), R);
            if R == 4 {
                y.copy_from_slice(&s.tree4([acc(0), acc(1), acc(2), acc(3)]));
            } else {
                y.iter_mut().enumerate().for_each(|(r, y)| *y = s.tree(acc(r)));
            }
        }
    }
}
