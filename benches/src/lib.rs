//! Timing for the benchmarks: the best and the median of several runs, and the limits of the machine in the same run.
//!
//! Machines are shared and noisy: a figure is worth its ratio to a limit or a peer measured beside it.
#![forbid(unsafe_code)]

use kernels::Kernels;
use kernels::peak::{BYTE_PRODUCT_OPERATIONS, MULTIPLY_ADD_OPERATIONS};
use std::hint::black_box;
use std::time::Instant;

/// Seconds of one call: the least and the median of `runs` after one warm-up.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Least.
    pub best: f64,
    /// Median.
    pub median: f64,
}

/// Times `work`.
pub fn time(runs: usize, mut work: impl FnMut()) -> Timing {
    work();
    let mut seconds: Vec<f64> = (0..runs.max(1))
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    Timing { best: seconds[0], median: seconds[seconds.len() / 2] }
}

/// What the machine can do at most, on all threads of a runtime together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// f32 multiply and add apart, operations a second.
    pub multiply_add: f64,
    /// Byte products and sums, operations a second.
    pub byte_products: f64,
    /// Bytes read from memory a second.
    pub read_bytes: f64,
}

impl Limits {
    /// Measures the limits with these kernels and threads.
    pub fn measure(kernels: &'static Kernels, threads: usize) -> Self {
        const STEPS: usize = 4_000_000;
        let bytes = std::array::from_fn(|i| (i % 128) as u8);
        let multiply_add = time(5, || everywhere(threads, |_| _ = black_box(kernels.multiply_add(STEPS))));
        let products = time(5, || everywhere(threads, |_| _ = black_box(kernels.byte_products(STEPS, &bytes))));
        let memory = vec![1u64; 32 << 20];
        let share = memory.len() / threads;
        let read = time(5, || {
            everywhere(threads, |thread| {
                let mut sum = 0u64;
                for &value in &memory[thread * share..(thread + 1) * share] {
                    sum = sum.wrapping_add(value);
                }
                black_box(sum);
            });
        });
        let steps = (STEPS * threads) as f64;
        Self {
            multiply_add: steps * MULTIPLY_ADD_OPERATIONS as f64 / multiply_add.best,
            byte_products: steps * BYTE_PRODUCT_OPERATIONS as f64 / products.best,
            read_bytes: (8 * share * threads) as f64 / read.best,
        }
    }
}

fn everywhere(threads: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}
