//! Sums of outer products in f64: what Hessians, factorisations and the feedback of GPTQ are made of.
//!
//! # Formula
//! ```text
//! c = c + x^T y    or    c = c - x^T y
//! ```
//!
//! # Shapes
//! x: f64 [depth, rows], y: f64 [depth, columns], c: f64 [rows, columns], each a block of a row-major matrix. Both
//! operands have the index that is summed over as their row, so that tiles read sixteen columns of y and a few columns of
//! x at once: every product of this repository can be put like this, with neither operand ever transposed.
//!
//! # Order
//! c[i][j] starts from what it holds, and products x[k][i] * y[k][j] are added to it one after the other in ascending k,
//! each rounded first. Lanes are columns of c. A product of many rows k is therefore, bit for bit, what products of a
//! few rows each make one after the other: callers may cut it anywhere. A difference is the sum with -x: negation is
//! exact and rounding symmetric.
//!
//! # Blocks
//! 256 rows of up to 192 columns of x (393 KB, of the second-level cache's megabyte) are copied into panels of a tile's
//! R columns, [panel][k][R], then 256 rows of sixteen columns of y (32 KB, in the first-level cache) into [k][16]: the
//! inner loop reads two streams. c is read and written once for 256 rows; the next tile's part of it is asked for ahead.
//! The tile is R rows times sixteen columns: on AVX-512 12 x 16 is 24 registers of sums, two of y, and the rest for
//! broadcasts and products. Where rows of x or columns of y are left over, panels are padded with zeros, whose
//! products go into sums that are not stored.

use crate::columns::{Columns, ColumnsMut};
use crate::lanes::{LANES, Lanes};
use std::mem::MaybeUninit;

/// Whether products are added or subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// c + x^T y.
    Plus,
    /// c - x^T y.
    Minus,
}

/// Rows of x and y, and columns of x, in a block.
const DEPTH: usize = 256;
const ROWS: usize = 192;

/// Panels of a block of x, and a panel of y.
#[repr(align(64))]
struct Workspace {
    x: [MaybeUninit<f64>; DEPTH * ROWS],
    y: [MaybeUninit<f64>; DEPTH * LANES],
}

/// See the module. R rows of c, a divisor of 192, are a tile's.
#[inline(always)]
pub(crate) fn product<S: Lanes, const R: usize>(
    s: S,
    sign: Sign,
    x: Columns<'_, f64>,
    y: Columns<'_, f64>,
    c: &mut ColumnsMut<'_, f64>,
) {
    const { assert!(ROWS.is_multiple_of(R)) };
    let (rows, columns, depth) = (x.width(), y.width(), x.rows());
    assert!(y.rows() == depth && c.rows() == rows && c.width() == columns);
    let mut workspace =
        Workspace { x: [MaybeUninit::uninit(); DEPTH * ROWS], y: [MaybeUninit::uninit(); DEPTH * LANES] };
    let (x_panels, y_panel) = (workspace.x.as_mut_ptr().cast::<f64>(), workspace.y.as_mut_ptr().cast::<f64>());
    let ((x, x_stride), (y, y_stride), (c, c_stride)) =
        (x.start_and_stride(), y.start_and_stride(), c.start_and_stride());
    for k in (0..depth).step_by(DEPTH) {
        let steps = DEPTH.min(depth - k);
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            // SAFETY: the block lies inside x, whose shape was checked, and fits the workspace.
            unsafe { pack_x::<R>(sign, x.add(k * x_stride + first), x_stride, steps, count, x_panels) };
            for column in (0..columns).step_by(LANES) {
                let width = LANES.min(columns - column);
                // SAFETY: the blocks lie inside y and c; a panel of y fits the workspace.
                unsafe {
                    let from = y.add(k * y_stride + column);
                    // Few rows of c do not make up for copying y, if vectors of it can be read where they lie.
                    let (y, y_stride) = if width == LANES && count <= R {
                        (from, y_stride)
                    } else {
                        pack_y(s, from, y_stride, steps, width, y_panel);
                        (y_panel.cast_const(), LANES)
                    };
                    for row in (0..count).step_by(R) {
                        let panel = x_panels.add(row * steps);
                        let c = c.add((first + row) * c_stride + column);
                        let tile_rows = R.min(count - row);
                        if tile_rows == R && width == LANES {
                            whole_tile::<S, R>(s, steps, panel, y, y_stride, c, c_stride);
                        } else {
                            part_of_tile::<S, R>(s, steps, panel, y, y_stride, c, c_stride, tile_rows, width);
                        }
                    }
                }
            }
        }
    }
}

/// Copies `count` columns of `steps` rows of x, negated for a difference, into panels [panel][steps][R].
///
/// # Safety
/// They must lie at `x`, and `to` must have room for them and zeros up to a multiple of R.
#[inline(always)]
unsafe fn pack_x<const R: usize>(sign: Sign, x: *const f64, x_stride: usize, steps: usize, count: usize, to: *mut f64) {
    let factor = if sign == Sign::Plus { 1.0 } else { -1.0 };
    for k in 0..steps {
        for first in (0..count).step_by(R) {
            // SAFETY: as promised.
            unsafe {
                let (from, to) = (x.add(k * x_stride + first), to.add(first * steps + k * R));
                if count - first >= R {
                    for i in 0..R {
                        *to.add(i) = factor * *from.add(i);
                    }
                } else {
                    for i in 0..R {
                        *to.add(i) = if i < count - first { factor * *from.add(i) } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// Copies `width` columns, at most sixteen, of `steps` rows of y into [steps][16], with zeros behind them.
///
/// # Safety
/// They must lie at `y`, and `to` must have room.
#[inline(always)]
unsafe fn pack_y<S: Lanes>(s: S, y: *const f64, y_stride: usize, steps: usize, width: usize, to: *mut f64) {
    for k in 0..steps {
        // SAFETY: as promised.
        unsafe {
            let (from, to) = (y.add(k * y_stride), to.add(k * LANES));
            if width == LANES {
                s.store_f64(s.load_f64(&*from.cast()), &mut *to.cast());
            } else {
                for j in 0..LANES {
                    *to.add(j) = if j < width { *from.add(j) } else { 0.0 };
                }
            }
        }
    }
}

/// Adds `steps` products to R x 16 sums.
///
/// # Safety
/// Panels of x and y must hold so many steps.
#[inline(always)]
unsafe fn accumulate<S: Lanes, const R: usize>(
    s: S,
    steps: usize,
    mut x: *const f64,
    mut y: *const f64,
    y_stride: usize,
    acc: &mut [S::D; R],
) {
    for _ in 0..steps {
        // SAFETY: as promised.
        unsafe {
            let columns = s.load_f64(&*y.cast());
            for i in 0..R {
                acc[i] = s.add_f64(acc[i], s.mul_f64(s.splat_f64(*x.add(i)), columns));
            }
            (x, y) = (x.add(R), y.wrapping_add(y_stride));
        }
    }
}

/// A tile all of whose sums are stored.
///
/// # Safety
/// As of `accumulate`; c must have R rows of sixteen columns.
#[inline(always)]
unsafe fn whole_tile<S: Lanes, const R: usize>(
    s: S,
    steps: usize,
    x: *const f64,
    y: *const f64,
    y_stride: usize,
    c: *mut f64,
    c_stride: usize,
) {
    let mut acc = [s.zero_f64(); R];
    for i in 0..R {
        // SAFETY: as promised; a prefetch may be of any place.
        unsafe {
            s.prefetch(c.wrapping_add((R + i) * c_stride).cast_const().cast());
            s.prefetch(c.wrapping_add((R + i) * c_stride + LANES / 2).cast_const().cast());
            acc[i] = s.load_f64(&*c.add(i * c_stride).cast());
        }
    }
    // SAFETY: as promised.
    unsafe { accumulate::<S, R>(s, steps, x, y, y_stride, &mut acc) };
    for i in 0..R {
        // SAFETY: as promised.
        unsafe { s.store_f64(acc[i], &mut *c.add(i * c_stride).cast()) };
    }
}

/// A tile of which `rows` rows and `width` columns are stored.
///
/// # Safety
/// As of `accumulate`; c must have so many rows and columns.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // a tile's places in memory
unsafe fn part_of_tile<S: Lanes, const R: usize>(
    s: S,
    steps: usize,
    x: *const f64,
    y: *const f64,
    y_stride: usize,
    c: *mut f64,
    c_stride: usize,
    rows: usize,
    width: usize,
) {
    let mut lanes = [[0.0; LANES]; R];
    for i in 0..rows {
        for j in 0..width {
            // SAFETY: as promised.
            lanes[i][j] = unsafe { *c.add(i * c_stride + j) };
        }
    }
    let mut acc = [s.zero_f64(); R];
    for i in 0..R {
        acc[i] = s.load_f64(&lanes[i]);
    }
    // SAFETY: as promised.
    unsafe { accumulate::<S, R>(s, steps, x, y, y_stride, &mut acc) };
    for i in 0..rows {
        s.store_f64(acc[i], &mut lanes[i]);
        for j in 0..width {
            // SAFETY: as promised.
            unsafe { *c.add(i * c_stride + j) = lanes[i][j] };
        }
    }
}
