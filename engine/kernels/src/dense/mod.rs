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
//! The weights are never copied to f32: sixteen elements at a time are widened in registers, which is exact.
//!
//! # Order
//! Every output is one `LaneTree16` over k, for one token as for many. A tile of R rows x T tokens keeps R * T
//! accumulators in registers and loads each operand once.
//!
//! # Checked
//! `tests/agree.rs`: every instruction set, ragged shapes, equal bits.

use crate::columns::ColumnsMut;
use crate::lanes::{LANES, Lanes};

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

/// See the module. R x T is the register tile of the instruction set.
#[inline(always)]
pub(crate) fn matmul<S: Lanes, const R: usize, const T: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    match weights.dtype {
        DenseType::F32 => matmul_of::<S, F32, R, T>(s, weights, x, y),
        DenseType::Bf16 => matmul_of::<S, Bf16, R, T>(s, weights, x, y),
        DenseType::F16 => matmul_of::<S, F16, R, T>(s, weights, x, y),
    }
}

#[inline(always)]
fn matmul_of<S: Lanes, E: Element, const R: usize, const T: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
) {
    let (rows, tokens) = (weights.rows(), y.rows());
    let mut row = 0;
    while row + R <= rows {
        let tile = weights.slice(row, R);
        let mut token = 0;
        while token + T <= tokens {
            tile_of::<S, E, R, T>(s, tile, x, y, row, token);
            token += T;
        }
        while token < tokens {
            tile_of::<S, E, R, 1>(s, tile, x, y, row, token);
            token += 1;
        }
        row += R;
    }
    while row < rows {
        let tile = weights.slice(row, 1);
        let mut token = 0;
        while token + T <= tokens {
            tile_of::<S, E, 1, T>(s, tile, x, y, row, token);
            token += T;
        }
        while token < tokens {
            tile_of::<S, E, 1, 1>(s, tile, x, y, row, token);
            token += 1;
        }
        row += 1;
    }
}

/// R rows times T tokens; `weights` are the R rows.
#[inline(always)]
fn tile_of<S: Lanes, E: Element, const R: usize, const T: usize>(
    s: S,
    weights: DenseRows<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
    row: usize,
    token: usize,
) {
    let columns = weights.columns;
    let row_bytes = columns * E::SIZE;
    let x = &x[token * columns..(token + T) * columns];
    assert!(weights.bytes.len() == R * row_bytes);
    let whole = columns / LANES * LANES;
    let mut acc = [[s.splat(0.0); R]; T];
    let mut k = 0;
    while k < whole {
        // SAFETY: r < R and k + 16 <= columns, so the sixteen elements lie in row r of the R rows checked above.
        let w: [S::F; R] = std::array::from_fn(|r| unsafe { E::load(s, weights.bytes, r * row_bytes + k * E::SIZE) });
        for t in 0..T {
            // SAFETY: t < T and k + 16 <= columns, so the elements lie in the T * columns of x.
            let v = s.load(unsafe { &*x.as_ptr().add(t * columns + k).cast() });
            for r in 0..R {
                acc[t][r] = s.add(acc[t][r], s.mul(w[r], v));
            }
        }
        k += LANES;
    }
    if whole < columns {
        let tail_bytes = (columns - whole) * E::SIZE;
        let w: [S::F; R] = std::array::from_fn(|r| {
            let mut padded = [0u8; 64];
            let at = r * row_bytes + whole * E::SIZE;
            padded[..tail_bytes].copy_from_slice(&weights.bytes[at..at + tail_bytes]);
            // SAFETY: 16 * SIZE <= 64.
            unsafe { E::load(s, &padded, 0) }
        });
        for t in 0..T {
            let v = s.load_partial(&x[t * columns + whole..(t + 1) * columns]);
            for r in 0..R {
                acc[t][r] = s.add(acc[t][r], s.mul(w[r], v));
            }
        }
    }
    for t in 0..T {
        let out = &mut y.row(token + t)[row..row + R];
        for r in 0..R {
            out[r] = s.tree(acc[t][r]);
        }
    }
}
