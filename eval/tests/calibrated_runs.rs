//! Runs of methods that look at inputs: what they say of the calibration text, and how they go on after a stop.

use datasets::DataRoots;
use engine::builtin;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::runner::{
    Building, Existing, Observer, Phase, Plan, Progress, Quantization, RunSummary, Status, Unobserved, run,
};
use eval::scheduler::SchedulerOptions;
use eval::task::{self, TaskOptions};
use eval::{Error, journal};
use quant::Recipe;
use quant::calibration::{Options, Order};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const RECIPES: &str = "none,gptq:w4g32,rtn:w4g32,spqr:w2g16";

struct Setting<'a> {
    output: &'a Path,
    seed: u64,
    cache: Option<PathBuf>,
    stop: &'a AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> Setting<'a> {
    fn into(output: &'a Path) -> Self {
        Self { output, seed: 0, cache: None, stop: &NEVER }
    }

    fn run(&self, observer: &mut dyn Observer) -> Result<RunSummary, Error> {
        let calibration = Options {
            samples: Some(4),
            length: Some(48),
            order: Some(Order::Random),
            seed: self.seed,
            ..Options::default()
        };
        let plan = Plan {
            model: builtin::NAME,
            checkpoint: &builtin::checkpoint().unwrap(),
            tokenizer: &Tokenizer::bytes_only().unwrap(),
            runtime: &Runtime::new(Some(2), IsaChoice::Best).unwrap(),
            recipes: &Recipe::parse_list(RECIPES).unwrap(),
            tasks: &[task::parse("truthfulqa_mc1:builtin").unwrap()],
            roots: &DataRoots::default(),
            options: TaskOptions { limit: Some(2), ..TaskOptions::default() },
            fidelity: eval::runner::FidelityOptions::default(),
            efficiency: eval::efficiency::Options::default(),
            quantization: Quantization { calibration, cache: self.cache.clone(), available_bytes: None },
            scheduler: SchedulerOptions::default(),
            output: Some(self.output),
            existing: Existing::Resume,
            stop: self.stop,
        };
        run(&plan, observer)
    }
}

/// Stops a run while it quantizes.
struct StopAfter<'a> {
    matrices: usize,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn phase(&mut self, _: Phase<'_>) {}

    fn progress(&mut self, _: Progress<'_>) {}

    fn building(&mut self, recipe: &str, building: Building<'_>) {
        assert!(recipe.starts_with("gptq") || recipe.starts_with("spqr"), "{recipe}");
        if let Building::Layer(_) = building {
            self.matrices = self.matrices.saturating_sub(1);
            self.stop.store(self.matrices == 0, Ordering::Relaxed);
        }
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
            } else if name != "run.json" {
                let text = std::fs::read_to_string(path).unwrap();
                let mut lines: Vec<&str> = text.lines().collect();
                if name == journal::FILE_NAME {
                    lines.sort_unstable();
                }
                files.insert(name, lines.join("\n"));
            }
        }
    }
    files
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_says_which_text_it_saw_and_what_was_done_to_each_matrix() {
    let directory = tempfile::tempdir().unwrap();
    let summary = Setting::into(directory.path()).run(&mut Unobserved).unwrap();
    assert_eq!((summary.status, summary.variants.len()), (Status::Complete, 4));
    let calibration = &json(&directory.path().join("manifest.json"))["calibration"];
    assert_eq!((&calibration["source"], &calibration["tokens"]), (&"builtin".into(), &192.into()));
    assert!(["sha256", "ids_sha256", "sequences_sha256"].iter().all(|name| calibration[name].is_string()));
    for (folder, is_calibrated) in [("none", false), ("gptq-w4g32", true), ("rtn-w4g32", false), ("spqr-w2g16", true)] {
        let results = json(&directory.path().join(folder).join("results.json"));
        let quantization = &results["quantization"];
        assert_eq!(quantization.is_object(), is_calibrated, "{folder}");
        if is_calibrated {
            let layers = quantization["layers"].as_array().unwrap();
            assert_eq!((&quantization["calibration"], layers.len()), (calibration, 21));
            assert!(layers.iter().all(|layer| layer["loss"].as_f64().unwrap() > 0.0 && layer["seconds"].is_null()));
            assert_eq!(layers.iter().all(|layer| layer["outliers"].is_u64()), folder.starts_with("spqr"));
        }
    }
    // A journal tells recipes apart that saw different text.
    let digest = &calibration["sequences_sha256"].as_str().unwrap()[..16];
    let journal = std::fs::read_to_string(directory.path().join(journal::FILE_NAME)).unwrap();
    assert!(
        journal.contains(&format!("\"recipe\":\"gptq:w4g32@{digest}\""))
            && journal.contains("\"recipe\":\"rtn:w4g32\"")
    );
    assert!(!directory.path().join("quant_cache").exists(), "nothing is kept of what is done");
    let error = Setting { seed: 1, ..Setting::into(directory.path()) }.run(&mut Unobserved).unwrap_err();
    let Error::PlanDiffers { differences, .. } = &error else { panic!("{error}") };
    assert!(differences.iter().any(|line| line.starts_with("calibration.ids_sha256: ")), "{differences:?}");
}

#[test]
fn a_run_stopped_while_it_quantizes_ends_with_the_same_bytes() {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Setting::into(whole.path()).run(&mut Unobserved).unwrap();
    // In the third block of the first of the recipes, then in the second block of the other.
    for (matrices, blocks) in [(16, 2), (16, 1)] {
        let stop = AtomicBool::new(false);
        let setting = Setting { stop: &stop, ..Setting::into(stopped.path()) };
        let summary = setting.run(&mut StopAfter { matrices, stop: &stop }).unwrap();
        assert!(matches!(summary.status, Status::Incomplete { .. }), "{:?}", summary.status);
        let caches: Vec<_> = std::fs::read_dir(stopped.path().join("quant_cache")).unwrap().collect();
        assert_eq!(caches.len(), 1);
        let files = std::fs::read_dir(caches[0].as_ref().unwrap().path()).unwrap().count();
        assert_eq!(files, blocks);
    }
    Setting::into(stopped.path()).run(&mut Unobserved).unwrap();
    assert_eq!(files(stopped.path()), files(whole.path()));
}

#[test]
fn blocks_kept_elsewhere_are_taken_by_other_runs() {
    let (cache, one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setting = |output| Setting { cache: Some(cache.path().to_path_buf()), ..Setting::into(output) };
    setting(one.path()).run(&mut Unobserved).unwrap();
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 2, "one directory a calibrated recipe");
    // Nothing is quantized again: a single matrix would end this run.
    let stop = AtomicBool::new(false);
    let again = Setting { stop: &stop, ..setting(two.path()) };
    assert_eq!(again.run(&mut StopAfter { matrices: 1, stop: &stop }).unwrap().status, Status::Complete);
    assert_eq!(files(one.path()), files(two.path()));
}
