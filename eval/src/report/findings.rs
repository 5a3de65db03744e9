//! The paper's findings, held against what these runs found, each by a rule that is stated.

use super::benchmark::Column;
use super::equal_bytes::{EqualBytes, equal_bytes};
use super::figures::{bits, listed, megabytes};
use super::quality::Losses;
use super::run::{Run, Variant};

/// What these runs say of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was tested agrees.
    Supported,
    /// Some of it does.
    Partly,
    /// None of it does.
    Contradicted,
    /// The runs lack what it takes.
    NotTestable,
}

impl Outcome {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Supported => "supported",
            Outcome::Partly => "partly supported",
            Outcome::Contradicted => "contradicted",
            Outcome::NotTestable => "not testable here",
        }
    }

    /// That of single verdicts.
    fn of(agree: &[bool]) -> Self {
        match (agree.iter().any(|it| *it), agree.iter().all(|it| *it)) {
            _ if agree.is_empty() => Outcome::NotTestable,
            (_, true) => Outcome::Supported,
            (true, false) => Outcome::Partly,
            (false, false) => Outcome::Contradicted,
        }
    }
}

/// A finding of the paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it claims.
    pub claim: &'static str,
    /// By which rule it is judged.
    pub rule: &'static str,
    /// What these runs say.
    pub outcome: Outcome,
    /// How many cases agree, and how many were tested.
    pub agreeing: (usize, usize),
    /// The numbers behind that.
    pub evidence: Vec<String>,
}

impl Finding {
    fn new(claim: &'static str, rule: &'static str, agree: &[bool], mut evidence: Vec<String>, missing: &str) -> Self {
        if evidence.is_empty() {
            evidence.push(missing.to_string());
        }
        let agreeing = (agree.iter().filter(|it| **it).count(), agree.len());
        Self { claim, rule, outcome: Outcome::of(agree), agreeing, evidence }
    }

    /// The outcome in words, with the number of cases behind it.
    pub fn summary(&self) -> String {
        match self.agreeing {
            (_, 0) => self.outcome.name().to_string(),
            (agreeing, tested) => format!("{} ({agreeing} of {tested})", self.outcome.name()),
        }
    }
}

/// All of them, in the paper's order.
pub fn findings(columns: &[Column], runs: &[Run]) -> Vec<Finding> {
    let measures = measures(columns, runs);
    vec![
        eight_bits(&measures),
        four_bits(&measures),
        three_bits(&measures),
        outliers(&measures),
        larger_quantized(columns, runs),
        speed(runs),
    ]
}

/// A recipe with what is judged of it.
struct Measure<'a> {
    variant: &'a Variant,
    /// Model and recipe; the recipe alone where there is one model.
    name: String,
    losses: Losses,
}

fn measures<'a>(columns: &[Column], runs: &'a [Run]) -> Vec<Measure<'a>> {
    let mut found = Vec::new();
    for run in runs {
        for variant in run.compared() {
            found.push(Measure { variant, name: name(runs, run, variant), losses: Losses::of(columns, run, variant) });
        }
    }
    found
}

fn name(runs: &[Run], run: &Run, variant: &Variant) -> String {
    if runs.len() > 1 { format!("{} {}", run.model, variant.recipe) } else { variant.recipe.clone() }
}

impl Measure<'_> {
    fn has_bits(&self, least: u32, most: u32) -> bool {
        self.variant.bits.is_some_and(|bits| (least..=most).contains(&bits)) && self.losses.tests > 0
    }

    fn text(&self) -> String {
        let mut parts = vec![
            format!("{} true bits", bits(self.variant.true_bits)),
            format!("{} of {} tasks worse", self.losses.worse.len(), self.losses.tests),
        ];
        parts.extend(self.losses.retained.map(|left| format!("{:.0} % of the lead over guessing left", 100.0 * left)));
        parts.extend(self.losses.perplexity.map(growth));
        format!("{}: {}", self.name, parts.join(", "))
    }
}

/// What became of a perplexity.
fn growth(ratio: f64) -> String {
    if ratio < 2.0 {
        // Rounded first: no sign before a zero.
        format!("perplexity {:+.1} %", (1000.0 * (ratio - 1.0)).round() / 10.0 + 0.0)
    } else {
        format!("perplexity × {ratio:.1}")
    }
}

fn judged(
    claim: &'static str,
    rule: &'static str,
    measures: &[&Measure<'_>],
    agrees: impl Fn(&Measure<'_>) -> bool,
    missing: &str,
) -> Finding {
    let agree: Vec<bool> = measures.iter().map(|measure| agrees(measure)).collect();
    let line = |(measure, agrees): (&&Measure<'_>, &bool)| {
        format!("{}{}", measure.text(), if *agrees { "" } else { " (against)" })
    };
    Finding::new(claim, rule, &agree, measures.iter().zip(&agree).map(line).collect(), missing)
}

fn eight_bits(measures: &[Measure<'_>]) -> Finding {
    let of: Vec<_> = measures.iter().filter(|measure| measure.has_bits(8, 8)).collect();
    judged(
        "8 bits equal the unquantized model",
        "every recipe of 8 bits: at most one benchmark in ten is significantly worse, and perplexity grows by less \
         than 1 %",
        &of,
        |it| it.losses.share_worse() <= 0.1 && it.losses.perplexity.is_none_or(|ratio| ratio < 1.01),
        "no recipe of 8 bits is compared with a baseline",
    )
}

fn four_bits(measures: &[Measure<'_>]) -> Finding {
    let of: Vec<_> = measures.iter().filter(|measure| measure.has_bits(4, 4)).collect();
    judged(
        "4 bits come close on most benchmarks",
        "every recipe of 4 bits: fewer than half of the benchmarks are significantly worse, and at least 90 % of the \
         lead over guessing is left (without benchmarks: perplexity grows by less than 10 %)",
        &of,
        |it| match it.losses.retained {
            Some(left) => left >= 0.9 && it.losses.share_worse() < 0.5,
            None => it.losses.perplexity.is_some_and(|ratio| ratio < 1.1),
        },
        "no recipe of 4 bits is compared with a baseline",
    )
}

fn three_bits(measures: &[Measure<'_>]) -> Finding {
    let plain = |measure: &&Measure<'_>| measure.has_bits(1, 3) && measure.variant.method != "spqr";
    let of: Vec<_> = measures.iter().filter(plain).collect();
    judged(
        "3 bits and fewer are visibly worse, unless outliers are kept apart",
        "every recipe of at most 3 bits but SpQR: at least half of the benchmarks are significantly worse, or at most \
         90 % of the lead over guessing is left (without benchmarks: perplexity grows by at least 10 %)",
        &of,
        |it| {
            it.losses.share_worse() >= 0.5
                || match it.losses.retained {
                    Some(left) => left <= 0.9,
                    None => it.losses.perplexity.is_some_and(|ratio| ratio >= 1.1),
                }
        },
        "no recipe of at most 3 bits is compared with a baseline",
    )
}

/// What ranks recipes: the lead that is left, or else less perplexity.
fn rank(measure: &Measure<'_>) -> Option<f64> {
    measure.losses.retained.or(measure.losses.perplexity.map(|ratio| 1.0 / ratio))
}

fn outliers(measures: &[Measure<'_>]) -> Finding {
    let claim = "SpQR's outliers carry the low bits";
    let rule = "at 2 bits (else 3) SpQR keeps more of the lead over guessing than every other method of as many \
                nominal bits of the same model; beside it stands the best recipe that stores no more true bits";
    let mut agree = Vec::new();
    let mut evidence = Vec::new();
    for spqr in measures.iter().filter(|measure| measure.variant.method == "spqr" && measure.has_bits(2, 3)) {
        let model = |measure: &&Measure<'_>| same_model(measure, spqr) && measure.variant.method != "spqr";
        let rivals: Vec<_> = measures.iter().filter(model).collect();
        let same: Vec<_> = rivals.iter().filter(|it| it.variant.bits == spqr.variant.bits).collect();
        let Some(own) = rank(spqr) else { continue };
        let best = same.iter().filter_map(|it| Some((rank(it)?, it))).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((other, rival)) = best else { continue };
        agree.push(own > other);
        let share = spqr.variant.outlier_share().map(|share| format!(" ({:.1} % outliers)", 100.0 * share));
        let mut text = format!("{}{} against {}", spqr.text(), share.unwrap_or_default(), rival.text());
        let cheap = rivals.iter().filter(|it| it.variant.true_bits <= spqr.variant.true_bits);
        let cheapest = cheap.filter_map(|it| Some((rank(it)?, it))).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((value, it)) = cheapest {
            let how = if value > own { "keeps more" } else { "keeps less" };
            text.push_str(&format!("; at no more true bits the best of the others {how}: {}", it.text()));
        }
        evidence.push(text);
    }
    Finding::new(claim, rule, &agree, evidence, "no SpQR of 2 or 3 bits beside another method of as many bits")
}

fn same_model(a: &Measure<'_>, b: &Measure<'_>) -> bool {
    let model = |it: &Measure<'_>| it.name.strip_suffix(&it.variant.recipe).map(str::to_string);
    model(a) == model(b)
}

fn larger_quantized(columns: &[Column], runs: &[Run]) -> Finding {
    let pairs = equal_bytes(columns, runs);
    let agree: Vec<bool> = pairs.iter().filter_map(EqualBytes::is_larger_better).collect();
    let line = |pair: &EqualBytes| {
        let (larger, smaller) = (&pair.larger, &pair.smaller);
        let mut parts = Vec::new();
        parts.extend(pair.scores.map(|(a, b)| format!("mean score {a:.1} against {b:.1}")));
        parts.extend(pair.perplexities.map(|(a, b)| format!("perplexity {a:.2} against {b:.2}")));
        let (better, worse) = &pair.better_worse;
        parts.push(format!("significantly better in {}, worse in {}", better.len(), worse.len()));
        if !worse.is_empty() {
            parts.push(format!("worse: {}", listed(worse)));
        }
        format!(
            "{} {} ({} MB) and {} {} ({} MB): {}",
            larger.0,
            larger.1,
            megabytes(larger.2),
            smaller.0,
            smaller.1,
            megabytes(smaller.2),
            parts.join(", ")
        )
    };
    Finding::new(
        "A larger model quantized beats a smaller one unquantized at equal bytes",
        "every pair of models: of the larger one's recipes with at most 1.05 times the bytes of the smaller one \
         unquantized the best one has a higher mean score over the shared benchmarks (without benchmarks: a lower \
         perplexity)",
        &agree,
        pairs.iter().map(line).collect(),
        "no larger model with a recipe that fits into the bytes of a smaller one (several models are needed)",
    )
}

fn speed(runs: &[Run]) -> Finding {
    let (mut agree, mut evidence) = (Vec::new(), Vec::new());
    for run in runs {
        let rate = |variant: &Variant| run.efficiency.as_ref()?.recipe(&variant.recipe)?.generated;
        let Some(before) = run.reference().and_then(rate) else { continue };
        for variant in run.compared() {
            let Some(after) = rate(variant) else { continue };
            let is_faster = after.median > before.median;
            agree.push(is_faster);
            let sure = if after.low > before.high || after.high < before.low { "" } else { ", repetitions overlap" };
            evidence.push(format!(
                "{}: {:.2} times the tokens a second{sure}{}",
                name(runs, run, variant),
                after.median / before.median,
                if is_faster { "" } else { " (against)" }
            ));
        }
    }
    Finding::new(
        "Quantized generates faster than unquantized in this engine (in the paper slower, but for GPTQ at 4 bits)",
        "every recipe: the median of its generated tokens a second is above the baseline's",
        &agree,
        evidence,
        "speed not measured, or not of a baseline and a recipe",
    )
}

#[cfg(test)]
mod tests {
    use super::super::benchmark::columns;
    use super::super::synthetic::{efficiency, falling, run};
    use super::*;

    fn outcomes(runs: &[Run]) -> Vec<Outcome> {
        findings(&columns(runs), runs).iter().map(|finding| finding.outcome).collect()
    }

    #[test]
    fn one_model_as_in_the_paper() {
        let mut run = falling("m", 1_000_000, 0.8);
        let all = [Outcome::Supported; 4];
        assert_eq!(outcomes(std::slice::from_ref(&run)), [all.as_slice(), &[Outcome::NotTestable; 2]].concat());
        run.efficiency = efficiency(&[("none", 100.0, 1), ("gptq:w4g128", 250.0, 1), ("gptq:w3g128", 90.0, 1)]);
        let runs = [run];
        let found = findings(&columns(&runs), &runs);
        assert_eq!((found[5].outcome, found[5].agreeing), (Outcome::Partly, (1, 2)));
        // At no more true bits GPTQ with 4 keeps more than SpQR with 2.
        assert!(found[3].evidence[0].contains("keeps more: gptq:w4g128"), "{:?}", found[3].evidence);
    }

    #[test]
    fn what_contradicts() {
        let good: &[(&str, f64)] = &[("mmlu@a", 0.9)];
        let bad: &[(&str, f64)] = &[("mmlu@a", 0.5)];
        let turned = run(
            "m",
            &[
                ("none", 16.0, 100, good),
                ("gptq:w8g128", 8.0, 50, bad),
                ("gptq:w4g128", 4.0, 25, bad),
                ("gptq:w2g128", 2.0, 12, good),
                ("spqr:w2g16", 6.0, 40, bad),
            ],
        );
        assert_eq!(outcomes(&[turned])[..4], [Outcome::Contradicted; 4]);
    }

    #[test]
    fn equal_bytes_need_two_models() {
        let small = falling("small", 1_000_000, 0.5);
        // A quarter of its bytes are the small one's.
        let large = falling("large", 4_000_000, 0.9);
        let runs = [small.clone(), large];
        let found = &findings(&columns(&runs), &runs)[4];
        assert_eq!(found.outcome, Outcome::Supported);
        assert!(
            found.evidence[0].starts_with("large gptq:w4g128 (1.00 MB) and small none (1.00 MB)"),
            "{:?}",
            found.evidence
        );
        let too_large = [small.clone(), falling("huge", 400_000_000, 0.9)];
        assert_eq!(outcomes(&too_large)[4], Outcome::NotTestable);
        let no_better = [small, falling("large", 4_000_000, 0.4)];
        assert_eq!(outcomes(&no_better)[4], Outcome::Contradicted);
    }

    #[test]
    fn nothing_is_testable_without_runs() {
        assert_eq!(outcomes(&[]), [Outcome::NotTestable; 6]);
    }
}
