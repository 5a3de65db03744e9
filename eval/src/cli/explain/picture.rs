//! A layer as a picture: where its errors are, and how weights and codes are spread.
//!
//! SVG of our own: coordinates with two decimals, so that the same layer gives the same bytes everywhere.

use quant::explain::{Explanation, HeatMap, Histogram};
use std::fmt::Write;

/// Width of the picture, and of what is drawn in it, in pixels.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const INNER: f64 = 800.0;
/// Heights of the parts.
const HEAT: f64 = 360.0;
const BARS: f64 = 150.0;
const GAP: f64 = 64.0;
const FIRST: f64 = 76.0;

/// From no error to the largest: light to dark, in even steps of lightness.
const COLOURS: [[f64; 3]; 5] =
    [[247.0, 251.0, 255.0], [198.0, 219.0, 239.0], [107.0, 174.0, 214.0], [33.0, 113.0, 181.0], [8.0, 48.0, 107.0]];

/// Draws a layer.
pub fn draw(title: &str, explanation: &Explanation) -> String {
    let mut svg = Svg(String::new());
    let mut top = FIRST;
    svg.text(LEFT, 28.0, "title", title);
    let [rows, columns] = explanation.shape;
    let mut line = format!("{rows} x {columns}, {} bits, {:.2} true", explanation.nominal_bits, explanation.true_bits);
    if let Some(errors) = &explanation.errors {
        let _ = write!(line, ", SQNR {:.2} dB", errors.sqnr_db);
    }
    svg.text(LEFT, 46.0, "text", &line);
    if let Some(heat) = &explanation.heat {
        svg.heat(top, heat, explanation.shape);
        top += HEAT + GAP;
    }
    if let (Some(before), Some(after)) = (&explanation.before, &explanation.after) {
        svg.weights(top, before, after);
        top += BARS + GAP;
    }
    if !explanation.codes.is_empty() {
        svg.codes(top, &explanation.codes);
        top += BARS + GAP;
    }
    let height = top - GAP + 40.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\">\n\
         <style>.title{{font-size:15px;font-weight:bold}}.text{{font-size:12px}}.axis{{font-size:11px;fill:#444}}rect{{shape-rendering:crispEdges}}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
        svg.0
    )
}

struct Svg(String);

impl Svg {
    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(self.0, "<text x=\"{x:.2}\" y=\"{y:.2}\" class=\"{class}\">{text}</text>");
    }

    fn label(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let _ =
            writeln!(self.0, "<text x=\"{x:.2}\" y=\"{y:.2}\" class=\"axis\" text-anchor=\"{anchor}\">{text}</text>");
    }

    fn rectangle(&mut self, [x, y, width, height]: [f64; 4], fill: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{fill}\"/>"
        );
    }

    fn frame(&mut self, top: f64, height: f64) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{LEFT:.2}\" y=\"{top:.2}\" width=\"{INNER:.2}\" height=\"{height:.2}\" fill=\"none\" stroke=\"#888\"/>"
        );
    }

    /// Root mean squared errors, rows down and columns across, with the scale of colours at the right.
    fn heat(&mut self, top: f64, heat: &HeatMap, [rows, columns]: [usize; 2]) {
        let about = format!(
            "root mean squared error of the weights; a cell is {} and {}",
            counted(heat.rows, "row"),
            counted(heat.columns, "column")
        );
        self.text(LEFT, top - 8.0, "text", &about);
        let largest = heat.cells.iter().flatten().fold(0.0, |largest: f64, &cell| largest.max(cell));
        let (down, across) = (HEAT / rows as f64, INNER / columns as f64);
        for (part_row, line) in heat.cells.iter().enumerate() {
            let first = part_row * heat.rows;
            let y = top + first as f64 * down;
            let height = rows.min(first + heat.rows) as f64 * down - first as f64 * down;
            for (part, &cell) in line.iter().enumerate() {
                let first = part * heat.columns;
                let x = LEFT + first as f64 * across;
                let width = columns.min(first + heat.columns) as f64 * across - first as f64 * across;
                self.rectangle([x, y, width, height], &colour(if largest > 0.0 { cell / largest } else { 0.0 }));
            }
        }
        self.frame(top, HEAT);
        self.label(LEFT - 6.0, top + 10.0, "end", "row 0");
        self.label(LEFT - 6.0, top + HEAT, "end", &(rows - 1).to_string());
        self.label(LEFT, top + HEAT + 16.0, "start", "column 0");
        self.label(LEFT + INNER, top + HEAT + 16.0, "end", &(columns - 1).to_string());
        const STEPS: usize = 40;
        let (x, step) = (LEFT + INNER + 14.0, HEAT / STEPS as f64);
        for index in 0..STEPS {
            let share = 1.0 - index as f64 / (STEPS - 1) as f64;
            self.rectangle([x, top + index as f64 * step, 14.0, step], &colour(share));
        }
        self.label(x + 18.0, top + 10.0, "start", &format!("{largest:.2e}"));
        self.label(x + 18.0, top + HEAT, "start", "0");
    }

    /// Weights before as bars, after as a line. Heights are logarithms: tails are what quantizing is about.
    fn weights(&mut self, top: f64, before: &Histogram, after: &Histogram) {
        self.text(LEFT, top - 8.0, "text", "weights, counts on a logarithmic scale: before (bars) and after (line)");
        let most = before.counts.iter().chain(&after.counts).copied().max().unwrap_or(1);
        let step = INNER / before.counts.len() as f64;
        for (index, &count) in before.counts.iter().enumerate() {
            let height = BARS * share_of_logarithm(count, most);
            self.rectangle([LEFT + index as f64 * step, top + BARS - height, step, height], "#9ecae1");
        }
        let mut points = String::new();
        for (index, &count) in after.counts.iter().enumerate() {
            let y = top + BARS - BARS * share_of_logarithm(count, most);
            let x = LEFT + index as f64 * step;
            let _ = write!(points, "{x:.2},{y:.2} {:.2},{y:.2} ", x + step);
        }
        let _ = writeln!(self.0, "<polyline points=\"{}\" fill=\"none\" stroke=\"#08306b\"/>", points.trim_end());
        self.frame(top, BARS);
        self.label(LEFT - 6.0, top + 10.0, "end", &most.to_string());
        self.label(LEFT, top + BARS + 16.0, "start", &format!("{:.4}", before.low));
        self.label(LEFT + INNER, top + BARS + 16.0, "end", &format!("{:.4}", before.high));
        if before.low < 0.0 && before.high > 0.0 {
            let x = LEFT - before.low / (before.high - before.low) * INNER;
            self.label(x, top + BARS + 16.0, "middle", "0");
        }
    }

    fn codes(&mut self, top: f64, codes: &[u64]) {
        self.text(LEFT, top - 8.0, "text", "codes, counts");
        let most = codes.iter().copied().max().unwrap_or(1).max(1);
        let step = INNER / codes.len() as f64;
        // Bars of few codes stand apart.
        let space = if step > 8.0 { 1.0 } else { 0.0 };
        for (code, &count) in codes.iter().enumerate() {
            let height = BARS * count as f64 / most as f64;
            let x = LEFT + code as f64 * step + space / 2.0;
            self.rectangle([x, top + BARS - height, step - space, height], "#6baed6");
        }
        self.frame(top, BARS);
        self.label(LEFT - 6.0, top + 10.0, "end", &most.to_string());
        self.label(LEFT + step / 2.0, top + BARS + 16.0, "middle", "0");
        self.label(LEFT + INNER - step / 2.0, top + BARS + 16.0, "middle", &(codes.len() - 1).to_string());
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// ln(1 + count) as a share of that of the largest.
fn share_of_logarithm(count: u64, most: u64) -> f64 {
    let logarithm = |count: u64| kernels::math::ln(1.0 + count as f64);
    logarithm(count) / logarithm(most.max(1))
}

/// The colour of a share, 0 to 1.
fn colour(share: f64) -> String {
    let place = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let index = (place as usize).min(COLOURS.len() - 2);
    let (from, to, share) = (COLOURS[index], COLOURS[index + 1], place - index as f64);
    let part = |k: usize| (from[k] + (to[k] - from[k]) * share + 0.5) as u8;
    format!("#{:02x}{:02x}{:02x}", part(0), part(1), part(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_light_to_dark() {
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(colour), ["#f7fbff", "#6baed6", "#08306b", "#08306b"]);
    }

    #[test]
    fn names_cannot_end_the_document() {
        let mut svg = Svg(String::new());
        svg.text(1.0, 2.0, "title", "a</text>&b");
        assert_eq!(svg.0, "<text x=\"1.00\" y=\"2.00\" class=\"title\">a&lt;/text&gt;&amp;b</text>\n");
    }
}
