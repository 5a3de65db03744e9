//! Checkpoints that hold quantized matrices already: their codes become packed matrices and are multiplied as they are.
//!
//! What `quantization_config` in `config.json` calls the method is one file here; what it asks for and no file
//! implements is refused by name. Where a family names the tensor `x.weight`, such a checkpoint has `x.qweight` or
//! `x.weight_packed` and their companions. Codes, scales and zero points are taken as they are stored, scales widened
//! exactly: w = scale * (code - zero), to the last bit of the product of the widened numbers. Activations enter as codes
//! of 16 bits, of 8 where the checkpoint wants them quantized.

mod awq;
mod compressed_tensors;
mod gptq;
mod module;
mod nibble;
mod pack;
mod words;

pub(crate) use module::is_zero;
pub(crate) use nibble::{LAYOUT_VERSION, matrix_name};
pub(crate) use words::pack_dense;

use crate::blueprint::Runs;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::input_map::InputMap;
use crate::linear::Weights;
use module::Module;
use std::sync::Arc;

/// How a checkpoint stores its quantized matrices.
pub struct Prequantized {
    format: Format,
    /// Maps of the matrices read last: those that share an input have equal ones, which become one.
    maps: Vec<Arc<InputMap>>,
}

enum Format {
    Gptq(gptq::Gptq),
    Awq(awq::Awq),
    CompressedTensors(compressed_tensors::CompressedTensors),
    Nibble(Box<nibble::Nibble>),
}

/// Rows of a matrix, as many as a part of a fused tensor has, and its whole size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MatrixPart {
    /// [out_features, in_features] of the whole tensor.
    pub(crate) shape: [usize; 2],
    /// How many of its rows.
    pub(crate) rows: usize,
    /// (index, number of parts).
    pub(crate) part: (usize, usize),
    /// Which rows, where parts are not equal.
    pub(crate) runs: Option<Runs>,
}

impl MatrixPart {
    /// Row `row` of the part, as a row of the whole.
    fn row_of_whole(&self, row: usize) -> usize {
        match self.runs {
            None => self.part.0 * self.rows + row,
            Some(runs) => runs.first + row / runs.len * runs.stride + row % runs.len,
        }
    }
}

const KEY: &str = "quantization_config";
/// The same in the first checkpoints of compressed-tensors.
const OLD_KEY: &str = "compression_config";
const SUPPORTED: &str = "gptq, awq, compressed-tensors and nibble: use such a checkpoint, or the one that this one was \
                         quantized from";
/// Maps that are remembered: the inputs of a block.
const MAPS: usize = 4;

impl Prequantized {
    /// What `config.json` says about quantized matrices; `None` where it says nothing.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a method, or a setting of one, that is not implemented; [`Error::ConfigValue`].
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>, Error> {
        let root = Config::new(checkpoint.config(), &checkpoint.config_file())?;
        let Some(config) = (match root.section(KEY)? {
            Some(config) => Some(config),
            None => root.section(OLD_KEY)?,
        }) else {
            return Ok(None);
        };
        let format = match config.text("quant_method")? {
            Some("gptq") => Format::Gptq(gptq::Gptq::new(&config)?),
            Some("awq") => Format::Awq(awq::Awq::new(&config)?),
            Some("compressed-tensors") => {
                Format::CompressedTensors(compressed_tensors::CompressedTensors::new(&config)?)
            }
            Some("nibble") => Format::Nibble(Box::new(nibble::Nibble::new(&config, checkpoint)?)),
            _ => return Err(config.unsupported("quant_method", SUPPORTED)),
        };
        Ok(Some(Self { format, maps: Vec::new() }))
    }

    /// The method, as in `config.json`.
    pub fn method(&self) -> &'static str {
        match &self.format {
            Format::Gptq(_) => "gptq",
            Format::Awq(_) => "awq",
            Format::CompressedTensors(_) => "compressed-tensors",
            Format::Nibble(_) => "nibble",
        }
    }

    /// Method and setting in words.
    pub fn describe(&self) -> String {
        match &self.format {
            Format::Gptq(format) => format.describe(),
            Format::Awq(format) => format.describe(),
            Format::CompressedTensors(format) => format.describe(),
            Format::Nibble(format) => format.describe(),
        }
    }

    /// Whether the matrix that a family calls `weight` is quantized.
    pub fn holds(&self, checkpoint: &Checkpoint, weight: &str) -> bool {
        let Some(stem) = weight.strip_suffix(".weight") else { return false };
        let has = |part: &str| checkpoint.contains(&format!("{stem}.{part}"));
        match &self.format {
            Format::Gptq(_) | Format::Awq(_) => has("qweight"),
            Format::CompressedTensors(_) => has("weight_packed") || has("weight_scale"),
            Format::Nibble(format) => format.holds(stem),
        }
    }

    /// Names of the tensors that the quantized matrix `weight` is made of.
    pub fn tensors(&self, checkpoint: &Checkpoint, weight: &str) -> Vec<String> {
        let stem = weight.strip_suffix(".weight").unwrap_or(weight);
        let parts = match &self.format {
            Format::Gptq(_) => gptq::PARTS,
            Format::Awq(_) => awq::PARTS,
            Format::CompressedTensors(_) => compressed_tensors::PARTS,
            Format::Nibble(format) => return format.tensors(checkpoint, stem),
        };
        let names = parts.iter().map(|part| format!("{stem}.{part}"));
        names.filter(|name| checkpoint.contains(name)).collect()
    }

    /// Reads rows of the quantized matrix `weight`. Rows are packed in parallel, on the pool that the caller runs on.
    ///
    /// # Errors
    /// Tensors that are missing, of the wrong shape or type, or hold what cannot be.
    pub(crate) fn read(&mut self, checkpoint: &Checkpoint, weight: &str, part: &MatrixPart) -> Result<Weights, Error> {
        let stem = weight.strip_suffix(".weight").unwrap_or(weight);
        let module = Module { checkpoint, stem, shape: part.shape };
        let codes = match &mut self.format {
            Format::Gptq(format) => format.codes(&module)?,
            Format::Awq(format) => format.codes(&module)?,
            Format::CompressedTensors(format) => format.codes(&module)?,
            Format::Nibble(format) => return format.read(&module, part),
        };
        let weights = pack::pack(&module, codes, part, &mut self.maps)?;
        self.maps.truncate(MAPS);
        // The file's bytes are not needed beside the packed ones.
        for name in self.tensors(checkpoint, weight) {
            let (_, _, bytes) = checkpoint.stored(&name)?;
            bytes.release(0..bytes.as_slice().len());
        }
        Ok(weights)
    }
}

/// Fails unless all keys of a section are known; those that say nothing (null, false) pass.
fn check_keys(config: &Config<'_>, known: &[&str], supported: &str) -> Result<(), Error> {
    let is_empty = |key: &str| {
        config.value(key).is_none_or(|value| {
            *value == false
                || value.as_object().is_some_and(|map| map.is_empty())
                || value.as_array().is_some_and(|list| list.is_empty())
        })
    };
    match config.keys().find(|key| !known.contains(key) && !is_empty(key)) {
        None => Ok(()),
        Some(key) => Err(config.unsupported(key, supported)),
    }
}

/// The words for a group.
fn group_words(group: Option<usize>) -> String {
    group.map_or("one scale a row".into(), |group| format!("groups of {group}"))
}
