//! Readers of benchmark files in the layouts that their authors publish.
//!
//! Nothing here downloads anything. A reader takes directories to look in ([`DataRoots`]), finds the official file,
//! checks it against the digest of the official release where that is known ([`Pinning`]), parses it strictly, and
//! returns the items together with the identity of every file that it read ([`Loaded`]), so that a result can say
//! which bytes it was measured on.
//!
//! [`world`] makes test sets of its own in the same layouts, read by the same readers, and [`lab`] holds a model that was
//! trained on its corpus, so that an evaluation runs where there are no files at all.
#![forbid(unsafe_code)]

pub mod catalogue;
mod error;
pub mod lab;
pub mod manifest;
mod nearest;
mod parquet;
mod pins;
mod roots;
mod rows;
mod source;
mod summary;
pub mod text;

/// Every data set: its module, and what the catalogue says of it, in the order in which listings show them.
macro_rules! registry {
    ($($module:ident::$dataset:ident),+ $(,)?) => {
        $(pub mod $module;)+
        mod registered { $(pub use crate::$module::$dataset;)+ }
        static ALL: &[&Dataset] = &[$(&$module::$dataset),+];
    };
}

registry! {
    mmlu::MMLU, ceval::CEVAL, flores::FLORES, cnn_dailymail::CNN_DAILYMAIL, xsum::XSUM, gsm8k::GSM8K, snli::SNLI,
    followbench::FOLLOWBENCH, truthfulqa::TRUTHFULQA, bbq::BBQ, wikitext::WIKITEXT2, c4::C4, ptb::PTB, arc::ARC,
    hellaswag::HELLASWAG, winogrande::WINOGRANDE, lambada::LAMBADA, piqa::PIQA, boolq::BOOLQ, ifeval::IFEVAL,
    world::WORLD,
}

pub use catalogue::{Dataset, catalogue};
pub use error::Error;
pub use manifest::{DatasetFile, Loaded, PinStatus, Pinning};
pub use pins::Expected;
pub use roots::DataRoots;

/// Shorthand for a result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
