//! Efficiency: how fast the model of a recipe reads, generates and scores, in how much memory, for how much energy.
//!
//! The lengths are the paper's, 256 tokens in and 512 out, one sequence at a time; reading is timed apart from
//! generating. Beside them stands what an evaluation does, scoring a batch of sequences, and what bounds generation,
//! the bytes read for a token against the memory bandwidth of the same machine. None of it can be reproduced, so that
//! none of it is part of a result: it goes to `efficiency.json`, from a [`Store`] if it was measured before.

mod bandwidth;
mod bench;
mod energy;
mod measure;
mod protocol;
mod recorder;
mod store;

pub use bandwidth::read_bytes_per_second;
pub use bench::{Bench, Measured, Test, Timed};
pub use energy::Counters;
pub use measure::{Figures, Lengths, Spread, bytes_per_token};
pub use protocol::Protocol;
pub use recorder::{FILE_NAME, Recorder, Subject};
pub use store::Store;

/// Whether efficiency is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is not, and no file is written.
    #[default]
    Off,
    /// What the store does not have is measured, of the models that are built for their questions anyway.
    Auto,
    /// All is measured, in place of what the store has; models are built again for it.
    Measure,
}

/// How efficiency is measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Whether.
    pub mode: Mode,
    /// What.
    pub protocol: Protocol,
    /// What was measured before.
    pub store: Store,
}
