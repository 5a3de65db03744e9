//! Larger and quantized against smaller and not, at equal bytes of weights.

use super::benchmark::{Column, shared};
use super::quality::{mean_perplexity, mean_score};
use super::run::{Run, Variant};

/// How much more than the smaller model's bytes still counts as equal.
const EQUAL_BYTES: f64 = 1.05;

/// A larger model's recipe beside a smaller model without quantization.
#[derive(Clone, Debug, PartialEq)]
pub struct EqualBytes {
    /// The larger model, its recipe and its bytes.
    pub larger: (String, String, u64),
    /// The smaller model, its baseline and its bytes.
    pub smaller: (String, String, u64),
    /// Mean scores in points, the larger model's first.
    pub scores: Option<(f64, f64)>,
    /// Mean perplexities likewise.
    pub perplexities: Option<(f64, f64)>,
    /// Short names of benchmarks whose intervals say that the larger one is better, and worse.
    pub better_worse: (Vec<String>, Vec<String>),
}

impl EqualBytes {
    /// Whether the larger one is better: in mean score, else in perplexity.
    pub fn is_larger_better(&self) -> Option<bool> {
        let scores = self.scores.map(|(larger, smaller)| larger > smaller);
        scores.or(self.perplexities.map(|(larger, smaller)| larger < smaller))
    }
}

/// Every pair of models: the best recipe of the larger one that takes no more bytes than the smaller one unquantized.
pub fn equal_bytes(columns: &[Column], runs: &[Run]) -> Vec<EqualBytes> {
    let columns = shared(columns, runs);
    let mut found = Vec::new();
    for smaller in runs {
        let Some(small) = smaller.reference() else { continue };
        for larger in runs {
            let Some(large) = larger.reference() else { continue };
            if large.weight_bytes <= small.weight_bytes {
                continue;
            }
            let fits = |variant: &&Variant| variant.weight_bytes as f64 <= EQUAL_BYTES * small.weight_bytes as f64;
            let score = |variant: &Variant| match mean_score(&columns, variant) {
                Some(mean) => Some(mean.value),
                None => mean_perplexity(&columns, variant).map(|value| -value),
            };
            let fitting = larger.compared().filter(fits).filter_map(|variant| Some((score(variant)?, variant)));
            let Some((_, best)) = fitting.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            let both = |of: &dyn Fn(&Variant) -> Option<f64>| of(best).zip(of(small));
            found.push(EqualBytes {
                larger: (larger.model.clone(), best.recipe.clone(), best.weight_bytes),
                smaller: (smaller.model.clone(), small.recipe.clone(), small.weight_bytes),
                scores: both(&|variant| mean_score(&columns, variant).map(|mean| mean.value)),
                perplexities: both(&|variant| mean_perplexity(&columns, variant)),
                better_worse: better_worse(&columns, best, small),
            });
        }
    }
    found
}

/// Benchmarks in which two variants differ by more than 1.96 standard errors of the difference, taken for independent.
fn better_worse(columns: &[Column], one: &Variant, other: &Variant) -> (Vec<String>, Vec<String>) {
    let mut found = (Vec::new(), Vec::new());
    for column in columns.iter().filter(|column| column.is_score()) {
        let of = |variant: &Variant| {
            let score = column.score(variant)?;
            Some((score.value?, score.standard_error?))
        };
        let (Some((a, error_a)), Some((b, error_b))) = (of(one), of(other)) else { continue };
        let limit = 1.96 * (error_a * error_a + error_b * error_b).sqrt();
        if a - b > limit {
            found.0.push(column.short.clone());
        } else if b - a > limit {
            found.1.push(column.short.clone());
        }
    }
    found
}
