//! What stored bits mean: dense weights as the checkpoint has them, packed low-bit codes, and codes with outliers.
//!
//! A format says how bits are stored and multiplied; how they were chosen is the business of the `quant` crate.

mod dense;
mod half;
mod packed;
mod sparse_quantized;
mod stored;

pub use dense::DenseMatrix;
pub use packed::{GridRow, PackedMatrix, PackedShape, ZeroPoints};
pub use sparse_quantized::{Line, SparseQuantizedMatrix, SparseQuantizedParts, SparseQuantizedShape};
pub use stored::{MatrixReader, MatrixWriter};
