//! The tensors of one quantized matrix, and the errors that name them.

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::tensor::{Dtype, TensorBytes, TensorView};
use safetensors::Dtype as StoredDtype;

/// A quantized matrix of a checkpoint.
pub(super) struct Module<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    /// Name without the part: `model.layers.0.mlp.up_proj`.
    pub(super) stem: &'a str,
    /// [out_features, in_features], as the model has it.
    pub(super) shape: [usize; 2],
}

/// Whole numbers as they are stored.
#[derive(Clone, Debug)]
pub(super) struct Integers {
    dtype: StoredDtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: TensorBytes,
}

impl Module<'_> {
    fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.stem)
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.checkpoint.contains(&self.name(part))
    }

    /// Whole numbers of one of `dtypes`.
    pub(super) fn integers(&self, part: &str, dtypes: &[StoredDtype], words: &'static str) -> Result<Integers, Error> {
        let name = self.name(part);
        let (dtype, shape, bytes) = self.checkpoint.stored(&name)?;
        if !dtypes.contains(&dtype) {
            return Err(self.checkpoint.unsupported_dtype(&name, dtype, words));
        }
        Ok(Integers { dtype, shape: shape.to_vec(), bytes })
    }

    /// Words of 32 bits.
    pub(super) fn words(&self, part: &str) -> Result<Integers, Error> {
        self.integers(part, &[StoredDtype::I32, StoredDtype::U32], "I32")
    }

    /// Words of 32 bits in this shape.
    pub(super) fn words_of(&self, part: &str, shape: &[usize]) -> Result<Integers, Error> {
        let words = self.words(part)?;
        self.check_shape(part, &words.shape, shape)?;
        Ok(words)
    }

    /// Finite scales.
    pub(super) fn scales(&self, part: &str) -> Result<TensorView, Error> {
        let view = self.checkpoint.tensor(&self.name(part))?;
        self.checkpoint.scan_finite(&view)?;
        Ok(view)
    }

    pub(super) fn check_shape(&self, part: &str, found: &[usize], expected: &[usize]) -> Result<(), Error> {
        if found == expected {
            return Ok(());
        }
        let tensor = self.name(part);
        Err(Error::TensorShape {
            file: self.checkpoint.file_of(&tensor)?.to_path_buf(),
            tensor,
            expected: expected.to_vec(),
            found: found.to_vec(),
        })
    }

    /// The error of a matrix that is not what the format says, or that cannot be multiplied.
    pub(super) fn wrong(&self, part: &str, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let tensor = self.name(part);
        let file = self.checkpoint.file_of(&tensor).unwrap_or(self.checkpoint.directory()).to_path_buf();
        Error::QuantizedMatrix { file, tensor, expected: expected.into(), found: found.into() }
    }

    /// The group of every feature, `None` where groups are neighbours in their order; each but the last has `group`
    /// features.
    pub(super) fn groups_of_features(&self, part: &str, group: Option<usize>) -> Result<Option<Vec<u32>>, Error> {
        if !self.has(part) {
            return Ok(None);
        }
        let [_, columns] = self.shape;
        let found = self.integers(part, &[StoredDtype::I32, StoredDtype::I64, StoredDtype::U32], "I32")?;
        self.check_shape(part, &found.shape, &[columns])?;
        let width = group.unwrap_or(columns).max(1);
        let mut counts = vec![0usize; columns.div_ceil(width)];
        let mut of_features = Vec::with_capacity(columns);
        // Minus one everywhere is how a matrix says that it has none.
        if (0..columns).all(|feature| found.at(feature) == -1) {
            return Ok(None);
        }
        for feature in 0..columns {
            let index = found.at(feature);
            let count = usize::try_from(index).ok().and_then(|index| counts.get_mut(index));
            let Some(count) = count else {
                let expected = format!("groups 0 to {}", columns.div_ceil(width) - 1);
                return Err(self.wrong(part, expected, format!("group {index} of feature {feature}")));
            };
            *count += 1;
            of_features.push(index as u32);
        }
        let whole = |(group, &count): (usize, &usize)| count != width.min(columns - group * width);
        if let Some((group, count)) = counts.iter().enumerate().find(|&(group, count)| whole((group, count))) {
            let expected = format!("whole groups of {width} features");
            return Err(self.wrong(part, expected, format!("{count} features in group {group}")));
        }
        let is_natural = of_features.iter().enumerate().all(|(feature, &index)| feature / width == index as usize);
        Ok((!is_natural).then_some(of_features))
    }
}

impl Integers {
    /// The words of 32 bits.
    pub(super) fn as_words(&self) -> &[[u8; 4]] {
        self.bytes.as_slice().as_chunks::<4>().0
    }

    /// Element `index` as a number.
    pub(super) fn at(&self, index: usize) -> i64 {
        let bytes = self.bytes.as_slice();
        match self.dtype {
            StoredDtype::I8 => i64::from(bytes[index] as i8),
            StoredDtype::U8 => i64::from(bytes[index]),
            StoredDtype::I64 => bytes.as_chunks::<8>().0.get(index).map_or(0, |bytes| i64::from_le_bytes(*bytes)),
            StoredDtype::U32 => i64::from(u32::from_le_bytes(self.as_words()[index])),
            _ => i64::from(i32::from_le_bytes(self.as_words()[index])),
        }
    }

    pub(super) fn is_bytes(&self) -> bool {
        self.dtype == StoredDtype::I8
    }
}

/// Element (row, column) of a matrix of `columns` columns, widened exactly.
#[inline]
pub(super) fn float_at(view: &TensorView, row: usize, column: usize) -> f32 {
    let size = view.dtype.bytes();
    let start = (row * view.columns() + column) * size;
    let mut value = [0.0];
    crate::tensor::widen(view.dtype, &view.bytes.as_slice()[start..start + size], &mut value);
    value[0]
}

/// Whether all elements of a tensor are zero.
pub(crate) fn is_zero(view: &TensorView) -> bool {
    let sign = if view.dtype == Dtype::F32 { 4 } else { 2 };
    let bytes = view.bytes.as_slice().chunks(sign);
    bytes.into_iter().all(|element| {
        element.split_last().is_some_and(|(last, rest)| last & 0x7f == 0 && rest.iter().all(|&byte| byte == 0))
    })
}
