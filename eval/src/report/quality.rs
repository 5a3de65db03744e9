//! One number for the quality of a recipe, and how many of its tasks lost.

use super::benchmark::Column;
use super::run::{Run, Variant};
use kernels::math::{exp, ln};

/// A mean with its 95 % interval, where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// The interval.
    pub ends: Option<(f64, f64)>,
}

/// Two-sided 5 % point of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// The mean score in points over the benchmarks among `columns`, perplexities left out; `None` without benchmarks or
/// where one has no value. The interval takes the benchmarks for independent.
pub fn mean_score(columns: &[Column], variant: &Variant) -> Option<Mean> {
    let scores: Vec<_> = columns.iter().filter(|column| column.is_score()).collect();
    if scores.is_empty() {
        return None;
    }
    let (mut sum, mut variance, mut is_known) = (0.0, 0.0, true);
    for column in &scores {
        let score = column.score(variant)?;
        sum += column.scale.points(score.value?);
        let error = score.standard_error.map(|error| column.scale.points(error));
        is_known &= error.is_some();
        variance += error.map_or(0.0, |error| error * error);
    }
    let count = scores.len() as f64;
    let (value, half) = (sum / count, NORMAL * variance.sqrt() / count);
    Some(Mean { value, ends: is_known.then_some((value - half, value + half)) })
}

/// The geometric mean of the perplexities among `columns`.
pub fn mean_perplexity(columns: &[Column], variant: &Variant) -> Option<f64> {
    let mut logarithms = Vec::new();
    for column in columns.iter().filter(|column| column.is_perplexity()) {
        logarithms.push(ln(column.value(variant)?));
    }
    let sum = logarithms.iter().fold(0.0, |sum, value| sum + value);
    (!logarithms.is_empty()).then(|| exp(sum / logarithms.len() as f64))
}

/// The arithmetic mean of them, as the paper has it.
pub fn plain_mean_perplexity(columns: &[Column], variant: &Variant) -> Option<f64> {
    let mut values = Vec::new();
    for column in columns.iter().filter(|column| column.is_perplexity()) {
        values.push(column.value(variant)?);
    }
    let sum = values.iter().fold(0.0, |sum, value| sum + value);
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

/// What is left of the baseline's lead over guessing, averaged over the benchmarks that the baseline masters: its
/// interval lies above chance. 1 is all of it, 0 is guessing.
fn retained(columns: &[Column], baseline: &Variant, variant: &Variant) -> Option<f64> {
    let mut shares = Vec::new();
    for column in columns.iter().filter(|column| column.is_score() && masters(column, baseline)) {
        let chance = column.chance.unwrap_or_default();
        shares.push((column.value(variant)? - chance) / (column.value(baseline)? - chance));
    }
    let sum = shares.iter().fold(0.0, |sum, share| sum + share);
    (!shares.is_empty()).then(|| sum / shares.len() as f64)
}

/// Whether a variant scores more than guessing.
fn masters(column: &Column, variant: &Variant) -> bool {
    let chance = column.chance.unwrap_or_default();
    let score = column.score(variant);
    score.is_some_and(|score| match (&score.interval, score.value) {
        (Some((low, _, _)), Some(value)) => *low > chance && value > chance,
        (None, Some(value)) => value > chance,
        _ => false,
    })
}

/// What the tests say of a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// Tasks with a test.
    pub tests: usize,
    /// Short names of those that are significantly worse.
    pub worse: Vec<String>,
    /// Of those that are significantly better.
    pub better: Vec<String>,
    /// Of benchmarks that the baseline masters and that the recipe cannot tell from guessing.
    pub at_chance: Vec<String>,
    /// Smallest changes that could have been found, in points, of benchmarks.
    pub detectable: Vec<f64>,
    /// What is left of the lead over guessing, 0 to 1.
    pub retained: Option<f64>,
    /// Mean perplexity over the baseline's.
    pub perplexity: Option<f64>,
    /// Benchmarks with a test, and how many of them are significantly worse.
    pub benchmarks: (usize, usize),
}

impl Losses {
    /// Those of a recipe.
    pub fn of(columns: &[Column], run: &Run, variant: &Variant) -> Self {
        let mut losses = Self::default();
        if let Some(baseline) = run.reference() {
            let both = mean_perplexity(columns, variant).zip(mean_perplexity(columns, baseline));
            losses.perplexity = both.map(|(after, before)| after / before);
            losses.retained = retained(columns, baseline, variant);
        }
        for column in columns {
            let Some(task) = column.task(variant) else { continue };
            if let Some(change) = run.change(&variant.recipe, &task.id) {
                losses.tests += usize::from(change.p_corrected.is_some());
                if change.is_worse() {
                    losses.worse.push(column.short.clone());
                } else if change.is_better() {
                    losses.better.push(column.short.clone());
                }
                if column.is_score() {
                    losses.detectable.extend(change.detectable.map(|least| column.scale.points(least)));
                    losses.benchmarks.0 += usize::from(change.p_corrected.is_some());
                    losses.benchmarks.1 += usize::from(change.is_worse());
                }
            }
            let knew = run.reference().is_some_and(|baseline| masters(column, baseline));
            if column.is_score() && column.chance.is_some() && knew && !masters(column, variant) {
                losses.at_chance.push(column.short.clone());
            }
        }
        losses
    }

    /// Whether at least half of the tasks are significantly worse.
    pub fn are_most(&self) -> bool {
        self.tests > 0 && 2 * self.worse.len() >= self.tests
    }

    /// Whether that is so and less than half of the lead over guessing is left; without benchmarks, perplexity has at
    /// least doubled.
    pub fn are_fatal(&self) -> bool {
        let is_gone = match self.retained {
            Some(left) => left < 0.5,
            None => self.perplexity.is_some_and(|ratio| ratio >= 2.0),
        };
        self.are_most() && is_gone
    }

    /// Share of the benchmarks that are significantly worse; of all tasks, where there are no benchmarks.
    pub fn share_worse(&self) -> f64 {
        let (tests, worse) = if self.benchmarks.0 > 0 { self.benchmarks } else { (self.tests, self.worse.len()) };
        worse as f64 / tests.max(1) as f64
    }

    /// The median of what could have been found.
    pub fn median_detectable(&self) -> Option<f64> {
        let mut values = self.detectable.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}
