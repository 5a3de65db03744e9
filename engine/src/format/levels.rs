//! Packed 4-bit codes that index a table of sixteen levels, multiplied without ever being dequantized in memory.
//!
//! # Layout
//! Panels of 64 output rows, the last one rounded up to 16, with codes as `kernels::grouped::panel` has them and one scale
//! a row and group: an f32, or one byte that indexes a table of 256 values, times an f32 for 256 groups, plus an f32 for
//! all (double quantization; see `kernels::levels`). The bytes counted are the bytes held, padding included, but the two
//! tables, which all matrices share.

use crate::aligned::Aligned;
use kernels::levels::SECOND_GROUP;
use kernels::{CodeBits, Kernels, LevelPanel, LevelScales, PANEL_ROWS, ROW_BLOCK};
use rayon::prelude::*;
use std::sync::OnceLock;

/// The levels of NF4: quantiles of the normal distribution, as appendix E of Dettmers et al. 2023 (QLoRA) lists them.
pub static NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Size and groups of a matrix of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelShape {
    /// Output rows.
    pub rows: usize,
    /// Input columns.
    pub columns: usize,
    /// Columns of one scale (16, 32, 64 or 128), or `None` for one scale a row.
    pub group: Option<usize>,
}

/// The scales of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupScales {
    /// As they are, f32 [rows, groups].
    Floats(Vec<f32>),
    /// Quantized themselves: [`dynamic_map`]\[code\] * second + offset.
    Codes {
        /// [rows, groups].
        codes: Vec<u8>,
        /// One for 256 groups, row after row.
        seconds: Vec<f32>,
        /// Added to every scale.
        offset: f32,
    },
}

/// w[r, k] = scale * [`NF4`]\[code\], packed.
#[derive(Clone, Debug)]
pub struct LevelMatrix {
    shape: LevelShape,
    codes: Aligned<u8>,
    /// Floats or codes [groups, R], panel by panel.
    scales: GroupScales,
}

impl LevelShape {
    /// Scales of one row.
    pub fn groups(&self) -> usize {
        self.group.map_or(1, |group| self.columns.div_ceil(group))
    }

    fn panel_rows(&self, panel: usize) -> usize {
        PANEL_ROWS.min(self.rows - panel * PANEL_ROWS)
    }
}

impl LevelMatrix {
    /// The matrix with these scales, whose codes `fill` writes: of a row, [columns], one byte each. Panels are filled in
    /// parallel.
    ///
    /// # Panics
    /// If there are not as many scales as the shape has groups, or a code has more than 4 bits.
    pub fn build(
        kernels: &Kernels,
        shape: LevelShape,
        scales: &GroupScales,
        fill: impl Fn(usize, &mut [u8]) + Sync,
    ) -> Self {
        let columns = shape.columns;
        let panel_bytes = CodeBits::Four.panel_bytes(PANEL_ROWS, columns);
        let mut codes = Aligned::zeroed(CodeBits::Four.panel_bytes(shape.rows, columns));
        codes.as_mut_slice().par_chunks_mut(panel_bytes).enumerate().for_each_init(
            || vec![0; PANEL_ROWS * columns],
            |scratch, (panel, packed)| {
                let rows = shape.panel_rows(panel);
                for (inside, codes) in scratch.chunks_mut(columns).take(rows).enumerate() {
                    fill(panel * PANEL_ROWS + inside, codes);
                }
                kernels.pack(CodeBits::Four, rows, columns, &scratch[..rows * columns], packed);
            },
        );
        let scales = match scales {
            GroupScales::Floats(scales) => GroupScales::Floats(in_panels(&shape, scales)),
            GroupScales::Codes { codes, seconds, offset } => {
                assert_eq!(seconds.len(), (shape.rows * shape.groups()).div_ceil(SECOND_GROUP), "second-level scales");
                let (codes, seconds) = (in_panels(&shape, codes), seconds.clone());
                GroupScales::Codes { codes, seconds, offset: *offset }
            }
        };
        Self { shape, codes, scales }
    }

    /// The matrix of codes and scales as they lie in memory, which a file held.
    ///
    /// # Errors
    /// What does not suit the shape, in words.
    pub fn from_parts(shape: LevelShape, codes: &[u8], scales: GroupScales) -> Result<Self, String> {
        let LevelShape { rows, columns, group } = shape;
        if rows == 0 || columns == 0 || group.is_some_and(|group| ![16, 32, 64, 128].contains(&group)) {
            return Err(format!("no shape of a matrix of levels: {shape:?}"));
        }
        let cells = rows.checked_mul(columns).filter(|&cells| cells / 2 <= codes.len());
        if cells.is_none() || codes.len() != CodeBits::Four.panel_bytes(rows.next_multiple_of(ROW_BLOCK), columns) {
            return Err(format!("{} bytes of codes for {rows} x {columns}", codes.len()));
        }
        let grids = shape.groups() * rows.next_multiple_of(ROW_BLOCK);
        let (found, floats): (usize, &[f32]) = match &scales {
            GroupScales::Floats(scales) => (scales.len(), scales),
            GroupScales::Codes { codes, seconds, offset } => {
                let wanted = (rows * shape.groups()).div_ceil(SECOND_GROUP);
                if seconds.len() != wanted || !offset.is_finite() {
                    return Err(format!("{} second-level scales, {wanted} are needed, about {offset}", seconds.len()));
                }
                (codes.len(), seconds)
            }
        };
        if found != grids {
            return Err(format!("{found} scales for {grids} groups"));
        }
        if floats.iter().any(|value| !value.is_finite()) {
            return Err("a scale that is not finite".into());
        }
        let mut aligned = Aligned::zeroed(codes.len());
        aligned.as_mut_slice().copy_from_slice(codes);
        Ok(Self { shape, codes: aligned, scales })
    }

    /// The codes as they lie in memory, panel by panel.
    pub fn codes(&self) -> &[u8] {
        self.codes.as_slice()
    }

    /// The scales as they lie in memory, panel by panel; second-level ones row after row.
    pub fn scales(&self) -> &GroupScales {
        &self.scales
    }

    /// Size and groups.
    pub fn shape(&self) -> &LevelShape {
        &self.shape
    }

    /// Bytes held: codes and scales.
    pub fn bytes(&self) -> usize {
        let scales = match &self.scales {
            GroupScales::Floats(scales) => 4 * scales.len(),
            GroupScales::Codes { codes, seconds, .. } => codes.len() + 4 * seconds.len() + 4,
        };
        self.codes.as_slice().len() + scales
    }

    /// Panel `index`, as the kernels take it.
    pub fn panel(&self, index: usize) -> LevelPanel<'_> {
        let LevelShape { columns, group, .. } = self.shape;
        let rows = self.shape.panel_rows(index);
        let start = index * CodeBits::Four.panel_bytes(PANEL_ROWS, columns);
        let grid_start = index * PANEL_ROWS * self.shape.groups();
        let grid = grid_start..grid_start + rows.next_multiple_of(ROW_BLOCK) * self.shape.groups();
        let scales = match &self.scales {
            GroupScales::Floats(scales) => LevelScales::Floats(&scales[grid]),
            GroupScales::Codes { codes, seconds, offset } => LevelScales::Codes {
                codes: &codes[grid],
                table: dynamic_map(),
                seconds,
                offset: *offset,
                first_row: index * PANEL_ROWS,
            },
        };
        let codes = &self.codes.as_slice()[start..start + CodeBits::Four.panel_bytes(rows, columns)];
        LevelPanel { rows, columns, group, levels: &NF4, codes, scales }
    }

    /// Row `row` dequantized, scale * level, into `out` [columns]. For checks and look-ups: no product uses it.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        let (panel, inside) = (self.panel(row / PANEL_ROWS), row % PANEL_ROWS);
        for (k, value) in out.iter_mut().enumerate() {
            let scale = panel.scale(inside, self.shape.group.map_or(0, |group| k / group));
            let code = kernels::grouped::panel::code_at(CodeBits::Four, panel.rows, panel.codes, inside, k);
            *value = panel.levels[usize::from(code)] * scale;
        }
    }
}

/// [rows, groups] as [groups, R], panel by panel.
fn in_panels<T: Copy + Default>(shape: &LevelShape, values: &[T]) -> Vec<T> {
    let groups = shape.groups();
    assert_eq!(values.len(), shape.rows * groups, "scales");
    let mut panels = vec![T::default(); shape.rows.next_multiple_of(ROW_BLOCK) * groups];
    for (row, values) in values.chunks(groups).enumerate() {
        let padded = shape.panel_rows(row / PANEL_ROWS).next_multiple_of(ROW_BLOCK);
        let start = row / PANEL_ROWS * PANEL_ROWS * groups + row % PANEL_ROWS;
        for (group, &value) in values.iter().enumerate() {
            panels[start + group * padded] = value;
        }
    }
    panels
}

/// The dynamic data type of 8 bits, ascending (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", section
/// 1.3; `create_dynamic_map` of bitsandbytes).
pub fn dynamic_map() -> &'static [f32; 256] {
    static TABLE: OnceLock<[f32; 256]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut values = [0.0; 256];
        let mut next = 0;
        for (exponent, power) in [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0].into_iter().enumerate() {
            let parts = 1 << exponent;
            for part in 0..parts {
                let value = power * (0.1 + 0.9 * (f64::from(part) + 0.5) / f64::from(parts));
                // Magnitudes ascend, from the middle outwards; 0 lies there, and 1 at the end.
                values[128 + next] = value as f32;
                values[126 - next] = -value as f32;
                next += 1;
            }
        }
        values[255] = 1.0;
        values
    })
}
