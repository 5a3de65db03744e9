//! Memory bandwidth: bytes a second that all threads together read out of a buffer larger than the caches.

use engine::runtime::Runtime;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The least that is read in one pass, on any number of threads.
const LEAST_BYTES: usize = 256 << 20;
/// More than a core's share of the last cache on processors with many cores.
const BYTES_PER_THREAD: usize = 16 << 20;
/// How long is measured.
const TIME: Duration = Duration::from_millis(200);
/// Streams that a thread reads side by side; which number serves best differs between processors.
const STREAMS: [usize; 3] = [1, 2, 4];
/// Words that a stream reads before the next one's turn: a page.
const PAGE: usize = 1024;

/// The rate of the best pass. At most a quarter of `available_bytes`, where that is known, is taken meanwhile.
pub fn read_bytes_per_second(runtime: &Runtime, available_bytes: Option<u64>) -> f64 {
    let (team, kernels, threads) = (runtime.team(), runtime.kernels(), runtime.threads());
    let limit = available_bytes.map_or(usize::MAX, |bytes| bytes as usize / 4);
    let bytes = LEAST_BYTES.max(BYTES_PER_THREAD * threads).min(limit);
    let part = (bytes / 4 / threads).max(4 * PAGE);
    let mut words = vec![0i32; part * threads];
    // Pages that were never written are one page of zeros, which a cache holds.
    let mut parts: Vec<&mut [i32]> = words.chunks_mut(part).collect();
    team.for_each_mut(&mut parts, |_, part| part.fill(1));
    let (mut best, began) = (0.0, Instant::now());
    for (pass, streams) in STREAMS.into_iter().cycle().enumerate() {
        if pass >= STREAMS.len() && began.elapsed() >= TIME {
            break;
        }
        let length = part / streams / PAGE * PAGE;
        let started = Instant::now();
        team.for_each(threads, |_, thread| {
            let words = &words[thread * part..][..part];
            for page in (0..length).step_by(PAGE) {
                for stream in 0..streams {
                    black_box(kernels.read(&words[stream * length + page..][..PAGE]));
                }
            }
        });
        best = f64::max(best, (4 * length * streams * threads) as f64 / started.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::runtime::IsaChoice;

    #[test]
    fn a_rate_that_memory_can_have() {
        let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
        // 4 MB only: a rate of caches is one too.
        let rate = read_bytes_per_second(&runtime, Some(16 << 20));
        assert!(rate.is_finite() && rate > 1e7, "{rate}");
    }
}
