//! The identity of the files behind a result.
//!
//! A result names each file that it was measured on and gives its SHA-256, never its path: the same bytes in another
//! directory give the same result file.

use crate::{Error, Result};
use serde::Serialize;
use std::path::PathBuf;

/// What is known about the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PinStatus {
    /// the digest is that of an official release
    Pinned,
    /// an official release exists and this file differs from it
    Unpinned,
    /// nothing to compare with: a file of the user's own, or one whose official digest is not known here
    Unknown,
}

/// What to do with a file that differs from the official release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pinning {
    /// refuse it with [`Error::Pin`]
    #[default]
    Require,
    /// read it and record [`PinStatus::Unpinned`]
    Allow,
}

/// One file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetFile {
    /// canonical name, the same wherever the file lies: `mmlu/test/anatomy_test.csv`
    pub name: String,
    /// where it was found; `None` for embedded text. Left out of serialized results.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// SHA-256 of the file's bytes in lower-case hexadecimal
    pub sha256: String,
    /// length of the file
    pub bytes: u64,
    /// whether these are the official bytes
    pub status: PinStatus,
    /// the official edition that the digest identifies
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<&'static str>,
}

/// What a reader returns: the content, and the files it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    /// the items or the text
    pub content: T,
    /// every file read, in the order of reading
    pub files: Vec<DatasetFile>,
}

/// The digest of one official edition of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    pub edition: &'static str,
    pub sha256: &'static str,
}

/// Compares `digest`, taken over `what`, with the official ones.
pub(crate) fn check_pin(
    pinning: Pinning,
    pins: &[Pin],
    digest: &str,
    what: &'static str,
    name: &str,
    file: String,
) -> Result<(PinStatus, Option<&'static str>)> {
    if pins.is_empty() {
        return Ok((PinStatus::Unknown, None));
    }
    if let Some(pin) = pins.iter().find(|pin| pin.sha256 == digest) {
        return Ok((PinStatus::Pinned, Some(pin.edition)));
    }
    match pinning {
        Pinning::Allow => Ok((PinStatus::Unpinned, None)),
        Pinning::Require => Err(Error::Pin {
            file,
            name: name.to_owned(),
            what,
            expected: pins.iter().map(|pin| pin.sha256.to_owned()).collect(),
            found: digest.to_owned(),
        }),
    }
}
