//! What a recipe costs: differences from the baseline, task by task.

use super::noise;
use super::results::{TaskResult, Variant, record};
use crate::comparison::{Compared, Difference, Side, correct};
use crate::error::Error;
use crate::journal::{Journal, Record};
use crate::task::{PairedTest, Sample, Suite, Task};

/// The differences of every variant but the baseline, task by task.
///
/// # Errors
/// Scores that cannot be compared, documents that the journal does not hold.
pub fn differences(
    variants: &[Variant],
    baseline: usize,
    suite: &Suite<'_>,
    journal: &mut Journal,
    seed: u64,
) -> Result<Vec<Difference>, Error> {
    let Some(reference) = variants.get(baseline) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for variant in variants.iter().filter(|variant| variant.recipe != reference.recipe) {
        for result in &variant.results {
            if let Some(other) = reference.result(&result.id) {
                let pair = Pair { reference, variant, other, result };
                found.extend(pair.difference(suite, journal, seed)?);
            }
        }
    }
    noise::judge(&mut found);
    correct(&mut found);
    Ok(found)
}

/// A task under the baseline and under another recipe.
struct Pair<'a> {
    reference: &'a Variant,
    variant: &'a Variant,
    /// Under the baseline.
    other: &'a TaskResult,
    /// Under the other recipe.
    result: &'a TaskResult,
}

impl Pair<'_> {
    fn difference(&self, suite: &Suite<'_>, journal: &mut Journal, seed: u64) -> Result<Option<Difference>, Error> {
        // A group is compared as its members are.
        let group = suite.groups().iter().find(|group| group.id == self.result.id);
        let index = match group {
            Some(group) => group.members.first().copied(),
            None => suite.position(&self.result.id),
        };
        let Some(task) = index.and_then(|index| suite.tasks().get(index)) else { return Ok(None) };
        let (Some(metric), Some(base)) = (self.result.metrics.first(), self.other.metrics.first()) else {
            return Ok(None);
        };
        let (Some(value), Some(baseline_value)) = (metric.value, base.value) else { return Ok(None) };
        let (label, comparison) = (metric.label(), task.comparison());
        let compared = Compared {
            task: &self.result.id,
            requested: self.result.requested,
            metric: &label,
            higher_is_better: metric.higher_is_better,
            score: comparison.score,
            test: comparison.test,
            seed,
        };
        let baseline = Side { recipe: &self.reference.recipe, value: baseline_value, documents: &self.other.documents };
        let variant = Side { recipe: &self.variant.recipe, value, documents: &self.result.documents };
        if comparison.test != PairedTest::Bootstrap || group.is_some() {
            return compared.difference(baseline, variant, None);
        }
        let before = samples(task.as_ref(), &self.reference.key, journal)?;
        let after = samples(task.as_ref(), &self.variant.key, journal)?;
        let mut corpus = |documents: &[usize]| {
            Ok(main_value(task.as_ref(), &after, documents)? - main_value(task.as_ref(), &before, documents)?)
        };
        compared.difference(baseline, variant, Some(&mut corpus))
    }
}

/// The samples of a task by document.
fn samples(task: &dyn Task, key: &str, journal: &mut Journal) -> Result<Vec<Option<Sample>>, Error> {
    let mut samples = Vec::with_capacity(task.document_count());
    for document in 0..task.document_count() {
        samples.push(match record(journal, key, task.id(), document)? {
            Record::Scored(sample) => Some(sample),
            Record::Failed(_) | Record::Skipped(_) => None,
        });
    }
    Ok(samples)
}

/// The main metric over `documents`.
fn main_value(task: &dyn Task, samples: &[Option<Sample>], documents: &[usize]) -> Result<f64, Error> {
    let drawn = documents.iter().filter_map(|&document| Some((document, samples.get(document)?.as_ref()?)));
    let metrics = task.aggregate(&drawn.collect::<Vec<_>>())?;
    metrics.first().map(|metric| metric.value).ok_or_else(|| Error::Mismatch {
        task: task.id().to_string(),
        document: 0,
        what: "the task has no metric".into(),
    })
}
