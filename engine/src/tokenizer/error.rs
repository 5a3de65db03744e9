//! What can go wrong between text and token ids.

use std::path::PathBuf;

/// Why a tokenizer could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A checkpoint directory holds no vocabulary this crate reads.
    #[error(
        "{directory}: no tokenizer: looked for {looked_for}; copy the checkpoint's tokenizer.json into it (a checkpoint with only \
         tokenizer.model or vocab.json is converted by loading and saving it once with transformers)"
    )]
    NotFound {
        /// Where it was looked for.
        directory: PathBuf,
        /// The file names that were tried, in order.
        looked_for: &'static str,
    },
    /// A file exists but cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not JSON, most often because it is truncated.
    #[error("{file}, line {line}, column {column}: not valid JSON: {reason}; copy or download the file again")]
    NotJson {
        /// The file.
        file: PathBuf,
        /// Line of the first offending character, counted from 1.
        line: usize,
        /// Its column, counted from 1.
        column: usize,
        /// What the parser said.
        reason: String,
    },
    /// A file is well-formed but a value in it is not what the format says.
    #[error("{file}: {place}: expected {expected}, found {found}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The key, entry or line.
        place: String,
        /// What the format asks for there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The `tokenizers` library does not accept the description of the tokenizer.
    #[error("{file}: not a tokenizer the library accepts: {reason}")]
    Rejected {
        /// The file.
        file: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// An added token would get another id than the file gives it, so every later id would be wrong.
    #[error(
        "{file}: added token {token:?}: expected id {expected}, the vocabulary gives it {found}; the file's ids have a gap or \
         a duplicate, use the tokenizer file published with the weights"
    )]
    AddedTokenId {
        /// The file.
        file: PathBuf,
        /// The token's text.
        token: String,
        /// The id the file states.
        expected: u32,
        /// The id its position in the vocabulary leads to.
        found: u32,
    },
    /// The tokenizer knows an id for which the model has no row.
    #[error(
        "{file}: token {token:?} has id {id}, but the model's vocabulary ends at {vocab_size}; this tokenizer belongs to \
         another model"
    )]
    BeyondVocabulary {
        /// The vocabulary file's name.
        file: String,
        /// The token's text.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the model's embedding.
        vocab_size: usize,
    },
    /// A text could not be turned into ids.
    #[error("the tokenizer of {file} cannot encode a text of {text_bytes} bytes beginning {text_start:?}: {reason}")]
    Encode {
        /// The vocabulary file's name.
        file: String,
        /// Length of the text in bytes.
        text_bytes: usize,
        /// Its first characters.
        text_start: String,
        /// What the library said.
        reason: String,
    },
    /// Ids could not be turned into text.
    #[error("the tokenizer of {file} cannot decode {ids_len} ids: {reason}")]
    Decode {
        /// The vocabulary file's name.
        file: String,
        /// How many ids were given.
        ids_len: usize,
        /// What the library said.
        reason: String,
    },
}
