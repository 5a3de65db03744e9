//! What the paper lacks: quality against true bits, Pareto fronts, memory and speed with their spread, flips,
//! divergence with its noise floor, layer by layer losses.

use super::super::benchmark::{Column, shared};
use super::super::correlation::divergence;
use super::super::efficiency::{Measured, Rate};
use super::super::figures::{bits, megabytes, rate};
use super::super::pareto::{Candidate, front};
use super::super::quality::{Mean, mean_perplexity, mean_score};
use super::super::run::{Run, Variant, is_noise};
use super::super::svg::{Axis, Plot, Point, Shape, Start, WIDTH};
use super::figures::{HEIGHT, figure};
use super::style::class;

/// A recipe of a run in a figure.
struct Entry<'a> {
    model: usize,
    run: &'a Run,
    variant: &'a Variant,
}

fn entries(runs: &[Run]) -> Vec<Entry<'_>> {
    let of = |(model, run)| Run::recipes(run).map(move |variant| Entry { model, run, variant });
    runs.iter().enumerate().flat_map(of).collect()
}

impl Entry<'_> {
    fn name(&self, runs: &[Run]) -> String {
        if runs.len() > 1 { format!("{} {}", self.run.model, self.variant.recipe) } else { self.variant.recipe.clone() }
    }

    fn measured(&self) -> Option<&Measured> {
        self.run.efficiency.as_ref()?.recipe(&self.variant.recipe)
    }
}

/// Mean score and perplexity against true bits.
pub fn quality_by_true_bits(columns: &[Column], runs: &[Run]) -> String {
    let columns = shared(columns, runs);
    let score = |entry: &Entry<'_>| mean_score(&columns, entry.variant);
    let perplexity =
        |entry: &Entry<'_>| mean_perplexity(&columns, entry.variant).map(|value| Mean { value, ends: None });
    let mut text = cloud(
        runs,
        "Mean score against true bits",
        "mean of the benchmarks, with 95 % intervals; dotted: the Pareto front",
        ("true bits a weight, log scale", "mean score, points"),
        &|entry| Some(entry.variant.true_bits),
        &score,
    );
    text.push_str(&cloud(
        runs,
        "Perplexity against true bits",
        "geometric mean of the texts; dotted: the Pareto front",
        ("true bits a weight, log scale", "perplexity, log scale"),
        &|entry| Some(entry.variant.true_bits),
        &perplexity,
    ));
    text
}

/// Mean score against bytes, memory and time.
pub fn pareto(columns: &[Column], runs: &[Run]) -> String {
    let columns = shared(columns, runs);
    let has_scores = entries(runs).iter().any(|entry| mean_score(&columns, entry.variant).is_some());
    let quality = |entry: &Entry<'_>| match has_scores {
        true => mean_score(&columns, entry.variant),
        false => mean_perplexity(&columns, entry.variant).map(|value| Mean { value, ends: None }),
    };
    let y = if has_scores { "mean score, points" } else { "perplexity, log scale" };
    let cost: [(&str, &str, Cost<'_>); 3] = [
        ("Quality against bytes of weights", "MB of weights, log scale", &|entry| {
            Some(entry.variant.weight_bytes as f64 / 1e6)
        }),
        ("Quality against memory", "MB of weights, keys and values, log scale", &|entry| {
            Some(entry.measured()?.held_bytes? as f64 / 1e6)
        }),
        ("Quality against time", "ms a generated token, log scale", &|entry| {
            Some(1000.0 / entry.measured()?.generated?.median)
        }),
    ];
    let panel = |(caption, x, cost): (&str, &str, Cost<'_>)| {
        cloud(runs, caption, "dotted: the Pareto front", (x, y), cost, &quality)
    };
    cost.into_iter().map(panel).collect()
}

type Cost<'a> = &'a dyn Fn(&Entry<'_>) -> Option<f64>;

/// Recipes by cost and quality, those on the front named.
fn cloud(
    runs: &[Run],
    caption: &str,
    detail: &str,
    (x_title, y_title): (&str, &str),
    cost: Cost<'_>,
    quality: &dyn Fn(&Entry<'_>) -> Option<Mean>,
) -> String {
    let entries = entries(runs);
    let found: Vec<(&Entry<'_>, f64, Mean)> =
        entries.iter().filter_map(|entry| Some((entry, cost(entry)?, quality(entry)?))).collect();
    if found.len() < 2 {
        return String::new();
    }
    let is_perplexity = y_title.starts_with("perplexity");
    let values = found.iter().flat_map(|(_, _, mean)| {
        let (low, high) = mean.ends.unwrap_or((mean.value, mean.value));
        [low, high]
    });
    let y = if is_perplexity { Axis::log(values) } else { Axis::linear(values, Start::Values) };
    let candidates: Vec<Candidate> = (found.iter())
        .map(|(_, cost, mean)| Candidate { cost: *cost, quality: if is_perplexity { -mean.value } else { mean.value } })
        .collect();
    let is_best = front(&candidates);
    let mut plot = Plot::new(HEIGHT + 24.0, 44.0, 84.0, Axis::log(found.iter().map(|(_, cost, _)| *cost)), y);
    plot.axes(x_title, y_title);
    let point =
        |(_, cost, mean): &(&Entry<'_>, f64, Mean)| Point { x: *cost, y: mean.value, ends: mean.ends, shift: 0.0 };
    let mut best: Vec<Point> =
        found.iter().zip(&is_best).filter(|(_, is_best)| **is_best).map(|(it, _)| point(it)).collect();
    best.sort_by(|a, b| a.x.total_cmp(&b.x));
    plot.line(&best, "front");
    let mut labels = Vec::new();
    for (it, is_best) in found.iter().zip(&is_best) {
        let (entry, cost, mean) = it;
        let title = format!("{}: {}, {}", entry.name(runs), bits(*cost), bits(mean.value));
        let class = class(&entry.variant.method);
        plot.point(point(it), Shape::of_model(entry.model), &class, &title);
        if *is_best {
            labels.push((*cost, mean.value, entry.variant.recipe.clone(), class));
        }
    }
    plot.labels(labels);
    let description = format!("{caption}: one point a model and recipe; {detail}");
    figure(caption, detail, &plot.finish(&description))
}

/// Room for names of rows.
fn room(names: &[String]) -> f64 {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    (longest as f64 * 6.3 + 12.0).clamp(50.0, WIDTH * 0.5)
}

/// A name that fits.
fn short(name: &str) -> String {
    const MOST: usize = 27;
    if name.chars().count() <= MOST { name.to_string() } else { name.chars().take(MOST - 1).chain(['…']).collect() }
}

/// Horizontal bars, the first row on top.
fn bars<'a>(
    runs: &[Run],
    caption: &str,
    unit: &str,
    of: impl Fn(&Entry<'a>) -> Option<(f64, Option<(f64, f64)>, String)>,
    entries: &[Entry<'a>],
) -> String {
    let found: Vec<_> = entries.iter().rev().filter_map(|entry| Some((entry, of(entry)?))).collect();
    if found.is_empty() {
        return String::new();
    }
    let names: Vec<String> = found.iter().map(|(entry, _)| short(&entry.name(runs))).collect();
    let (left, height) = (room(&names), 66.0 + 19.0 * names.len() as f64);
    let values = found.iter().flat_map(|(_, (value, ends, _))| [*value, ends.map_or(*value, |(_, high)| high)]);
    let x = Axis::linear(values, Start::Zero);
    let mut plot = Plot::new(height, left, 48.0, x, Axis::Names(names));
    plot.axes(unit, "");
    for (row, (entry, (value, ends, text))) in found.iter().enumerate() {
        let title = format!("{}: {text}", entry.name(runs));
        plot.row_bar(row, (0.0, *value), *ends, &class(&entry.variant.method), &title);
        plot.row_text(row, ends.map_or(*value, |(_, high)| high), text);
    }
    figure(caption, "", &plot.finish(&format!("{caption}, {unit}: one bar a model and recipe")))
}

/// Memory and speed.
pub fn efficiency(runs: &[Run]) -> String {
    let entries = entries(runs);
    if entries.iter().all(|entry| entry.measured().is_none()) {
        let weights = |entry: &Entry<'_>| {
            Some((entry.variant.weight_bytes as f64 / 1e6, None, megabytes(entry.variant.weight_bytes)))
        };
        let note = "<p class=\"soft\">Memory and speed were not measured in these runs; the weights alone take:</p>\n";
        return format!("{note}<div class=\"figures\">{}</div>\n", bars(runs, "Weights", "MB", weights, &entries));
    }
    let speed = |rate_of: fn(&Measured) -> Option<Rate>| {
        move |entry: &Entry<'_>| {
            let it = rate_of(entry.measured()?)?;
            Some((it.median, Some((it.low, it.high)), rate(it.median)))
        }
    };
    let memory = |bytes_of: fn(&Measured) -> Option<u64>| {
        move |entry: &Entry<'_>| {
            let bytes = bytes_of(entry.measured()?)?;
            Some((bytes as f64 / 1e6, None, megabytes(bytes)))
        }
    };
    let panels = [
        bars(runs, "Weights, keys and values", "MB", memory(|it| it.held_bytes), &entries),
        bars(runs, "The whole process at its peak", "MB resident", memory(|it| it.peak_bytes), &entries),
        bars(runs, "Generation", "tokens a second", speed(|it| it.generated), &entries),
        bars(runs, "Prompt", "tokens a second", speed(|it| it.prompt), &entries),
        bars(runs, "Scoring, many sequences together", "tokens a second", speed(|it| it.scored), &entries),
    ];
    format!("<div class=\"figures\">{}</div>\n", panels.concat())
}

/// How many answers changed, whichever way.
pub fn flips(runs: &[Run]) -> String {
    let counted = |entry: &Entry<'_>| {
        let (mut lost, mut gained, mut moved, mut answers) = (0, 0, 0, 0);
        for change in entry.run.changes.iter().filter(|change| change.recipe == entry.variant.recipe) {
            let task = entry.variant.task(&change.task).filter(|task| task.requested);
            let (Some(_), Some(counts), Some(other)) = (task, change.lost_gained, change.other_wrong) else { continue };
            lost += counts.0;
            gained += counts.1;
            moved += other;
            answers += change.answers.unwrap_or_default();
        }
        (answers > 0).then_some([lost, gained, moved].map(|count| 100.0 * count as f64 / answers as f64))
    };
    let entries = entries(runs);
    let found: Vec<_> = entries.iter().rev().filter_map(|entry| Some((entry, counted(entry)?))).collect();
    if found.is_empty() {
        return String::new();
    }
    let names: Vec<String> = found.iter().map(|(entry, _)| short(&entry.name(runs))).collect();
    let (left, height) = (room(&names), 66.0 + 19.0 * names.len() as f64);
    let totals = found.iter().map(|(_, shares)| shares.iter().sum());
    let mut plot = Plot::new(height, left, 48.0, Axis::linear(totals, Start::Zero), Axis::Names(names));
    plot.axes("percent of the answers", "");
    for (row, (entry, shares)) in found.iter().enumerate() {
        let mut from = 0.0;
        for (share, (class, what)) in shares.iter().zip([
            ("lost", "right to wrong"),
            ("gained", "wrong to right"),
            ("moved", "wrong to another wrong"),
        ]) {
            let title = format!("{}: {what} {share:.1} %", entry.name(runs));
            plot.row_bar(row, (from, from + share), None, class, &title);
            from += share;
        }
        plot.row_text(row, from, &format!("{from:.1}"));
    }
    let detail = "red: right to wrong; green: wrong to right; grey: from one wrong answer to another; in this order";
    figure("Answers that changed", detail, &plot.finish(&format!("Share of answers that changed by recipe. {detail}")))
}

/// Divergence from the baseline, beside that of rounding alone.
pub fn divergences(runs: &[Run]) -> String {
    let entries = entries(runs);
    let found: Vec<_> = (entries.iter().rev())
        .filter_map(|entry| Some((entry, divergence(entry.run, entry.variant).filter(|value| *value > 0.0)?)))
        .collect();
    if found.is_empty() {
        return String::new();
    }
    let floors: Vec<(usize, f64)> = (runs.iter().enumerate())
        .filter_map(|(index, run)| {
            let floor = run.variants.iter().find(|variant| is_noise(variant))?;
            Some((index, divergence(run, floor).filter(|value| *value > 0.0)?))
        })
        .collect();
    let names: Vec<String> = found.iter().map(|(entry, _)| short(&entry.name(runs))).collect();
    let (left, height) = (room(&names), 66.0 + 19.0 * names.len() as f64);
    let values = found.iter().map(|(_, value)| *value).chain(floors.iter().map(|(_, value)| *value));
    let mut plot = Plot::new(height, left, 56.0, Axis::log(values), Axis::Names(names));
    plot.axes("nats, log scale", "");
    for (index, floor) in &floors {
        let name = if runs.len() > 1 { format!("noise floor {}", runs[*index].model) } else { "noise floor".into() };
        // Names of several floors would cover each other.
        plot.limit(*floor, if *index == floors[0].0 { &name } else { "" });
    }
    for (row, (entry, value)) in found.iter().enumerate() {
        let title = format!("{}: {value:.2e} nats", entry.name(runs));
        plot.row_point(row, *value, Shape::of_model(entry.model), &class(&entry.variant.method), &title);
        plot.row_text(row, *value, &format!("{value:.1e}"));
    }
    let tokens = runs.iter().flat_map(|run| &run.changes).any(|change| change.token_kl.is_some());
    let of = if tokens { "next-token distributions, a position" } else { "the choices' probabilities, a document" };
    let floor = if floors.is_empty() { "; noise floor not measured (--noise_floor)" } else { "" };
    let detail = format!("mean over the tasks; of {of}{floor}");
    figure(
        "Divergence from the baseline",
        &detail,
        &plot.finish(&format!("Divergence from the baseline by recipe, {detail}")),
    )
}

/// The loss that methods tracked, block by block.
pub fn layers(runs: &[Run]) -> String {
    let mut text = String::new();
    for (model, run) in runs.iter().enumerate() {
        let lines: Vec<(&Variant, Vec<(u64, f64)>)> = run
            .recipes()
            .map(|variant| (variant, block_losses(variant)))
            .filter(|(_, points)| points.len() > 1)
            .collect();
        if lines.is_empty() {
            continue;
        }
        let all = || lines.iter().flat_map(|(_, points)| points);
        let x = Axis::linear(all().map(|(block, _)| *block as f64), Start::Values);
        let mut plot = Plot::new(HEIGHT, 52.0, 86.0, x, Axis::log(all().map(|(_, loss)| *loss)));
        plot.axes("block", "loss on calibration inputs, log scale");
        let mut labels = Vec::new();
        for (variant, points) in &lines {
            let class = class(&variant.method);
            let point = |(block, loss): &(u64, f64)| Point { x: *block as f64, y: *loss, ends: None, shift: 0.0 };
            plot.line(&points.iter().map(point).collect::<Vec<_>>(), &class);
            for it in points {
                plot.point(
                    point(it),
                    Shape::of_model(model),
                    &class,
                    &format!("{}, block {}: {:.3e}", variant.recipe, it.0, it.1),
                );
            }
            if let Some((block, loss)) = points.last() {
                labels.push((*block as f64, *loss, variant.recipe.clone(), class));
            }
        }
        plot.labels(labels);
        let caption = format!("Loss by block, {}", run.model);
        let detail = "sum over the matrices of a block, as each method tracks it";
        text.push_str(&figure(&caption, detail, &plot.finish(&format!("{caption}: {detail}"))));
    }
    text
}

fn block_losses(variant: &Variant) -> Vec<(u64, f64)> {
    let mut found: Vec<(u64, f64)> = Vec::new();
    for layer in &variant.layers {
        let Some(loss) = layer.loss else { continue };
        match found.iter_mut().find(|(block, _)| *block == layer.block) {
            Some((_, sum)) => *sum += loss,
            None => found.push((layer.block, loss)),
        }
    }
    found.retain(|(_, loss)| *loss > 0.0);
    found
}
