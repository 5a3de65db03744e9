//! Packed matrices in a safetensors file: codes, scales and zero points as nibble holds them, byte for byte.
//!
//! Of matrix `name` there are the tensors `name.codes` (u8, panels as in memory), `name.scales` (f32) and, where they are
//! stored, `name.zeros` (u8, or f32 where they need not be integers); of SpQR's there are also `planes` (u8), `seconds`
//! (f32), `starts` (u32), `outlier_columns` and `outlier_values` (u16) and `outlier_unit` (f32); of the input map number n,
//! `map.n.features` (u32) and `map.n.scales` (f32). NF4's has `scales` (f32), or (u8) where they are codes, with `seconds`
//! and `offset` (f32); LLM.int8()'s is a packed one, with `stored` (the checkpoint's type) where outlier features are
//! multiplied with the weights as they were. The one entry
//! `nibble` of the file's metadata is a JSON object: `matrices` says what each is, `content` is the caller's, `sha256`
//! is that of all tensors' bytes in the order of the header. A file is written under another name and renamed when it
//! is complete; one that is cut or changed is refused.

use super::sparse_quantized::Arrays;
use super::{
    DecomposedMatrix, DenseMatrix, GroupScales, LevelMatrix, LevelShape, PackedMatrix, PackedShape,
    SparseQuantizedMatrix, SparseQuantizedShape, ZeroPoints,
};
use crate::error::Error;
use crate::input_map::InputMap;
use crate::linear::{Activations, Decomposition, InputPrecision, OutlierScope, Weights};
use crate::tensor::{Dtype as DenseDtype, TensorBytes};
use kernels::CodeBits;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A tensor: its name, type and little-endian bytes.
pub type NamedTensor = (String, Dtype, Vec<u8>);

/// Version of the layout.
const FORMAT: u64 = 1;

/// The entry of the metadata.
const ENTRY: &str = "nibble";

/// Matrices to be written to a file.
#[derive(Default)]
pub struct MatrixWriter {
    matrices: Map<String, Value>,
    tensors: Vec<NamedTensor>,
    maps: Vec<Arc<InputMap>>,
}

/// The matrices of a file.
pub struct MatrixReader {
    path: PathBuf,
    content: Value,
    matrices: Map<String, Value>,
    tensors: BTreeMap<String, (Dtype, Vec<u8>)>,
    maps: BTreeMap<u64, Arc<InputMap>>,
}

impl MatrixWriter {
    /// What was added: a description of every matrix, and the tensors they are made of, as one file or several hold them.
    pub fn into_parts(self) -> (Map<String, Value>, Vec<NamedTensor>) {
        (self.matrices, self.tensors)
    }

    /// Takes out the tensors added since the last time; input maps added before are not added again.
    pub fn take_tensors(&mut self) -> Vec<NamedTensor> {
        std::mem::take(&mut self.tensors)
    }

    /// Adds the matrix `name`, unless it is dense: what the checkpoint holds is not stored again.
    pub fn push(&mut self, name: &str, weights: &Weights) {
        match weights {
            Weights::Dense(_) => {}
            Weights::Decomposed(matrix) => self.push_decomposed(name, matrix),
            Weights::Levels(matrix) => self.push_levels(name, matrix),
            Weights::Packed { matrix, activations } => self.push_packed(name, matrix, *activations),
            Weights::SparseQuantized { matrix, activations } => self.push_sparse(name, matrix, *activations),
        }
    }

    fn push_packed(&mut self, name: &str, matrix: &PackedMatrix, activations: Activations) {
        let shape = matrix.shape();
        let map = matrix.input_map().map(|map| self.map(map));
        let description = json!({
            "kind": "packed",
            "rows": shape.rows,
            "columns": shape.columns,
            "bits": shape.bits.bits(),
            "group": shape.group,
            "zero_points": match shape.zero_points {
                ZeroPoints::Middle => "middle",
                ZeroPoints::Stored => "stored",
                ZeroPoints::Floats => "floats",
            },
            "activations": activations_word(activations),
            "map": map,
        });
        self.matrices.insert(name.into(), description);
        self.tensors.push((format!("{name}.codes"), Dtype::U8, matrix.codes().to_vec()));
        self.tensors.push((format!("{name}.scales"), Dtype::F32, f32_bytes(matrix.scales())));
        let zeros = format!("{name}.zeros");
        match shape.zero_points {
            ZeroPoints::Middle => {}
            ZeroPoints::Stored => self.tensors.push((zeros, Dtype::U8, matrix.zeros().to_vec())),
            ZeroPoints::Floats => self.tensors.push((zeros, Dtype::F32, f32_bytes(matrix.float_zeros()))),
        }
    }

    fn push_sparse(&mut self, name: &str, matrix: &SparseQuantizedMatrix, activations: Activations) {
        let (shape, arrays) = (matrix.shape(), matrix.arrays());
        let map = matrix.input_map().map(|map| self.map(map));
        let description = json!({
            "kind": "sparse_quantized",
            "rows": shape.rows,
            "columns": shape.columns,
            "bits": shape.bits.bits(),
            "group": shape.group,
            "scale_bits": shape.statistic_bits[0],
            "zero_bits": shape.statistic_bits[1],
            "activations": activations_word(activations),
            "map": map,
        });
        self.matrices.insert(name.into(), description);
        let halves = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let starts = arrays.starts.iter().flat_map(|start| start.to_le_bytes()).collect();
        for (part, dtype, bytes) in [
            ("codes", Dtype::U8, arrays.codes),
            ("planes", Dtype::U8, arrays.planes),
            ("seconds", Dtype::F32, f32_bytes(arrays.seconds.as_flattened())),
            ("outlier_unit", Dtype::F32, f32_bytes(&[arrays.outlier_unit])),
            ("starts", Dtype::U32, starts),
            ("outlier_columns", Dtype::U16, halves(&arrays.outlier_columns)),
            ("outlier_values", Dtype::U16, halves(&arrays.outlier_values)),
        ] {
            self.tensors.push((format!("{name}.{part}"), dtype, bytes));
        }
    }

    fn push_decomposed(&mut self, name: &str, matrix: &DecomposedMatrix) {
        self.push_packed(name, matrix.codes(), Activations::A8);
        let rule = matrix.rule();
        let description = &mut self.matrices[name];
        description["kind"] = "decomposed".into();
        // Infinity, which is no number of JSON, means that nothing is an outlier.
        description["threshold"] = rule.threshold.is_finite().then_some(rule.threshold).into();
        description["outliers"] = scope_word(rule.scope).into();
        description["inputs"] = precision_word(rule.precision).into();
        if let Some(stored) = matrix.stored() {
            description["stored"] = true.into();
            self.tensors.push((format!("{name}.stored"), stored.dtype().stored(), stored.as_bytes().to_vec()));
        }
    }

    fn push_levels(&mut self, name: &str, matrix: &LevelMatrix) {
        let LevelShape { rows, columns, group } = *matrix.shape();
        let is_double = matches!(matrix.scales(), GroupScales::Codes { .. });
        let description = json!({
            "kind": "nf4", "rows": rows, "columns": columns, "bits": 4, "group": group, "double_quant": is_double,
            "activations": activations_word(Activations::A32),
        });
        self.matrices.insert(name.into(), description);
        let mut push = |part: &str, dtype, bytes| self.tensors.push((format!("{name}.{part}"), dtype, bytes));
        push("codes", Dtype::U8, matrix.codes().to_vec());
        match matrix.scales() {
            GroupScales::Floats(scales) => push("scales", Dtype::F32, f32_bytes(scales)),
            GroupScales::Codes { codes, seconds, offset } => {
                push("scales", Dtype::U8, codes.clone());
                push("seconds", Dtype::F32, f32_bytes(seconds));
                push("offset", Dtype::F32, f32_bytes(&[*offset]));
            }
        }
    }

    /// The number of a map, which is stored once for all matrices that share it.
    fn map(&mut self, map: &Arc<InputMap>) -> usize {
        if let Some(number) = self.maps.iter().position(|known| Arc::ptr_eq(known, map)) {
            return number;
        }
        let number = self.maps.len();
        if let Some(features) = map.features() {
            let bytes = features.iter().flat_map(|feature| feature.to_le_bytes()).collect();
            self.tensors.push((format!("map.{number}.features"), Dtype::U32, bytes));
        }
        if let Some(scales) = map.scales() {
            self.tensors.push((format!("map.{number}.scales"), Dtype::F32, f32_bytes(scales)));
        }
        self.maps.push(Arc::clone(map));
        number
    }

    /// Writes the file, with `content` in its metadata.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(mut self, path: &Path, content: Value) -> Result<(), Error> {
        // The order of safetensors files, which the digest follows: large elements first, then names.
        self.tensors.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut hasher = Sha256::new();
        self.tensors.iter().for_each(|(_, _, bytes)| hasher.update(bytes));
        let sha256 = hexadecimal(&hasher.finalize());
        let metadata = json!({"format": FORMAT, "content": content, "matrices": self.matrices, "sha256": sha256});
        let views = self.tensors.iter().map(|(name, dtype, bytes)| {
            let view = TensorView::new(*dtype, vec![bytes.len() * 8 / dtype.bitsize()], bytes);
            view.map(|view| (name.as_str(), view))
        });
        let other = |error: safetensors::SafeTensorError| Error::Io {
            file: path.to_path_buf(),
            source: std::io::Error::other(error.to_string()),
        };
        let views = views.collect::<Result<Vec<_>, _>>().map_err(other)?;
        let metadata = std::iter::once((ENTRY.to_string(), metadata.to_string())).collect();
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(other)?;
        let io = |source| Error::Io { file: path.to_path_buf(), source };
        let part = path.with_extension("part");
        let mut file = File::create(&part).map_err(io)?;
        file.write_all(&bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        std::fs::rename(&part, path).map_err(io)
    }
}

impl MatrixReader {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::StoredMatrix`] for one that is cut, changed or not of this kind.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { file: path.to_path_buf(), source })?;
        Self::parse(path, &bytes).map_err(|problem| Error::StoredMatrix { file: path.to_path_buf(), problem })
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let entry = header.metadata().as_ref().and_then(|metadata| metadata.get(ENTRY));
        let entry = entry.ok_or("it holds no matrices of this program")?;
        let mut entry: Value = serde_json::from_str(entry).map_err(|error| format!("its metadata: {error}"))?;
        if entry["format"] != FORMAT {
            return Err(format!("its layout is version {}, expected {FORMAT}", entry["format"]));
        }
        let mut hasher = Sha256::new();
        let mut tensors = BTreeMap::new();
        for name in header.offset_keys() {
            let tensor = file.tensor(&name).map_err(|error| error.to_string())?;
            hasher.update(tensor.data());
            tensors.insert(name, (tensor.dtype(), tensor.data().to_vec()));
        }
        if entry["sha256"].as_str() != Some(hexadecimal(&hasher.finalize()).as_str()) {
            return Err("its bytes are not those that were written".into());
        }
        let Value::Object(matrices) = entry["matrices"].take() else { return Err("it lists no matrices".into()) };
        Ok(Self {
            path: path.to_path_buf(),
            content: entry["content"].take(),
            matrices,
            tensors,
            maps: BTreeMap::new(),
        })
    }

    /// A reader of the matrices that a [`MatrixWriter`] described; their tensors are to be offered before they are taken.
    /// `path` is named in errors.
    pub fn of_parts(path: &Path, matrices: Map<String, Value>) -> Self {
        let (content, tensors, maps) = (Value::Null, BTreeMap::new(), BTreeMap::new());
        Self { path: path.to_path_buf(), content, matrices, tensors, maps }
    }

    /// Gives a tensor of a matrix.
    pub fn offer(&mut self, name: String, dtype: Dtype, bytes: Vec<u8>) {
        self.tensors.insert(name, (dtype, bytes));
    }

    /// What the writer was given.
    pub fn content(&self) -> &Value {
        &self.content
    }

    /// Takes the matrix `name` out; `None` if it was not stored.
    ///
    /// # Errors
    /// [`Error::StoredMatrix`].
    pub fn take(&mut self, name: &str) -> Result<Option<Weights>, Error> {
        let Some(description) = self.matrices.remove(name) else { return Ok(None) };
        let weights = self.weights(name, &description);
        let wrong =
            |problem| Error::StoredMatrix { file: self.path.clone(), problem: format!("matrix {name}: {problem}") };
        weights.map(Some).map_err(wrong)
    }

    fn weights(&mut self, name: &str, description: &Value) -> Result<Weights, String> {
        let number = |key: &str| {
            let number = description[key].as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| format!("no {key}"))
        };
        let (rows, columns) = (number("rows")?, number("columns")?);
        let bits = u32::try_from(number("bits")?).ok().and_then(CodeBits::from_bits).ok_or("no known bits")?;
        let all = [Activations::A8, Activations::A16, Activations::A32];
        let word = description["activations"].as_str();
        let activations = all.into_iter().find(|known| Some(activations_word(*known)) == word);
        let activations = activations.ok_or("no known activations")?;
        let map = match description["map"].as_u64() {
            Some(map) => Some(self.map(map, columns)?),
            None => None,
        };
        let codes = self.bytes(&format!("{name}.codes"), Dtype::U8)?;
        if description["kind"] == "sparse_quantized" {
            let statistic_bits = [number("scale_bits")?, number("zero_bits")?];
            let shape = SparseQuantizedShape { rows, columns, bits, group: number("group")?, statistic_bits };
            let matrix = SparseQuantizedMatrix::from_arrays(shape, self.arrays(name, codes)?)?;
            let matrix = match map {
                Some(map) => matrix.with_input_map(map),
                None => matrix,
            };
            return Ok(Weights::SparseQuantized { matrix, activations });
        }
        let group = if description["group"].is_null() { None } else { Some(number("group")?) };
        if description["kind"] == "nf4" {
            let scales = self.level_scales(name, description["double_quant"] == true)?;
            return LevelMatrix::from_parts(LevelShape { rows, columns, group }, &codes, scales).map(Weights::Levels);
        }
        let zero_points = match description["zero_points"].as_str() {
            Some("middle") => ZeroPoints::Middle,
            Some("stored") => ZeroPoints::Stored,
            Some("floats") => ZeroPoints::Floats,
            _ => return Err("no zero points".into()),
        };
        let scales = floats(&self.bytes(&format!("{name}.scales"), Dtype::F32)?);
        let zeros_name = format!("{name}.zeros");
        let (zeros, float_zeros) = match zero_points {
            ZeroPoints::Middle => (Vec::new(), Vec::new()),
            ZeroPoints::Stored => (self.bytes(&zeros_name, Dtype::U8)?, Vec::new()),
            ZeroPoints::Floats => (Vec::new(), floats(&self.bytes(&zeros_name, Dtype::F32)?)),
        };
        let shape = PackedShape { rows, columns, bits, group, zero_points };
        let matrix = PackedMatrix::from_parts(shape, &codes, scales, zeros, float_zeros)?;
        let matrix = match map {
            Some(map) => matrix.with_input_map(map),
            None => matrix,
        };
        match description["kind"].as_str() {
            Some("packed") => Ok(Weights::Packed { matrix, activations }),
            Some("decomposed") => Ok(Weights::Decomposed(self.decomposed(name, description, matrix)?)),
            other => Err(format!("no known kind of matrix: {}", other.unwrap_or("none"))),
        }
    }

    fn level_scales(&mut self, name: &str, is_double: bool) -> Result<GroupScales, String> {
        let mut part = |part: &str, dtype| self.bytes(&format!("{name}.{part}"), dtype);
        if !is_double {
            return Ok(GroupScales::Floats(floats(&part("scales", Dtype::F32)?)));
        }
        let offset = floats(&part("offset", Dtype::F32)?);
        Ok(GroupScales::Codes {
            codes: part("scales", Dtype::U8)?,
            seconds: floats(&part("seconds", Dtype::F32)?),
            offset: offset.first().copied().ok_or("no offset of the scales")?,
        })
    }

    fn decomposed(&mut self, name: &str, description: &Value, codes: PackedMatrix) -> Result<DecomposedMatrix, String> {
        let PackedShape { rows, columns, bits, group, zero_points } = *codes.shape();
        if bits != CodeBits::Eight || group.is_some() || zero_points != ZeroPoints::Middle {
            return Err("expected 8 bits, one scale a row and no zero points".into());
        }
        let threshold = match description["threshold"].as_f64() {
            Some(threshold) => threshold as f32,
            None if description["threshold"].is_null() => f32::INFINITY,
            None => return Err("no threshold".into()),
        };
        let (scopes, precisions) =
            ([OutlierScope::Token, OutlierScope::Call], [InputPrecision::F32, InputPrecision::F16]);
        let scope = scopes.into_iter().find(|scope| description["outliers"] == scope_word(*scope));
        let precision = precisions.into_iter().find(|it| description["inputs"] == precision_word(*it));
        let rule = Decomposition {
            threshold,
            scope: scope.ok_or("no tokens that outliers are for")?,
            precision: precision.ok_or("no precision of inputs")?,
        };
        let stored = match description["stored"] == true {
            false => None,
            true => {
                let (stored, bytes) = self.tensors.remove(&format!("{name}.stored")).ok_or("no stored weights")?;
                let dtype = DenseDtype::from_stored(stored).ok_or_else(|| format!("weights of type {stored:?}"))?;
                if bytes.len() != rows * columns * dtype.bytes() {
                    return Err(format!("{} bytes of weights for {rows} x {columns}", bytes.len()));
                }
                Some(DenseMatrix::new(TensorBytes::from_vec(bytes), dtype, rows, columns))
            }
        };
        Ok(DecomposedMatrix::new(codes, stored, rule))
    }

    fn arrays(&mut self, name: &str, codes: Vec<u8>) -> Result<Arrays, String> {
        let mut part = |part: &str, dtype| self.bytes(&format!("{name}.{part}"), dtype);
        let seconds = floats(&part("seconds", Dtype::F32)?);
        let unit = floats(&part("outlier_unit", Dtype::F32)?);
        Ok(Arrays {
            codes,
            planes: part("planes", Dtype::U8)?,
            seconds: seconds.as_chunks::<4>().0.to_vec(),
            outlier_unit: unit.first().copied().ok_or("no unit of outliers")?,
            starts: words(&part("starts", Dtype::U32)?),
            outlier_columns: halves(&part("outlier_columns", Dtype::U16)?),
            outlier_values: halves(&part("outlier_values", Dtype::U16)?),
        })
    }

    fn map(&mut self, number: u64, columns: usize) -> Result<Arc<InputMap>, String> {
        let map = match self.maps.get(&number) {
            Some(map) => Arc::clone(map),
            None => {
                let (features, scales) = (format!("map.{number}.features"), format!("map.{number}.scales"));
                let features = match self.tensors.contains_key(&features) {
                    true => Some(words(&self.bytes(&features, Dtype::U32)?)),
                    false => None,
                };
                let scales = match self.tensors.contains_key(&scales) {
                    true => Some(floats(&self.bytes(&scales, Dtype::F32)?)),
                    false => None,
                };
                if features.is_none() && scales.is_none() {
                    return Err(format!("map {number} is missing"));
                }
                let map = InputMap::new(columns, features, scales).map_err(|error| error.to_string())?;
                self.maps.entry(number).or_insert(Arc::new(map)).clone()
            }
        };
        if map.columns() == columns { Ok(map) } else { Err(format!("a map of {} columns", map.columns())) }
    }

    fn bytes(&mut self, name: &str, dtype: Dtype) -> Result<Vec<u8>, String> {
        match self.tensors.remove(name) {
            Some((found, bytes)) if found == dtype => Ok(bytes),
            Some((found, _)) => Err(format!("tensor {name} is {found:?}, expected {dtype:?}")),
            None => Err(format!("tensor {name} is missing")),
        }
    }
}

fn scope_word(scope: OutlierScope) -> &'static str {
    match scope {
        OutlierScope::Token => "token",
        OutlierScope::Call => "per_call",
    }
}

fn precision_word(precision: InputPrecision) -> &'static str {
    match precision {
        InputPrecision::F32 => "f32",
        InputPrecision::F16 => "f16",
    }
}

fn activations_word(activations: Activations) -> &'static str {
    match activations {
        Activations::A8 => "a8",
        Activations::A16 => "a16",
        Activations::A32 => "a32",
    }
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

fn halves(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half)).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
