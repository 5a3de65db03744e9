//! Weights in the checkpoint's own precision, read where they lie.

use crate::blueprint::Runs;
use crate::tensor::{Dtype, TensorBytes};
use kernels::{DenseRows, DenseType};
use std::ops::Range;

/// A row-major matrix [rows, columns] of f32, f16 or bf16, a view of a mapped file or an owned buffer.
#[derive(Clone, Debug)]
pub struct DenseMatrix {
    bytes: TensorBytes,
    range: Range<usize>,
    dtype: Dtype,
    rows: usize,
    columns: usize,
}

impl DenseMatrix {
    /// All of `bytes`, [rows, columns].
    ///
    /// # Panics
    /// If the bytes are not rows * columns elements.
    pub fn new(bytes: TensorBytes, dtype: Dtype, rows: usize, columns: usize) -> Self {
        let range = 0..bytes.as_slice().len();
        assert_eq!(range.len(), rows * columns * dtype.bytes(), "bytes of {rows} x {columns} {}", dtype.name());
        Self { bytes, range, dtype, rows, columns }
    }

    /// Rows `first..first + count`, sharing the bytes.
    pub fn slice(&self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.rows, "rows {first}..{} of {}", first + count, self.rows);
        let row_bytes = self.columns * self.dtype.bytes();
        let start = self.range.start + first * row_bytes;
        Self { range: start..start + count * row_bytes, rows: count, ..self.clone() }
    }

    /// The rows of several matrices, one after the other, in a buffer of their own.
    ///
    /// # Panics
    /// If there is none, or they differ in type or columns.
    pub fn stacked(parts: &[&Self]) -> Self {
        let (dtype, columns) = (parts[0].dtype, parts[0].columns);
        assert!(parts.iter().all(|part| part.dtype == dtype && part.columns == columns), "matrices of one kind");
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.as_bytes()).copied().collect();
        Self::new(TensorBytes::from_vec(bytes), dtype, parts.iter().map(|part| part.rows).sum(), columns)
    }

    /// Columns `first..first + count` as the rows of a matrix in a buffer of its own; for weights stored
    /// [in_features, out_features].
    pub fn transposed(&self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.columns, "columns {first}..{} of {}", first + count, self.columns);
        let size = self.dtype.bytes();
        let from = self.as_bytes();
        let mut to = vec![0u8; self.rows * count * size];
        for row in 0..self.rows {
            for column in 0..count {
                let (source, target) =
                    ((row * self.columns + first + column) * size, (column * self.rows + row) * size);
                to[target..target + size].copy_from_slice(&from[source..source + size]);
            }
        }
        Self::new(TensorBytes::from_vec(to), self.dtype, count, self.rows)
    }

    /// Runs of rows, one after the other, in a buffer of its own.
    pub(crate) fn gathered(&self, runs: Runs) -> Self {
        let Runs { first, len, stride, count, .. } = runs;
        let row_bytes = self.columns * self.dtype.bytes();
        let mut bytes = Vec::with_capacity(count * len * row_bytes);
        for run in 0..count {
            bytes.extend_from_slice(&self.as_bytes()[(first + run * stride) * row_bytes..][..len * row_bytes]);
        }
        Self::new(TensorBytes::from_vec(bytes), self.dtype, count * len, self.columns)
    }

    /// Gives the memory of these weights back where they lie in a mapped file; they take none until they are read again.
    pub fn release(&self) {
        self.bytes.release(self.range.clone());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes.as_slice()[self.range.clone()]
    }

    /// What the kernels multiply with.
    pub fn as_rows(&self) -> DenseRows<'_> {
        let dtype = match self.dtype {
            Dtype::F32 => DenseType::F32,
            Dtype::F16 => DenseType::F16,
            Dtype::Bf16 => DenseType::Bf16,
        };
        DenseRows { bytes: self.as_bytes(), dtype, columns: self.columns }
    }

    /// Widens row `row` into `out` [columns].
    pub fn row_to_f32(&self, row: usize, out: &mut [f32]) {
        let row_bytes = self.columns * self.dtype.bytes();
        let bytes = &self.as_bytes()[row * row_bytes..(row + 1) * row_bytes];
        crate::tensor::widen(self.dtype, bytes, out);
    }
}
