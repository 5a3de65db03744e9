//! FollowBench: are all constraints of an instruction satisfied, when one more is added at each of five levels
//! (Jiang et al. 2024)?
//!
//! An item is judged by a [rule](rules) or by a [judge](judge) who reads the instruction's history. Of n items at level
//! l, of which item i satisfies `s_i` of its l constraints:
//!
//! * hard satisfaction rate: `HSR_l = 1/n sum_i [s_i = l]`;
//! * soft satisfaction rate: `SSR_l = 1/n sum_i s_i / l`; a rule knows only all or nothing, which enters both;
//! * consistent satisfaction levels: `CSL`, the mean over examples of the number of levels satisfied one after the other
//!   from the first (0 to 5); the authors print it rounded to one decimal;
//! * over the levels: `HSR = (HSR_1 + 2 HSR_2 + 3 HSR_3 + 4 HSR_4 + 5 HSR_5) / 15`, and SSR likewise; also their plain
//!   means, as Jin et al. 2024 (figure 4) have them.
//!
//! Rates are from 0 to 1 here, in percent there. Source: YJiangcm/FollowBench, `code/gpt4_based_evaluation.py`,
//! `code/rule_based_evaluation.py`, `aggregator.py`, and `code_zh` for the Chinese items.

pub mod format;
pub mod judge;
pub mod literal;
pub mod rules;
mod sentences;

use super::{Direction, Metric};
use crate::statistics::{self, Estimate};
pub use datasets::followbench::Language;
use std::collections::BTreeMap;

/// Levels of an example.
pub const LEVELS: usize = 5;

/// How far an item satisfies its instruction: values of one item, or `None` where nobody has judged it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// Number of the example that it is a level of.
    pub example: usize,
    /// 1 to 5.
    pub level: usize,
    /// Whether all constraints are satisfied (0 or 1) and the share of them that is.
    pub satisfied: Option<(f64, f64)>,
}

const fn rate(key: &'static str, summary: &'static str, formula: &'static str) -> Metric {
    Metric {
        key,
        summary,
        formula,
        direction: Direction::HigherIsBetter,
        source: "YJiangcm/FollowBench, code/gpt4_based_evaluation.py and aggregator.py",
    }
}

const HARD: &str = "share of items at one level that satisfy all their constraints";
const HARD_FORMULA: &str = "1/n sum_i [s_i = l], s_i = satisfied constraints of item i at level l";
const SOFT: &str = "mean share of satisfied constraints at one level";
const SOFT_FORMULA: &str = "1/n sum_i s_i / l";

/// Hard satisfaction rate over the levels.
pub static HSR: Metric = rate("hsr", "hard satisfaction rate, level l weighing l", "(1 HSR_1 + ... + 5 HSR_5) / 15");
/// Soft satisfaction rate over the levels.
pub static SSR: Metric = rate("ssr", "soft satisfaction rate, level l weighing l", "(1 SSR_1 + ... + 5 SSR_5) / 15");
/// Mean hard satisfaction rate.
pub static HSR_MEAN: Metric = rate("hsr_mean", "hard satisfaction rate, mean over the levels", "(HSR_1 + ... + HSR_5) / 5");
/// Mean soft satisfaction rate.
pub static SSR_MEAN: Metric = rate("ssr_mean", "soft satisfaction rate, mean over the levels", "(SSR_1 + ... + SSR_5) / 5");
/// Consistent satisfaction levels.
pub static CSL: Metric =
    rate("csl", "levels satisfied one after the other from the first", "mean over examples of max{l: s_k = k for k <= l}");
/// Hard satisfaction rates, by level.
pub static HSR_BY_LEVEL: [Metric; LEVELS] = [
    rate("hsr_l1", HARD, HARD_FORMULA),
    rate("hsr_l2", HARD, HARD_FORMULA),
    rate("hsr_l3", HARD, HARD_FORMULA),
    rate("hsr_l4", HARD, HARD_FORMULA),
    rate("hsr_l5", HARD, HARD_FORMULA),
];
/// Soft satisfaction rates, by level.
pub static SSR_BY_LEVEL: [Metric; LEVELS] = [
    rate("ssr_l1", SOFT, SOFT_FORMULA),
    rate("ssr_l2", SOFT, SOFT_FORMULA),
    rate("ssr_l3", SOFT, SOFT_FORMULA),
    rate("ssr_l4", SOFT, SOFT_FORMULA),
    rate("ssr_l5", SOFT, SOFT_FORMULA),
];
pub(super) const METRICS: &[&Metric] = &[
    &HSR,
    &SSR,
    &CSL,
    &HSR_MEAN,
    &SSR_MEAN,
    &HSR_BY_LEVEL[0],
    &HSR_BY_LEVEL[1],
    &HSR_BY_LEVEL[2],
    &HSR_BY_LEVEL[3],
    &HSR_BY_LEVEL[4],
    &SSR_BY_LEVEL[0],
    &SSR_BY_LEVEL[1],
    &SSR_BY_LEVEL[2],
    &SSR_BY_LEVEL[3],
    &SSR_BY_LEVEL[4],
];

/// Their keys, in the order of [`summary`].
pub const KEYS: &[&str] = &[
    "hsr", "ssr", "csl", "hsr_mean", "ssr_mean", "hsr_l1", "hsr_l2", "hsr_l3", "hsr_l4", "hsr_l5", "ssr_l1", "ssr_l2",
    "ssr_l3", "ssr_l4", "ssr_l5",
];

/// Every metric of items, in the order of [`KEYS`]; not a number where nothing is known.
pub fn summary(items: &[Item]) -> Vec<(&'static Metric, Estimate)> {
    let mut found = vec![
        (&HSR, over_levels(items, Rate::Hard, Weight::Level)),
        (&SSR, over_levels(items, Rate::Soft, Weight::Level)),
        (&CSL, consistent_levels(items)),
        (&HSR_MEAN, over_levels(items, Rate::Hard, Weight::One)),
        (&SSR_MEAN, over_levels(items, Rate::Soft, Weight::One)),
    ];
    for (metrics, rate) in [(&HSR_BY_LEVEL, Rate::Hard), (&SSR_BY_LEVEL, Rate::Soft)] {
        found.extend(metrics.iter().zip(1..).map(|(metric, level)| (metric, at_level(items, rate, level))));
    }
    found
}

/// What a level weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Its number.
    Level,
    /// The same as any other.
    One,
}

impl Weight {
    fn of(self, level: usize) -> f64 {
        match self {
            Weight::Level => level as f64,
            Weight::One => 1.0,
        }
    }
}

/// One of the two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// HSR.
    Hard,
    /// SSR.
    Soft,
}

impl Rate {
    fn of(self, (hard, soft): (f64, f64)) -> f64 {
        match self {
            Rate::Hard => hard,
            Rate::Soft => soft,
        }
    }
}

/// The number of nothing: results show it as absent.
const NOTHING: Estimate = Estimate { value: f64::NAN, standard_error: None, items: 0 };

/// The rate at one level, over the items whose satisfaction is known.
pub fn at_level(items: &[Item], rate: Rate, level: usize) -> Estimate {
    let of_level = items.iter().filter(|item| item.level == level);
    let known: Vec<f64> = of_level.filter_map(|item| Some(rate.of(item.satisfied?))).collect();
    statistics::mean_estimate(&known).unwrap_or(NOTHING)
}

/// The rate over the levels. Its standard error is that of a mean over examples, and there is one if all levels of all
/// examples are known.
pub fn over_levels(items: &[Item], rate: Rate, weight: Weight) -> Estimate {
    let (mut sum, mut weights) = (0.0, 0.0);
    for level in 1..=LEVELS {
        sum += weight.of(level) * at_level(items, rate, level).value;
        weights += weight.of(level);
    }
    let value = sum / weights;
    let known = items.iter().filter(|item| item.satisfied.is_some()).count();
    let unsure = Estimate { value, standard_error: None, items: known };
    let examples = by_example(items);
    let mut scores = Vec::with_capacity(examples.len());
    for levels in examples.values() {
        let Some(levels) = complete(levels) else { return unsure };
        let weighted = levels.iter().zip(1..).fold(0.0, |sum, (known, level)| sum + weight.of(level) * rate.of(*known));
        scores.push(weighted / weights);
    }
    let standard_error = statistics::mean_estimate(&scores).ok().and_then(|mean| mean.standard_error);
    Estimate { standard_error, ..unsure }
}

/// Consistent satisfaction levels, over the examples of which all levels are known.
pub fn consistent_levels(items: &[Item]) -> Estimate {
    let examples = by_example(items);
    let complete = examples.values().filter_map(complete);
    let counts: Vec<f64> =
        complete.map(|levels| levels.iter().take_while(|(hard, _)| *hard == 1.0).count() as f64).collect();
    statistics::mean_estimate(&counts).unwrap_or(NOTHING)
}

/// What is known of each level.
type Levels = [Option<(f64, f64)>; LEVELS];

fn by_example(items: &[Item]) -> BTreeMap<usize, Levels> {
    let mut examples: BTreeMap<usize, Levels> = BTreeMap::new();
    for item in items {
        if let Some(level) = examples.entry(item.example).or_default().get_mut(item.level.wrapping_sub(1)) {
            *level = item.satisfied;
        }
    }
    examples
}

fn complete(levels: &Levels) -> Option<Vec<(f64, f64)>> {
    levels.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(example: usize, level: usize, satisfied: Option<(f64, f64)>) -> Item {
        Item { example, level, satisfied }
    }

    /// Two examples: one that fails from level 3 on but for level 5, one that fails level 1 alone.
    fn known() -> Vec<Item> {
        let (yes, no) = (Some((1.0, 1.0)), Some((0.0, 0.0)));
        let first = [yes, yes, Some((0.0, 2.0 / 3.0)), Some((0.0, 0.5)), yes];
        let second = [no, yes, yes, yes, yes];
        let of = |example: usize, levels: [Option<(f64, f64)>; LEVELS]| {
            levels.into_iter().enumerate().map(move |(index, satisfied)| item(example, index + 1, satisfied))
        };
        of(0, first).chain(of(1, second)).collect()
    }

    #[test]
    fn rates_weigh_the_levels() {
        let items = known();
        assert_eq!(at_level(&items, Rate::Hard, 3).value, 0.5);
        assert_eq!(at_level(&items, Rate::Soft, 4).value, 0.75);
        // (1 * 0.5 + 2 * 1 + 3 * 0.5 + 4 * 0.5 + 5 * 1) / 15
        assert!((over_levels(&items, Rate::Hard, Weight::Level).value - 11.0 / 15.0).abs() < 1e-15);
        assert!((over_levels(&items, Rate::Soft, Weight::Level).value - (0.5 + 2.0 + 2.5 + 3.0 + 5.0) / 15.0).abs() < 1e-15);
        // Examples score 8/15 and 14/15: their standard error is half their difference.
        assert!((over_levels(&items, Rate::Hard, Weight::Level).standard_error.unwrap() - 0.2).abs() < 1e-15);
    }

    #[test]
    fn a_summary_has_every_metric() {
        let summary = summary(&known());
        let keys: Vec<&str> = summary.iter().map(|(metric, _)| metric.key).collect();
        assert_eq!(keys, KEYS);
        let value = |key: &str| summary.iter().find(|(metric, _)| metric.key == key).unwrap().1.value;
        // Levels 1 to 5: 0.5, 1, 0.5, 0.5, 1.
        assert_eq!((value("hsr_mean"), value("hsr_l2"), value("ssr_l4"), value("csl")), (0.7, 1.0, 0.75, 1.0));
    }

    #[test]
    fn levels_count_from_the_first() {
        assert_eq!(consistent_levels(&known()).value, 1.0);
        let all: Vec<Item> = (1..=LEVELS).map(|level| item(7, level, Some((1.0, 1.0)))).collect();
        assert_eq!(consistent_levels(&all).value, 5.0);
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut items = known();
        items[4].satisfied = None;
        assert_eq!(at_level(&items, Rate::Hard, 5).value, 1.0);
        assert_eq!(consistent_levels(&items).value, 0.0);
        assert_eq!(over_levels(&items, Rate::Hard, Weight::Level).standard_error, None);
        items.retain(|item| item.level != 5);
        assert!(at_level(&items, Rate::Hard, 5).value.is_nan());
        assert!(over_levels(&items, Rate::Hard, Weight::Level).value.is_nan());
        assert!(consistent_levels(&items).value.is_nan());
    }
}
