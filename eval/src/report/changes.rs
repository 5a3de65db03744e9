//! The second table: what changed, how sure that is, and what could have been found.

use super::figures::{number, probability, signed};
use super::grid::Grid;
use crate::comparison::Difference;
use crate::runner::RunSummary;
use crate::statistics::Interval;

/// What the columns say.
pub(super) const NOTE: &str = "\
95 % interval of the change; p after Holm's correction in brackets; detectable: the smallest change of the mean score that \
the test finds four times in five; lost, gained: right to wrong, wrong to right; wrong: from one wrong answer to another; \
same: answers that agree; KL: from the baseline's probabilities of the choices to the recipe's, nats a document; \
token KL: the same of next-token distributions, nats a position (--kl)";

/// One row a difference of a task that was asked for; `None` where nothing is compared.
pub(super) fn grid(summary: &RunSummary) -> Option<Grid> {
    let rows: Vec<Vec<String>> = summary.differences.iter().filter(|it| it.requested).map(row).collect();
    let header = [
        "recipe",
        "task",
        "change",
        "95 % interval",
        "p",
        "detectable",
        "lost",
        "gained",
        "wrong",
        "same",
        "KL",
        "token KL",
    ];
    (!rows.is_empty()).then(|| Grid { header: vec![header.map(String::from).into()], rows, left: 2 })
}

fn row(difference: &Difference) -> Vec<String> {
    let paired = &difference.paired;
    let fidelity = paired.fidelity.as_ref();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let range = |it: Interval| format!("{} to {}", signed(it.low), signed(it.high));
    let p = match (paired.p_value, difference.p_corrected) {
        (Some(raw), Some(corrected)) => Some(format!("{} ({})", probability(raw), probability(corrected))),
        _ => None,
    };
    let discordant = paired.discordant.as_ref();
    let flips = fidelity.and_then(|fidelity| fidelity.flips.as_ref());
    let divergence = fidelity.and_then(|fidelity| fidelity.divergence.as_ref());
    vec![
        difference.recipe.clone(),
        difference.task.clone(),
        signed(difference.change()),
        or_dash(difference.interval.map(range)),
        or_dash(p),
        or_dash(paired.detectable.map(number)),
        or_dash(discordant.map(|counts| counts.lost.to_string())),
        or_dash(discordant.map(|counts| counts.gained.to_string())),
        or_dash(flips.map(|flips| flips.other_wrong.to_string())),
        or_dash(fidelity.map(|fidelity| format!("{:.1} %", 100.0 * fidelity.agreement))),
        or_dash(divergence.map(|divergence| format!("{:.2e}", divergence.from_baseline))),
        or_dash(difference.tokens.as_ref().map(|tokens| format!("{:.2e}", tokens.from_baseline))),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::figures::probability;

    #[test]
    fn small_probabilities_keep_a_digit() {
        assert_eq!([0.04321, 0.001, 3.2e-7, 0.0, 1.0].map(probability), ["0.043", "0.001", "3e-7", "0.000", "1.000"]);
    }
}
