//! How long something takes: several runs, and their spread.

use std::time::Instant;

/// Seconds of one call.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Of the fastest run.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// Of the slowest run.
    pub max: f64,
}

/// A run lasts at least this many seconds, with as many calls as that takes: clocks and interrupts are coarse.
const RUN_SECONDS: f64 = 1e-3;

impl Timing {
    /// The spread of `seconds`, which must not be empty.
    pub fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self { min: seconds[0], median: seconds[seconds.len() / 2], max: seconds[seconds.len() - 1] }
    }

    /// The seconds divided by `parts`.
    pub fn divided(self, parts: f64) -> Self {
        Self { min: self.min / parts, median: self.median / parts, max: self.max / parts }
    }
}

/// Times `work`: `runs` runs after one to warm up, of several calls each where one is short.
pub fn time(runs: usize, mut work: impl FnMut()) -> Timing {
    let mut calls = 1;
    loop {
        let seconds = seconds(calls, &mut work);
        if seconds >= RUN_SECONDS {
            break;
        }
        calls = (calls as f64 * 1.2 * RUN_SECONDS / seconds.max(RUN_SECONDS / 100.0)).ceil() as usize;
    }
    Timing::of((0..runs.max(1)).map(|_| seconds(calls, &mut work) / calls as f64).collect())
}

/// Times `work` without `prepare`, whose result it takes: for what cannot be done twice. One call a run.
///
/// # Errors
/// What `work` returns.
pub fn time_prepared<T, E>(
    runs: usize,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T) -> Result<(), E>,
) -> Result<Timing, E> {
    let mut run = || {
        let prepared = prepare();
        let start = Instant::now();
        work(prepared)?;
        Ok(start.elapsed().as_secs_f64())
    };
    run()?;
    let seconds: Result<Vec<f64>, E> = (0..runs.max(1)).map(|_| run()).collect();
    seconds.map(Timing::of)
}

fn seconds(calls: usize, work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| work());
    start.elapsed().as_secs_f64()
}
