//! Asking a model everything that the journal does not hold yet.

use super::{Filed, Observer, Progress, Run};
use crate::comparison::Observation;
use crate::error::Error;
use crate::journal::{Journal, Record};
use crate::request::{Outcome, Request};
use crate::scheduler::{Continue, Scheduler, TokenCounts};
use crate::task::{Item, Prepared, Suite};
use engine::decoder::Decoder;
use std::sync::atomic::Ordering;

/// A document of the suite: index of the task, and document.
pub type Document = (usize, usize);

/// Tokens of requests that are held at a time: 16 MiB.
const HELD_TOKENS: usize = 1 << 22;

/// Documents that one thread puts into questions at a time.
const PREPARED_TOGETHER: usize = 64;

/// The documents that the journal does not hold, in order.
pub fn missing(key: &str, suite: &Suite<'_>, journal: &Journal) -> Vec<Document> {
    let mut missing = Vec::new();
    for (index, task) in suite.tasks().iter().enumerate() {
        let documents = (0..task.document_count()).filter(|&document| !journal.contains(key, task.id(), document));
        missing.extend(documents.map(|document| (index, document)));
    }
    missing
}

/// Asks `missing` and writes each document into the journal as it is finished. Ends early if the plan is stopped.
///
/// # Errors
/// What a task refuses, what the decoder refuses, what cannot be written.
pub(super) fn ask(
    run: &Run<'_>,
    filed: &Filed,
    decoder: Decoder<'_>,
    missing: &[Document],
    journal: &mut Journal,
    observer: &mut dyn Observer,
) -> Result<TokenCounts, Error> {
    let (plan, suite, recipe, key) = (run.plan, run.suite, filed.name.as_str(), filed.key.as_str());
    let mut scheduler = Scheduler::new(decoder, Some(plan.tokenizer), plan.scheduler);
    let per_recipe: usize = suite.tasks().iter().map(|task| task.document_count()).sum();
    let total = per_recipe * run.filed.len();
    let done = |journal: &Journal, key: &str| -> usize {
        suite.tasks().iter().map(|task| journal.done(key, task.id(), task.document_count())).sum()
    };
    let mut tally = Tally { done: 0, total, tokens: 0 };
    for filed in &run.filed {
        tally.done += done(journal, &filed.key);
    }
    let mut rest = missing;
    while !rest.is_empty() {
        let mut batch = Batch::default();
        while !rest.is_empty() && batch.tokens < HELD_TOKENS {
            let threads = plan.runtime.threads();
            let (now, later) = rest.split_at(rest.len().min(PREPARED_TOGETHER * threads));
            rest = later;
            for (document, prepared) in now.iter().zip(prepare(suite, now, threads)) {
                match prepared? {
                    Prepared::Ready(item, requests) => batch.push(*document, item.without_texts(), requests),
                    Prepared::Skipped(reason) => {
                        let task = suite.tasks()[document.0].id();
                        journal.append(key, task, document.1, &Record::Skipped(reason))?;
                        tally.report(recipe, task, 0, observer);
                    }
                }
            }
            if plan.stop.load(Ordering::Relaxed) {
                return Ok(scheduler.counts());
            }
        }
        let Batch { requests, mut waiting, places, .. } = batch;
        let mut on_done = |index: usize, outcome: Outcome| -> Result<Continue, Error> {
            if let Some((document, record)) = answer(suite, &places, &mut waiting, index, outcome)? {
                let task = suite.tasks()[document.task].id();
                journal.append(key, task, document.document, &record)?;
                tally.report(recipe, task, document.tokens, observer);
            }
            Ok(if plan.stop.load(Ordering::Relaxed) { Continue::Stop } else { Continue::Yes })
        };
        if scheduler.run(&requests, &mut on_done)? == Continue::Stop {
            break;
        }
    }
    Ok(scheduler.counts())
}

/// Progress so far.
struct Tally {
    done: usize,
    total: usize,
    tokens: usize,
}

impl Tally {
    fn report(&mut self, recipe: &str, task: &str, tokens: usize, observer: &mut dyn Observer) {
        self.done += 1;
        self.tokens += tokens;
        observer.progress(Progress { recipe, task, done: self.done, total: self.total, tokens: self.tokens });
    }
}

/// Requests of several documents, on their way.
#[derive(Default)]
struct Batch {
    /// With the index of their place.
    requests: Vec<(usize, Request)>,
    /// Of each request its document in `waiting` and its number there.
    places: Vec<(usize, usize)>,
    waiting: Vec<Waiting>,
    tokens: usize,
}

/// A document of which answers are missing.
struct Waiting {
    task: usize,
    document: usize,
    item: Item,
    outcomes: Vec<Option<Outcome>>,
    missing: usize,
    tokens: usize,
}

/// A document that is done.
struct Done {
    task: usize,
    document: usize,
    tokens: usize,
}

impl Batch {
    fn push(&mut self, (task, document): Document, item: Item, requests: Vec<Request>) {
        let mut tokens = 0;
        let count = requests.len();
        for (number, request) in requests.into_iter().enumerate() {
            tokens += match &request {
                Request::Score { tokens, .. } => tokens.len(),
                Request::Generate { prompt, .. } => prompt.len(),
            };
            self.requests.push((self.places.len(), request));
            self.places.push((self.waiting.len(), number));
        }
        self.tokens += tokens;
        self.waiting.push(Waiting { task, document, item, outcomes: vec![None; count], missing: count, tokens });
    }
}

/// Takes in an answer; if it was the last one of its document, returns what becomes of that.
fn answer(
    suite: &Suite<'_>,
    places: &[(usize, usize)],
    waiting: &mut [Waiting],
    key: usize,
    outcome: Outcome,
) -> Result<Option<(Done, Record)>, Error> {
    let (index, number) = places[key];
    let waiting = &mut waiting[index];
    waiting.outcomes[number] = Some(outcome);
    waiting.missing -= 1;
    if waiting.missing > 0 {
        return Ok(None);
    }
    let outcomes: Vec<Outcome> = std::mem::take(&mut waiting.outcomes).into_iter().flatten().collect();
    let failure = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    });
    let record = match failure {
        Some(failure) => Record::Failed(format!(
            "a NaN or an infinity after block {}, at position {} of the sequence",
            failure.layer, failure.position
        )),
        None => {
            let task = &suite.tasks()[waiting.task];
            let sample = task.score(waiting.document, &waiting.item, &outcomes)?;
            // Whoever reads the log knows then what belongs together.
            Record::Scored(match task.cluster(waiting.document) {
                Some(cluster) => sample.with(Observation::CLUSTER, cluster),
                None => sample,
            })
        }
    };
    let done = Done { task: waiting.task, document: waiting.document, tokens: waiting.tokens };
    Ok(Some((done, record)))
}

/// Puts documents into questions, on several threads; the results are in the order of the documents.
fn prepare(suite: &Suite<'_>, documents: &[Document], threads: usize) -> Vec<Result<Prepared, Error>> {
    let prepare_all = |documents: &[Document]| -> Vec<Result<Prepared, Error>> {
        documents.iter().map(|&(task, document)| suite.tasks()[task].prepare(document)).collect()
    };
    if threads <= 1 || documents.len() <= 1 {
        return prepare_all(documents);
    }
    std::thread::scope(|scope| {
        let parts = documents.chunks(documents.len().div_ceil(threads));
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || prepare_all(part))).collect();
        let mut prepared = Vec::with_capacity(documents.len());
        for worker in workers {
            match worker.join() {
                Ok(part) => prepared.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        prepared
    })
}
