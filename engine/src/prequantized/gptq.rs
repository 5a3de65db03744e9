//! The layout of GPTQ checkpoints (AutoGPTQ, GPTQModel): words run along the input features.
//!
//! Of a matrix [out, in] in groups:
//! ```text
//! qweight  i32 [in * bits / 32, out]      codes of one output feature, dense: 3-bit ones go on in the next word
//! qzeros   i32 [groups, out * bits / 32]  zero points of one group, dense; `gptq` stores zero - 1, `gptq_v2` zero
//! scales   [groups, out]
//! g_idx    i32 [in]                       group of every feature; with desc_act groups are not neighbours
//! ```
//! # Zero points minus one
//! The first version subtracts 1 before packing. Writers of today subtract a word with a 1 in every field from the whole
//! word, so that a zero point of 0 borrows from its neighbour, and readers add it (GPTQModel, `gptqmodel/utils/model.py`,
//! `convert_gptq_v1_to_v2_format_module`): so is it done here. Fields of 3 bits wrap by themselves. Early versions of
//! GPTQModel subtracted another word from those; of symmetric checkpoints that is noticed, and refused.

use super::module::{Module, float_at};
use super::pack::Codes;
use super::words::{dense_field, word_at};
use super::{check_keys, group_words};
use crate::config::Config;
use crate::error::Error;
use crate::format::ZeroPoints;
use crate::linear::Activations;
use kernels::CodeBits;

/// Tensors of a matrix.
pub(super) const PARTS: &[&str] = &["qweight", "qzeros", "scales", "g_idx"];

/// Keys that say how codes were chosen, or how some program runs them, and nothing about their layout.
const SILENT: &[&str] = &[
    "act_group_aware",
    "backend",
    "batch_size",
    "block_name_to_quantize",
    "cache_block_outputs",
    "damp_auto_increment",
    "damp_percent",
    "dataset",
    "disable_exllama",
    "exllama_config",
    "foem",
    "gptaq",
    "hyb_act",
    "is_marlin_format",
    "lm_head",
    "max_input_length",
    "meta",
    "method",
    "model_file_base_name",
    "model_name_or_path",
    "model_seqlen",
    "module_name_preceding_first_block",
    "modules_in_block_to_quantize",
    "modules_to_not_convert",
    "mse",
    "pad_token_id",
    "parallel_packing",
    "static_groups",
    "tokenizer",
    "true_sequential",
    "use_cuda_fp16",
    "use_exllama",
    "v2",
    "version",
];
/// Keys that are read.
const READ: &[&str] =
    &["bits", "checkpoint_format", "desc_act", "dynamic", "format", "group_size", "pack_dtype", "quant_method", "sym"];

/// What the checkpoint says about all its matrices.
pub(super) struct Gptq {
    /// As configured; a matrix may differ where `dynamic` says so.
    bits: CodeBits,
    group: Option<usize>,
    desc_act: bool,
    /// Whether single matrices may differ.
    dynamic: bool,
    symmetric: bool,
    zeros: StoredZeros,
}

/// What is stored for a zero point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StoredZeros {
    /// Itself.
    Plain,
    /// Itself minus one.
    MinusOne,
}

impl Gptq {
    pub(super) fn new(config: &Config<'_>) -> Result<Self, Error> {
        let known: Vec<&str> = SILENT.iter().chain(READ).copied().collect();
        check_keys(config, &known, "the keys of GPTQ checkpoints whose layout is known: use a checkpoint without it")?;
        if config.flag("is_marlin_format", false)? {
            return Err(config.unsupported("is_marlin_format", "false: use the checkpoint in format gptq"));
        }
        if !matches!(config.text("pack_dtype")?, None | Some("int32")) {
            return Err(config.unsupported("pack_dtype", "int32"));
        }
        let key = if config.has("checkpoint_format") { "checkpoint_format" } else { "format" };
        let zeros = match config.text(key)? {
            None | Some("gptq") => StoredZeros::MinusOne,
            Some("gptq_v2") => StoredZeros::Plain,
            Some(_) => return Err(config.unsupported(key, "gptq and gptq_v2")),
        };
        let bits = config.size("bits")?;
        let group = match config.value("group_size").and_then(serde_json::Value::as_i64) {
            Some(-1) => None,
            _ => Some(config.size("group_size")?),
        };
        Ok(Self {
            bits: code_bits(config, "bits", bits)?,
            group,
            desc_act: config.flag("desc_act", false)?,
            symmetric: config.flag("sym", false)?,
            dynamic: config.value("dynamic").is_some_and(|value| value.as_object().is_some_and(|map| !map.is_empty())),
            zeros,
        })
    }

    pub(super) fn describe(&self) -> String {
        let version = if self.zeros == StoredZeros::Plain { "gptq_v2" } else { "gptq" };
        let order = if self.desc_act { ", act-order" } else { "" };
        let others = if self.dynamic { ", some matrices otherwise" } else { "" };
        format!("{version}, {} bits, {}{order}{others}", self.bits.bits(), group_words(self.group))
    }

    pub(super) fn codes(&self, module: &Module<'_>) -> Result<Codes<'static>, Error> {
        let [rows, columns] = module.shape;
        let qweight = module.words("qweight")?;
        let bits = match self.dynamic {
            false => self.bits,
            true => {
                let found = qweight.shape.first().map(|words| words * 32 / columns);
                let bits = found.and_then(|bits| CodeBits::from_bits(bits as u32));
                bits.ok_or_else(|| {
                    module.wrong("qweight", "2, 3, 4 or 8 bits a weight", format!("{:?}", qweight.shape))
                })?
            }
        };
        let width = bits.bits() as usize;
        if !(columns * width).is_multiple_of(32) || !(rows * width).is_multiple_of(32) {
            let expected = format!("a matrix whose sides are whole words of codes of {width} bits");
            return Err(module.wrong("qweight", expected, format!("{rows} x {columns}")));
        }
        module.check_shape("qweight", &qweight.shape, &[columns * width / 32, rows])?;
        let scales = module.scales("scales")?;
        let groups = scales.shape.first().copied().unwrap_or(0);
        let expected = self.group.map_or(1, |group| columns.div_ceil(group));
        let group = match self.dynamic && groups != expected && groups > 0 {
            false => self.group,
            true if groups == 1 => None,
            true => Some(columns / groups),
        };
        let groups = group.map_or(1, |group| columns.div_ceil(group));
        module.check_shape("scales", &scales.shape, &[groups, rows])?;
        if self.desc_act && group.is_some() && !module.has("g_idx") {
            return Err(module.wrong("g_idx", "the group of every feature, since desc_act is set", "no such tensor"));
        }
        let groups_of_features = module.groups_of_features("g_idx", group)?;
        let zero_words = rows * width / 32;
        let qzeros = module.words_of("qzeros", &[groups, zero_words])?;
        let ones = self.ones(bits);
        let words = (0..groups * zero_words).map(|index| word_at(qzeros.as_words(), index).wrapping_add(ones));
        let words: Vec<u32> = words.collect();
        let after = u8::from(self.zeros == StoredZeros::MinusOne && bits == CodeBits::Three);
        let zero = move |row: usize, group: usize| {
            let line = &words[group * zero_words..(group + 1) * zero_words];
            (dense_field(|word| line[word], row, width as u32) + after) & bits.max_code()
        };
        let middle = 1u8 << (width - 1);
        let all_middle = (0..groups).all(|group| (0..rows).all(|row| zero(row, group) == middle));
        if self.symmetric && after == 1 && !all_middle {
            let expected = format!("zero points of {middle}, since the checkpoint is symmetric");
            return Err(module.wrong("qzeros", expected, "others, as early versions of GPTQModel pack 3 bits"));
        }
        Ok(Codes {
            bits,
            group,
            groups_of_features,
            zero_points: if all_middle { ZeroPoints::Middle } else { ZeroPoints::Stored },
            activations: Activations::A16,
            codes: Box::new(move |row, codes| {
                let words = qweight.as_words();
                for (column, code) in codes.iter_mut().enumerate() {
                    *code = dense_field(|word| word_at(words, word * rows + row), column, width as u32);
                }
            }),
            grid: Box::new(move |row, group| (float_at(&scales, group, row), zero(row, group))),
        })
    }

    /// What is added to a word of zero points: a 1 in every field, where fields do not go on in the next word.
    fn ones(&self, bits: CodeBits) -> u32 {
        match (self.zeros, bits) {
            (StoredZeros::Plain, _) | (_, CodeBits::Three) => 0,
            (_, CodeBits::Two) => 0x5555_5555,
            (_, CodeBits::Four) => 0x1111_1111,
            (_, CodeBits::Eight) => 0x0101_0101,
        }
    }
}

/// The width of codes under `key`.
pub(super) fn code_bits(config: &Config<'_>, key: &str, bits: usize) -> Result<CodeBits, Error> {
    let width = u32::try_from(bits).ok().and_then(CodeBits::from_bits);
    width.ok_or_else(|| config.unsupported(key, "2, 3, 4 and 8"))
}
