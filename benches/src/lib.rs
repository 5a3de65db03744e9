//! What the benchmarks share: one binary a question in `bin`, each of which checks its results before it times them.
//!
//! Machines are shared and noisy: a rate is that of the fastest of several runs, its spread stands beside it, and it is
//! worth its share of a limit that was measured just before, in the same process.
#![forbid(unsafe_code)]

pub mod case;
pub mod held;
pub mod limits;
pub mod numbers;
pub mod options;
pub mod report;
pub mod synthetic;
pub mod timing;

pub use limits::{Arithmetic, Memory};
pub use options::{Machine, Measuring};
pub use report::{Cell, Column, Report, number, text};
pub use timing::{Timing, time};
