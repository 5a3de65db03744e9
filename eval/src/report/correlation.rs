//! Does perplexity stand for the benchmarks, and does divergence? Pearson's r, pooled and within model.
//!
//! Pooling mixes sizes: a larger model has a lower perplexity and better scores, whatever quantization does. Within
//! model, each model's mean is taken from both sides first. Over recipes of all bits the logarithm of perplexity is
//! taken: at two bits perplexities grow by powers of ten, and one point would be the whole correlation.

use super::benchmark::Column;
use super::quality::{mean_perplexity, plain_mean_perplexity};
use super::run::{Run, Variant};
use kernels::math::ln;

/// Fewest points of a correlation.
const FEWEST: usize = 3;

/// Pearson's r of one benchmark with one measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Correlation {
    /// Points.
    pub points: usize,
    /// Over all of them.
    pub pooled: Option<f64>,
    /// After each model's mean is taken away; none with one model, where it would be the same.
    pub within: Option<f64>,
}

/// A benchmark against perplexity and divergence.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its key and title.
    pub column: Column,
    /// With the mean perplexity of recipes of 4 and 3 bits: the paper's population.
    pub paper: Correlation,
    /// With the logarithm of the perplexities' geometric mean, over all recipes.
    pub perplexity: Correlation,
    /// With the divergence from the baseline, over all recipes but it.
    pub divergence: Correlation,
}

/// One row a benchmark.
pub fn rows(columns: &[Column], runs: &[Run]) -> Vec<Row> {
    let of = |column: &Column| {
        let paper = points(runs, |_, variant| {
            let is_member = variant.bits.is_some_and(|bits| bits == 3 || bits == 4);
            if is_member { Some((plain_mean_perplexity(columns, variant)?, column.value(variant)?)) } else { None }
        });
        let perplexity =
            points(runs, |_, variant| Some((ln(mean_perplexity(columns, variant)?), column.value(variant)?)));
        let divergence = points(runs, |run, variant| Some((divergence(run, variant)?, column.value(variant)?)));
        Row {
            column: column.clone(),
            paper: correlation(&paper),
            perplexity: correlation(&perplexity),
            divergence: correlation(&divergence),
        }
    };
    columns.iter().filter(|column| !column.is_perplexity()).map(of).collect()
}

/// The divergence of a recipe from the baseline: the mean over tasks of that of next-token distributions where it was
/// measured, else of that of choices.
pub fn divergence(run: &Run, variant: &Variant) -> Option<f64> {
    let changes = || run.changes.iter().filter(|change| change.recipe == variant.recipe && is_requested(run, change));
    let mean = |values: Vec<f64>| {
        let sum = values.iter().fold(0.0, |sum, value| sum + value);
        (!values.is_empty()).then(|| sum / values.len() as f64)
    };
    let tokens = mean(changes().filter_map(|change| change.token_kl).map(|(from, _)| from).collect());
    tokens.or_else(|| mean(changes().filter_map(|change| change.choice_kl).map(|(from, _)| from).collect()))
}

fn is_requested(run: &Run, change: &super::run::Change) -> bool {
    let task = run.reference().and_then(|variant| variant.task(&change.task));
    task.is_some_and(|task| task.requested)
}

/// The points of each model.
fn points(runs: &[Run], of: impl Fn(&Run, &Variant) -> Option<(f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let finite = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
    runs.iter().map(|run| run.recipes().filter_map(|variant| of(run, variant)).filter(finite).collect()).collect()
}

/// Pooled and within model.
fn correlation(models: &[Vec<(f64, f64)>]) -> Correlation {
    let pooled: Vec<(f64, f64)> = models.concat();
    let several = models.iter().filter(|points| points.len() > 1).count() > 1;
    let centred: Vec<(f64, f64)> = models.iter().flat_map(|points| centred(points)).collect();
    Correlation {
        points: pooled.len(),
        pooled: pearson(&pooled),
        within: if several { pearson(&centred) } else { None },
    }
}

fn centred(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    points.iter().map(|point| (point.0 - x / count, point.1 - y / count)).collect()
}

/// Pearson's r; none of fewer than three points, or where one side does not vary.
pub fn pearson(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < FEWEST {
        return None;
    }
    let centred = centred(points);
    let sum = |of: fn(&(f64, f64)) -> f64| centred.iter().map(of).fold(0.0, |sum, value| sum + value);
    let (xx, yy, xy) = (sum(|it| it.0 * it.0), sum(|it| it.1 * it.1), sum(|it| it.0 * it.1));
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // x = 1, 2, 3, 4 and y = 2, 1, 4, 3: sums of squares 5 and 5, of products 3.
        let points = [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0)];
        assert!((pearson(&points).unwrap() - 0.6).abs() < 1e-15);
        assert_eq!(pearson(&points[..2]), None);
        assert_eq!(pearson(&[(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]), None);
    }

    #[test]
    fn pooling_mixes_sizes() {
        // Within each model more of x is more of y; the model with more x has less y.
        let models = [vec![(1.0, 10.0), (2.0, 11.0)], vec![(11.0, 0.0), (12.0, 1.0)]];
        let found = correlation(&models);
        assert!(found.pooled.unwrap() < -0.9 && (found.within.unwrap() - 1.0).abs() < 1e-12, "{found:?}");
        assert_eq!(correlation(&models[..1]), Correlation { points: 2, pooled: None, within: None });
    }
}
