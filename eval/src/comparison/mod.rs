//! Two variants on the same documents: what changed, how sure that is, and what could have been found.
//!
//! Everything is made from sample logs, so that recipes of one run and recipes of two runs are compared by one code.

mod fidelity;
mod observation;
mod paired;
mod saved;
mod tokens;

pub use fidelity::{Divergence, Fidelity, Flips, SHIFTS};
pub use observation::Observation;
pub use paired::{CORPUS_RESAMPLES, CorpusStatistic, Paired, RESAMPLES, paired};
pub use saved::{SavedRecipe, SavedRun, compare};
pub use tokens::TokenDivergence;

use crate::error::Error;
use crate::statistics::{self, Interval};
use crate::task::PairedTest;

/// How a task's result under one recipe differs from the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Full id of the task or group.
    pub task: String,
    /// Whether it was asked for by name, not only as a member of a group.
    pub requested: bool,
    /// Recipe.
    pub recipe: String,
    /// Recipe it is compared with.
    pub baseline: String,
    /// Main metric of the task, with its filter where it has one.
    pub metric: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Its value under the baseline.
    pub baseline_value: f64,
    /// Its value under the recipe.
    pub value: f64,
    /// 95 % interval of value minus baseline's value, where it follows from the documents' scores.
    pub interval: Option<Interval>,
    /// What is compared document by document.
    pub score: String,
    /// What the documents say.
    pub paired: Paired,
    /// The p-value after Holm's correction ([`correct`]).
    pub p_corrected: Option<f64>,
    /// How far next-token distributions lie from the baseline's, where that was measured.
    pub tokens: Option<TokenDivergence>,
    /// How it compares with what rounding alone does.
    pub noise: Option<Noise>,
}

/// What the baseline with its inputs rounded to bfloat16 loses, and whether a recipe's difference is larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Value minus baseline's value under rounding.
    pub difference: f64,
    /// Mean divergence of choices from the baseline under rounding, in nats, where there are choices.
    pub divergence: Option<f64>,
    /// Whether all that was measured, of next-token distributions too, is at least as large as the recipe's.
    pub covers: bool,
}

impl Difference {
    /// Value minus baseline's value.
    pub fn change(&self) -> f64 {
        self.value - self.baseline_value
    }

    /// How much worse it is than the baseline; negative where it is better.
    pub fn drop(&self) -> f64 {
        if self.higher_is_better { -self.change() } else { self.change() }
    }

    /// The most that it may be worse: the bad end of the interval of the difference.
    pub fn largest_drop(&self) -> Option<f64> {
        self.interval.map(|interval| if self.higher_is_better { -interval.low } else { interval.high })
    }

    /// Whether the difference is significant at 5 % after correction.
    pub fn is_significant(&self) -> bool {
        self.p_corrected.is_some_and(|p| p < 0.05)
    }

    /// Name of the test.
    pub fn test_name(&self) -> &'static str {
        match (self.paired.test, self.paired.clusters) {
            (PairedTest::Permutation, Some(_)) => "permutation of signs, by cluster",
            (PairedTest::Bootstrap, Some(_)) => "bootstrap, paired, by cluster",
            (test, _) => test.name(),
        }
    }

    /// Mean divergence of choices from the baseline.
    fn divergence(&self) -> Option<f64> {
        Some(self.paired.fidelity.as_ref()?.divergence.as_ref()?.from_baseline)
    }

    /// Compares it with the same task under rounding.
    pub fn judge(&mut self, rounded: &Difference) {
        let divergence = rounded.divergence();
        let tokens = |difference: &Difference| difference.tokens.as_ref().map(|tokens| tokens.from_baseline);
        let is_near = |found: Option<f64>, noise: Option<f64>| match (found, noise) {
            (Some(found), Some(noise)) => found <= noise,
            _ => true,
        };
        let covers = self.change().abs() <= rounded.change().abs()
            && is_near(self.divergence(), divergence)
            && is_near(tokens(self), tokens(rounded));
        self.noise = Some(Noise { difference: rounded.change(), divergence, covers });
    }
}

/// One side of a comparison: a task under a recipe, with its main metric.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Recipe.
    pub recipe: &'a str,
    /// Value of the metric.
    pub value: f64,
    /// By document, what it says.
    pub documents: &'a [Option<Observation>],
}

/// What both sides of a comparison have.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// Full id of the task or group.
    pub task: &'a str,
    /// Whether it was asked for by name.
    pub requested: bool,
    /// Main metric.
    pub metric: &'a str,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// What is compared document by document.
    pub score: &'a str,
    /// By which test.
    pub test: PairedTest,
    /// Seed of what is drawn.
    pub seed: u64,
}

impl Compared<'_> {
    /// The difference of `variant` from `baseline`; `None` where no document was scored by both.
    ///
    /// # Errors
    /// Scores that cannot be compared.
    pub fn difference(
        &self,
        baseline: Side<'_>,
        variant: Side<'_>,
        corpus: Option<CorpusStatistic<'_>>,
    ) -> Result<Option<Difference>, Error> {
        let (before, after) = (baseline.documents, variant.documents);
        let Some(paired) = paired(before, after, self.test, self.seed, corpus)? else { return Ok(None) };
        let interval = match (paired.test, paired.interval) {
            (PairedTest::Bootstrap, interval) => interval,
            (_, Some(scores)) => {
                metric_interval((baseline.value, variant.value), paired::mean_scores(before, after)?, scores)
            }
            (_, None) => None,
        };
        Ok(Some(Difference {
            task: self.task.to_string(),
            requested: self.requested,
            recipe: variant.recipe.to_string(),
            baseline: baseline.recipe.to_string(),
            metric: self.metric.to_string(),
            higher_is_better: self.higher_is_better,
            baseline_value: baseline.value,
            value: variant.value,
            interval,
            score: self.score.to_string(),
            paired,
            p_corrected: None,
            tokens: None,
            noise: None,
        }))
    }
}

/// The interval of the difference of a metric, from that of the mean difference of scores: the same where the metric is
/// the mean score, and through the exponential where it is the exponential of that.
///
/// `before` and `after` are mean scores. A perplexity's interval holds the baseline's perplexity fixed:
/// `b (exp(low) - 1)` to `b (exp(high) - 1)`.
pub fn metric_interval(
    (baseline_value, value): (f64, f64),
    (before, after): (f64, f64),
    scores: Interval,
) -> Option<Interval> {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    if near(baseline_value, before) && near(value, after) {
        return Some(scores);
    }
    let exp = kernels::math::exp;
    let grown = |difference: f64| baseline_value * (exp(difference) - 1.0);
    let is_exponential = near(baseline_value, exp(before)) && near(value, exp(after));
    is_exponential.then(|| Interval { low: grown(scores.low), high: grown(scores.high) })
}

/// Corrects p-values by Holm, recipe by recipe: over the tasks that were asked for, and apart from these over the members
/// of groups.
pub fn correct(differences: &mut [Difference]) {
    let mut families: Vec<(String, bool)> = Vec::new();
    for difference in differences.iter() {
        let family = (difference.recipe.clone(), difference.requested);
        if !families.contains(&family) {
            families.push(family);
        }
    }
    for (recipe, requested) in families {
        let members: Vec<&mut Difference> = (differences.iter_mut())
            .filter(|it| it.recipe == recipe && it.requested == requested && it.paired.p_value.is_some())
            .collect();
        let p_values: Vec<f64> = members.iter().filter_map(|difference| difference.paired.p_value).collect();
        for (difference, corrected) in members.into_iter().zip(statistics::holm(&p_values)) {
            difference.p_corrected = Some(corrected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(recipe: &str, requested: bool, value: f64, p_value: f64) -> Difference {
        let paired = Paired {
            documents: 10,
            mean_difference: 0.0,
            standard_error: None,
            interval: None,
            clusters: None,
            test: PairedTest::StudentT,
            p_value: Some(p_value),
            discordant: None,
            detectable: None,
            fidelity: None,
        };
        Difference {
            task: "t".into(),
            requested,
            recipe: recipe.into(),
            baseline: "none".into(),
            metric: "acc".into(),
            higher_is_better: true,
            baseline_value: 0.5,
            value,
            interval: Some(Interval { low: -0.2, high: 0.1 }),
            score: "acc".into(),
            paired,
            p_corrected: None,
            tokens: None,
            noise: None,
        }
    }

    #[test]
    fn families_are_corrected_apart() {
        let mut found = [
            difference("a", true, 0.4, 0.02),
            difference("a", true, 0.4, 0.04),
            difference("a", false, 0.4, 0.04),
            difference("b", true, 0.4, 0.04),
        ];
        correct(&mut found);
        let corrected: Vec<_> = found.iter().filter_map(|difference| difference.p_corrected).collect();
        assert_eq!(corrected, [0.04, 0.04, 0.04, 0.04]);
        let mut found = [difference("a", true, 0.4, 0.04), difference("a", true, 0.4, 0.04)];
        correct(&mut found);
        assert!(!found[0].is_significant() && found[0].p_corrected == Some(0.08));
    }

    #[test]
    fn drops_are_for_the_worse() {
        let mut it = difference("a", true, 0.4, 0.04);
        assert!((it.drop() - 0.1).abs() < 1e-15);
        assert_eq!(it.largest_drop(), Some(0.2));
        it.higher_is_better = false;
        assert!((it.drop() + 0.1).abs() < 1e-15);
        assert_eq!(it.largest_drop(), Some(0.1));
    }

    #[test]
    fn noise_covers_what_is_not_larger() {
        let rounded = difference("none@bf16_noise", true, 0.375, 1.0);
        for (value, covers) in [(0.375, true), (0.625, true), (0.25, false)] {
            let mut it = difference("a", true, value, 1.0);
            it.judge(&rounded);
            assert_eq!(it.noise.map(|noise| noise.covers), Some(covers), "{value}");
        }
    }

    #[test]
    fn intervals_follow_the_metric() {
        let scores = Interval { low: 0.1, high: 0.2 };
        assert_eq!(metric_interval((2.0, 2.15), (2.0, 2.15), scores), Some(scores));
        let exp = kernels::math::exp;
        let found = metric_interval((exp(2.0), exp(2.15)), (2.0, 2.15), scores).unwrap();
        assert!((found.low - exp(2.0) * (exp(0.1) - 1.0)).abs() < 1e-12, "{found:?}");
        assert_eq!(metric_interval((5.0, 6.0), (2.0, 2.15), scores), None);
    }
}
