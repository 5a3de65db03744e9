//! Tasks, metrics, the scheduler and the run: from questions to a table that can be re-executed bit for bit.
#![forbid(unsafe_code)]

pub mod comparison;
pub mod efficiency;
pub mod error;
pub mod extract;
pub mod journal;
pub mod machine;
pub mod manifest;
pub mod metric;
mod output;
mod python;
pub mod report;
pub mod request;
pub mod runner;
pub mod scheduler;
pub mod statistics;
pub mod task;

pub use error::Error;

// A build that measures what the order of operations costs must never produce a result.
const _: () = assert!(kernels::KEEPS_ORDER, "the feature `free_order` of `kernels` breaks the promise of equal bits");
