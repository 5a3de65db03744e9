//! Stored tensors: element type, shape and bytes, and the exact widening to f32.

use safetensors::tensor::Dtype as StoredDtype;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::file_bytes::FileBytes;
use rayon::prelude::*;

/// Element type of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32 (bfloat16).
    Bf16,
}

impl Dtype {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Name in configuration files: `float32`, `float16` or `bfloat16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    /// The type as safetensors calls it.
    pub(crate) fn stored(self) -> StoredDtype {
        match self {
            Self::F32 => StoredDtype::F32,
            Self::F16 => StoredDtype::F16,
            Self::Bf16 => StoredDtype::BF16,
        }
    }

    /// The type that safetensors calls so; `None` for one that no weights have here.
    pub(crate) fn from_stored(stored: StoredDtype) -> Option<Self> {
        match stored {
            StoredDtype::F32 => Some(Self::F32),
            StoredDtype::F16 => Some(Self::F16),
            StoredDtype::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }
}

/// Bytes of a tensor together with a share in what owns them: a mapped file or a buffer. Cheap to clone.
#[derive(Clone)]
pub struct TensorBytes {
    owner: Arc<FileBytes>,
    range: Range<usize>,
}

impl TensorBytes {
    /// Takes over a buffer.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { owner: Arc::new(FileBytes::Owned(bytes)), range }
    }

    /// A part of `owner`; `None` when `range` leaves it.
    pub(crate) fn part(owner: &Arc<FileBytes>, range: Range<usize>) -> Option<Self> {
        owner.as_slice().get(range.clone())?;
        Some(Self { owner: Arc::clone(owner), range })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.owner.as_slice()[self.range.clone()]
    }

    /// Gives the memory of `range` of these bytes back where it belongs to a mapped file: they take none until they are
    /// touched again. For bytes that have been read and are not needed soon.
    pub fn release(&self, range: Range<usize>) {
        self.owner.release(self.range.start + range.start..self.range.start + range.end);
    }
}

impl fmt::Debug for TensorBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TensorBytes({} bytes)", self.range.len())
    }
}

/// A tensor of a checkpoint: name, element type, shape and little-endian bytes in row-major order.
#[derive(Clone, Debug)]
pub struct TensorView {
    /// Name in the checkpoint.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Lengths of the axes, outermost first.
    pub shape: Vec<usize>,
    /// The elements: product of `shape` times `dtype.bytes()` bytes.
    pub bytes: TensorBytes,
}

/// A weight that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonFinite {
    /// Row, 0-based.
    pub row: usize,
    /// Column, 0-based.
    pub column: usize,
    /// Value.
    pub value: f32,
}

impl TensorView {
    /// Length of the first axis; 1 for a vector.
    pub fn rows(&self) -> usize {
        match self.shape.as_slice() {
            [] | [_] => 1,
            [rows, ..] => *rows,
        }
    }

    /// Elements of a row: the product of all axes but the first; the length of a vector.
    pub fn columns(&self) -> usize {
        match self.shape.as_slice() {
            [] => 1,
            [columns] => *columns,
            [_, rest @ ..] => rest.iter().product(),
        }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.rows() * self.columns()
    }

    /// All elements widened to f32, row-major; every value of the three types is represented exactly.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.bytes.as_slice().len() / self.dtype.bytes()];
        widen(self.dtype, self.bytes.as_slice(), &mut values);
        values
    }

    /// Widens row `row` to f32.
    ///
    /// # Panics
    /// When `row` is not below [`Self::rows`] or `out` is not [`Self::columns`] long.
    pub fn row_to_f32(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows(), "row {row} of {}", self.rows());
        assert_eq!(out.len(), self.columns(), "length of the row's buffer");
        let row_bytes = out.len() * self.dtype.bytes();
        let bytes = &self.bytes.as_slice()[row * row_bytes..][..row_bytes];
        widen(self.dtype, bytes, out);
    }

    /// The first NaN or infinity, or `None` when all elements are finite. Parts of a large tensor are looked at in
    /// parallel, on the threads of the runtime inside [`crate::runtime::Runtime::run`].
    ///
    /// A value is not finite where all bits of its exponent are set, so the scan is a comparison of integers.
    pub fn first_non_finite(&self) -> Option<NonFinite> {
        let bytes = self.bytes.as_slice();
        let blocks = bytes.par_chunks(SCAN_BLOCK_BYTES).with_min_len(SCAN_BLOCKS).enumerate();
        blocks.find_map_first(|(index, block)| {
            let all_finite = match self.dtype {
                Dtype::F32 => finite_u32(block, 0x7f80_0000),
                Dtype::F16 => finite_u16(block, 0x7c00),
                Dtype::Bf16 => finite_u16(block, 0x7f80),
            };
            if all_finite {
                return None;
            }
            let mut values = vec![0.0; block.len() / self.dtype.bytes()];
            widen(self.dtype, block, &mut values);
            let (offset, value) = values.into_iter().enumerate().find(|(_, value)| !value.is_finite())?;
            let element = index * (SCAN_BLOCK_BYTES / self.dtype.bytes()) + offset;
            Some(NonFinite { row: element / self.columns(), column: element % self.columns(), value })
        })
    }
}

/// Bytes scanned between two looks at the result; a multiple of every element size.
const SCAN_BLOCK_BYTES: usize = 1 << 14;
/// Blocks that are worth another thread.
const SCAN_BLOCKS: usize = 16;

fn finite_u32(bytes: &[u8], exponent: u32) -> bool {
    let mut found = 0u32;
    for chunk in bytes.as_chunks::<4>().0 {
        found |= u32::from(u32::from_le_bytes(*chunk) & exponent == exponent);
    }
    found == 0
}

fn finite_u16(bytes: &[u8], exponent: u16) -> bool {
    let mut found = 0u16;
    for chunk in bytes.as_chunks::<2>().0 {
        found |= u16::from(u16::from_le_bytes(*chunk) & exponent == exponent);
    }
    found == 0
}

/// Widens little-endian elements to f32; stops at the shorter of the two.
pub(crate) fn widen(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::F32 => {
            for (value, chunk) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*chunk);
            }
        }
        Dtype::F16 => {
            for (value, chunk) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *value = f32_from_f16(u16::from_le_bytes(*chunk));
            }
        }
        Dtype::Bf16 => {
            for (value, chunk) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *value = f32::from_bits(u32::from(u16::from_le_bytes(*chunk)) << 16);
            }
        }
    }
}

/// Widens one binary16, exactly.
///
/// Exponent and mantissa are moved to their places in a binary32, where the exponent is then 112 too small
/// (bias 15 instead of 127): a product with 2^112 corrects it, for subnormal numbers too, and loses nothing.
fn f32_from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let scale = f32::from_bits((127 + 112) << 23);
    let finite = (f32::from_bits(magnitude) * scale).to_bits();
    let special = if magnitude >= 0x7c00 << 13 { 0x7f80_0000 | magnitude } else { finite };
    f32::from_bits(sign | special)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> TensorView {
        TensorView { name: "t".into(), dtype, shape: shape.to_vec(), bytes: TensorBytes::from_vec(bytes) }
    }

    #[test]
    fn every_sixteen_bit_value_widens_as_the_half_crate_widens_it() {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let f16 = view(Dtype::F16, &[1 << 16], bytes.clone()).to_f32();
        let bf16 = view(Dtype::Bf16, &[1 << 16], bytes).to_f32();
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits);
            let found = f16[usize::from(bits)];
            assert_eq!(found.is_nan(), expected.is_nan(), "{bits:#x}");
            if !expected.is_nan() {
                assert_eq!(found.to_bits(), f32::from(expected).to_bits(), "f16 {bits:#x}");
            }
            let expected = half::bf16::from_bits(bits);
            let found = bf16[usize::from(bits)];
            assert_eq!(found.is_nan(), expected.is_nan(), "{bits:#x}");
            if !expected.is_nan() {
                assert_eq!(found.to_bits(), f32::from(expected).to_bits(), "bf16 {bits:#x}");
            }
        }
    }

    #[test]
    fn the_scan_says_not_finite_exactly_where_the_value_is() {
        for bits in 0..=u16::MAX {
            for dtype in [Dtype::F16, Dtype::Bf16] {
                let one = view(dtype, &[1], bits.to_le_bytes().to_vec());
                let finite = one.to_f32().iter().all(|value| value.is_finite());
                assert_eq!(one.first_non_finite().is_none(), finite, "{dtype:?} {bits:#x}");
            }
        }
        let largest = f32::MAX.to_le_bytes().to_vec();
        assert_eq!(view(Dtype::F32, &[1], largest).first_non_finite(), None);
    }

    #[test]
    fn the_scan_names_row_and_column_beyond_the_first_block() {
        let (rows, columns) = (100, 301);
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let mut bytes = vec![0u8; rows * columns * dtype.bytes()];
            let infinity: &[u8] = match dtype {
                Dtype::F32 => &[0, 0, 0x80, 0xff],
                Dtype::F16 => &[0, 0xfc],
                Dtype::Bf16 => &[0x80, 0xff],
            };
            let element = 97 * columns + 13;
            bytes[element * dtype.bytes()..][..dtype.bytes()].copy_from_slice(infinity);
            let found = view(dtype, &[rows, columns], bytes).first_non_finite();
            let expected = NonFinite { row: 97, column: 13, value: f32::NEG_INFINITY };
            assert_eq!(found, Some(expected));
        }
    }

    #[test]
    fn rows_and_columns_of_vectors_matrices_and_higher_ranks() {
        let zeros = |shape: &[usize]| view(Dtype::Bf16, shape, vec![0; 48]);
        assert_eq!((zeros(&[24]).rows(), zeros(&[24]).columns()), (1, 24));
        assert_eq!((zeros(&[4, 6]).rows(), zeros(&[4, 6]).columns()), (4, 6));
        let cube = zeros(&[2, 3, 4]);
        assert_eq!((cube.rows(), cube.columns(), cube.elements()), (2, 12, 24));
    }

    #[test]
    fn a_row_is_the_row_of_the_whole() {
        let bytes: Vec<u8> = (0..24u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let matrix = view(Dtype::F32, &[4, 6], bytes);
        let mut row = [0.0; 6];
        matrix.row_to_f32(2, &mut row);
        assert_eq!(row, [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
    }
}
