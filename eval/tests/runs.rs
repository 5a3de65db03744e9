//! Does a run end with the same bytes however it got there? Stops, threads, batches, other plans, damage.

mod fixture;

use datasets::DataRoots;
use engine::builtin;
use engine::checkpoint::Checkpoint;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::comparison::Difference;
use eval::report::{self, Format, Run, Style};
use eval::runner::{
    Existing, FidelityOptions, NoiseFloor, Observer, Phase, Plan, Progress, Quantization, RunSummary, Status,
    Unobserved, run,
};
use eval::scheduler::SchedulerOptions;
use eval::task::{self, OnOverflow, TaskOptions};
use eval::{Error, journal};
use quant::Recipe;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const TASKS: &str = "perplexity:builtin_chronicle@gptq-256,perplexity:tests/fixtures/text.txt@lm-eval,perplexity:builtin_chronicle@llama.cpp-128,\
                     mmlu:builtin@lm-eval,truthfulqa_mc1:builtin,truthfulqa:builtin";
const RECIPES: &str = "rtn:w8,none,rtn:w2g32";

/// A run with everything that may change between two runs of one plan.
struct Setting<'a> {
    tasks: &'a str,
    recipes: &'a str,
    threads: usize,
    batch_tokens: usize,
    options: TaskOptions,
    existing: Existing,
    fidelity: FidelityOptions,
    output: Option<&'a Path>,
    stop: &'a AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> Setting<'a> {
    fn into(output: &'a Path) -> Self {
        Self {
            tasks: TASKS,
            recipes: RECIPES,
            threads: 1,
            batch_tokens: 512,
            options: TaskOptions { limit: Some(3), num_fewshot: Some(2), ..TaskOptions::default() },
            existing: Existing::Resume,
            fidelity: FidelityOptions::default(),
            output: Some(output),
            stop: &NEVER,
        }
    }

    fn run(&self, observer: &mut dyn Observer) -> Result<RunSummary, Error> {
        self.run_on(&builtin::checkpoint().unwrap(), observer)
    }

    fn run_on(&self, checkpoint: &Checkpoint, observer: &mut dyn Observer) -> Result<RunSummary, Error> {
        let tokenizer = Tokenizer::bytes_only().unwrap();
        let runtime = Runtime::new(Some(self.threads), IsaChoice::Best).unwrap();
        let tasks = self.tasks.split(',').map(task::parse).collect::<Result<Vec<_>, _>>()?;
        run(
            &Plan {
                model: builtin::NAME,
                checkpoint,
                tokenizer: &tokenizer,
                runtime: &runtime,
                recipes: &Recipe::parse_list(self.recipes).unwrap(),
                tasks: &tasks,
                roots: &DataRoots::default(),
                options: self.options.clone(),
                fidelity: self.fidelity,
                efficiency: eval::efficiency::Options::default(),
                quantization: Quantization::default(),
                scheduler: SchedulerOptions { batch_tokens: self.batch_tokens, ..SchedulerOptions::default() },
                output: self.output,
                existing: self.existing,
                stop: self.stop,
            },
            observer,
        )
    }
}

/// Every file that has to be the same, by name; the journal by its sorted lines.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![directory.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if name == journal::FILE_NAME {
                let text = std::fs::read_to_string(path).unwrap();
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                files.insert(name, lines.join("\n"));
            } else if name != "run.json" {
                files.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

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

/// Stops the run when it begins to compare next-token distributions.
struct StopAtComparing<'a> {
    stop: &'a AtomicBool,
}

impl Observer for StopAtComparing<'_> {
    fn phase(&mut self, phase: Phase<'_>) {
        if matches!(phase, Phase::Comparing { .. }) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
    fn progress(&mut self, _: Progress<'_>) {}
}

/// The report of a run whose directory adds nothing.
fn rendered(summary: &eval::runner::RunSummary, format: Format) -> String {
    report::render(summary, &Run::of(summary), format, Style::Plain)
}

#[test]
fn a_run_has_the_same_bytes_whatever_the_threads_batches_and_stops() {
    let (first, second, third) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let summary = Setting::into(first.path()).run(&mut Unobserved).unwrap();
    assert_eq!(summary.status, Status::Complete);
    let expected = files(first.path());
    for name in ["manifest.json", "summary.json", "comparison.json", "none/results.json", "rtn-w8/results.json"] {
        assert!(expected.contains_key(name), "{name}: {:?}", expected.keys());
    }
    assert!(first.path().join("run.json").exists());

    let setting = Setting { threads: 3, batch_tokens: 97, ..Setting::into(second.path()) };
    assert_eq!(setting.run(&mut Unobserved).unwrap(), summary);
    assert_eq!(files(second.path()), expected);

    // Stopped again and again, with another setting each time.
    let mut stops = 0;
    loop {
        let stop = AtomicBool::new(false);
        let mut observer = StopAfter { documents: 5 + 4 * stops, stop: &stop };
        let (threads, batch_tokens) = (1 + stops % 3, [64, 512, 2048][stops % 3]);
        let setting = Setting { threads, batch_tokens, stop: &stop, ..Setting::into(third.path()) };
        let found = setting.run(&mut observer).unwrap();
        match found.status {
            Status::Complete => {
                assert_eq!(found, summary);
                break;
            }
            Status::Incomplete { done, total } => {
                assert!(done < total && found.variants.len() < 3);
                assert!(!third.path().join("summary.json").exists());
            }
        }
        stops += 1;
        assert!(stops < 60);
    }
    assert!(stops > 3, "{stops}");
    assert_eq!(files(third.path()), expected);
    // Once more: nothing is left to do, and nothing changes.
    let run_file = std::fs::read(third.path().join("run.json")).unwrap();
    assert_eq!(Setting::into(third.path()).run(&mut Unobserved).unwrap(), summary);
    assert_eq!(files(third.path()), expected);
    assert_eq!(std::fs::read(third.path().join("run.json")).unwrap(), run_file);
    // Without a directory the numbers are the same.
    let setting = Setting { output: None, ..Setting::into(first.path()) };
    assert_eq!(setting.run(&mut Unobserved).unwrap(), summary);
}

#[test]
fn files_have_the_keys_of_their_formats() {
    let directory = tempfile::tempdir().unwrap();
    let summary = Setting::into(directory.path()).run(&mut Unobserved).unwrap();
    let written = json(&directory.path().join("summary.json"));
    let variants = written.as_array().unwrap();
    assert_eq!(variants.len(), 3);
    for variant in variants {
        let keys: Vec<&String> = variant.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["model", "recipe", "nominal_bits_per_weight", "true_bits_per_weight", "weight_bytes", "metrics"]
        );
    }
    assert_eq!(
        (variants[0]["recipe"].as_str(), variants[0]["nominal_bits_per_weight"].as_f64()),
        (Some("rtn:w8"), Some(8.0))
    );
    let metrics = &variants[1]["metrics"];
    assert!(metrics["perplexity:builtin_chronicle@gptq-256"]["perplexity"].as_f64().unwrap() > 1.0);
    assert!(metrics["perplexity:text.txt@lm-eval"]["word_perplexity"].as_f64().unwrap() > 1.0);
    assert!(metrics["mmlu:builtin@lm-eval"]["acc"].is_number());
    assert!(metrics["mmlu_people:builtin@lm-eval"]["acc_stderr"].is_number());
    assert!(metrics["truthfulqa:builtin@lm-eval"]["mc2"].is_number());

    let results = json(&directory.path().join("none/results.json"));
    for key in ["results", "groups", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples"]
    {
        assert!(results[key].is_object(), "{key}");
    }
    assert!(results["results"]["mmlu_people:builtin@lm-eval"]["acc,none"].is_number());
    assert!(results["results"]["perplexity:builtin_chronicle@gptq-256"]["perplexity_stderr,none"].is_number());
    assert_eq!(results["results"]["perplexity:text.txt@lm-eval"]["word_perplexity_stderr,none"], "N/A");
    assert_eq!(results["n-shot"]["mmlu_people:builtin@lm-eval"], 2);
    assert_eq!(results["n-shot"]["truthfulqa_mc1:builtin@lm-eval"], 0);
    assert_eq!(results["versions"]["truthfulqa_mc1:builtin@lm-eval"], 2.0);
    assert_eq!(results["n-samples"]["mmlu:builtin@lm-eval"], serde_json::json!({"original": 240, "effective": 18}));
    assert_eq!(results["higher_is_better"]["perplexity:builtin_chronicle@gptq-256"]["perplexity"], false);
    assert_eq!(
        results["configs"]["perplexity:builtin_chronicle@gptq-256"]["files"][0]["sha256"].as_str().unwrap().len(),
        64
    );
    assert_eq!(results["recipe"], "none");

    let log = directory.path().join("none/samples_mmlu_people-builtin@lm-eval.jsonl");
    let lines = std::fs::read_to_string(log).unwrap();
    let samples: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 3);
    for (document, sample) in samples.iter().enumerate() {
        assert_eq!(sample["doc_id"], document);
        for key in ["prompt_hash", "prompt_tokens", "token_counts", "log_probs", "answer", "extracted", "correct"] {
            assert!(!sample[key].is_null(), "{key}");
        }
    }
    // Nothing in a file that must be reproducible tells where it was made.
    let place = directory.path().display().to_string();
    for (name, content) in files(directory.path()) {
        assert!(!content.contains(&place), "{name}");
    }
    // rtn:w8 and rtn:w2g32 against none, for five tasks, a group and its six members.
    assert_eq!(summary.differences.len(), 2 * 12);
    let comparison = json(&directory.path().join("comparison.json"));
    let pair = comparison
        .as_array()
        .unwrap()
        .iter()
        .find(|pair| pair["task"] == "perplexity:builtin_chronicle@gptq-256")
        .unwrap();
    assert_eq!((pair["baseline"].as_str(), pair["recipe"].as_str()), (Some("none"), Some("rtn:w8")));
    assert_eq!(pair["paired"]["documents"], 3);
    assert!(pair["paired"]["p_value"].is_number());
    // Raw times the number of tasks at most; never smaller than raw.
    let (raw, corrected) = (&pair["paired"]["p_value"], &pair["paired"]["p_value_holm"]);
    assert!((raw.as_f64()..=raw.as_f64().map(|p| 6.0 * p)).contains(&corrected.as_f64()), "{pair}");
    let (low, high) = (pair["difference_ci95_low"].as_f64().unwrap(), pair["difference_ci95_high"].as_f64().unwrap());
    assert!((low..high).contains(&pair["difference"].as_f64().unwrap()), "{pair}");
    let choices =
        comparison.as_array().unwrap().iter().find(|pair| pair["task"] == "truthfulqa_mc1:builtin@lm-eval").unwrap();
    let flips = choices["fidelity"]["flips"].as_object().unwrap();
    assert_eq!(flips.values().filter_map(Value::as_u64).sum::<u64>(), 3, "{choices}");
    assert!(choices["fidelity"]["choices"]["kl_from_baseline"].as_f64().unwrap() > 0.0, "{choices}");
    // Every metric has an interval around it, and says what made it.
    let results = json(&directory.path().join("rtn-w8/results.json"));
    for (task, metric, method) in [
        ("perplexity:builtin_chronicle@gptq-256", "perplexity", "Student's t of the logarithm"),
        ("mmlu:builtin@lm-eval", "acc", "Clopper-Pearson"),
        ("truthfulqa:builtin@lm-eval", "mc2", "Student's t"),
    ] {
        let found = &results["results"][task];
        let number = |part: &str| found[format!("{metric}{part},none")].as_f64().unwrap();
        assert!((number("_ci95_low")..=number("_ci95_high")).contains(&number("")), "{found}");
        assert_eq!(found[format!("{metric}_ci95_method,none")], method);
    }
    assert_eq!(results["configs"]["perplexity:builtin_chronicle@gptq-256"]["comparison"]["score"], "loss");
}

#[test]
fn the_average_of_a_group_is_that_of_its_documents() {
    let directory = tempfile::tempdir().unwrap();
    let options = TaskOptions { num_fewshot: Some(0), ..TaskOptions::default() };
    let setting =
        Setting { options, tasks: "mmlu:builtin@lm-eval", recipes: "none", ..Setting::into(directory.path()) };
    let summary = setting.run(&mut Unobserved).unwrap();
    let mut correct = Vec::new();
    for subject in datasets::world::MMLU_SUBJECTS {
        let log = directory.path().join(format!("none/samples_mmlu_{subject}-builtin@lm-eval.jsonl"));
        for line in std::fs::read_to_string(log).unwrap().lines() {
            let sample: Value = serde_json::from_str(line).unwrap();
            correct.push(if sample["correct"].as_bool().unwrap() { 1.0 } else { 0.0 });
        }
    }
    assert_eq!(correct.len(), 240);
    let group = summary.variants[0].result("mmlu:builtin@lm-eval").unwrap();
    let mean = correct.iter().fold(0.0, |sum, value| sum + value) / 240.0;
    assert!((group.metrics[0].value.unwrap() - mean).abs() < 1e-15);
    assert!(summary.differences.is_empty());
}

#[test]
fn another_plan_is_refused_with_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    let short = |limit, existing| Setting {
        options: TaskOptions { limit: Some(limit), ..TaskOptions::default() },
        tasks: "truthfulqa_mc1:builtin",
        recipes: "none",
        existing,
        ..Setting::into(directory.path())
    };
    short(1, Existing::Resume).run(&mut Unobserved).unwrap();
    let before = files(directory.path());
    let error = short(2, Existing::Resume).run(&mut Unobserved).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, Error::PlanDiffers { .. }) && text.contains("options.limit: 1 in that run, 2 now"),
        "{text}"
    );
    assert_eq!(files(directory.path()), before);
    // Discarding leaves nothing of the old run, and other files where they are.
    std::fs::write(directory.path().join("none/notes.txt"), "mine").unwrap();
    short(2, Existing::Overwrite).run(&mut Unobserved).unwrap();
    let log =
        std::fs::read_to_string(directory.path().join("none/samples_truthfulqa_mc1-builtin@lm-eval.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 2);
    assert!(directory.path().join("none/notes.txt").exists());
    let setting = Setting { recipes: "rtn:w8", ..short(2, Existing::Overwrite) };
    setting.run(&mut Unobserved).unwrap();
    assert!(!directory.path().join("none/results.json").exists());
    // A journal without its plan cannot be trusted.
    std::fs::remove_file(directory.path().join("manifest.json")).unwrap();
    let error = Setting { recipes: "rtn:w8", ..short(2, Existing::Resume) }.run(&mut Unobserved).unwrap_err();
    assert!(matches!(error, Error::PlanDiffers { .. }), "{error}");
    let file = directory.path().join("run.json");
    let error = Setting { output: Some(&file), ..short(1, Existing::Resume) }.run(&mut Unobserved).unwrap_err();
    assert!(matches!(error, Error::Output { .. }), "{error}");
}

#[test]
fn a_model_that_overflows_has_no_numbers() {
    // Weights that are finite, and an activation that is not.
    let checkpoint = {
        let original = builtin::checkpoint().unwrap();
        let mut tensors = Vec::new();
        for name in original.tensor_names().map(str::to_string).collect::<Vec<_>>() {
            let view = original.tensor(&name).unwrap();
            let mut bytes = view.bytes.as_slice().to_vec();
            if name.contains("layers.1.mlp") {
                for weight in bytes.chunks_exact_mut(2) {
                    weight.copy_from_slice(&0x7e00u16.to_le_bytes());
                }
            }
            tensors.push((name, view.dtype, view.shape.clone(), bytes));
        }
        Checkpoint::from_memory(original.config().clone(), tensors).unwrap()
    };
    let directory = tempfile::tempdir().unwrap();
    let setting = Setting { tasks: "mmlu:builtin@lm-eval", recipes: "none", ..Setting::into(directory.path()) };
    let summary = setting.run_on(&checkpoint, &mut Unobserved).unwrap();
    assert_eq!(summary.status, Status::Complete);
    let written = json(&directory.path().join("summary.json"));
    let metrics = &written[0]["metrics"]["mmlu:builtin@lm-eval"];
    assert!(metrics["acc"].is_null(), "{metrics}");
    assert_eq!(metrics["failed_items"], 18);
    assert!(metrics["problem"].as_str().unwrap().contains("after block 1"), "{metrics}");
    let table = rendered(&summary, Format::Table);
    assert!(table.contains("no value"), "{table}");
}

#[test]
fn skipped_documents_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = {
        let original = builtin::checkpoint().unwrap();
        let mut config = original.config().clone();
        config["max_position_embeddings"] = 155.into();
        let names: Vec<String> = original.tensor_names().map(str::to_string).collect();
        let tensors = names.into_iter().map(|name| {
            let view = original.tensor(&name).unwrap();
            let bytes = view.bytes.as_slice().to_vec();
            (name, view.dtype, view.shape, bytes)
        });
        Checkpoint::from_memory(config, tensors.collect()).unwrap()
    };
    let options = |on_overflow| TaskOptions { on_overflow, ..TaskOptions::default() };
    let setting = Setting {
        tasks: "mmlu_people:builtin@lm-eval",
        recipes: "none,rtn:w8",
        options: options(OnOverflow::Skip),
        ..Setting::into(directory.path())
    };
    let summary = setting.run_on(&checkpoint, &mut Unobserved).unwrap();
    let result = &summary.variants[0].results[0];
    assert!(result.skipped > 0 && result.counts.effective > 0, "{result:?}");
    assert_eq!(result.skipped + result.counts.effective, 40);
    assert_eq!(summary.differences[0].paired.documents, result.counts.effective);
    let written = json(&directory.path().join("summary.json"));
    assert_eq!(written[0]["metrics"]["mmlu_people:builtin@lm-eval"]["skipped_items"], result.skipped);
    let setting = Setting { options: options(OnOverflow::Error), output: None, ..setting };
    let error = setting.run_on(&checkpoint, &mut Unobserved).unwrap_err();
    assert!(matches!(error, Error::ContextOverflow { limit: 155, .. }), "{error}");
    // Read in full, the same documents are counted and named below the table.
    let extended = tempfile::tempdir().unwrap();
    let setting = Setting {
        options: options(OnOverflow::Extend),
        output: Some(extended.path()),
        tasks: "mmlu_people:builtin@lm-eval,perplexity:builtin_chronicle@gptq-512",
        ..setting
    };
    let read_in_full = setting.run_on(&checkpoint, &mut Unobserved).unwrap();
    assert_eq!(read_in_full.variants[0].results[0].beyond_context, result.skipped);
    let windows = &read_in_full.variants[0].results[1];
    assert_eq!(windows.beyond_context, windows.counts.effective);
    let results = json(&extended.path().join("none/results.json"));
    let id = "mmlu_people:builtin@lm-eval";
    assert_eq!(results["results"][id]["items_beyond_context"], result.skipped);
    let table = rendered(&read_in_full, Format::Table);
    assert!(table.contains("documents read beyond the model's context"), "{table}");
}

#[test]
fn reports_say_what_changed() {
    let setting = Setting {
        output: None,
        tasks: "perplexity:builtin_chronicle@gptq-256,mmlu:builtin@lm-eval",
        ..Setting::into(Path::new(""))
    };
    let summary = setting.run(&mut Unobserved).unwrap();
    let table = rendered(&summary, Format::Table);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("perplexity:builtin_chronicle@gptq-256") && lines[1].contains("perplexity ↓"), "{table}");
    assert!(lines[0].contains("mmlu:builtin@lm-eval") && !table.contains("geography"), "{table}");
    assert!(lines[3].starts_with("builtin-seeded  rtn:w8") && lines[3].contains('±'), "{table}");
    assert!(table.contains("change from `none`"), "{table}");
    let markdown = rendered(&summary, Format::Markdown);
    assert!(markdown.starts_with("| model | recipe | bits a weight nominal | true | bytes |"), "{markdown}");
    let csv = rendered(&summary, Format::Csv);
    // Header; of each variant perplexity, the group and its six members.
    assert_eq!(csv.lines().count(), 1 + 3 * 8);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns), "{csv}");
    let parsed: Value = serde_json::from_str(&rendered(&summary, Format::Json)).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), 3);
}

#[test]
fn the_noise_floor_is_one_more_variant() {
    let directory = tempfile::tempdir().unwrap();
    let measured = Setting {
        tasks: "mmlu:builtin@lm-eval,perplexity:builtin_chronicle@gptq-128",
        recipes: "none,rtn:w2g32",
        fidelity: FidelityOptions { noise_floor: NoiseFloor::Measure, kl_documents: 2 },
        ..Setting::into(directory.path())
    };
    let summary = measured.run(&mut Unobserved).unwrap();
    let names: Vec<&str> = summary.variants.iter().map(|variant| variant.recipe.as_str()).collect();
    assert_eq!(names, ["none", "rtn:w2g32", "none@bf16_noise"]);
    let expected = files(directory.path());
    assert!(expected.contains_key("none@bf16_noise/results.json"));
    let of = |recipe: &str| {
        let perplexity = |it: &&Difference| it.recipe == recipe && it.task.starts_with("perplexity");
        summary.differences.iter().find(perplexity).unwrap()
    };
    // Rounding changes something, two bits change more.
    let (rounded, coarse) = (of("none@bf16_noise"), of("rtn:w2g32"));
    assert!(rounded.change() != 0.0 && rounded.noise.is_none(), "{rounded:?}");
    assert_eq!(coarse.noise.map(|noise| (noise.difference, noise.covers)), Some((rounded.change(), false)));
    // Next-token distributions, at the 127 scored positions of two windows.
    let (near, far) = (rounded.tokens.as_ref().unwrap(), coarse.tokens.as_ref().unwrap());
    assert_eq!((near.documents, near.positions), (2, 2 * 127));
    assert!(near.from_baseline > 0.0 && near.from_variant > 0.0 && near.from_baseline < far.from_baseline);
    assert!(near.agreement > far.agreement || near.agreement == 1.0, "{near:?} {far:?}");
    // The four choices share both scored positions, after the prompt and after the space; 2 documents of each subject.
    let mmlu = summary.differences.iter().find(|it| it.task == "mmlu:builtin@lm-eval" && it.recipe == "rtn:w2g32");
    assert_eq!(
        mmlu.and_then(|it| it.tokens.as_ref()).map(|tokens| (tokens.documents, tokens.positions)),
        Some((12, 24))
    );
    let table = rendered(&summary, Format::Table);
    assert!(table.contains("~ below the noise floor"), "{table}");
    // Interrupted within the noise floor, the run ends with the same bytes.
    let interrupted = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut observer = StopAfter { documents: 44, stop: &stop };
    let partial = Setting { output: Some(interrupted.path()), stop: &stop, ..measured };
    assert!(matches!(partial.run(&mut observer).unwrap().status, Status::Incomplete { .. }));
    // And once more where distributions are compared, which the documents done and to do count.
    let stop = AtomicBool::new(false);
    let partial = Setting { stop: &stop, ..partial };
    let stopped = partial.run(&mut StopAtComparing { stop: &stop }).unwrap();
    let Status::Incomplete { done, total } = stopped.status else { panic!("{stopped:?}") };
    assert_eq!((total - done, total), (14, 3 * 21 + 2 * 14));
    let whole = Setting { stop: &NEVER, threads: 2, ..partial };
    assert_eq!(whole.run(&mut Unobserved).unwrap(), summary);
    assert_eq!(files(interrupted.path()), expected);
}

#[test]
fn plans_that_ask_for_nothing_or_twice_are_refused() {
    let of = |tasks: &str, recipes: &str| {
        let setting = Setting { tasks, recipes, output: None, ..Setting::into(Path::new("")) };
        setting.run(&mut Unobserved).unwrap_err()
    };
    assert!(matches!(of("mmlu_x", "none"), Error::UnknownTask { .. }));
    assert!(matches!(of("truthfulqa_mc1:builtin,truthfulqa_mc1:builtin", "none"), Error::RepeatedTask { .. }));
}
