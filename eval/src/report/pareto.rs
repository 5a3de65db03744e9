//! The Pareto front: what nothing else beats in cost and quality at once.

/// A recipe by what it costs and what it is worth: less of the first and more of the second is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Bytes, or seconds a token.
    pub cost: f64,
    /// Mean score.
    pub quality: f64,
}

/// Which of the candidates no other one beats: none costs at most as much and is worth at least as much, and one of
/// both strictly. Of equal ones all are on the front.
pub fn front(candidates: &[Candidate]) -> Vec<bool> {
    let beats = |a: &Candidate, b: &Candidate| {
        a.cost <= b.cost && a.quality >= b.quality && (a.cost < b.cost || a.quality > b.quality)
    };
    candidates.iter().map(|one| !candidates.iter().any(|other| beats(other, one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dominated_ones_are_not_on_it() {
        let of = |cost, quality| Candidate { cost, quality };
        let candidates = [of(16.0, 70.0), of(8.0, 70.0), of(4.0, 60.0), of(6.0, 50.0), of(4.0, 60.0)];
        assert_eq!(front(&candidates), [false, true, true, false, true]);
        assert!(front(&[]).is_empty());
    }
}
