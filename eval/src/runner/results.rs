//! From the journal to the numbers of one recipe.

use super::Filed;
use super::interval::{self, MetricInterval};
use crate::comparison::Observation;
use crate::error::Error;
use crate::journal::{Journal, Record, Weights};
use crate::metric;
use crate::task::{Group, MetricValue, NO_FILTER, Sample, SampleCounts, Suite, Task};

/// A model under one recipe, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What results call the model.
    pub model: String,
    /// Recipe in canonical spelling.
    pub recipe: String,
    /// The recipe's key in the journal.
    pub key: String,
    /// What its weights take.
    pub weights: Weights,
    /// Results of the groups, then of the tasks.
    pub results: Vec<TaskResult>,
}

impl Variant {
    /// The result of a task or group.
    pub fn result(&self, id: &str) -> Option<&TaskResult> {
        self.results.iter().find(|result| result.id == id)
    }
}

/// What a task or a group of tasks gave.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskResult {
    /// Full id.
    pub id: String,
    /// Whether it was asked for by name, not only as a member of a group.
    pub requested: bool,
    /// Metrics, the main one first.
    pub metrics: Vec<ReportedMetric>,
    /// Documents in the data set and scored.
    pub counts: SampleCounts,
    /// Documents without a result, because of a NaN or an infinity.
    pub failed: usize,
    /// Documents left out by `--on_overflow skip`.
    pub skipped: usize,
    /// Documents read beyond the context that the model was made for.
    pub beyond_context: usize,
    /// Documents whose prompt was shortened to fit: worked examples left out, or tokens cut.
    pub shortened: usize,
    /// Documents that wait for a judge.
    pub unjudged: usize,
    /// Documents whose judgement cannot be read.
    pub unreadable: usize,
    /// Why there are no numbers.
    pub problem: Option<String>,
    /// By document, what is compared with the baseline.
    pub documents: Vec<Option<Observation>>,
}

impl TaskResult {
    /// One of its metrics.
    fn metric(&self, name: &str, filter: &str) -> Option<&ReportedMetric> {
        self.metrics.iter().find(|metric| metric.name == name && metric.filter == filter)
    }
}

/// A metric that may have no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportedMetric {
    /// Name, for example `acc`.
    pub name: &'static str,
    /// How the answer was taken out of a reply; `none` where there is one way.
    pub filter: &'static str,
    /// The number, unless documents failed.
    pub value: Option<f64>,
    /// Its standard error, where it is defined.
    pub standard_error: Option<f64>,
    /// Its 95 % interval, where it is defined.
    pub interval: Option<MetricInterval>,
    /// Whether more is better.
    pub higher_is_better: bool,
}

impl ReportedMetric {
    /// Its name; with its filter where it has one: `exact_match,strict-match`.
    pub fn label(&self) -> String {
        if self.filter == NO_FILTER { self.name.to_string() } else { format!("{},{}", self.name, self.filter) }
    }

    fn of(metric: &MetricValue) -> Self {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        Self {
            name: metric.name,
            filter: metric.filter,
            value: finite(metric.value),
            standard_error: metric.standard_error.and_then(finite),
            interval: None,
            higher_is_better: metric.higher_is_better,
        }
    }

    fn absent(name: &'static str) -> Self {
        let higher_is_better = metric::find(name).is_some_and(|metric| metric.higher_is_better());
        Self { name, filter: NO_FILTER, value: None, standard_error: None, interval: None, higher_is_better }
    }

    fn as_value(&self) -> Option<MetricValue> {
        Some(MetricValue {
            name: self.name,
            filter: self.filter,
            value: self.value?,
            standard_error: self.standard_error,
            higher_is_better: self.higher_is_better,
        })
    }
}

/// The results of a recipe, from the journal; every document must be in it.
///
/// # Errors
/// A document that is missing, a line that cannot be read back, samples that cannot be averaged.
pub fn variant(
    model: &str,
    filed: &Filed,
    suite: &Suite<'_>,
    journal: &mut Journal,
    seed: u64,
) -> Result<Variant, Error> {
    let (recipe, key) = (filed.name.clone(), filed.key.clone());
    let mut tasks = Vec::with_capacity(suite.tasks().len());
    for task in suite.tasks() {
        let mut result = task_result(task.as_ref(), &key, journal, seed)?;
        result.requested = suite.requested().contains(&result.id);
        tasks.push(result);
    }
    let mut results = Vec::with_capacity(suite.groups().len() + tasks.len());
    for group in suite.groups() {
        let mut result = group_result(group, suite, &tasks);
        for metric in result.metrics.iter_mut() {
            metric.interval = interval::of_group(metric, &result.documents)?;
        }
        results.push(result);
    }
    results.extend(tasks);
    let weights = journal.weights(&key)?.ok_or_else(|| Error::Mismatch {
        task: recipe.clone(),
        document: 0,
        what: "the journal does not say what the weights take".into(),
    })?;
    Ok(Variant { model: model.to_string(), recipe, key, weights, results })
}

/// The record of a document that must be there, as the journal holds it.
///
/// # Errors
/// It is not, or cannot be read back.
pub fn unjudged_record(journal: &mut Journal, recipe: &str, task: &dyn Task, document: usize) -> Result<Record, Error> {
    journal.record(recipe, task.id(), document)?.ok_or_else(|| Error::Mismatch {
        task: task.id().to_string(),
        document,
        what: "the journal does not hold it".into(),
    })
}

/// The same with what judges said.
///
/// # Errors
/// As [`unjudged_record`], and those of [`Task::judged`].
pub fn record(journal: &mut Journal, recipe: &str, task: &dyn Task, document: usize) -> Result<Record, Error> {
    Ok(match unjudged_record(journal, recipe, task, document)? {
        Record::Scored(sample) => Record::Scored(task.judged(document, sample)?),
        other => other,
    })
}

fn task_result(task: &dyn Task, recipe: &str, journal: &mut Journal, seed: u64) -> Result<TaskResult, Error> {
    let mut samples: Vec<(usize, Sample)> = Vec::new();
    let (mut failed, mut skipped, mut first_failure) = (0, 0, None);
    for document in 0..task.document_count() {
        match record(journal, recipe, task, document)? {
            Record::Scored(sample) => samples.push((document, sample)),
            Record::Skipped(_) => skipped += 1,
            Record::Failed(reason) => {
                failed += 1;
                first_failure.get_or_insert(format!("document {document}: {reason}"));
            }
        }
    }
    let problem = match first_failure {
        Some(reason) => Some(reason),
        None if samples.is_empty() => Some("every document was skipped".to_string()),
        None => None,
    };
    let references: Vec<(usize, &Sample)> = samples.iter().map(|(document, sample)| (*document, sample)).collect();
    let metrics = match problem {
        Some(_) => task.metric_names().iter().map(|name| ReportedMetric::absent(name)).collect(),
        None => {
            let mut metrics: Vec<_> = task.aggregate(&references)?.iter().map(ReportedMetric::of).collect();
            interval::add(&mut metrics, task, &references, seed)?;
            metrics
        }
    };
    let mut documents = vec![None; task.document_count()];
    for (document, sample) in &samples {
        documents[*document] = Observation::of(sample, task.comparison().score);
    }
    let with = |fields: &[&str]| {
        let has = |sample: &Sample| fields.iter().any(|field| sample.fields.contains_key(*field));
        samples.iter().filter(|(_, sample)| has(sample)).count()
    };
    let (beyond_context, shortened) = (with(&["tokens_beyond_context"]), with(&["shots", "tokens_cut_left"]));
    let waiting = |reason: &str| {
        let waits = |sample: &Sample| sample.fields.get("unjudged").is_some_and(|value| value == reason);
        samples.iter().filter(|(_, sample)| waits(sample)).count()
    };
    let (unjudged, unreadable) = (waiting("missing"), waiting("unreadable"));
    let counts = task.frame().counts;
    let counts = SampleCounts { effective: counts.effective.saturating_sub(skipped), ..counts };
    Ok(TaskResult {
        id: task.id().to_string(),
        requested: false,
        metrics,
        counts,
        failed,
        skipped,
        beyond_context,
        shortened,
        unjudged,
        unreadable,
        problem,
        documents,
    })
}

fn group_result(group: &Group, suite: &Suite<'_>, tasks: &[TaskResult]) -> TaskResult {
    let members: Vec<&TaskResult> = group.members.iter().filter_map(|&index| tasks.get(index)).collect();
    let total = |count: fn(&TaskResult) -> usize| members.iter().map(|member| count(member)).sum::<usize>();
    let problem = members.iter().find_map(|member| {
        let problem = member.problem.as_ref()?;
        Some(format!("{}, {problem}", member.id))
    });
    let shared = members.first().map_or(&[][..], |member| &member.metrics);
    let shared =
        shared.iter().filter(|metric| members.iter().all(|member| member.metric(metric.name, metric.filter).is_some()));
    let average = |metric: &ReportedMetric| {
        let of = |member: &&TaskResult| {
            Some((member.counts.effective, member.metric(metric.name, metric.filter)?.as_value()?))
        };
        let values: Vec<(usize, MetricValue)> = members.iter().map(of).collect::<Option<_>>()?;
        let references: Vec<(usize, &MetricValue)> = values.iter().map(|(count, value)| (*count, value)).collect();
        group.average(&references)
    };
    let metrics = shared.map(|metric| {
        average(metric).as_ref().map_or_else(
            || ReportedMetric { value: None, standard_error: None, interval: None, ..*metric },
            ReportedMetric::of,
        )
    });
    let metrics = metrics.collect();
    TaskResult {
        id: group.id.clone(),
        requested: suite.requested().contains(&group.id),
        metrics,
        counts: SampleCounts {
            original: total(|member| member.counts.original),
            effective: total(|member| member.counts.effective),
        },
        failed: total(|member| member.failed),
        skipped: total(|member| member.skipped),
        beyond_context: total(|member| member.beyond_context),
        shortened: total(|member| member.shortened),
        unjudged: total(|member| member.unjudged),
        unreadable: total(|member| member.unreadable),
        problem,
        documents: members.iter().flat_map(|member| Observation::of_member(&member.id, &member.documents)).collect(),
    }
}
