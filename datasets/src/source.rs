//! The bytes of one file, with the name under which errors and results speak of it.

use crate::manifest::{DatasetFile, Pin, PinStatus, Pinning, check_pin};
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One file's bytes, read or embedded.
pub(crate) struct Source {
    pub name: String,
    pub path: Option<PathBuf>,
    pub bytes: Vec<u8>,
    pub sha256: String,
}

impl Source {
    /// Reads `path`, to be called `name` in results.
    pub fn read(path: &Path, name: impl Into<String>) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Self { name: name.into(), path: Some(path.to_owned()), bytes, sha256 })
    }

    /// Text that this program generates.
    pub fn generated(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let sha256 = hex(&Sha256::digest(&bytes));
        Self { name: name.into(), path: None, bytes, sha256 }
    }

    /// How errors call the file: its path, or its name where it has none.
    pub fn label(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => format!("embedded {}", self.name),
        }
    }

    /// The content as text, which must be UTF-8 and must not be empty.
    pub fn text(&self, expected: &'static str) -> Result<&str> {
        if self.bytes.is_empty() {
            return Err(Error::Empty { file: self.label(), expected });
        }
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let before = self.bytes.get(..offset).unwrap_or_default();
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            Error::Utf8 { file: self.label(), line, offset }
        })
    }

    /// Checks the digest of the file's bytes against `pins` and gives up the identity.
    pub fn identify(&self, pinning: Pinning, pins: &[Pin]) -> Result<DatasetFile> {
        let (status, edition) = check_pin(pinning, pins, &self.sha256, "content", &self.name, self.label())?;
        Ok(self.identity(status, edition))
    }

    /// The identity with a status that was decided elsewhere.
    pub fn identity(&self, status: PinStatus, edition: Option<&'static str>) -> DatasetFile {
        DatasetFile {
            name: self.name.clone(),
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            bytes: self.bytes.len() as u64,
            status,
            edition,
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
