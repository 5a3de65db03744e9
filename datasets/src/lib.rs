//! Readers of benchmark files in the layouts that their authors publish.
//!
//! Nothing here downloads anything. A reader takes directories to look in ([`DataRoots`]), finds the official file,
//! checks it against the digest of the official release where that is known ([`Pinning`]), parses it strictly, and
//! returns the items together with the identity of every file that it read ([`Loaded`]), so that a result can say
//! which bytes it was measured on.
//!
//! [`builtin`] holds a small set of our own writing in the same layouts, read by the same readers, so that an
//! evaluation runs where there are no files at all.
#![forbid(unsafe_code)]

pub mod builtin;
pub mod c4;
pub mod catalogue;
mod error;
pub mod manifest;
pub mod mmlu;
mod roots;
mod source;
pub mod text;
pub mod truthfulqa;
pub mod wikitext;

pub use catalogue::{Dataset, catalogue};
pub use error::Error;
pub use manifest::{DatasetFile, Loaded, PinStatus, Pinning};
pub use roots::DataRoots;

/// Shorthand for a result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
