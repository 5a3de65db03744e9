//! Models built block by block: what must not change a byte, what must, and how a build that was stopped goes on.

mod numbers;

use engine::builtin;
use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::linear::Weights;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use kernels::Isa;
use quant::build::{Build, BuildObserver, MemoryNeed, Progress, Stage, Unobserved};
use quant::report::LayerReport;
use quant::{BlockCache, Calibration, Error, Quantized, Recipe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

static NEVER: AtomicBool = AtomicBool::new(false);

/// A build of the built-in model with everything that may vary.
#[derive(Clone, Copy)]
struct Setting<'a> {
    checkpoint: &'a Checkpoint,
    recipe: &'a str,
    calibration: &'a Calibration,
    threads: usize,
    isa: IsaChoice,
    cache: Option<&'a BlockCache>,
    stop: &'a AtomicBool,
    available_bytes: Option<u64>,
}

impl<'a> Setting<'a> {
    fn new(checkpoint: &'a Checkpoint, recipe: &'a str, calibration: &'a Calibration) -> Self {
        let (cache, stop, available_bytes) = (None, &NEVER, None);
        Self { checkpoint, recipe, calibration, threads: 2, isa: IsaChoice::Best, cache, stop, available_bytes }
    }

    fn run(&self, observer: &mut dyn BuildObserver) -> Result<Option<Quantized>, Error> {
        let build = Build {
            checkpoint: self.checkpoint,
            recipe: &Recipe::parse(self.recipe).unwrap(),
            runtime: &Runtime::new(Some(self.threads), self.isa).unwrap(),
            calibration: Some(self.calibration),
            cache: self.cache,
            available_bytes: self.available_bytes,
            stop: self.stop,
        };
        build.run(observer)
    }

    fn bytes(&self) -> Vec<u8> {
        let Quantized { model, layers } = self.run(&mut Unobserved).unwrap().unwrap();
        bytes(&model, &layers)
    }
}

/// Everything that a method chose for a model: codes, scales, zero points, maps, losses.
fn bytes(model: &Model, layers: &[LayerReport]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for linear in model.blocks.iter().flat_map(|block| block.linears()) {
        match &linear.weights {
            Weights::Packed { matrix, .. } => {
                bytes.extend_from_slice(matrix.codes());
                matrix.scales().iter().for_each(|scale| bytes.extend(scale.to_bits().to_le_bytes()));
                bytes.extend_from_slice(matrix.zeros());
                let features = matrix.input_map().and_then(|map| map.features()).unwrap_or_default();
                features.iter().for_each(|feature| bytes.extend(feature.to_le_bytes()));
            }
            Weights::Dense(matrix) => bytes.extend_from_slice(matrix.as_bytes()),
            Weights::Decomposed(_) | Weights::Levels(_) => panic!("no calibrated method makes these"),
            Weights::SparseQuantized { matrix, .. } => {
                let mut row = vec![0.0; matrix.shape().columns];
                for index in 0..matrix.shape().rows {
                    matrix.dequantize_columns(index, &mut row);
                    row.iter().for_each(|value| bytes.extend(value.to_bits().to_le_bytes()));
                }
                let features = matrix.input_map().and_then(|map| map.features()).unwrap_or_default();
                features.iter().for_each(|feature| bytes.extend(feature.to_le_bytes()));
            }
        }
    }
    let losses = layers.iter().filter_map(|layer| layer.loss);
    losses.for_each(|loss| bytes.extend(loss.to_bits().to_le_bytes()));
    bytes
}

/// Sequences of several lengths, so that some share a batch.
fn calibration(seed: u64) -> Calibration {
    let mut numbers = numbers::Numbers(seed);
    let sequences = (0..7).map(|index| (0..20 + 13 * index).map(|_| numbers.below(250) as u32).collect()).collect();
    Calibration::of_sequences("numbers", sequences)
}

const RECIPES: [&str; 5] = [
    "spqr:w3g16:*.up_proj=none",
    "gptq:w4g32",
    "gptq:w3a8g16:act_order=true:true_sequential=true",
    "gptq:w2a32:sym=true:mse=true:head=w8:embeddings=w8",
    "gptq:w8g64:static_groups=true:act_order=true:*.0.mlp.*=none:*.k_proj=w3g16",
];

#[test]
fn bytes_do_not_depend_on_threads_or_instruction_set() {
    let (checkpoint, calibration) = (builtin::checkpoint().unwrap(), calibration(1));
    for recipe in RECIPES {
        let setting = Setting::new(&checkpoint, recipe, &calibration);
        let expected = setting.bytes();
        for threads in [1, 2, 7] {
            assert!(Setting { threads, ..setting }.bytes() == expected, "{recipe}, {threads} threads");
        }
        for isa in Isa::present() {
            assert!(Setting { isa: IsaChoice::Exactly(isa), ..setting }.bytes() == expected, "{recipe}, {isa}");
        }
    }
}

#[test]
fn every_option_and_every_text_matters() {
    let (checkpoint, one, other) = (builtin::checkpoint().unwrap(), calibration(1), calibration(2));
    let mut all = vec![Setting::new(&checkpoint, "gptq:w3g16", &other).bytes()];
    for options in [
        "",
        "sym=true",
        "act_order=true",
        "act_order=true:static_groups=true",
        "true_sequential=true",
        "damp=0.1",
        "grid=original",
        "grid=original:blocksize=24",
        "mse=true",
    ] {
        let recipe = format!("gptq:w3g16{}{options}", if options.is_empty() { "" } else { ":" });
        all.push(Setting::new(&checkpoint, &recipe, &one).bytes());
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    // With grids in place the size of a block is of no account.
    let [a, b] =
        ["gptq:w3g16", "gptq:w3g16:blocksize=24"].map(|recipe| Setting::new(&checkpoint, recipe, &one).bytes());
    assert!(a == b);
}

#[test]
fn losses_are_below_those_of_nearest_values() {
    // The mean squared error of logits on the calibration text itself.
    let (checkpoint, calibration) = (builtin::checkpoint().unwrap(), calibration(3));
    let runtime = numbers::runtime();
    let logits = |model: &Model| {
        let decoder = Decoder::new(model, &runtime);
        let of = |tokens: &Vec<u32>| {
            let mut cache = decoder.cache_after(&KvPrefix::default());
            let chunk = Chunk { cache: &mut cache, tokens, sequence_len: tokens.len(), wanted: 0..tokens.len() };
            decoder.logits(&decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap())
        };
        calibration.sequences().iter().flat_map(of).collect::<Vec<f32>>()
    };
    let exact = logits(&Model::unquantized(&checkpoint).unwrap());
    let error = |model: &Model| {
        let mut sum = 0.0;
        for (a, b) in logits(model).iter().zip(&exact) {
            sum += f64::from(a - b) * f64::from(a - b);
        }
        sum / exact.len() as f64
    };
    for form in ["w4g32", "w3g16", "w3"] {
        let nearest = Recipe::parse(&format!("rtn:{form}")).unwrap();
        let nearest = error(&quant::build_model(&checkpoint, &nearest, &runtime).unwrap());
        let recipe = format!("gptq:{form}");
        let found = Setting::new(&checkpoint, &recipe, &calibration).run(&mut Unobserved).unwrap().unwrap();
        let found = error(&found.model);
        assert!(found < 0.8 * nearest, "{form}: {found} for {nearest}");
    }
}

/// Raises a flag when so many matrices are done, and keeps what it is told.
struct StopAfter<'a> {
    matrices: usize,
    stop: &'a AtomicBool,
    seen: Vec<LayerReport>,
    shares: Vec<f64>,
    need: Option<MemoryNeed>,
    gathered: bool,
}

impl<'a> StopAfter<'a> {
    fn new(matrices: usize, stop: &'a AtomicBool) -> Self {
        Self { matrices, stop, seen: Vec::new(), shares: Vec::new(), need: None, gathered: false }
    }
}

impl BuildObserver for StopAfter<'_> {
    fn memory(&mut self, need: &MemoryNeed) {
        self.need = Some(need.clone());
    }

    fn progress(&mut self, progress: Progress) {
        self.shares.push(progress.share);
        self.gathered |= progress.stage == Stage::Gathering;
    }

    fn layer(&mut self, report: &LayerReport) {
        self.seen.push(report.clone());
        if self.seen.len() == self.matrices {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_stopped_build_goes_on_to_the_same_bytes() {
    let (checkpoint, calibration) = (builtin::checkpoint().unwrap(), calibration(4));
    for recipe in RECIPES {
        let directory = tempfile::tempdir().unwrap();
        let cache = BlockCache::new(directory.path(), "00ff".repeat(16));
        let whole = Setting::new(&checkpoint, recipe, &calibration);
        let expected = whole.bytes();
        // In the first, second and third block; what was begun is lost, what was finished is not.
        let mut first = 0;
        for matrices in [3, 2, 5] {
            let stop = AtomicBool::new(false);
            let mut observer = StopAfter::new(matrices + first, &stop);
            let stopped = Setting { stop: &stop, cache: Some(&cache), ..whole };
            assert!(stopped.run(&mut observer).unwrap().is_none(), "{recipe}");
            first = 7;
        }
        let blocks = std::fs::read_dir(cache.directory()).unwrap().count();
        assert!(blocks >= 2, "{recipe}: {blocks} blocks");
        let mut rest = StopAfter::new(usize::MAX, &NEVER);
        let resumed = Setting { cache: Some(&cache), ..whole };
        let Quantized { model, layers } = resumed.run(&mut rest).unwrap().unwrap();
        assert!(bytes(&model, &layers) == expected, "{recipe}");
        assert!(rest.seen.len() <= 7 && rest.shares.is_sorted(), "{recipe}: {:?}", rest.shares);
        assert!(rest.shares.last() > Some(&0.9), "{recipe}: {:?}", rest.shares);
        // All blocks are there now: no text is looked at.
        let mut none = StopAfter::new(usize::MAX, &NEVER);
        let Quantized { model, layers } = resumed.run(&mut none).unwrap().unwrap();
        assert!(bytes(&model, &layers) == expected && !none.gathered && none.need.is_none(), "{recipe}");
        cache.remove().unwrap();
        assert!(!cache.directory().exists());
    }
}

#[test]
fn damaged_blocks_are_refused() {
    let (checkpoint, calibration) = (builtin::checkpoint().unwrap(), calibration(5));
    let directory = tempfile::tempdir().unwrap();
    let cache = BlockCache::new(directory.path(), "ab".repeat(32));
    let setting =
        Setting { cache: Some(&cache), ..Setting::new(&checkpoint, "gptq:w4g32:act_order=true", &calibration) };
    setting.bytes();
    let file = cache.directory().join("block-00001.safetensors");
    let written = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let error = setting.run(&mut Unobserved).unwrap_err().to_string();
        assert!(error.contains("block-00001.safetensors") && error.contains("remove the file"), "{error}");
        error
    };
    refused(&written[..written.len() - 1]);
    refused(&[]);
    for at in [written.len() / 2, written.len() - 1] {
        let mut changed = written.clone();
        changed[at] ^= 1;
        assert!(refused(&changed).contains("not those that were written"));
    }
    let other = std::fs::read(cache.directory().join("block-00002.safetensors")).unwrap();
    assert!(refused(&other).contains("another block"));
    std::fs::write(&file, &written).unwrap();
    setting.bytes();
    // The same files under a key that differs only after the directory's name.
    let key = format!("{}cd", "ab".repeat(31));
    let elsewhere = BlockCache::new(directory.path(), key);
    assert_eq!(elsewhere.directory(), cache.directory());
    let error = Setting { cache: Some(&elsewhere), ..setting }.run(&mut Unobserved).unwrap_err().to_string();
    assert!(error.contains("another block"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_with_its_parts() {
    let (checkpoint, calibration) = (builtin::checkpoint().unwrap(), calibration(6));
    let mut observer = StopAfter::new(usize::MAX, &NEVER);
    let setting = Setting::new(&checkpoint, "gptq:w4g32", &calibration);
    setting.run(&mut observer).unwrap();
    let need = observer.need.unwrap();
    let tokens: usize = calibration.sequences().iter().map(Vec::len).sum();
    let hidden = need.parts.iter().find(|(what, _)| what.contains("hidden states")).unwrap().1;
    assert_eq!(hidden, 4 * 64 * tokens as u64);
    assert!(Setting { available_bytes: Some(need.total()), ..setting }.run(&mut Unobserved).is_ok());
    let error = Setting { available_bytes: Some(need.total() - 1), ..setting }.run(&mut Unobserved).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Memory { .. }) && text.contains("Hessians of a block"), "{text}");
    assert!(text.contains("this machine has") && text.contains("--calibration_samples"), "{text}");
}

#[test]
fn a_method_that_needs_text_says_so() {
    let recipe = Recipe::parse("gptq:w4g32").unwrap();
    let checkpoint = builtin::checkpoint().unwrap();
    let error = quant::build_model(&checkpoint, &recipe, &numbers::runtime()).unwrap_err();
    assert!(matches!(error, Error::NoCalibration { .. }), "{error}");
    let calibration = Calibration::of_sequences("one", vec![vec![9999]]);
    let error = Setting::new(&checkpoint, "gptq:w4", &calibration).run(&mut Unobserved).unwrap_err();
    assert!(error.to_string().contains("token 9999"), "{error}");
    // One token and no damping: a Hessian of rank one.
    let calibration = Calibration::of_sequences("one", vec![vec![7]]);
    let error = Setting::new(&checkpoint, "gptq:w4:damp=0", &calibration).run(&mut Unobserved).unwrap_err();
    assert!(error.to_string().contains("raise `damp`"), "{error}");
}

/// Every family of the reference checkpoints that can be read: odd sizes, biases, fused and transposed matrices.
#[test]
fn every_family_is_quantized() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/A");
    let Ok(folders) = std::fs::read_dir(&shared) else {
        assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none(), "{} is missing", shared.display());
        println!("skipped: shared data missing");
        return;
    };
    let mut families: Vec<&str> = Vec::new();
    for folder in folders.map(|folder| folder.unwrap().path()).filter(|folder| folder.is_dir()) {
        let checkpoint = Checkpoint::open(&folder, OpenOptions::default()).unwrap();
        let Ok(blueprint) = engine::family::blueprint(&checkpoint) else { continue };
        let mut numbers = numbers::Numbers(9);
        let mut sequence = |len: usize| (0..len).map(|_| numbers.below(blueprint.vocab_size) as u32).collect();
        let calibration = Calibration::of_sequences("numbers", vec![sequence(40), sequence(13), sequence(1)]);
        for recipe in METHODS {
            let setting = Setting::new(&checkpoint, recipe, &calibration);
            let Quantized { model, layers } = setting.run(&mut Unobserved).unwrap().unwrap();
            let matrices: Vec<_> = model.blocks.iter().flat_map(|block| block.linears()).collect();
            assert_eq!(matrices.len(), layers.len(), "{}", folder.display());
            assert!(matrices.iter().all(|linear| !matches!(linear.weights, Weights::Dense(_))));
            assert!(layers.iter().all(|layer| layer.loss.is_none_or(|loss| loss.is_finite() && loss > 0.0)));
        }
        families.push(blueprint.family);
    }
    families.sort();
    families.dedup();
    assert_eq!(families.len(), engine::family::all().len(), "{families:?}");
}

/// One recipe a method that looks at inputs.
const METHODS: [&str; 2] = ["gptq:w4g32:act_order=true", "spqr:w3g16"];

#[test]
fn the_builtin_text_calibrates_the_builtin_model() {
    let checkpoint = builtin::checkpoint().unwrap();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = quant::calibration::Options { samples: Some(4), length: Some(128), ..Default::default() };
    let calibration = Calibration::read(&options, &tokenizer, 4096, 258).unwrap();
    assert_eq!(calibration.sequences().len(), 4);
    let found = Setting::new(&checkpoint, "gptq:w4g32", &calibration).run(&mut Unobserved).unwrap().unwrap();
    assert_eq!(found.layers.len(), 21);
}
