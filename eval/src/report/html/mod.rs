//! The report as one page: no script, nothing from elsewhere, the same bytes for the same runs.

mod beyond;
mod figures;
mod measures;
mod protocol;
mod style;
mod table;
mod tables;
#[cfg(test)]
mod tests;

use super::benchmark::{Column, columns, secondary};
use super::equal_bytes::{EqualBytes, equal_bytes};
use super::figures::{listed, megabytes};
use super::findings::findings;
use super::markup::escape;
use super::overview::Overview;
use super::run::Run;
use super::verdict::{RULE, Verdict};
use table::{Cell, Table};

/// The page about `runs`.
pub fn page(runs: &[Run]) -> String {
    let all = columns(runs);
    let models: Vec<String> = runs.iter().map(|run| run.model.clone()).collect();
    let title = format!("What did these bits cost? {}", models.join(", "));
    let sections = [
        ("findings", "The paper's findings, here", of_findings(&all, runs)),
        ("figures", "Scores, perplexity, memory and speed by data type", of_figures(&all, runs)),
        ("true-bits", "Quality against what is really stored", of_true_bits(&all, runs)),
        ("answers", "What changed beneath the scores", of_answers(runs)),
        (
            "tables",
            "Tables",
            format!(
                "<p class=\"soft\">{} {}</p>\n{}",
                escape(super::overview::MARKS),
                escape(tables::PALE),
                tables::all(&all, runs)
            ),
        ),
        ("differences", "Differences and their tests", protocol::differences(&all, runs)),
        ("protocol", "Protocol", runs.iter().map(protocol::protocol).collect()),
    ];
    let links: String = sections.iter().map(|(id, name, _)| format!("<a href=\"#{id}\">{name}</a>")).collect();
    let body: String = (sections.iter())
        .map(|(id, name, content)| format!("<section id=\"{id}\"><h2>{name}</h2>\n{content}</section>\n"))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>{}</style>\n</head>\n<body>\n<main>\n<h1>What did these bits cost?</h1>\n\
         <p class=\"soft\">{}</p>\n<nav>{links}</nav>\n{}{}{body}</main>\n</body>\n</html>\n",
        escape(&title),
        style::sheet(),
        escape(&subtitle(&all, runs)),
        of_verdicts(&all, runs),
        of_overview(runs),
    )
}

fn subtitle(all: &[Column], runs: &[Run]) -> String {
    let models: Vec<String> = runs.iter().map(|run| run.model.clone()).collect();
    let recipes = runs.iter().map(|run| run.recipes().count()).max().unwrap_or(0);
    let word = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    format!(
        "{}; {} on {}. Every number is computed from the files of the run directories; each recipe answered the same \
         questions.",
        listed(&models),
        word(recipes, "recipe", "recipes"),
        word(all.len(), "task", "tasks")
    )
}

fn of_verdicts(all: &[Column], runs: &[Run]) -> String {
    let paragraph = |run: &Run| {
        let verdict = Verdict::of(all, run);
        let name = if runs.len() > 1 { format!("<b>{}.</b> ", escape(&run.model)) } else { String::new() };
        format!("<p>{name}{}</p>", escape(&verdict.text()))
    };
    let paragraphs: String = runs.iter().map(paragraph).collect();
    format!("<div class=\"verdict\">{paragraphs}<p class=\"soft\">{}</p></div>\n", escape(RULE))
}

fn of_overview(runs: &[Run]) -> String {
    let overview = Overview::of(runs);
    let mut begins = Vec::new();
    let mut at = 0;
    for run in runs {
        begins.push(at);
        at += run.variants.len();
    }
    begins.push(at);
    let cells = |row: &Vec<super::overview::Cell>| {
        row.iter().map(|cell| Cell { text: cell.text.clone(), mark: cell.mark, ..Cell::default() }).collect()
    };
    let table = Table {
        caption: "Overview".into(),
        header: overview.header.clone(),
        left: overview.left,
        rows: overview.rows.iter().map(cells).collect(),
        begins,
        note: overview.notes.join(". "),
    };
    table.html()
}

/// Lines of evidence that a page shows without being asked.
const FEW_LINES: usize = 4;

fn of_findings(all: &[Column], runs: &[Run]) -> String {
    let mut text = String::from("<dl>\n");
    for finding in findings(all, runs) {
        let lines: String = finding.evidence.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        let open = if finding.evidence.len() > FEW_LINES { "" } else { " open=\"open\"" };
        text.push_str(&format!(
            "<dt>{}: <span class=\"outcome\">{}</span></dt><dd><details{open}><summary>The numbers</summary>\
             <ul>{lines}</ul></details><p class=\"soft\">Rule: {}.</p></dd>\n",
            escape(finding.claim),
            finding.summary(),
            escape(finding.rule)
        ));
    }
    text.push_str("</dl>\n");
    text
}

fn of_figures(all: &[Column], runs: &[Run]) -> String {
    format!(
        "{}<p class=\"soft\">Bars are 95 % intervals.</p><div class=\"figures\">{}</div>\n<h3>Further measures of the \
         paper</h3>\n<div class=\"figures\">{}</div>\n<h3>Memory and speed</h3>\n{}",
        figures::legend(runs, figures::Rings::Shown),
        figures::by_data_type(all, runs),
        figures::by_data_type(&secondary(all), runs),
        beyond::efficiency(runs)
    )
}

fn of_true_bits(all: &[Column], runs: &[Run]) -> String {
    let panels = format!("{}{}", beyond::quality_by_true_bits(all, runs), beyond::pareto(all, runs));
    format!(
        "<p>Nominal bits hide scales, zero points and outliers: SpQR at 2 nominal bits may store three times as \
         many.</p>\n\
         {}<div class=\"figures\">{panels}</div>\n{}<details><summary>Every benchmark against true bits</summary>\
         <div class=\"figures\">{}</div></details>\n",
        figures::legend(runs, figures::Rings::None),
        of_equal_bytes(all, runs).html(),
        figures::by_true_bits(all, runs)
    )
}

fn of_equal_bytes(all: &[Column], runs: &[Run]) -> Table {
    let row = |pair: &EqualBytes| -> Vec<Cell> {
        let side =
            |(model, recipe, bytes): &(String, String, u64)| format!("{model} {recipe}, {} MB", megabytes(*bytes));
        let both = |values: Option<(f64, f64)>| {
            let (larger, smaller) = values.unzip();
            [larger, smaller].map(|value| Cell::from(value.map_or_else(|| "-".into(), |value| format!("{value:.2}"))))
        };
        let mut cells: Vec<Cell> = vec![side(&pair.larger).into(), side(&pair.smaller).into()];
        cells.extend(both(pair.scores));
        cells.extend(both(pair.perplexities));
        cells.extend(
            [&pair.better_worse.0, &pair.better_worse.1]
                .map(|names| Cell::from(if names.is_empty() { "none".to_string() } else { names.join(", ") })),
        );
        cells
    };
    Table {
        caption: "Larger and quantized against smaller and not, at equal bytes".into(),
        header: [
            "larger",
            "smaller",
            "mean score, larger",
            "smaller",
            "perplexity, larger",
            "smaller",
            "larger better in",
            "larger worse in",
        ]
        .map(String::from)
        .into(),
        left: 2,
        rows: equal_bytes(all, runs).iter().map(row).collect(),
        begins: Vec::new(),
        note: "Of the larger model the best recipe with at most 1.05 times the bytes. Better and worse: by more than \
               1.96 standard errors of the difference, the two taken for independent."
            .into(),
    }
}

fn of_answers(runs: &[Run]) -> String {
    let panels = [beyond::flips(runs), beyond::divergences(runs), beyond::layers(runs)].concat();
    if panels.is_empty() {
        return "<p class=\"soft\">These runs compare nothing.</p>\n".into();
    }
    format!("<div class=\"figures\">{panels}</div>\n")
}
