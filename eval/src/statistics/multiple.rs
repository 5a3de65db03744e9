//! Several tests at once: p-values that stay what they say however many questions are asked.

/// Holm's correction: p-values such that the chance of one or more false alarms among all of them is held.
///
/// In ascending order the k-th of m p-values is multiplied by m - k + 1; none may be smaller than one before it, or
/// larger than 1 (Holm 1979). Unlike Bonferroni's it costs nothing more and finds more; it assumes nothing about how the
/// tests depend on each other.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut largest = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_equals_statsmodels() {
        // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005, 0.5, 0.04]);
        for (found, expected) in corrected.iter().zip([0.05, 0.12, 0.12, 0.03, 0.5, 0.12]) {
            assert!((found - expected).abs() < 1e-15, "{corrected:?}");
        }
        assert_eq!(holm(&[0.3]), [0.3]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
