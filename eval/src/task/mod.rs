//! Tasks: a benchmark, asked and scored by one published protocol.
//!
//! A task turns document i into [requests](crate::request::Request), and their outcomes into a [`Sample`]; from the
//! samples of all documents it makes its metrics. It knows neither models nor the order in which answers arrive. A new
//! task is a new file and a word in the registry below.

pub mod arc;
mod ask;
pub mod bbq;
pub mod boolq;
mod card;
pub mod ceval;
mod choices;
mod examples;
mod flores;
pub mod followbench;
mod frame;
mod gsm8k;
pub mod hellaswag;
mod id;
pub mod ifeval;
mod judgements;
pub mod lambada;
mod lettered;
mod likeliest;
pub mod mmlu;
mod nearest;
mod options;
pub mod perplexity;
pub mod piqa;
mod prompt;
mod python_random;
mod sample;
pub mod snli;
mod suite;
mod summarization;
pub mod truthfulqa;
mod truthfulqa_gen;
pub mod winogrande;
mod world;

pub use card::{Entry, Protocol};
pub use frame::Frame;
pub use id::{TaskId, find, parse};
pub use judgements::Judgements;
pub use options::{Concession, DEFAULT_SEED, GenerationOptions, OnOverflow, PromptForm, TaskOptions};
pub(crate) use sample::hexadecimal;
pub use sample::{
    Asked, Comparison, IntervalRule, Item, MetricValue, NO_FILTER, PairedTest, Prepared, Sample, hash_text,
};
pub use suite::{Average, Group, Suite};

use crate::error::Error;
use crate::request::Outcome;
use datasets::DataRoots;
use engine::tokenizer::Tokenizer;
use serde_json::{Map, Value};

/// The registry.
static ENTRIES: &[&Entry] = &[
    &perplexity::PERPLEXITY,
    &mmlu::MMLU,
    &mmlu::MMLU_SUBJECT,
    &ceval::CEVAL,
    &ceval::CEVAL_SUBJECT,
    &snli::SNLI,
    &truthfulqa::TRUTHFULQA,
    &truthfulqa::TRUTHFULQA_MC1,
    &truthfulqa::TRUTHFULQA_MC2,
    &truthfulqa_gen::TRUTHFULQA_GEN,
    &gsm8k::GSM8K,
    &gsm8k::GSM8K_COT,
    &flores::FLORES200,
    &summarization::CNN_DAILYMAIL,
    &summarization::XSUM,
    &bbq::BBQ,
    &bbq::BBQ_CATEGORY,
    &arc::ARC_EASY,
    &arc::ARC_CHALLENGE,
    &hellaswag::HELLASWAG,
    &winogrande::WINOGRANDE,
    &lambada::LAMBADA_OPENAI,
    &lambada::LAMBADA_STANDARD,
    &piqa::PIQA,
    &boolq::BOOLQ,
    &followbench::FOLLOWBENCH,
    &followbench::FOLLOWBENCH_CATEGORY,
    &ifeval::IFEVAL,
];

/// Every line of the registry.
pub fn all() -> &'static [&'static Entry] {
    ENTRIES
}

/// Every name that [`parse`] knows.
pub fn names() -> Vec<String> {
    ENTRIES.iter().flat_map(|entry| entry.names()).collect()
}

/// A benchmark under one protocol, with its documents.
pub trait Task: Sync {
    /// Its name, its documents, its files.
    fn frame(&self) -> &Frame;

    /// Full id, for example `mmlu_anatomy@lm-eval`.
    fn id(&self) -> &str {
        &self.frame().id
    }

    /// Number of documents to score; of a text, its windows.
    fn document_count(&self) -> usize {
        self.frame().counts.effective
    }

    /// What it does, for the results: protocol, prompt, everything that changes a number.
    fn configuration(&self) -> Map<String, Value>;

    /// The questions of document `document`.
    ///
    /// # Errors
    /// What the options refuse, such as [`Error::ContextOverflow`], and what the tokenizer refuses.
    fn prepare(&self, document: usize) -> Result<Prepared, Error>;

    /// The score of document `document` from the outcomes of its requests, in their order; none of them is a failure.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the outcomes are not those of its requests.
    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error>;

    /// A sample with what judges said of it: as it is, unless a document needs one.
    ///
    /// Judgements may come after the run that a sample is from, so they are no part of what the journal holds.
    ///
    /// # Errors
    /// A sample that is not this task's.
    fn judged(&self, document: usize, sample: Sample) -> Result<Sample, Error> {
        _ = document;
        Ok(sample)
    }

    /// The line that asks a judge about a sample from the journal, in the layout of the authors; `None` where no judge is
    /// needed.
    ///
    /// # Errors
    /// A sample that is not this task's.
    fn judge_line(&self, document: usize, sample: &Sample) -> Result<Option<Value>, Error> {
        _ = (document, sample);
        Ok(None)
    }

    /// Where judgements come from, for the results.
    fn judgements(&self) -> Option<Value> {
        None
    }

    /// The metrics, the main one first, of samples in the order of documents; in a bootstrap some come more than once and
    /// others not at all. The standard error of a metric that has no formula for it is left out: it is bootstrapped.
    ///
    /// # Errors
    /// Samples that are not this task's, or none.
    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error>;

    /// The names of its metrics, in the order of [`Self::aggregate`].
    fn metric_names(&self) -> &'static [&'static str] {
        self.frame().entry.metrics
    }

    /// How two runs of it are compared.
    fn comparison(&self) -> Comparison;

    /// The passage or template that document `document` shares with others; `None` where it stands alone.
    fn cluster(&self, document: usize) -> Option<&str> {
        _ = document;
        None
    }

    /// How the 95 % interval of metric `name` is found.
    fn interval_rule(&self, name: &str) -> IntervalRule {
        _ = name;
        IntervalRule::Documents
    }
}

/// Numbers of documents, as lm-evaluation-harness's `n-samples` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleCounts {
    /// In the data set.
    pub original: usize,
    /// Scored.
    pub effective: usize,
}

/// What tasks are made from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The model's tokenizer, with its chat template.
    pub tokenizer: &'a Tokenizer,
    /// Longest sequence that the model was made for, in tokens.
    pub context_len: usize,
    /// Where benchmark files are looked for.
    pub roots: &'a DataRoots,
    /// What was asked of all tasks.
    pub options: &'a TaskOptions,
}
