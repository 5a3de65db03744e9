//! SpQR's matrix: packed codes in small groups, scales and zeros that are codes themselves, and outliers.
//!
//! # Layout
//! Codes in panels of 64 rows as every packed matrix has them (`kernels::grouped::panel`); statistics and their second
//! level beside them (`kernels::bilevel`); outliers row by row (`kernels::outliers`). In groups of 16 with statistics of
//! 3 bits that is, for one weight, its code, 2 * 3 / 16 bits of statistics and 4 * 32 / 256 of their second level: 3.875
//! bits where codes have 3. An outlier takes 16 bits and 16 for its column, twice that where it must be exact to f32
//! ([`OutlierPrecision`]), and every row 32 for where its own begin.
//!
//! # What is rounded
//! The second level is f32. The paper counts 16 bits for each of its numbers (3.625 bits in all); as IEEE halves, with the
//! range put where they are by a power of two, they moved the errors of layers by up to 0.5 % at 4 bits and 0.25 % at 2,
//! which is more than a perplexity that must agree with the float64 reference to 0.1 % leaves room for. They are stored
//! as step and offset, value = offset + step * code, rather than as scale and zero, whose product can be far larger than
//! what it stands for.
//!
//! An outlier is stored as its *difference* to what its code stands for in the matrix as stored, and its code is the
//! nearest: the dense part need not be told to leave it out, and what is rounded, to a half times a power of two of the
//! matrix, is only the distance to the grid. w as multiplied is w as chosen, to 2^-11 of that distance, or 2^-22 as two halves.
//! (What is chosen carries the feedback of earlier columns, so that no 16 bits hold it exactly whatever the checkpoint's
//! type. Where later blocks are then quantized to what the rounded ones give them, some of their outliers fall otherwise:
//! at 4 and 2 bits that moved the perplexity of a small f32 model by 0.3 and 2.7 %, in no particular direction.)

use crate::aligned::Aligned;
use crate::error::Error;
use crate::format::half::{Halves, power_of_two_for};
use crate::input_map::InputMap;
use kernels::{BilevelPanel, CodeBits, Kernels, Outliers, PANEL_ROWS, ROW_BLOCK};
use rayon::prelude::*;
use std::sync::Arc;

/// Size of a matrix and of its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseQuantizedShape {
    /// Output rows.
    pub rows: usize,
    /// Input columns.
    pub columns: usize,
    /// Width of a code.
    pub bits: CodeBits,
    /// Columns of a group: 8, 16, 32, 64 or 128.
    pub group: usize,
    /// Bits of the code of a scale and of a zero, 1 to 8 each.
    pub statistic_bits: [usize; 2],
}

/// value = offset + step * code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// From one code to the next.
    pub step: f64,
    /// The value of code 0.
    pub offset: f64,
}

/// What a matrix is made of. Row groups are sixteen consecutive rows, the last one of what is left.
#[derive(Clone, Copy, Debug)]
pub struct SparseQuantizedParts<'a> {
    /// [rows, columns].
    pub codes: &'a [u8],
    /// Codes of scales, [row groups, groups, rows of the group].
    pub scale_codes: &'a [u8],
    /// Codes of zeros, likewise.
    pub zero_codes: &'a [u8],
    /// What codes of scales and of zeros stand for, [row groups, groups].
    pub second_levels: &'a [[Line; 2]],
    /// (row, column, weight), ascending.
    pub outliers: &'a [(u32, u32, f64)],
    /// In what outliers are held.
    pub outlier_precision: OutlierPrecision,
}

/// In what outliers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierPrecision {
    /// A half, 11 bits: for weights that had no more.
    Half,
    /// Two halves, the second of what the first rounds off, 22 bits: for weights of f32.
    TwoHalves,
}

/// w[r, k] = scale * (code - zero) + outlier, packed.
#[derive(Clone, Debug)]
pub struct SparseQuantizedMatrix {
    shape: SparseQuantizedShape,
    codes: Aligned<u8>,
    planes: Vec<u8>,
    /// Step and offset of scales, then of zeros.
    seconds: Vec<[f32; 4]>,
    /// [rows + 1].
    starts: Vec<u32>,
    outlier_columns: Vec<u16>,
    outlier_values: Vec<u16>,
    outlier_unit: f32,
    map: Option<Arc<InputMap>>,
}

impl SparseQuantizedShape {
    fn groups(&self) -> usize {
        self.columns.div_ceil(self.group)
    }

    /// Row blocks of sixteen, the last one padded.
    fn blocks(&self) -> usize {
        self.rows.div_ceil(ROW_BLOCK)
    }

    /// Bytes of the statistics of a block and group.
    fn record(&self) -> usize {
        2 * (self.statistic_bits[0] + self.statistic_bits[1])
    }

    fn panel_rows(&self, panel: usize) -> usize {
        PANEL_ROWS.min(self.rows - panel * PANEL_ROWS)
    }

    /// Where the statistics of a row block and group lie: panel by panel, group by group, block by block.
    fn place(&self, block: usize, group: usize) -> usize {
        let panel = block * ROW_BLOCK / PANEL_ROWS;
        let (first, blocks) = (panel * PANEL_ROWS / ROW_BLOCK, self.panel_rows(panel).div_ceil(ROW_BLOCK));
        first * self.groups() + group * blocks + block - first
    }
}

/// Most columns that a matrix with outliers can have: their indices are of 16 bits.
const MAX_COLUMNS: usize = 1 << 16;

impl SparseQuantizedMatrix {
    /// Packs a matrix.
    ///
    /// # Errors
    /// If there are outliers in more than 65,536 columns.
    ///
    /// # Panics
    /// If lengths disagree, a code does not fit its width, or a number is not finite.
    pub fn new(
        kernels: &Kernels,
        shape: SparseQuantizedShape,
        parts: &SparseQuantizedParts<'_>,
    ) -> Result<Self, Error> {
        let (rows, columns, groups) = (shape.rows, shape.columns, shape.groups());
        assert!([8, 16, 32, 64, 128].contains(&shape.group) && rows > 0 && columns > 0, "{shape:?}");
        assert!(shape.statistic_bits.iter().all(|bits| (1..=8).contains(bits)), "{shape:?}");
        assert_eq!(parts.codes.len(), rows * columns, "codes");
        assert!(parts.scale_codes.len() == rows * groups && parts.zero_codes.len() == rows * groups, "statistics");
        assert_eq!(parts.second_levels.len(), shape.blocks() * groups, "second level");
        if !parts.outliers.is_empty() && columns > MAX_COLUMNS {
            return Err(Error::OutlierColumns { columns, limit: MAX_COLUMNS });
        }
        let full_panel = shape.bits.panel_bytes(PANEL_ROWS, columns);
        let mut codes = Aligned::zeroed(shape.bits.panel_bytes(shape.blocks() * ROW_BLOCK, columns));
        let panels = codes.as_mut_slice().par_chunks_mut(full_panel).zip(parts.codes.par_chunks(PANEL_ROWS * columns));
        panels.for_each(|(packed, codes)| kernels.pack(shape.bits, codes.len() / columns, columns, codes, packed));
        let mut matrix = Self {
            shape,
            codes,
            planes: pack_planes(&shape, parts),
            seconds: pack_seconds(&shape, parts.second_levels),
            starts: vec![0; rows + 1],
            outlier_columns: Vec::new(),
            outlier_values: Vec::new(),
            outlier_unit: 1.0,
            map: None,
        };
        let differences: Vec<f64> = parts.outliers.iter().map(|outlier| matrix.difference(parts, outlier)).collect();
        matrix.outlier_unit = power_of_two_for(differences.iter().copied());
        let halves = Halves(matrix.outlier_unit);
        for (&(row, column, _), &difference) in parts.outliers.iter().zip(&differences) {
            let half = halves.of(difference);
            let rest = halves.of(difference - halves.value(half));
            let entries = match parts.outlier_precision {
                OutlierPrecision::Half => &[half][..],
                OutlierPrecision::TwoHalves => &[half, rest][..],
            };
            matrix.starts[row as usize + 1] += entries.len() as u32;
            matrix.outlier_values.extend(entries);
            matrix.outlier_columns.extend(entries.iter().map(|_| column as u16));
        }
        for row in 0..rows {
            matrix.starts[row + 1] += matrix.starts[row];
        }
        Ok(matrix)
    }

    /// How far an outlier lies from what its code stands for in the matrix as stored.
    fn difference(&self, parts: &SparseQuantizedParts<'_>, &(row, column, weight): &(u32, u32, f64)) -> f64 {
        let (row, column) = (row as usize, column as usize);
        let (scale, zero) = self.grid(row, column / self.shape.group);
        weight - f64::from(scale) * (f64::from(parts.codes[row * self.shape.columns + column]) - f64::from(zero))
    }

    /// The same matrix, to be multiplied with a mapped input.
    ///
    /// # Panics
    /// If the map has another number of columns.
    pub fn with_input_map(self, map: Arc<InputMap>) -> Self {
        assert_eq!(map.columns(), self.shape.columns, "columns of the map");
        Self { map: Some(map), ..self }
    }

    /// How the input's features map to columns, where they are not the same.
    pub fn input_map(&self) -> Option<&Arc<InputMap>> {
        self.map.as_ref()
    }

    /// Size and groups.
    pub fn shape(&self) -> &SparseQuantizedShape {
        &self.shape
    }

    /// Number of entries of outliers: one each, or two.
    pub fn outlier_count(&self) -> usize {
        self.outlier_values.len()
    }

    /// Bytes held: codes, statistics and outliers (an input map is shared, and counted by the model).
    pub fn bytes(&self) -> usize {
        let outliers = 4 * self.starts.len() + 2 * (self.outlier_columns.len() + self.outlier_values.len());
        self.codes.as_slice().len() + self.planes.len() + 16 * self.seconds.len() + outliers
    }

    /// Panel `index`, as the kernels take it.
    pub fn panel(&self, index: usize) -> BilevelPanel<'_> {
        let shape = &self.shape;
        let rows = shape.panel_rows(index);
        let start = index * shape.bits.panel_bytes(PANEL_ROWS, shape.columns);
        let first = index * (PANEL_ROWS / ROW_BLOCK) * shape.groups();
        let blocks = first..first + rows.div_ceil(ROW_BLOCK) * shape.groups();
        BilevelPanel {
            bits: shape.bits,
            rows,
            columns: shape.columns,
            group: shape.group,
            codes: &self.codes.as_slice()[start..start + shape.bits.panel_bytes(rows, shape.columns)],
            statistic_bits: shape.statistic_bits,
            planes: &self.planes[blocks.start * shape.record()..blocks.end * shape.record()],
            seconds: &self.seconds[blocks],
        }
    }

    /// The outliers of panel `index`.
    pub fn outliers(&self, index: usize) -> Outliers<'_> {
        let first = index * PANEL_ROWS;
        Outliers {
            starts: &self.starts[first..=first + self.shape.panel_rows(index)],
            columns: &self.outlier_columns,
            values: &self.outlier_values,
            unit: self.outlier_unit,
        }
    }

    /// Scale and zero of a row and group, as multiplied.
    pub fn grid(&self, row: usize, group: usize) -> (f32, f32) {
        self.panel(row / PANEL_ROWS).grid(row % PANEL_ROWS, group)
    }

    /// The codes of row `row`, into `out` [columns]; in the order of columns where an input map reorders features.
    pub fn codes_of_row(&self, row: usize, out: &mut [u8]) {
        let panel = self.panel(row / PANEL_ROWS);
        for (k, code) in out.iter_mut().enumerate() {
            *code = kernels::grouped::panel::code_at(panel.bits, panel.rows, panel.codes, row % PANEL_ROWS, k);
        }
    }

    /// Row `row` as it is multiplied, in f64, into `out` [columns]. For checks: no product uses it.
    pub fn dequantize_columns(&self, row: usize, out: &mut [f64]) {
        let panel = self.panel(row / PANEL_ROWS);
        let inside = row % PANEL_ROWS;
        for (group, out) in out.chunks_mut(panel.group).enumerate() {
            let (scale, zero) = panel.grid(inside, group);
            for (offset, value) in out.iter_mut().enumerate() {
                let k = group * panel.group + offset;
                let code = kernels::grouped::panel::code_at(panel.bits, panel.rows, panel.codes, inside, k);
                *value = f64::from(scale) * (f64::from(code) - f64::from(zero));
            }
        }
        for index in self.starts[row] as usize..self.starts[row + 1] as usize {
            out[usize::from(self.outlier_columns[index])] +=
                Halves(self.outlier_unit).value(self.outlier_values[index]);
        }
    }

    /// Row `row` dequantized, into `out` [features]. For checks and look-ups: no product uses it.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        let mut wide = vec![0.0; out.len()];
        self.dequantize_columns(row, &mut wide);
        let columns: Vec<f32> = wide.iter().map(|&value| value as f32).collect();
        match &self.map {
            Some(map) => map.undo(&columns, out),
            None => out.copy_from_slice(&columns),
        }
    }
}

/// The arrays of a matrix as they lie in memory, to be stored.
#[derive(Clone, Debug)]
pub(super) struct Arrays {
    pub(super) codes: Vec<u8>,
    pub(super) planes: Vec<u8>,
    pub(super) seconds: Vec<[f32; 4]>,
    pub(super) starts: Vec<u32>,
    pub(super) outlier_columns: Vec<u16>,
    pub(super) outlier_values: Vec<u16>,
    pub(super) outlier_unit: f32,
}

impl SparseQuantizedMatrix {
    pub(super) fn arrays(&self) -> Arrays {
        Arrays {
            codes: self.codes.as_slice().to_vec(),
            planes: self.planes.clone(),
            seconds: self.seconds.clone(),
            starts: self.starts.clone(),
            outlier_columns: self.outlier_columns.clone(),
            outlier_values: self.outlier_values.clone(),
            outlier_unit: self.outlier_unit,
        }
    }

    /// The matrix of stored arrays, or what cannot be of one.
    pub(super) fn from_arrays(shape: SparseQuantizedShape, arrays: Arrays) -> Result<Self, String> {
        let known = [8, 16, 32, 64, 128].contains(&shape.group)
            && shape.statistic_bits.iter().all(|bits| (1..=8).contains(bits))
            && shape.rows > 0
            && shape.columns > 0
            && shape.rows.checked_mul(shape.columns).is_some_and(|cells| cells / 8 <= arrays.codes.len());
        if !known || arrays.codes.len() != shape.bits.panel_bytes(shape.blocks() * ROW_BLOCK, shape.columns) {
            return Err(format!("{} bytes of codes for {shape:?}", arrays.codes.len()));
        }
        let records = shape.blocks() * shape.groups();
        if arrays.planes.len() != records * shape.record() || arrays.seconds.len() != records {
            return Err("statistics of another size".into());
        }
        let outliers = arrays.outlier_values.len();
        let ends = (arrays.starts.first().copied(), arrays.starts.last().map(|&last| last as usize));
        if arrays.starts.len() != shape.rows + 1 || ends != (Some(0), Some(outliers)) || !arrays.starts.is_sorted() {
            return Err("rows of outliers that do not follow each other".into());
        }
        let mut columns = arrays.outlier_columns.iter();
        if arrays.outlier_columns.len() != outliers || columns.any(|&column| usize::from(column) >= shape.columns) {
            return Err("outliers in columns that there are not".into());
        }
        let numbers = arrays.seconds.as_flattened();
        if !arrays.outlier_unit.is_finite() || numbers.iter().any(|number| !number.is_finite()) {
            return Err("a number that is not finite".into());
        }
        let mut codes = Aligned::zeroed(arrays.codes.len());
        codes.as_mut_slice().copy_from_slice(&arrays.codes);
        Ok(Self {
            shape,
            codes,
            planes: arrays.planes,
            seconds: arrays.seconds,
            starts: arrays.starts,
            outlier_columns: arrays.outlier_columns,
            outlier_values: arrays.outlier_values,
            outlier_unit: arrays.outlier_unit,
            map: None,
        })
    }
}

/// The planes of codes of scales, then of zeros, of every row block and group; see `kernels::bilevel`.
fn pack_planes(shape: &SparseQuantizedShape, parts: &SparseQuantizedParts<'_>) -> Vec<u8> {
    let (groups, record) = (shape.groups(), shape.record());
    let mut planes = vec![0; shape.blocks() * groups * record];
    for block in 0..shape.blocks() {
        let rows = ROW_BLOCK.min(shape.rows - block * ROW_BLOCK);
        for group in 0..groups {
            let from = block * ROW_BLOCK * groups + group * rows;
            let place = shape.place(block, group) * record;
            let mut planes = planes[place..place + record].as_chunks_mut::<2>().0.iter_mut();
            for (codes, bits) in [parts.scale_codes, parts.zero_codes].into_iter().zip(shape.statistic_bits) {
                let codes = &codes[from..from + rows];
                assert!(codes.iter().all(|&code| u32::from(code) < 1 << bits), "{codes:?} in {bits} bits");
                for (p, plane) in planes.by_ref().take(bits).enumerate() {
                    let mut mask = 0;
                    for (row, code) in codes.iter().enumerate() {
                        mask |= u16::from(code >> p & 1) << row;
                    }
                    *plane = mask.to_le_bytes();
                }
            }
        }
    }
    planes
}

/// Steps and offsets of every row block and group.
fn pack_seconds(shape: &SparseQuantizedShape, second_levels: &[[Line; 2]]) -> Vec<[f32; 4]> {
    let groups = shape.groups();
    let mut seconds = vec![[0.0; 4]; second_levels.len()];
    for (index, [scales, zeros]) in second_levels.iter().enumerate() {
        let values = [scales.step, scales.offset, zeros.step, zeros.offset].map(|value| value as f32);
        assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
        seconds[shape.place(index / groups, index % groups)] = values;
    }
    seconds
}
