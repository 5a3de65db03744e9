//! One line of the journal.

use crate::task::{Sample, hash_text};
use serde_json::{Map, Value};

/// What became of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It was scored.
    Scored(Sample),
    /// The model gave no answer: a NaN or an infinity, with its place.
    Failed(String),
    /// It was left out by `--on_overflow skip`, with the reason.
    Skipped(String),
}

/// What the weights of a model take under a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Bits of a code, averaged over the weights of the blocks' matrices.
    pub nominal_bits_per_weight: f64,
    /// Bits stored for one of these weights, scales and zero points included.
    pub true_bits_per_weight: f64,
    /// Bytes of all weights of the model.
    pub weight_bytes: u64,
    /// One object a matrix that a method quantized by looking at its inputs (`quant::report::LayerReport`).
    pub layers: Vec<Value>,
}

/// A line, keyed by all but its last part.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A document.
    Document {
        /// SHA-256 of the model.
        model: String,
        /// Recipe in canonical spelling.
        recipe: String,
        /// Full task id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// What became of it.
        record: Record,
    },
    /// What a recipe's weights take.
    Weights {
        /// SHA-256 of the model.
        model: String,
        /// Recipe in canonical spelling.
        recipe: String,
        /// What they take.
        weights: Weights,
    },
}

/// Characters of the check at the end of a line.
const CHECK_LEN: usize = 16;
const CHECK_FIELD: &str = ",\"check\":\"";

impl Line {
    /// The line without its line break.
    pub fn to_text(&self) -> String {
        let body = self.body();
        format!("{body}{CHECK_FIELD}{}\"}}", check(&body))
    }

    /// The check, which tells two lines of one key apart.
    pub fn check(&self) -> String {
        check(&self.body())
    }

    /// Reads a line without its line break.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
        let damaged = || "damaged: its check does not fit its content".to_string();
        let (body, rest) = text.rsplit_once(CHECK_FIELD).ok_or_else(damaged)?;
        let stored = rest.strip_suffix("\"}").filter(|stored| stored.len() == CHECK_LEN).ok_or_else(damaged)?;
        if check(body) != stored {
            return Err(damaged());
        }
        let value: Value = serde_json::from_str(&format!("{body}}}")).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(mut fields) = value else { return Err("not an object".into()) };
        let (model, recipe) = (take_text(&mut fields, "model")?, take_text(&mut fields, "recipe")?);
        if let Some(weights) = fields.remove("weights") {
            return Ok(Line::Weights { model, recipe, weights: Weights::from_json(&weights)? });
        }
        let task = take_text(&mut fields, "task")?;
        let document = fields.get("document").and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        let document = document.ok_or("no document number")?;
        let record = match (fields.remove("sample"), fields.remove("failed"), fields.remove("skipped")) {
            (Some(Value::Object(fields)), None, None) => Record::Scored(Sample { fields }),
            (None, Some(Value::String(reason)), None) => Record::Failed(reason),
            (None, None, Some(Value::String(reason))) => Record::Skipped(reason),
            _ => return Err("expected one of sample, failed and skipped".into()),
        };
        Ok(Line::Document { model, recipe, task, document, record })
    }

    /// Model, recipe, task and document; weights have no task.
    pub fn into_key(self) -> (String, String, String, usize) {
        match self {
            Line::Document { model, recipe, task, document, .. } => (model, recipe, task, document),
            Line::Weights { model, recipe, .. } => (model, recipe, String::new(), 0),
        }
    }

    /// The object without its last field and brace.
    fn body(&self) -> String {
        let mut fields = Map::new();
        match self {
            Line::Document { model, recipe, task, document, record } => {
                fields.insert("model".into(), model.as_str().into());
                fields.insert("recipe".into(), recipe.as_str().into());
                fields.insert("task".into(), task.as_str().into());
                fields.insert("document".into(), (*document).into());
                match record {
                    Record::Scored(sample) => fields.insert("sample".into(), sample.fields.clone().into()),
                    Record::Failed(reason) => fields.insert("failed".into(), reason.as_str().into()),
                    Record::Skipped(reason) => fields.insert("skipped".into(), reason.as_str().into()),
                };
            }
            Line::Weights { model, recipe, weights } => {
                fields.insert("model".into(), model.as_str().into());
                fields.insert("recipe".into(), recipe.as_str().into());
                fields.insert("weights".into(), weights.to_json());
            }
        }
        let mut text = Value::Object(fields).to_string();
        text.pop();
        text
    }
}

impl Weights {
    fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("nominal_bits_per_weight".into(), self.nominal_bits_per_weight.into());
        fields.insert("true_bits_per_weight".into(), self.true_bits_per_weight.into());
        fields.insert("weight_bytes".into(), self.weight_bytes.into());
        if !self.layers.is_empty() {
            fields.insert("layers".into(), self.layers.clone().into());
        }
        fields.into()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let number = |name: &str| value.get(name).and_then(Value::as_f64).ok_or(format!("weights without {name}"));
        Ok(Self {
            nominal_bits_per_weight: number("nominal_bits_per_weight")?,
            true_bits_per_weight: number("true_bits_per_weight")?,
            weight_bytes: value.get("weight_bytes").and_then(Value::as_u64).ok_or("weights without weight_bytes")?,
            layers: value.get("layers").and_then(Value::as_array).cloned().unwrap_or_default(),
        })
    }
}

fn check(body: &str) -> String {
    let mut digest = hash_text(body);
    digest.truncate(CHECK_LEN);
    digest
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(format!("no {name}")),
    }
}
