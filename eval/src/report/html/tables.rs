//! The paper's tables 1 to 15 for these runs; those that do not apply are left out.

use super::super::benchmark::{Column, Scale};
use super::super::correlation::{self, Correlation};
use super::super::figures::{megabytes, rate, thousands};
use super::super::paper;
use super::super::quality::plain_mean_perplexity;
use super::super::run::{Run, Variant};
use super::measures::{Measure, TaskName, name_of, ratio, rows, table};
use super::table::{Cell, Table};

/// What the pale numbers are.
pub const PALE: &str = "Pale: Qwen-7B-Chat in the paper; its score in the row of the baseline, else its change from \
                        BF16 under the same method and bits (of perplexity, memory and speed: the factor).";

/// All of them, in their order.
pub fn all(columns: &[Column], runs: &[Run]) -> String {
    let plain = |caption: &str, measures: &[Measure]| table(caption, runs, measures, "").html();
    let mut text = benchmarks(columns, runs).html();
    text.push_str(&summary(columns, runs).html());
    text.push_str(&correlations(columns, runs).html());
    text.push_str(&ablation(columns, runs).html());
    text.push_str(&outliers(runs).html());
    text.push_str(&plain("Table 6: translation", &translation(runs)));
    text.push_str(&plain("Table 7: perplexity", &perplexities(columns)));
    text.push_str(&efficiency(runs));
    text.push_str(&plain("Table 9: MMLU by group, accuracy in percent", &members(runs, "mmlu")));
    text.push_str(&plain("Table 10: C-Eval by group, accuracy in percent", &members(runs, "ceval")));
    text.push_str(&plain("Table 11: XSum, ROUGE in percent", &rouge("xsum")));
    text.push_str(&plain("Table 12: CNN/DailyMail, ROUGE in percent", &rouge("cnn_dailymail")));
    text.push_str(&plain(
        "Table 13: reasoning, understanding, truthfulness",
        &[
            Measure::of("GSM8K", "gsm8k", "", "gsm8k"),
            Measure::of("SNLI", "snli", "", "snli"),
            Measure::of("SNLI, no answer", "snli", "no_answer", ""),
            Measure::of("TruthfulQA MC1", "truthfulqa", "mc1", "truthfulqa"),
            Measure::of("MC2", "truthfulqa", "mc2", ""),
            Measure::of("TruthfulQA MC1", "truthfulqa_mc1", "", "truthfulqa"),
        ],
    ));
    text.push_str(&plain("Table 14: FollowBench", &followbench()));
    text.push_str(&plain(
        "Table 15: BBQ, accuracy and bias in percent (bias: 0 is none)",
        &[
            Measure::of("accuracy", "bbq", "acc", ""),
            Measure::of("ambiguous", "bbq", "accuracy_amb", ""),
            Measure::of("disambiguated", "bbq", "accuracy_disamb", ""),
            Measure::of("bias, ambiguous", "bbq", "amb_bias_score", "bbq ambiguous"),
            Measure::of("bias, disambiguated", "bbq", "disamb_bias_score", "bbq disambiguated"),
        ],
    ));
    text.push_str(&plain("Other tasks", &others(columns)));
    text
}

fn benchmarks(columns: &[Column], runs: &[Run]) -> Table {
    let mut table = Table {
        caption: "Table 1: what was asked".into(),
        header: ["benchmark", "task", "documents", "main metric", "better", "guessing"].map(String::from).into(),
        left: 2,
        ..Table::default()
    };
    for column in columns {
        let mut seen: Vec<&str> = Vec::new();
        for task in runs.iter().filter_map(Run::reference).filter_map(|variant| column.task(variant)) {
            if seen.contains(&task.id.as_str()) {
                continue;
            }
            seen.push(&task.id);
            let guessing = column.chance.map_or_else(|| "-".into(), |chance| column.scale.text(chance));
            let better = if column.higher_is_better { "more" } else { "less" };
            table.rows.push(vec![
                column.title.as_str().into(),
                task.id.as_str().into(),
                thousands(task.documents).into(),
                column.metric.as_str().into(),
                better.into(),
                guessing.into(),
            ]);
        }
    }
    table
}

fn summary(columns: &[Column], runs: &[Run]) -> Table {
    let accuracy: Vec<Measure> =
        ["mmlu", "ceval", "gsm8k", "snli", "truthfulqa"].map(|name| Measure::of("", name, "", "")).into();
    let bleu = translation(runs).into_iter().filter(|it| it.metric == "bleu").collect::<Vec<_>>();
    let of_both = |metric| ["xsum", "cnn_dailymail"].map(|name| Measure::of("", name, metric, "")).to_vec();
    let one = |name: &str, metric| vec![Measure::of("", name, metric, "")];
    let averages = [
        ("accuracy", accuracy),
        ("BLEU", bleu),
        ("ROUGE-1", of_both("rouge1")),
        ("ROUGE-2", of_both("rouge2")),
        ("ROUGE-L", of_both("rougeL")),
        ("HSR", one("followbench", "hsr")),
        ("SSR", one("followbench", "ssr")),
        ("CSL", one("followbench", "csl")),
        ("bias amb.", one("bbq", "amb_bias_score")),
        ("bias dis.", one("bbq", "disamb_bias_score")),
    ];
    let mean = |measures: &[Measure], variant: &Variant| -> Cell {
        let values: Vec<(f64, Scale)> = measures.iter().filter_map(|measure| measure.value(variant)).collect();
        let Some((_, scale)) = values.first() else { return "-".into() };
        let sum = values.iter().fold(0.0, |sum, (value, _)| sum + value);
        scale.text(sum / values.len() as f64).into()
    };
    let has = |measures: &[Measure]| {
        let variants = || runs.iter().flat_map(|run| &run.variants);
        variants().any(|variant| measures.iter().any(|measure| measure.value(variant).is_some()))
    };
    let shown: Vec<_> = averages.iter().filter(|(_, measures)| has(measures)).collect();
    let mut table = rows("Table 2: summary, averages as in the paper", runs, |run, variant| {
        let mut cells: Vec<Cell> = shown.iter().map(|(_, measures)| mean(measures, variant)).collect();
        let perplexity = plain_mean_perplexity(columns, variant);
        cells.push(perplexity.map_or_else(|| "-".into(), |value| Scale::Plain.text(value).into()));
        let measured = run.efficiency.as_ref().and_then(|it| it.recipe(&variant.recipe));
        let memory = measured.and_then(|it| it.held_bytes).map_or_else(|| "not measured".into(), megabytes);
        let speed = measured.and_then(|it| it.generated).map_or_else(|| "not measured".into(), |it| rate(it.median));
        cells.extend([memory.into(), speed.into()]);
        cells
    });
    table.header.extend(shown.iter().map(|(head, _)| (*head).to_string()));
    table.header.extend(["perplexity", "memory MB", "tokens/s"].map(String::from));
    table.note = "accuracy: mean of MMLU, C-Eval, GSM8K, SNLI and TruthfulQA, of those that were asked; BLEU: of the \
                  directions; ROUGE: of XSum and CNN/DailyMail; perplexity: arithmetic mean, as the paper has it."
        .into();
    table
}

fn correlations(columns: &[Column], runs: &[Run]) -> Table {
    let number = |r: Option<f64>| Cell::from(r.map_or_else(|| "-".into(), |r| format!("{r:+.2}")));
    let pair = |found: &Correlation| [number(found.pooled), number(found.within)];
    let row = |row: &correlation::Row| {
        let mut cells: Vec<Cell> = vec![row.column.title.as_str().into()];
        cells.extend(pair(&row.paper));
        cells.push(row.paper.points.to_string().into());
        cells.extend(pair(&row.perplexity));
        cells.push(row.perplexity.points.to_string().into());
        cells.extend(pair(&row.divergence));
        cells.push(row.divergence.points.to_string().into());
        let printed = paper::correlation(&row.column.paper);
        let number = |value: Option<f64>| Cell::from(value.map_or_else(String::new, |r| format!("{r:+.2}")));
        cells.extend(
            [printed.map(|it| it.printed), printed.map(|it| it.recomputed), printed.map(|it| it.within)].map(number),
        );
        cells
    };
    Table {
        caption: "Table 3: correlation of perplexity and of divergence with every benchmark, Pearson's r".into(),
        header: [
            "benchmark",
            "ppl, 4 and 3 bits",
            "within model",
            "n",
            "ln ppl, all",
            "within model",
            "n",
            "KL, all",
            "within model",
            "n",
            "paper",
            "paper, recomputed",
            "paper, within model",
        ]
        .map(String::from)
        .into(),
        left: 1,
        rows: correlation::rows(columns, runs).iter().map(row).collect(),
        begins: Vec::new(),
        note: "Pooled r mixes in size: a larger model has a lower perplexity and better scores, whatever quantization \
               does. Within model, each model's mean is taken from both sides first (with one model it is the pooled \
               r). Few points: an r of 3 or 4 of them says little."
            .into(),
    }
}

/// SpQR at 2 bits with and without outliers, and with other groups.
fn ablation(columns: &[Column], runs: &[Run]) -> Table {
    let is_member = |variant: &Variant| variant.method == "spqr" && variant.bits == Some(2);
    let several = runs.iter().any(|run| run.variants.iter().filter(|variant| is_member(variant)).count() > 1);
    let mut found = table("Table 4: SpQR at 2 bits, taken apart", runs, &perplexities(columns), "");
    let names: Vec<String> = (runs.iter().flat_map(|run| &run.variants))
        .filter(|variant| is_member(variant))
        .map(|variant| variant.recipe.clone())
        .collect();
    found.rows.retain(|row| row.iter().any(|cell| names.contains(&cell.text)));
    found.begins.clear();
    if !several {
        found.rows.clear();
    }
    found
}

fn outliers(runs: &[Run]) -> Table {
    let mut table = Table {
        caption: "Table 5: share of weights kept apart as outliers, percent".into(),
        header: ["model", "recipe", "true bits", "all", "least matrix", "most", "paper"].map(String::from).into(),
        left: 2,
        ..Table::default()
    };
    for run in runs {
        table.begins.push(table.rows.len());
        for variant in run.recipes() {
            let Some(share) = variant.outlier_share() else { continue };
            let of = |layer: &super::super::run::Layer| Some(layer.outliers? as f64 / layer.weights.max(1) as f64);
            let shares: Vec<f64> = variant.layers.iter().filter_map(of).collect();
            let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
            let most = shares.iter().copied().fold(0.0, f64::max);
            let mut row: Vec<Cell> = vec![run.model.as_str().into(), variant.recipe.as_str().into()];
            row.push(super::super::figures::bits(variant.true_bits).into());
            row.extend([share, least, most].map(|share| format!("{:.3}", 100.0 * share).into()));
            row.push(paper::outliers(variant).map_or_else(|| "-".into(), |share| format!("{share:.3}").into()));
            table.rows.push(row);
        }
    }
    table
}

fn translation(runs: &[Run]) -> Vec<Measure> {
    let mut found: Vec<Measure> = Vec::new();
    for task in runs.iter().filter_map(Run::reference).flat_map(|variant| &variant.tasks) {
        if name_of(&task.id) != "flores200" || found.iter().any(|it| it.task == TaskName::Id(task.id.clone())) {
            continue;
        }
        let direction = task.id.split([':', '@']).nth(1).unwrap_or_default();
        let paper = if direction.starts_with("eng") { "from English" } else { "into English" };
        for (metric, paper) in [("bleu", paper), ("chrf++", "")] {
            let head = format!("{} {direction}", if metric == "bleu" { "BLEU" } else { "chrF++" });
            found.push(Measure { head, task: TaskName::Id(task.id.clone()), metric, paper: paper.into() });
        }
    }
    found
}

fn perplexities(columns: &[Column]) -> Vec<Measure> {
    others_of(columns.iter().filter(|column| column.is_perplexity()))
}

/// Tasks that are in none of the paper's tables.
fn others(columns: &[Column]) -> Vec<Measure> {
    let known =
        ["mmlu", "ceval", "flores200", "xsum", "cnn_dailymail", "gsm8k", "snli", "followbench", "truthfulqa", "bbq"];
    let is_other = |column: &&Column| {
        !column.is_perplexity() && !known.contains(&name_of(&column.key)) && column.key != "truthfulqa_mc1"
    };
    others_of(columns.iter().filter(is_other))
}

fn others_of<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<Measure> {
    let measure = |id: &String, column: &Column| Measure {
        head: column.title.clone(),
        task: TaskName::Id(id.clone()),
        metric: "",
        paper: column.paper.clone(),
    };
    columns.flat_map(|column| column.ids().iter().map(|id| measure(id, column)).collect::<Vec<_>>()).collect()
}

/// Most members of a group that have columns.
const MOST_MEMBERS: usize = 12;

/// A group and its parts: its categories where it has them, else its members.
fn members(runs: &[Run], group: &str) -> Vec<Measure> {
    let mut found = vec![Measure::of("average", group, "", group)];
    let prefix = format!("{group}_");
    let mut names: Vec<String> = Vec::new();
    for task in runs.iter().filter_map(Run::reference).flat_map(|variant| &variant.tasks) {
        let name = name_of(&task.id);
        if name.starts_with(&prefix) && !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    }
    const CATEGORIES: [&str; 6] = ["stem", "humanities", "social_sciences", "social_science", "other", "hard"];
    let is_category = |name: &&String| CATEGORIES.contains(&&name[prefix.len()..]);
    if names.iter().any(|name| is_category(&name)) {
        names.retain(|name| is_category(&name));
    }
    names.truncate(MOST_MEMBERS);
    found.extend(names.iter().map(|name| Measure::of(&name[prefix.len()..].replace('_', " "), name, "", name)));
    found
}

fn rouge(task: &str) -> [Measure; 4] {
    let of = |head: &str, metric| Measure::of(head, task, metric, &format!("{task} {metric}"));
    [
        of("ROUGE-1", "rouge1"),
        of("ROUGE-2", "rouge2"),
        of("ROUGE-L", "rougeL"),
        Measure::of("no answer", task, "no_answer", ""),
    ]
}

fn followbench() -> Vec<Measure> {
    let of = |head: &str, metric, paper: &str| Measure::of(head, "followbench", metric, paper);
    let mut found = vec![
        of("HSR", "hsr", "followbench hsr"),
        of("SSR", "ssr", "followbench ssr"),
        of("CSL (of 5)", "csl", "followbench csl"),
    ];
    let levels = ["hsr_l1", "hsr_l2", "hsr_l3", "hsr_l4", "hsr_l5", "ssr_l1", "ssr_l2", "ssr_l3", "ssr_l4", "ssr_l5"];
    found.extend(levels.map(|metric| of(&metric.replace("_l", " ").to_uppercase(), metric, "")));
    found
}

fn efficiency(runs: &[Run]) -> String {
    if runs.iter().all(|run| run.efficiency.is_none()) {
        return "<p class=\"soft\">Table 8, memory and speed: not measured.</p>\n".into();
    }
    let mut table = rows("Table 8: memory and speed", runs, |run, variant| {
        let of = |recipe: &str| run.efficiency.as_ref().and_then(|it| it.recipe(recipe));
        let Some(it) = of(&variant.recipe) else { return vec!["not measured".into()] };
        let dash = || Cell::from("-");
        let speed = |found: Option<super::super::efficiency::Rate>| {
            found.map_or_else(dash, |it| Cell {
                title: format!("{} to {} over the repetitions", rate(it.low), rate(it.high)),
                ..rate(it.median).into()
            })
        };
        let bytes = |found: Option<u64>| found.map_or_else(dash, |bytes| megabytes(bytes).into());
        let beside = |mut cell: Cell, measure: &str| {
            if variant.recipe != run.baseline && !super::super::run::is_noise(variant) {
                cell.paper = paper::ratio(measure, variant).map(ratio);
            }
            cell
        };
        vec![
            megabytes(variant.weight_bytes).into(),
            bytes(it.held_bytes),
            beside(bytes(it.peak_bytes), "memory GB"),
            it.cache_bytes_per_token.map_or_else(dash, |bytes| thousands(bytes).into()),
            speed(it.prompt),
            beside(speed(it.generated), "tokens/s"),
            speed(it.scored),
            bytes(it.bytes_per_token),
            it.bandwidth_share.map_or_else(dash, |share| format!("{:.0} %", 100.0 * share).into()),
            it.joules_per_token.map_or_else(|| "not readable".into(), |joules| format!("{joules:.3}").into()),
        ]
    });
    let heads = [
        "weights MB",
        "with keys and values MB",
        "process at its peak MB",
        "cache bytes a token",
        "prompt tokens/s",
        "generated tokens/s",
        "scored tokens/s",
        "MB read a token",
        "of memory bandwidth",
        "J a token",
    ];
    table.header.extend(heads.map(String::from));
    table.note = "Medians of the repetitions. Taken once for a machine, program, model and recipe and kept, so that \
                  this page is the same for two runs of one plan; machine and protocol stand at the end."
        .into();
    table.html()
}
