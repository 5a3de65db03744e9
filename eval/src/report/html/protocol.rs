//! How it was done: everything that could change a number, with hashes, and how to do it again.

use super::super::benchmark::Column;
use super::super::figures::{bits, probability, signed, thousands};
use super::super::markup::escape;
use super::super::overview::Mark;
use super::super::run::{Change, Run, is_noise};
use super::table::{Cell, Table};
use serde_json::Value;

/// Every difference from a baseline, of the tasks that were asked for by name.
pub fn differences(columns: &[Column], runs: &[Run]) -> String {
    let mut table = Table {
        caption: "Every difference from the baseline".into(),
        header: [
            "model",
            "recipe",
            "task",
            "metric",
            "change",
            "95 % interval",
            "p (Holm)",
            "detectable",
            "lost",
            "gained",
            "same",
            "KL",
            "token KL",
        ]
        .map(String::from)
        .into(),
        left: 3,
        ..Table::default()
    };
    for run in runs {
        table.begins.push(table.rows.len());
        for change in &run.changes {
            let column = columns.iter().find(|column| column.ids().contains(&change.task));
            if let Some(column) = column {
                table.rows.push(row(run, column, change));
            }
        }
    }
    table.note =
        "Scores in percent where the metric is a share. p after Holm's correction over the tasks of a recipe; \
                  detectable: the smallest change of the mean score that the test finds four times in five; lost, \
                  gained: right answers that became wrong, wrong ones that became right; same: answers that agree; KL: \
                  of the choices' probabilities, nats a document; token KL: of next-token distributions, nats a \
                  position."
            .into();
    table.html()
}

fn row(run: &Run, column: &Column, change: &Change) -> Vec<Cell> {
    let dash = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".into()));
    let shown = |value: f64| {
        let value = column.scale.points(value);
        if column.is_perplexity() { signed(value) } else { format!("{value:+.2}") }
    };
    let of_change =
        Cell { text: shown(change.difference), mark: Mark::of(Some(change)), paper: None, title: change.test.clone() };
    vec![
        run.model.as_str().into(),
        change.recipe.as_str().into(),
        change.task.as_str().into(),
        change.metric.as_str().into(),
        of_change,
        dash(change.interval.map(|(low, high)| format!("{} to {}", shown(low), shown(high)))),
        dash(change.p_corrected.map(probability)),
        dash(change.detectable.map(|least| bits(column.scale.points(least)))),
        dash(change.lost_gained.map(|(lost, _)| lost.to_string())),
        dash(change.lost_gained.map(|(_, gained)| gained.to_string())),
        dash(change.agreement.map(|share| format!("{:.1} %", 100.0 * share))),
        dash(change.choice_kl.map(|(from, _)| format!("{from:.1e}"))),
        dash(change.token_kl.map(|(from, _)| format!("{from:.1e}"))),
    ]
}

/// The protocol of one run.
pub fn protocol(run: &Run) -> String {
    let manifest = &run.manifest;
    if manifest.is_null() {
        return String::new();
    }
    let text = |value: &Value| escape(&plain(value));
    let mut items = String::new();
    let mut item = |name: &str, content: String| items.push_str(&format!("<dt>{name}</dt><dd>{content}</dd>"));
    item(
        "Model",
        format!(
            "{}<br/>SHA-256 of its files together <code>{}</code>",
            text(&manifest["model"]["name"]),
            text(&manifest["model"]["digest"])
        ),
    );
    let files = manifest["model"]["files"].as_object().into_iter().flatten();
    let files: String = files.map(|(name, hash)| format!("{} {}\n", plain(hash), name)).collect();
    item("Its files", format!("<pre>{}</pre>", escape(files.trim_end())));
    let program = &manifest["program"];
    item(
        "Program",
        format!(
            "{} {}, numerics version {}",
            text(&program["name"]),
            text(&program["version"]),
            text(&manifest["numerics_version"])
        ),
    );
    let recipes: Vec<String> = run
        .variants
        .iter()
        .map(|variant| {
            format!(
                "<code>{}</code> ({} nominal, {} true bits a weight, {} bytes)",
                escape(&variant.recipe),
                bits(variant.nominal_bits),
                bits(variant.true_bits),
                thousands(variant.weight_bytes)
            )
        })
        .collect();
    item("Recipes", format!("{}<br/>Baseline: <code>{}</code>", recipes.join("<br/>"), escape(&run.baseline)));
    item("Options", format!("<pre>{}</pre>", escape(&format!("{:#}", manifest["options"]))));
    match &manifest["calibration"] {
        Value::Null => item("Calibration", "none of the recipes looks at text".into()),
        calibration => item("Calibration", format!("<pre>{}</pre>", escape(&format!("{calibration:#}")))),
    }
    if let Some(efficiency) = &run.efficiency {
        let both = format!("{:#}\n{:#}", efficiency.machine, efficiency.protocol);
        item("Measurement of speed and memory", format!("<pre>{}</pre>", escape(&both)));
    }
    item(
        "To do it again",
        format!(
            "<pre>{}</pre>The model's files and those of the tasks must have the hashes given here; then every number \
             but those of speed and memory comes out the same, to the last bit.",
            escape(&command(run))
        ),
    );
    format!(
        "<h3>{}</h3><dl>{items}</dl>{}<details><summary>How each task was asked</summary><pre>{}</pre></details>\n",
        escape(&run.model),
        tasks(manifest).html(),
        escape(&format!("{:#}", run.configurations))
    )
}

fn tasks(manifest: &Value) -> Table {
    let mut table = Table {
        caption: "Tasks and their files".into(),
        header: ["task", "version", "documents", "files and their SHA-256"].map(String::from).into(),
        left: 1,
        ..Table::default()
    };
    for task in manifest["tasks"].as_array().into_iter().flatten() {
        let files = task["files"].as_array().into_iter().flatten();
        let files: Vec<String> =
            files.map(|file| format!("{} {}", plain(&file["name"]), plain(&file["sha256"]))).collect();
        let documents = task["documents"].as_u64().map_or_else(String::new, thousands);
        table.rows.push(vec![
            plain(&task["id"]).into(),
            plain(&task["version"]).into(),
            documents.into(),
            files.join("; ").into(),
        ]);
    }
    table
}

/// A text without its quotes; any other value as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// The command that gives these results.
fn command(run: &Run) -> String {
    let (manifest, options) = (&run.manifest, &run.manifest["options"]);
    let list = |value: &Value| value.as_array().into_iter().flatten().map(plain).collect::<Vec<_>>().join(",");
    let recipes: Vec<&str> =
        run.variants.iter().filter(|variant| !is_noise(variant)).map(|variant| variant.recipe.as_str()).collect();
    let model = match plain(&manifest["model"]["name"]).strip_prefix("builtin") {
        Some(size) => format!("builtin{}", size.replacen('-', ":", 1)),
        None => "DIR".to_string(),
    };
    let mut parts = vec![
        format!("nibble eval --model {model}"),
        format!("--quant {}", recipes.join(",")),
        format!("--tasks {}", list(&manifest["requested"])),
    ];
    for (key, flag) in
        [("limit", "--limit"), ("num_fewshot", "--num_fewshot"), ("window", "--window"), ("kl_documents", "--kl")]
    {
        parts.extend(options[key].as_u64().map(|number| format!("{flag} {number}")));
    }
    parts.extend(options["seed"].as_u64().map(|seed| format!("--seed {seed}")));
    if let Some(action) = options["on_overflow"].as_str() {
        parts.push(format!("--on_overflow {action}"));
    }
    for (key, word, flag) in [
        ("prompt_form", "chat", "--apply_chat_template"),
        ("double_bos", "allow", "--allow_double_bos"),
        ("shown_answers", "allow", "--allow_shown_answers"),
    ] {
        if options[key] == word {
            parts.push(flag.into());
        }
    }
    if run.variants.iter().any(is_noise) {
        parts.push("--noise_floor".into());
    }
    parts.join(" \\\n    ")
}
