//! What computes: the kernels of one instruction set and the threads that share the work.
//!
//! Work is split on output rows, tokens and heads only, never inside a sum, so that neither the number of threads nor
//! which thread takes what can change a bit.

use crate::error::Error;
use kernels::{Isa, Kernels};

/// Kernels and threads.
pub struct Runtime {
    kernels: &'static Kernels,
    pool: rayon::ThreadPool,
}

/// Which instruction set to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsaChoice {
    /// The fastest this machine has.
    Best,
    /// This one, or an error.
    Exactly(Isa),
}

impl Runtime {
    /// A runtime of `threads` threads; `None` takes one a processor.
    ///
    /// # Errors
    /// If the machine lacks the instruction set, a thread cannot be started, or the floating-point environment is not
    /// the one the numerics contract asks for.
    pub fn new(threads: Option<usize>, isa: IsaChoice) -> Result<Self, Error> {
        let kernels = match isa {
            IsaChoice::Best => Kernels::best(),
            IsaChoice::Exactly(isa) => Kernels::of(isa).ok_or_else(|| Error::Machine {
                what: format!("this machine cannot run the instruction set `{isa}`"),
                fix: format!("use one of {}", Isa::present().map(Isa::name).collect::<Vec<_>>().join(", ")),
            })?,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.unwrap_or(0))
            .thread_name(|index| format!("nibble-{index}"))
            .build()
            .map_err(|error| Error::Machine {
                what: format!("cannot start threads: {error}"),
                fix: "ask for fewer with --threads".into(),
            })?;
        let sound = pool.broadcast(|_| kernels::isa::environment_is_sound());
        if !kernels::isa::environment_is_sound() || sound.contains(&false) {
            return Err(Error::Machine {
                what: "the floating-point environment flushes subnormals or does not round to nearest even".into(),
                fix: "do not preload libraries that change it (fast-math start-up code), and run again".into(),
            });
        }
        Ok(Self { kernels, pool })
    }

    /// The kernels.
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on these threads: rayon's parallel iterators inside it use them.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}
