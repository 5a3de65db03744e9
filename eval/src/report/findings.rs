//! The paper's findings, held against what these runs found, each by a rule that is stated.

use super::benchmark::{Column, shared};
use super::figures::{bits, listed, megabytes};
use super::quality::{Losses, mean_perplexity, mean_score, retained};
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
    /// The numbers behind that.
    pub evidence: Vec<String>,
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
    retained: Option<f64>,
    /// Mean perplexity over the baseline's.
    perplexity: Option<f64>,
}

fn measures<'a>(columns: &[Column], runs: &'a [Run]) -> Vec<Measure<'a>> {
    let mut found = Vec::new();
    for run in runs {
        let Some(baseline) = run.reference() else { continue };
        for variant in run.compared() {
            let before = mean_perplexity(columns, baseline);
            let ratio = mean_perplexity(columns, variant).zip(before).map(|(after, before)| after / before);
            found.push(Measure {
                variant,
                name: name(runs, run, variant),
                losses: Losses::of(columns, run, variant),
                retained: retained(columns, baseline, variant),
                perplexity: ratio,
            });
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

    /// Share of tests that found a loss.
    fn share_worse(&self) -> f64 {
        self.losses.worse.len() as f64 / self.losses.tests.max(1) as f64
    }

    fn text(&self) -> String {
        let mut parts = vec![
            format!("{} true bits", bits(self.variant.true_bits)),
            format!("{} of {} tasks worse", self.losses.worse.len(), self.losses.tests),
        ];
        parts.extend(self.retained.map(|left| format!("{:.0} % of the lead over guessing left", 100.0 * left)));
        parts.extend(self.perplexity.map(growth));
        format!("{}: {}", self.name, parts.join(", "))
    }
}

/// What became of a perplexity.
fn growth(ratio: f64) -> String {
    if ratio < 2.0 {
        format!("perplexity {:+.1} %", 100.0 * (ratio - 1.0))
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
    let mut evidence: Vec<String> = measures.iter().zip(&agree).map(line).collect();
    if evidence.is_empty() {
        evidence.push(missing.to_string());
    }
    Finding { claim, rule, outcome: Outcome::of(&agree), evidence }
}

fn eight_bits(measures: &[Measure<'_>]) -> Finding {
    let of: Vec<_> = measures.iter().filter(|measure| measure.has_bits(8, 8)).collect();
    judged(
        "8 bits equal the unquantized model",
        "every recipe of 8 bits: at most one task in ten is significantly worse, and perplexity grows by less than 1 %",
        &of,
        |it| it.share_worse() <= 0.1 && it.perplexity.is_none_or(|ratio| ratio < 1.01),
        "no recipe of 8 bits is compared with a baseline",
    )
}

fn four_bits(measures: &[Measure<'_>]) -> Finding {
    let of: Vec<_> = measures.iter().filter(|measure| measure.has_bits(4, 4)).collect();
    judged(
        "4 bits come close on most benchmarks",
        "every recipe of 4 bits: fewer than half of the tasks are significantly worse, and at least 90 % of the lead over \
         guessing is left (without benchmarks: perplexity grows by less than 10 %)",
        &of,
        |it| match it.retained {
            Some(left) => left >= 0.9 && it.share_worse() < 0.5,
            None => it.perplexity.is_some_and(|ratio| ratio < 1.1),
        },
        "no recipe of 4 bits is compared with a baseline",
    )
}

fn three_bits(measures: &[Measure<'_>]) -> Finding {
    let plain = |measure: &&Measure<'_>| measure.has_bits(1, 3) && measure.variant.method != "spqr";
    let of: Vec<_> = measures.iter().filter(plain).collect();
    judged(
        "3 bits and fewer are visibly worse, unless outliers are kept apart",
        "every recipe of at most 3 bits but SpQR: at least half of the tasks are significantly worse, or at most 90 % of \
         the lead over guessing is left (without benchmarks: perplexity grows by at least 10 %)",
        &of,
        |it| {
            it.share_worse() >= 0.5
                || match it.retained {
                    Some(left) => left <= 0.9,
                    None => it.perplexity.is_some_and(|ratio| ratio >= 1.1),
                }
        },
        "no recipe of at most 3 bits is compared with a baseline",
    )
}

/// What ranks recipes: the lead that is left, or else less perplexity.
fn rank(measure: &Measure<'_>) -> Option<f64> {
    measure.retained.or(measure.perplexity.map(|ratio| 1.0 / ratio))
}

fn outliers(measures: &[Measure<'_>]) -> Finding {
    let claim = "SpQR's outliers carry the low bits";
    let rule = "at 2 bits (else 3) SpQR keeps more of the lead over guessing than every other method of as many nominal \
                bits of the same model; beside it stands the best recipe that stores no more true bits";
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
            let how = if value > own { "but is beaten by" } else { "and beats" };
            text.push_str(&format!("; at no more true bits it {how} {}", it.text()));
        }
        evidence.push(text);
    }
    if evidence.is_empty() {
        evidence.push("no SpQR of 2 or 3 bits beside another method of as many bits".into());
    }
    Finding { claim, rule, outcome: Outcome::of(&agree), evidence }
}

fn same_model(a: &Measure<'_>, b: &Measure<'_>) -> bool {
    let model = |it: &Measure<'_>| it.name.strip_suffix(&it.variant.recipe).map(str::to_string);
    model(a) == model(b)
}

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
            let score = column.task(variant)?.main()?;
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
    let mut evidence: Vec<String> = pairs.iter().map(line).collect();
    if evidence.is_empty() {
        evidence.push(
            "no larger model with a recipe that fits into the bytes of a smaller one (several models are needed)"
                .into(),
        );
    }
    Finding {
        claim: "a larger model quantized beats a smaller one unquantized at equal bytes",
        rule: "every pair of models: of the larger one's recipes with at most 1.05 times the bytes of the smaller one \
               unquantized the best one has a higher mean score over the shared benchmarks (without benchmarks: a lower \
               perplexity)",
        outcome: Outcome::of(&agree),
        evidence,
    }
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
    if evidence.is_empty() {
        evidence.push("speed not measured, or not of a baseline and a recipe".into());
    }
    Finding {
        claim: "quantized generates faster than unquantized in this engine (in the paper slower, but for GPTQ at 4 bits)",
        rule: "every recipe: the median of its generated tokens a second is above the baseline's",
        outcome: Outcome::of(&agree),
        evidence,
    }
}
