//! Runs that generate text, greedy and drawn: the same bytes whatever the threads, the batches, the memory for keys and
//! values, and the interruptions.

mod fixture;

use datasets::DataRoots;
use engine::builtin;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::Error;
use eval::runner::{Existing, FidelityOptions, Observer, Phase, Plan, Progress, Quantization, RunSummary, Status, run};
use eval::scheduler::SchedulerOptions;
use eval::task::{self, TaskOptions};
use fixture::texts_to_answer;
use quant::Recipe;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops the run after so many documents.
struct StopAfter<'a> {
    documents: usize,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn phase(&mut self, _: Phase<'_>) {}
    fn progress(&mut self, _: Progress<'_>) {
        self.documents = self.documents.saturating_sub(1);
        if self.documents == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn evaluate(
    roots: &DataRoots,
    output: &Path,
    threads: usize,
    scheduler: SchedulerOptions,
    documents: usize,
) -> Result<RunSummary, Error> {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let tasks = ["gsm8k@lm-eval", "flores200:eng_Latn-zho_Hans@lm-eval", "xsum@helm", "truthfulqa_gen"];
    let options = TaskOptions {
        limit: Some(6),
        num_fewshot: Some(1),
        generation: "max_gen_toks=24".parse().unwrap(),
        ..TaskOptions::default()
    };
    let stop = AtomicBool::new(false);
    let plan = Plan {
        model: builtin::NAME,
        checkpoint: &builtin::checkpoint().unwrap(),
        tokenizer: &tokenizer,
        runtime: &Runtime::new(Some(threads), IsaChoice::Best).unwrap(),
        recipes: &Recipe::parse_list("none,rtn:w4g32").unwrap(),
        tasks: &tasks.map(|id| task::parse(id).unwrap()),
        roots,
        options,
        fidelity: FidelityOptions::default(),
        efficiency: eval::efficiency::Options::default(),
        quantization: Quantization::default(),
        scheduler,
        output: Some(output),
        existing: Existing::Resume,
        stop: &stop,
    };
    run(&plan, &mut StopAfter { documents, stop: &stop })
}

/// Samples and results by name.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for recipe in ["none", "rtn-w4g32"] {
        for entry in std::fs::read_dir(directory.join(recipe)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{recipe}/{}", path.file_name().unwrap().to_string_lossy());
            files.insert(name, std::fs::read_to_string(path).unwrap());
        }
    }
    files
}

#[test]
fn texts_have_the_same_bytes_whatever_shares_the_batch() {
    let (_data, roots) = texts_to_answer();
    let first = tempfile::tempdir().unwrap();
    let summary = evaluate(&roots, first.path(), 1, SchedulerOptions::default(), usize::MAX).unwrap();
    assert_eq!(summary.status, Status::Complete);
    let expected = files(first.path());
    assert_eq!(expected.len(), 2 * 5, "{:?}", expected.keys());
    let samples = &expected["none/samples_gsm8k@lm-eval.jsonl"];
    assert!(samples.contains("\"reply\"") && samples.lines().count() == 2, "{samples}");
    let one_text = SchedulerOptions { batch_tokens: 5, batch_sequences: 2, cache_bytes: 1 };
    let few = SchedulerOptions { batch_tokens: 64, batch_sequences: 3, cache_bytes: 1 << 20 };
    for (threads, scheduler) in [(2, one_text), (3, few)] {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(evaluate(&roots, directory.path(), threads, scheduler, usize::MAX).unwrap(), summary);
        assert_eq!(files(directory.path()), expected);
    }
    let third = tempfile::tempdir().unwrap();
    let mut stops = 0;
    while evaluate(&roots, third.path(), 1 + stops % 2, [few, one_text][stops % 2], 3 + stops).unwrap() != summary {
        stops += 1;
        assert!(stops < 20);
    }
    assert!(stops > 2, "{stops}");
    assert_eq!(files(third.path()), expected);
}
