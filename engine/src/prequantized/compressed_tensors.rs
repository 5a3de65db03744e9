//! The layout of compressed-tensors checkpoints: `pack-quantized` and `int-quantized`.
//!
//! Of a matrix [out, in]; codes and zero points are signed, and stored with 2^(bits - 1) added where they are packed:
//! ```text
//! weight_packed      i32 [out, words]     codes of one output feature, dense: 3-bit ones go on in the next word
//! weight             i8  [out, in]        the same in `int-quantized`, signed
//! weight_scale       [out, groups]        [1] for one scale of the whole matrix
//! weight_zero_point  i32 [words, groups]  dense along the output features; or i8 [out, groups], signed
//! weight_g_idx       i32 [in]             group of every feature, where groups follow the order of activations
//! weight_shape       i64 [2]
//! ```
//! Early files leave bits of a word unused that are too few for a code; they are told apart by the number of words.
//! `config_groups` say which matrices are stored how; they are named in full, by a class of modules, or by a pattern
//! (`re:`) that a name must begin with.

use super::module::{Integers, Module, float_at};
use super::pack::Codes;
use super::words::{dense_field, padded_field, word_at};
use super::{check_keys, group_words};
use crate::config::Config;
use crate::error::Error;
use crate::format::ZeroPoints;
use crate::linear::Activations;
use fancy_regex::Regex;
use kernels::CodeBits;
use safetensors::Dtype as StoredDtype;

/// Tensors of a matrix.
pub(super) const PARTS: &[&str] =
    &["weight_packed", "weight", "weight_scale", "weight_zero_point", "weight_g_idx", "weight_shape"];

const KNOWN: &[&str] = &[
    "config_groups",
    "format",
    "global_compression_ratio",
    "ignore",
    "quant_method",
    "quantization_status",
    "version",
];
const KNOWN_OF_GROUP: &[&str] = &["format", "input_activations", "targets", "weights"];
const KNOWN_OF_WEIGHTS: &[&str] = &[
    "actorder",
    "group_size",
    "num_bits",
    "observer",
    "observer_kwargs",
    "scale_dtype",
    "strategy",
    "symmetric",
    "type",
    "zp_dtype",
];
const KNOWN_OF_INPUTS: &[&str] = &[
    "dynamic",
    "group_size",
    "num_bits",
    "observer",
    "observer_kwargs",
    "scale_dtype",
    "strategy",
    "symmetric",
    "type",
    "zp_dtype",
];

/// What the checkpoint says about its matrices.
pub(super) struct CompressedTensors {
    schemes: Vec<Scheme>,
}

/// How the matrices of a config group are stored.
struct Scheme {
    targets: Vec<Target>,
    layout: Layout,
    bits: CodeBits,
    group: Group,
    symmetric: bool,
    activations: Activations,
}

enum Target {
    Name(String),
    /// The class of modules of all linear layers.
    Linear,
    Pattern(Box<Regex>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Packed,
    Bytes,
}

/// What has a scale.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Matrix,
    Row,
    Columns(usize),
}

impl CompressedTensors {
    pub(super) fn new(config: &Config<'_>) -> Result<Self, Error> {
        check_keys(config, KNOWN, "the keys of compressed-tensors that are about weights and activations")?;
        let status = config.text("quantization_status")?;
        if !matches!(status, None | Some("compressed" | "frozen")) {
            return Err(config.unsupported("quantization_status", "compressed"));
        }
        let Some(groups) = config.section("config_groups")? else {
            return Err(config.wrong("config_groups", "an object"));
        };
        let mut schemes = Vec::new();
        for key in groups.keys() {
            if let Some(group) = groups.section(key)? {
                schemes.push(Scheme::new(config, &group)?);
            }
        }
        if schemes.is_empty() {
            return Err(config.wrong("config_groups", "at least one group"));
        }
        Ok(Self { schemes })
    }

    pub(super) fn describe(&self) -> String {
        let schemes: Vec<String> = self.schemes.iter().map(Scheme::describe).collect();
        format!("compressed-tensors, {}", schemes.join("; "))
    }

    /// The scheme of a matrix: by its name, else by a pattern, else by its class.
    fn scheme(&self, module: &Module<'_>) -> Result<&Scheme, Error> {
        let find =
            |is_it: &dyn Fn(&Target) -> bool| self.schemes.iter().find(|scheme| scheme.targets.iter().any(is_it));
        let by_name = find(&|target| matches!(target, Target::Name(name) if name == module.stem));
        let by_pattern =
            || find(&|target| matches!(target, Target::Pattern(regex) if regex.is_match(module.stem).unwrap_or(false)));
        let by_class = || find(&|target| matches!(target, Target::Linear));
        let scheme = by_name.or_else(by_pattern).or_else(by_class);
        scheme.ok_or_else(|| module.wrong("weight_scale", "a config group that targets it", "none in config.json"))
    }

    pub(super) fn codes(&self, module: &Module<'_>) -> Result<Codes<'static>, Error> {
        let [rows, columns] = module.shape;
        let scheme = self.scheme(module)?;
        let bits = scheme.bits.bits();
        let group = match scheme.group {
            Group::Columns(group) => Some(group),
            Group::Matrix | Group::Row => None,
        };
        let groups = group.map_or(1, |group| columns.div_ceil(group));
        let scales = module.scales("weight_scale")?;
        let of_matrix = scheme.group == Group::Matrix && scales.elements() == 1;
        if !of_matrix {
            module.check_shape("weight_scale", &scales.shape, &[rows, groups])?;
        }
        let zeros = zeros(module, scheme, groups)?;
        let offset = 1i64 << (bits - 1);
        Ok(Codes {
            bits: scheme.bits,
            group,
            groups_of_features: module.groups_of_features("weight_g_idx", group)?,
            zero_points: if zeros.is_empty() { ZeroPoints::Middle } else { ZeroPoints::Stored },
            activations: scheme.activations,
            codes: match scheme.layout {
                Layout::Packed => packed_codes(module, bits)?,
                Layout::Bytes => byte_codes(module, bits)?,
            },
            grid: Box::new(move |row, group| {
                let scale = if of_matrix { float_at(&scales, 0, 0) } else { float_at(&scales, row, group) };
                (scale, zeros.get(row * groups + group).copied().unwrap_or(offset as u8))
            }),
        })
    }
}

impl Scheme {
    fn new(config: &Config<'_>, group: &Config<'_>) -> Result<Self, Error> {
        check_keys(group, KNOWN_OF_GROUP, "targets, weights and input_activations")?;
        let (holder, key) = if group.value("format").is_some() { (group, "format") } else { (config, "format") };
        let layout = match holder.text(key)? {
            Some("pack-quantized") => Layout::Packed,
            Some("int-quantized") => Layout::Bytes,
            _ => return Err(holder.unsupported(key, "pack-quantized and int-quantized")),
        };
        let Some(weights) = group.section("weights")? else {
            return Err(group.unsupported("weights", "an object that says how weights are stored"));
        };
        check_keys(&weights, KNOWN_OF_WEIGHTS, "integers of 2, 3, 4 or 8 bits with static scales")?;
        if !matches!(weights.text("type")?, None | Some("int")) {
            return Err(weights.unsupported("type", "int"));
        }
        let strategy = match (weights.text("strategy")?, weights.value("group_size").is_some()) {
            (Some("group"), _) | (None, true) => Group::Columns(weights.size("group_size")?),
            (Some("channel"), _) => Group::Row,
            (Some("tensor"), _) | (None, false) => Group::Matrix,
            _ => return Err(weights.unsupported("strategy", "group, channel and tensor")),
        };
        let bits = super::gptq::code_bits(&weights, "num_bits", weights.size("num_bits")?)?;
        let Some(targets) = group.texts("targets")? else {
            return Err(group.wrong("targets", "a list of names"));
        };
        let targets = targets.into_iter().map(|target| match target.strip_prefix("re:") {
            None if target == "Linear" => Ok(Target::Linear),
            None => Ok(Target::Name(target.into())),
            Some(pattern) => Regex::new(&format!("^(?:{pattern})"))
                .map(|regex| Target::Pattern(Box::new(regex)))
                .map_err(|_| group.unsupported("targets", "names, Linear, and `re:` with a regular expression")),
        });
        Ok(Self {
            targets: targets.collect::<Result<_, _>>()?,
            layout,
            bits,
            group: strategy,
            symmetric: weights.flag("symmetric", true)?,
            activations: activations(group)?,
        })
    }

    fn describe(&self) -> String {
        let layout = if self.layout == Layout::Packed { "pack-quantized" } else { "int-quantized" };
        let group = match self.group {
            Group::Columns(group) => group_words(Some(group)),
            Group::Row => group_words(None),
            Group::Matrix => "one scale a matrix".into(),
        };
        let symmetry = if self.symmetric { "symmetric" } else { "asymmetric" };
        let activations = if self.activations == Activations::A8 { ", 8-bit activations" } else { "" };
        format!("{layout}, {} bits, {group}, {symmetry}{activations}", self.bits.bits())
    }
}

/// How activations enter: as codes of 8 bits where the checkpoint wants that, one scale a token and segment.
fn activations(group: &Config<'_>) -> Result<Activations, Error> {
    const SUPPORTED: &str = "null, or symmetric dynamic integers of 8 bits";
    let Some(inputs) = group.section("input_activations")? else { return Ok(Activations::A16) };
    check_keys(&inputs, KNOWN_OF_INPUTS, SUPPORTED)?;
    if !matches!(inputs.text("type")?, None | Some("int")) {
        return Err(inputs.unsupported("type", "int"));
    }
    if inputs.size("num_bits")? != 8 {
        return Err(inputs.unsupported("num_bits", "8"));
    }
    if !inputs.flag("dynamic", false)? {
        return Err(inputs.unsupported("dynamic", "true"));
    }
    if !inputs.flag("symmetric", true)? {
        return Err(inputs.unsupported("symmetric", "true"));
    }
    Ok(Activations::A8)
}

type CodesOfRow = Box<dyn Fn(usize, &mut [u8]) + Sync>;

fn packed_codes(module: &Module<'_>, bits: u32) -> Result<CodesOfRow, Error> {
    let [rows, columns] = module.shape;
    if module.has("weight_shape") {
        let shape = module.integers("weight_shape", &[StoredDtype::I64, StoredDtype::I32], "I64")?;
        module.check_shape("weight_shape", &shape.shape, &[2])?;
        if [shape.at(0), shape.at(1)] != [rows as i64, columns as i64] {
            let found = format!("[{}, {}]", shape.at(0), shape.at(1));
            return Err(module.wrong("weight_shape", format!("[{rows}, {columns}] from config.json"), found));
        }
    }
    let packed = module.words("weight_packed")?;
    let packing = Packing::of(&packed, 1, columns, bits);
    module.check_shape("weight_packed", &packed.shape, &[rows, packing.words(columns, bits)])?;
    let words = packing.words(columns, bits);
    Ok(Box::new(move |row, codes| {
        let line = &packed.as_words()[row * words..(row + 1) * words];
        for (column, code) in codes.iter_mut().enumerate() {
            *code = packing.field(|word| word_at(line, word), column, bits);
        }
    }))
}

fn byte_codes(module: &Module<'_>, bits: u32) -> Result<CodesOfRow, Error> {
    let [rows, columns] = module.shape;
    let bytes = module.integers("weight", &[StoredDtype::I8], "I8")?;
    module.check_shape("weight", &bytes.shape, &[rows, columns])?;
    let offset = 1i16 << (bits - 1);
    let limit = i64::from(offset);
    if bits < 8
        && let Some(index) = (0..rows * columns).find(|&index| !(-limit..limit).contains(&bytes.at(index)))
    {
        let found = format!("{} in row {}, column {}", bytes.at(index), index / columns, index % columns);
        return Err(module.wrong("weight", format!("codes from {} to {}", -limit, limit - 1), found));
    }
    Ok(Box::new(move |row, codes| {
        let line = &bytes.bytes.as_slice()[row * columns..(row + 1) * columns];
        for (code, &byte) in codes.iter_mut().zip(line) {
            *code = (i16::from(byte as i8) + offset) as u8;
        }
    }))
}

/// Zero points as codes, [rows, groups]; empty where all are in the middle.
fn zeros(module: &Module<'_>, scheme: &Scheme, groups: usize) -> Result<Vec<u8>, Error> {
    const PART: &str = "weight_zero_point";
    let rows = module.shape[0];
    let bits = scheme.bits.bits();
    if !module.has(PART) {
        return match scheme.symmetric {
            true => Ok(Vec::new()),
            false => Err(module.wrong(PART, "zero points, since the weights are not symmetric", "no such tensor")),
        };
    }
    let stored = module.integers(PART, &[StoredDtype::I32, StoredDtype::I8], "I32 or I8")?;
    if stored.is_bytes() {
        let of_matrix = scheme.group == Group::Matrix && stored.bytes.as_slice().len() == 1;
        if !of_matrix {
            module.check_shape(PART, &stored.shape, &[rows, groups])?;
        }
        let limit = 1i64 << (bits - 1);
        let zeros = (0..rows * groups).map(|index| stored.at(if of_matrix { 0 } else { index }));
        let zeros: Option<Vec<u8>> = zeros.map(|zero| u8::try_from(zero + limit).ok()).collect();
        let zeros = zeros.filter(|zeros| zeros.iter().all(|&zero| zero <= scheme.bits.max_code()));
        let expected = format!("zero points from {} to {}", -limit, limit - 1);
        let zeros = zeros.ok_or_else(|| module.wrong(PART, expected, "one outside"))?;
        let middle = |zeros: &[u8]| zeros.iter().all(|&zero| i64::from(zero) == limit);
        return Ok(if scheme.symmetric && middle(&zeros) { Vec::new() } else { zeros });
    }
    let packing = Packing::of(&stored, 0, rows, bits);
    module.check_shape(PART, &stored.shape, &[packing.words(rows, bits), groups])?;
    let zero = |cell: usize| {
        let (row, group) = (cell / groups, cell % groups);
        packing.field(|word| word_at(stored.as_words(), word * groups + group), row, bits)
    };
    Ok((0..rows * groups).map(zero).collect())
}

/// How fields lie in words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    Dense,
    Padded,
}

impl Packing {
    /// That of fields along an axis of a tensor: dense, unless it has just as many words as the other takes.
    fn of(words: &Integers, axis: usize, fields: usize, bits: u32) -> Self {
        match words.shape.get(axis) {
            Some(&found) if found != Self::Dense.words(fields, bits) && found == Self::Padded.words(fields, bits) => {
                Self::Padded
            }
            _ => Self::Dense,
        }
    }

    fn words(self, fields: usize, bits: u32) -> usize {
        match self {
            Self::Dense => (fields * bits as usize).div_ceil(32),
            Self::Padded => fields.div_ceil(32 / bits as usize),
        }
    }

    #[inline]
    fn field(self, word: impl Fn(usize) -> u32, index: usize, bits: u32) -> u8 {
        match self {
            Self::Dense => dense_field(word, index, bits),
            Self::Padded => padded_field(word, index, bits),
        }
    }
}
