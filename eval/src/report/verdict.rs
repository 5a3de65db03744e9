//! Three sentences a model: which recipe loses nothing at the fewest true bits, where it breaks, what it saves.

use super::benchmark::Column;
use super::efficiency::Measured;
use super::figures::{bits, listed, megabytes};
use super::quality::Losses;
use super::run::{Run, Variant};

/// What "breaks" means.
pub const RULE: &str = "A recipe breaks where at least half of its tasks are significantly worse than the baseline and \
                        less than half of the lead over guessing is left (without benchmarks: where perplexity has \
                        doubled).";

/// The verdict on one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Model.
    pub model: String,
    /// The recipe that loses nothing significant at the fewest true bits, or else the one that loses in the fewest
    /// tasks.
    pub chosen: Option<String>,
    /// The first recipe, in falling true bits, that breaks.
    pub broken: Option<String>,
    /// The three sentences.
    pub sentences: [String; 3],
}

impl Verdict {
    /// The verdict on `run`.
    pub fn of(columns: &[Column], run: &Run) -> Self {
        let mut found: Vec<(&Variant, Losses)> =
            run.compared().map(|variant| (variant, Losses::of(columns, run, variant))).collect();
        // Falling true bits; of equals the one with fewer bytes last.
        found.sort_by(|(a, _), (b, _)| b.true_bits.total_cmp(&a.true_bits).then(b.weight_bytes.cmp(&a.weight_bytes)));
        let tested: Vec<&(&Variant, Losses)> = found.iter().filter(|(_, losses)| losses.tests > 0).collect();
        let lossless = tested.iter().rev().find(|(_, losses)| losses.worse.is_empty());
        let least = || tested.iter().rev().min_by_key(|(_, losses)| losses.worse.len());
        let chosen = lossless.or_else(least).map(|(variant, _)| *variant);
        let falls = tested.iter().find(|(_, losses)| losses.are_most());
        let broken = tested.iter().find(|(_, losses)| losses.are_fatal());
        let kept = match (lossless, least()) {
            (Some((variant, losses)), _) => nothing_lost(variant, losses),
            (None, Some((variant, losses))) => format!(
                "Every recipe loses something significant; the fewest losses has {}: {} of {} tasks are worse ({}).",
                named(variant),
                losses.worse.len(),
                losses.tests,
                listed(&losses.worse)
            ),
            (None, None) if found.is_empty() => {
                "Nothing is compared: the run has one recipe, and no baseline beside it.".to_string()
            }
            (None, None) => "Nothing can be said of losses: no task has a test.".to_string(),
        };
        let breaks = match (falls, broken) {
            (Some((first, _)), Some((variant, losses))) if first.recipe == variant.recipe => {
                format!("In falling true bits it breaks at {}: {}.", named(variant), described(losses))
            }
            (Some((first, early)), Some((variant, losses))) => format!(
                "In falling true bits most tasks first lose at {}: {}; it breaks at {}: {}.",
                named(first),
                described(early),
                named(variant),
                described(losses)
            ),
            (Some((first, early)), None) => format!(
                "In falling true bits most tasks first lose at {}: {}; no recipe breaks.",
                named(first),
                described(early)
            ),
            (None, _) if tested.is_empty() => "Where it breaks is not known.".to_string(),
            (None, _) => "No recipe of this run breaks, and none loses in most tasks.".to_string(),
        };
        Self {
            model: run.model.clone(),
            chosen: chosen.map(|variant| variant.recipe.clone()),
            broken: broken.map(|(variant, _)| variant.recipe.clone()),
            sentences: [kept, breaks, savings(run, chosen)],
        }
    }

    /// The sentences one after the other.
    pub fn text(&self) -> String {
        self.sentences.join(" ")
    }
}

/// The recipe with its true bits.
fn named(variant: &Variant) -> String {
    format!("{} ({} true bits a weight)", variant.recipe, bits(variant.true_bits))
}

fn nothing_lost(variant: &Variant, losses: &Losses) -> String {
    let tests = losses.tests;
    let of =
        if tests == 1 { "its one task is not worse".to_string() } else { format!("none of {tests} tasks is worse") };
    let least = losses.median_detectable().map(|least| {
        format!("; a loss below about {least:.1} points would not have been found in half of the benchmarks")
    });
    format!(
        "Nothing significant is lost at the fewest true bits with {}: {of}{}.",
        named(variant),
        least.unwrap_or_default()
    )
}

fn described(losses: &Losses) -> String {
    let mut parts = vec![format!("{} of {} tasks are significantly worse", losses.worse.len(), losses.tests)];
    parts.extend(
        losses.retained.map(|left| format!("{:.0} % of the lead over guessing is left", 100.0 * left.max(0.0))),
    );
    if losses.retained.is_none() {
        parts.extend(losses.perplexity.map(|ratio| format!("perplexity is {ratio:.2} times the baseline's")));
    }
    if !losses.at_chance.is_empty() {
        parts.push(format!("{} cannot be told from guessing", listed(&losses.at_chance)));
    }
    parts.join(", ")
}

fn savings(run: &Run, chosen: Option<&Variant>) -> String {
    let (Some(baseline), Some(chosen)) = (run.reference(), chosen) else {
        return "What it saves is not known.".into();
    };
    let mut parts = vec![format!(
        "{} MB of weights instead of {} ({:.1} times fewer)",
        megabytes(chosen.weight_bytes),
        megabytes(baseline.weight_bytes),
        baseline.weight_bytes as f64 / chosen.weight_bytes.max(1) as f64
    )];
    let measured = run.efficiency.as_ref().map(|it| (it.recipe(&baseline.recipe), it.recipe(&chosen.recipe)));
    match measured {
        Some((Some(before), Some(after))) => parts.extend(beside_weights(before, after)),
        _ => parts.push("speed and memory not measured".into()),
    }
    format!("With {} the model takes {}.", chosen.recipe, parts.join(", "))
}

fn beside_weights(before: &Measured, after: &Measured) -> Vec<String> {
    let mut parts = Vec::new();
    if let (Some(before), Some(after)) = (before.held_bytes, after.held_bytes) {
        parts.push(format!("{} MB with keys and values instead of {}", megabytes(after), megabytes(before)));
    }
    if let (Some(before), Some(after)) = (before.generated, after.generated) {
        parts.push(format!("and generates {:.2} times as many tokens a second", after.median / before.median));
    }
    if parts.is_empty() { vec!["speed and memory not measured".into()] } else { parts }
}

#[cfg(test)]
mod tests {
    use super::super::benchmark::columns;
    use super::super::synthetic::{efficiency, falling, run};
    use super::*;

    fn verdict(run: Run) -> Verdict {
        let runs = [run];
        Verdict::of(&columns(&runs), &runs[0])
    }

    #[test]
    fn the_fewest_true_bits_without_a_loss() {
        let found = verdict(falling("m", 1_000_000, 0.8));
        assert_eq!(found.chosen.as_deref(), Some("gptq:w4g128"));
        let [kept, breaks, saves] = &found.sentences;
        assert!(kept.contains("4.2 true bits") && kept.contains("none of 4 tasks is worse"), "{kept}");
        // Falling true bits: SpQR at 2 nominal bits stores 6.2 and comes before GPTQ at 3.
        assert!(
            breaks.contains("first lose at spqr:w2g16 (6.2") && breaks.contains("breaks at gptq:w2g128"),
            "{breaks}"
        );
        assert!(breaks.contains("MMLU and SNLI cannot be told from guessing"), "{breaks}");
        assert!(saves.contains("(4.0 times fewer)") && saves.contains("not measured"), "{saves}");
        assert_eq!(found.broken.as_deref(), Some("gptq:w2g128"));
    }

    #[test]
    fn what_was_measured_is_said() {
        let mut run = falling("m", 1_000_000, 0.8);
        run.efficiency = efficiency(&[("none", 100.0, 40_000_000), ("gptq:w4g128", 250.0, 20_000_000)]);
        let [_, _, saves] = &verdict(run).sentences;
        assert!(
            saves.contains("2.50 times as many tokens") && saves.contains("20.0 MB with keys and values"),
            "{saves}"
        );
    }

    #[test]
    fn nothing_to_compare() {
        let found = verdict(run("m", &[("none", 16.0, 100, &[("mmlu@qwen-chat", 0.5)])]));
        assert_eq!((found.chosen, found.broken), (None, None));
        assert!(found.sentences[0].starts_with("Nothing is compared"), "{:?}", found.sentences);
        let no_task = verdict(run("m", &[("none", 16.0, 100, &[]), ("rtn:w8", 8.0, 50, &[])]));
        assert!(no_task.sentences[0].contains("no task has a test"), "{:?}", no_task.sentences);
    }

    #[test]
    fn where_everything_loses() {
        let scores: [&[(&str, f64)]; 3] = [
            &[("mmlu@a", 0.9), ("snli@a", 0.9)],
            &[("mmlu@a", 0.5), ("snli@a", 0.9)],
            &[("mmlu@a", 0.4), ("snli@a", 0.5)],
        ];
        let found = verdict(run(
            "m",
            &[("none", 16.0, 100, scores[0]), ("rtn:w4", 4.1, 25, scores[1]), ("rtn:w3", 3.1, 20, scores[2])],
        ));
        assert_eq!(found.chosen.as_deref(), Some("rtn:w4"));
        assert!(found.sentences[0].contains("1 of 2 tasks are worse (MMLU)"), "{:?}", found.sentences);
    }
}
