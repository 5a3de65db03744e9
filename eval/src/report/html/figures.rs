//! The paper's figures for these runs: scores and perplexity against data type.

use super::super::benchmark::{Column, Scale};
use super::super::figures::bits;
use super::super::markup::escape;
use super::super::paper;
use super::super::run::{Run, Variant};
use super::super::svg::{Axis, Plot, Point, Shape, Start, shape_at};
use super::style::{METHODS, class};

/// Height of a panel.
pub const HEIGHT: f64 = 236.0;

/// A picture with its caption.
pub fn figure(caption: &str, detail: &str, picture: &str) -> String {
    let detail = if detail.is_empty() { String::new() } else { format!(" <small>{}</small>", escape(detail)) };
    format!("<figure><figcaption>{}{detail}</figcaption>{picture}</figure>\n", escape(caption))
}

/// Whether what the paper measured is in the figures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rings {
    /// It is.
    Shown,
    /// It is not.
    None,
}

/// Which colour is which method and which mark which model.
pub fn legend(runs: &[Run], rings: Rings) -> String {
    let swatch = |shape: Shape, class: &str, name: &str| {
        let shape = shape_at(shape, 7.0, 7.0);
        let name = escape(name);
        format!(
            "<li><svg viewBox=\"0 0 14 14\" aria-hidden=\"true\"><g class=\"dot {class}\">{shape}</g></svg>{name}</li>"
        )
    };
    let mut items = String::new();
    for method in methods(runs) {
        items.push_str(&swatch(Shape::Circle, &class(&method), &method));
    }
    if runs.len() > 1 {
        for (index, run) in runs.iter().enumerate() {
            items.push_str(&swatch(Shape::of_model(index), "m-none", &run.model));
        }
    }
    if rings == Rings::Shown
        && runs.iter().flat_map(Run::recipes).any(|variant| paper::value("mmlu", variant).is_some())
    {
        items.push_str(&swatch(Shape::Ring, "pale", "our baseline with the change of Qwen-7B-Chat in the paper"));
    }
    format!("<ul class=\"legend\">{items}</ul>\n")
}

/// The methods of runs, in the order of their colours, then others.
pub fn methods(runs: &[Run]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for variant in runs.iter().flat_map(Run::recipes) {
        if !found.contains(&variant.method) {
            found.push(variant.method.clone());
        }
    }
    found.sort_by_key(|method| METHODS.iter().position(|(name, _, _)| name == method).unwrap_or(METHODS.len()));
    found
}

/// One panel a benchmark or perplexity, against nominal bits.
pub fn by_data_type(columns: &[Column], runs: &[Run]) -> String {
    columns.iter().map(|column| panel(column, runs, Across::DataType)).collect()
}

/// One panel a benchmark or perplexity, against true bits.
pub fn by_true_bits(columns: &[Column], runs: &[Run]) -> String {
    columns.iter().map(|column| panel(column, runs, Across::TrueBits)).collect()
}

/// What lies along x.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Across {
    DataType,
    TrueBits,
}

/// The nominal data types of runs, falling.
fn data_types(runs: &[Run]) -> Vec<u32> {
    let mut types: Vec<u32> = runs.iter().flat_map(Run::recipes).map(data_type).collect();
    types.sort_unstable_by(|a, b| b.cmp(a));
    types.dedup();
    types
}

fn data_type(variant: &Variant) -> u32 {
    variant.bits.unwrap_or(variant.nominal_bits.round() as u32)
}

fn panel(column: &Column, runs: &[Run], across: Across) -> String {
    let show = |value: f64| if column.scale == Scale::Share { 100.0 * value } else { value };
    let types = data_types(runs);
    let of_type = |variant: &Variant| types.iter().position(|bits| *bits == data_type(variant)).unwrap_or(0) as f64;
    let mut values: Vec<f64> = column.chance.map(show).into_iter().collect();
    for variant in runs.iter().flat_map(Run::recipes) {
        if let Some(score) = column.score(variant) {
            values.extend(score.value.map(show));
            if let Some((low, high, _)) = &score.interval
                && !column.is_perplexity()
            {
                values.extend([show(*low), show(*high)]);
            }
        }
    }
    if values.len() < 2 {
        return String::new();
    }
    let y = if column.is_perplexity() { Axis::log(values) } else { Axis::linear(values, Start::Values) };
    let x = match across {
        Across::DataType => Axis::Names(
            types.iter().map(|bits| if *bits >= 16 { format!("{bits} bit") } else { bits.to_string() }).collect(),
        ),
        Across::TrueBits => Axis::log(runs.iter().flat_map(Run::recipes).map(|variant| variant.true_bits)),
    };
    let right = if runs.len() > 1 { 14.0 } else { 58.0 };
    let mut plot = Plot::new(HEIGHT, 44.0, right, x, y);
    let unit = match column.scale {
        Scale::Share => format!("{}, percent", column.metric),
        _ if column.is_perplexity() => format!("{}, log scale", column.metric),
        _ => column.metric.clone(),
    };
    plot.axes(if across == Across::DataType { "nominal bits" } else { "true bits a weight, log scale" }, &unit);
    if let Some(chance) = column.chance {
        plot.level(show(chance), if column.metric.contains("bias") { "no bias" } else { "guessing" });
    }
    let methods: Vec<String> = methods(runs).into_iter().filter(|method| method != "none").collect();
    let mut labels = Vec::new();
    for (model, run) in runs.iter().enumerate() {
        let Some(baseline) = run.reference() else { continue };
        let lines = methods.iter().map(|method| (method.as_str(), method_line(run, method)));
        let alone = [(baseline.method.as_str(), vec![baseline])];
        for (index, (method, variants)) in
            lines.chain(alone).enumerate().filter(|(_, (_, variants))| !variants.is_empty())
        {
            let shift = match across {
                Across::DataType if variants.len() > 1 || method != baseline.method => {
                    (index as f64 - (methods.len() as f64 - 1.0) / 2.0) * 4.0
                }
                _ => 0.0,
            };
            let points = variants.iter().copied().filter_map(|variant| {
                let score = column.score(variant)?;
                let x = if across == Across::DataType { of_type(variant) } else { variant.true_bits };
                let ends = score.interval.as_ref().map(|(low, high, _)| (show(*low), show(*high)));
                let shift = if variant.recipe == run.baseline { 0.0 } else { shift };
                Some((Point { x, y: show(score.value?), ends, shift }, variant.recipe.as_str()))
            });
            let points: Vec<(Point, &str)> = points.collect();
            let color = class(method);
            plot.line(&points.iter().map(|(point, _)| *point).collect::<Vec<_>>(), &color);
            for (point, recipe) in points.iter().filter(|(_, recipe)| method == "none" || *recipe != run.baseline) {
                let interval = point.ends.map(|(low, high)| format!(" ({} to {})", bits(low), bits(high)));
                let title = format!("{} {recipe}: {}{}", run.model, bits(point.y), interval.unwrap_or_default());
                plot.point(*point, Shape::of_model(model), &color, &title);
            }
            if let (Some((last, _)), 1) = (points.last(), runs.len())
                && method != baseline.method
            {
                labels.push((last.x, last.y, method.to_string(), color.clone()));
            }
        }
        if across == Across::DataType && model == 0 {
            paper_marks(&mut plot, column, run, &of_type);
        }
    }
    plot.labels(labels);
    let description = format!(
        "{} against {}: one line a method and model; the numbers are in the tables",
        column.title,
        if across == Across::DataType { "nominal bits" } else { "true bits a weight" }
    );
    figure(&column.title, "", &plot.finish(&description))
}

/// The baseline, then the recipes of a method by falling bits.
fn method_line<'a>(run: &'a Run, method: &str) -> Vec<&'a Variant> {
    let mut variants: Vec<&Variant> = run.compared().filter(|variant| variant.method == method).collect();
    variants.sort_by(|a, b| data_type(b).cmp(&data_type(a)).then(b.true_bits.total_cmp(&a.true_bits)));
    if !variants.is_empty() && variants.iter().all(|variant| variant.recipe != run.baseline) {
        variants.splice(0..0, run.reference());
    }
    variants
}

/// Where the baseline would come to lie with the paper's change.
fn paper_marks(plot: &mut Plot, column: &Column, run: &Run, of_type: &dyn Fn(&Variant) -> f64) {
    let Some(base) = run.reference().and_then(|variant| column.value(variant)) else { return };
    for variant in run.compared() {
        let found = if column.is_perplexity() {
            let names = ["perplexity wikitext2", "perplexity c4", "perplexity ptb"];
            let measure = if names.contains(&column.paper.as_str()) { column.paper.as_str() } else { names[0] };
            // At two bits the paper's GPTQ grows ten thousandfold, which would flatten everything else.
            paper::ratio(measure, variant)
                .filter(|ratio| *ratio < 20.0)
                .map(|ratio| (base * ratio, format!("× {ratio:.2}")))
        } else {
            paper::change(&column.paper, variant)
                .map(|change| (column.scale.points(base) + change, format!("{change:+.1} points")))
        };
        // Beyond the axis it would only flatten what is ours.
        if let Some((y, text)) = found.filter(|(y, _)| plot.holds(*y)) {
            let point = Point { x: of_type(variant), y, ends: None, shift: 9.0 };
            plot.point(
                point,
                Shape::Ring,
                &format!("faint {}", class(&variant.method)),
                &format!("{}, {}: {text}", paper::NAME, variant.recipe),
            );
        }
    }
}
