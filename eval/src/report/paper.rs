//! What Jin et al. 2024 measured: Qwen-7B-Chat, their smallest model, and the correlations over all three.
//!
//! Source: "A Comprehensive Evaluation of Quantization Strategies for Large Language Models", Findings of ACL 2024
//! (arXiv 2402.16775), tables 2, 3, 5 to 15. Rates are in percent here, whatever the paper prints. The correlations
//! "recomputed" and "within model" are computed from the paper's tables; the paper prints neither.

use super::run::Variant;

/// What its numbers are called beside ours.
pub const NAME: &str = "Qwen-7B-Chat in the paper";

/// Strategies in the order of the columns below.
const STRATEGIES: [(&str, u32); 10] = [
    ("none", 16),
    ("llm.int8", 8),
    ("gptq", 8),
    ("spqr", 8),
    ("gptq", 4),
    ("spqr", 4),
    ("gptq", 3),
    ("spqr", 3),
    ("gptq", 2),
    ("spqr", 2),
];

/// Measures by name.
const QWEN_7B: [(&str, [f64; 10]); 32] = [
    ("mmlu", [55.8, 55.21, 55.53, 55.46, 54.27, 55.44, 51.32, 54.56, 23.74, 52.49]),
    ("mmlu_stem", [50.84, 49.79, 50.49, 50.94, 49.44, 51.0, 46.46, 48.68, 22.8, 46.75]),
    ("mmlu_humanities", [48.44, 47.91, 48.03, 47.97, 47.29, 48.2, 44.55, 47.25, 24.51, 45.55]),
    ("mmlu_social_sciences", [64.28, 63.86, 64.02, 63.96, 62.63, 63.57, 60.51, 63.54, 21.81, 61.07]),
    ("mmlu_other", [63.57, 63.18, 63.6, 62.99, 61.47, 62.86, 57.39, 62.7, 25.43, 60.35]),
    ("ceval", [59.1, 59.0, 58.6, 58.5, 57.3, 58.2, 50.6, 57.0, 23.2, 53.3]),
    ("ceval_stem", [54.4, 54.2, 53.8, 53.4, 52.0, 53.3, 44.8, 51.8, 22.9, 47.4]),
    ("ceval_social_science", [71.9, 71.7, 71.8, 71.3, 70.6, 71.5, 64.1, 70.2, 22.7, 66.8]),
    ("ceval_humanities", [63.0, 62.2, 61.8, 62.6, 61.4, 61.3, 54.1, 60.7, 23.6, 56.9]),
    ("ceval_other", [52.3, 53.0, 52.2, 52.3, 50.7, 51.9, 45.4, 50.5, 24.1, 48.0]),
    ("ceval_hard", [40.4, 41.2, 39.6, 40.2, 39.2, 38.4, 32.8, 38.4, 21.1, 33.1]),
    ("from English", [32.02, 31.56, 32.3, 32.13, 30.79, 31.96, 25.91, 30.73, 0.01, 29.04]),
    ("into English", [27.24, 26.37, 26.74, 26.88, 26.07, 27.22, 22.52, 26.04, 0.0, 25.39]),
    ("xsum rouge1", [19.0, 19.0, 19.0, 19.0, 19.0, 19.0, 17.0, 19.0, 4.0, 17.0]),
    ("xsum rouge2", [5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 4.0, 5.0, 0.0, 4.0]),
    ("xsum rougeL", [13.0, 13.0, 13.0, 13.0, 13.0, 13.0, 12.0, 13.0, 3.0, 12.0]),
    ("cnn_dailymail rouge1", [33.0, 32.0, 33.0, 33.0, 32.0, 33.0, 29.0, 32.0, 5.0, 31.0]),
    ("cnn_dailymail rouge2", [12.0, 12.0, 12.0, 12.0, 12.0, 12.0, 10.0, 11.0, 0.0, 11.0]),
    ("cnn_dailymail rougeL", [21.0, 21.0, 21.0, 21.0, 20.0, 21.0, 18.0, 20.0, 3.0, 20.0]),
    ("gsm8k", [51.0, 52.0, 54.0, 51.0, 47.0, 52.0, 39.0, 49.0, 4.0, 44.0]),
    ("snli", [82.0, 81.0, 81.0, 80.0, 80.0, 80.0, 80.0, 80.0, 2.0, 80.0]),
    ("truthfulqa", [38.0, 37.0, 38.0, 38.0, 36.0, 37.0, 36.0, 37.0, 30.0, 36.0]),
    ("followbench hsr", [40.23, 40.52, 40.78, 40.2, 39.84, 40.26, 35.82, 36.03, 0.24, 37.52]),
    ("followbench ssr", [51.71, 52.38, 53.0, 52.1, 52.13, 51.59, 47.77, 49.44, 0.64, 49.69]),
    ("followbench csl", [1.57, 1.62, 1.52, 1.62, 1.38, 1.48, 1.27, 1.3, 0.0, 1.55]),
    ("bbq ambiguous", [6.2, 6.41, 5.98, 6.36, 5.49, 6.34, 4.21, 6.31, -0.54, 4.13]),
    ("bbq disambiguated", [3.87, 3.49, 3.76, 3.95, 3.69, 3.77, 4.9, 4.08, -0.97, 5.76]),
    ("perplexity wikitext2", [8.67, 8.68, 8.68, 8.71, 9.04, 8.82, 11.17, 9.17, 123_030.34, 10.05]),
    ("perplexity c4", [12.09, 12.11, 12.09, 12.17, 12.72, 12.31, 15.47, 12.75, 41_936.28, 14.19]),
    ("perplexity ptb", [14.51, 14.52, 14.51, 14.6, 15.16, 14.8, 18.67, 15.27, 88_223.58, 17.07]),
    ("memory GB", [15.14, 9.23, 10.91, 15.6, 7.83, 15.6, 7.12, 15.61, 6.26, 15.66]),
    ("tokens/s", [37.67, 7.19, 13.57, 37.65, 37.43, 37.73, 8.21, 37.73, 19.36, 37.51]),
];

/// Share of outliers of SpQR, percent, at 8, 4, 3 and 2 bits (table 5).
const OUTLIERS: [(u32, f64); 4] = [(8, 0.003), (4, 0.033), (3, 1.676), (2, 11.336)];

/// A benchmark's correlation with perplexity over 4- and 3-bit models (table 3): as printed, recomputed from the
/// paper's tables, and within model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Pearson's r as the paper prints it.
    pub printed: f64,
    /// The same from its tables.
    pub recomputed: f64,
    /// After each model's mean is taken away.
    pub within: f64,
}

const CORRELATIONS: [(&str, [f64; 3]); 12] = [
    ("mmlu", [-0.892, -0.886, -0.917]),
    ("ceval", [-0.930, -0.931, -0.909]),
    ("from English", [-0.884, -0.927, -0.880]),
    ("into English", [-0.904, -0.916, -0.839]),
    ("xsum rouge1", [-0.768, -0.742, -0.623]),
    ("cnn_dailymail rouge1", [-0.890, -0.890, -0.912]),
    ("gsm8k", [-0.911, -0.921, -0.937]),
    ("snli", [-0.583, -0.577, 0.139]),
    ("followbench hsr", [-0.864, -0.867, -0.747]),
    ("truthfulqa", [-0.789, -0.771, -0.191]),
    ("bbq ambiguous", [-0.765, -0.763, -0.306]),
    ("bbq disambiguated", [0.806, 0.823, 0.584]),
];

fn column(variant: &Variant) -> Option<usize> {
    // A recipe is the paper's strategy where method and bits are: groups may be of another size.
    let bits = variant.bits.unwrap_or(16);
    STRATEGIES.iter().position(|&strategy| strategy == (variant.method.as_str(), bits))
}

/// A measure of the paper for the strategy of `variant`.
pub fn value(measure: &str, variant: &Variant) -> Option<f64> {
    let (_, values) = QWEN_7B.iter().find(|(name, _)| *name == measure)?;
    Some(values[column(variant)?])
}

/// How far a measure lies from that of BF16.
pub fn change(measure: &str, variant: &Variant) -> Option<f64> {
    let (_, values) = QWEN_7B.iter().find(|(name, _)| *name == measure)?;
    Some(values[column(variant)?] - values[0])
}

/// A measure divided by that of BF16.
pub fn ratio(measure: &str, variant: &Variant) -> Option<f64> {
    let (_, values) = QWEN_7B.iter().find(|(name, _)| *name == measure)?;
    Some(values[column(variant)?] / values[0])
}

/// Share of outliers, percent.
pub fn outliers(variant: &Variant) -> Option<f64> {
    let found = OUTLIERS.iter().find(|(bits, _)| variant.method == "spqr" && Some(*bits) == variant.bits);
    found.map(|(_, share)| *share)
}

/// The correlation of a measure with perplexity.
pub fn correlation(measure: &str) -> Option<Correlation> {
    let (_, [printed, recomputed, within]) = CORRELATIONS.iter().find(|(name, _)| *name == measure)?;
    Some(Correlation { printed: *printed, recomputed: *recomputed, within: *within })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_found_by_method_and_bits() {
        let of = |recipe: &str| Variant::named(recipe, 0.0, 0.0, 0);
        assert_eq!(value("mmlu", &of("none")), Some(55.8));
        assert_eq!(value("mmlu", &of("gptq:w2g128")), Some(23.74));
        assert!((change("gsm8k", &of("spqr:w2g16")).unwrap() + 7.0).abs() < 1e-12);
        assert!((ratio("tokens/s", &of("llm.int8")).unwrap() - 7.19 / 37.67).abs() < 1e-12);
        assert_eq!(change("mmlu", &of("rtn:w4g32")), None);
        assert_eq!(outliers(&of("spqr:w3g16")), Some(1.676));
        assert_eq!(correlation("snli").map(|it| it.within), Some(0.139));
    }
}
