//! The index of a checkpoint that is split over several files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::directory::is_plain_name;
use super::header::StoredTensor;
use super::json;
use crate::error::Error;

const FIX_DOWNLOAD: &str = "the checkpoint is incomplete or damaged: download it again";

/// `model.safetensors.index.json`: which shard holds which tensor.
pub(super) struct ShardIndex {
    file: PathBuf,
    shard_of: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads and checks the index file; shards are plain names of safetensors files beside it.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let (value, _) = json::read(file)?;
        let Some(Value::Object(weight_map)) = value.get("weight_map") else {
            return Err(Error::ConfigValue {
                file: file.to_path_buf(),
                key: "weight_map".into(),
                expected: "an object from tensor names to file names".into(),
                found: value.get("weight_map").unwrap_or(&Value::Null).to_string(),
            });
        };
        let mut index = Self { file: file.to_path_buf(), shard_of: BTreeMap::new() };
        for (tensor, shard) in weight_map {
            match shard.as_str() {
                Some(name) if is_plain_name(name) && name.ends_with(".safetensors") => {
                    index.shard_of.insert(tensor.clone(), name.to_string());
                }
                _ => {
                    return Err(index.error(
                        "expected the plain name of a .safetensors file in the same directory, found",
                        tensor,
                        shard.as_str().unwrap_or("not a string"),
                        "restore the published index; names that lead elsewhere are refused",
                    ));
                }
            }
        }
        Ok(index)
    }

    /// Names of all shards, sorted.
    pub(super) fn shards(&self) -> BTreeSet<&str> {
        self.shard_of.values().map(String::as_str).collect()
    }

    /// Fails unless `shard` exists beside the index.
    pub(super) fn check_exists(&self, shard: &str) -> Result<(), Error> {
        if self.file.with_file_name(shard).exists() {
            return Ok(());
        }
        let tensor = self.shard_of.iter().find(|(_, name)| *name == shard);
        let tensor = tensor.map_or("", |(tensor, _)| tensor);
        Err(self.error("the index names a file that is missing", tensor, shard, FIX_DOWNLOAD))
    }

    /// Fails unless the tensors found in the shards are those that the index promises, each in its shard and once.
    pub(super) fn check(&self, shards: &[(String, Vec<StoredTensor>)]) -> Result<(), Error> {
        let mut found = BTreeMap::new();
        for (shard, tensors) in shards {
            for tensor in tensors {
                let name = tensor.name.as_str();
                if found.insert(name, shard.as_str()).is_some() {
                    return Err(self.error("a tensor is in two shards", name, shard, FIX_DOWNLOAD));
                }
                if !self.shard_of.contains_key(name) {
                    return Err(self.error("a tensor is missing in the index", name, shard, FIX_DOWNLOAD));
                }
            }
        }
        for (tensor, shard) in &self.shard_of {
            if found.get(tensor.as_str()) != Some(&shard.as_str()) {
                return Err(self.error(
                    "a tensor is not in the shard that the index names",
                    tensor,
                    shard,
                    FIX_DOWNLOAD,
                ));
            }
        }
        Ok(())
    }

    fn error(&self, problem: &'static str, tensor: &str, shard: &str, fix: &'static str) -> Error {
        Error::Shards { index: self.file.clone(), problem, tensor: tensor.to_string(), shard: shard.to_string(), fix }
    }
}
