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

    /// Bytes of scratch the products need.
    pub fn scratch_bytes(&self) -> usize {
        match self.bits {
            CodeBits::Eight => 0,
            _ => self.padded_rows() * self.bits.padded_columns(self.columns),
        }
    }

    pub(crate) fn check(&self) {
        let groups = self.group.map_or(1, |group| self.columns.div_ceil(group));
        let padded = self.padded_rows();
        assert!(self.rows > 0 && self.rows <= PANEL_ROWS && self.columns > 0, "panel of {} x {}", self.rows, self.columns);
        assert!(self.group.is_none_or(|group| [16, 32, 64, 128].contains(&group)), "group {:?}", self.group);
        assert_eq!(self.codes.len(), self.bits.panel_bytes(self.rows, self.columns), "bytes of codes");
        assert_eq!(self.scales.len(), groups * padded, "scales");
        if let Zeros::PerGroup(zeros) = self.zeros {
            assert_eq!(zeros.len(), groups * padded, "zeros");
        }
    }
}

/// Packs codes [rows, columns] (row-major, one byte a code) into a panel's bytes.
///
/// # Panics
/// If lengths disagree or a code does not fit the width.
pub fn pack(bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &mut [u8]) {
    assert_eq!(codes.len(), rows * columns, "codes of {rows} x {columns}");
    assert_eq!(packed.len(), bits.panel_bytes(rows, columns), "bytes of the panel");
    let padded_rows = rows.next_multiple_of(ROW_BLOCK);
    packed.fill(0);
    for row in 0..rows {
        for (k, &code) in codes[row * columns..(row + 1) * columns].iter().enumerate() {
            assert!(code <= bits.max_code(), "code {code} in {} bits", bits.bits());
            for (at, byte) in places(bits, padded_rows, row, k, code) {
                packed[at] |= byte;
            }
        }
    }
}

/// The bytes, with their places, that hold the code of row `row` and column `k`: one, or two for 3 bits.
fn places(bits: CodeBits, padded_rows: usize, row: usize, k: usize, code: u8) -> impl Iterator<Item = (usize, u8)> {
    let plane = padded_rows * 4;
    let lane = row * 4 + k % 4;
    let (first, second) = match bits {
        CodeBits::Eight => ((k / 4 * plane + lane, code), None),
        CodeBits::Four => ((k / 8 * plane + lane, code << (4 * (k / 4 % 2))), None),
        CodeBits::Two => ((k / 16 * plane + lane, code << (2 * (k / 4 % 4))), None),
        CodeBits::Three => {
            let start = k / 32 * 3 * plane;
            let low = (start + k / 16 % 2 * plane + lane, (code & 3) << (2 * (k / 4 % 4)));
            let high = (start + 2 * plane + lane, (code >> 2) << (k / 4 % 8));
            (low, Some(high))
        }
    };
    std::iter::once(first).chain(second)
}

/// The code of row `row` and column `k` of a packed panel.
pub fn code_at(bits: CodeBits, rows: usize, packed: &[u8], row: usize, k: usize) -> u8 {
    let padded_rows = rows.next_multiple_of(ROW_BLOCK);
    let mut code = 0;
    for candidate in 0..bits.bits() {
        let bit = 1u8 << candidate;
        for (at, byte) in places(bits, padded_rows, row, k, bit) {
            if byte != 0 && packed[at] & byte == byte {
                code |= bit;
            }
        }
    }
    code
}
