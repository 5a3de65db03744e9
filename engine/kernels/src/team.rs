//! A team of threads that begins and ends a parallel region within a microsecond.
//!
//! A decoder runs some two hundred regions a token, most of them tens of microseconds long: waking a thread by a system
//! call for each would cost more than the second core gives. Here the workers of a [`Team`] poll for the next job for a
//! while before they sleep, and a job is handed over by one cache line.
//!
//! # How a job passes
//!
//! Two counters, each on its own cache lines. `untaken` counts tasks that nobody has taken, `unfinished` those whose
//! body has not returned. A job is four steps:
//!
//! 1. The caller writes the job (where the body is, how many tasks), then `unfinished = tasks`, then
//!    `untaken = tasks`.
//! 2. Any thread takes a task by a compare-exchange of `untaken` from n to n - 1, n > 0: it has task `tasks - n`.
//!    Only now does it read the job.
//! 3. It runs the body, and when it finds nothing more to take it subtracts what it has done from `unfinished`.
//! 4. The caller takes tasks too, then waits until `unfinished` is 0, and returns.
//!
//! The caller waits for tasks, not for threads. A worker whose core was lent to another process, and which holds no
//! task, is not waited for.
//!
//! # Why it is sound
//!
//! * **A body is never called after its job.** Who has taken a task and not yet subtracted it keeps `unfinished` above
//!   0, so the caller has neither returned nor begun another job. All that is read of a job is read in that time.
//! * **ABA.** A worker may read n from `untaken`, sleep, and exchange n for n - 1 many jobs later, where n occurs again.
//!   That is no error: the exchange takes a task of the job that is current then, and as the job is read after the
//!   exchange, it is that job's body that runs, with that job's number of tasks. Nothing read before it is used but n,
//!   which the exchange has confirmed.
//! * **The plain store of `untaken` overwrites nothing.** It happens with the caller's turn held and `unfinished` at 0,
//!   so `untaken` is 0, and from 0 nobody exchanges.
//! * **Job to worker.** The exchange acquires, the store of step 1 releases; exchanges by others in between are
//!   read-modify-writes and continue that store's release sequence. So the job, and everything the caller wrote before
//!   `for_each`, is visible to each body.
//! * **Worker to caller.** The subtraction releases, the caller's load of 0 acquires; it reads the last of a chain of
//!   read-modify-writes, and so synchronizes with all of them. Everything the bodies wrote is visible after `for_each`,
//!   and the reads of one job happen before the write of the next.
//!
//! # Why no wake-up is lost
//!
//! A worker that gives up polling sets its flag `asleep`, then looks at `untaken` once more, and sleeps only if that is
//! 0. The caller stores `untaken`, then looks at the flags. All four are sequentially consistent, so at least one of
//! the two sees the other. The caller clears a flag before it wakes its owner, and the owner sleeps for as long as the
//! flag is set, so that a wake-up that comes early, late or twice does no harm. Were one lost, a job would still end:
//! the caller takes whatever is left.

use std::cell::{RefCell, UnsafeCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::isa;

/// How long a thread polls before it gives its core away: about what a wake-up costs.
const PATIENCE: Duration = Duration::from_micros(50);

/// How many polls pass between two looks at the clock: one to three microseconds.
const POLLS: u32 = 64;

/// The value of `untaken` that ends the workers.
const CLOSED: usize = usize::MAX;

thread_local! {
    /// The teams whose bodies this thread is inside of, each with the thread's worker number there; innermost last.
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// A thread's place in a team.
struct Place {
    /// The address of what the team shares, which tells teams apart.
    team: usize,
    worker: usize,
}

/// Threads that wait for jobs by polling, and run each job's tasks together with the thread that calls
/// [`Team::for_each`].
///
/// Which thread runs a task differs from run to run. Nothing a task computes may depend on it.
pub struct Team {
    shared: Arc<Shared>,
    /// Workers 1, 2, ...; worker 0 is the caller.
    workers: Vec<JoinHandle<()>>,
    /// Held by the caller whose job runs.
    turn: Mutex<()>,
}

impl Team {
    /// A team of `threads` workers: the caller, and `threads - 1` threads named nibble-1, nibble-2, ...
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for no threads, [`Unsupported`](io::ErrorKind::Unsupported) if the
    /// floating-point environment of the caller or a worker is not the one the numerics contract asks for (rule R1), or
    /// the system's own error if a thread cannot be started. Those already started are ended.
    pub fn new(threads: usize) -> io::Result<Team> {
        if threads == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a team of no threads"));
        }
        let mut team = Team { shared: Arc::new(Shared::new(threads - 1)), workers: Vec::new(), turn: Mutex::new(()) };
        let (report, reports) = mpsc::channel();
        for worker in 1..threads {
            let (shared, report) = (Arc::clone(&team.shared), report.clone());
            let start = move || {
                // The receiver is gone only if a later thread could not be started: then the team is closed already.
                let _ = report.send(isa::environment_is_sound());
                drop(report);
                PLACES.with_borrow_mut(|places| places.push(Place { team: shared.address(), worker }));
                shared.serve(worker);
            };
            team.workers.push(thread::Builder::new().name(format!("nibble-{worker}")).spawn(start)?);
        }
        drop(report);
        let sound = reports.iter().filter(|sound| *sound).count() + usize::from(isa::environment_is_sound());
        if sound < threads {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "{} of {threads} threads flush subnormals or do not round to nearest even: do not preload \
                     libraries that change the floating-point environment (fast-math start-up code)",
                    threads - sound
                ),
            ));
        }
        Ok(team)
    }

    /// Number of workers, the caller among them.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body(worker, task)` once for each task in `0..tasks`, and returns when all are done.
    ///
    /// Tasks are handed out in ascending order. `worker` is below [`Team::threads`], the caller is worker 0, and no two
    /// threads are in a body with one number at the same time: a body may use scratch memory by that number.
    ///
    /// A call from inside a body of this team runs its tasks one after the other on that thread, under the number it
    /// has. Whoever lends out scratch by number must give it back before such a call. A call from another thread while
    /// a job runs waits for that job. So a body must not wait for a thread outside the team which itself calls
    /// `for_each` on it: that one waits for the job, and the job for it.
    ///
    /// # Panics
    /// If a body panics: the other tasks are run all the same, then the panic of the lowest task goes on here. The team
    /// remains usable.
    pub fn for_each(&self, tasks: usize, body: impl Fn(usize, usize) + Sync) {
        if tasks == 0 {
            return;
        }
        let panics = Mutex::new(Vec::new());
        let body = |worker: usize, task: usize| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body(worker, task))) {
                lock(&panics).push((task, payload));
            }
        };
        let address = self.shared.address();
        let place = PLACES.with_borrow(|places| places.iter().find(|place| place.team == address).map(|it| it.worker));
        if let Some(worker) = place {
            (0..tasks).for_each(|task| body(worker, task));
        } else {
            // Also for what runs on this thread alone: another caller may be worker 0 at this moment.
            let _turn = lock(&self.turn);
            PLACES.with_borrow_mut(|places| places.push(Place { team: address, worker: 0 }));
            if tasks == 1 || self.workers.is_empty() {
                (0..tasks).for_each(|task| body(0, task));
            } else {
                self.share(tasks, &body);
            }
            PLACES.with_borrow_mut(|places| places.pop());
        }
        let panics = panics.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, payload)) = panics.into_iter().min_by_key(|(task, _)| *task) {
            resume_unwind(payload);
        }
    }

    /// Calls `body(worker, item)` once for each item; as [`Team::for_each`] otherwise.
    ///
    /// # Panics
    /// As [`Team::for_each`].
    pub fn for_each_mut<T: Send>(&self, items: &mut [T], body: impl Fn(usize, &mut T) + Sync) {
        struct First<T>(*mut T);
        // SAFETY: each item is handed to one thread alone, and may be sent there.
        unsafe impl<T: Send> Sync for First<T> {}
        let (first, len) = (First(items.as_mut_ptr()), items.len());
        let first = &first;
        self.for_each(len, move |worker, task| {
            // SAFETY: task < len, and every task is run once: no two references to an item. `items` is borrowed until
            // all of them have returned.
            body(worker, unsafe { &mut *first.0.add(task) });
        });
    }

    /// Runs a job together with the workers. The caller has the turn; `body` does not panic.
    fn share<F: Fn(usize, usize) + Sync>(&self, tasks: usize, body: &F) {
        assert!(tasks < CLOSED, "{tasks} tasks");
        let Shared { handout, unfinished, .. } = &*self.shared;
        // SAFETY: the turn is ours and `unfinished` is 0, so nobody holds a task, and only who holds one reads the job.
        // Such reads happened before the load of 0 that ended the last job, by this thread or one that had the turn.
        unsafe { *handout.job.get() = Job::new(body, tasks) };
        unfinished.0.store(tasks, Relaxed);
        // Releases both stores above. Sequentially consistent for the sake of sleepers.
        handout.untaken.store(tasks, SeqCst);
        self.wake(tasks - 1);
        self.shared.work(0);
        // `body` is borrowed until here; nothing since the store of `untaken` unwinds.
        let mut patience = Patience::new();
        while unfinished.0.load(Acquire) != 0 {
            if patience.is_over() {
                // Perhaps who holds the last task waits for this very core.
                thread::yield_now();
            }
        }
    }

    /// Wakes as many sleepers as it takes for `wanted` workers to be awake, or all of them.
    fn wake(&self, wanted: usize) {
        let asleep = &self.shared.asleep;
        // Who is awake now is not looked at again: about to fall asleep, it finds the job by itself, and must not pass
        // for one that was woken. Nothing is allocated where nobody sleeps.
        let sleepers: Vec<usize> = (0..asleep.len()).filter(|&worker| asleep[worker].load(SeqCst)).collect();
        let awake = asleep.len() - sleepers.len();
        for worker in sleepers.into_iter().take(wanted.saturating_sub(awake)) {
            if asleep[worker].swap(false, SeqCst) {
                self.workers[worker].thread().unpark();
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // No job runs: it would borrow the team.
        self.shared.handout.untaken.store(CLOSED, SeqCst);
        self.wake(self.workers.len());
        for worker in self.workers.drain(..) {
            // A worker does not panic: bodies are caught.
            let _ = worker.join();
        }
    }
}

/// What the threads of a team share.
struct Shared {
    handout: Handout,
    /// Tasks of the current job whose body has not returned.
    unfinished: Lines<AtomicUsize>,
    /// Whether worker 1, 2, ... sleeps or is about to. Side by side: the caller reads all of them, and they seldom
    /// change.
    asleep: Box<[AtomicBool]>,
}

/// The lines that every worker polls: the job lies beside the counter, so that who takes a task has the job with it.
#[repr(align(128))]
struct Handout {
    /// Tasks of the current job that nobody has taken, or [`CLOSED`].
    untaken: AtomicUsize,
    /// The current or last job. Written by the caller while there is no task, read by who holds one.
    job: UnsafeCell<Job>,
}

// SAFETY: a job is written while nobody holds a task and read only by who holds one (module documentation). Its body
// is `Sync`, so it may be called from any thread.
unsafe impl Sync for Handout {}
// SAFETY: a job is an address without a home; what is done with it is covered by `Sync` above.
unsafe impl Send for Handout {}

/// A value alone on its cache lines: two of 64 bytes, because some processors fetch them in pairs.
#[repr(align(128))]
struct Lines<T>(T);

/// A body of unknown type, and how many tasks it has.
#[derive(Clone, Copy)]
struct Job {
    body: *const (),
    /// Calls what `body` points to with a worker and a task.
    call: unsafe fn(*const (), usize, usize),
    tasks: usize,
}

impl Job {
    fn new<F: Fn(usize, usize) + Sync>(body: &F, tasks: usize) -> Self {
        /// Calls the `F` at `body`, which must be alive.
        unsafe fn call<F: Fn(usize, usize)>(body: *const (), worker: usize, task: usize) {
            // SAFETY: `Job::new` made the pointer from a `&F` beside this function; the caller knows it to be alive.
            let body = unsafe { &*body.cast::<F>() };
            body(worker, task);
        }
        Self { body: std::ptr::from_ref(body).cast(), call: call::<F>, tasks }
    }
}

impl Shared {
    fn new(workers: usize) -> Self {
        Self {
            // No task: this job is never called.
            handout: Handout { untaken: AtomicUsize::new(0), job: UnsafeCell::new(Job::new(&|_, _| (), 0)) },
            unfinished: Lines(AtomicUsize::new(0)),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Tells teams that are alive apart.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The life of a worker: works, polls, sleeps, until the team is closed.
    fn serve(&self, worker: usize) {
        let mut patience = Patience::new();
        loop {
            match self.handout.untaken.load(Relaxed) {
                CLOSED => return,
                0 if !patience.is_over() => continue,
                0 => self.sleep(worker),
                _ => self.work(worker),
            }
            patience = Patience::new();
        }
    }

    /// Sleeps until the caller wants this worker, unless there is something to do already.
    fn sleep(&self, worker: usize) {
        let asleep = &self.asleep[worker - 1];
        asleep.store(true, SeqCst);
        if self.handout.untaken.load(SeqCst) != 0 {
            asleep.store(false, SeqCst);
            return;
        }
        while asleep.load(SeqCst) {
            thread::park();
        }
    }

    /// Runs tasks as long as there are any to take.
    fn work(&self, worker: usize) {
        let mut done = 0;
        while let Some((job, task)) = self.handout.take() {
            // SAFETY: this thread holds a task of that job and has not subtracted it, so `for_each` has not returned,
            // and the body it borrows is alive.
            unsafe { (job.call)(job.body, worker, task) };
            done += 1;
        }
        // All of one job: while these are held no other begins.
        if done > 0 {
            self.unfinished.0.fetch_sub(done, Release);
        }
    }
}

impl Handout {
    /// The lowest task that nobody has taken, and the job it belongs to.
    fn take(&self) -> Option<(Job, usize)> {
        let mut untaken = self.untaken.load(Relaxed);
        while untaken != 0 && untaken != CLOSED {
            match self.untaken.compare_exchange_weak(untaken, untaken - 1, Acquire, Relaxed) {
                Ok(_) => {
                    // SAFETY: this thread now holds a task, so the job is not written until it has subtracted it; it
                    // was written before the store of `untaken` with which the exchange synchronizes.
                    let job = unsafe { *self.job.get() };
                    return Some((job, job.tasks - untaken));
                }
                Err(found) => untaken = found,
            }
        }
        None
    }
}

/// A wait that has an end: counts polls, and now and then looks at the clock.
struct Patience {
    polls: u32,
    /// When the clock was first looked at.
    since: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self { polls: 0, since: None }
    }

    /// Rests for a poll; says whether [`PATIENCE`] has passed, once every [`POLLS`] polls.
    fn is_over(&mut self) -> bool {
        std::hint::spin_loop();
        self.polls += 1;
        if self.polls < POLLS {
            return false;
        }
        self.polls = 0;
        self.since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
    }
}

/// Locks; what these locks guard is whole even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: [usize; 4] = [1, 2, 3, 7];

    /// Fewer rounds where a thread is interpreted.
    const fn rounds(native: usize, interpreted: usize) -> usize {
        if cfg!(miri) { interpreted } else { native }
    }

    /// Returns when `expected` threads have come: only threads that run at the same time get past.
    fn meet(arrived: &AtomicUsize, expected: usize) {
        arrived.fetch_add(1, SeqCst);
        let start = Instant::now();
        while arrived.load(SeqCst) < expected {
            assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {expected} threads");
            thread::yield_now();
        }
    }

    #[test]
    fn every_item_once() {
        let team = Team::new(3).unwrap();
        for count in [0, 1, 2, 7, 500] {
            let mut items: Vec<usize> = (0..count).collect();
            team.for_each_mut(&mut items, |_, item| *item += 10);
            assert_eq!(items, (10..10 + count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_task_once() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            assert_eq!(team.threads(), threads);
            for tasks in (0..rounds(40, 10)).chain([rounds(1000, 20)]) {
                let calls: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                team.for_each(tasks, |_, task| {
                    calls[task].fetch_add(1, Relaxed);
                });
                assert!(calls.into_iter().all(|calls| calls.into_inner() == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn each_worker_has_ascending_tasks_and_its_own_number() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            let scratch: Vec<Mutex<Vec<usize>>> = (0..threads).map(|_| Mutex::new(Vec::new())).collect();
            for _ in 0..rounds(200, 5) {
                team.for_each(50, |worker, task| {
                    scratch[worker].try_lock().expect("a second thread with this number").push(task);
                });
                let mut tasks = Vec::new();
                for scratch in &scratch {
                    let mut scratch = scratch.try_lock().unwrap();
                    assert!(scratch.is_sorted());
                    tasks.append(&mut scratch);
                }
                tasks.sort_unstable();
                assert!(tasks.into_iter().eq(0..50));
            }
        }
    }

    #[test]
    fn many_tiny_jobs() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            // A worker that came late and ran an earlier body would add to the sum of a job that is over.
            for job in 0..rounds(100_000, 100) {
                let (sum, tasks) = (AtomicUsize::new(0), 1 + job % 5);
                team.for_each(tasks, |_, task| {
                    sum.fetch_add(job + task, Relaxed);
                });
                assert_eq!(sum.into_inner(), job * tasks + tasks * (tasks - 1) / 2);
            }
        }
    }

    #[test]
    fn what_is_written_passes_between_threads_and_jobs() {
        // The mutexes of one round know nothing of the last: a missing ordering is a data race under Miri.
        let team = Team::new(3).unwrap();
        let mut values = vec![1u64; 24];
        for _ in 0..rounds(1000, 10) {
            let before = values.clone();
            let blocks: Vec<Mutex<&mut [u64]>> = values.chunks_mut(3).map(Mutex::new).collect();
            team.for_each(blocks.len(), |_, task| {
                for (index, value) in lock(&blocks[task]).iter_mut().enumerate() {
                    *value = before[(task * 3 + index + 1) % 24].wrapping_mul(3);
                }
            });
        }
        assert!(values.iter().all(|&value| value == 3u64.wrapping_pow(rounds(1000, 10) as u32)));
    }

    #[test]
    fn a_nested_call_stays_on_its_thread() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            let other = Team::new(2).unwrap();
            let calls = AtomicUsize::new(0);
            team.for_each(6, |worker, _| {
                let outer = thread::current().id();
                team.for_each(5, |nested, _| {
                    assert_eq!((nested, thread::current().id()), (worker, outer));
                    // Through another team and back.
                    other.for_each(1, |_, _| {
                        team.for_each(2, |nested, _| {
                            assert_eq!(nested, worker);
                            calls.fetch_add(1, Relaxed);
                        });
                    });
                });
            });
            assert_eq!(calls.into_inner(), 6 * 5 * 2);
        }
    }

    #[test]
    fn the_lowest_panic_goes_on_after_all_tasks() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            for tasks in [1, 2, 9] {
                let calls = AtomicUsize::new(0);
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    team.for_each(tasks, |_, task| {
                        calls.fetch_add(1, Relaxed);
                        if task >= tasks / 2 {
                            // A panic that prints nothing.
                            resume_unwind(Box::new(task));
                        }
                    });
                }));
                assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&(tasks / 2)));
                assert_eq!(calls.into_inner(), tasks);
                let calls = AtomicUsize::new(0);
                team.for_each(tasks, |_, _| {
                    calls.fetch_add(1, Relaxed);
                });
                assert_eq!(calls.into_inner(), tasks);
            }
        }
    }

    #[test]
    fn outside_callers_take_turns() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            let busy: Vec<Mutex<()>> = (0..threads).map(|_| Mutex::new(())).collect();
            let calls = AtomicUsize::new(0);
            let rounds = rounds(2000, 20);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for round in 0..rounds {
                            team.for_each(1 + round % 3, |worker, _| {
                                let _number = busy[worker].try_lock().expect("a second thread with this number");
                                calls.fetch_add(1, Relaxed);
                            });
                        }
                    });
                }
            });
            assert_eq!(calls.into_inner(), 2 * (0..rounds).map(|round| 1 + round % 3).sum::<usize>());
        }
    }

    #[test]
    fn sleepers_wake() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            for _ in 0..rounds(20, 4) {
                thread::sleep(Duration::from_millis(5));
                let asleep = team.shared.asleep.iter().filter(|flag| flag.load(SeqCst)).count();
                let (arrived, names) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
                team.for_each(threads, |worker, _| {
                    meet(&arrived, threads);
                    let name = thread::current().name().map(str::to_string);
                    assert!(worker == 0 || name == Some(format!("nibble-{worker}")));
                    lock(&names).push(worker);
                });
                let mut names = names.into_inner().unwrap();
                names.sort_unstable();
                assert!(names.into_iter().eq(0..threads), "{asleep} were asleep");
            }
        }
    }

    #[test]
    fn no_wake_up_is_lost() {
        // Jobs begin about when the workers fall asleep, and need them.
        for threads in [2, 3] {
            let team = Team::new(threads).unwrap();
            for round in 0..rounds(3000, 30) {
                let (start, wait) = (Instant::now(), PATIENCE * 4 / 5 + Duration::from_nanos(round as u64 % 400 * 50));
                while start.elapsed() < wait {
                    std::hint::spin_loop();
                }
                let arrived = AtomicUsize::new(0);
                team.for_each(threads, |_, _| meet(&arrived, threads));
            }
        }
    }

    #[test]
    fn falling_asleep_races_with_waking() {
        // A worker that does nothing but sleep once: the race of flag and counter, without the polling before it.
        for _ in 0..rounds(2000, 30) {
            let shared = Arc::new(Shared::new(1));
            let sleeper = Arc::clone(&shared);
            let ready = Arc::new(AtomicUsize::new(0));
            let other = Arc::clone(&ready);
            let worker = thread::spawn(move || {
                meet(&other, 2);
                sleeper.sleep(1);
            });
            let team = Team { shared, workers: vec![worker], turn: Mutex::new(()) };
            meet(&ready, 2);
            team.shared.handout.untaken.store(1, SeqCst);
            team.wake(1);
            let start = Instant::now();
            while !team.workers[0].is_finished() {
                assert!(start.elapsed() < Duration::from_secs(30), "asleep, and nobody wakes it");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn only_as_many_wake_as_there_are_tasks() {
        let team = Team::new(7).unwrap();
        let asleep = || team.shared.asleep.iter().filter(|flag| flag.load(SeqCst)).count();
        let start = Instant::now();
        while asleep() < 6 {
            assert!(start.elapsed() < Duration::from_secs(30), "workers do not fall asleep");
            thread::yield_now();
        }
        // The flag is set just before the last look at the counter.
        thread::sleep(Duration::from_millis(20));
        let arrived = AtomicUsize::new(0);
        team.for_each(3, |_, _| {
            assert!(asleep() >= 4);
            meet(&arrived, 3);
        });
    }

    #[test]
    fn a_team_ends_in_any_state() {
        for round in 0..rounds(100, 8) {
            let team = Team::new(1 + round % 4).unwrap();
            team.for_each(round % 3, |_, _| ());
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(200));
            }
        }
        assert_eq!(Team::new(0).err().unwrap().kind(), io::ErrorKind::InvalidInput);
    }

    /// Threads inherit the environment of the thread that starts them.
    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
    fn a_flushing_environment_is_refused() {
        fn set(mxcsr: u32) {
            // SAFETY: reads four bytes of a local, and changes only this thread's rounding and flushing.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &mxcsr) };
        }
        // Bits 15 and 6 flush results and operands; the rest is what a thread starts with.
        set(0x9fc0);
        let refused = Team::new(3);
        set(0x1f80);
        let error = refused.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("3 of 3 threads flush subnormals"), "{error}");
    }
}
