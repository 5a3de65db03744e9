//! Weights of LLM.int8(): 8-bit codes with one scale a row, multiplied with 8-bit activations, and what the outlier features
//! of an input are multiplied with.
//!
//! # Layout
//! A [`PackedMatrix`] without zero points. Outlier features take columns of its codes, as bitsandbytes has it: nothing
//! more is stored. Or they take columns of the weights themselves, the formula of the paper: those are held or stay
//! mapped beside the codes, and count.

use super::{DenseMatrix, PackedMatrix, ZeroPoints};
use crate::input::Decomposition;
use kernels::CodeBits;

/// w[r, k] = scale[r] * (code - 128) for most inputs, and how the others are found.
#[derive(Clone, Debug)]
pub struct DecomposedMatrix {
    codes: PackedMatrix,
    stored: Option<DenseMatrix>,
    rule: Decomposition,
}

impl DecomposedMatrix {
    /// The matrix of `codes`; `stored`: what outlier features are multiplied with, if not with the codes.
    ///
    /// # Panics
    /// If codes have not 8 bits, one scale a row and zero at 128, or the matrices differ in shape.
    pub fn new(codes: PackedMatrix, stored: Option<DenseMatrix>, rule: Decomposition) -> Self {
        let shape = codes.shape();
        assert!(shape.bits == CodeBits::Eight && shape.group.is_none() && shape.zero_points == ZeroPoints::Middle);
        let size = (shape.rows, shape.columns);
        assert!(
            stored.as_ref().is_none_or(|stored| (stored.rows(), stored.columns()) == size),
            "matrices of one shape"
        );
        Self { codes, stored, rule }
    }

    /// The codes.
    pub fn codes(&self) -> &PackedMatrix {
        &self.codes
    }

    /// What outlier features are multiplied with, if not with the codes.
    pub fn stored(&self) -> Option<&DenseMatrix> {
        self.stored.as_ref()
    }

    /// Which features are outliers.
    pub fn rule(&self) -> Decomposition {
        self.rule
    }

    /// Bytes held or mapped.
    pub fn bytes(&self) -> usize {
        self.codes.bytes() + self.stored.as_ref().map_or(0, |stored| stored.as_bytes().len())
    }
}
