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
//! 192 rows of up to 256 columns of y are copied into panels [panel][k][16] (393 KB), and the same rows of up to 192 columns
//! of x into panels of a tile's R columns, [panel][k][R] (295 KB): both stay in the second-level cache, whose megabyte they
//! share. The inner loop reads a panel of each. Tiles follow one another along rows of c, as memory has them, so that
//! the processor can fetch c ahead; it is read and written once for 192 rows of x and y.
//! The tile is R rows times sixteen columns: on AVX-512 12 x 16 is 24 registers of sums, two of y, and the rest for
//! broadcasts and products. Rows left over make tiles of four and of one; of columns left over a panel is padded with
//! zeros, whose products go into sums that are not stored.
//!
//! A product of up to 32 rows x and y is compiled apart: it does without most of the workspace, which would have to be
//! touched page by page at every call.

use crate::columns::{Columns, ColumnsMut};
use crate::lanes::{LANES, Lanes};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Whether products are added or subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// c + x^T y.
    Plus,
    /// c - x^T y.
    Minus,
}

/// Rows of x and y in a block, and in one of few; columns of x and of y in a block.
pub(crate) const DEPTH: usize = 192;
pub(crate) const SHALLOW: usize = 32;
const ROWS: usize = 192;
const COLUMNS: usize = 256;

/// Panels of a block of x and of a block of y.
#[repr(align(64))]
struct Workspace<const DEPTH: usize> {
    x: [[MaybeUninit<f64>; DEPTH]; ROWS],
    y: [[MaybeUninit<f64>; DEPTH]; COLUMNS],
}

/// See the module. R rows of c are a tile's, DEPTH rows of x and y a block's.
#[inline(always)]
pub(crate) fn product<S: Lanes, const R: usize, const DEPTH: usize>(
    s: S,
    sign: Sign,
    x: Columns<'_, f64>,
    y: Columns<'_, f64>,
    c: &mut ColumnsMut<'_, f64>,
) {
    let (rows, columns, depth) = (x.width(), y.width(), x.rows());
    assert!(y.rows() == depth && c.rows() == rows && c.width() == columns);
    let mut workspace =
        Workspace { x: [[MaybeUninit::uninit(); DEPTH]; ROWS], y: [[MaybeUninit::uninit(); DEPTH]; COLUMNS] };
    let (x_panels, y_panels) = (workspace.x.as_mut_ptr().cast::<f64>(), workspace.y.as_mut_ptr().cast::<f64>());
    let ((x, x_stride), (y, y_stride), (c, c_stride)) =
        (x.start_and_stride(), y.start_and_stride(), c.start_and_stride());
    // Few rows of c do not make up for copying y: vectors of it are read where they lie, if they are whole.
    let in_place = rows <= 2 * R;
    // Were it known to be 1 or -1, signs would be flipped one number at a time.
    let factor = black_box(if sign == Sign::Plus { 1.0 } else { -1.0 });
    for k in (0..depth).step_by(DEPTH) {
        let steps = DEPTH.min(depth - k);
        for first_column in (0..columns).step_by(COLUMNS) {
            let width = COLUMNS.min(columns - first_column);
            let packed_from = if in_place { width / LANES * LANES } else { 0 };
            // SAFETY: the block lies inside y, whose shape was checked, and fits the workspace.
            let y = unsafe {
                let y = y.add(k * y_stride + first_column);
                pack_y(s, y, y_stride, steps, packed_from..width, y_panels);
                y
            };
            for first_row in (0..rows).step_by(ROWS) {
                let count = ROWS.min(rows - first_row);
                // SAFETY: the blocks lie inside x and c; that of x fits the workspace.
                let c = unsafe {
                    pack_x::<R>(factor, x.add(k * x_stride + first_row), x_stride, steps, count, x_panels);
                    c.add(first_row * c_stride + first_column)
                };
                let mut row = 0;
                macro_rules! tiles {
                    ($r:expr) => {
                        while count - row >= $r {
                            for column in (0..width).step_by(LANES) {
                                // SAFETY: as above; panels of y from `packed_from` on were written, those before are whole.
                                unsafe {
                                    let (x, c) = (x_panels.add(row * steps), c.add(row * c_stride + column));
                                    let (y, y_stride) = if column < packed_from {
                                        (y.add(column), y_stride)
                                    } else {
                                        (y_panels.add(column * steps).cast_const(), LANES)
                                    };
                                    if width - column >= LANES {
                                        whole_tile::<S, { $r }>(s, steps, x, y, y_stride, c, c_stride);
                                    } else {
                                        let width = width - column;
                                        part_of_tile::<S, { $r }>(s, steps, x, y, y_stride, c, c_stride, width);
                                    }
                                }
                            }
                            row += $r;
                        }
                    };
                }
                tiles!(R);
                tiles!(4);
                tiles!(1);
            }
        }
    }
}

/// Copies `count` columns of `steps` rows of x, times 1 or -1, into panels [panel][steps][R], then of four, then of one.
///
/// # Safety
/// They must lie at `x`, and `to` must have room for them.
#[inline(always)]
unsafe fn pack_x<const R: usize>(
    factor: f64,
    x: *const f64,
    x_stride: usize,
    steps: usize,
    count: usize,
    to: *mut f64,
) {
    for k in 0..steps {
        let mut first = 0;
        macro_rules! copy {
            ($r:expr) => {
                while count - first >= $r {
                    for i in 0..$r {
                        // SAFETY: as promised.
                        unsafe { *to.add(first * steps + k * $r + i) = factor * *x.add(k * x_stride + first + i) };
                    }
                    first += $r;
                }
            };
        }
        copy!(R);
        copy!(4);
        copy!(1);
    }
}

/// Copies columns `columns` of `steps` rows of y into panels [panel][steps][16], the last one padded with zeros.
///
/// # Safety
/// They must lie at `y`, begin with a panel, and `to` must have room for all panels from the first column on.
#[inline(always)]
unsafe fn pack_y<S: Lanes>(s: S, y: *const f64, y_stride: usize, steps: usize, columns: Range<usize>, to: *mut f64) {
    for k in 0..steps {
        for column in columns.clone().step_by(LANES) {
            // SAFETY: as promised.
            unsafe {
                let (from, to) = (y.add(k * y_stride + column), to.add(column * steps + k * LANES));
                if columns.end - column >= LANES {
                    s.store_f64(s.load_f64(&*from.cast()), &mut *to.cast());
                } else {
                    for j in 0..LANES {
                        *to.add(j) = if j < columns.end - column { *from.add(j) } else { 0.0 };
                    }
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
            s.prefetch(c.wrapping_add(i * c_stride + LANES).cast_const().cast());
            s.prefetch(c.wrapping_add(i * c_stride + LANES + LANES / 2).cast_const().cast());
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

/// A tile of which `width` columns are stored.
///
/// # Safety
/// As of `accumulate`; c must have R rows of so many columns.
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
    width: usize,
) {
    let mut lanes = [[0.0; LANES]; R];
    let mut acc = [s.zero_f64(); R];
    for i in 0..R {
        for j in 0..width {
            // SAFETY: as promised.
            lanes[i][j] = unsafe { *c.add(i * c_stride + j) };
        }
        acc[i] = s.load_f64(&lanes[i]);
    }
    // SAFETY: as promised.
    unsafe { accumulate::<S, R>(s, steps, x, y, y_stride, &mut acc) };
    for i in 0..R {
        s.store_f64(acc[i], &mut lanes[i]);
        for j in 0..width {
            // SAFETY: as promised.
            unsafe { *c.add(i * c_stride + j) = lanes[i][j] };
        }
    }
}
