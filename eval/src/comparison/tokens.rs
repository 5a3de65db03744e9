//! Divergence of next-token distributions over the whole vocabulary.

use super::fidelity::{SHIFTS, percentile};
use crate::task::Sample;
use serde_json::Value;

/// How far next-token distributions lie from the baseline's, at the scored positions of some documents.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenDivergence {
    /// Documents.
    pub documents: usize,
    /// Positions in them.
    pub positions: usize,
    /// Mean over positions of sum p ln(p / q), p of the baseline and q of the variant, in nats.
    pub from_baseline: f64,
    /// Mean of sum q ln(q / p), in nats.
    pub from_variant: f64,
    /// Percentiles [`SHIFTS`] of sum p ln(p / q).
    pub percentiles: [f64; SHIFTS.len()],
    /// Share of positions at which both find the same token likeliest.
    pub agreement: f64,
    /// Percentiles [`SHIFTS`] of q - p for the token that the text has there, where it has one.
    pub shifts: Option<[f64; SHIFTS.len()]>,
}

impl TokenDivergence {
    /// What the journal's samples say; `None` without a position.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let column = |name: &str| -> Vec<f64> {
            let lists = samples.iter().filter_map(|sample| sample.fields.get(name)?.as_array());
            lists.flatten().filter_map(Value::as_f64).collect()
        };
        let mut from_baseline = column("kl_from_baseline");
        let from_variant = column("kl_from_recipe");
        let mut shifts = column("shifts");
        let positions = from_baseline.len();
        if positions == 0 || from_variant.len() != positions {
            return None;
        }
        let same = samples.iter().filter_map(|sample| sample.fields.get("same_best")?.as_array()).flatten();
        let agreed = same.filter(|same| same.as_bool() == Some(true)).count();
        let mean = |values: &[f64]| values.iter().fold(0.0, |sum, value| sum + value) / positions as f64;
        let (mean_from_baseline, mean_from_variant) = (mean(&from_baseline), mean(&from_variant));
        from_baseline.sort_by(f64::total_cmp);
        shifts.sort_by(f64::total_cmp);
        Some(Self {
            documents: samples.len(),
            positions,
            from_baseline: mean_from_baseline,
            from_variant: mean_from_variant,
            percentiles: SHIFTS.map(|percent| percentile(&from_baseline, percent)),
            agreement: agreed as f64 / positions as f64,
            shifts: (!shifts.is_empty()).then(|| SHIFTS.map(|percent| percentile(&shifts, percent))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_all_documents_count_alike() {
        let sample = |kl: Vec<f64>, same: Vec<bool>| {
            let sample = Sample::default().with("kl_from_baseline", kl.clone()).with("kl_from_recipe", kl.clone());
            sample.with("same_best", same).with("shifts", kl)
        };
        let samples = [sample(vec![1.0], vec![true]), sample(vec![2.0, 6.0], vec![false, true])];
        let found = TokenDivergence::of(&samples).unwrap();
        assert_eq!((found.documents, found.positions, found.from_baseline), (2, 3, 3.0));
        assert_eq!((found.percentiles[0], found.percentiles[3], found.percentiles[6]), (1.0, 2.0, 6.0));
        assert!((found.agreement - 2.0 / 3.0).abs() < 1e-15 && found.shifts == Some(found.percentiles));
        assert_eq!(TokenDivergence::of(&[]), None);
    }
}
