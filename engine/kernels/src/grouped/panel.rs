//! Packed weight codes: up to 64 output rows, all input columns.
//!
//! # Layout
//! Rows are padded to a multiple of 16 (R of them), columns to a multiple of the step of the width. In memory:
//! ```text
//! 8 bits   [K/4 ][R][4]  byte j of row r at step s: code of k = 4s + j
//! 4 bits   [K/8 ][R][4]  low nibble: k = 8s + j, high nibble: k = 8s + 4 + j
//! 2 bits   [K/16][R][4]  bits 2f..2f+2: k = 16s + 4f + j
//! 3 bits   [K/32] times  two 2-bit planes as above for k = 32s and 32s + 16 (the low two bits),
//!                        then one plane [R][4] whose bit f is the high bit of k = 32s + 4f + j
//! ```
//! So one 64-byte load holds four codes (8 bits) or more of sixteen rows, and a lower width unpacks by shift and mask
//! alone into the 8-bit order. Lanes are output rows: no sum is ever taken across lanes.

use crate::lanes::scalar::Scalar;
use crate::lanes::{LANES, Lanes};

/// Bits of a weight code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeBits {
    /// 2 bits.
    Two,
    /// 3 bits.
    Three,
    /// 4 bits.
    Four,
    /// 8 bits.
    Eight,
}

/// Rows of a full panel.
pub const PANEL_ROWS: usize = 64;

/// Rows that share one vector.
pub const ROW_BLOCK: usize = 16;

impl CodeBits {
    /// All widths.
    pub const ALL: [CodeBits; 4] = [CodeBits::Two, CodeBits::Three, CodeBits::Four, CodeBits::Eight];

    /// The width of `bits` bits, if there is one.
    pub fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|width| width.bits() == bits)
    }

    /// Number of bits.
    pub fn bits(self) -> u32 {
        match self {
            CodeBits::Two => 2,
            CodeBits::Three => 3,
            CodeBits::Four => 4,
            CodeBits::Eight => 8,
        }
    }

    /// Largest code, 2^bits - 1.
    pub fn max_code(self) -> u8 {
        ((1u16 << self.bits()) - 1) as u8
    }

    /// Columns packed together.
    pub fn step(self) -> usize {
        match self {
            CodeBits::Two => 16,
            CodeBits::Three => 32,
            CodeBits::Four => 8,
            CodeBits::Eight => 4,
        }
    }

    /// Rows of four bytes that a step takes: bytes of a step and row, divided by four.
    pub(crate) fn planes(self) -> usize {
        match self {
            CodeBits::Three => 3,
            _ => 1,
        }
    }

    /// Columns stored for `columns` columns.
    pub fn padded_columns(self, columns: usize) -> usize {
        columns.next_multiple_of(self.step())
    }

    /// Bytes of a panel of `rows` rows.
    pub fn panel_bytes(self, rows: usize, columns: usize) -> usize {
        rows.next_multiple_of(ROW_BLOCK) * self.padded_columns(columns) * self.bits() as usize / 8
    }
}

/// Zero points of a panel.
#[derive(Clone, Copy, Debug)]
pub enum Zeros<'a> {
    /// One for all weights (a symmetric grid): nothing is stored.
    Constant(u8),
    /// [scale groups, R].
    PerGroup(&'a [u8]),
    /// [scale groups, R], any number: the code of zero need not be an integer.
    Floats(&'a [f32]),
}

/// A panel: w[r, k] = scale[g, r] * (code[r, k] - zero[g, r]), g the group of k.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    /// Width of the codes.
    pub bits: CodeBits,
    /// Output rows, 1 to 64.
    pub rows: usize,
    /// Input columns.
    pub columns: usize,
    /// Columns of one scale, or `None` for one scale a row.
    pub group: Option<usize>,
    /// Packed codes, `bits.panel_bytes(rows, columns)` of them.
    pub codes: &'a [u8],
    /// [scale groups, R].
    pub scales: &'a [f32],
    /// Zero points.
    pub zeros: Zeros<'a>,
}

/// Columns summed in integers before scaling, where weights have one scale a row.
pub const ROW_SEGMENT: usize = 128;

/// The columns of one activation scale for weights with scales of `group` columns.
pub fn segment_of(group: Option<usize>) -> usize {
    group.unwrap_or(ROW_SEGMENT)
}

impl Panel<'_> {
    /// Rows with padding, R.
    pub fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(ROW_BLOCK)
    }

    pub(crate) fn check(&self) {
        let groups = self.group.map_or(1, |group| self.columns.div_ceil(group));
        let padded = self.padded_rows();
        assert!(
            self.rows > 0 && self.rows <= PANEL_ROWS && self.columns > 0,
            "panel of {} x {}",
            self.rows,
            self.columns
        );
        assert!(self.group.is_none_or(|group| [8, 16, 32, 64, 128].contains(&group)), "group {:?}", self.group);
        assert_eq!(self.codes.len(), self.bits.panel_bytes(self.rows, self.columns), "bytes of codes");
        assert_eq!(self.scales.len(), groups * padded, "scales");
        match self.zeros {
            Zeros::Constant(_) => {}
            Zeros::PerGroup(zeros) => assert_eq!(zeros.len(), groups * padded, "zeros"),
            Zeros::Floats(zeros) => assert_eq!(zeros.len(), groups * padded, "zeros"),
        }
    }
}

/// Packs codes [rows, columns] (row-major, one byte a code) into a panel's bytes, in plain Rust; as
/// [`crate::Kernels::pack`].
///
/// # Panics
/// If lengths disagree or a code does not fit the width.
pub fn pack(bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &mut [u8]) {
    check_pack(bits, rows, columns, codes, packed);
    pack_lanes(Scalar, bits, rows, columns, codes, packed);
}

/// The lengths that packing relies on.
pub(crate) fn check_pack(bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &[u8]) {
    assert_eq!(codes.len(), rows * columns, "codes of {rows} x {columns}");
    assert_eq!(packed.len(), bits.panel_bytes(rows, columns), "bytes of the panel");
}

/// Columns packed at a time: sixteen words of four codes, a multiple of every step.
const PACK_COLUMNS: usize = 64;

/// See [`pack`]. Sixteen rows times sixteen words are transposed in registers: result i then holds word i of all rows,
/// the order of the 8-bit layout, and a lower width joins some of them by shift and or.
#[inline(always)]
pub(crate) fn pack_lanes<S: Lanes>(s: S, bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &mut [u8]) {
    let plane = rows.next_multiple_of(ROW_BLOCK) * 4;
    let block_bytes = plane / 4 * PACK_COLUMNS * bits.bits() as usize / 8;
    let zeros = s.splat_bytes([0; 4]);
    let mut seen = zeros;
    for (block, packed) in packed.chunks_mut(block_bytes).enumerate() {
        let start = block * PACK_COLUMNS;
        let len = PACK_COLUMNS.min(columns - start);
        for first_row in (0..rows).step_by(ROW_BLOCK) {
            let mut words = [zeros; LANES];
            let block = &codes[first_row * columns + start..];
            if len == PACK_COLUMNS && block.len() >= (ROW_BLOCK - 1) * columns + PACK_COLUMNS {
                // All of them: a loop whose length is known stays in registers.
                for i in 0..ROW_BLOCK {
                    if let Some(codes) = block[i * columns..].first_chunk() {
                        words[i] = s.load_bytes(codes);
                    }
                }
            } else {
                for (word, row) in words.iter_mut().zip(block.chunks(columns)) {
                    let mut padded = [0; PACK_COLUMNS];
                    let len = len.min(row.len());
                    padded[..len].copy_from_slice(&row[..len]);
                    *word = s.load_bytes(&padded);
                }
            }
            if bits != CodeBits::Eight {
                for i in 0..ROW_BLOCK {
                    seen = s.join::<0>(seen, words[i]);
                }
            }
            let words = s.transpose(words);
            let at = first_row * 4;
            match bits {
                CodeBits::Eight => store_planes(s, words, plane, &mut packed[at..]),
                CodeBits::Four => {
                    let mut planes = [zeros; 8];
                    for (i, joined) in planes.iter_mut().enumerate() {
                        *joined = s.join::<4>(words[2 * i], words[2 * i + 1]);
                    }
                    store_planes(s, planes, plane, &mut packed[at..]);
                }
                CodeBits::Two => {
                    let mut planes = [zeros; 4];
                    for (i, joined) in planes.iter_mut().enumerate() {
                        *joined = join_low_bits(s, &words, 4 * i);
                    }
                    store_planes(s, planes, plane, &mut packed[at..]);
                }
                CodeBits::Three => {
                    let mut planes = [zeros; 6];
                    for step in 0..2 {
                        planes[3 * step] = join_low_bits(s, &words, 8 * step);
                        planes[3 * step + 1] = join_low_bits(s, &words, 8 * step + 4);
                        planes[3 * step + 2] = join_high_bits(s, &words, 8 * step);
                    }
                    store_planes(s, planes, plane, &mut packed[at..]);
                }
            }
        }
    }
    let mut beyond = [0; 64];
    s.store_bytes(s.field::<0>(seen, !bits.max_code()), &mut beyond);
    if beyond != [0; 64] {
        let largest = codes.iter().fold(0, |largest, &code| if code > largest { code } else { largest });
        panic!("code {largest} in {} bits", bits.bits());
    }
}

/// Stores the planes of one row block, as many as there is room for.
#[inline(always)]
fn store_planes<S: Lanes, const P: usize>(s: S, planes: [S::B; P], plane: usize, packed: &mut [u8]) {
    if packed.len() >= (P - 1) * plane + 64 {
        // All of them: a loop whose length is known stays in registers.
        for i in 0..P {
            if let Some(packed) = packed[i * plane..].first_chunk_mut() {
                s.store_bytes(planes[i], packed);
            }
        }
    } else {
        for (bytes, packed) in planes.iter().zip(packed.chunks_mut(plane)) {
            if let Some(packed) = packed.first_chunk_mut() {
                s.store_bytes(*bytes, packed);
            }
        }
    }
}

/// The low two bits of the codes of four words, joined in one: word f gives bits 2f and 2f + 1.
#[inline(always)]
fn join_low_bits<S: Lanes>(s: S, words: &[S::B; LANES], first: usize) -> S::B {
    let mut joined = s.field::<0>(words[first], 3);
    joined = s.join::<2>(joined, s.field::<0>(words[first + 1], 3));
    joined = s.join::<4>(joined, s.field::<0>(words[first + 2], 3));
    s.join::<6>(joined, words[first + 3])
}

/// Bit 2 of the codes of eight words, joined in one: word f gives bit f.
#[inline(always)]
fn join_high_bits<S: Lanes>(s: S, words: &[S::B; LANES], first: usize) -> S::B {
    let mut joined = s.field::<2>(words[first], 1);
    joined = s.join::<1>(joined, s.field::<2>(words[first + 1], 1));
    joined = s.join::<2>(joined, s.field::<2>(words[first + 2], 1));
    joined = s.join::<3>(joined, s.field::<2>(words[first + 3], 1));
    joined = s.join::<4>(joined, s.field::<2>(words[first + 4], 1));
    joined = s.join::<5>(joined, s.field::<2>(words[first + 5], 1));
    joined = s.join::<6>(joined, s.field::<2>(words[first + 6], 1));
    s.join::<7>(joined, s.field::<2>(words[first + 7], 1))
}

/// The code of row `row` and column `k` of a packed panel: the layout read back one code at a time.
///
/// # Panics
/// If `row` or `k` lies outside the panel.
pub fn code_at(bits: CodeBits, rows: usize, packed: &[u8], row: usize, k: usize) -> u8 {
    let plane = rows.next_multiple_of(ROW_BLOCK) * 4;
    let lane = row * 4 + k % 4;
    match bits {
        CodeBits::Eight => packed[k / 4 * plane + lane],
        CodeBits::Four => packed[k / 8 * plane + lane] >> (4 * (k / 4 % 2)) & 15,
        CodeBits::Two => packed[k / 16 * plane + lane] >> (2 * (k / 4 % 4)) & 3,
        CodeBits::Three => {
            let start = k / 32 * 3 * plane;
            let low = packed[start + k / 16 % 2 * plane + lane] >> (2 * (k / 4 % 4)) & 3;
            let high = packed[start + 2 * plane + lane] >> (k / 4 % 8) & 1;
            low | high << 2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: the test's own seeded numbers.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    #[test]
    fn codes_come_back_and_padding_is_zero() {
        let mut state = 1;
        for bits in CodeBits::ALL {
            for trial in 0..200 {
                let rows = if trial == 0 { PANEL_ROWS } else { 1 + next(&mut state) as usize % PANEL_ROWS };
                let columns = 1 + next(&mut state) as usize % 200;
                let mask = u64::from(bits.max_code());
                let codes: Vec<u8> = (0..rows * columns).map(|_| (next(&mut state) >> 20 & mask) as u8).collect();
                // What was in the buffer before must not matter.
                let mut packed = vec![0xa5; bits.panel_bytes(rows, columns)];
                pack(bits, rows, columns, &codes, &mut packed);
                for row in 0..rows.next_multiple_of(ROW_BLOCK) {
                    for k in 0..bits.padded_columns(columns) {
                        let inside = row < rows && k < columns;
                        let expected = if inside { codes[row * columns + k] } else { 0 };
                        let found = code_at(bits, rows, &packed, row, k);
                        assert_eq!(found, expected, "{bits:?} {rows} x {columns}, row {row}, column {k}");
                    }
                }
            }
        }
    }

    /// The bytes of the layout, written out by hand for the second row of a panel.
    #[test]
    fn bytes_lie_where_the_layout_says() {
        let packed = |bits: CodeBits, columns: usize, second: &[u8]| {
            let mut codes = vec![0u8; 2 * columns];
            codes[columns..].copy_from_slice(second);
            let mut packed = vec![0u8; bits.panel_bytes(2, columns)];
            pack(bits, 2, columns, &codes, &mut packed);
            packed
        };
        // Sixteen padded rows: a plane has 64 bytes, and the second row bytes 4..8 of each.
        let eight = packed(CodeBits::Eight, 6, &[10, 20, 30, 40, 50, 60]);
        assert_eq!((&eight[4..8], &eight[68..72]), ([10, 20, 30, 40].as_slice(), [50, 60, 0, 0].as_slice()));
        let four = packed(CodeBits::Four, 8, &[1, 2, 3, 4, 15, 14, 13, 12]);
        assert_eq!(four[4..8], [0xf1, 0xe2, 0xd3, 0xc4]);
        let two = packed(CodeBits::Two, 16, &[3, 0, 0, 0, 2, 1, 0, 0, 1, 2, 0, 0, 3, 3, 0, 1]);
        assert_eq!(two[4..8], [0b1101_1011, 0b1110_0100, 0, 0b0100_0000]);
        let mut codes = [0u8; 32];
        (codes[0], codes[4], codes[16], codes[31]) = (7, 4, 5, 6);
        let three = packed(CodeBits::Three, 32, &codes);
        assert_eq!(three[4..8], [0b11, 0, 0, 0]);
        assert_eq!(three[68..72], [0b01, 0, 0, 0b1000_0000]);
        assert_eq!(three[132..136], [0b0001_0011, 0, 0, 0b1000_0000]);
    }

    #[test]
    #[should_panic(expected = "code 16 in 4 bits")]
    fn a_code_too_large_is_refused() {
        pack(CodeBits::Four, 1, 2, &[3, 16], &mut [0; 64]);
    }
}
