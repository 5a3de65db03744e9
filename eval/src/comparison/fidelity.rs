//! How faithfully a variant answers as the baseline does, whatever is right.
//!
//! A score can stay the same while answers change: as many are lost as are gained. So answers are compared with each
//! other, and where there are choices, the probabilities behind them: of choice i with log-likelihood l_i,
//! `p_i = exp(l_i) / sum_j exp(l_j)`.

use super::Observation;
use kernels::math::{exp, ln};

/// How two models answer the same documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    /// Documents that both answered.
    pub documents: usize,
    /// Share of them on which the answers are the same.
    pub agreement: f64,
    /// What became of the answers, where each is right or wrong.
    pub flips: Option<Flips>,
    /// How far the probabilities of choices lie apart, where there are choices.
    pub divergence: Option<Divergence>,
}

/// What became of answers, from baseline to variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Right before, wrong now.
    pub lost: usize,
    /// Wrong before, right now.
    pub gained: usize,
    /// Wrong before, and wrong now with another answer.
    pub other_wrong: usize,
    /// As right or wrong as before, with the same answer if that was wrong.
    pub unchanged: usize,
}

/// How far the probabilities of choices lie apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// Documents with choices.
    pub documents: usize,
    /// Mean of sum_i p_i ln(p_i / q_i), p of the baseline and q of the variant, in nats.
    pub from_baseline: f64,
    /// Mean of sum_i q_i ln(q_i / p_i), in nats.
    pub from_variant: f64,
    /// Percentiles [`SHIFTS`] of q_i - p_i for the baseline's likeliest choice i.
    pub shifts: [f64; SHIFTS.len()],
}

/// The percentiles of shifts of probability.
pub const SHIFTS: [usize; 7] = [0, 5, 25, 50, 75, 95, 100];

/// Compares answers; `None` where no document was answered by both.
pub fn fidelity(pairs: &[(&Observation, &Observation)]) -> Option<Fidelity> {
    let answered: Vec<_> =
        pairs.iter().filter(|(before, after)| before.answer.is_some() && after.answer.is_some()).collect();
    if answered.is_empty() {
        return None;
    }
    let same = answered.iter().filter(|(before, after)| before.answer == after.answer).count();
    let mut flips = Some(Flips::default());
    for (before, after) in &answered {
        flips = match (flips, right(before), right(after)) {
            (Some(flips), Some(was), Some(is)) => Some(flips.with(was, is, before.answer == after.answer)),
            _ => None,
        };
    }
    Some(Fidelity {
        documents: answered.len(),
        agreement: same as f64 / answered.len() as f64,
        flips,
        divergence: divergence(pairs),
    })
}

fn right(observation: &Observation) -> Option<bool> {
    match observation.score {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    }
}

impl Flips {
    fn with(mut self, was_right: bool, is_right: bool, is_same: bool) -> Self {
        let class = match (was_right, is_right) {
            (true, false) => &mut self.lost,
            (false, true) => &mut self.gained,
            (false, false) if !is_same => &mut self.other_wrong,
            _ => &mut self.unchanged,
        };
        *class += 1;
        self
    }
}

fn divergence(pairs: &[(&Observation, &Observation)]) -> Option<Divergence> {
    let (mut documents, mut from_baseline, mut from_variant) = (0, 0.0, 0.0);
    let mut shifts = Vec::new();
    for (before, after) in pairs {
        if before.choices.is_empty() || before.choices.len() != after.choices.len() {
            continue;
        }
        let (p, q) = (log_shares(&before.choices), log_shares(&after.choices));
        documents += 1;
        from_baseline += relative_entropy(&p, &q);
        from_variant += relative_entropy(&q, &p);
        let likeliest = (1..p.len()).fold(0, |best, choice| if p[choice] > p[best] { choice } else { best });
        shifts.push(exp(q[likeliest]) - exp(p[likeliest]));
    }
    if documents == 0 {
        return None;
    }
    shifts.sort_by(f64::total_cmp);
    Some(Divergence {
        documents,
        from_baseline: from_baseline / documents as f64,
        from_variant: from_variant / documents as f64,
        shifts: SHIFTS.map(|percent| percentile(&shifts, percent)),
    })
}

/// ln of the shares of choices: l_i - ln(sum_j exp(l_j)), the largest l subtracted before exponentials are taken.
fn log_shares(log_likelihoods: &[f64]) -> Vec<f64> {
    let largest = log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in log_likelihoods {
        sum += exp(value - largest);
    }
    let total = largest + ln(sum);
    log_likelihoods.iter().map(|value| value - total).collect()
}

/// sum_i p_i ln(p_i / q_i), from logarithms; below zero only by rounding.
fn relative_entropy(p: &[f64], q: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (p, q) in p.iter().zip(q) {
        sum += exp(*p) * (p - q);
    }
    sum.max(0.0)
}

/// A percentile of ascending values, between two of them on the line through both, as numpy does by default.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() - 1) * percent;
    let (index, rest) = (place / 100, place % 100);
    let low = sorted[index];
    let high = sorted[(index + 1).min(sorted.len() - 1)];
    low + (high - low) * (rest as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(score: f64, answer: &str, choices: &[f64]) -> Observation {
        let answer = Some(answer.into());
        Observation { prompt_hash: String::new(), score, cluster: None, choices: choices.to_vec(), answer }
    }

    #[test]
    fn flips_have_four_classes() {
        let cases = [
            ((1.0, "a"), (0.0, "b")),
            ((0.0, "b"), (1.0, "a")),
            ((0.0, "b"), (0.0, "c")),
            ((0.0, "b"), (0.0, "b")),
            ((1.0, "a"), (1.0, "a")),
        ];
        let of = |(score, answer): (f64, &str)| observation(score, answer, &[]);
        let pairs: Vec<_> = cases.iter().map(|&(before, after)| (of(before), of(after))).collect();
        let pairs: Vec<_> = pairs.iter().map(|(before, after)| (before, after)).collect();
        let found = fidelity(&pairs).unwrap();
        assert_eq!(found.flips, Some(Flips { lost: 1, gained: 1, other_wrong: 1, unchanged: 2 }));
        assert_eq!((found.documents, found.agreement, found.divergence), (5, 0.4, None));
        let halves = observation(0.5, "a", &[]);
        assert_eq!(fidelity(&[(&halves, &halves)]).unwrap().flips, None);
        let silent = Observation { answer: None, ..halves };
        assert_eq!(fidelity(&[(&silent, &silent)]), None);
    }

    #[test]
    fn divergences_equal_scipy() {
        // scipy.special.softmax and scipy.stats.entropy(p, q), entropy(q, p); shifts by hand.
        let (p, q) = ([-1.0, -2.0, -4.0], [-1.5, -1.25, -5.0]);
        let (before, after) = (observation(1.0, "a", &p), observation(1.0, "a", &q));
        let far = p.map(|value| value - 3000.0);
        let shifted = observation(1.0, "a", &far);
        let found = fidelity(&[(&before, &after), (&before, &shifted)]).unwrap().divergence.unwrap();
        assert_eq!(found.documents, 2);
        assert!((2.0 * found.from_baseline - FROM_BASELINE).abs() < 1e-12, "{found:?}");
        assert!((2.0 * found.from_variant - FROM_VARIANT).abs() < 1e-12, "{found:?}");
        assert!((found.shifts[0] - SHIFT).abs() < 1e-12 && found.shifts[6].abs() < 1e-12, "{found:?}");
        assert!((found.shifts[3] - SHIFT / 2.0).abs() < 1e-12, "{found:?}");
    }

    const FROM_BASELINE: f64 = 0.18325062895933378;
    const FROM_VARIANT: f64 = 0.1969651066300876;
    const SHIFT: f64 = -0.2732740002823918;

    #[test]
    fn percentiles_equal_numpy() {
        let sorted = [1.0, 1.5, 2.6, 3.0, 4.0, 9.0];
        let found = [0, 5, 50, 95, 100].map(|percent| percentile(&sorted, percent));
        for (found, expected) in found.iter().zip([1.0, 1.125, 2.8, 7.75, 9.0]) {
            assert!((found - expected).abs() < 1e-14, "{found}, {expected}");
        }
        assert_eq!(percentile(&[7.0], 95), 7.0);
    }
}
