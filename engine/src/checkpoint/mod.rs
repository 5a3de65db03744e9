//! A checkpoint in the Hugging Face layout: `config.json`, and weights in safetensors files.
//!
//! Nothing is copied or converted here: tensors are views of mapped (or read) files. All that a file says is checked
//! before it is used; [`Error`] names the file, the tensor, what was expected and what was found.

mod digest;
mod directory;
mod header;
mod json;
mod shards;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype as StoredDtype;
use serde_json::Value;

use crate::error::Error;
use crate::file_bytes::FileBytes;
pub use crate::file_bytes::Reading;
use crate::tensor::{Dtype, TensorBytes, TensorView};
use header::StoredTensor;

const SUPPORTED_DTYPES: &str = "F32, F16 or BF16";

/// Options of [`Checkpoint::open`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// How the bytes of weight files are reached.
    pub reading: Reading,
}

/// An opened checkpoint.
pub struct Checkpoint {
    directory: PathBuf,
    config: Value,
    config_sha256: String,
    files: Vec<WeightFile>,
    tensors: BTreeMap<String, Entry>,
    origin: Origin,
}

/// A file that is part of the program: its name and its bytes.
pub type EmbeddedFile = (&'static str, &'static [u8]);

/// Where a checkpoint is from.
enum Origin {
    /// Files on disk.
    Directory,
    /// The same files, as part of the program.
    Embedded(&'static [EmbeddedFile]),
    /// Tensors without files.
    Tensors,
}

struct WeightFile {
    name: String,
    path: PathBuf,
    bytes: Arc<FileBytes>,
}

/// A tensor's place: index into the files and range of bytes there.
struct Entry {
    file: usize,
    dtype: StoredDtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl Checkpoint {
    /// Opens the checkpoint at `path`: a directory with `config.json` and `model.safetensors` (or
    /// `model.safetensors.index.json` and its shards), an entry of a Hugging Face cache
    /// (`models--organisation--name`), or one of its snapshots.
    ///
    /// # Errors
    /// Whatever is wrong with the layout, the JSON files or the headers; see [`Error`]. Weights are not looked at:
    /// [`Self::scan_finite`] does that.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self, Error> {
        let directory = directory::find(path)?;
        let config_file = directory.join("config.json");
        let (config, config_bytes) = json::read(&config_file)?;
        let (files, headers) = match directory::weights(&directory)? {
            directory::Weights::Single(path) => read_weights(&[path], options)?,
            directory::Weights::Sharded(index_file) => {
                let index = shards::ShardIndex::read(&index_file)?;
                let mut paths = Vec::new();
                for shard in index.shards() {
                    index.check_exists(shard)?;
                    paths.push(directory.join(shard));
                }
                let (files, headers) = read_weights(&paths, options)?;
                index.check(&headers)?;
                (files, headers)
            }
        };
        let mut tensors = BTreeMap::new();
        for (file, (_, stored)) in headers.into_iter().enumerate() {
            tensors.extend(stored.into_iter().map(|tensor| entry(file, tensor)));
        }
        Ok(Self {
            directory,
            config,
            config_sha256: digest::hexadecimal(&config_bytes),
            files,
            tensors,
            origin: Origin::Directory,
        })
    }

    /// Opens a checkpoint that is part of the program, under a `name` that stands for its directory in errors: `files`
    /// are those of a checkpoint directory, `config.json` and `model.safetensors` at least. Nothing is copied.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn embedded(name: &str, files: &'static [EmbeddedFile]) -> Result<Self, Error> {
        let directory = PathBuf::from(name);
        let bytes_of = |wanted: &'static str| {
            let file = files.iter().find(|(name, _)| *name == wanted);
            file.map(|(_, bytes)| *bytes).ok_or_else(|| Error::NoCheckpoint {
                path: directory.clone(),
                expected: wanted,
                found: "no such file".into(),
                fix: "build the program again from its sources".into(),
            })
        };
        let (config_bytes, weights) = (bytes_of("config.json")?, bytes_of("model.safetensors")?);
        let config = json::parse(&directory.join("config.json"), config_bytes)?;
        let path = directory.join("model.safetensors");
        let stored = header::read(&path, weights)?;
        Ok(Self {
            config,
            config_sha256: digest::hexadecimal(config_bytes),
            files: vec![WeightFile {
                name: "model.safetensors".into(),
                path,
                bytes: Arc::new(FileBytes::Embedded(weights)),
            }],
            tensors: stored.into_iter().map(|tensor| entry(0, tensor)).collect(),
            directory,
            origin: Origin::Embedded(files),
        })
    }

    /// A checkpoint that was never on disk: `tensors` are (name, element type, shape, little-endian bytes).
    ///
    /// # Errors
    /// [`Error::DuplicateTensor`], [`Error::ShapeOverflow`] and [`Error::TensorLength`], as for files.
    pub fn from_memory(config: Value, tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>) -> Result<Self, Error> {
        let directory = PathBuf::from("memory");
        let mut files = Vec::with_capacity(tensors.len());
        let mut entries = BTreeMap::new();
        for (file, (name, dtype, shape, bytes)) in tensors.into_iter().enumerate() {
            let shape_u64: Vec<u64> = shape.iter().map(|&axis| axis as u64).collect();
            let stored = dtype.stored();
            header::check_length(&directory, &name, stored, &shape_u64, bytes.len() as u64)?;
            let range = 0..bytes.len();
            files.push(WeightFile {
                name: name.clone(),
                path: directory.clone(),
                bytes: Arc::new(FileBytes::Owned(bytes)),
            });
            let place = Entry { file, dtype: stored, shape, range };
            if entries.insert(name.clone(), place).is_some() {
                return Err(Error::DuplicateTensor { file: directory, tensor: name });
            }
        }
        Ok(Self {
            directory,
            config_sha256: digest::hexadecimal(config.to_string().as_bytes()),
            config,
            files,
            tensors: entries,
            origin: Origin::Tensors,
        })
    }

    /// The parsed `config.json`.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Path of `config.json` (`memory/config.json` for a checkpoint made in memory).
    pub fn config_file(&self) -> PathBuf {
        self.directory.join("config.json")
    }

    /// Directory that holds the files: of a cache entry, its snapshot. `memory` for a checkpoint made in memory, the name
    /// of one that is part of the program.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Paths of the weight files, sorted; empty for a checkpoint that has none on disk.
    pub fn files(&self) -> Vec<&Path> {
        let on_disk = self.files.iter().filter(|_| matches!(self.origin, Origin::Directory));
        on_disk.map(|file| file.path.as_path()).collect()
    }

    /// Its files where they are part of the program.
    pub(crate) fn embedded_files(&self) -> Option<&'static [EmbeddedFile]> {
        match self.origin {
            Origin::Embedded(files) => Some(files),
            Origin::Directory | Origin::Tensors => None,
        }
    }

    /// Bytes of all tensors together.
    pub fn weight_bytes(&self) -> u64 {
        let lengths = self.tensors.values().map(|entry| entry.range.len() as u64);
        lengths.sum()
    }

    /// Whether there is a tensor called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Names of all tensors, sorted.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of the tensor called `name`, whatever its element type.
    ///
    /// # Errors
    /// [`Error::MissingTensor`].
    pub fn shape(&self, name: &str) -> Result<&[usize], Error> {
        Ok(&self.entry(name)?.shape)
    }

    /// Path of the file that holds the tensor called `name`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`].
    pub fn file_of(&self, name: &str) -> Result<&Path, Error> {
        Ok(&self.files[self.entry(name)?.file].path)
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`]; [`Error::UnsupportedDtype`] unless it is F32, F16 or BF16.
    pub fn tensor(&self, name: &str) -> Result<TensorView, Error> {
        let entry = self.entry(name)?;
        let file = &self.files[entry.file];
        let dtype = Dtype::from_stored(entry.dtype);
        let dtype = dtype.ok_or_else(|| self.unsupported_dtype(name, entry.dtype, SUPPORTED_DTYPES))?;
        let bytes = TensorBytes::part(&file.bytes, entry.range.clone());
        Ok(TensorView {
            name: name.to_string(),
            dtype,
            shape: entry.shape.clone(),
            bytes: bytes.expect("ranges were checked against their file when the header was read"),
        })
    }

    /// Element type, shape and bytes of the tensor called `name`, whatever its type.
    pub(crate) fn stored(&self, name: &str) -> Result<(StoredDtype, &[usize], TensorBytes), Error> {
        let entry = self.entry(name)?;
        let bytes = TensorBytes::part(&self.files[entry.file].bytes, entry.range.clone());
        let bytes = bytes.expect("ranges were checked against their file when the header was read");
        Ok((entry.dtype, &entry.shape, bytes))
    }

    /// Bytes of the tensor called `name`, 0 if there is none.
    pub fn tensor_bytes(&self, name: &str) -> u64 {
        self.entry(name).map_or(0, |entry| entry.range.len() as u64)
    }

    /// Name of the element type of the tensor called `name` as the header has it.
    ///
    /// # Errors
    /// [`Error::MissingTensor`].
    pub fn dtype_name(&self, name: &str) -> Result<&'static str, Error> {
        Ok(header::dtype_name(self.entry(name)?.dtype))
    }

    /// The error of a tensor whose element type is none of those `supported`.
    pub(crate) fn unsupported_dtype(&self, name: &str, found: StoredDtype, supported: &'static str) -> Error {
        Error::UnsupportedDtype {
            file: self.file_of(name).unwrap_or(&self.directory).to_path_buf(),
            tensor: name.to_string(),
            found: header::dtype_name(found).to_string(),
            supported,
        }
    }

    /// Fails when a weight of `view` is NaN or infinite.
    ///
    /// # Errors
    /// [`Error::NotFinite`] naming the first one's row and column.
    pub fn scan_finite(&self, view: &TensorView) -> Result<(), Error> {
        match view.first_non_finite() {
            None => Ok(()),
            Some(found) => Err(Error::NotFinite {
                file: self.file_of(&view.name).unwrap_or(&self.directory).to_path_buf(),
                tensor: view.name.clone(),
                row: found.row,
                column: found.column,
                found: found.value,
            }),
        }
    }

    fn entry(&self, name: &str) -> Result<&Entry, Error> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::MissingTensor { file: self.directory.clone(), tensor: name.to_string() })
    }
}

/// Weight files with their headers, by name.
type Headers = Vec<(String, Vec<StoredTensor>)>;

fn read_weights(paths: &[PathBuf], options: OpenOptions) -> Result<(Vec<WeightFile>, Headers), Error> {
    let mut files = Vec::new();
    let mut headers = Vec::new();
    for path in paths {
        let bytes = FileBytes::open(path, options.reading)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        headers.push((name.clone(), header::read(path, bytes.as_slice())?));
        files.push(WeightFile { name, path: path.clone(), bytes: Arc::new(bytes) });
    }
    Ok((files, headers))
}

fn entry(file: usize, tensor: StoredTensor) -> (String, Entry) {
    let entry = Entry { file, dtype: tensor.dtype, shape: tensor.shape, range: tensor.range };
    (tensor.name, entry)
}
