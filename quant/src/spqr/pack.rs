//! A solution as the matrix that is multiplied.

use super::{FloatGrid, Solution};
use engine::format::{Line, OutlierPrecision, SparseQuantizedMatrix, SparseQuantizedParts, SparseQuantizedShape};
use engine::{Error, InputMap};
use kernels::{CodeBits, Kernels};
use std::sync::Arc;

impl Solution {
    /// Packs the layer; statistics take as many bits as their largest codes need.
    ///
    /// # Errors
    /// If there are outliers in more columns than their indices can name.
    ///
    /// # Panics
    /// If the group is none that can be packed.
    pub fn pack(
        &self,
        kernels: &Kernels,
        bits: CodeBits,
        outlier_precision: OutlierPrecision,
        map: Option<&Arc<InputMap>>,
    ) -> Result<SparseQuantizedMatrix, Error> {
        let [rows, columns] = self.shape;
        let width = |codes: &[u8]| {
            let largest = codes.iter().fold(1, |largest, &code| if code > largest { code } else { largest });
            (u8::BITS - largest.leading_zeros()) as usize
        };
        let statistic_bits = [width(&self.scale_codes), width(&self.zero_codes)];
        let line = |grid: FloatGrid| Line { step: grid.scale, offset: -grid.scale * grid.zero };
        let second_levels: Vec<[Line; 2]> =
            self.second_levels.iter().map(|second| [line(second.scales), line(second.zeros)]).collect();
        let outliers: Vec<(u32, u32, f64)> =
            self.outliers.iter().map(|outlier| (outlier.row, outlier.column, outlier.value)).collect();
        let shape = SparseQuantizedShape { rows, columns, bits, group: self.group, statistic_bits };
        let parts = SparseQuantizedParts {
            codes: &self.codes,
            scale_codes: &self.scale_codes,
            zero_codes: &self.zero_codes,
            second_levels: &second_levels,
            outliers: &outliers,
            outlier_precision,
        };
        let matrix = SparseQuantizedMatrix::new(kernels, shape, &parts)?;
        Ok(match map {
            Some(map) => matrix.with_input_map(map.clone()),
            None => matrix,
        })
    }
}
