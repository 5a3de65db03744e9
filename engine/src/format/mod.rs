//! What stored bits mean: dense weights as the checkpoint has them, and packed low-bit codes.
//!
//! A format says how bits are stored and multiplied; how they were chosen is the business of the `quant` crate.

mod dense;
mod packed;
mod stored;

pub use dense::DenseMatrix;
pub use packed::{GridRow, PackedMatrix, PackedShape, ZeroPoints};
pub use stored::{MatrixReader, MatrixWriter};
