//! Packed codes with scales and zero points: 2, 3, 4 or 8 bits a weight, multiplied without ever being dequantized.
//!
//! # Layout
//! Panels of 64 output rows, the last one rounded up to 16; see `kernels::grouped::panel`. Of each panel: codes, then
//! one f32 scale and, on an asymmetric grid, one zero point a row and group: a byte, or an f32 where it need not be an
//! integer. A panel's bytes are a multiple of 64, and the first starts on a cache line: so does every panel, and every
//! load of a kernel. The bytes counted are the bytes held, padding included (but not the fewer than 64 bytes before the
//! first panel and behind the last).

use crate::aligned::Aligned;
use crate::input_map::InputMap;
use kernels::{CodeBits, Kernels, PANEL_ROWS, Panel, ROW_BLOCK, Zeros};
use rayon::prelude::*;
use std::sync::Arc;

/// Size and grid of a packed matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedShape {
    /// Output rows.
    pub rows: usize,
    /// Input columns.
    pub columns: usize,
    /// Width of a code.
    pub bits: CodeBits,
    /// Columns of one scale (16, 32, 64 or 128), or `None` for one scale a row.
    pub group: Option<usize>,
    /// Where zero points come from.
    pub zero_points: ZeroPoints,
}

/// Zero points of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroPoints {
    /// 2^(bits - 1) for all weights; not stored.
    Middle,
    /// One a row and group, a code.
    Stored,
    /// One a row and group, any number.
    Floats,
}

/// One row's codes and grid, filled by a quantizer.
#[derive(Debug)]
pub struct GridRow<'a> {
    /// Which row.
    pub row: usize,
    /// [columns]; every one must be written, they hold what was there before.
    pub codes: &'a mut [u8],
    /// [groups].
    pub scales: &'a mut [f32],
    /// [groups]; ignored where zero points are not stored as codes.
    pub zeros: &'a mut [u8],
    /// [groups]; ignored where zero points are not stored as floats.
    pub float_zeros: &'a mut [f32],
}

/// w[r, k] = scale * (code - zero), packed.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    shape: PackedShape,
    codes: Aligned<u8>,
    scales: Vec<f32>,
    zeros: Vec<u8>,
    float_zeros: Vec<f32>,
    map: Option<Arc<InputMap>>,
}

impl PackedShape {
    /// Scales of one row.
    pub fn groups(&self) -> usize {
        self.group.map_or(1, |group| self.columns.div_ceil(group))
    }

    fn full_panel_bytes(&self) -> usize {
        self.bits.panel_bytes(PANEL_ROWS, self.columns)
    }

    fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(ROW_BLOCK)
    }

    fn panel_rows(&self, panel: usize) -> usize {
        PANEL_ROWS.min(self.rows - panel * PANEL_ROWS)
    }
}

impl PackedMatrix {
    /// Fills a matrix row by row, panels in parallel: `fill` writes codes, scales and zeros, `kernels` pack them.
    ///
    /// Beside the matrix, one panel of codes a thread is held, one byte each.
    pub fn build(kernels: &Kernels, shape: PackedShape, fill: impl Fn(GridRow<'_>) + Sync) -> Self {
        let groups = shape.groups();
        let mut codes = Aligned::zeroed(shape.bits.panel_bytes(shape.padded_rows(), shape.columns));
        let mut scales = vec![0f32; groups * shape.padded_rows()];
        let (mut zeros, mut float_zeros) = (Vec::new(), Vec::new());
        match shape.zero_points {
            ZeroPoints::Middle => {}
            ZeroPoints::Stored => zeros = vec![0u8; scales.len()],
            ZeroPoints::Floats => float_zeros = vec![0f32; scales.len()],
        }
        let grid_len = groups * PANEL_ROWS;
        let panels = shape.rows.div_ceil(PANEL_ROWS);
        let mut zero_chunks: Vec<&mut [u8]> = zeros.chunks_mut(grid_len).collect();
        zero_chunks.resize_with(panels, Default::default);
        let mut float_chunks: Vec<&mut [f32]> = float_zeros.chunks_mut(grid_len).collect();
        float_chunks.resize_with(panels, Default::default);
        let panels = codes.as_mut_slice().par_chunks_mut(shape.full_panel_bytes());
        let zeros_of_panels = zero_chunks.into_par_iter().zip(float_chunks);
        panels.zip(scales.par_chunks_mut(grid_len)).zip(zeros_of_panels).enumerate().for_each_init(
            || Scratch::new(&shape),
            |scratch, (panel, ((codes, scales), (zeros, float_zeros)))| {
                fill_panel(&shape, panel, PanelGrids { scales, zeros, float_zeros }, scratch, &fill);
                let rows = shape.panel_rows(panel);
                kernels.pack(shape.bits, rows, shape.columns, &scratch.codes[..rows * shape.columns], codes);
            },
        );
        Self { shape, codes, scales, zeros, float_zeros, map: None }
    }

    /// The matrix of what [`Self::codes`], [`Self::scales`], [`Self::zeros`] and [`Self::float_zeros`] gave for one of this
    /// shape.
    ///
    /// # Errors
    /// What cannot be of such a matrix.
    pub fn from_parts(
        shape: PackedShape,
        codes: &[u8],
        scales: Vec<f32>,
        zeros: Vec<u8>,
        float_zeros: Vec<f32>,
    ) -> Result<Self, String> {
        if shape.rows == 0 || shape.columns == 0 || shape.group.is_some_and(|group| ![16, 32, 64, 128].contains(&group))
        {
            return Err(format!("no shape of a packed matrix: {shape:?}"));
        }
        let cells = shape.rows.checked_mul(shape.columns).filter(|&cells| cells / 8 <= codes.len());
        if cells.is_none() || codes.len() != shape.bits.panel_bytes(shape.padded_rows(), shape.columns) {
            return Err(format!("{} bytes of codes for {} x {}", codes.len(), shape.rows, shape.columns));
        }
        let grids = shape.groups() * shape.padded_rows();
        let wanted = |kind: ZeroPoints| if shape.zero_points == kind { grids } else { 0 };
        let are_there = zeros.len() == wanted(ZeroPoints::Stored) && float_zeros.len() == wanted(ZeroPoints::Floats);
        if scales.len() != grids || !are_there {
            let found = zeros.len() + float_zeros.len();
            return Err(format!("{} scales and {found} zero points for {grids} groups", scales.len()));
        }
        if scales.iter().chain(&float_zeros).any(|value| !value.is_finite()) {
            return Err("a scale or a zero point that is not finite".into());
        }
        if zeros.iter().any(|&zero| zero > shape.bits.max_code()) {
            return Err("a zero point above the largest code".into());
        }
        let mut aligned = Aligned::zeroed(codes.len());
        aligned.as_mut_slice().copy_from_slice(codes);
        Ok(Self { shape, codes: aligned, scales, zeros, float_zeros, map: None })
    }

    /// The codes as they lie in memory, panel by panel.
    pub fn codes(&self) -> &[u8] {
        self.codes.as_slice()
    }

    /// The scales, panel by panel.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The zero points, panel by panel; none where they are not stored as codes.
    pub fn zeros(&self) -> &[u8] {
        &self.zeros
    }

    /// The zero points, panel by panel; none where they are not stored as floats.
    pub fn float_zeros(&self) -> &[f32] {
        &self.float_zeros
    }

    /// Size and grid.
    pub fn shape(&self) -> &PackedShape {
        &self.shape
    }

    /// The same codes, to be multiplied with a mapped input.
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

    /// Bytes held: codes, scales and zero points (an input map is shared, and counted by the model).
    pub fn bytes(&self) -> usize {
        self.codes.as_slice().len() + 4 * (self.scales.len() + self.float_zeros.len()) + self.zeros.len()
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.shape.rows.div_ceil(PANEL_ROWS)
    }

    /// Panel `index`, as the kernels take it.
    pub fn panel(&self, index: usize) -> Panel<'_> {
        let shape = &self.shape;
        let rows = shape.panel_rows(index);
        let start = index * shape.full_panel_bytes();
        let grid_start = index * PANEL_ROWS * shape.groups();
        let grid = grid_start..grid_start + rows.next_multiple_of(ROW_BLOCK) * shape.groups();
        Panel {
            bits: shape.bits,
            rows,
            columns: shape.columns,
            group: shape.group,
            codes: &self.codes.as_slice()[start..start + shape.bits.panel_bytes(rows, shape.columns)],
            scales: &self.scales[grid.clone()],
            zeros: match shape.zero_points {
                ZeroPoints::Middle => Zeros::Constant(middle(shape.bits)),
                ZeroPoints::Stored => Zeros::PerGroup(&self.zeros[grid]),
                ZeroPoints::Floats => Zeros::Floats(&self.float_zeros[grid]),
            },
        }
    }

    /// The codes of row `row`, into `out` [columns]; in the order of columns where an input map reorders features.
    pub fn codes_of_row(&self, row: usize, out: &mut [u8]) {
        let panel = self.panel(row / PANEL_ROWS);
        for (k, code) in out.iter_mut().enumerate() {
            *code = kernels::grouped::panel::code_at(panel.bits, panel.rows, panel.codes, row % PANEL_ROWS, k);
        }
    }

    /// Scale and zero point of a row and group.
    pub fn grid(&self, row: usize, group: usize) -> (f32, u8) {
        let panel = self.panel(row / PANEL_ROWS);
        let place = group * panel.padded_rows() + row % PANEL_ROWS;
        let zero = match panel.zeros {
            Zeros::PerGroup(zeros) => zeros[place],
            _ => middle(panel.bits),
        };
        (panel.scales[place], zero)
    }

    /// Row `row` dequantized, scale * (code - zero), into `out` [features]. For checks: no product uses it.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        if let Some(map) = &self.map {
            let mut columns = vec![0.0; out.len()];
            self.dequantize_columns(row, &mut columns);
            map.undo(&columns, out);
        } else {
            self.dequantize_columns(row, out);
        }
    }

    fn dequantize_columns(&self, row: usize, out: &mut [f32]) {
        let panel = self.panel(row / PANEL_ROWS);
        let (inside, padded) = (row % PANEL_ROWS, panel.padded_rows());
        for (k, value) in out.iter_mut().enumerate() {
            let group = self.shape.group.map_or(0, |group| k / group);
            let code = kernels::grouped::panel::code_at(panel.bits, panel.rows, panel.codes, inside, k);
            let zero = match panel.zeros {
                Zeros::Constant(zero) => f32::from(zero),
                Zeros::PerGroup(zeros) => f32::from(zeros[group * padded + inside]),
                Zeros::Floats(zeros) => zeros[group * padded + inside],
            };
            *value = panel.scales[group * padded + inside] * (f32::from(code) - zero);
        }
    }
}

/// The zero point of a symmetric grid, 2^(bits - 1).
fn middle(bits: CodeBits) -> u8 {
    1 << (bits.bits() - 1)
}

/// A panel before it is packed.
struct Scratch {
    /// [rows of a panel, columns].
    codes: Vec<u8>,
    /// [groups] of one row.
    scales: Vec<f32>,
    /// [groups] of one row.
    zeros: Vec<u8>,
    /// [groups] of one row.
    float_zeros: Vec<f32>,
}

/// The grids of a panel, [groups, R] each; a kind of zero points that is not stored is empty.
struct PanelGrids<'a> {
    scales: &'a mut [f32],
    zeros: &'a mut [u8],
    float_zeros: &'a mut [f32],
}

impl Scratch {
    fn new(shape: &PackedShape) -> Self {
        let (rows, groups) = (shape.panel_rows(0), shape.groups());
        let (scales, float_zeros) = (vec![0.0; groups], vec![0.0; groups]);
        Self { codes: vec![0; rows * shape.columns], scales, zeros: vec![0; groups], float_zeros }
    }
}

/// Has the rows of a panel filled; scales and zeros go where they belong, codes stay in the scratch.
fn fill_panel(
    shape: &PackedShape,
    panel: usize,
    grids: PanelGrids<'_>,
    scratch: &mut Scratch,
    fill: &(impl Fn(GridRow<'_>) + Sync),
) {
    let rows = shape.panel_rows(panel);
    let padded = rows.next_multiple_of(ROW_BLOCK);
    let Scratch { codes, scales, zeros, float_zeros } = scratch;
    for (inside, codes) in codes.chunks_mut(shape.columns).take(rows).enumerate() {
        let row = panel * PANEL_ROWS + inside;
        fill(GridRow { row, codes, scales, zeros, float_zeros });
        for group in 0..shape.groups() {
            let at = group * padded + inside;
            grids.scales[at] = scales[group];
            if let Some(slot) = grids.zeros.get_mut(at) {
                *slot = zeros[group];
            }
            if let Some(slot) = grids.float_zeros.get_mut(at) {
                *slot = float_zeros[group];
            }
        }
    }
}
