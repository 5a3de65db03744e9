//! Tests of differences, document by document.

use super::Observation;
use super::fidelity::{Fidelity, fidelity};
use crate::error::Error;
use crate::statistics::{self, Clusters, Confidence, Discordant, Interval, SmallSample};
use crate::task::PairedTest;

/// Resamples of a bootstrap, and permutations of a test where not all are tried.
pub const RESAMPLES: usize = 10_000;

/// Resamples of a corpus metric, which is computed anew each time: as many as sacreBLEU takes.
pub const CORPUS_RESAMPLES: usize = 1_000;

/// What documents that both variants scored say.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// Number of these documents.
    pub documents: usize,
    /// Mean of the differences of their scores, variant minus baseline.
    pub mean_difference: f64,
    /// Its standard error; cluster-robust (CR1) where documents share clusters.
    pub standard_error: Option<f64>,
    /// Its 95 % interval: Bonett and Price's for right or wrong, else Student's, by cluster where there are clusters; of
    /// a bootstrap, that of the metric's difference.
    pub interval: Option<Interval>,
    /// Number of clusters, where documents share them.
    pub clusters: Option<usize>,
    /// The test.
    pub test: PairedTest,
    /// Two-sided p-value; `None` where there are too few documents.
    pub p_value: Option<f64>,
    /// Documents lost and gained, where all are right or wrong.
    pub discordant: Option<Discordant>,
    /// The smallest true difference of mean scores that the test would have found four times in five.
    pub detectable: Option<f64>,
    /// Agreement of answers and of the probabilities behind them.
    pub fidelity: Option<Fidelity>,
}

/// The difference of a corpus metric, variant minus baseline, over these documents, some of them more than once.
pub type CorpusStatistic<'a> = statistics::Statistic<'a, f64, Error>;

/// Compares two variants on the documents that both scored; `None` without such a document.
///
/// The test is the one that the task names, but documents that share clusters are permuted by cluster, for neither
/// McNemar's nor Student's test holds there. A bootstrap needs `corpus`; without it scores are permuted.
///
/// # Errors
/// Scores that are not finite.
pub fn paired(
    baseline: &[Option<Observation>],
    variant: &[Option<Observation>],
    test: PairedTest,
    seed: u64,
    corpus: Option<CorpusStatistic<'_>>,
) -> Result<Option<Paired>, Error> {
    let both = (baseline.iter().zip(variant).enumerate())
        .filter_map(|(document, (before, after))| Some((document, before.as_ref()?, after.as_ref()?)));
    let (mut documents, mut pairs) = (Vec::new(), Vec::new());
    for (document, before, after) in both {
        documents.push(document);
        pairs.push((before, after));
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let before: Vec<f64> = pairs.iter().map(|(before, _)| before.score).collect();
    let after: Vec<f64> = pairs.iter().map(|(_, after)| after.score).collect();
    let differences = statistics::differences(&before, &after)?;
    let clusters = Clusters::new(pairs.iter().map(|(before, _)| before.cluster.as_deref()));
    let estimate = if clusters.are_shared() {
        statistics::clustered_estimate(&differences, &clusters, SmallSample::Corrected)?
    } else {
        statistics::mean_estimate(&differences)?
    };
    let units = clusters.count();
    let mut found = Paired {
        documents: pairs.len(),
        mean_difference: estimate.value,
        standard_error: estimate.standard_error,
        interval: match estimate.standard_error {
            Some(error) => Some(statistics::student_interval(estimate.value, error, units, Confidence::NinetyFive)?),
            None => None,
        },
        clusters: clusters.are_shared().then_some(units),
        test,
        p_value: None,
        discordant: discordant(&before, &after)?,
        detectable: estimate.standard_error.filter(|&error| error > 0.0).map(statistics::detectable_mean),
        fidelity: fidelity(&pairs),
    };
    match (test, corpus) {
        (PairedTest::Bootstrap, Some(corpus)) if units > 1 => {
            let members = clusters.members();
            let mut statistic = |drawn: &[usize]| {
                let items = drawn.iter().flat_map(|&unit| &members[unit]);
                corpus(&items.map(|&item| documents[item]).collect::<Vec<_>>())
            };
            // A metric may be undefined in a resample: then there is no test of it.
            let bootstrap = statistics::bootstrap_difference(units, CORPUS_RESAMPLES, seed, &mut statistic).ok();
            found.p_value = bootstrap.map(|bootstrap| bootstrap.p);
            found.interval = bootstrap.map(|bootstrap| bootstrap.resampled.interval);
        }
        (PairedTest::McNemar, _) if !clusters.are_shared() && found.discordant.is_some() => {
            if let Some(counts) = &found.discordant {
                found.p_value = Some(statistics::mcnemar_exact(counts.lost, counts.gained));
                found.interval = Some(statistics::discordant_interval(counts, Confidence::NinetyFive)?);
                found.detectable = statistics::detectable_proportion(counts.lost + counts.gained, counts.items());
            }
        }
        (PairedTest::StudentT, _) if !clusters.are_shared() => {
            found.p_value = if pairs.len() < 2 { None } else { Some(statistics::paired_t(&before, &after)?.p) };
        }
        _ => {
            found.test = PairedTest::Permutation;
            let sums = clusters.sums(&differences)?;
            found.p_value = Some(statistics::paired_permutation(&sums, RESAMPLES, seed)?);
        }
    }
    Ok(Some(found))
}

/// Documents lost and gained, if all are right or wrong.
fn discordant(before: &[f64], after: &[f64]) -> Result<Option<Discordant>, Error> {
    let is_answer = |score: &&f64| **score == 0.0 || **score == 1.0;
    if before.iter().chain(after).filter(is_answer).count() < before.len() + after.len() {
        return Ok(None);
    }
    let right = |scores: &[f64]| -> Vec<bool> { scores.iter().map(|&score| score == 1.0).collect() };
    Ok(Some(statistics::discordant(&right(before), &right(after))?))
}

/// The mean scores of two variants over the documents that both scored.
///
/// # Errors
/// No such document; scores that are not finite.
pub fn mean_scores(baseline: &[Option<Observation>], variant: &[Option<Observation>]) -> Result<(f64, f64), Error> {
    let pairs = baseline.iter().zip(variant).filter_map(|(a, b)| Some((a.as_ref()?.score, b.as_ref()?.score)));
    let (before, after): (Vec<f64>, Vec<f64>) = pairs.unzip();
    Ok((statistics::mean(&before)?, statistics::mean(&after)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(scores: &[f64], clusters: &[&str]) -> Vec<Option<Observation>> {
        let of = |(index, &score): (usize, &f64)| {
            let cluster = clusters.get(index).map(|name| name.to_string());
            let hash = String::new();
            Some(Observation { prompt_hash: hash, score, cluster, choices: Vec::new(), answer: None })
        };
        scores.iter().enumerate().map(of).collect()
    }

    const BEFORE: [f64; 8] = [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    const AFTER: [f64; 8] = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];

    #[test]
    fn right_or_wrong_is_tested_by_mcnemar() {
        let found = paired(&observed(&BEFORE, &[]), &observed(&AFTER, &[]), PairedTest::McNemar, 1, None);
        let found = found.unwrap().unwrap();
        assert_eq!(found.discordant, Some(Discordant { lost: 3, gained: 1, agreed: 4 }));
        assert_eq!((found.p_value, found.test), (Some(0.625), PairedTest::McNemar));
        assert_eq!((found.mean_difference, found.clusters), (-0.25, None));
    }

    #[test]
    fn shared_clusters_are_permuted() {
        let names = ["a", "a", "a", "b", "b", "c", "c", "d"];
        let found =
            paired(&observed(&BEFORE, &names), &observed(&AFTER, &names), PairedTest::McNemar, 1, None).unwrap();
        let found = found.unwrap();
        assert_eq!((found.clusters, found.test), (Some(4), PairedTest::Permutation));
        // Sums over clusters are -2, -1, 1 and 0: |±2 ±1 ±1| is 4, 2, 2 or 0, six of eight reach 2.
        assert_eq!(found.p_value, Some(0.75));
        assert!(found.interval.is_some() && found.detectable.is_some());
    }

    #[test]
    fn documents_that_one_lacks_are_left_out() {
        let mut baseline = observed(&BEFORE, &[]);
        baseline[0] = None;
        let found = paired(&baseline, &observed(&AFTER, &[]), PairedTest::StudentT, 1, None).unwrap().unwrap();
        assert_eq!((found.documents, found.test), (7, PairedTest::StudentT));
        assert!(paired(&[None], &observed(&[1.0], &[]), PairedTest::StudentT, 1, None).unwrap().is_none());
    }

    #[test]
    fn a_corpus_metric_is_resampled() {
        let (before, after) = (observed(&BEFORE, &[]), observed(&AFTER, &[]));
        let mut calls = 0;
        let mut metric = |documents: &[usize]| {
            calls += 1;
            Ok(documents.iter().fold(0.0, |sum, &document| sum + AFTER[document] - BEFORE[document]))
        };
        let found = paired(&before, &after, PairedTest::Bootstrap, 1, Some(&mut metric)).unwrap().unwrap();
        assert_eq!(calls, 1 + CORPUS_RESAMPLES);
        let interval = found.interval.unwrap();
        assert!(interval.low < -2.0 && interval.high > -2.0 && found.p_value.is_some(), "{found:?}");
        let found = paired(&before, &after, PairedTest::Bootstrap, 1, None).unwrap().unwrap();
        assert_eq!(found.test, PairedTest::Permutation);
    }
}
