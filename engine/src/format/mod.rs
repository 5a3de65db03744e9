//! What stored bits mean: dense weights as the checkpoint has them, packed low-bit codes, codes of uneven levels, codes with
//! single weights kept apart, and codes that outlier features leave alone.
//!
//! A format says how bits are stored and multiplied; how they were chosen is the business of the `quant` crate.

mod decomposed;
mod dense;
mod half;
mod levels;
mod packed;
mod sparse_quantized;
mod stored;

pub use decomposed::DecomposedMatrix;
pub use dense::DenseMatrix;
pub use levels::{GroupScales, LevelMatrix, LevelShape, NF4, dynamic_map};
pub use packed::{GridRow, PackedMatrix, PackedShape, ZeroPoints};
pub use sparse_quantized::{Line, OutlierPrecision, SparseQuantizedMatrix, SparseQuantizedParts, SparseQuantizedShape};
pub use stored::{MatrixReader, MatrixWriter};
