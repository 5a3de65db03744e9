//! What stored bits mean: dense weights as the checkpoint has them, packed low-bit codes, and codes of uneven levels.
//!
//! A format says how bits are stored and multiplied; how they were chosen is the business of the `quant` crate.

mod dense;
mod levels;
mod packed;
mod stored;

pub use dense::DenseMatrix;
pub use levels::{GroupScales, LevelMatrix, LevelShape};
pub use packed::{GridRow, PackedMatrix, PackedShape, ZeroPoints};
pub use stored::{MatrixReader, MatrixWriter};
