//! SHA-256 of everything a checkpoint consists of.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

use super::{Checkpoint, FileBytes, Origin, json};
use crate::error::Error;

/// Files beside the weights that change what a model computes or how its text is encoded.
const COMPANIONS: &[&str] = &[
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors.index.json",
    "qwen.tiktoken",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
];

impl Checkpoint {
    /// SHA-256 of the weight files, config.json and the tokenizer's files: (file name, hexadecimal digest), sorted by
    /// name. Weights are hashed as they are used, through the map or the buffer; several files at once. Pages of a map
    /// are given back as they are hashed: weights in use are read again.
    ///
    /// # Errors
    /// A file that cannot be read, or a mapped one whose length is no longer that of the map.
    pub fn sha256(&self) -> Result<Vec<(String, String)>, Error> {
        let config = ("config.json".to_string(), self.config_sha256.clone());
        if matches!(self.origin, Origin::Tensors) {
            return Ok(vec![config, ("memory".into(), self.memory_sha256())]);
        }
        let companions = self.companions();
        let jobs = self.files.len() + companions.len();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut results = Vec::new();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                let result = if let Some(file) = self.files.get(job) {
                    file.bytes.check_length(&file.path).map(|()| (file.name.clone(), file_digest(&file.bytes)))
                } else if let Some(name) = companions.get(job - self.files.len()) {
                    self.companion(name).map(|bytes| (name.to_string(), hexadecimal(&bytes)))
                } else {
                    return results;
                };
                results.push((job, result));
            }
        };
        let threads = thread::available_parallelism().map_or(1, |count| count.get().min(jobs));
        let mut results = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut results = work();
            for other in others {
                match other.join() {
                    Ok(more) => results.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        results.sort_by_key(|(job, _)| *job);
        let mut digests = vec![config];
        for (_, result) in results {
            digests.push(result?);
        }
        digests.sort();
        Ok(digests)
    }

    /// Hashes everything again and compares with an earlier result of [`Self::sha256`].
    ///
    /// # Errors
    /// [`Error::Changed`] naming the first file that differs, is missing or is new.
    pub fn verify_unchanged(&self, previous: &[(String, String)]) -> Result<(), Error> {
        let mut now = self.sha256()?;
        if matches!(self.origin, Origin::Directory) {
            let on_disk = hexadecimal(&json::read_bytes(&self.config_file())?);
            for (_, digest) in now.iter_mut().filter(|(name, _)| name == "config.json") {
                digest.clone_from(&on_disk);
            }
        }
        let absent = || "no such file".to_string();
        let of = |list: &[(String, String)], name: &str| {
            let entry = list.iter().find(|(other, _)| other == name);
            entry.map_or_else(absent, |(_, digest)| digest.clone())
        };
        for (name, _) in previous.iter().chain(&now) {
            let (expected, found) = (of(previous, name), of(&now, name));
            if expected != found {
                return Err(Error::Changed { file: self.directory.join(name), expected, found });
            }
        }
        Ok(())
    }

    /// Digest of the tensors of a checkpoint made in memory: of each its name, type, shape and bytes.
    fn memory_sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, entry) in &self.tensors {
            let dtype = super::header::dtype_name(entry.dtype);
            hasher.update(format!("{name}\0{dtype}\0{:?}\0", entry.shape));
            hasher.update(self.files[entry.file].bytes.as_slice());
        }
        digits(&hasher.finalize())
    }

    /// Names of the files beside the weights that exist, without config.json.
    pub(crate) fn companions(&self) -> Vec<&'static str> {
        let exists = |name: &str| match self.origin {
            Origin::Directory => self.directory.join(name).symlink_metadata().is_ok(),
            Origin::Embedded(files) => files.iter().any(|(known, _)| *known == name),
            Origin::Tensors => false,
        };
        COMPANIONS.iter().copied().filter(|name| exists(name)).collect()
    }

    /// The bytes of one of [`Self::companions`].
    pub(crate) fn companion(&self, name: &str) -> Result<Cow<'static, [u8]>, Error> {
        let embedded = self.embedded_files().and_then(|files| files.iter().find(|(known, _)| *known == name));
        match embedded {
            Some((_, bytes)) => Ok(Cow::Borrowed(*bytes)),
            None => json::read_bytes(&self.directory.join(name)).map(Cow::Owned),
        }
    }
}

/// Bytes hashed before their pages are given back.
const HASHED_BYTES: usize = 4 << 20;

/// SHA-256 of a weight file.
fn file_digest(file: &FileBytes) -> String {
    let mut hasher = Sha256::new();
    let mut start = 0;
    for part in file.as_slice().chunks(HASHED_BYTES) {
        hasher.update(part);
        file.release(start..start + part.len());
        start += part.len();
    }
    digits(&hasher.finalize())
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    digits(&Sha256::digest(bytes))
}

fn digits(digest: &[u8]) -> String {
    use std::fmt::Write;
    let mut digits = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
