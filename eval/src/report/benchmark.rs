//! The catalogue of benchmarks: short names, chance, and which columns the tasks of runs fall into.

use super::figures::plain;
use super::run::{Run, Score, Task, Variant};

/// A benchmark that reports know by name.
#[derive(Debug)]
pub struct Benchmark {
    /// Name of its task.
    name: &'static str,
    /// At the head of a column.
    short: &'static str,
    /// In full.
    title: &'static str,
    /// What guessing scores, from 0 to 1, where that is known.
    chance: Option<f64>,
    /// What `paper` calls its main metric.
    paper: &'static str,
}

const fn known(
    name: &'static str,
    short: &'static str,
    title: &'static str,
    chance: Option<f64>,
    paper: &'static str,
) -> Benchmark {
    Benchmark { name, short, title, chance, paper }
}

/// In the paper's order, then the others.
static CATALOGUE: &[Benchmark] = &[
    known("mmlu", "MMLU", "MMLU, knowledge", Some(0.25), "mmlu"),
    known("ceval", "C-Eval", "C-Eval, knowledge", Some(0.25), "ceval"),
    known("flores200", "FLORES", "FLORES-200, translation", None, ""),
    known("xsum", "XSum", "XSum, short summaries", None, "xsum rouge1"),
    known("cnn_dailymail", "CNN/DM", "CNN/DailyMail, summaries", None, "cnn_dailymail rouge1"),
    known("gsm8k", "GSM8K", "GSM8K, arithmetic", None, "gsm8k"),
    known("snli", "SNLI", "SNLI, inference", Some(1.0 / 3.0), "snli"),
    known("followbench", "Follow", "FollowBench, instructions", None, "followbench hsr"),
    known("truthfulqa", "TruthQA", "TruthfulQA, misconceptions", Some(0.226), "truthfulqa"),
    known("bbq", "BBQ", "BBQ, accuracy of answers about groups", Some(1.0 / 3.0), ""),
    known("truthfulqa_mc1", "TQA-MC1", "TruthfulQA, MC1", Some(0.226), "truthfulqa"),
    known("truthfulqa_mc2", "TQA-MC2", "TruthfulQA, MC2", None, ""),
    known("arc_easy", "ARC-e", "ARC, easy", Some(0.25), ""),
    known("arc_challenge", "ARC-c", "ARC, challenge", Some(0.25), ""),
    known("hellaswag", "HellaSw", "HellaSwag", Some(0.25), ""),
    known("winogrande", "WinoGr", "WinoGrande", Some(0.5), ""),
    known("piqa", "PIQA", "PIQA", Some(0.5), ""),
    known("boolq", "BoolQ", "BoolQ", Some(0.5), ""),
    known("gsm8k_cot", "GSM-CoT", "GSM8K, chain of thought", None, ""),
    known("lambada_openai", "LAMBADA", "LAMBADA (OpenAI)", None, ""),
    known("lambada_standard", "LAMB-s", "LAMBADA (standard)", None, ""),
    known("ifeval", "IFEval", "IFEval, instructions", None, ""),
];

/// Choices of the built-in questions about misconceptions: one true and three false answers.
const BUILTIN_TRUTHFULQA_CHANCE: f64 = 0.25;

/// How a metric's values read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From 0 to 1, shown in percent.
    Share,
    /// From 0 to 100 already, as BLEU is.
    Points,
    /// As it is.
    Plain,
}

impl Scale {
    /// That of a metric, by its name.
    pub fn of(metric: &str) -> Self {
        let name = metric.split_once(',').map_or(metric, |(name, _)| name);
        match name {
            "bleu" | "chrf" | "chrf++" | "ter" | "bleu_max" | "bleu_diff" => Scale::Points,
            "csl" | "inst_not_checked" => Scale::Plain,
            name if name.contains("perplexity") || name.contains("bits_per") => Scale::Plain,
            _ => Scale::Share,
        }
    }

    /// A value as it is shown, in points.
    pub fn points(self, value: f64) -> f64 {
        if self == Scale::Share { 100.0 * value } else { value }
    }

    /// A value in few digits.
    pub fn text(self, value: f64) -> String {
        match self {
            Scale::Plain => plain(value),
            _ => format!("{:.1}", self.points(value) + 0.0),
        }
    }
}

/// A column of tables and a panel of figures: the tasks of one benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What tells it from others: `mmlu`, `flores200:eng_Latn-zho_Hans`.
    pub key: String,
    /// At its head.
    pub short: String,
    /// In full.
    pub title: String,
    /// Main metric.
    pub metric: String,
    /// How its values read.
    pub scale: Scale,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// What guessing scores, on the metric's own scale.
    pub chance: Option<f64>,
    /// What the paper calls the main metric.
    pub paper: String,
    /// Full ids of the tasks in it.
    ids: Vec<String>,
    /// Place in the order of columns.
    place: usize,
}

impl Column {
    /// Its task in a variant.
    pub fn task<'a>(&self, variant: &'a Variant) -> Option<&'a Task> {
        variant.tasks.iter().find(|task| self.ids.contains(&task.id))
    }

    /// Full ids of its tasks.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Its metric in a variant.
    pub fn score<'a>(&self, variant: &'a Variant) -> Option<&'a Score> {
        self.task(variant)?.score(&self.metric)
    }

    /// The value of its metric in a variant.
    pub fn value(&self, variant: &Variant) -> Option<f64> {
        self.score(variant)?.value
    }

    /// Whether it is a perplexity.
    pub fn is_perplexity(&self) -> bool {
        self.metric.contains("perplexity") && !self.higher_is_better
    }

    /// Whether it is a score that can be averaged with others: more is better, up to 100 points.
    pub fn is_score(&self) -> bool {
        self.higher_is_better && self.scale != Scale::Plain
    }
}

/// The columns of runs: perplexities, then benchmarks in the paper's order, then others as they come.
///
/// Tasks of one benchmark fall into one column, whatever their variant and protocol. Where a run has several of them,
/// the second has a column of its own.
pub fn columns(runs: &[Run]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for run in runs {
        let mut taken: Vec<String> = Vec::new();
        for task in run.reference().into_iter().flat_map(|variant| &variant.tasks).filter(|task| task.requested) {
            if columns.iter().any(|column| column.ids.contains(&task.id)) {
                continue;
            }
            let mut column = column(task);
            if taken.contains(&column.key) {
                column.key.clone_from(&task.id);
                column.short.clone_from(&task.id);
            }
            taken.push(column.key.clone());
            match columns.iter_mut().find(|known| known.key == column.key && known.metric == column.metric) {
                Some(known) => known.ids.extend(column.ids),
                None => columns.push(column),
            }
        }
    }
    columns.sort_by_key(|column| column.place);
    columns
}

fn column(task: &Task) -> Column {
    let end = task.id.find([':', '@']).unwrap_or(task.id.len());
    let (name, rest) = task.id.split_at(end);
    let variant = rest.strip_prefix(':').map(|rest| rest.split('@').next().unwrap_or(rest)).unwrap_or_default();
    let main = task.main();
    let metric = main.map(|score| score.metric.clone()).unwrap_or_default();
    let place = CATALOGUE.iter().position(|benchmark| benchmark.name == name);
    let benchmark = place.map(|place| &CATALOGUE[place]);
    let mut column = Column {
        key: name.to_string(),
        short: benchmark.map_or(name, |benchmark| benchmark.short).to_string(),
        title: benchmark.map_or(name, |benchmark| benchmark.title).to_string(),
        scale: Scale::of(&metric),
        higher_is_better: main.is_none_or(|score| score.higher_is_better),
        chance: benchmark.and_then(|benchmark| benchmark.chance),
        paper: benchmark.map(|benchmark| benchmark.paper).unwrap_or_default().to_string(),
        metric,
        ids: vec![task.id.clone()],
        place: place.map_or(CATALOGUE.len(), |place| place) + 1,
    };
    match name {
        "perplexity" => {
            let text = variant.strip_prefix("builtin_").unwrap_or(variant);
            column.key = format!("perplexity:{variant}");
            column.short = format!("ppl {text}");
            column.title = format!("Perplexity, {text}");
            column.paper = format!("perplexity {variant}");
            column.place = 0;
        }
        "flores200" => {
            let brief = |code: &str| code.chars().take(2).collect::<String>();
            let (from, into) = variant.split_once('-').unwrap_or((variant, ""));
            column.key = format!("flores200:{variant}");
            column.short = format!("{}→{}", brief(from), brief(into));
            column.title = format!("FLORES-200, {from} into {into}");
            column.paper = if from.starts_with("eng") { "from English" } else { "into English" }.into();
        }
        "truthfulqa" | "truthfulqa_mc1" if variant == "builtin" => column.chance = Some(BUILTIN_TRUTHFULQA_CHANCE),
        _ if benchmark.is_none() && !variant.is_empty() => {
            column.key = format!("{name}:{variant}");
            column.short = column.key.clone();
            column.title = column.key.clone();
        }
        _ => {}
    }
    if column.metric.is_empty() || column.scale != Scale::Share {
        column.chance = None;
    }
    column
}

/// Further metrics that the paper draws: of each benchmark, what `paper` calls them.
const SECONDARY: [(&str, &str, &str, &str); 8] = [
    ("xsum", "rouge2", "XSum, ROUGE-2", "xsum rouge2"),
    ("xsum", "rougeL", "XSum, ROUGE-L", "xsum rougeL"),
    ("cnn_dailymail", "rouge2", "CNN/DailyMail, ROUGE-2", "cnn_dailymail rouge2"),
    ("cnn_dailymail", "rougeL", "CNN/DailyMail, ROUGE-L", "cnn_dailymail rougeL"),
    ("followbench", "ssr", "FollowBench, SSR", "followbench ssr"),
    ("followbench", "csl", "FollowBench, CSL", "followbench csl"),
    ("bbq", "amb_bias_score", "BBQ, bias in ambiguous contexts", "bbq ambiguous"),
    ("bbq", "disamb_bias_score", "BBQ, bias in disambiguated contexts", "bbq disambiguated"),
];

/// Columns of further metrics of the benchmarks among `columns`.
pub fn secondary(columns: &[Column]) -> Vec<Column> {
    let of = |(key, metric, title, paper): &(&str, &str, &str, &str)| {
        let column = columns.iter().find(|column| column.key == *key && column.metric != *metric)?;
        let is_bias = metric.contains("bias");
        Some(Column {
            title: (*title).to_string(),
            metric: (*metric).to_string(),
            scale: Scale::of(metric),
            higher_is_better: !is_bias,
            chance: is_bias.then_some(0.0),
            paper: (*paper).to_string(),
            ..column.clone()
        })
    };
    SECONDARY.iter().filter_map(of).collect()
}

/// The columns that every run has.
pub fn shared(columns: &[Column], runs: &[Run]) -> Vec<Column> {
    let has = |run: &Run, column: &Column| run.reference().and_then(|variant| column.task(variant)).is_some();
    columns.iter().filter(|column| runs.iter().all(|run| has(run, column))).cloned().collect()
}
