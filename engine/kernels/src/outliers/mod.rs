//! Product of activations with single weights kept apart from their packed matrix.
//!
//! # Formula
//! ```text
//! y[t, r] = y[t, r] + ( sum over outliers i of row r of  value[i] * x[t, column[i]] )
//! ```
//! x is f32, whatever the matrix reads.
//!
//! # Shapes
//! Outliers of up to 64 rows: row by row (CSR), columns ascending within a row. x: blocks of sixteen tokens, the last one
//! of what is left, [columns][tokens of the block]: the activations that an outlier multiplies lie side by side. Of one
//! token that is its row. y: f32 [tokens, rows], a block of columns of a wider matrix.
//!
//! # Tile
//! Lanes are tokens: an outlier is widened once and multiplies two blocks of sixteen tokens, whose sums stay in registers
//! through the row. Sixteen rows of sums are then turned, so that y is read and written along its rows.
//!
//! # Order
//! Per output: from 0, outliers ascending, a product and a sum each, rounded apart; the sum is added to y.
//!
//! # Source
//! Dettmers et al. 2023 (SpQR), section 4.3: outliers in a sparse matrix, added to the dense product.

use crate::columns::ColumnsMut;
use crate::lanes::{LANES, Lanes};

/// Outliers of some rows.
#[derive(Clone, Copy, Debug)]
pub struct Outliers<'a> {
    /// [rows + 1]: row r has those from `starts[r]` to `starts[r + 1]` of all the matrix's.
    pub starts: &'a [u32],
    /// Column of every outlier of the matrix.
    pub columns: &'a [u16],
    /// Value of every outlier, IEEE halves.
    pub values: &'a [u16],
    /// Power of two that values are multiplied by.
    pub unit: f32,
}

/// f32 activations with the tokens of a column side by side; see the module.
#[derive(Clone, Copy, Debug)]
pub struct TokenColumns<'a> {
    /// Number of tokens.
    pub tokens: usize,
    /// Number of columns.
    pub columns: usize,
    /// tokens * columns of them.
    pub x: &'a [f32],
}

/// Tokens side by side.
pub const TOKEN_BLOCK: usize = LANES;

/// Blocks of tokens whose sums are in registers at a time.
const BLOCKS: usize = 2;

/// Rows whose sums for a single token are taken together.
const CHAINS: usize = 4;

/// Sums of sixteen rows times BLOCKS blocks of tokens.
type Sums = [[[f32; LANES]; LANES]; BLOCKS];

/// See the module.
#[inline(always)]
pub(crate) fn multiply<S: Lanes>(s: S, outliers: &Outliers<'_>, x: &TokenColumns<'_>, y: &mut ColumnsMut<'_>) {
    let rows = outliers.starts.len() - 1;
    let whole = x.tokens / TOKEN_BLOCK;
    let (blocks, rest) = x.x.split_at(whole * TOKEN_BLOCK * x.columns);
    let (blocks, _) = blocks.as_chunks::<LANES>();
    let mut sums: Sums = [[[0.0; LANES]; LANES]; BLOCKS];
    let mut block = 0;
    while block < whole {
        let count = BLOCKS.min(whole - block);
        let x = &blocks[block * x.columns..(block + count) * x.columns];
        for first in (0..rows).step_by(LANES) {
            let end = rows.min(first + LANES);
            for row in first..end {
                match count {
                    BLOCKS => sum_row::<S, BLOCKS>(s, outliers, row, x, &mut sums, row - first),
                    _ => sum_row::<S, 1>(s, outliers, row, x, &mut sums, row - first),
                }
            }
            for (index, sums) in sums.iter().enumerate().take(count) {
                add_turned(s, sums, y, (block + index) * TOKEN_BLOCK, first, end);
            }
        }
        block += count;
    }
    let left = x.tokens % TOKEN_BLOCK;
    if left == 1 {
        for (first, y) in y.row(whole * TOKEN_BLOCK).chunks_mut(CHAINS).enumerate() {
            let sums = sum_token(s, outliers, first * CHAINS, rest);
            for (y, sum) in y.iter_mut().zip(sums) {
                *y += sum;
            }
        }
    } else if left > 1 {
        for row in 0..rows {
            let mut lanes = [0.0; LANES];
            s.store(sum_some(s, outliers, row, rest, left), &mut lanes);
            for (token, &sum) in lanes.iter().enumerate().take(left) {
                y.row(whole * TOKEN_BLOCK + token)[row] += sum;
            }
        }
    }
}

/// For every outlier of `$row`, sixteen at a time widened at once: `$body`.
macro_rules! for_each_outlier {
    ($s:expr, $outliers:expr, $row:expr, |$value:ident, $column:ident| $body:expr) => {{
        let range = $outliers.starts[$row] as usize..$outliers.starts[$row + 1] as usize;
        let unit = $s.splat($outliers.unit);
        let (values, columns) = (&$outliers.values[range.clone()], &$outliers.columns[range]);
        for (values, columns) in values.chunks(LANES).zip(columns.chunks(LANES)) {
            let mut bytes = [0; 2 * LANES];
            for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
                *bytes = value.to_le_bytes();
            }
            let mut wide = [0.0; LANES];
            $s.store($s.mul($s.load_f16(&bytes), unit), &mut wide);
            for (&$value, &column) in wide.iter().zip(columns) {
                let $column = usize::from(column);
                $body
            }
        }
    }};
}

/// Sums of one row for B blocks of tokens.
#[inline(always)]
fn sum_row<S: Lanes, const B: usize>(
    s: S,
    outliers: &Outliers<'_>,
    row: usize,
    x: &[[f32; LANES]],
    sums: &mut Sums,
    inside: usize,
) {
    let columns = x.len() / B;
    let mut acc = [s.splat(0.0); B];
    for_each_outlier!(s, outliers, row, |value, column| {
        let value = s.splat(value);
        for b in 0..B {
            acc[b] = s.accumulate(acc[b], value, s.load(&x[b * columns + column]));
        }
    });
    for b in 0..B {
        s.store(acc[b], &mut sums[b][inside]);
    }
}

/// The sums of rows from `first` on for one token, x: [columns]. Each is a chain of additions: CHAINS of them overlap.
///
/// Shorter rows go on with 0 * x[0]: x is finite, and a sum that begins at +0 is never -0, so that no bit changes.
#[inline(always)]
fn sum_token<S: Lanes>(s: S, outliers: &Outliers<'_>, first: usize, x: &[f32]) -> [f32; CHAINS] {
    let unit = s.splat(outliers.unit);
    let rows = outliers.starts.len() - 1;
    let (mut at, mut end, mut longest) = ([0; CHAINS], [0; CHAINS], 0);
    for c in 0..CHAINS.min(rows - first) {
        at[c] = outliers.starts[first + c] as usize;
        end[c] = outliers.starts[first + c + 1] as usize;
        longest = longest.max(end[c] - at[c]);
    }
    let mut sums = [0.0; CHAINS];
    // As long as every row has sixteen left, they are read where they lie.
    let shortest = (0..CHAINS).map(|c| end[c] - at[c]).min().unwrap_or(0) / LANES;
    for _ in 0..shortest {
        let (mut wide, mut columns) = ([[0.0; LANES]; CHAINS], [&[0u16; LANES]; CHAINS]);
        for c in 0..CHAINS {
            let place = at[c]..at[c] + LANES;
            match (outliers.values[place.clone()].first_chunk(), outliers.columns[place].first_chunk()) {
                (Some(values), Some(indices)) => {
                    s.store(s.mul(s.load_f16(&to_bytes(values)), unit), &mut wide[c]);
                    columns[c] = indices;
                }
                _ => unreachable!("sixteen of them"),
            }
            at[c] += LANES;
        }
        add_sixteen(&mut sums, &wide, columns, x);
    }
    for _ in shortest..longest.div_ceil(LANES) {
        let (mut wide, mut columns) = ([[0.0; LANES]; CHAINS], [[0u16; LANES]; CHAINS]);
        for c in 0..CHAINS {
            let count = LANES.min(end[c] - at[c]);
            let mut values = [0; LANES];
            values[..count].copy_from_slice(&outliers.values[at[c]..at[c] + count]);
            s.store(s.mul(s.load_f16(&to_bytes(&values)), unit), &mut wide[c]);
            columns[c][..count].copy_from_slice(&outliers.columns[at[c]..at[c] + count]);
            at[c] += count;
        }
        add_sixteen(&mut sums, &wide, columns.each_ref(), x);
    }
    sums
}

/// Sixteen more products of each row.
#[inline(always)]
fn add_sixteen(sums: &mut [f32; CHAINS], wide: &[[f32; LANES]; CHAINS], columns: [&[u16; LANES]; CHAINS], x: &[f32]) {
    for j in 0..LANES {
        for c in 0..CHAINS {
            sums[c] += wide[c][j] * x[usize::from(columns[c][j])];
        }
    }
}

#[inline(always)]
fn to_bytes(values: &[u16; LANES]) -> [u8; 2 * LANES] {
    let mut bytes = [0; 2 * LANES];
    for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
    bytes
}

/// Sums of one row for `left` tokens, x: [columns][left].
#[inline(always)]
fn sum_some<S: Lanes>(s: S, outliers: &Outliers<'_>, row: usize, x: &[f32], left: usize) -> S::F {
    let mut acc = s.splat(0.0);
    for_each_outlier!(s, outliers, row, |value, column| {
        acc = s.accumulate(acc, s.splat(value), s.load_partial(&x[column * left..(column + 1) * left]));
    });
    acc
}

/// Adds sums of rows `first..end`, [rows][tokens], to sixteen tokens of y.
#[inline(always)]
fn add_turned<S: Lanes>(
    s: S,
    sums: &[[f32; LANES]; LANES],
    y: &mut ColumnsMut<'_>,
    token: usize,
    first: usize,
    end: usize,
) {
    let mut words = [s.splat_bytes([0; 4]); LANES];
    for r in 0..LANES {
        words[r] = s.words(s.load(&sums[r]));
    }
    let words = s.transpose(words);
    for t in 0..LANES {
        let y = &mut y.row(token + t)[first..end];
        s.store_partial(s.add(s.load_partial(y), s.floats(words[t])), y);
    }
}
