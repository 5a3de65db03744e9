//! The error of the engine: what is wrong, where, what was expected, what was found, and what to do about it.

use std::path::PathBuf;

/// Everything that can go wrong between a checkpoint on disk and a logit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to open or read a file.
    #[error("cannot read {file}: {source}; check that it exists and that you may read it")]
    Io {
        /// File or directory.
        file: PathBuf,
        /// Reason given by the operating system.
        source: std::io::Error,
    },
    /// A path does not hold a checkpoint that can be read.
    #[error("no checkpoint at {path}: expected {expected}, found {found}; {fix}")]
    NoCheckpoint {
        /// Path as given, or the directory it led to.
        path: PathBuf,
        /// What a checkpoint needs there.
        expected: &'static str,
        /// What is there.
        found: String,
        /// What to do.
        fix: String,
    },
    /// A JSON file cannot be parsed.
    #[error("{file} is not valid JSON: {reason}; restore the published file")]
    Json {
        /// File.
        file: PathBuf,
        /// Position and reason, or the name of the key that occurs twice.
        reason: String,
    },
    /// A weight file is shorter than its own header says.
    #[error("{file} is truncated: expected {expected} bytes, found {found}; download the file again")]
    Truncated {
        /// File.
        file: PathBuf,
        /// Length the file must have at least, in bytes.
        expected: u64,
        /// Length it has, in bytes.
        found: u64,
    },
    /// The first eight bytes of a weight file announce an impossible header.
    #[error(
        "{file}: header length out of range: expected 2 to {limit} bytes, found {found}; \
         the file is damaged or not in safetensors format: download it again"
    )]
    HeaderLength {
        /// File.
        file: PathBuf,
        /// Largest length possible in this file, in bytes.
        limit: u64,
        /// Length announced, in bytes.
        found: u64,
    },
    /// The header of a weight file is not what the safetensors format prescribes.
    #[error("{file}: invalid safetensors header: {reason}; download the file again")]
    HeaderSyntax {
        /// File.
        file: PathBuf,
        /// What is wrong, with the tensor where it is known.
        reason: String,
    },
    /// A tensor is named twice in one header.
    #[error(
        "{file}: tensor `{tensor}` occurs twice in the header; expected every name once: \
         the file is damaged or forged, download it again"
    )]
    DuplicateTensor {
        /// File.
        file: PathBuf,
        /// Name that occurs twice.
        tensor: String,
    },
    /// The bytes of the tensors do not tile the data section of a weight file.
    #[error(
        "{file}: tensor `{tensor}` {problem}: expected byte {expected} of the data section, \
         found {found}; the file is damaged or forged, download it again"
    )]
    Offsets {
        /// File.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// What is wrong with its place.
        problem: &'static str,
        /// Offset where it had to be.
        expected: u64,
        /// Offset in the header.
        found: u64,
    },
    /// A weight file goes on after its last tensor.
    #[error(
        "{file}: bytes after the last tensor: expected a file of {expected} bytes, found {found}; \
         the file is damaged or forged, download it again"
    )]
    TrailingBytes {
        /// File.
        file: PathBuf,
        /// Length up to the end of the last tensor, in bytes.
        expected: u64,
        /// Length of the file, in bytes.
        found: u64,
    },
    /// The number of elements or bytes of a tensor does not fit in a machine word.
    #[error(
        "{file}: tensor `{tensor}`: the size of shape {shape:?} overflows; \
         the file is damaged or forged, download it again"
    )]
    ShapeOverflow {
        /// File.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// Shape in the header.
        shape: Vec<u64>,
    },
    /// A tensor's shape and type need another number of bytes than the header gives it.
    #[error(
        "{file}: tensor `{tensor}` of shape {shape:?} and type {dtype}: expected {expected} bytes, found {found}; \
         the file is damaged or forged, download it again"
    )]
    TensorLength {
        /// File.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// Element type in the header.
        dtype: &'static str,
        /// Shape in the header.
        shape: Vec<u64>,
        /// Bytes that shape and type need.
        expected: u64,
        /// Bytes between the offsets.
        found: u64,
    },
    /// A tensor is stored in an element type that cannot be computed with.
    #[error(
        "{file}: tensor `{tensor}`: element type {found} is not supported; expected {supported}: \
         use a checkpoint stored in one of these"
    )]
    UnsupportedDtype {
        /// File.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// Element type in the header.
        found: String,
        /// Element types that can be used.
        supported: &'static str,
    },
    /// The index of a sharded checkpoint contradicts its files.
    #[error("{index}: {problem}: `{tensor}` in `{shard}`; {fix}")]
    Shards {
        /// Index file.
        index: PathBuf,
        /// What is wrong.
        problem: &'static str,
        /// Tensor concerned.
        tensor: String,
        /// File that the index, or the tensor, names.
        shard: String,
        /// What to do.
        fix: &'static str,
    },
    /// A tensor that the model needs is not in the checkpoint.
    #[error(
        "{file}: tensor `{tensor}` is missing; the checkpoint is incomplete or its config.json belongs to another model"
    )]
    MissingTensor {
        /// Directory of the checkpoint.
        file: PathBuf,
        /// Tensor.
        tensor: String,
    },
    /// A tensor is in the checkpoint that the model described by its configuration has no place for.
    #[error(
        "{file}: tensor `{tensor}` has no place in the model that config.json describes; expected {expected}: \
         correct config.json, or use the checkpoint it belongs to"
    )]
    UnexpectedTensor {
        /// Weight file.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// What the configuration leads to.
        expected: String,
    },
    /// A tensor's shape is not the one that the configuration leads to.
    #[error(
        "{file}: tensor `{tensor}`: expected shape {expected:?} from config.json, found {found:?}; \
         config.json and the weights belong to different models"
    )]
    TensorShape {
        /// Weight file.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// Shape that the configuration leads to.
        expected: Vec<usize>,
        /// Shape stored.
        found: Vec<usize>,
    },
    /// A weight is NaN or infinite.
    #[error(
        "{file}: tensor `{tensor}`: expected finite weights, found {found} at row {row}, column {column}; \
         the file is damaged or the training diverged: download it again or use another checkpoint"
    )]
    NotFinite {
        /// Weight file.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// Row, 0-based.
        row: usize,
        /// Column, 0-based.
        column: usize,
        /// Value stored.
        found: f32,
    },
    /// A file of the checkpoint is not what it was when it was opened.
    #[error(
        "{file} changed while it was in use: expected {expected}, found {found}; \
         discard the results and run again with files that nothing writes to"
    )]
    Changed {
        /// File.
        file: PathBuf,
        /// SHA-256 or length before.
        expected: String,
        /// SHA-256 or length now.
        found: String,
    },
    /// A value of config.json is missing, of the wrong type or out of range.
    #[error("{file}: key `{key}`: expected {expected}, found {found}; correct the file or restore the published one")]
    ConfigValue {
        /// File.
        file: PathBuf,
        /// Key, with dots between levels.
        key: String,
        /// What is allowed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file asks for something that is understood but not implemented, or not understood at all.
    #[error("{file}: key `{key}`: {found} is not supported; supported: {supported}")]
    Unsupported {
        /// File.
        file: PathBuf,
        /// Key, with dots between levels.
        key: String,
        /// Value found.
        found: String,
        /// What is supported, or what to do instead.
        supported: String,
    },
    /// A NaN or an infinity appeared during the forward pass.
    #[error(
        "{what} at layer {layer}, position {position}: expected finite values; \
         the weights or the quantization of this layer overflow"
    )]
    Numerics {
        /// Block, 0-based; the number of blocks stands for the output head.
        layer: usize,
        /// Position in the sequence, 0-based.
        position: usize,
        /// What was found and where.
        what: String,
    },
    /// This machine, as it is set up, cannot run the program as asked.
    #[error("{what}; {fix}")]
    Machine {
        /// What is missing or wrong.
        what: String,
        /// What to do.
        fix: String,
    },
    /// A token id is not in the vocabulary.
    #[error(
        "token {token} at position {position}: expected an id below the vocabulary size {vocab_size}; \
         the tokenizer and the checkpoint do not belong together, or --tokens is wrong"
    )]
    TokenRange {
        /// Id.
        token: u32,
        /// Position in the sequence, 0-based.
        position: usize,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// A sequence is longer than the table of learned positions.
    #[error(
        "position {position}: expected a sequence of at most {limit} tokens, all that this model has positions for; shorten the input"
    )]
    ContextLength {
        /// Position in the sequence, 0-based.
        position: usize,
        /// Rows of the position table.
        limit: usize,
    },
    /// The columns of a quantized matrix do not map to its input's features.
    #[error(
        "input map of {columns} columns: expected {expected}, found {found}; \
         what quantized the matrix went wrong, or its file is damaged: quantize it again"
    )]
    InputMap {
        /// Columns of the matrix.
        columns: usize,
        /// What a map needs.
        expected: String,
        /// What it has.
        found: String,
    },
    /// A file of packed matrices is damaged, or none.
    #[error("{file}: {problem}; remove the file: what it holds is made again from the checkpoint")]
    StoredMatrix {
        /// File.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A quantized matrix of a checkpoint is not what its format says, or none that can be multiplied.
    #[error(
        "{file}: quantized tensor `{tensor}`: expected {expected}, found {found}; \
         use another checkpoint, or the one that this one was quantized from"
    )]
    QuantizedMatrix {
        /// Weight file, or `config.json`.
        file: PathBuf,
        /// Tensor.
        tensor: String,
        /// What is allowed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A checkpoint cannot be written.
    #[error("cannot write {path}: {source}; check that the disk has room and that you may write there")]
    Write {
        /// Directory of the checkpoint.
        path: PathBuf,
        /// Reason given by the operating system.
        source: std::io::Error,
    },
    /// There is something already where a checkpoint is to be written.
    #[error(
        "{path} exists: expected a path where nothing is, or a checkpoint to be replaced that is not the one being read; \
         name another directory, or add --overwrite to replace a checkpoint"
    )]
    Exists {
        /// Directory.
        path: PathBuf,
    },
    /// A matrix has more columns than the index of an outlier can name.
    #[error(
        "outliers in {columns} columns: expected at most {limit}, what an index of 16 bits can name; \
         quantize the matrix without outliers (tau=none) or by another method"
    )]
    OutlierColumns {
        /// Columns of the matrix.
        columns: usize,
        /// Most that are possible.
        limit: usize,
    },
    /// Heads too wide for a cache of codes.
    #[error(
        "heads of {head_dim} elements: expected at most {limit} where keys and values are held as codes; \
         leave the cache in f32 (no `kv=` in the recipe)"
    )]
    KvHeadDim {
        /// Width of a head.
        head_dim: usize,
        /// Widest head of which codes can be summed.
        limit: usize,
    },
    /// The tokenizer of a checkpoint cannot be opened or used.
    #[error(transparent)]
    Tokenizer(#[from] crate::tokenizer::TokenizerError),
    /// The chat template of a checkpoint cannot be read or rendered.
    #[error(transparent)]
    ChatTemplate(#[from] crate::chat_template::ChatTemplateError),
}
