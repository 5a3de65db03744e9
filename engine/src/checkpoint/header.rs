//! The header of a safetensors file: eight bytes of length, then JSON, then the tensors without gaps.
//!
//! Every number is checked before anything is sized by it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use safetensors::Dtype as StoredDtype;
use serde::de::value::{Error as PlainError, StrDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

use crate::error::Error;

/// Bytes of the length field in front of the header.
const LENGTH_BYTES: usize = 8;
/// Longest header of the format, in bytes.
const HEADER_LIMIT: u64 = 100_000_000;
/// First bytes of the text file that Git leaves in place of a large file.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// A tensor as a header describes it, checked against its file.
#[derive(Clone, Debug)]
pub(super) struct StoredTensor {
    pub(super) name: String,
    pub(super) dtype: StoredDtype,
    pub(super) shape: Vec<usize>,
    /// Place of its bytes in the file.
    pub(super) range: Range<usize>,
}

/// One entry of the header as written.
#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// All entries in the order of the file, with those that occur twice.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map from tensor names to dtype, shape and data_offsets")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let entry = map
                        .next_value()
                        .map_err(|error| serde::de::Error::custom(format_args!("tensor `{name}`: {error}")))?;
                    entries.push((name, entry));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// Reads the header at the start of `bytes`, the whole file `file`; tensors come back in the order of their bytes.
pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<Vec<StoredTensor>, Error> {
    let (header, data_start) = split(file, bytes)?;
    let Entries(mut entries) = serde_json::from_slice(header)
        .map_err(|error| Error::HeaderSyntax { file: file.to_path_buf(), reason: error.to_string() })?;
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::DuplicateTensor { file: file.to_path_buf(), tensor: pair[0].0.clone() });
    }
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut tensors = Vec::with_capacity(entries.len());
    let mut end = 0;
    for (name, entry) in entries {
        tensors.push(place(file, name, entry, end, data_start)?);
        end = tensors.last().map_or(0, |tensor| tensor.range.end) as u64 - data_start as u64;
    }
    let expected = data_start as u64 + end;
    let found = bytes.len() as u64;
    if expected > found {
        return Err(Error::Truncated { file: file.to_path_buf(), expected, found });
    }
    if expected < found {
        return Err(Error::TrailingBytes { file: file.to_path_buf(), expected, found });
    }
    Ok(tensors)
}

/// The JSON text of the header and where the data section starts.
fn split<'a>(file: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], usize), Error> {
    if bytes.starts_with(LFS_POINTER) {
        return Err(Error::HeaderSyntax {
            file: file.to_path_buf(),
            reason: "this is a Git LFS pointer, not the weights (`git lfs pull` fetches them)".into(),
        });
    }
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(Error::Truncated {
            file: file.to_path_buf(),
            expected: LENGTH_BYTES as u64,
            found: bytes.len() as u64,
        });
    };
    let found = u64::from_le_bytes(*length);
    let limit = HEADER_LIMIT.min(rest.len() as u64);
    if !(2..=HEADER_LIMIT).contains(&found) {
        return Err(Error::HeaderLength { file: file.to_path_buf(), limit, found });
    }
    match rest.get(..found as usize) {
        Some(header) => Ok((header, LENGTH_BYTES + header.len())),
        None => Err(Error::HeaderLength { file: file.to_path_buf(), limit, found }),
    }
}

/// Checks one entry: it starts where the one before ends, and its length is that of its shape and type.
fn place(
    file: &Path,
    tensor: String,
    entry: Entry,
    previous_end: u64,
    data_start: usize,
) -> Result<StoredTensor, Error> {
    let (start, end) = entry.data_offsets;
    let problem = if end < start {
        Some(("ends before it starts", start, end))
    } else if start < previous_end {
        Some(("overlaps the tensor before it", previous_end, start))
    } else if start > previous_end {
        Some(("leaves a gap after the tensor before it", previous_end, start))
    } else {
        None
    };
    if let Some((problem, expected, found)) = problem {
        return Err(Error::Offsets { file: file.to_path_buf(), tensor, problem, expected, found });
    }
    let deserializer: StrDeserializer<'_, PlainError> = entry.dtype.as_str().into_deserializer();
    let Ok(dtype) = StoredDtype::deserialize(deserializer) else {
        return Err(Error::UnsupportedDtype {
            file: file.to_path_buf(),
            tensor,
            found: entry.dtype,
            supported: super::SUPPORTED_DTYPES,
        });
    };
    check_length(file, &tensor, dtype, &entry.shape, end - start)?;
    let place = || {
        let start = usize::try_from(start).ok()?.checked_add(data_start)?;
        let end = usize::try_from(end).ok()?.checked_add(data_start)?;
        let shape = entry.shape.iter().map(|&axis| usize::try_from(axis));
        Some((start..end, shape.collect::<Result<Vec<_>, _>>().ok()?))
    };
    let Some((range, shape)) = place() else {
        return Err(Error::ShapeOverflow { file: file.to_path_buf(), tensor, shape: entry.shape });
    };
    Ok(StoredTensor { name: tensor, dtype, shape, range })
}

/// Fails unless a tensor of this type and shape has `found` bytes.
pub(super) fn check_length(
    file: &Path,
    tensor: &str,
    dtype: StoredDtype,
    shape: &[u64],
    found: u64,
) -> Result<(), Error> {
    match byte_length(shape, dtype.bitsize() as u64) {
        Some(expected) if expected == found => Ok(()),
        Some(expected) => Err(Error::TensorLength {
            file: file.to_path_buf(),
            tensor: tensor.to_string(),
            dtype: dtype_name(dtype),
            shape: shape.to_vec(),
            expected,
            found,
        }),
        None => {
            Err(Error::ShapeOverflow { file: file.to_path_buf(), tensor: tensor.to_string(), shape: shape.to_vec() })
        }
    }
}

/// Bytes of a tensor of `bits` bits an element; `None` when the number does not fit.
///
/// An axis of length zero does not excuse an overflow of the others: products of partial shapes are taken later.
fn byte_length(shape: &[u64], bits: u64) -> Option<u64> {
    let mut elements = 1u64;
    let mut empty = false;
    for &axis in shape {
        empty |= axis == 0;
        elements = elements.checked_mul(axis.max(1))?;
    }
    let bits = elements.checked_mul(bits)?;
    if empty {
        return Some(0);
    }
    (bits % 8 == 0 && bits / 8 <= isize::MAX as u64).then_some(bits / 8)
}

/// Name of an element type in the header.
pub(super) fn dtype_name(dtype: StoredDtype) -> &'static str {
    match dtype {
        StoredDtype::BOOL => "BOOL",
        StoredDtype::F4 => "F4",
        StoredDtype::F6_E2M3 => "F6_E2M3",
        StoredDtype::F6_E3M2 => "F6_E3M2",
        StoredDtype::U8 => "U8",
        StoredDtype::I8 => "I8",
        StoredDtype::F8_E5M2 => "F8_E5M2",
        StoredDtype::F8_E4M3 => "F8_E4M3",
        StoredDtype::F8_E8M0 => "F8_E8M0",
        StoredDtype::I16 => "I16",
        StoredDtype::U16 => "U16",
        StoredDtype::F16 => "F16",
        StoredDtype::BF16 => "BF16",
        StoredDtype::I32 => "I32",
        StoredDtype::U32 => "U32",
        StoredDtype::F32 => "F32",
        StoredDtype::C64 => "C64",
        StoredDtype::F64 => "F64",
        StoredDtype::I64 => "I64",
        StoredDtype::U64 => "U64",
        _ => "an element type of fewer than 16 bits",
    }
}
