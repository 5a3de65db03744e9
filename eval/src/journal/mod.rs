//! The journal of a run: `journal.jsonl`, one line a finished document, written as it finishes.
//!
//! A line is keyed by model, recipe, task and document and carries no order: lines of one run may come in any order, and
//! the lines of several partial runs of one plan, put together, are the journal of the whole. Every result is made from
//! the journal alone, sorted by document, so that it has the same bytes however the run was interrupted.
//!
//! ```text
//! {"model":"<sha256>","recipe":"rtn:w8","task":"mmlu_anatomy@lm-eval","document":7,"sample":{...},"check":"<16 hex>"}
//! ```
//!
//! In place of `sample` stands `failed` or `skipped` with the reason; a line with `weights` and neither task nor document
//! says what a recipe's weights take. `check` is the beginning of the SHA-256 of all that is before it in the line.
//!
//! A process may be killed at any byte: what follows the last whole line is dropped when the journal is opened again.
//! Anything wrong before that is an error, for it was not caused by that.

mod line;
mod lock;

pub use line::{Line, Record, Weights};

use crate::error::Error;
use lock::Lock;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Name of the file in a run directory.
pub const FILE_NAME: &str = "journal.jsonl";

/// The journal of one model, on disk or in memory.
pub struct Journal {
    model: String,
    store: Store,
    /// Where the lines are, by recipe and task; the empty task has the weights.
    index: BTreeMap<(String, String), BTreeMap<usize, Place>>,
}

enum Store {
    Memory(Vec<u8>),
    Disk { path: PathBuf, file: File, len: u64, _lock: Lock },
}

/// Bytes of a line, without its line break.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    len: usize,
}

impl Journal {
    /// A journal that is gone with the process.
    pub fn in_memory(model: &str) -> Self {
        Self { model: model.to_string(), store: Store::Memory(Vec::new()), index: BTreeMap::new() }
    }

    /// Opens or begins the journal of a run directory, which no other process may write to meanwhile.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Journal`] with the line, [`Error::Output`].
    pub fn open(directory: &Path, model: &str) -> Result<Self, Error> {
        let (path, file, lock) = open_locked(directory)?;
        let mut index = BTreeMap::new();
        let len = read_lines(&path, &file, &mut index)?;
        file.set_len(len).map_err(|source| Error::Output { action: "write", path: path.clone(), source })?;
        let store = Store::Disk { path, file, len, _lock: lock };
        Ok(Self { model: model.to_string(), store, index: by_recipe_and_task(index, model) })
    }

    /// Begins the journal of a run directory, discarding what is there.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Output`].
    pub fn create(directory: &Path, model: &str) -> Result<Self, Error> {
        let (path, file, lock) = open_locked(directory)?;
        let store = Store::Disk { path, file, len: 0, _lock: lock };
        let mut journal = Self { model: model.to_string(), store, index: BTreeMap::new() };
        journal.clear()?;
        Ok(journal)
    }

    /// Removes every line.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn clear(&mut self) -> Result<(), Error> {
        self.index.clear();
        match &mut self.store {
            Store::Memory(buffer) => buffer.clear(),
            Store::Disk { path, file, len, .. } => {
                file.set_len(0).map_err(|source| Error::Output { action: "write", path: path.clone(), source })?;
                *len = 0;
            }
        }
        Ok(())
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        match &self.store {
            Store::Memory(buffer) => buffer.is_empty(),
            Store::Disk { len, .. } => *len == 0,
        }
    }

    /// Appends a line; it is with the operating system when this returns.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn append(&mut self, recipe: &str, task: &str, document: usize, record: &Record) -> Result<(), Error> {
        let line = Line::Document {
            model: self.model.clone(),
            recipe: recipe.to_string(),
            task: task.to_string(),
            document,
            record: record.clone(),
        };
        self.write(recipe, task, document, &line)
    }

    /// Appends what the weights of a recipe take, unless it is there.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn append_weights(&mut self, recipe: &str, weights: Weights) -> Result<(), Error> {
        if self.contains(recipe, "", 0) {
            return Ok(());
        }
        let line = Line::Weights { model: self.model.clone(), recipe: recipe.to_string(), weights };
        self.write(recipe, "", 0, &line)
    }

    /// Whether a document is done.
    pub fn contains(&self, recipe: &str, task: &str, document: usize) -> bool {
        let key = (recipe.to_string(), task.to_string());
        self.index.get(&key).is_some_and(|documents| documents.contains_key(&document))
    }

    /// Number of documents below `count` that are done.
    pub fn done(&self, recipe: &str, task: &str, count: usize) -> usize {
        let key = (recipe.to_string(), task.to_string());
        self.index.get(&key).map_or(0, |documents| documents.range(..count).count())
    }

    /// The record of a document, read back from the file; `None` if it is not done.
    ///
    /// # Errors
    /// [`Error::Output`], [`Error::Journal`] if the file changed meanwhile.
    pub fn record(&mut self, recipe: &str, task: &str, document: usize) -> Result<Option<Record>, Error> {
        match self.line(recipe, task, document)? {
            Some(Line::Document { record, .. }) => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// What the weights of a recipe take; `None` if it is not known yet.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn weights(&mut self, recipe: &str) -> Result<Option<Weights>, Error> {
        match self.line(recipe, "", 0)? {
            Some(Line::Weights { weights, .. }) => Ok(Some(weights)),
            _ => Ok(None),
        }
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn sync(&self) -> Result<(), Error> {
        match &self.store {
            Store::Memory(_) => Ok(()),
            Store::Disk { path, file, .. } => {
                file.sync_data().map_err(|source| Error::Output { action: "write", path: path.clone(), source })
            }
        }
    }

    fn write(&mut self, recipe: &str, task: &str, document: usize, line: &Line) -> Result<(), Error> {
        let text = line.to_text();
        let bytes = [text.as_bytes(), b"\n"].concat();
        let offset = match &mut self.store {
            Store::Memory(buffer) => {
                let offset = buffer.len() as u64;
                buffer.extend_from_slice(&bytes);
                offset
            }
            Store::Disk { path, file, len, .. } => {
                let written = file.write_all(&bytes);
                written.map_err(|source| Error::Output { action: "write", path: path.clone(), source })?;
                let offset = *len;
                *len += bytes.len() as u64;
                offset
            }
        };
        let documents = self.index.entry((recipe.to_string(), task.to_string())).or_default();
        documents.insert(document, Place { offset, len: text.len() });
        Ok(())
    }

    fn line(&mut self, recipe: &str, task: &str, document: usize) -> Result<Option<Line>, Error> {
        let key = (recipe.to_string(), task.to_string());
        let Some(place) = self.index.get(&key).and_then(|documents| documents.get(&document)) else {
            return Ok(None);
        };
        let (bytes, path) = match &mut self.store {
            Store::Memory(buffer) => {
                let start = place.offset as usize;
                (buffer[start..start + place.len].to_vec(), PathBuf::from("the journal in memory"))
            }
            Store::Disk { path, file, .. } => {
                let output = |source| Error::Output { action: "read", path: path.clone(), source };
                let mut bytes = vec![0; place.len];
                file.seek(SeekFrom::Start(place.offset)).map_err(output)?;
                file.read_exact(&mut bytes).map_err(output)?;
                (bytes, path.clone())
            }
        };
        let problem = |problem: String| Error::Journal { file: path, line: 0, problem };
        Line::from_bytes(&bytes).map(Some).map_err(problem)
    }
}

fn open_locked(directory: &Path) -> Result<(PathBuf, File, Lock), Error> {
    let path = directory.join(FILE_NAME);
    let opened = OpenOptions::new().create(true).read(true).append(true).open(&path);
    let file = opened.map_err(|source| Error::Output { action: "create", path: path.clone(), source })?;
    let lock = Lock::acquire(directory, &file)?;
    Ok((path, file, lock))
}

/// Key of a line: model, recipe, task, document.
type Key = (String, String, String, usize);

/// Reads every whole line; returns how many bytes they take.
fn read_lines(path: &Path, file: &File, index: &mut BTreeMap<Key, (Place, usize, String)>) -> Result<u64, Error> {
    let output = |source| Error::Output { action: "read", path: path.to_path_buf(), source };
    let total = file.metadata().map_err(output)?.len();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(output)?;
    let (mut offset, mut number) = (0, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes).map_err(output)? as u64;
        number += 1;
        if bytes.pop() != Some(b'\n') {
            return Ok(offset);
        }
        let line = match Line::from_bytes(&bytes) {
            Ok(line) => line,
            // The last line may be what a crash left, line break or not.
            Err(_) if offset + read == total => return Ok(offset),
            Err(problem) => return Err(Error::Journal { file: path.to_path_buf(), line: number, problem }),
        };
        let place = Place { offset, len: bytes.len() };
        let check = line.check();
        let key = line.into_key();
        if let Some((_, first, other)) = index.get(&key)
            && *other != check
        {
            let problem = format!("it contradicts line {first}, which has another result for the same document");
            return Err(Error::Journal { file: path.to_path_buf(), line: number, problem });
        }
        index.entry(key).or_insert((place, number, check));
        offset += read;
    }
}

/// The places of one model's lines.
fn by_recipe_and_task(
    index: BTreeMap<Key, (Place, usize, String)>,
    model: &str,
) -> BTreeMap<(String, String), BTreeMap<usize, Place>> {
    let mut sorted: BTreeMap<(String, String), BTreeMap<usize, Place>> = BTreeMap::new();
    for ((_, recipe, task, document), (place, _, _)) in index.into_iter().filter(|((of, ..), _)| of == model) {
        sorted.entry((recipe, task)).or_default().insert(document, place);
    }
    sorted
}
