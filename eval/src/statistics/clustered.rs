//! Items that come in clusters: questions about one passage, instances of one template.
//!
//! Such items fail together, so that n of them say less than n independent ones. What varies independently is the
//! cluster, and everything here works on sums over clusters.

use super::{Error, Estimate, mean};

/// Which cluster every item belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Of each item, the number of its cluster.
    of_item: Vec<usize>,
    count: usize,
}

impl Clusters {
    /// Items with equal names are one cluster; one without a name is a cluster of its own.
    pub fn new<'a>(names: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut known = std::collections::BTreeMap::new();
        let (mut of_item, mut count) = (Vec::new(), 0);
        for name in names {
            let cluster = match name {
                Some(name) => *known.entry(name).or_insert(count),
                None => count,
            };
            count = count.max(cluster + 1);
            of_item.push(cluster);
        }
        Self { of_item, count }
    }

    /// Number of clusters.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether two items share a cluster.
    pub fn are_shared(&self) -> bool {
        self.count < self.of_item.len()
    }

    /// The items of every cluster, in order.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count];
        for (item, &cluster) in self.of_item.iter().enumerate() {
            members[cluster].push(item);
        }
        members
    }

    /// Sums of the values of every cluster, in item order.
    ///
    /// # Errors
    /// [`Error::Unpaired`] for another number of values than of items.
    pub fn sums(&self, values: &[f64]) -> Result<Vec<f64>, Error> {
        if values.len() != self.of_item.len() {
            return Err(Error::Unpaired { baseline: self.of_item.len(), variant: values.len() });
        }
        let mut sums = vec![0.0; self.count];
        for (value, &cluster) in values.iter().zip(&self.of_item) {
            sums[cluster] += value;
        }
        Ok(sums)
    }
}

/// Whether a cluster-robust error allows for the number of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallSample {
    /// CR0, as Miller 2024 has it: too small where clusters are few.
    Uncorrected,
    /// CR1: the variance times G / (G - 1) for G clusters.
    Corrected,
}

/// The mean with its cluster-robust standard error: `sqrt(sum over clusters of (sum of (value - mean))²) / n`.
///
/// Miller 2024, "Adding error bars to evals", equation 4, whose double sum within clusters is this square; Liang and
/// Zeger 1986. With clusters of one item CR1 is the standard error of a mean.
///
/// # Errors
/// [`Error::TooFew`] for no values, [`Error::NotFinite`], [`Error::Unpaired`].
pub fn clustered_estimate(values: &[f64], clusters: &Clusters, correction: SmallSample) -> Result<Estimate, Error> {
    let value = mean(values)?;
    let residuals: Vec<f64> = values.iter().map(|it| it - value).collect();
    let mut squares = 0.0;
    for sum in clusters.sums(&residuals)? {
        squares += sum * sum;
    }
    let (n, count) = (values.len() as f64, clusters.count() as f64);
    let factor = match correction {
        SmallSample::Uncorrected => 1.0,
        SmallSample::Corrected => count / (count - 1.0),
    };
    let standard_error = (clusters.count() > 1).then(|| (factor * squares).sqrt() / n);
    Ok(Estimate { value, standard_error, items: values.len() })
}

#[cfg(test)]
mod tests {
    use super::super::mean_estimate;
    use super::*;

    const VALUES: [f64; 12] = [1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
    const NAMES: [&str; 12] = ["a", "a", "a", "b", "b", "c", "c", "c", "c", "d", "e", "e"];

    #[test]
    fn clustered_errors_equal_statsmodels() {
        // OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": names, "use_correction": ...}).bse
        let clusters = Clusters::new(NAMES.map(Some));
        assert_eq!((clusters.count(), clusters.are_shared()), (5, true));
        for (correction, expected) in
            [(SmallSample::Uncorrected, 0.13784328639777235), (SmallSample::Corrected, 0.15411347931369554)]
        {
            let estimate = clustered_estimate(&VALUES, &clusters, correction).unwrap();
            assert!((estimate.standard_error.unwrap() - expected).abs() < 1e-15, "{estimate:?}");
        }
    }

    #[test]
    fn clusters_of_one_item_give_the_error_of_a_mean() {
        let clusters = Clusters::new(VALUES.map(|_| None));
        assert!(!clusters.are_shared());
        let clustered = clustered_estimate(&VALUES, &clusters, SmallSample::Corrected).unwrap();
        let plain = mean_estimate(&VALUES).unwrap();
        assert!((clustered.standard_error.unwrap() - plain.standard_error.unwrap()).abs() < 1e-15);
    }

    #[test]
    fn items_without_a_name_stand_alone() {
        let clusters = Clusters::new([Some("x"), None, Some("x"), None]);
        assert_eq!(clusters.members(), [vec![0, 2], vec![1], vec![3]]);
        assert_eq!(clusters.sums(&[1.0, 2.0, 4.0, 8.0]), Ok(vec![5.0, 2.0, 8.0]));
        assert!(clusters.sums(&[1.0]).is_err());
        let one = Clusters::new([Some("x"), Some("x")]);
        let estimate = clustered_estimate(&[1.0, 2.0], &one, SmallSample::Corrected).unwrap();
        assert_eq!(estimate.standard_error, None);
    }
}
