//! Perplexity: how many equally likely continuations the model hesitates between.
//!
//! All forms are `exp` of an average negative log-likelihood; they differ in what is averaged over.
//!
//! The standard errors are those of the delta method: the error of the average, carried through the exponential by its
//! derivative, `se(exp(m)) = exp(m) se(m)`. The average over windows is a plain mean. The average over documents is a
//! ratio `r = sum(nll_i) / sum(units_i)` with `se(r) = sqrt(n / (n - 1) * sum((nll_i - r units_i)²)) / sum(units_i)`,
//! the linearized error of a ratio estimator. lm-evaluation-harness resamples documents with an unseeded bootstrap
//! instead; the two agree for many documents, and this one gives the same bits twice.

use super::{Direction, Error, Metric};
use crate::statistics::{self, Estimate};
use kernels::math::{exp, ln};

/// Perplexity a token.
pub static PERPLEXITY: Metric = Metric {
    key: "perplexity",
    summary: "exponential of the mean loss a token; comparable only between models with one tokenizer",
    formula: "exp(mean over windows of the mean negative log-likelihood of the predicted tokens)",
    direction: Direction::LowerIsBetter,
    source: "IST-DASLab/gptq, eval of opt.py and llama.py",
};

/// Perplexity a word.
pub static WORD_PERPLEXITY: Metric = Metric {
    key: "word_perplexity",
    summary: "exponential of the loss a word of the original text",
    formula: "exp(-sum(l_i) / sum(words_i)) over documents i",
    direction: Direction::LowerIsBetter,
    source: "lm-evaluation-harness, task wikitext",
};

/// Perplexity a byte.
pub static BYTE_PERPLEXITY: Metric = Metric {
    key: "byte_perplexity",
    summary: "exponential of the loss a byte of the original text",
    formula: "exp(-sum(l_i) / sum(bytes_i)) over documents i",
    direction: Direction::LowerIsBetter,
    source: "lm-evaluation-harness, task wikitext",
};

/// Loss a byte, in bits.
pub static BITS_PER_BYTE: Metric = Metric {
    key: "bits_per_byte",
    summary: "bits that an ideal coder driven by the model spends on a byte of the original text",
    formula: "-sum(l_i) / (sum(bytes_i) ln 2) over documents i",
    direction: Direction::LowerIsBetter,
    source: "lm-evaluation-harness, task wikitext",
};

pub(super) const METRICS: &[&Metric] = &[&PERPLEXITY, &WORD_PERPLEXITY, &BYTE_PERPLEXITY, &BITS_PER_BYTE];

/// A stretch of text that was scored as a whole: an article, or a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// sum of the log-probabilities of its predicted tokens, in nats
    pub log_likelihood: f64,
    /// number of predicted tokens
    pub tokens: usize,
    /// number of words of its original text
    pub words: usize,
    /// number of bytes of its original text
    pub bytes: usize,
}

/// Perplexity from the mean losses of windows of equal length, in nats: `exp(mean_i loss_i)`.
///
/// What GPTQ's script computes as `exp(sum_i(loss_i * seqlen) / (windows * seqlen))`. Infinite where the mean is
/// above 709.78.
///
/// # Errors
/// [`Error::Statistics`] for no windows or a loss that is not finite.
pub fn from_window_losses(losses: &[f64]) -> Result<Estimate, Error> {
    Ok(exponential(statistics::mean_estimate(losses)?))
}

/// Perplexity a predicted token, [`PERPLEXITY`] for stretches of unequal length: `exp(-sum(l_i) / sum(tokens_i))`.
///
/// # Errors
/// [`Error::Statistics`] for no stretches or a log-likelihood that is not finite, [`Error::NoUnits`].
pub fn per_token(scored: &[Scored]) -> Result<Estimate, Error> {
    Ok(exponential(loss_per(scored, "tokens", |stretch| stretch.tokens)?))
}

/// [`WORD_PERPLEXITY`].
///
/// # Errors
/// [`Error::Statistics`] for no documents or a log-likelihood that is not finite, [`Error::NoUnits`].
pub fn per_word(scored: &[Scored]) -> Result<Estimate, Error> {
    Ok(exponential(loss_per(scored, "words", |stretch| stretch.words)?))
}

/// [`BYTE_PERPLEXITY`].
///
/// # Errors
/// [`Error::Statistics`] for no documents or a log-likelihood that is not finite, [`Error::NoUnits`].
pub fn per_byte(scored: &[Scored]) -> Result<Estimate, Error> {
    Ok(exponential(loss_per(scored, "bytes", |stretch| stretch.bytes)?))
}

/// [`BITS_PER_BYTE`].
///
/// # Errors
/// [`Error::Statistics`] for no documents or a log-likelihood that is not finite, [`Error::NoUnits`].
pub fn bits_per_byte(scored: &[Scored]) -> Result<Estimate, Error> {
    let nats = loss_per(scored, "bytes", |stretch| stretch.bytes)?;
    let ln_2 = ln(2.0);
    Ok(Estimate {
        value: nats.value / ln_2,
        standard_error: nats.standard_error.map(|error| error / ln_2),
        items: nats.items,
    })
}

/// Negative log-likelihood a unit, with the linearized error of a ratio.
fn loss_per(scored: &[Scored], unit: &'static str, count: fn(&Scored) -> usize) -> Result<Estimate, Error> {
    let losses: Vec<f64> = scored.iter().map(|stretch| -stretch.log_likelihood).collect();
    statistics::mean(&losses)?;
    let mut loss = 0.0;
    let mut units = 0;
    for (stretch, nats) in scored.iter().zip(&losses) {
        loss += nats;
        units += count(stretch);
    }
    if units == 0 {
        return Err(Error::NoUnits { unit });
    }
    let units = units as f64;
    let ratio = loss / units;
    let n = scored.len();
    let mut squares = 0.0;
    for (stretch, nats) in scored.iter().zip(&losses) {
        let residual = nats - ratio * count(stretch) as f64;
        squares += residual * residual;
    }
    let standard_error = (n > 1).then(|| (squares * n as f64 / (n - 1) as f64).sqrt() / units);
    Ok(Estimate { value: ratio, standard_error, items: n })
}

/// The exponential of an estimate, its error by the delta method.
fn exponential(log: Estimate) -> Estimate {
    let value = exp(log.value);
    Estimate { value, standard_error: log.standard_error.map(|error| value * error), items: log.items }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{found}, expected {expected}");
    }

    const DOCUMENTS: [Scored; 3] = [
        Scored { log_likelihood: -310.5, tokens: 120, words: 90, bytes: 500 },
        Scored { log_likelihood: -77.25, tokens: 31, words: 22, bytes: 130 },
        Scored { log_likelihood: -1020.0, tokens: 400, words: 310, bytes: 1700 },
    ];

    #[test]
    fn windows_average_before_the_exponential() {
        // numpy: exp(mean(x)); that times x.std(ddof=1) / sqrt(4)
        let estimate = from_window_losses(&[2.5, 2.75, 2.25, 3.0]).unwrap();
        close(estimate.value, 13.804574186067095);
        close(estimate.standard_error.unwrap(), 2.2277035801717777);
        assert_eq!(from_window_losses(&[0.0]).unwrap(), Estimate { value: 1.0, standard_error: None, items: 1 });
    }

    #[test]
    fn documents_weigh_by_their_units() {
        // The formulas of lm-evaluation-harness in numpy.
        close(per_word(&DOCUMENTS).unwrap().value, 28.103678463135708);
        close(per_byte(&DOCUMENTS).unwrap().value, 1.829759521782164);
        close(bits_per_byte(&DOCUMENTS).unwrap().value, 0.8716540531379563);
        close(per_token(&DOCUMENTS).unwrap().value, 12.870014927666416);
    }

    #[test]
    fn the_error_of_equal_units_is_that_of_windows() {
        let losses = [2.5, 2.75, 2.25, 3.0];
        let stretches = losses.map(|loss| Scored { log_likelihood: -loss * 8.0, tokens: 8, words: 1, bytes: 1 });
        let windows = from_window_losses(&losses).unwrap();
        let ratio = per_token(&stretches).unwrap();
        close(ratio.value, windows.value);
        close(ratio.standard_error.unwrap(), windows.standard_error.unwrap());
    }

    /// The linearized error against the bootstrap over documents that lm-evaluation-harness would draw.
    #[test]
    fn the_error_of_a_ratio_agrees_with_a_bootstrap() {
        let draws = statistics::Draws::new(5);
        let mut documents = Vec::new();
        for pair in 0..200 {
            let [words, noise] = draws.indices(0, pair, 1000);
            let words = 100 + words as usize;
            let log_likelihood = -(words as f64) * (3.0 + noise as f64 / 1000.0);
            documents.push(Scored { log_likelihood, tokens: words, words, bytes: 5 * words });
        }
        let estimate = per_word(&documents).unwrap();
        let mut values = Vec::new();
        for resample in 0..2000 {
            let mut drawn = Vec::new();
            for pair in 0..100 {
                for index in draws.indices(1 + resample, pair, 200) {
                    drawn.push(documents[index as usize]);
                }
            }
            values.push(per_word(&drawn).unwrap().value);
        }
        let spread = statistics::sample_variance(&values).unwrap().sqrt();
        let ratio = estimate.standard_error.unwrap() / spread;
        assert!((0.93..1.07).contains(&ratio), "linearized over bootstrap: {ratio}");
    }

    #[test]
    fn nothing_to_divide_by_is_an_error() {
        let empty = Scored { log_likelihood: -1.0, tokens: 0, words: 0, bytes: 0 };
        assert_eq!(per_word(&[empty]), Err(Error::NoUnits { unit: "words" }));
        assert!(per_byte(&[]).is_err());
        assert!(from_window_losses(&[]).is_err());
        assert!(from_window_losses(&[1.0, f64::NAN]).is_err());
        let impossible = Scored { log_likelihood: f64::NEG_INFINITY, tokens: 1, words: 1, bytes: 1 };
        assert!(per_token(&[impossible]).is_err());
    }
}
