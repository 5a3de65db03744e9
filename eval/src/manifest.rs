//! What a run is made from: `manifest.json`, the plan with every input by SHA-256.
//!
//! Two runs with one manifest have the same results, bit for bit. So it holds nothing that cannot change them: no clock,
//! no path, no host, no number of threads, no instruction set.

use crate::error::Error;
use crate::output;
use crate::task::{Suite, TaskOptions};
use quant::Calibration;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Version of the numerics contract: results of one version have the same bits everywhere.
///
/// 2: a log-sum-exp is taken in blocks of 512 tokens (`kernels::log_sum_exp`), which moves the last bits of
/// log-probabilities over larger vocabularies. Logits are those of version 1.
///
/// 3: an attention score is a sum in ascending order of the head's elements (`kernels::attention`), which moves the last
/// bits of logits.
pub const NUMERICS_VERSION: u64 = 3;

/// Version of the files in a run directory.
const FORMAT: u64 = 1;

/// Name of the file in a run directory.
pub const FILE_NAME: &str = "manifest.json";

/// The model of a run, by its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelIdentity {
    /// What results call it.
    pub name: String,
    /// Its files with their SHA-256, sorted by name.
    pub files: Vec<(String, String)>,
}

impl ModelIdentity {
    /// One SHA-256 for all files: of the lines `<sha256>  <name>` that `sha256sum` prints, sorted by name.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, sha256) in &self.files {
            hasher.update(format!("{sha256}  {name}\n"));
        }
        crate::task::hexadecimal(&hasher.finalize())
    }
}

/// The manifest of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    value: Value,
}

impl Manifest {
    /// The manifest of a plan. `recipes` are in canonical spelling; `calibration` is there if one of them needs it.
    pub fn new(
        model: &ModelIdentity,
        recipes: &[String],
        calibration: Option<&Calibration>,
        suite: &Suite<'_>,
        options: &TaskOptions,
        seed: u64,
    ) -> Self {
        let files: Map<String, Value> =
            model.files.iter().map(|(name, sha256)| (name.clone(), sha256.as_str().into())).collect();
        let tasks: Vec<Value> = suite
            .tasks()
            .iter()
            .map(|task| {
                json!({
                    "id": task.id(),
                    "version": task.frame().version,
                    "documents": task.document_count(),
                    "configuration": task.configuration(),
                    "files": task.frame().files,
                })
            })
            .collect();
        let mut value = json!({
            "format": FORMAT,
            "program": {"name": "nibble", "version": env!("CARGO_PKG_VERSION")},
            "numerics_version": NUMERICS_VERSION,
            "model": {"name": model.name, "digest": model.digest(), "files": files},
            "recipes": recipes,
            "requested": suite.requested(),
            "tasks": tasks,
            "options": {
                "limit": options.limit,
                "num_fewshot": options.num_fewshot,
                "on_overflow": options.on_overflow.name(),
                "window": options.window,
                "prompt_form": options.prompt_form.name(),
                "double_bos": options.double_bos.name(),
                "shown_answers": options.shown_answers.name(),
                "seed": seed,
            },
        });
        if let (Some(calibration), Value::Object(fields)) = (calibration, &mut value) {
            fields.insert("calibration".into(), calibration.identity().to_json());
        }
        Self { value }
    }

    /// Adds an option that is only named where it is used.
    pub fn set_option(&mut self, name: &str, value: impl Into<Value>) {
        self.value["options"][name] = value.into();
    }

    /// The manifest of a run directory; `None` if it has none.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE_NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Output { action: "read", path, source }),
        };
        let value = serde_json::from_str(&text).map_err(|error| Error::Journal {
            file: path,
            line: error.line(),
            problem: error.to_string(),
        })?;
        Ok(Some(Self { value }))
    }

    /// Writes it into a run directory.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn write(&self, directory: &Path) -> Result<(), Error> {
        output::write_json(&directory.join(FILE_NAME), &self.value)
    }

    /// The recipes, in canonical spelling.
    pub fn recipes(&self) -> Vec<String> {
        let recipes = self.value["recipes"].as_array().into_iter().flatten();
        recipes.filter_map(|recipe| recipe.as_str().map(str::to_string)).collect()
    }

    /// The full ids of the tasks.
    pub fn tasks(&self) -> Vec<String> {
        let tasks = self.value["tasks"].as_array().into_iter().flatten();
        tasks.filter_map(|task| task["id"].as_str().map(str::to_string)).collect()
    }

    /// The content.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Where `other` differs, one line a place: the key with dots between levels, what is here and what is there.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        differences("", &self.value, &other.value, &mut found);
        found
    }
}

/// Most places that an error lists.
const LISTED: usize = 8;

fn differences(key: &str, here: &Value, there: &Value, found: &mut Vec<String>) {
    if here == there || found.len() > LISTED {
        return;
    }
    if found.len() == LISTED {
        found.push("and more".into());
        return;
    }
    let below = |name: &str| if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))).collect();
            names.dedup();
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differences(&below(name), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && a.iter().any(Value::is_object) => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&below(&index.to_string()), a, b, found);
            }
        }
        _ => found.push(format!("{key}: {} in that run, {} now", brief(&named(here)), brief(&named(there)))),
    }
}

/// A list of objects by their ids.
fn named(value: &Value) -> Value {
    let id = |element: &Value| element.get("id").unwrap_or(element).clone();
    value.as_array().map_or_else(|| value.clone(), |elements| elements.iter().map(id).collect())
}

/// A value on part of a line.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_key_and_both_values() {
        let of = |value: Value| Manifest { value };
        let a = of(json!({"recipes": ["none"], "model": {"digest": "a"}, "tasks": [{"id": "x"}], "same": 1}));
        let b = of(json!({"recipes": ["none", "rtn:w8"], "model": {"digest": "b"}, "tasks": [{"id": "y"}], "same": 1}));
        assert_eq!(
            a.differences(&b),
            [
                "recipes: [\"none\"] in that run, [\"none\",\"rtn:w8\"] now",
                "model.digest: \"a\" in that run, \"b\" now",
                "tasks.0.id: \"x\" in that run, \"y\" now",
            ]
        );
        assert!(a.differences(&a).is_empty());
    }

    #[test]
    fn lists_of_other_lengths_are_named() {
        let of = |value: Value| Manifest { value };
        let (a, b) = (json!({"tasks": [{"id": "x", "version": 1}]}), json!({"tasks": [{"id": "x"}, {"id": "y"}]}));
        assert_eq!(of(a).differences(&of(b)), ["tasks: [\"x\"] in that run, [\"x\",\"y\"] now"]);
    }

    #[test]
    fn the_digest_is_that_of_sha256sum_lines() {
        // printf 'aa  x\nbb  y\n' | sha256sum
        let files = vec![("x".to_string(), "aa".to_string()), ("y".to_string(), "bb".to_string())];
        let model = ModelIdentity { name: "m".into(), files };
        assert_eq!(model.digest(), "bdc1646e495d6303c14700be72eff2716bb6a82c3a3b422aebfe7b97427e3104");
    }
}
