//! The overview: one row a model and recipe, one column a benchmark, and the verdict below it.

use super::benchmark::{Column, columns};
use super::figures::{bits, megabytes, plain, rate};
use super::grid::Grid;
use super::quality::mean_perplexity;
use super::run::{Change, Run, Variant};
use super::verdict::{RULE, Verdict};

/// Whether the overview has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// Colours of a terminal.
    Coloured,
}

/// Most columns of benchmarks; a table with more cannot be read at a glance.
const MOST_COLUMNS: usize = 14;

/// A cell: its text, and what a mark behind it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Number or name.
    pub text: String,
    /// How it differs from the baseline.
    pub mark: Mark,
}

/// How a number differs from the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Not significantly.
    #[default]
    None,
    /// Significantly worse.
    Worse,
    /// Significantly better.
    Better,
    /// No more than rounding does.
    Noise,
}

impl Mark {
    /// That of a difference.
    pub fn of(change: Option<&Change>) -> Self {
        match change {
            Some(change) if change.below_noise == Some(true) => Mark::Noise,
            Some(change) if change.is_worse() => Mark::Worse,
            Some(change) if change.is_better() => Mark::Better,
            _ => Mark::None,
        }
    }

    /// The sign of it.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::None => "",
            Mark::Worse => "*",
            Mark::Better => "+",
            Mark::Noise => "~",
        }
    }
}

/// What the marks say.
pub(super) const MARKS: &str = "* significantly worse than the baseline, + significantly better (p < 0.05, paired by \
                                document, after Holm's correction over the tasks of a recipe), ~ no further from it \
                                than rounding inputs to bfloat16";

/// The overview as cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// At the heads of columns.
    pub header: Vec<String>,
    /// Columns of names, which stand on the left.
    pub left: usize,
    /// One a model and recipe, then what guessing scores.
    pub rows: Vec<Vec<Cell>>,
    /// What columns and marks mean.
    pub notes: Vec<String>,
}

impl Overview {
    /// The overview of runs.
    pub fn of(runs: &[Run]) -> Self {
        let all = columns(runs);
        let perplexities = all.iter().filter(|column| column.is_perplexity()).count();
        let benchmarks: Vec<&Column> = all.iter().filter(|column| !column.is_perplexity()).collect();
        let shown = &benchmarks[..benchmarks.len().min(MOST_COLUMNS)];
        let is_measured = runs.iter().any(|run| run.efficiency.is_some());
        let mut header: Vec<String> = ["model", "recipe"].map(String::from).into();
        header.extend(["bits", "MB"].map(String::from));
        if perplexities > 0 {
            header.push("ppl ↓".into());
        }
        header.extend(shown.iter().map(|column| column.short.clone()));
        if is_measured {
            header.extend(["tok/s", "mem MB"].map(String::from));
        }
        let mut rows = Vec::new();
        for run in runs {
            rows.extend(run.variants.iter().map(|variant| {
                let mut row = start(run, variant);
                if perplexities > 0 {
                    row.push(perplexity(&all, run, variant));
                }
                row.extend(shown.iter().map(|column| score(column, run, variant)));
                if is_measured {
                    row.extend(efficiency(run, variant));
                }
                row
            }));
        }
        if shown.iter().any(|column| column.chance.is_some()) {
            rows.push(guessing(&header, shown, perplexities > 0));
        }
        let mut notes = vec![metrics_note(&all, shown, perplexities, is_measured), MARKS.to_string()];
        if benchmarks.len() > shown.len() {
            notes.push(format!("{} more tasks are not shown here", benchmarks.len() - shown.len()));
        }
        let mut overview = Self { header, left: 2, rows, notes };
        if runs.len() == 1 {
            // The model is named once, above.
            overview.header.remove(0);
            overview.rows.iter_mut().for_each(|row| _ = row.remove(0));
            overview.left = 1;
        }
        overview
    }

    fn text(&self, style: Style) -> String {
        // A mark has its own character behind every number, so that digits line up.
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| &cell.text);
                cells.chain(self.header.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &[Cell]| {
            let mut line = String::new();
            for (column, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
                let space = " ".repeat(width - cell.text.chars().count());
                let (before, after) = colour(cell.mark, style);
                line.push_str(&match column < self.left {
                    true => format!("{}{space}  ", cell.text),
                    false => format!("{space}{before}{}{:<1}{after} ", cell.text, cell.mark.sign()),
                });
            }
            format!("{}\n", line.trim_end())
        };
        let header: Vec<Cell> = self.header.iter().map(|text| Cell { text: text.clone(), mark: Mark::None }).collect();
        let rule: Vec<Cell> = widths.iter().map(|&width| Cell { text: "-".repeat(width), mark: Mark::None }).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{}{rows}", line(&header), line(&rule))
    }

    /// The same in Markdown.
    pub fn markdown(&self) -> String {
        let cell = |cell: &Cell| format!("{}{}", cell.text, cell.mark.sign().replace('*', "\\*"));
        let rows = self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        Grid { header: vec![self.header.clone()], rows, left: self.left }.markdown()
    }
}

fn colour(mark: Mark, style: Style) -> (&'static str, &'static str) {
    match (mark, style) {
        (Mark::Worse, Style::Coloured) => ("\u{1b}[31m", "\u{1b}[0m"),
        (Mark::Better, Style::Coloured) => ("\u{1b}[32m", "\u{1b}[0m"),
        _ => ("", ""),
    }
}

/// The overview for a terminal: table, notes, verdict.
pub fn text(runs: &[Run], style: Style) -> String {
    let overview = Overview::of(runs);
    let all = columns(runs);
    let heading = match runs {
        [run] => format!("{}, change from `{}`\n\n", run.model, run.baseline),
        _ => String::new(),
    };
    let notes: String = overview.notes.iter().map(|note| format!("{note}\n")).collect();
    let verdicts: Vec<String> = runs
        .iter()
        .map(|run| {
            let verdict = Verdict::of(&all, run);
            let name = if runs.len() > 1 { format!("{}: ", run.model) } else { String::new() };
            format!("{name}{}\n", verdict.sentences.join("\n"))
        })
        .collect();
    format!("{heading}{}\n{notes}\n{}{RULE}\n", overview.text(style), verdicts.join("\n"))
}

fn start(run: &Run, variant: &Variant) -> Vec<Cell> {
    let texts = [run.model.clone(), variant.recipe.clone(), bits(variant.true_bits), megabytes(variant.weight_bytes)];
    texts.map(|text| Cell { text, mark: Mark::None }).into()
}

fn perplexity(all: &[Column], run: &Run, variant: &Variant) -> Cell {
    let marks: Vec<Mark> = (all.iter())
        .filter(|column| column.is_perplexity())
        .filter_map(|column| Some(Mark::of(Some(run.change(&variant.recipe, &column.task(variant)?.id)?))))
        .collect();
    let mark = [Mark::Worse, Mark::Better].into_iter().find(|mark| marks.contains(mark));
    let text = mean_perplexity(all, variant).map_or_else(|| "-".into(), plain);
    Cell { text, mark: mark.unwrap_or_default() }
}

fn score(column: &Column, run: &Run, variant: &Variant) -> Cell {
    let Some(task) = column.task(variant) else { return Cell { text: "-".into(), mark: Mark::None } };
    let text = task.main().and_then(|score| score.value).map_or_else(|| "-".into(), |value| column.scale.text(value));
    Cell { text, mark: Mark::of(run.change(&variant.recipe, &task.id)) }
}

fn efficiency(run: &Run, variant: &Variant) -> [Cell; 2] {
    let measured = run.efficiency.as_ref().and_then(|efficiency| efficiency.recipe(&variant.recipe));
    let speed = measured.and_then(|it| it.generated).map_or_else(|| "-".into(), |it| rate(it.median));
    let memory = measured.and_then(|it| it.held_bytes).map_or_else(|| "-".into(), megabytes);
    [speed, memory].map(|text| Cell { text, mark: Mark::None })
}

/// What guessing scores.
fn guessing(header: &[String], shown: &[&Column], has_perplexity: bool) -> Vec<Cell> {
    let first = 4 + usize::from(has_perplexity);
    let cell = |index: usize| {
        let of_column = |index: usize| {
            let chance = shown.get(index)?.chance?;
            Some(shown[index].scale.text(chance))
        };
        let text = match index {
            1 => Some("guessing".to_string()),
            index if index >= first => of_column(index - first),
            _ => None,
        };
        Cell { text: text.unwrap_or_default(), mark: Mark::None }
    };
    (0..header.len()).map(cell).collect()
}

fn metrics_note(all: &[Column], shown: &[&Column], perplexities: usize, is_measured: bool) -> String {
    let mut parts = vec!["bits: true bits a weight; MB: weights".to_string()];
    match perplexities {
        0 => {}
        1 => parts.extend(all.iter().filter(|it| it.is_perplexity()).map(|it| format!("ppl: {}", it.title))),
        count => parts.push(format!("ppl: geometric mean of {count} perplexities, marked if one of them is")),
    }
    // Tasks by what they are scored by.
    let mut metrics: Vec<(&str, Vec<&str>)> = Vec::new();
    for column in shown {
        match metrics.iter_mut().find(|(metric, _)| *metric == column.metric) {
            Some((_, names)) => names.push(&column.short),
            None => metrics.push((&column.metric, vec![&column.short])),
        }
    }
    parts.extend(metrics.iter().map(|(metric, names)| format!("{metric}: {}", names.join(", "))));
    if is_measured {
        parts.push(
            "tok/s: tokens generated a second; mem MB: weights, keys and values of the sequence that is timed".into(),
        );
    } else {
        parts.push("speed and memory: not measured".into());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{efficiency, falling, run};
    use super::*;

    #[test]
    fn one_row_a_recipe_and_one_for_guessing() {
        let runs = [falling("m", 1_000_000, 0.8)];
        let text = text(&runs, Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "m, change from `none`");
        assert!(lines[2].starts_with("recipe ") && lines[2].contains("MMLU") && !lines[2].contains("model"), "{text}");
        assert!(lines[4].starts_with("none ") && lines[4].contains(" 80.0 "), "{text}");
        assert!(
            lines[7].starts_with("gptq:w3g128") && lines[7].contains("8.00*") && lines[7].contains("63.5*"),
            "{text}"
        );
        assert!(
            lines[10].starts_with("guessing") && lines[10].contains("25.0") && lines[10].ends_with("33.3"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}') && lines.iter().skip(2).take(9).all(|line| line.chars().count() < 150));
        assert!(super::text(&runs, Style::Coloured).contains("\u{1b}[31m63.5*\u{1b}[0m"));
    }

    #[test]
    fn models_side_by_side_with_what_was_measured() {
        let mut large = falling("large", 4_000_000, 0.9);
        large.efficiency = efficiency(&[("none", 123.0, 45_000_000)]);
        let text = text(&[falling("small", 1_000_000, 0.5), large], Style::Plain);
        assert!(text.starts_with("model") && text.contains("tok/s") && text.contains("45.0"), "{text}");
        assert!(text.contains("\nsmall: ") && text.contains("\nlarge: "), "{text}");
    }

    #[test]
    fn tasks_that_nobody_knows_have_columns_too() {
        let runs = [run("m", &[("none", 16.0, 100, &[("novelty:x@y", 0.5), ("mmlu@a", 0.5), ("mmlu@b", 0.25)])])];
        let overview = Overview::of(&runs);
        assert_eq!(overview.header, ["recipe", "bits", "MB", "MMLU", "mmlu@b", "novelty:x"]);
        let texts: Vec<&str> = overview.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts, ["none", "16", "0.00", "50.0", "25.0", "50.0"]);
    }

    #[test]
    fn noise_is_marked() {
        let scores: [&[(&str, f64)]; 2] = [&[("mmlu@a", 0.5)], &[("mmlu@a", 0.49)]];
        let runs = [run("m", &[("none", 16.0, 9, scores[0]), ("none@bf16_noise", 16.0, 9, scores[1])])];
        assert_eq!(Overview::of(&runs).rows[1][3], Cell { text: "49.0".into(), mark: Mark::Noise });
    }
}
