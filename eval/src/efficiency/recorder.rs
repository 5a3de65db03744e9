//! The efficiency of a run's recipes, on its way to `efficiency.json`.

use super::energy::Counters;
use super::measure::{self, Figures};
use super::protocol::Protocol;
use super::{Mode, Options, bandwidth};
use crate::error::Error;
use crate::machine;
use crate::output;
use crate::task::hexadecimal;
use engine::decoder::Decoder;
use engine::model::Model;
use engine::runtime::Runtime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name of the file in a run directory.
pub const FILE_NAME: &str = "efficiency.json";

/// Version of the file.
const FORMAT: u64 = 1;

/// Why a recipe has no figures whose questions were answered before, so that its model was not built.
const NOT_BUILT: &str = "its questions were answered before; --efficiency measure builds its model again";
/// Why one has none that was being measured.
const STOPPED: &str = "stopped; --efficiency measure measures it";

/// Whose efficiency it is.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The recipe in its canonical spelling.
    pub recipe: &'a str,
    /// The same with the digest of its calibration text.
    pub key: &'a str,
}

/// What is measured of the machine, once for all recipes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Limits {
    memory_bytes_per_second: f64,
    /// The packages whose energy is counted, or why there is none.
    energy: String,
    /// How the peak of memory was found.
    peak_resident: String,
}

/// Gathers figures recipe by recipe.
pub struct Recorder<'a> {
    options: &'a Options,
    runtime: &'a Runtime,
    protocol: Protocol,
    model_digest: &'a str,
    /// Processor, threads, instruction set and program: what every figure depends on.
    machine: Value,
    counters: Result<Counters, String>,
    limits: Option<Limits>,
    recipes: Vec<(String, Figures)>,
    left_out: Vec<(String, String)>,
    stopped: Vec<String>,
}

impl<'a> Recorder<'a> {
    /// Begins; `None` if nothing is to be measured. The longest sequence has `context_len` tokens.
    pub fn begin(
        options: &'a Options,
        runtime: &'a Runtime,
        model_digest: &'a str,
        context_len: usize,
    ) -> Option<Self> {
        if options.mode == Mode::Off {
            return None;
        }
        let machine = json!({
            "cpu": machine::processor(),
            "threads": runtime.threads(),
            "isa": runtime.kernels().isa().name(),
            "program_sha256": program_sha256().ok(),
        });
        Some(Self {
            options,
            runtime,
            protocol: options.protocol.fitting(context_len),
            model_digest,
            machine,
            counters: Counters::of_machine(),
            limits: None,
            recipes: Vec::new(),
            left_out: Vec::new(),
            stopped: Vec::new(),
        })
    }

    /// Whether the figures of a recipe have to be measured; those that the store has are taken.
    pub fn lacks(&mut self, subject: Subject<'_>) -> bool {
        if self.options.mode == Mode::Measure {
            return true;
        }
        let stored = self.stored(&self.key(subject));
        let is_stored = stored.is_some();
        self.recipes.extend(stored.map(|figures| (subject.recipe.to_string(), figures)));
        !is_stored
    }

    /// Leaves out a recipe whose model is not built.
    pub fn leave_out(&mut self, subject: Subject<'_>) {
        self.left_out.push((subject.recipe.to_string(), NOT_BUILT.into()));
    }

    /// Measures a recipe. One that cannot run the protocol to its end, because its activations overflow, is left out,
    /// with the reason: what its answers are worth is said elsewhere.
    ///
    /// # Errors
    /// None that comes of the model.
    pub fn measure(
        &mut self,
        subject: Subject<'_>,
        model: &Model,
        decoder: Decoder<'_>,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        if !stop.load(Ordering::Relaxed) {
            self.limits();
        }
        let figures = measure::measure(model, decoder, &self.protocol, self.counters.as_ref().ok(), stop);
        let recipe = subject.recipe.to_string();
        match figures {
            Ok(Some(figures)) => {
                self.keep(&self.key(subject), &figures);
                self.recipes.push((recipe, figures));
            }
            Ok(None) => {
                self.left_out.push((recipe.clone(), STOPPED.into()));
                self.stopped.push(recipe);
            }
            Err(Error::Engine(error)) => self.left_out.push((recipe, error.to_string())),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Recipes that were being measured when the run was stopped.
    pub fn stopped(&self) -> &[String] {
        &self.stopped
    }

    /// Writes `efficiency.json` into a run directory. Figures that are there stay for recipes that have no new ones, if
    /// they are of the same machine, program and protocol.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn write(&mut self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE_NAME);
        let old = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let old = old.filter(|old| old["format"] == FORMAT);
        let has_news = !self.left_out.is_empty() && self.stopped.is_empty() && old.is_none();
        if self.recipes.is_empty() && !has_news {
            return Ok(());
        }
        let protocol = self.protocol.to_json(self.options.protocol);
        let is_same = |old: &Value| {
            let fields = self.machine.as_object().into_iter().flatten();
            old["protocol"] == protocol && fields.into_iter().all(|(name, value)| old["machine"][name] == *value)
        };
        let mut recipes = match old.filter(is_same).map(|mut old| old["recipes"].take()) {
            Some(Value::Object(recipes)) => recipes,
            _ => Map::new(),
        };
        for (recipe, figures) in &self.recipes {
            recipes.insert(recipe.clone(), json!(figures));
        }
        let limits = self.limits().clone();
        for figures in recipes.values_mut() {
            let bytes = figures["bytes_per_generated_token"].as_f64();
            let rate = figures["generated_tokens_per_second"]["median"].as_f64();
            let share = bytes.zip(rate).map(|(bytes, rate)| bytes * rate / limits.memory_bytes_per_second);
            figures["share_of_memory_bandwidth"] = json!(share);
        }
        let mut machine = self.machine.clone();
        if let (Value::Object(fields), Value::Object(more)) = (&mut machine, json!(limits)) {
            fields.extend(more);
        }
        let left_out = self.left_out.iter().filter(|(recipe, _)| !recipes.contains_key(recipe));
        let left_out: Map<String, Value> = left_out.map(|(recipe, why)| (recipe.clone(), json!(why))).collect();
        let file = json!({
            "format": FORMAT,
            "machine": machine,
            "protocol": protocol,
            "recipes": recipes,
            "not_measured": left_out,
        });
        output::write_json(&path, &file)
    }

    /// The figures of the machine: measured when they are first asked for, or stored ones.
    fn limits(&mut self) -> &Limits {
        let known = match self.limits.take() {
            None if self.options.mode == Mode::Auto => self.stored(&self.machine),
            known => known,
        };
        let limits = known.unwrap_or_else(|| {
            let available = machine::memory().map(|memory| memory.available);
            let limits = Limits {
                memory_bytes_per_second: bandwidth::read_bytes_per_second(self.runtime, available),
                energy: match &self.counters {
                    Ok(counters) => counters.names(),
                    Err(why) => format!("not readable: {why}"),
                },
                peak_resident: peak_resident(),
            };
            self.keep(&self.machine, &limits);
            limits
        });
        self.limits.insert(limits)
    }

    /// What the figures of a recipe depend on.
    fn key(&self, subject: Subject<'_>) -> Value {
        let mut key = self.machine.clone();
        key["model"] = self.model_digest.into();
        key["recipe"] = subject.key.into();
        key["protocol"] = self.protocol.to_json(self.options.protocol);
        key
    }

    /// What the store has. Figures of a program that is not known are of no use.
    fn stored<T: serde::de::DeserializeOwned>(&self, key: &Value) -> Option<T> {
        if key["program_sha256"].is_null() { None } else { self.options.store.get(key) }
    }

    fn keep<T: Serialize>(&self, key: &Value, value: &T) {
        if !key["program_sha256"].is_null() {
            // What cannot be kept is measured again: no reason to end a run.
            let _ = self.options.store.put(key, value);
        }
    }
}

/// How the peak of memory is found here.
fn peak_resident() -> String {
    match (machine::reset_peak_memory(), machine::resident_bytes()) {
        (_, None) => "not readable: there is no /proc/self/status".into(),
        (Ok(()), Some(_)) => "VmHWM, reset before the prompt".into(),
        (Err(error), Some(_)) => format!("VmRSS after the generation: the peak cannot be reset ({error})"),
    }
}

/// SHA-256 of the program that runs.
fn program_sha256() -> io::Result<String> {
    // The link leads to the program's bytes even after its file was replaced.
    let mut file = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&digest.finalize())),
            count => digest.update(&buffer[..count]),
        }
    }
}
