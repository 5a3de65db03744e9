//! What a recipe costs: differences from the baseline, document by document.

use super::results::{TaskResult, Variant};
use crate::error::Error;
use crate::statistics;
use crate::task::{Comparison, PairedTest, Suite};

/// How a task's result under one recipe differs from the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Full id of the task or group.
    pub task: String,
    /// Recipe.
    pub recipe: String,
    /// Recipe it is compared with.
    pub baseline: String,
    /// Main metric of the task.
    pub metric: &'static str,
    /// Its value under the baseline.
    pub baseline_value: f64,
    /// Its value under the recipe.
    pub value: f64,
    /// What is compared document by document.
    pub score: &'static str,
    /// Mean of this score's differences, recipe minus baseline, over documents that both scored.
    pub mean_difference: f64,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// Number of these documents.
    pub documents: usize,
    /// The test.
    pub test: PairedTest,
    /// Two-sided p-value; `None` where there are too few documents.
    pub p_value: Option<f64>,
}

impl Difference {
    /// Whether the difference is significant at 5 %, as the paper marks it.
    pub fn is_significant(&self) -> bool {
        self.p_value.is_some_and(|p| p < 0.05)
    }
}

/// The differences of every variant but the baseline, task by task.
///
/// # Errors
/// Scores that cannot be compared.
pub fn differences(variants: &[Variant], baseline: usize, suite: &Suite<'_>) -> Result<Vec<Difference>, Error> {
    let Some(reference) = variants.get(baseline) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for variant in variants.iter().filter(|variant| variant.recipe != reference.recipe) {
        for result in &variant.results {
            let (Some(other), Some(comparison)) = (reference.result(&result.id), comparison_of(&result.id, suite))
            else {
                continue;
            };
            let names = (variant.recipe.as_str(), reference.recipe.as_str());
            found.extend(difference(names, result, other, comparison)?);
        }
    }
    Ok(found)
}

/// How a task is compared; a group as its members are.
fn comparison_of(id: &str, suite: &Suite<'_>) -> Option<Comparison> {
    let index = match suite.groups().iter().find(|group| group.id == id) {
        Some(group) => *group.members.first()?,
        None => suite.position(id)?,
    };
    suite.tasks().get(index).map(|task| task.comparison())
}

fn difference(
    (recipe, baseline): (&str, &str),
    result: &TaskResult,
    reference: &TaskResult,
    comparison: Comparison,
) -> Result<Option<Difference>, Error> {
    let (Some(metric), Some(base)) = (result.metrics.first(), reference.metrics.first()) else { return Ok(None) };
    let (Some(value), Some(baseline_value)) = (metric.value, base.value) else { return Ok(None) };
    let pairs = reference.scores.iter().zip(&result.scores).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let (before, after): (Vec<f64>, Vec<f64>) = pairs.unzip();
    if before.is_empty() {
        return Ok(None);
    }
    let paired = statistics::paired_difference(&before, &after)?;
    let p_value = match comparison.test {
        PairedTest::McNemar => {
            let right = |scores: &[f64]| -> Vec<bool> { scores.iter().map(|&score| score == 1.0).collect() };
            let counts = statistics::discordant(&right(&before), &right(&after))?;
            Some(statistics::mcnemar_exact(counts.lost, counts.gained))
        }
        PairedTest::StudentT if before.len() < 2 => None,
        PairedTest::StudentT => Some(statistics::paired_t(&before, &after)?.p),
    };
    Ok(Some(Difference {
        task: result.id.clone(),
        recipe: recipe.to_string(),
        baseline: baseline.to_string(),
        metric: metric.name,
        baseline_value,
        value,
        score: comparison.score,
        mean_difference: paired.mean,
        standard_error: paired.standard_error,
        documents: before.len(),
        test: comparison.test,
        p_value,
    }))
}
