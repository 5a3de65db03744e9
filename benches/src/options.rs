//! Options that the benchmarks share, spelled the same in all of them.

use clap::{Args, ValueEnum};
use engine::runtime::{IsaChoice, Runtime};
use kernels::Isa;
use quant::Recipe;
use serde_json::{Value, json};

/// How often, and how results are written.
#[derive(Args, Clone, Copy, Debug)]
pub struct Measuring {
    /// Timed runs of everything, after one to warm up
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    pub runs: usize,
    /// How results are written
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Output::Table)]
    pub output: Output,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line a result, as they are measured
    Table,
    /// One object, at the end
    Json,
}

/// What computes.
#[derive(Args, Clone, Copy, Debug)]
pub struct Machine {
    /// Threads to compute with [default: one a processor]
    #[arg(short, long, value_name = "N")]
    pub threads: Option<usize>,
    /// Instruction set [default: the fastest of this machine]
    #[arg(long)]
    pub isa: Option<Isa>,
}

impl Machine {
    /// The runtime that the options ask for, or the reason why there is none.
    ///
    /// # Errors
    /// As [`Runtime::new`].
    pub fn runtime(&self) -> Result<Runtime, engine::Error> {
        Runtime::new(self.threads, self.isa.map_or(IsaChoice::Best, IsaChoice::Exactly))
    }
}

/// What a report says of a runtime.
pub fn about(runtime: &Runtime) -> Value {
    json!({ "isa": runtime.kernels().isa().name(), "threads": runtime.threads() })
}

/// Reads a recipe given on the command line.
///
/// # Errors
/// What cannot be read, and what to write instead.
pub fn recipe(text: &str) -> Result<Recipe, String> {
    Recipe::parse(text).map_err(|error| format!("{}: {}", error.what, error.fix))
}
