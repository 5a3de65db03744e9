//! The tensors of a checkpoint as it is going to be: copied, or made when they are written.

use super::{Matrix, method};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::format::{MatrixWriter, PackedMatrix};
use crate::linear::Weights;
use crate::prequantized::{LAYOUT_VERSION, matrix_name};
use crate::tensor::TensorBytes;
use safetensors::{Dtype, View};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Tensors by name.
pub(super) struct Tensors<'a>(BTreeMap<String, Pending<'a>>);

/// A tensor to be written.
#[derive(Clone)]
pub(super) enum Pending<'a> {
    /// As the checkpoint has it.
    Copied { dtype: Dtype, shape: Vec<usize>, bytes: TensorBytes },
    /// In memory.
    Owned { dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8> },
    /// Made of a packed matrix.
    Made { dtype: Dtype, shape: Vec<usize>, matrix: &'a PackedMatrix, make: fn(&PackedMatrix) -> Vec<u8> },
    /// A part of a matrix as it lies in memory.
    Part { dtype: Dtype, shape: Vec<usize>, weights: &'a Weights, part: String },
}

impl<'a> Tensors<'a> {
    /// All tensors of a checkpoint.
    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let copied = checkpoint.tensor_names().map(|name| {
            let (dtype, shape, bytes) = checkpoint.stored(name)?;
            Ok((name.to_string(), Pending::Copied { dtype, shape: shape.to_vec(), bytes }))
        });
        Ok(Self(copied.collect::<Result<_, Error>>()?))
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn push(&mut self, name: String, tensor: Pending<'a>) {
        self.0.insert(name, tensor);
    }

    /// Stores the tensor `from` once more as `to`.
    pub(super) fn copy(&mut self, from: &str, to: &str) {
        if let Some(tensor) = self.0.get(from).cloned() {
            self.0.insert(to.into(), tensor);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.values().map(|tensor| tensor.data_len() as u64).sum()
    }

    pub(super) fn into_views(self) -> impl Iterator<Item = (String, Pending<'a>)> {
        self.0.into_iter()
    }
}

impl View for Pending<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Copied { dtype, .. }
            | Self::Owned { dtype, .. }
            | Self::Made { dtype, .. }
            | Self::Part { dtype, .. } => *dtype,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Copied { shape, .. }
            | Self::Owned { shape, .. }
            | Self::Made { shape, .. }
            | Self::Part { shape, .. } => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Copied { bytes, .. } => Cow::Borrowed(bytes.as_slice()),
            Self::Owned { bytes, .. } => Cow::Borrowed(bytes),
            Self::Made { matrix, make, .. } => Cow::Owned(make(matrix)),
            Self::Part { weights, part, .. } => {
                let mut writer = MatrixWriter::default();
                writer.push("", weights);
                let found = writer.into_parts().1.into_iter().find(|(name, ..)| name == part);
                Cow::Owned(found.map(|(_, _, bytes)| bytes).unwrap_or_default())
            }
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

/// Adds matrices as they lie in memory, and returns what is said about them.
pub(super) fn push_as_in_memory<'a>(matrices: &[Matrix<'a>], recipe: &str, tensors: &mut Tensors<'a>) -> Value {
    let mut writer = MatrixWriter::default();
    for matrix in matrices {
        let name = matrix_name(&matrix.stem, matrix.part.0, matrix.part.1);
        writer.push(&name, matrix.weights);
        for (tensor, dtype, bytes) in writer.take_tensors() {
            let shape = vec![bytes.len() * 8 / dtype.bitsize()];
            let pending = match tensor.strip_prefix(&name) {
                Some(part) => Pending::Part { dtype, shape, weights: matrix.weights, part: part.into() },
                // An input map, which several matrices share.
                None => Pending::Owned { dtype, shape, bytes },
            };
            tensors.push(tensor, pending);
        }
    }
    let mut quantization: Map<String, Value> = method("nibble");
    quantization.insert("format".into(), LAYOUT_VERSION.into());
    quantization.insert("recipe".into(), recipe.into());
    quantization.insert("matrices".into(), writer.into_parts().0.into());
    quantization.into()
}
