//! Tables of measures: one row a model and recipe, one column a metric of a task.

use super::super::benchmark::Scale;
use super::super::figures::signed;
use super::super::overview::Mark;
use super::super::paper;
use super::super::run::{Run, Task, Variant};
use super::table::{Cell, Table};

/// A column: a metric of a task.
#[derive(Clone, Debug)]
pub struct Measure {
    /// At its head.
    pub head: String,
    /// Which tasks it is of.
    pub task: TaskName,
    /// Its name; the main metric where empty.
    pub metric: &'static str,
    /// What the paper calls it; nothing where the paper has none.
    pub paper: String,
}

/// Which task of a variant is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskName {
    /// The first of this name, whatever its variant and protocol.
    Name(String),
    /// The one with this id.
    Id(String),
}

/// The name in a task's id.
pub fn name_of(id: &str) -> &str {
    id.split([':', '@']).next().unwrap_or(id)
}

impl Measure {
    /// A metric of the first task called `name`.
    pub fn of(head: &str, name: &str, metric: &'static str, paper: &str) -> Self {
        Self { head: head.into(), task: TaskName::Name(name.into()), metric, paper: paper.into() }
    }

    fn task<'a>(&self, variant: &'a Variant) -> Option<&'a Task> {
        variant.tasks.iter().find(|task| match &self.task {
            TaskName::Name(name) => name_of(&task.id) == name,
            TaskName::Id(id) => task.id == *id,
        })
    }

    /// Its value in a variant, with its scale.
    pub fn value(&self, variant: &Variant) -> Option<(f64, Scale)> {
        let task = self.task(variant)?;
        let score = if self.metric.is_empty() { task.main()? } else { task.score(self.metric)? };
        Some((score.value?, Scale::of(&score.metric)))
    }

    fn cell(&self, run: &Run, variant: &Variant) -> Cell {
        let Some((value, scale)) = self.value(variant) else { return "-".into() };
        let task = self.task(variant);
        let score = task.and_then(|task| if self.metric.is_empty() { task.main() } else { task.score(self.metric) });
        let change = task.and_then(|task| run.change(&variant.recipe, &task.id));
        let change = change.filter(|change| score.is_some_and(|score| score.metric == change.metric));
        let interval = score.and_then(|score| score.interval.as_ref());
        let mut title = interval
            .map(|(low, high, _)| format!("95 % interval {} to {}", scale.text(*low), scale.text(*high)))
            .unwrap_or_default();
        if let Some(change) = change {
            let p = change.p_corrected.map(|p| format!(", p = {p:.3}")).unwrap_or_default();
            title.push_str(&format!("; change {}{p}", signed(scale.points(change.difference))));
        }
        Cell { text: scale.text(value), mark: Mark::of(change), paper: self.beside(run, variant), title }
    }

    /// The paper's number: its value in the baseline's row, else the change from BF16.
    fn beside(&self, run: &Run, variant: &Variant) -> Option<String> {
        if variant.recipe == run.baseline {
            return paper::value(&self.paper, variant).map(|value| format!("{value:.1}"));
        }
        if super::super::run::is_noise(variant) {
            return None;
        }
        if self.paper.starts_with("perplexity") {
            return paper::ratio(&self.paper, variant).map(ratio);
        }
        paper::change(&self.paper, variant).map(|change| format!("{change:+.1}"))
    }
}

/// A factor in few digits.
pub fn ratio(ratio: f64) -> String {
    if ratio < 10.0 { format!("× {ratio:.2}") } else { format!("× {ratio:.0}") }
}

/// The table of `measures`; columns that no run has are left out, and the table where none is left.
pub fn table(caption: &str, runs: &[Run], measures: &[Measure], note: &str) -> Table {
    let has =
        |measure: &&Measure| runs.iter().flat_map(|run| &run.variants).any(|variant| measure.value(variant).is_some());
    let measures: Vec<&Measure> = measures.iter().filter(has).collect();
    let mut table = rows(caption, runs, |run, variant| measures.iter().map(|it| it.cell(run, variant)).collect());
    if measures.is_empty() {
        table.rows.clear();
    }
    table.header.extend(measures.iter().map(|measure| measure.head.clone()));
    table.note = note.to_string();
    table
}

/// A table with one row a model and recipe.
pub fn rows(caption: &str, runs: &[Run], cells: impl Fn(&Run, &Variant) -> Vec<Cell>) -> Table {
    let mut table = Table { caption: caption.to_string(), ..Table::default() };
    let several = runs.len() > 1;
    table.left = if several { 2 } else { 1 };
    table.header = if several { vec!["model".into(), "recipe".into()] } else { vec!["recipe".into()] };
    table.header.push("true bits".into());
    for run in runs {
        table.begins.push(table.rows.len());
        for variant in &run.variants {
            let mut row: Vec<Cell> = Vec::new();
            if several {
                row.push(run.model.as_str().into());
            }
            row.push(variant.recipe.as_str().into());
            row.push(super::super::figures::bits(variant.true_bits).into());
            row.extend(cells(run, variant));
            table.rows.push(row);
        }
    }
    table
}
