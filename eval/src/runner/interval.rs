//! The 95 % interval of every metric, and the method that made it.

use super::results::ReportedMetric;
use crate::comparison::{CORPUS_RESAMPLES, Observation};
use crate::error::Error;
use crate::statistics::{self, Clusters, Confidence, Interval, SmallSample};
use crate::task::{IntervalRule, MetricValue, Sample, Task};
use kernels::math::exp;

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricInterval {
    /// From where to where.
    pub ends: Interval,
    /// What made it.
    pub method: IntervalMethod,
    /// The standard error that documents in clusters have (CR1), where they are.
    pub clustered_error: Option<f64>,
}

/// What made an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMethod {
    /// The exact one of a proportion.
    ClopperPearson,
    /// Student's of a mean.
    StudentT,
    /// Student's of a mean with an error robust to clusters.
    ClusteredT,
    /// Student's of a logarithm.
    LogStudentT,
    /// Percentiles of resampled documents.
    Bootstrap,
    /// Percentiles of resampled clusters.
    ClusteredBootstrap,
}

impl IntervalMethod {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            IntervalMethod::ClopperPearson => "Clopper-Pearson",
            IntervalMethod::StudentT => "Student's t",
            IntervalMethod::ClusteredT => "Student's t, cluster-robust (CR1)",
            IntervalMethod::LogStudentT => "Student's t of the logarithm",
            IntervalMethod::Bootstrap => "bootstrap, percentile, 1000 resamples of documents",
            IntervalMethod::ClusteredBootstrap => "bootstrap, percentile, 1000 resamples of clusters",
        }
    }
}

const _: () = assert!(CORPUS_RESAMPLES == 1000, "the names of methods say how many resamples there are");

/// Adds intervals to the metrics of a task, and bootstrapped standard errors to those that have none.
///
/// # Errors
/// Scores that are not finite.
pub fn add(
    metrics: &mut [ReportedMetric],
    task: &dyn Task,
    samples: &[(usize, &Sample)],
    seed: u64,
) -> Result<(), Error> {
    let clusters = Clusters::new(samples.iter().map(|(_, sample)| Observation::cluster_of(sample)));
    let mut corpus: Vec<usize> = Vec::new();
    for (index, metric) in metrics.iter_mut().enumerate() {
        let Some(value) = metric.value else { continue };
        let items = task.frame().counts.effective;
        metric.interval = match task.interval_rule(metric.name) {
            IntervalRule::StandardError => student(value, metric.standard_error, items),
            IntervalRule::LogStandardError => log_student(value, metric.standard_error, items),
            IntervalRule::Documents => match column(task, metric.name, value, samples) {
                Some(values) => of_mean(&values, &clusters)?,
                None => {
                    corpus.push(index);
                    None
                }
            },
        };
    }
    if !corpus.is_empty() && clusters.count() > 1 {
        bootstrap(metrics, &corpus, task, samples, &clusters, seed);
    }
    Ok(())
}

/// The interval of a group's metric: as of one task where it is the mean over all documents, else from its standard error.
///
/// # Errors
/// Scores that are not finite.
pub fn of_group(metric: &ReportedMetric, documents: &[Option<Observation>]) -> Result<Option<MetricInterval>, Error> {
    let Some(value) = metric.value else { return Ok(None) };
    let scored: Vec<&Observation> = documents.iter().flatten().collect();
    let values: Vec<f64> = scored.iter().map(|observation| observation.score).collect();
    if !is_mean(value, &values) {
        return Ok(student(value, metric.standard_error, scored.len()));
    }
    of_mean(&values, &Clusters::new(scored.iter().map(|observation| observation.cluster.as_deref())))
}

/// The field that the metric is the mean of.
fn column(task: &dyn Task, name: &str, value: f64, samples: &[(usize, &Sample)]) -> Option<Vec<f64>> {
    [name, task.comparison().score].into_iter().find_map(|field| {
        let values: Option<Vec<f64>> = samples.iter().map(|(_, sample)| sample.number(field)).collect();
        values.filter(|values| is_mean(value, values))
    })
}

fn is_mean(value: f64, values: &[f64]) -> bool {
    statistics::mean(values).is_ok_and(|mean| (mean - value).abs() <= 1e-12 * value.abs().max(1e-300))
}

fn of_mean(values: &[f64], clusters: &Clusters) -> Result<Option<MetricInterval>, Error> {
    let confidence = Confidence::NinetyFive;
    if clusters.are_shared() {
        let estimate = statistics::clustered_estimate(values, clusters, SmallSample::Corrected)?;
        let interval = student(estimate.value, estimate.standard_error, clusters.count());
        return Ok(interval.map(|interval| MetricInterval {
            method: IntervalMethod::ClusteredT,
            clustered_error: estimate.standard_error,
            ..interval
        }));
    }
    if values.iter().all(|&value| value == 0.0 || value == 1.0) {
        let successes = values.iter().filter(|&&value| value == 1.0).count() as u64;
        let ends = statistics::clopper_pearson(successes, values.len() as u64, confidence)?;
        return Ok(Some(MetricInterval { ends, method: IntervalMethod::ClopperPearson, clustered_error: None }));
    }
    let estimate = statistics::mean_estimate(values)?;
    Ok(student(estimate.value, estimate.standard_error, values.len()))
}

fn student(value: f64, standard_error: Option<f64>, units: usize) -> Option<MetricInterval> {
    let ends = statistics::student_interval(value, standard_error?, units, Confidence::NinetyFive).ok()?;
    Some(MetricInterval { ends, method: IntervalMethod::StudentT, clustered_error: None })
}

/// `value exp(-h)` to `value exp(h)`, h half the width of Student's interval of ln(value): by the delta method the error of
/// that is the error of the value over the value.
fn log_student(value: f64, standard_error: Option<f64>, units: usize) -> Option<MetricInterval> {
    let around_zero = student(0.0, Some(standard_error? / value), units)?;
    let ends = Interval { low: value * exp(around_zero.ends.low), high: value * exp(around_zero.ends.high) };
    let is_sound = ends.low.is_finite() && ends.high.is_finite();
    is_sound.then_some(MetricInterval { ends, method: IntervalMethod::LogStudentT, ..around_zero })
}

/// Resamples clusters of documents and computes the metrics `corpus` anew.
fn bootstrap(
    metrics: &mut [ReportedMetric],
    corpus: &[usize],
    task: &dyn Task,
    samples: &[(usize, &Sample)],
    clusters: &Clusters,
    seed: u64,
) {
    let members = clusters.members();
    let mut resampled = |drawn: &[usize]| -> Result<Vec<f64>, Error> {
        let items = drawn.iter().flat_map(|&unit| &members[unit]).map(|&item| samples[item]);
        let found: Vec<MetricValue> = task.aggregate(&items.collect::<Vec<_>>())?;
        Ok(corpus.iter().filter_map(|&index| found.get(index)).map(|metric| metric.value).collect())
    };
    // A metric may be undefined in a resample, for example without an item of some kind: then it has no interval.
    let Ok(found) = statistics::bootstrap(clusters.count(), CORPUS_RESAMPLES, seed, &mut resampled) else {
        return;
    };
    for (&index, found) in corpus.iter().zip(found) {
        let Ok(found) = found else { continue };
        let metric = &mut metrics[index];
        metric.standard_error = metric.standard_error.or(Some(found.standard_error));
        let method = if clusters.are_shared() { IntervalMethod::ClusteredBootstrap } else { IntervalMethod::Bootstrap };
        metric.interval = Some(MetricInterval { ends: found.interval, method, clustered_error: None });
    }
}
