//! A trained checkpoint of the shared data, and what float64 PyTorch found for it (`shared/golden/real`).
#![allow(dead_code, reason = "each test uses a part")]

use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::decoder::Decoder;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::{Specials, Tokenizer};
use eval::request::{Outcome, Request};
use eval::scheduler::{Continue, Scheduler, SchedulerOptions};
use quant::Calibration;
use quant::calibration::{Options, Source};
use std::path::{Path, PathBuf};

/// The checkpoint `stories260K`, its reference numbers, and the windows that perplexity is taken of.
pub struct Stories {
    pub golden: serde_json::Value,
    pub checkpoint: Checkpoint,
    pub tokenizer: Tokenizer,
    pub runtime: Runtime,
    pub train: PathBuf,
    requests: Vec<(usize, Request)>,
}

impl Stories {
    /// `None` where the shared data is missing and may be.
    pub fn open() -> Option<Self> {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let directory = shared.join("models/stories260K");
        let texts = shared.join("data/tinystories");
        let (Ok(golden), Ok(text)) = (
            std::fs::read_to_string(shared.join("golden/real/stories260K.json")),
            std::fs::read(texts.join("tinystories_validation_head.txt")),
        ) else {
            let required = std::env::var_os("NIBBLE_REQUIRE_SHARED").is_some();
            assert!(!required, "{} is required and incomplete", shared.display());
            println!("skipped: shared data missing");
            return None;
        };
        let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
        let tokenizer = Tokenizer::open(&directory).unwrap();
        let text = std::str::from_utf8(&text[..65536]).unwrap();
        let tokens = tokenizer.encode(text, Specials::AsConfigured).unwrap();
        assert_eq!(tokens.len() as u64, golden["perplexity"]["tokens"].as_u64().unwrap());
        Some(Self {
            golden,
            checkpoint: Checkpoint::open(&directory, OpenOptions::default()).unwrap(),
            tokenizer,
            runtime: Runtime::new(Some(2), IsaChoice::Best).unwrap(),
            train: texts.join("tinystories_train_head.txt"),
            requests: tokens.chunks_exact(256).map(Request::window).enumerate().collect(),
        })
    }

    /// GPTQ's perplexity: exp of the mean over windows of a window's mean loss.
    pub fn perplexity(&self, model: &Model) -> f64 {
        let mut losses = vec![0.0; self.requests.len()];
        let mut scheduler = Scheduler::new(Decoder::new(model, &self.runtime), None, SchedulerOptions::default());
        scheduler
            .run::<engine::Error>(&self.requests, &mut |window, outcome| {
                let Outcome::Scored { log_probs, .. } = outcome else { panic!("{outcome:?}") };
                let sum: f64 = log_probs.iter().sum();
                losses[window] = -sum / log_probs.len() as f64;
                Ok(Continue::Yes)
            })
            .unwrap();
        kernels::math::exp(losses.iter().sum::<f64>() / losses.len() as f64)
    }

    /// The first 16 windows of 256 tokens of the training text.
    pub fn calibration(&self) -> Calibration {
        let options = Options {
            source: Source::File(self.train.clone()),
            samples: Some(16),
            length: Some(256),
            ..Options::default()
        };
        Calibration::read(&options, &self.tokenizer, 512, 512).unwrap()
    }
}
