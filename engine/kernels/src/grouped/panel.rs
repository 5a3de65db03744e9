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
/// A step of columns at a time, all rows of the panel: a step's codes are joined as 32-bit words, four codes each, and
/// written where the layout has them one after the other.
///
/// # Panics
/// If lengths disagree or a code does not fit the width.
pub fn pack(bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &mut [u8]) {
    assert_eq!(codes.len(), rows * columns, "codes of {rows} x {columns}");
    assert_eq!(packed.len(), bits.panel_bytes(rows, columns), "bytes of the panel");
    let largest = codes.iter().fold(0, |largest, &code| if code > largest { code } else { largest });
    assert!(largest <= bits.max_code(), "code {largest} in {} bits", bits.bits());
    match bits {
        CodeBits::Eight => pack_steps(rows, columns, codes, packed, |&[w]: &[u32; 1]| [w]),
        CodeBits::Four => pack_steps(rows, columns, codes, packed, |&[a, b]| [a | b << 4]),
        CodeBits::Two => pack_steps(rows, columns, codes, packed, |words: &[u32; 4]| [low_bits(words)]),
        CodeBits::Three => pack_steps(rows, columns, codes, packed, |words: &[u32; 8]| {
            let (first, second) = words.split_at(4);
            let mut high = 0;
            for (f, word) in words.iter().enumerate() {
                high |= (word >> 2 & 0x0101_0101) << f;
            }
            [low_bits(first), low_bits(second), high]
        }),
    }
}

/// The low two bits of each code of four words, joined in one.
fn low_bits(words: &[u32]) -> u32 {
    let mut joined = 0;
    for (f, word) in words.iter().enumerate() {
        joined |= (word & 0x0303_0303) << (2 * f);
    }
    joined
}

/// Packs steps of 4 * WORDS columns into PLANES words a row, as `join` says.
#[inline(always)]
fn pack_steps<const WORDS: usize, const PLANES: usize>(
    rows: usize,
    columns: usize,
    codes: &[u8],
    packed: &mut [u8],
    join: impl Fn(&[u32; WORDS]) -> [u32; PLANES],
) {
    let plane = rows.next_multiple_of(ROW_BLOCK) * 4;
    let step = 4 * WORDS;
    for (index, planes) in packed.chunks_exact_mut(PLANES * plane).enumerate() {
        let start = index * step;
        let len = step.min(columns - start);
        let mut padded = [[0u8; 4]; WORDS];
        for row in 0..rows {
            let step_codes = &codes[row * columns + start..][..len];
            padded.as_flattened_mut()[..len].copy_from_slice(step_codes);
            for (p, word) in join(&padded.map(u32::from_le_bytes)).into_iter().enumerate() {
                planes[p * plane + row * 4..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
        for p in 0..PLANES {
            planes[p * plane + rows * 4..(p + 1) * plane].fill(0);
        }
    }
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
