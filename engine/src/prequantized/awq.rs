//! The layout of AWQ checkpoints (AutoAWQ, version `gemm`): words run along the output features, eight to a word.
//!
//! Of a matrix [out, in] in groups of neighbours:
//! ```text
//! qweight  i32 [in, out / 8]      4-bit codes; from the lowest bits on, those of output features 0 2 4 6 1 3 5 7
//! qzeros   i32 [groups, out / 8]  zero points in the same order, stored as they are
//! scales   [groups, out]
//! ```
//! (Lin et al. 2024; the order is that of the authors' kernel.)

use super::module::{Module, float_at};
use super::pack::Codes;
use super::words::word_at;
use super::{check_keys, group_words};
use crate::config::Config;
use crate::error::Error;
use crate::format::ZeroPoints;
use crate::linear::Activations;
use kernels::CodeBits;

/// Tensors of a matrix.
pub(super) const PARTS: &[&str] = &["qweight", "qzeros", "scales"];

/// Bits below the field of output feature r mod 8: where it stands in the order 0 2 4 6 1 3 5 7.
const SHIFT: [u32; 8] = [0, 16, 4, 20, 8, 24, 12, 28];

const KNOWN: &[&str] = &[
    "backend",
    "bits",
    "checkpoint_format",
    "do_fuse",
    "exllama_config",
    "format",
    "fuse_max_seq_len",
    "group_size",
    "meta",
    "modules_to_fuse",
    "modules_to_not_convert",
    "pack_dtype",
    "q_group_size",
    "quant_method",
    "sym",
    "version",
    "w_bit",
    "zero_point",
];

/// What the checkpoint says about all its matrices.
pub(super) struct Awq {
    group: Option<usize>,
}

impl Awq {
    pub(super) fn new(config: &Config<'_>) -> Result<Self, Error> {
        check_keys(config, KNOWN, "the keys of AWQ checkpoints whose layout is known: use a checkpoint without it")?;
        for key in ["version", "checkpoint_format", "format"] {
            let word = config.text(key)?.map(str::to_lowercase);
            if word.is_some_and(|word| word != "gemm") {
                return Err(config.unsupported(key, "gemm"));
            }
        }
        let bits = if config.has("bits") { "bits" } else { "w_bit" };
        if config.size(bits)? != 4 {
            return Err(config.unsupported(bits, "4"));
        }
        if !config.flag("zero_point", true)? {
            return Err(config.unsupported("zero_point", "true"));
        }
        let key = if config.has("group_size") { "group_size" } else { "q_group_size" };
        let group = match config.value(key).and_then(serde_json::Value::as_i64) {
            Some(-1) => None,
            _ => Some(config.size(key)?),
        };
        Ok(Self { group })
    }

    pub(super) fn describe(&self) -> String {
        format!("awq, 4 bits, {}", group_words(self.group))
    }

    pub(super) fn codes(&self, module: &Module<'_>) -> Result<Codes<'static>, Error> {
        let [rows, columns] = module.shape;
        if !rows.is_multiple_of(8) {
            return Err(module.wrong("qweight", "a multiple of 8 output features", rows.to_string()));
        }
        let words = rows / 8;
        let group = self.group.filter(|&group| group < columns);
        let groups = group.map_or(1, |group| columns.div_ceil(group));
        let qweight = module.words_of("qweight", &[columns, words])?;
        let qzeros = module.words_of("qzeros", &[groups, words])?;
        let scales = module.scales("scales")?;
        module.check_shape("scales", &scales.shape, &[groups, rows])?;
        let field = move |fields: &[[u8; 4]], line: usize, row: usize| {
            ((word_at(fields, line * words + row / 8) >> SHIFT[row % 8]) & 0xf) as u8
        };
        Ok(Codes {
            bits: CodeBits::Four,
            group,
            groups_of_features: None,
            zero_points: ZeroPoints::Stored,
            activations: Activations::A16,
            codes: Box::new(move |row, codes| {
                let words = qweight.as_words();
                for (column, code) in codes.iter_mut().enumerate() {
                    *code = field(words, column, row);
                }
            }),
            grid: Box::new(move |row, group| (float_at(&scales, group, row), field(qzeros.as_words(), group, row))),
        })
    }
}
