//! Documents on their way from question to score.

use crate::metric::Metric;
use crate::request::Request;
use crate::statistics::Estimate;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A document put into questions, or left out.
pub enum Prepared {
    /// Its questions.
    Ready(Item, Vec<Request>),
    /// Left out by `--on_overflow skip`, with the reason.
    Skipped(String),
}

/// What is known of a document's questions once they are on their way.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// SHA-256 of the prompt's text in UTF-8; of a window of a longer text, of its token ids as little-endian u32.
    pub prompt_hash: String,
    /// Tokens of the prompt, before what is scored or generated.
    pub prompt_tokens: usize,
    /// What was done to the prompt so that it fits, for the log; empty where nothing was.
    pub notes: Map<String, Value>,
    /// The prompts themselves, until it is known that nobody wants to see them; none of a window.
    pub asked: Vec<Asked>,
}

/// A prompt, and what is scored after it; a reply is generated where nothing is.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The text.
    pub text: String,
    /// Continuations, with what joins them to the text.
    pub continuations: Vec<String>,
}

impl Item {
    /// An item whose prompt is a text.
    pub fn of_text(prompt: &str, prompt_tokens: usize, continuations: &[String]) -> Self {
        let asked = vec![Asked { text: prompt.to_string(), continuations: continuations.to_vec() }];
        Self { prompt_hash: hash_text(prompt), prompt_tokens, notes: Map::new(), asked }
    }

    /// The same without the texts.
    pub fn without_texts(self) -> Self {
        Self { asked: Vec::new(), ..self }
    }

    /// The same, with another prompt of its document and what was done to it.
    pub(super) fn joined_by(mut self, other: Item) -> Self {
        for (name, note) in other.notes {
            self.notes.entry(name).or_insert(note);
        }
        self.asked.extend(other.asked);
        self
    }

    /// An item that is a window of token ids, of which `prompt_tokens` are not scored.
    pub fn of_tokens(tokens: &[u32], prompt_tokens: usize) -> Self {
        let mut hasher = Sha256::new();
        for token in tokens {
            hasher.update(token.to_le_bytes());
        }
        Self { prompt_hash: hexadecimal(&hasher.finalize()), prompt_tokens, notes: Map::new(), asked: Vec::new() }
    }
}

/// A scored document: one object of the sample log, without the document's number.
///
/// Scores are fields like any other; numbers are written as the shortest decimals that read back to the same bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Fields in the order of the log.
    pub fields: Map<String, Value>,
}

impl Sample {
    /// A sample that begins with what is known of its item.
    pub fn of(item: &Item) -> Self {
        let mut fields = Map::new();
        fields.insert("prompt_hash".into(), item.prompt_hash.clone().into());
        fields.insert("prompt_tokens".into(), item.prompt_tokens.into());
        fields.extend(item.notes.clone());
        Self { fields }
    }

    /// The same with one more field.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// A number of the log, alone or as the only one of a list; `true` and `false` count as 1 and 0.
    pub fn number(&self, name: &str) -> Option<f64> {
        let value = self.fields.get(name)?;
        let value = match value.as_array().map(Vec::as_slice) {
            Some([only]) => only,
            _ => value,
        };
        match value {
            Value::Bool(value) => Some(if *value { 1.0 } else { 0.0 }),
            Value::Number(number) => number.as_f64(),
            _ => None,
        }
    }
}

/// One number for a task.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// Name as in lm-evaluation-harness, without filter: `acc`.
    pub name: &'static str,
    /// How the answer was taken out of a reply, where a task does it in several ways: `strict-match`; else `none`.
    pub filter: &'static str,
    /// The number.
    pub value: f64,
    /// Its standard error; `None` where it is undefined.
    pub standard_error: Option<f64>,
    /// Whether more is better.
    pub higher_is_better: bool,
}

impl MetricValue {
    /// The value of a metric for which there is one way to take answers.
    pub fn of(metric: &'static Metric, estimate: Estimate) -> Self {
        Self {
            name: metric.key,
            filter: NO_FILTER,
            value: estimate.value,
            standard_error: estimate.standard_error,
            higher_is_better: metric.higher_is_better(),
        }
    }
}

/// The filter of a metric that has none.
pub const NO_FILTER: &str = "none";

/// How a variant is compared with the baseline, document by document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Field of the sample that is compared.
    pub score: &'static str,
    /// The test.
    pub test: PairedTest,
}

/// How the 95 % interval of a metric is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalRule {
    /// From the documents: of a metric that is the mean of a field of the samples, called as the metric or the one that is
    /// compared, Clopper and Pearson's where all are right or wrong, else Student's; of any other, a bootstrap over
    /// documents, which computes [`Task::aggregate`](super::Task) anew.
    Documents,
    /// Student's, from the metric's own standard error.
    StandardError,
    /// The same for the logarithm, carried through the exponential: of perplexities.
    LogStandardError,
}

/// A test of a mean difference against zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairedTest {
    /// McNemar's exact test, for right or wrong.
    McNemar,
    /// Student's t test of the differences.
    StudentT,
    /// A permutation of the signs of the differences, for scores without a distribution one could name.
    Permutation,
    /// The bootstrap of a metric that is not a mean over documents, such as BLEU: [`Task::aggregate`](super::Task) of
    /// the same resampled documents for both.
    Bootstrap,
}

impl PairedTest {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            PairedTest::McNemar => "McNemar, exact",
            PairedTest::StudentT => "Student's t, paired",
            PairedTest::Permutation => "permutation of signs",
            PairedTest::Bootstrap => "bootstrap, paired",
        }
    }

    /// The test with this name.
    pub fn find(name: &str) -> Option<Self> {
        [PairedTest::McNemar, PairedTest::StudentT, PairedTest::Permutation, PairedTest::Bootstrap]
            .into_iter()
            .find(|test| test.name() == name)
    }
}

/// SHA-256 of a text in UTF-8.
pub fn hash_text(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
