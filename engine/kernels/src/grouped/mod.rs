//! Product of activations with packed 2, 3, 4 or 8-bit weights.
//!
//! # Formula
//! With codes c, zero points z and scales s_w of the weights, and codes x and scales s_x of the activations:
//! ```text
//! y[t, r] = sum over segments g of  ( sum over k in g of (c[r, k] - z[g, r]) * x[t, k] ) * ( s_w[g, r] * s_x[t, g] )
//! ```
//! `matmul` takes 8-bit or 16-bit activation codes (`quantize`): the inner sum is an exact integer.
//! Where z is any number (`Zeros::Floats`), the inner sum is in two parts: (sum of c x) - z * (sum of x), both sums exact
//! integers, converted to f32; then one product and one difference, each rounded.
//! `matmul_f32` takes f32 activations (`a32`): the inner sum is taken in f32, ascending k, and scaled by s_w alone; c - z
//! is rounded first where z is any number.
//!
//! # Shapes
//! Panel: see `panel`. x: [tokens, columns]. y: f32 [tokens, rows], a block of columns of a wider matrix.
//! A segment is a weight group, or 128 columns where weights have one scale a row.
//!
//! # Tile
//! Columns are taken 1024 at a time: their codes, up to 64 KB, are unpacked to bytes once (8-bit codes lie ready), and
//! while they stay in the nearer caches all tokens pass by them, R blocks of sixteen rows times T tokens in registers.
//! Sums go on in y from segment to segment. What tiles of T leave over is done by tiles of 4, 2 and 1. Where one or two
//! tokens share the codes, memory is the limit: blocks are short, so that the processor unpacks one while it multiplies
//! the last, and one token alone needs no buffer at all (`one`). Where an instruction set sums products of codes up to 15 in 16
//! bits, sums are widened after as many steps as are sure to fit: 128 / the largest code.
//!
//! # Order
//! Lanes are output rows. Per output: segments ascending, acc = acc + (isum as f32) * (s_w * s_x), the product of
//! scales rounded first (R5).
//!
//! # Range
//! A segment has at most 128 columns, so |isum| <= 255 * 127 * 128 < 2^22 with 8-bit activations, converted exactly;
//! with 16-bit activations |isum| <= 255 * 32512 * 128 < 2^31, exact in i32 and rounded once, to nearest even, when it
//! is converted to f32. -z * sum(x) is added last, for codes an instruction set multiplies less a centre (`Lanes::CENTRE`)
//! -(z - centre) * sum(x); sums in between may wrap, which cancels.
//!
//! # Source
//! u8 x s8 products with a zero-point correction: the arithmetic of gemmlowp (Jacob et al. 2018, eq. 7).

mod one;
pub mod panel;

use self::panel::{CodeBits, PANEL_ROWS, Panel, ROW_BLOCK, Zeros, segment_of};
use crate::columns::ColumnsMut;
use crate::dense::bytes_at;
use crate::lanes::{LANES, Lanes};
use crate::quantize::QuantizedRows;
use std::mem::MaybeUninit;

/// Columns whose codes lie ready at a time: a multiple of every segment and of every step of packing.
pub(crate) const BLOCK_COLUMNS: usize = 1024;

/// Columns of a block where few tokens share it: unpacking it and multiplying it then overlap in the processor, and there
/// is no large buffer whose pages a call would have to touch.
pub(crate) const FEW_COLUMNS: usize = 128;

/// Tokens up to which blocks are short; one alone needs none, where an instruction set has the products for it.
pub(crate) const FEW_TOKENS: usize = 2;

/// Bytes that packed codes are asked for ahead of their use.
const AHEAD: usize = 4096;

/// Codes of a block of C columns as bytes, [columns / 4][rows][4].
#[repr(align(64))]
pub(crate) struct Unpacked<const C: usize>([[MaybeUninit<u8>; PANEL_ROWS]; C]);

/// Turns the planes of every step of `$packed` into `$count` words of codes, sixteen rows at a time.
macro_rules! unpack {
    ($to:expr, $s:expr, $packed:expr, $row_bytes:expr, $count:literal, |[$($plane:ident),*]| $words:expr) => {{
        let planes = [$(stringify!($plane)),*].len();
        let steps = $packed.len() / (planes * $row_bytes);
        assert!($row_bytes.is_multiple_of(64) && steps * $count * $row_bytes <= C * PANEL_ROWS);
        for step in 0..steps {
            let mut row = 0;
            while row < $row_bytes {
                let mut plane = step * planes * $row_bytes + row;
                for line in 0..planes {
                    $s.prefetch($packed.as_ptr().wrapping_add(plane + line * $row_bytes + AHEAD));
                }
                $(
                    // SAFETY: one of the step's planes, and row + 64 <= row_bytes.
                    let $plane = $s.load_bytes(unsafe { bytes_at($packed, plane) });
                    plane += $row_bytes;
                )*
                let _ = plane;
                let words = $words;
                for word in 0..$count {
                    let place = (step * $count + word) * $row_bytes + row;
                    // SAFETY: below steps * count * row_bytes, checked above; `MaybeUninit<u8>` takes any byte.
                    $s.store_bytes(words[word], unsafe { &mut *$to.0.as_mut_ptr().cast::<u8>().add(place).cast() });
                }
                row += 64;
            }
        }
    }};
}

impl<const C: usize> Unpacked<C> {
    pub(crate) fn new() -> Self {
        Self([[MaybeUninit::uninit(); PANEL_ROWS]; C])
    }

    /// The codes of columns `first..end`, at most a block of them, where the panel stores them or unpacked here.
    #[inline(always)]
    pub(crate) fn codes<'a, S: Lanes>(&'a mut self, s: S, panel: &Panel<'a>, first: usize, end: usize) -> &'a [u8] {
        let row_bytes = panel.padded_rows() * 4;
        let columns = panel.bits.padded_columns(end - first);
        let from = first / panel.bits.step() * panel.bits.planes() * row_bytes;
        let packed = &panel.codes[from..from + columns / panel.bits.step() * panel.bits.planes() * row_bytes];
        match panel.bits {
            CodeBits::Eight => return packed,
            CodeBits::Four => unpack!(self, s, packed, row_bytes, 2, |[x]| [s.field::<0>(x, 15), s.field::<4>(x, 15)]),
            CodeBits::Two => unpack!(self, s, packed, row_bytes, 4, |[x]| low_bits(s, x)),
            CodeBits::Three => unpack!(self, s, packed, row_bytes, 8, |[a, b, high]| third_bits(s, [a, b, high])),
        }
        // SAFETY: `unpack` wrote row_bytes / 4 * columns bytes; MaybeUninit<u8> has the layout of u8.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), row_bytes / 4 * columns) }
    }
}

/// The four two-bit fields of every byte.
#[inline(always)]
fn low_bits<S: Lanes>(s: S, x: S::B) -> [S::B; 4] {
    [s.field::<0>(x, 3), s.field::<2>(x, 3), s.field::<4>(x, 3), s.field::<6>(x, 3)]
}

/// The eight words of three-bit codes in two planes of low bits and one of high bits.
#[inline(always)]
fn third_bits<S: Lanes>(s: S, [a, b, high]: [S::B; 3]) -> [S::B; 8] {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (low_bits(s, a), low_bits(s, b));
    [
        s.third_bit::<0>(a0, high),
        s.third_bit::<1>(a1, high),
        s.third_bit::<2>(a2, high),
        s.third_bit::<3>(a3, high),
        s.third_bit::<4>(b0, high),
        s.third_bit::<5>(b1, high),
        s.third_bit::<6>(b2, high),
        s.third_bit::<7>(b3, high),
    ]
}

/// A block of columns: which, their codes as bytes, and the grids of their groups.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    /// What the panel says of scales and zeros is not read.
    pub(crate) panel: &'a Panel<'a>,
    pub(crate) first: usize,
    pub(crate) end: usize,
    pub(crate) codes: &'a [u8],
    /// [groups of the block, R].
    pub(crate) scales: &'a [f32],
    /// Likewise.
    pub(crate) zeros: Zeros<'a>,
}

impl<'a> Block<'a> {
    /// A block of `panel` with the grids that the panel has.
    #[inline(always)]
    fn of(panel: &'a Panel<'a>, first: usize, end: usize, codes: &'a [u8]) -> Self {
        let from = panel.group.map_or(0, |group| first / group) * panel.padded_rows();
        let zeros = match panel.zeros {
            Zeros::Constant(zero) => Zeros::Constant(zero),
            Zeros::PerGroup(zeros) => Zeros::PerGroup(&zeros[from..]),
            Zeros::Floats(zeros) => Zeros::Floats(&zeros[from..]),
        };
        Self { panel, first, end, codes, scales: &panel.scales[from..], zeros }
    }
}

/// What a tile reads and writes, for the segments of a block, as places in memory.
#[derive(Clone, Copy)]
struct Tile {
    /// Segments of the block, each of `steps` steps of four columns, the last one of `last_steps`.
    segments: usize,
    steps: usize,
    last_steps: usize,
    /// Steps whose products may be summed narrow.
    narrow_steps: usize,
    /// Codes of the first row block, `row_bytes` bytes from one step to the next.
    codes: *const u8,
    row_bytes: usize,
    /// Scales and zero points, of one kind or the other, of the first row block in the first segment, `grid_stride` from
    /// one segment to the next.
    scales: *const f32,
    zeros: *const u8,
    float_zeros: *const f32,
    grid_stride: usize,
    /// Activation bytes of the first token, `stride` from one token to the next; no low bytes: null.
    high: *const i8,
    low: *const i8,
    stride: usize,
    /// Scales and offsets of the first token in the first segment, `token_stride` from one token to the next.
    token_scales: *const f32,
    offsets: *const [i16; 2],
    token_stride: usize,
    /// Output of the first row for the first token, `y_stride` from one token to the next.
    y: *mut f32,
    y_stride: usize,
    /// Whether sums begin with these segments.
    is_first: bool,
}

/// See the module. R row blocks x T tokens is the register tile of the instruction set, C the columns of a block.
#[inline(always)]
pub(crate) fn matmul<S: Lanes, const R: usize, const T: usize, const WIDE_T: usize, const C: usize>(
    s: S,
    panel: &Panel<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
) {
    let mut unpacked = Unpacked::<C>::new();
    for first in (0..panel.columns).step_by(C) {
        let end = (first + C).min(panel.columns);
        let block = Block::of(panel, first, end, unpacked.codes(s, panel, first, end));
        match (panel.bits, panel.zeros) {
            (CodeBits::Eight, Zeros::Floats(_)) => all_tokens::<S, R, WIDE_T, true, true>(s, block, x, y),
            (CodeBits::Eight, _) => all_tokens::<S, R, WIDE_T, true, false>(s, block, x, y),
            (_, Zeros::Floats(_)) => all_tokens::<S, R, T, false, true>(s, block, x, y),
            (_, _) => all_tokens::<S, R, T, false, false>(s, block, x, y),
        }
    }
}

/// As `matmul`, for at most FEW_TOKENS tokens.
#[inline(always)]
pub(crate) fn matmul_few<S: Lanes, const R: usize>(
    s: S,
    panel: &Panel<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
) {
    if y.rows() == 1 && one::takes::<S>(panel, x) {
        one::matvec::<S, R>(s, panel, x, y);
    } else {
        matmul::<S, R, FEW_TOKENS, FEW_TOKENS, FEW_COLUMNS>(s, panel, x, y);
    }
}

/// Adds a block of columns to all tokens of y. WIDE: codes of eight bits; FLOATS: zeros are.
#[inline(always)]
pub(crate) fn all_tokens<S: Lanes, const R: usize, const T: usize, const WIDE: bool, const FLOATS: bool>(
    s: S,
    block: Block<'_>,
    x: &QuantizedRows<'_>,
    y: &mut ColumnsMut<'_>,
) {
    let panel = block.panel;
    let (padded, segment) = (panel.padded_rows(), segment_of(panel.group));
    let (row_bytes, columns) = (padded * 4, block.end - block.first);
    let (index, token_stride) = (block.first / segment, panel.columns.div_ceil(segment));
    let grid_stride = if panel.group.is_some() { padded } else { 0 };
    let constant = match block.zeros {
        Zeros::Constant(zero) => [zero; PANEL_ROWS],
        _ => [0; PANEL_ROWS],
    };
    let (zeros, float_zeros, zero_stride): (&[u8], &[f32], usize) = match block.zeros {
        Zeros::Constant(_) => (&constant, &[], 0),
        Zeros::PerGroup(zeros) => (zeros, &[], grid_stride),
        Zeros::Floats(zeros) => (&[], zeros, grid_stride),
    };
    let segments = columns.div_ceil(segment);
    let last_steps = (columns - (segments - 1) * segment).div_ceil(4);
    // All that tiles read and write lies inside these, row blocks and tokens included.
    assert!(block.codes.len() >= columns.div_ceil(4) * row_bytes);
    assert!(block.scales.len() >= (segments - 1) * grid_stride + padded);
    assert!(if FLOATS { float_zeros.len() } else { zeros.len() } >= (segments - 1) * zero_stride + padded);
    assert!(x.stride >= block.first + 4 * columns.div_ceil(4) && x.high.len() >= y.rows() * x.stride);
    assert!(x.low.is_empty() || x.low.len() >= y.rows() * x.stride);
    assert!(x.scales.len() >= y.rows() * token_stride && x.offsets.len() >= y.rows() * token_stride);
    assert!(index + segments <= token_stride && y.width() >= panel.rows);
    let (y_start, y_stride) = y.start_and_stride();
    let tile_at = |row_block: usize, token: usize| {
        let row = row_block * ROW_BLOCK;
        // SAFETY: a row block of the panel and a token of y: inside the slices, as checked above.
        unsafe {
            Tile {
                segments,
                steps: segment / 4,
                last_steps,
                narrow_steps: 128 / usize::from(panel.bits.max_code()),
                codes: block.codes.as_ptr().add(4 * row),
                row_bytes,
                scales: block.scales.as_ptr().add(row),
                zeros: if FLOATS { std::ptr::null() } else { zeros.as_ptr().add(row) },
                float_zeros: if FLOATS { float_zeros.as_ptr().add(row) } else { std::ptr::null() },
                grid_stride,
                high: x.high.as_ptr().add(token * x.stride + block.first),
                low: match x.low {
                    [] => std::ptr::null(),
                    low => low.as_ptr().add(token * x.stride + block.first),
                },
                stride: x.stride,
                token_scales: x.scales.as_ptr().add(token * token_stride + index),
                offsets: x.offsets.as_ptr().add(token * token_stride + index),
                token_stride,
                y: y_start.add(token * y_stride + row),
                y_stride,
                is_first: block.first == 0,
            }
        }
    };
    let (tokens, row_blocks, whole) = (y.rows(), padded / ROW_BLOCK, panel.rows / ROW_BLOCK);
    let mut token = 0;
    /// Tiles of `$t` tokens, as many as there are left.
    macro_rules! tiles {
        ($t:expr) => {
            while tokens - token >= $t {
                // The next tile's lines arrive while this one is computed.
                if block.first == 0 && token + 2 * $t <= tokens {
                    for t in token + $t..token + 2 * $t {
                        for row in (0..panel.rows).step_by(LANES) {
                            s.prefetch(y_start.wrapping_add(t * y_stride + row).cast());
                        }
                    }
                }
                let mut row_block = 0;
                // SAFETY: `tile_at` points inside the slices for R row blocks below `whole` and $t tokens.
                unsafe {
                    while row_block + R <= whole {
                        tile::<S, R, { $t }, WIDE, FLOATS>(s, tile_at(row_block, token), zero_stride, ROW_BLOCK);
                        row_block += R;
                    }
                    while row_block < row_blocks {
                        let rows = ROW_BLOCK.min(panel.rows - row_block * ROW_BLOCK);
                        tile::<S, 1, { $t }, WIDE, FLOATS>(s, tile_at(row_block, token), zero_stride, rows);
                        row_block += 1;
                    }
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

/// Adds the segments of a block to R blocks of sixteen rows times T tokens of y; of the last row block, `rows` rows.
///
/// # Safety
/// All places of `at` must be those of R row blocks and T tokens, of slices as long as `all_tokens` checks.
#[inline(always)]
unsafe fn tile<S: Lanes, const R: usize, const T: usize, const WIDE: bool, const FLOATS: bool>(
    s: S,
    at: Tile,
    zero_stride: usize,
    rows: usize,
) {
    // SAFETY: all places are those of `at`, for R row blocks and T tokens, in slices as long as `all_tokens` has checked; of a
    // row block that is not whole, only `rows` outputs exist, and only these are touched.
    unsafe {
        if at.is_first {
            for t in 0..T {
                for r in 0..R {
                    let y = at.y.add(t * at.y_stride + r * ROW_BLOCK);
                    if rows == ROW_BLOCK {
                        s.store(s.splat(0.0), &mut *y.cast());
                    } else {
                        s.store_partial(s.splat(0.0), std::slice::from_raw_parts_mut(y, rows));
                    }
                }
            }
        }
        let mut first_step = 0;
        for index in 0..at.segments {
            let steps = if index + 1 == at.segments { at.last_steps } else { at.steps };
            let offset = |t: usize| *at.offsets.add(t * at.token_stride + index);
            let mut zeros = [s.splat_int(0); R];
            if !FLOATS {
                for r in 0..R {
                    zeros[r] = s.widen_u8(&*at.zeros.add(index * zero_stride + r * ROW_BLOCK).cast());
                }
            }
            let mut acc = [[s.splat_int(0); R]; T];
            accumulate::<S, R, T, WIDE>(s, &at, at.high, first_step, steps, &mut acc);
            // Zero points last: sums that begin at nothing need not wait in memory.
            for t in 0..T {
                let centred = s.splat_int(centred::<S, WIDE>(offset(t)[0]));
                for r in 0..R {
                    acc[t][r] = s.add_int(acc[t][r], centred);
                    if !FLOATS {
                        acc[t][r] = s.mul_add_i16(acc[t][r], zeros[r], offset(t)[0]);
                    }
                }
            }
            if !at.low.is_null() {
                let base = s.splat_int(255);
                for t in 0..T {
                    for r in 0..R {
                        acc[t][r] = s.mul_int(acc[t][r], base);
                    }
                }
                accumulate::<S, R, T, WIDE>(s, &at, at.low, first_step, steps, &mut acc);
                for t in 0..T {
                    let centred = s.splat_int(centred::<S, WIDE>(offset(t)[1]));
                    for r in 0..R {
                        acc[t][r] = s.add_int(acc[t][r], centred);
                        if !FLOATS {
                            acc[t][r] = s.mul_add_i16(acc[t][r], zeros[r], offset(t)[1]);
                        }
                    }
                }
            }
            let mut scales = [s.splat(0.0); R];
            let mut float_zeros = [s.splat(0.0); R];
            for r in 0..R {
                scales[r] = s.load(&*at.scales.add(index * at.grid_stride + r * ROW_BLOCK).cast());
                if FLOATS {
                    float_zeros[r] = s.load(&*at.float_zeros.add(index * zero_stride + r * ROW_BLOCK).cast());
                }
            }
            for t in 0..T {
                let token_scale = s.splat(*at.token_scales.add(t * at.token_stride + index));
                // At most 128 * 32512 in magnitude: exact.
                let [high, low] = offset(t).map(i32::from);
                let minus_sum = s.splat(if at.low.is_null() { high } else { 255 * high + low } as f32);
                for r in 0..R {
                    let (mut isum, scale) = (s.to_float(acc[t][r]), s.mul(scales[r], token_scale));
                    if FLOATS {
                        isum = s.accumulate(isum, float_zeros[r], minus_sum);
                    }
                    let y = at.y.add(t * at.y_stride + r * ROW_BLOCK);
                    if rows == ROW_BLOCK {
                        s.store(s.accumulate(s.load(&*y.cast()), isum, scale), &mut *y.cast());
                    } else {
                        let y = std::slice::from_raw_parts_mut(y, rows);
                        s.store_partial(s.accumulate(s.load_partial(y), isum, scale), y);
                    }
                }
            }
            first_step += steps;
        }
    }
}

/// What `dot_u8` leaves out where its codes are centred, for minus the sum of the activations.
#[inline(always)]
fn centred<S: Lanes, const WIDE: bool>(offset: i16) -> i32 {
    if WIDE { -S::CENTRE * i32::from(offset) } else { 0 }
}

/// Adds the integer products of `steps` steps of four columns, from `first` on, of one byte plane of the activations.
///
/// # Safety
/// As of `tile`.
#[inline(always)]
unsafe fn accumulate<S: Lanes, const R: usize, const T: usize, const WIDE: bool>(
    s: S,
    at: &Tile,
    plane: *const i8,
    first: usize,
    steps: usize,
    acc: &mut [[S::I; R]; T],
) {
    // SAFETY: as in `tile`; `steps` steps from `first` on lie in the block's codes and in T rows of the plane.
    unsafe {
        let (mut codes, mut x) = (at.codes.add(first * at.row_bytes), plane.add(4 * first));
        /// `$n` steps: four columns of R row blocks times T tokens each.
        macro_rules! steps {
            ($sums:ident, $dot:ident, $n:literal) => {
                for step in 0..$n {
                    if T <= 2 && WIDE {
                        // Few tokens wait for memory, and codes of eight bits come from there: the processor fetches ahead
                        // only to the end of a page.
                        for r in 0..R {
                            s.prefetch(codes.wrapping_add(step * at.row_bytes + r * 64 + AHEAD));
                        }
                    }
                    let mut w = [s.splat_bytes([0; 4]); R];
                    for r in 0..R {
                        w[r] = s.load_bytes(&*codes.add(step * at.row_bytes + r * 64).cast());
                    }
                    for t in 0..T {
                        let v = s.splat_bytes(*x.add(t * at.stride + 4 * step).cast());
                        for r in 0..R {
                            $sums[t][r] = s.$dot($sums[t][r], w[r], v);
                        }
                    }
                }
                {
                    codes = codes.add($n * at.row_bytes);
                    x = x.add(4 * $n);
                }
            };
        }
        /// All steps, sums in `$sums`.
        macro_rules! all_steps {
            ($sums:ident, $dot:ident) => {
                for _ in 0..steps / S::UNROLL {
                    if S::UNROLL == 4 {
                        steps!($sums, $dot, 4);
                    } else {
                        steps!($sums, $dot, 1);
                    }
                }
                for _ in 0..steps % S::UNROLL {
                    steps!($sums, $dot, 1);
                }
            };
        }
        /// Between `$open` and its counterpart, `$body` on narrow sums.
        macro_rules! narrow {
            (|$narrow:ident| $body:expr) => {
                let mut $narrow = [[s.open(s.splat_int(0)); R]; T];
                for t in 0..T {
                    for r in 0..R {
                        $narrow[t][r] = s.open(acc[t][r]);
                    }
                }
                $body;
                for t in 0..T {
                    for r in 0..R {
                        acc[t][r] = s.close(acc[t][r], $narrow[t][r]);
                    }
                }
            };
        }
        if WIDE {
            all_steps!(acc, dot_u8);
        } else if !S::NARROW {
            narrow!(|sums| {
                all_steps!(sums, dot_u4);
            });
        } else {
            /// `$run` steps; the first apart: its products need not be added to zeros.
            macro_rules! run {
                ($run:expr) => {
                    narrow!(|sums| {
                        steps!(sums, dot_u4, 1);
                        for _ in 1..$run {
                            steps!(sums, dot_u4, 1);
                        }
                    });
                };
            }
            let first = steps.min(at.narrow_steps);
            run!(first);
            let mut left = steps - first;
            while left > 0 {
                let next = left.min(at.narrow_steps);
                run!(next);
                left -= next;
            }
        }
    }
}

/// See the module: f32 activations. T tokens share each widened code.
#[inline(always)]
pub(crate) fn matmul_f32<S: Lanes, const T: usize>(s: S, panel: &Panel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
    (0..y.rows()).for_each(|token| y.row(token).fill(0.0));
    let mut unpacked = Unpacked::<BLOCK_COLUMNS>::new();
    for first in (0..panel.columns).step_by(BLOCK_COLUMNS) {
        let end = (first + BLOCK_COLUMNS).min(panel.columns);
        let block = Block::of(panel, first, end, unpacked.codes(s, panel, first, end));
        all_tokens_f32::<S, T>(s, block, x, y);
    }
}

/// Adds a block of columns to all tokens of y, f32 activations.
#[inline(always)]
pub(crate) fn all_tokens_f32<S: Lanes, const T: usize>(s: S, block: Block<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
    let row_blocks = block.panel.padded_rows() / ROW_BLOCK;
    let mut token = 0;
    while token + T <= y.rows() {
        for row_block in 0..row_blocks {
            tile_f32::<S, T>(s, block, x, y, row_block, token);
        }
        token += T;
    }
    while token < y.rows() {
        for row_block in 0..row_blocks {
            tile_f32::<S, 1>(s, block, x, y, row_block, token);
        }
        token += 1;
    }
}

/// Adds a block of columns to sixteen rows times T tokens of y, f32 activations.
#[inline(always)]
fn tile_f32<S: Lanes, const T: usize>(
    s: S,
    block: Block<'_>,
    x: &[f32],
    y: &mut ColumnsMut<'_>,
    row_block: usize,
    token: usize,
) {
    let panel = block.panel;
    let (padded, segment, columns) = (panel.padded_rows(), segment_of(panel.group), panel.columns);
    let x = &x[token * columns..(token + T) * columns];
    let rows = row_block * ROW_BLOCK..panel.rows.min((row_block + 1) * ROW_BLOCK);
    let mut sums = [s.splat(0.0); T];
    for t in 0..T {
        sums[t] = s.load_partial(&y.row(token + t)[rows.clone()]);
    }
    for start in (block.first..block.end).step_by(segment) {
        let end = (start + segment).min(block.end);
        let group = if panel.group.is_some() { (start - block.first) / segment } else { 0 };
        let grid = group * padded + row_block * ROW_BLOCK..group * padded + (row_block + 1) * ROW_BLOCK;
        let zero = match block.zeros {
            Zeros::Constant(zero) => s.splat(f32::from(zero)),
            Zeros::PerGroup(zeros) => match zeros[grid.clone()].first_chunk() {
                Some(sixteen) => s.to_float(s.widen_u8(sixteen)),
                None => unreachable!("sixteen bytes were sliced"),
            },
            Zeros::Floats(zeros) => s.load_partial(&zeros[grid.clone()]),
        };
        let mut inner = [s.splat(0.0); T];
        for k in (start..end).step_by(4) {
            let from = ((k - block.first) / 4 * padded + row_block * ROW_BLOCK) * 4;
            let bytes = match block.codes[from..from + 64].first_chunk() {
                Some(bytes) => s.load_bytes(bytes),
                None => unreachable!("64 bytes were sliced"),
            };
            let codes = [s.byte::<0>(bytes), s.byte::<1>(bytes), s.byte::<2>(bytes), s.byte::<3>(bytes)];
            for (j, &code) in codes.iter().enumerate().take(end - k) {
                let w = s.sub(s.to_float(code), zero);
                for (t, acc) in inner.iter_mut().enumerate() {
                    *acc = s.accumulate(*acc, w, s.splat(x[t * columns + k + j]));
                }
            }
        }
        let scale = s.load_partial(&block.scales[grid]);
        for (sum, acc) in sums.iter_mut().zip(inner) {
            *sum = s.accumulate(*sum, acc, scale);
        }
    }
    for (t, sum) in sums.into_iter().enumerate() {
        s.store_partial(sum, &mut y.row(token + t)[rows.clone()]);
    }
}
