//! What every task has: its name, how many documents, which files, what was asked of all tasks.

use super::choices::Place;
use super::sample::{MetricValue, Sample};
use super::{Entry, Inputs, SampleCounts, TaskId, TaskOptions};
use crate::error::Error;
use crate::metric::Metric;
use crate::statistics;
use datasets::DatasetFile;

/// The part of a task that does not depend on its benchmark.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Full id, for example `mmlu_anatomy@lm-eval`.
    pub id: String,
    /// Its line in the registry.
    pub entry: &'static Entry,
    /// Version of prompts and scoring: lm-evaluation-harness's own where the protocol is that.
    pub version: f64,
    /// Worked examples in a prompt.
    pub shots: usize,
    /// Documents in the data set and to score.
    pub counts: SampleCounts,
    /// Files it was read from.
    pub files: Vec<DatasetFile>,
    /// What was asked of all tasks.
    pub options: TaskOptions,
    /// Tokens that the model can read.
    pub context_len: usize,
}

impl Frame {
    /// The frame of a task without worked examples, and the documents to score: the first ones of `documents`, as many
    /// as the limit allows.
    pub fn new<D>(
        id: &TaskId,
        inputs: &Inputs<'_>,
        version: f64,
        mut documents: Vec<D>,
        files: Vec<DatasetFile>,
    ) -> (Self, Vec<D>) {
        let original = documents.len();
        documents.truncate(inputs.options.limit.unwrap_or(usize::MAX));
        let frame = Self {
            id: id.to_string(),
            entry: id.entry,
            version,
            shots: 0,
            counts: SampleCounts { original, effective: documents.len() },
            files,
            options: inputs.options.clone(),
            context_len: inputs.context_len,
        };
        (frame, documents)
    }

    /// Document `document` of this task, for errors.
    pub fn place(&self, document: usize) -> Place<'_> {
        Place { task: &self.id, document }
    }

    /// A number of every sample.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where a sample lacks it.
    pub fn column(&self, samples: &[(usize, &Sample)], field: &str) -> Result<Vec<f64>, Error> {
        let mut values = Vec::with_capacity(samples.len());
        for (document, sample) in samples {
            let value = sample.number(field);
            values.push(value.ok_or_else(|| self.place(*document).mismatch(format!("a sample without `{field}`")))?);
        }
        Ok(values)
    }

    /// The mean of a number of every sample, as `metric`, with its standard error.
    ///
    /// # Errors
    /// As [`Self::column`]; no samples.
    pub fn mean(
        &self,
        samples: &[(usize, &Sample)],
        field: &str,
        metric: &'static Metric,
    ) -> Result<MetricValue, Error> {
        let mean = statistics::mean_estimate(&self.column(samples, field)?)?;
        Ok(MetricValue::of(metric, mean))
    }
}
