//! `nibble compare`: two recipes of finished runs, document by document.

use super::Context;
use super::failure::{Failure, Outcome, Status};
use super::table::{Align, Cell, FormatFlag, Table};
use clap::{Args, ValueEnum};
use eval::comparison::{Difference, SavedRun, compare};
use eval::runner::is_rounded;
use quant::Recipe;
use std::path::PathBuf;

/// Compare finished runs, document by document
///
/// Of one run every recipe is compared with the baseline, `none` or else the first one; of two runs every recipe that both
/// have, the first run being the baseline. Only the run directories are needed, not the model or the benchmark's files.
/// Results of other versions of a task, other files or other prompts are refused.
///
/// p-values are those of McNemar's exact test for right or wrong, of Student's paired t test for other scores, and of a
/// seeded permutation where documents share a passage or template, or a score is no mean; corrected by Holm over the
/// tasks. A bootstrap that a run makes of such a metric as BLEU cannot be repeated here: its scores are permuted.
#[derive(Args, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Examples:
  nibble compare RUN                                       every recipe of a run with its baseline
  nibble compare BEFORE AFTER                              the same recipes, run twice
  nibble compare RUN --baseline rtn:w8 --quant rtn:w4g32
  nibble compare BEFORE AFTER --max_drop 0.01              exit code 1 if a task lost more than 0.01"
)]
pub struct Arguments {
    /// Run directories, as --output_path of `nibble eval` named them; the first one is the baseline
    #[arg(value_name = "RUN", required = true, num_args = 1..=2)]
    runs: Vec<PathBuf>,
    /// Recipe of the first run that the others are compared with
    #[arg(long, value_name = "RECIPE", help_heading = "What is compared")]
    baseline: Option<String>,
    /// Recipe of the last run; may be given several times [default: all]
    #[arg(long, value_name = "RECIPE", help_heading = "What is compared")]
    quant: Vec<String>,
    /// Also the members of groups, such as the subjects of mmlu
    #[arg(long, help_heading = "What is compared")]
    members: bool,
    /// Largest loss that is accepted, in units of the metric: 0.01 is one point of an accuracy in percent
    ///
    /// A loss is a smaller accuracy or a larger perplexity. Where a task loses more, the exit code is 1.
    #[arg(long, value_name = "X", value_parser = loss, help_heading = "Threshold")]
    max_drop: Option<f64>,
    /// What is held against --max_drop
    #[arg(long, value_name = "RULE", value_enum, default_value_t = Rule::Point, requires = "max_drop", help_heading = "Threshold")]
    max_drop_rule: Rule,
    #[command(flatten)]
    format: FormatFlag,
}

/// What is held against the largest loss that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rule {
    /// The difference that was measured
    Point,
    /// The bad end of its 95 % interval: passes only if the loss is small and the documents are enough to know it
    Bound,
}

fn loss(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number.is_finite() && number >= 0.0);
    number.ok_or_else(|| "expected a number that is not negative".into())
}

/// Runs the command.
pub fn run(arguments: &Arguments, context: &mut Context<'_>) -> Outcome {
    let runs: Vec<SavedRun> = arguments.runs.iter().map(|path| SavedRun::open(path)).collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return Err(Failure::usage("no run is given", "RUN", "name the directory of a run"));
    };
    let mut found = Vec::new();
    for (baseline, recipe) in arguments.pairs(first, last, runs.len())? {
        let (baseline, variant) = (first.recipe(&baseline)?, last.recipe(&recipe)?);
        if baseline.model != variant.model {
            context.verbosity.note(format!("two models: {} and {}", baseline.model, variant.model));
        }
        found.extend(compare(&baseline, &variant, first.seed())?);
    }
    found.retain(|difference| difference.requested || arguments.members);
    table(&found).write(arguments.format.format, context.out)?;
    context.out.flush()?;
    arguments.conclude(&found)
}

impl Arguments {
    /// The recipes that are compared: baseline and other.
    fn pairs(&self, first: &SavedRun, last: &SavedRun, runs: usize) -> Result<Vec<(String, String)>, Failure> {
        let (known, others) = (first.recipes(), last.recipes());
        let wanted: Vec<String> = self.quant.iter().map(|recipe| canonical(recipe)).collect();
        let wanted = if wanted.is_empty() { others.clone() } else { wanted };
        let baseline = match &self.baseline {
            Some(baseline) => Some(canonical(baseline)),
            None if runs > 1 => None,
            None => known.iter().find(|recipe| *recipe == "none").or(known.first()).cloned(),
        };
        let pairs: Vec<(String, String)> = match baseline {
            Some(baseline) => {
                let others = wanted.into_iter().filter(|recipe| runs > 1 || *recipe != baseline);
                others.map(|recipe| (baseline.clone(), recipe)).collect()
            }
            None => {
                let both = wanted.into_iter().filter(|recipe| known.contains(recipe));
                both.map(|recipe| (recipe.clone(), recipe)).collect()
            }
        };
        if pairs.is_empty() {
            let what = format!("nothing to compare: {} and {}", known.join(", "), others.join(", "));
            let fix = "name a recipe of each with --baseline and --quant, or a second run";
            return Err(Failure::usage(what, "the recipes of the runs", fix));
        }
        Ok(pairs)
    }

    /// Holds the differences against the largest loss that is accepted.
    fn conclude(&self, found: &[Difference]) -> Outcome {
        let Some(limit) = self.max_drop else { return Ok(Status::Done) };
        let mut worst: Option<(f64, &Difference)> = None;
        // What rounding does is no recipe that could be taken.
        for difference in found.iter().filter(|difference| !is_rounded(&difference.recipe)) {
            let drop = match self.max_drop_rule {
                Rule::Point => difference.drop(),
                Rule::Bound => difference.largest_drop().ok_or_else(|| {
                    let what = format!("the difference of {} has no interval", difference.metric);
                    Failure::usage(what, &difference.task, "use --max_drop_rule point")
                })?,
            };
            if drop > limit && worst.is_none_or(|(most, _)| drop > most) {
                worst = Some((drop, difference));
            }
        }
        let Some((drop, difference)) = worst else { return Ok(Status::Done) };
        let (how, what) = match self.max_drop_rule {
            Rule::Point => ("is worse by", difference.metric.as_str()),
            Rule::Bound => ("may be worse by", difference.metric.as_str()),
        };
        let what = format!("{what} {how} {drop:.4}, {limit} is accepted");
        let place = format!("{}, {}", difference.recipe, difference.task);
        Err(Failure::new(Status::Threshold, what, place, "more bits, another method, or a larger --max_drop"))
    }
}

/// A recipe as runs spell it; what is none, such as the noise floor, stays as it is.
fn canonical(recipe: &str) -> String {
    Recipe::parse(recipe).map_or_else(|_| recipe.to_string(), |recipe| recipe.to_string())
}

fn table(found: &[Difference]) -> Table {
    let left = ["baseline", "recipe", "task", "metric"].map(|name| (name, Align::Left));
    let right = [
        "before",
        "after",
        "change",
        "ci95_low",
        "ci95_high",
        "p_value",
        "p_value_holm",
        "detectable",
        "documents",
        "lost",
        "gained",
        "wrong_to_other_wrong",
        "agreement",
        "kl_from_baseline",
    ];
    let columns: Vec<_> =
        left.into_iter().chain(right.map(|name| (name, Align::Right))).chain([("test", Align::Left)]).collect();
    let mut table = Table::new(&columns);
    for difference in found {
        let paired = &difference.paired;
        let fidelity = paired.fidelity.as_ref();
        let divergence = fidelity.and_then(|fidelity| fidelity.divergence.as_ref());
        let flips = fidelity.and_then(|fidelity| fidelity.flips);
        table.push(vec![
            difference.baseline.as_str().into(),
            difference.recipe.as_str().into(),
            difference.task.as_str().into(),
            difference.metric.as_str().into(),
            number(Some(difference.baseline_value)),
            number(Some(difference.value)),
            number(Some(difference.change())),
            number(difference.interval.map(|interval| interval.low)),
            number(difference.interval.map(|interval| interval.high)),
            number(paired.p_value),
            number(difference.p_corrected),
            number(paired.detectable),
            Cell::new(paired.documents.to_string(), paired.documents),
            count(paired.discordant.map(|counts| counts.lost)),
            count(paired.discordant.map(|counts| counts.gained)),
            count(flips.map(|flips| flips.other_wrong as u64)),
            number(fidelity.map(|fidelity| fidelity.agreement)),
            number(divergence.map(|divergence| divergence.from_baseline)),
            difference.test_name().into(),
        ]);
    }
    table
}

/// Four decimals; what they would hide as zero in powers of ten.
fn number(value: Option<f64>) -> Cell {
    let Some(value) = value else { return Cell::empty() };
    let text = if value == 0.0 || value.abs() >= 5e-5 { format!("{value:.4}") } else { format!("{value:.1e}") };
    Cell::new(text, value)
}

fn count(value: Option<u64>) -> Cell {
    value.map_or_else(Cell::empty, |value| Cell::new(value.to_string(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_not_negative() {
        assert_eq!(loss("0.01"), Ok(0.01));
        assert!(loss("-1").is_err() && loss("nan").is_err() && loss("a").is_err());
    }
}
