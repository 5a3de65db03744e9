//! Threads and instruction set: flags, environment and the runtime they lead to.

use super::failure::Failure;
use super::progress::Verbosity;
use clap::Args;
use clap::builder::PossibleValuesParser;
use engine::runtime::{IsaChoice, Runtime};
use kernels::Isa;

/// The most threads that can be asked for.
pub const MOST_THREADS: i64 = 1024;

/// Flags of everything that computes. None of them changes a bit of a result.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Machine")]
pub struct RuntimeFlags {
    /// Threads to compute with, 1 to 1024 [default: one a processor]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_THREADS))]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub isa: IsaFlag,
}

/// The flag that chooses an instruction set.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Machine")]
pub struct IsaFlag {
    /// Instruction set of the kernels [default: the fastest there is]
    ///
    /// All of them give the same bits; `scalar` is the definition, plain Rust. The environment variable NIBBLE_ISA does
    /// the same where the flag is not given.
    #[arg(long, value_name = "ISA", value_parser = PossibleValuesParser::new(isa_names()))]
    pub isa: Option<String>,
}

/// `auto`, and every instruction set.
fn isa_names() -> Vec<&'static str> {
    std::iter::once("auto").chain(Isa::ALL.map(Isa::name)).collect()
}

impl IsaFlag {
    /// The choice of the flag, else of the environment.
    pub fn choice(&self) -> Result<IsaChoice, Failure> {
        let (name, place) = match &self.isa {
            Some(name) => (name.clone(), "--isa"),
            None => (std::env::var("NIBBLE_ISA").unwrap_or_default(), "the environment variable NIBBLE_ISA"),
        };
        match name.as_str() {
            "" | "auto" => Ok(IsaChoice::Best),
            name => {
                let isa = name.parse::<Isa>().map_err(|error| {
                    let present: Vec<&str> = Isa::present().map(Isa::name).collect();
                    Failure::usage(error, place, format!("this machine has {}", present.join(", ")))
                })?;
                Ok(IsaChoice::Exactly(isa))
            }
        }
    }
}

impl RuntimeFlags {
    /// The runtime that the flags ask for.
    pub fn runtime(&self, verbosity: Verbosity) -> Result<Runtime, Failure> {
        let threads = self.threads.map_or_else(processors, |threads| threads as usize);
        runtime(threads, self.isa.choice()?, verbosity)
    }
}

/// A runtime of `threads` threads.
pub fn runtime(threads: usize, isa: IsaChoice, verbosity: Verbosity) -> Result<Runtime, Failure> {
    if threads > processors() {
        verbosity.note(format!("note: {threads} threads on {} processors will take turns", processors()));
    }
    Ok(Runtime::new(Some(threads), isa)?)
}

/// Processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
