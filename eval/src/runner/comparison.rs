//! What a recipe costs: differences from the baseline, task by task.

use super::results::{TaskResult, Variant, record};
use super::{divergence, noise};
use crate::comparison::{Compared, Difference, Side, correct};
use crate::error::Error;
use crate::journal::{Journal, Record};
use crate::task::{PairedTest, Sample, Suite, Task};

/// What a comparison depends on beside the journal.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Seed of what is drawn.
    pub seed: u64,
    /// Documents of each task whose next-token distributions were compared.
    pub kl_documents: usize,
}

/// The differences of every variant but the baseline, task by task.
///
/// # Errors
/// Scores that cannot be compared, documents that the journal does not hold.
pub fn differences(
    variants: &[Variant],
    baseline: usize,
    suite: &Suite<'_>,
    journal: &mut Journal,
    settings: Settings,
) -> Result<Vec<Difference>, Error> {
    let Some(reference) = variants.get(baseline) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for variant in variants.iter().filter(|variant| variant.recipe != reference.recipe) {
        for result in &variant.results {
            if let Some(other) = reference.result(&result.id) {
                let pair = Pair { reference, variant, other, result };
                found.extend(pair.difference(suite, journal, settings)?);
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
    fn difference(
        &self,
        suite: &Suite<'_>,
        journal: &mut Journal,
        settings: Settings,
    ) -> Result<Option<Difference>, Error> {
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
            seed: settings.seed,
        };
        let baseline = Side { recipe: &self.reference.recipe, value: baseline_value, documents: &self.other.documents };
        let variant = Side { recipe: &self.variant.recipe, value, documents: &self.result.documents };
        if comparison.test != PairedTest::Bootstrap || group.is_some() {
            let members = group.map_or_else(|| index.into_iter().collect(), |group| group.members.clone());
            return self.with_tokens(compared.difference(baseline, variant, None)?, suite, &members, journal, settings);
        }
        let before = samples(task.as_ref(), &self.reference.key, journal)?;
        let after = samples(task.as_ref(), &self.variant.key, journal)?;
        let mut corpus = |documents: &[usize]| {
            Ok(main_value(task.as_ref(), &after, documents)? - main_value(task.as_ref(), &before, documents)?)
        };
        let found = compared.difference(baseline, variant, Some(&mut corpus))?;
        self.with_tokens(found, suite, &Vec::from_iter(index), journal, settings)
    }

    /// The same with the divergence of next-token distributions on `tasks`.
    fn with_tokens(
        &self,
        found: Option<Difference>,
        suite: &Suite<'_>,
        tasks: &[usize],
        journal: &mut Journal,
        settings: Settings,
    ) -> Result<Option<Difference>, Error> {
        let Some(found) = found else { return Ok(None) };
        let tokens = divergence::read(suite, tasks, settings.kl_documents, &self.variant.key, journal)?;
        Ok(Some(Difference { tokens, ..found }))
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
