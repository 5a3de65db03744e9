//! Packed matrices in the layout of compressed-tensors, which `crate::prequantized::compressed_tensors` describes and
//! reads. Scales are stored in f32, so that nothing is rounded.

use super::tensors::{Pending, Tensors};
use super::{Matrix, method};
use crate::format::{PackedMatrix, PackedShape, ZeroPoints};
use crate::linear::{Activations, Weights};
use crate::prequantized::pack_dense;
use kernels::CodeBits;
use safetensors::Dtype;
use serde_json::{Value, json};

/// How a matrix is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scheme {
    bits: CodeBits,
    group: Option<usize>,
    zero_points: ZeroPoints,
    activations: Activations,
    /// Whether groups follow the order of activations.
    is_ordered: bool,
}

/// Whether the layout says all about a matrix: a torch `Linear` with whole groups, whose columns are at most reordered,
/// and whose sums do not depend on that order (those of integers do not, those of f32 activations do).
pub(super) fn can_hold(matrix: &Matrix<'_>) -> bool {
    let Weights::Packed { matrix: packed, activations } = matrix.weights else { return false };
    let shape = packed.shape();
    let map_is_expressible = packed.input_map().is_none_or(|map| map.scales().is_none() && shape.group.is_some());
    matrix.is_linear
        && matrix.part.1 == 1
        && shape.group.is_none_or(|group| shape.columns.is_multiple_of(group))
        && map_is_expressible
        && *activations != Activations::A32
}

/// Adds `matrices`, all of which [`can_hold`], and returns what is said about them.
pub(super) fn push<'a>(matrices: &[Matrix<'a>], unquantized: &[String], tensors: &mut Tensors<'a>) -> Value {
    let mut schemes: Vec<(Scheme, Vec<&str>)> = Vec::new();
    for matrix in matrices {
        let Weights::Packed { matrix: packed, activations } = matrix.weights else { continue };
        let scheme = Scheme::of(packed, *activations);
        push_matrix(&matrix.stem, packed, scheme, tensors);
        match schemes.iter_mut().find(|(known, _)| *known == scheme) {
            Some((_, names)) => names.push(&matrix.stem),
            None => schemes.push((scheme, vec![&matrix.stem])),
        }
    }
    let only = schemes.len() == 1;
    let formats: Vec<&str> = schemes.iter().map(|(scheme, _)| scheme.format()).collect();
    let same = formats.iter().all(|format| *format == formats[0]);
    let groups = schemes.iter().enumerate().map(|(index, (scheme, names))| {
        let targets: &[&str] = if only { &["Linear"] } else { names };
        (format!("group_{index}"), scheme.describe(targets))
    });
    let mut quantization = method("compressed-tensors");
    quantization.insert("format".into(), if same { formats[0] } else { "mixed-precision" }.into());
    quantization.insert("quantization_status".into(), "compressed".into());
    quantization.insert("config_groups".into(), Value::Object(groups.collect()));
    quantization.insert("ignore".into(), unquantized.into());
    quantization.insert("kv_cache_scheme".into(), Value::Null);
    quantization.into()
}

impl Scheme {
    fn of(matrix: &PackedMatrix, activations: Activations) -> Self {
        let PackedShape { bits, group, zero_points, .. } = *matrix.shape();
        Self { bits, group, zero_points, activations, is_ordered: matrix.input_map().is_some() }
    }

    fn format(&self) -> &'static str {
        match (self.bits, self.activations) {
            (CodeBits::Eight, Activations::A8) => "int-quantized",
            _ => "pack-quantized",
        }
    }

    fn describe(&self, targets: &[&str]) -> Value {
        let weights = json!({
            "num_bits": self.bits.bits(),
            "type": "int",
            "symmetric": self.zero_points == ZeroPoints::Middle,
            "strategy": if self.group.is_some() { "group" } else { "channel" },
            "group_size": self.group,
            "dynamic": false,
            "actorder": if self.is_ordered { Some("group") } else { None },
        });
        let inputs = match self.activations {
            Activations::A8 => {
                json!({"num_bits": 8, "type": "int", "symmetric": true, "strategy": "token", "dynamic": true})
            }
            _ => Value::Null,
        };
        json!({
            "targets": targets,
            "format": self.format(),
            "weights": weights,
            "input_activations": inputs,
            "output_activations": null,
        })
    }
}

fn push_matrix<'a>(stem: &str, matrix: &'a PackedMatrix, scheme: Scheme, tensors: &mut Tensors<'a>) {
    let PackedShape { rows, columns, bits, .. } = *matrix.shape();
    let (groups, width) = (matrix.shape().groups(), bits.bits());
    let in_bytes = scheme.format() == "int-quantized";
    let mut push = |part: &str, tensor: Pending<'a>| tensors.push(format!("{stem}.{part}"), tensor);
    let owned = |dtype, shape, bytes| Pending::Owned { dtype, shape, bytes };
    if in_bytes {
        push("weight", Pending::Made { dtype: Dtype::I8, shape: vec![rows, columns], matrix, make: signed_codes });
    } else {
        let shape = vec![rows, (columns * width as usize).div_ceil(32)];
        push("weight_packed", Pending::Made { dtype: Dtype::I32, shape, matrix, make: packed_codes });
        let sides = [rows as i64, columns as i64].iter().flat_map(|side| side.to_le_bytes()).collect();
        push("weight_shape", owned(Dtype::I64, vec![2], sides));
    }
    let cells = || (0..rows).flat_map(move |row| (0..groups).map(move |group| (row, group)));
    let scales = cells().flat_map(|(row, group)| matrix.grid(row, group).0.to_le_bytes()).collect();
    push("weight_scale", owned(Dtype::F32, vec![rows, groups], scales));
    if scheme.zero_points == ZeroPoints::Stored && in_bytes {
        let zeros = cells().map(|(row, group)| matrix.grid(row, group).1 ^ 0x80).collect();
        push("weight_zero_point", owned(Dtype::I8, vec![rows, groups], zeros));
    } else if scheme.zero_points == ZeroPoints::Stored {
        let words = (rows * width as usize).div_ceil(32);
        let mut zeros = vec![0u32; words * groups];
        let mut line = vec![0u32; words];
        for group in 0..groups {
            line.fill(0);
            pack_dense((0..rows).map(|row| matrix.grid(row, group).1), width, &mut line);
            line.iter().enumerate().for_each(|(index, &word)| zeros[index * groups + group] = word);
        }
        push("weight_zero_point", owned(Dtype::I32, vec![words, groups], word_bytes(&zeros)));
    }
    if let (Some(features), Some(group)) = (matrix.input_map().and_then(|map| map.features()), scheme.group) {
        let mut of_features = vec![0u32; columns];
        for (column, &feature) in features.iter().enumerate() {
            of_features[feature as usize] = (column / group) as u32;
        }
        push("weight_g_idx", owned(Dtype::I32, vec![columns], word_bytes(&of_features)));
    }
}

/// The codes of every row, features in their order.
fn natural_codes(matrix: &PackedMatrix, mut take: impl FnMut(&[u8])) {
    let PackedShape { rows, columns, .. } = *matrix.shape();
    let features = matrix.input_map().and_then(|map| map.features());
    let (mut codes, mut natural) = (vec![0; columns], vec![0; columns]);
    for row in 0..rows {
        matrix.codes_of_row(row, &mut codes);
        match features {
            None => take(&codes),
            Some(features) => {
                codes.iter().zip(features).for_each(|(&code, &feature)| natural[feature as usize] = code);
                take(&natural);
            }
        }
    }
}

/// Codes in dense words, row by row.
fn packed_codes(matrix: &PackedMatrix) -> Vec<u8> {
    let width = matrix.shape().bits.bits();
    let mut line = vec![0u32; (matrix.shape().columns * width as usize).div_ceil(32)];
    let mut bytes = Vec::with_capacity(4 * line.len() * matrix.shape().rows);
    natural_codes(matrix, |codes| {
        line.fill(0);
        pack_dense(codes.iter().copied(), width, &mut line);
        bytes.extend(line.iter().flat_map(|word| word.to_le_bytes()));
    });
    bytes
}

/// Codes of 8 bits minus 128, row by row.
fn signed_codes(matrix: &PackedMatrix) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(matrix.shape().rows * matrix.shape().columns);
    natural_codes(matrix, |codes| bytes.extend(codes.iter().map(|code| code ^ 0x80)));
    bytes
}

fn word_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
