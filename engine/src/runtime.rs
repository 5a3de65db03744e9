//! What computes: the kernels of one instruction set and the threads that share the work.
//!
//! Work is split on output rows, tokens and heads only, never inside a sum, so that neither the number of threads nor
//! which thread takes what can change a bit.

use crate::error::Error;
use crate::workspace::Workspace;
use kernels::{Isa, Kernels, Team};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kernels and threads.
///
/// A team computes models: hundreds of short regions a token, each begun and ended within a microsecond. A pool does
/// what is long and seldom, such as quantizing; its threads sleep meanwhile.
pub struct Runtime {
    kernels: &'static Kernels,
    team: Team,
    pool: rayon::ThreadPool,
    workspace: Mutex<Workspace>,
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
        let team = Team::new(pool.current_num_threads()).map_err(|error| Error::Machine {
            what: format!("cannot start threads: {error}"),
            fix: "ask for fewer with --threads".into(),
        })?;
        let scratch = (0..team.threads()).map(|_| Mutex::default()).collect();
        let workspace = Mutex::new(Workspace { scratch, ..Workspace::default() });
        Ok(Self { kernels, team, pool, workspace })
    }

    /// The kernels.
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// The threads that compute models.
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// The memory that a forward pass works in; one at a time.
    pub(crate) fn workspace(&self) -> MutexGuard<'_, Workspace> {
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on the pool: rayon's parallel iterators inside it use its threads.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}
