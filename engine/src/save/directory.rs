//! A directory that is written beside its place and then moved there.

use super::tensors::Tensors;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What becomes of a directory that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is left alone, and nothing is written.
    Refuse,
    /// It is removed when the new one is complete.
    Replace,
}

/// A directory being written.
pub(super) struct Output {
    place: PathBuf,
    part: PathBuf,
}

/// Fails where something is that must stay. What is replaced is a checkpoint, not a directory given by mistake, and not
/// the one being read.
pub(super) fn check(directory: &Path, checkpoint: &Checkpoint, existing: Existing) -> Result<(), Error> {
    let is_source = || {
        let (a, b) = (directory.canonicalize(), checkpoint.directory().canonicalize());
        a.is_ok_and(|a| b.is_ok_and(|b| a == b))
    };
    let is_free = match directory.symlink_metadata() {
        Err(_) => !file_name(directory).is_empty(),
        Ok(_) => existing == Existing::Replace && directory.join("config.json").is_file() && !is_source(),
    };
    if is_free { Ok(()) } else { Err(Error::Exists { path: directory.to_path_buf() }) }
}

fn file_name(directory: &Path) -> String {
    directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Output {
    pub(super) fn begin(directory: &Path, checkpoint: &Checkpoint, existing: Existing) -> Result<Self, Error> {
        check(directory, checkpoint, existing)?;
        let name = file_name(directory);
        let part = directory.with_file_name(format!(".{name}.part"));
        let output = Self { place: directory.to_path_buf(), part };
        if output.part.exists() {
            fs::remove_dir_all(&output.part).map_err(|source| output.error(source))?;
        }
        fs::create_dir_all(&output.part).map_err(|source| output.error(source))?;
        Ok(output)
    }

    pub(super) fn write_json(&self, name: &str, value: &Value) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(|error| self.error(error.into()))?;
        self.write(name, format!("{text}\n").as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let write = || {
            let mut file = File::create(self.part.join(name))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| self.error(source))
    }

    pub(super) fn write_tensors(&self, name: &str, tensors: Tensors<'_>) -> Result<(), Error> {
        let path = self.part.join(name);
        let metadata = [("format".to_string(), "pt".to_string())].into_iter().collect();
        let written = safetensors::serialize_to_file(tensors.into_views(), Some(metadata), &path);
        written.map_err(|error| self.error(std::io::Error::other(error.to_string())))?;
        let finish = || {
            // It is made readable for its owner alone; it is to be as readable as the other files.
            fs::set_permissions(&path, fs::metadata(self.part.join("config.json"))?.permissions())?;
            File::open(&path)?.sync_all()
        };
        finish().map_err(|source| self.error(source))
    }

    /// Copies the files that belong to the tokenizer and to generation.
    pub(super) fn copy_companions(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        for name in checkpoint.companions() {
            if name.ends_with(".index.json") {
                continue;
            }
            self.write(name, &checkpoint.companion(name)?)?;
        }
        Ok(())
    }

    /// Moves the directory to its place, and returns the names of its files.
    pub(super) fn finish(self) -> Result<Vec<String>, Error> {
        let finish = || {
            let entries = fs::read_dir(&self.part)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let mut names = entries.collect::<std::io::Result<Vec<String>>>()?;
            names.sort();
            if self.place.exists() {
                let before = self.part.with_extension("before");
                fs::rename(&self.place, &before)?;
                fs::rename(&self.part, &self.place)?;
                fs::remove_dir_all(&before)?;
            } else {
                fs::rename(&self.part, &self.place)?;
            }
            Ok(names)
        };
        finish().map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.place.clone(), source }
    }
}

impl Drop for Output {
    /// Leaves nothing behind of what was not finished.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.part);
    }
}
