//! What the machine can do at most, on all threads of a team together: measured, and measured again before each test.

use crate::timing::time;
use kernels::peak::{BYTE_PRODUCT_OPERATIONS, MULTIPLY_ADD_OPERATIONS};
use kernels::{Kernels, Team};
use std::hint::black_box;

/// Runs of a limit, of which the best counts.
const RUNS: usize = 10;
/// Steps of a run on each thread: about a millisecond.
const STEPS: usize = 2_400_000;

/// What arithmetic can do at most, in operations a second.
#[derive(Clone, Copy, Debug)]
pub struct Arithmetic {
    /// f32 multiply and add.
    pub multiply_add: f64,
    /// Byte products and sums.
    pub byte_products: f64,
}

impl Arithmetic {
    /// Measures both.
    pub fn measure(kernels: &Kernels, team: &Team) -> Self {
        Self { multiply_add: multiply_add(kernels, team), byte_products: byte_products(kernels, team) }
    }
}

/// f32 multiply and add, operations a second.
pub fn multiply_add(kernels: &Kernels, team: &Team) -> f64 {
    let seconds = time(RUNS, || everywhere(team, |_| _ = black_box(kernels.multiply_add(black_box(STEPS))))).min;
    (STEPS * team.threads() * MULTIPLY_ADD_OPERATIONS) as f64 / seconds
}

/// f64 multiply and add, operations a second.
pub fn multiply_add_f64(kernels: &Kernels, team: &Team) -> f64 {
    let seconds = time(RUNS, || everywhere(team, |_| _ = black_box(kernels.multiply_add_f64(black_box(STEPS))))).min;
    (STEPS * team.threads() * MULTIPLY_ADD_OPERATIONS) as f64 / seconds
}

/// Byte products and sums, operations a second.
pub fn byte_products(kernels: &Kernels, team: &Team) -> f64 {
    let bytes = std::array::from_fn(|i| (i % 16) as u8);
    let seconds =
        time(RUNS, || everywhere(team, |_| _ = black_box(kernels.byte_products(black_box(STEPS), &bytes)))).min;
    (STEPS * team.threads() * BYTE_PRODUCT_OPERATIONS) as f64 / seconds
}

/// A buffer far larger than any cache, to be read.
pub struct Memory {
    words: Vec<i32>,
}

impl Memory {
    /// A buffer of `megabytes` MB.
    pub fn of(megabytes: usize) -> Self {
        Self { words: vec![1; megabytes * 250_000] }
    }

    /// Bytes read a second: each thread reads its part with the widest vectors, in several streams, as many as serve
    /// best; the best of several passes.
    pub fn read_rate(&self, kernels: &Kernels, team: &Team) -> f64 {
        /// Words that a stream reads before the next one's turn: a page.
        const PAGE: usize = 1024;
        let part = self.words.len() / team.threads();
        let rate = |streams: usize| {
            let length = part / streams / PAGE * PAGE;
            let seconds = time(RUNS, || {
                everywhere(team, |thread| {
                    let words = &self.words[thread * part..];
                    for page in (0..length).step_by(PAGE) {
                        for stream in 0..streams {
                            black_box(kernels.read(&words[stream * length + page..][..PAGE]));
                        }
                    }
                });
            });
            (4 * length * streams * team.threads()) as f64 / seconds.min
        };
        [1, 2, 4].map(rate).into_iter().fold(0.0, f64::max)
    }
}

/// Runs `work` once on every thread.
fn everywhere(team: &Team, work: impl Fn(usize) + Sync) {
    team.for_each(team.threads(), |_, task| work(task));
}
