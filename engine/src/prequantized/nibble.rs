//! The layout of checkpoints that this program writes where no other one can say what a recipe made: packed matrices as
//! they lie in memory. `docs/checkpoint-format.md` describes it.

use super::MatrixPart;
use super::module::Module;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::format::MatrixReader;
use crate::linear::Weights;
use serde_json::{Map, Value};

/// Version of the layout, `format` in `config.json`.
pub(crate) const LAYOUT_VERSION: u64 = 1;

/// The matrices of the checkpoint.
pub(super) struct Nibble {
    recipe: String,
    /// Descriptions by name; taken out of the reader as matrices are read.
    matrices: Map<String, Value>,
    reader: MatrixReader,
}

/// The name of a matrix: that of its tensor without `.weight`, with its number where it is a part of a fused one.
pub(crate) fn matrix_name(stem: &str, index: usize, parts: usize) -> String {
    if parts == 1 { stem.into() } else { format!("{stem}.part{index}") }
}

impl Nibble {
    pub(super) fn new(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Self, Error> {
        super::check_keys(config, &["quant_method", "format", "recipe", "matrices"], "those of this program's layout")?;
        if config.optional_count("format")? != Some(LAYOUT_VERSION as usize) {
            return Err(config.unsupported("format", &format!("{LAYOUT_VERSION}: use a newer version of this program")));
        }
        let Some(Value::Object(matrices)) = config.value("matrices") else {
            return Err(config.wrong("matrices", "an object that describes every quantized matrix"));
        };
        let recipe = config.text("recipe")?.unwrap_or("unknown").to_string();
        let reader = MatrixReader::of_parts(&checkpoint.config_file(), matrices.clone());
        Ok(Self { recipe, matrices: matrices.clone(), reader })
    }

    pub(super) fn describe(&self) -> String {
        format!("nibble, {}", self.recipe)
    }

    pub(super) fn holds(&self, stem: &str) -> bool {
        self.matrices.contains_key(stem) || self.matrices.contains_key(&matrix_name(stem, 0, 2))
    }

    pub(super) fn tensors(&self, checkpoint: &Checkpoint, stem: &str) -> Vec<String> {
        let is_matrix =
            |name: &str| name == stem || name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(".part"));
        let mut names = Vec::new();
        for (matrix, description) in self.matrices.iter().filter(|(name, _)| is_matrix(name)) {
            let map = description["map"].as_u64().map(|map| format!("map.{map}."));
            let is_part = |name: &str| {
                let rest = name.strip_prefix(matrix.as_str()).and_then(|rest| rest.strip_prefix('.'));
                rest.is_some_and(|rest| !rest.contains('.') && rest != "bias")
                    || map.as_ref().is_some_and(|map| name.starts_with(map))
            };
            names.extend(checkpoint.tensor_names().filter(|name| is_part(name)).map(String::from));
        }
        names
    }

    pub(super) fn read(&mut self, module: &Module<'_>, part: &MatrixPart) -> Result<Weights, Error> {
        let name = matrix_name(module.stem, part.part.0, part.part.1);
        for tensor in self.tensors(module.checkpoint, &name) {
            let (dtype, _, bytes) = module.checkpoint.stored(&tensor)?;
            self.reader.offer(tensor, dtype, bytes.as_slice().to_vec());
        }
        let expected = || format!("a matrix of {} x {} in quantization_config", part.rows, module.shape[1]);
        let missing = |found: String| Error::QuantizedMatrix {
            file: module.checkpoint.config_file(),
            tensor: name.clone(),
            expected: expected(),
            found,
        };
        let weights = self.reader.take(&name)?.ok_or_else(|| missing("nothing".into()))?;
        match (weights.rows(), weights.columns()) == (part.rows, module.shape[1]) {
            true => Ok(weights),
            false => Err(missing(format!("{} x {}", weights.rows(), weights.columns()))),
        }
    }
}
