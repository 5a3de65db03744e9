//! Finished blocks on disk, from which a build that was stopped goes on.
//!
//! One file a block (`engine::format::MatrixWriter`), in a directory named after what the blocks were made from: nothing
//! is taken from blocks of another checkpoint, recipe, calibration text or version of the numerics.

use crate::error::Error;
use crate::report::LayerReport;
use engine::format::{MatrixReader, MatrixWriter};
use engine::model::Block;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Where the finished blocks of one build lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCache {
    directory: PathBuf,
    key: String,
}

/// Characters of the key in the directory's name; the whole key is in the files.
const KEY_LEN: usize = 16;

impl BlockCache {
    /// The blocks of the build `key`, below `parent`. The key, a hexadecimal digest, is to differ wherever a weight
    /// could.
    pub fn new(parent: &Path, key: String) -> Self {
        Self { directory: parent.join(key.get(..KEY_LEN).unwrap_or(&key)), key }
    }

    /// The directory of the blocks.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes the blocks.
    ///
    /// # Errors
    /// [`Error::Cache`].
    pub fn remove(&self) -> Result<(), Error> {
        match std::fs::remove_dir_all(&self.directory) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Cache { path: self.directory.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// Whether there is a file of block `layer`.
    pub(crate) fn holds(&self, layer: usize) -> bool {
        self.file(layer).is_file()
    }

    /// Puts the stored matrices of block `layer` into `block`; `None` if there are none.
    pub(crate) fn load(&self, layer: usize, block: &mut Block) -> Result<Option<Vec<LayerReport>>, Error> {
        let path = self.file(layer);
        if !path.is_file() {
            return Ok(None);
        }
        let damaged = |problem: &str| engine::Error::StoredMatrix { file: path.clone(), problem: problem.to_string() };
        let mut reader = MatrixReader::open(&path)?;
        let content = reader.content().clone();
        if content["key"] != self.key.as_str() || content["block"] != layer {
            return Err(damaged("it holds another block").into());
        }
        for role in block.roles() {
            let Some(weights) = reader.take(&role.to_string())? else { continue };
            let size = block.linear(role).map(|linear| (linear.weights.rows(), linear.weights.columns()));
            if size != Some((weights.rows(), weights.columns())) {
                return Err(damaged("its matrices have other sizes than the checkpoint's").into());
            }
            block.replace(role, weights);
        }
        let reports = content["layers"].as_array().into_iter().flatten();
        let reports = reports.map(LayerReport::from_json).collect::<Option<Vec<_>>>();
        Ok(Some(reports.ok_or_else(|| damaged("its reports cannot be read"))?))
    }

    /// Stores the quantized matrices of block `layer`.
    pub(crate) fn store(&self, layer: usize, block: &Block, reports: &[LayerReport]) -> Result<(), Error> {
        let error = |source| Error::Cache { path: self.directory.clone(), source };
        std::fs::create_dir_all(&self.directory).map_err(error)?;
        let mut writer = MatrixWriter::default();
        for role in block.roles() {
            if let Some(linear) = block.linear(role) {
                writer.push(&role.to_string(), &linear.weights);
            }
        }
        let layers: Vec<Value> = reports.iter().map(LayerReport::to_json).collect();
        Ok(writer.write(&self.file(layer), json!({"key": self.key, "block": layer, "layers": layers}))?)
    }

    fn file(&self, layer: usize) -> PathBuf {
        self.directory.join(format!("block-{layer:05}.safetensors"))
    }
}

impl LayerReport {
    /// What does not differ from run to run.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("tensor".into(), self.tensor.as_str().into());
        fields.insert("role".into(), self.role.to_string().into());
        fields.insert("block".into(), self.layer.into());
        fields.insert("rows".into(), self.rows.into());
        fields.insert("columns".into(), self.columns.into());
        if let Some(loss) = self.loss {
            fields.insert("loss".into(), loss.into());
        }
        if let Some(outliers) = self.outliers {
            fields.insert("outliers".into(), outliers.into());
        }
        if self.is_unseen {
            fields.insert("unseen".into(), true.into());
        }
        fields.into()
    }

    /// The report of [`Self::to_json`]; `None` for anything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_u64().and_then(|number| usize::try_from(number).ok());
        let role = value.get("role")?.as_str()?;
        Some(Self {
            tensor: value.get("tensor")?.as_str()?.to_string(),
            role: role.parse().ok()?,
            layer: number("block")?,
            rows: number("rows")?,
            columns: number("columns")?,
            loss: value.get("loss").and_then(Value::as_f64),
            outliers: number("outliers"),
            is_unseen: value.get("unseen").is_some(),
            seconds: 0.0,
        })
    }
}
