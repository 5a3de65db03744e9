//! Is `efficiency.json` complete, and the same for runs of one program on one machine? Nothing here depends on how fast
//! it was.

use datasets::DataRoots;
use engine::builtin;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::efficiency::{FILE_NAME, Mode, Options, Protocol, Store};
use eval::runner::{
    Existing, FidelityOptions, NoiseFloor, Observer, Phase, Plan, Progress, Quantization, RunSummary, Status,
    Unobserved, run,
};
use eval::scheduler::SchedulerOptions;
use eval::task::{self, TaskOptions};
use quant::Recipe;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

static NEVER: AtomicBool = AtomicBool::new(false);

const SHORT: Protocol =
    Protocol { prompt_tokens: 12, generated_tokens: 9, scored_sequences: 2, repetitions: 2, seconds_limit: 1.0 };

fn evaluate(output: &Path, options: &Options, stop: &AtomicBool, observer: &mut dyn Observer) -> RunSummary {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let plan = Plan {
        model: builtin::NAME,
        checkpoint: &builtin::checkpoint().unwrap(),
        tokenizer: &tokenizer,
        runtime: &runtime,
        recipes: &Recipe::parse_list("none,rtn:w4g32").unwrap(),
        tasks: &[task::parse("mmlu:builtin@lm-eval").unwrap()],
        roots: &DataRoots::default(),
        options: TaskOptions { limit: Some(1), num_fewshot: Some(0), ..TaskOptions::default() },
        fidelity: FidelityOptions { noise_floor: NoiseFloor::Measure, kl_documents: 0 },
        efficiency: options.clone(),
        quantization: Quantization::default(),
        scheduler: SchedulerOptions::default(),
        output: Some(output),
        existing: Existing::Resume,
        stop,
    };
    run(&plan, observer).unwrap()
}

fn run_into(output: &Path, options: &Options) -> RunSummary {
    evaluate(output, options, &NEVER, &mut Unobserved)
}

fn options(mode: Mode, store: &Store) -> Options {
    Options { mode, protocol: SHORT, store: store.clone() }
}

fn json(directory: &Path) -> Value {
    serde_json::from_slice(&fs::read(directory.join(FILE_NAME)).unwrap()).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_file_has_every_figure_of_every_recipe() {
    let directory = tempfile::tempdir().unwrap();
    let summary = run_into(directory.path(), &options(Mode::Auto, &Store::nowhere()));
    assert_eq!((summary.status, summary.variants.len()), (Status::Complete, 3));
    assert!(summary.unmeasured.is_empty());
    let file = json(directory.path());
    assert_eq!(keys(&file), ["format", "machine", "protocol", "recipes", "not_measured"]);
    let machine = &file["machine"];
    assert_eq!((&file["format"], &machine["threads"]), (&1.into(), &1.into()));
    assert!(machine["memory_bytes_per_second"].as_f64().unwrap() > 1e6, "{machine}");
    for text in ["cpu", "isa", "energy", "peak_resident", "program_sha256"] {
        assert!(machine[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {machine}");
    }
    let protocol = &file["protocol"];
    for (name, number) in [("prompt_tokens", 12), ("generated_tokens", 9), ("batch", 1), ("repetitions", 2)] {
        assert_eq!(protocol[name], number, "{name}");
    }
    // The noise floor is no recipe that anybody runs.
    assert_eq!((keys(&file["recipes"]), keys(&file["not_measured"])), (vec!["none", "rtn:w4g32"], vec![]));
    for (recipe, variant) in [("none", &summary.variants[0]), ("rtn:w4g32", &summary.variants[1])] {
        let figures = &file["recipes"][recipe];
        for rate in ["prompt_tokens_per_second", "generated_tokens_per_second", "scored_tokens_per_second"] {
            let of = |name: &str| figures[rate][name].as_f64().unwrap();
            assert!(0.0 < of("low") && of("low") <= of("median") && of("median") <= of("high"), "{figures}");
            assert!((1..=2).contains(&figures[rate]["samples"].as_array().unwrap().len()), "{figures}");
        }
        let of = |name: &str| figures[name].as_f64().unwrap();
        assert_eq!(figures["weight_bytes"], variant.weights.weight_bytes);
        let cache = 21.0 * of("cache_bytes_per_token");
        assert_eq!(of("weight_and_cache_bytes"), of("weight_bytes") + cache);
        // The embedding is not read.
        assert!(of("bytes_per_generated_token") < of("weight_and_cache_bytes"));
        let share = of("bytes_per_generated_token")
            * figures["generated_tokens_per_second"]["median"].as_f64().unwrap()
            / machine["memory_bytes_per_second"].as_f64().unwrap();
        assert_eq!(of("share_of_memory_bandwidth"), share);
        let is_counted = machine["energy"].as_str().unwrap().starts_with("package");
        assert_eq!(figures["joules_per_generated_token"].is_number(), is_counted, "{machine}");
        if cfg!(target_os = "linux") {
            assert!(of("peak_resident_bytes") > of("weight_bytes"), "{figures}");
        }
    }
    let bytes = |recipe: &str| file["recipes"][recipe]["bytes_per_generated_token"].as_u64().unwrap();
    assert!(bytes("rtn:w4g32") < bytes("none"));
    // Without a store, what an earlier execution measured stays.
    run_into(directory.path(), &options(Mode::Auto, &Store::nowhere()));
    assert_eq!(json(directory.path()), file);
}

#[test]
fn what_was_measured_once_is_written_again() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let store = Store::at(at("store"));
    let auto = options(Mode::Auto, &store);
    run_into(&at("first"), &auto);
    let first = fs::read(at("first").join(FILE_NAME)).unwrap();
    // The machine and two recipes.
    let kept = || -> Vec<_> { fs::read_dir(at("store")).unwrap().map(|entry| entry.unwrap().path()).collect() };
    assert_eq!(kept().len(), 3);
    run_into(&at("second"), &auto);
    assert_eq!(fs::read(at("second").join(FILE_NAME)).unwrap(), first);
    // Damaged files are measured again, and then kept.
    for path in kept() {
        fs::write(path, "{").unwrap();
    }
    run_into(&at("third"), &auto);
    let third = fs::read(at("third").join(FILE_NAME)).unwrap();
    assert_ne!(third, first);
    run_into(&at("fourth"), &auto);
    assert_eq!(fs::read(at("fourth").join(FILE_NAME)).unwrap(), third);
    // A finished run builds its models again where it is told to measure, and later runs take what it found.
    run_into(&at("first"), &options(Mode::Measure, &store));
    let again = fs::read(at("first").join(FILE_NAME)).unwrap();
    assert!(again != first && again != third);
    run_into(&at("second"), &auto);
    assert_eq!(fs::read(at("second").join(FILE_NAME)).unwrap(), again);
    // Another protocol is another measurement.
    let longer = Options { protocol: Protocol { generated_tokens: 10, ..SHORT }, ..auto };
    run_into(&at("fifth"), &longer);
    assert_eq!((json(&at("fifth"))["protocol"]["generated_tokens"].as_u64(), kept().len()), (Some(10), 5));
}

#[test]
fn nothing_is_written_unless_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::at(directory.path().join("store"));
    let output = directory.path().join("run");
    run_into(&output, &options(Mode::Off, &store));
    assert!(output.join("summary.json").exists() && !output.join(FILE_NAME).exists());
    assert!(!directory.path().join("store").exists());
    // The questions of this run are answered: no model is built for the sake of speed, and the file says so.
    run_into(&output, &options(Mode::Auto, &store));
    let file = json(&output);
    assert_eq!((keys(&file["recipes"]), keys(&file["not_measured"])), (vec![], vec!["none", "rtn:w4g32"]));
}

/// Stops the run when it begins to measure.
struct StopAtMeasuring<'a>(&'a AtomicBool);

impl Observer for StopAtMeasuring<'_> {
    fn phase(&mut self, phase: Phase<'_>) {
        if matches!(phase, Phase::Measuring { recipe: "rtn:w4g32" }) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    fn progress(&mut self, _: Progress<'_>) {}
}

#[test]
fn a_run_that_is_stopped_while_it_measures_keeps_its_results() {
    let directory = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let none = options(Mode::Auto, &Store::nowhere());
    let stopped = evaluate(directory.path(), &none, &stop, &mut StopAtMeasuring(&stop));
    assert_eq!(stopped.unmeasured, ["rtn:w4g32"]);
    assert_eq!(stopped.variants.len(), 2);
    let file = json(directory.path());
    assert_eq!((keys(&file["recipes"]), keys(&file["not_measured"])), (vec!["none"], vec!["rtn:w4g32"]));
    // Taken up again and told to measure, it has everything.
    let summary = run_into(directory.path(), &options(Mode::Measure, &Store::nowhere()));
    assert_eq!((summary.status, summary.unmeasured.len()), (Status::Complete, 0));
    assert_eq!(keys(&json(directory.path())["recipes"]), ["none", "rtn:w4g32"]);
}
