//! The report in Markdown: overview, verdict, findings, correlations.

use super::benchmark::columns;
use super::correlation::{self, Correlation};
use super::findings::findings;
use super::grid::Grid;
use super::overview::Overview;
use super::run::Run;
use super::verdict::{RULE, Verdict};

/// The report of runs.
pub fn text(runs: &[Run]) -> String {
    let all = columns(runs);
    let overview = Overview::of(runs);
    let models: Vec<&str> = runs.iter().map(|run| run.model.as_str()).collect();
    let mut text = format!("# {}\n\n## Verdict\n\n", escaped(&models.join(", ")));
    for run in runs {
        let verdict = Verdict::of(&all, run);
        let name = if runs.len() > 1 { format!("**{}** ", escaped(&run.model)) } else { String::new() };
        text.push_str(&format!("{name}{}\n\n", escaped(&verdict.text())));
    }
    text.push_str(&format!("{RULE}\n\n## Overview\n\n{}\n", overview.markdown()));
    for note in &overview.notes {
        text.push_str(&format!("{}\n\n", escaped(note)));
    }
    text.push_str("## The paper's findings\n\n");
    for finding in findings(&all, runs) {
        text.push_str(&format!("* {}: **{}**\n", finding.claim, finding.summary()));
        for line in &finding.evidence {
            text.push_str(&format!("  * {}\n", escaped(line)));
        }
        text.push_str(&format!("  * Rule: {}.\n", finding.rule));
    }
    let rows: Vec<Vec<String>> = correlation::rows(&all, runs).iter().map(row).collect();
    if !rows.is_empty() {
        let header = ["benchmark", "ppl, 4 and 3 bits", "within", "ln ppl, all", "within", "KL, all", "within"];
        let grid = Grid { header: vec![header.map(String::from).into()], rows, left: 1 };
        text.push_str(&format!("\n## Correlation (Pearson's r; number of points)\n\n{}", grid.markdown()));
    }
    text
}

fn row(row: &correlation::Row) -> Vec<String> {
    let cells = [&row.paper, &row.perplexity, &row.divergence].into_iter().flat_map(cells);
    [row.column.short.clone()].into_iter().chain(cells).collect()
}

fn cells(found: &Correlation) -> [String; 2] {
    let number = |r: Option<f64>| r.map_or_else(|| "-".into(), |r| format!("{r:+.2}"));
    let pooled = found.pooled.map_or_else(|| "-".into(), |r| format!("{r:+.2} ({})", found.points));
    [pooled, number(found.within)]
}

/// Text whose stars are no emphasis.
fn escaped(text: &str) -> String {
    text.replace('*', "\\*")
}
