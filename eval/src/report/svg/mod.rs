//! Pictures by hand: axes, lines, points with error bars, bars, labels.
//!
//! A plot is 360 units wide, so that its letters have the size of text on a telephone; colours are classes, which the page
//! defines for light and dark.

mod axis;

pub use axis::{Axis, Start};

use super::markup::escape;

/// Width of every plot.
pub const WIDTH: f64 = 360.0;

/// Least distance of two labels.
const LABEL_GAP: f64 = 11.5;

/// A plot that is being drawn.
pub struct Plot {
    height: f64,
    /// Room at the left, right, top and bottom.
    margins: [f64; 4],
    x: Axis,
    y: Axis,
    body: String,
}

/// The form of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    Circle,
    /// A square.
    Square,
    /// A triangle.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// A ring: what others measured.
    Ring,
}

impl Shape {
    /// The form of the points of a model, by its place among the models.
    pub fn of_model(index: usize) -> Self {
        [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond][index % 4]
    }
}

/// A point in the units of the axes, with an interval of y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Along x.
    pub x: f64,
    /// Along y.
    pub y: f64,
    /// The ends of an error bar along y.
    pub ends: Option<(f64, f64)>,
    /// Shift to the right, in units of the picture, so that points do not cover each other.
    pub shift: f64,
}

impl Plot {
    /// A plot with room for `left` units of tick texts and `right` units of labels.
    pub fn new(height: f64, left: f64, right: f64, x: Axis, y: Axis) -> Self {
        Self { height, margins: [left, right, 24.0, 36.0], x, y, body: String::new() }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, right, top, bottom] = self.margins;
        let across = left + self.x.place(x) * (WIDTH - left - right);
        let down = self.height - bottom - self.y.place(y) * (self.height - top - bottom);
        (across, down)
    }

    fn push(&mut self, element: impl AsRef<str>) {
        self.body.push_str(element.as_ref());
    }

    /// Axes with ticks and titles. Grid lines belong to numbers.
    pub fn axes(&mut self, x_title: &str, y_title: &str) {
        let [left, right, top, bottom] = self.margins;
        let (end, floor) = (WIDTH - right, self.height - bottom);
        for (value, text) in self.y.ticks() {
            let (_, y) = self.at(0.0, value);
            if !matches!(self.y, Axis::Names(_)) {
                self.push(format!(
                    "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{end:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
                ));
            }
            self.text(left - 6.0, y + 3.8, "end", "tick", &text);
        }
        for (value, text) in self.x.ticks() {
            let (x, _) = self.at(value, 0.0);
            if !matches!(self.x, Axis::Names(_)) {
                self.push(format!(
                    "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{floor:.1}\"/>"
                ));
            }
            self.text(x, floor + 14.0, "middle", "tick", &text);
        }
        self.push(format!(
            "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{end:.1}\" y1=\"{floor:.1}\" y2=\"{floor:.1}\"/>"
        ));
        self.text((left + end) / 2.0, self.height - 6.0, "middle", "name", x_title);
        self.text(2.0, 12.0, "start", "name", y_title);
    }

    /// A text at a place of the picture.
    fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        if !text.is_empty() {
            let text = escape(text);
            self.push(format!(
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
            ));
        }
    }

    /// A line through points.
    pub fn line(&mut self, points: &[Point], class: &str) {
        if points.len() < 2 {
            return;
        }
        let places: Vec<String> = (points.iter())
            .map(|point| {
                let (x, y) = self.at(point.x, point.y);
                format!("{:.1},{y:.1}", x + point.shift)
            })
            .collect();
        self.push(format!("<polyline class=\"line {class}\" points=\"{}\"/>", places.join(" ")));
    }

    /// A point with its error bar; `title` is what a pointer on it shows.
    pub fn point(&mut self, point: Point, shape: Shape, class: &str, title: &str) {
        let (x, y) = self.at(point.x, point.y);
        let x = x + point.shift;
        self.push(format!("<g class=\"dot {class}\"><title>{}</title>", escape(title)));
        if let Some((low, high)) = point.ends {
            let ((_, low), (_, high)) = (self.at(point.x, low), self.at(point.x, high));
            self.push(format!("<line class=\"bar\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\"/>"));
        }
        self.push(shape_at(shape, x, y));
        self.push("</g>");
    }

    /// A dashed line at a height, named at its right end.
    pub fn level(&mut self, y: f64, name: &str) {
        let [left, right, ..] = self.margins;
        let ((_, y), end) = (self.at(0.0, y), WIDTH - right);
        self.push(format!("<line class=\"level\" x1=\"{left:.1}\" x2=\"{end:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
        self.text(left + 3.0, y - 3.0, "start", "tick", name);
    }

    /// A dashed line at a place, named at its top.
    pub fn limit(&mut self, x: f64, name: &str) {
        let [_, _, top, bottom] = self.margins;
        let ((x, _), floor) = (self.at(x, 0.0), self.height - bottom);
        self.push(format!("<line class=\"level\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{floor:.1}\"/>"));
        let anchor = if x > WIDTH * 0.6 { "end" } else { "start" };
        self.text(x, top - 4.0, anchor, "tick", name);
    }

    /// A bar in row `row` of an axis of names, between two values, with its number at the end and an error bar.
    pub fn row_bar(&mut self, row: usize, (from, to): (f64, f64), ends: Option<(f64, f64)>, class: &str, title: &str) {
        let ((start, y), (end, _)) = (self.at(from, row as f64), self.at(to, row as f64));
        let (x, width) = (start.min(end), (end - start).abs());
        self.push(format!(
            "<g class=\"dot {class}\"><title>{}</title><rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
             height=\"11\"/>",
            escape(title),
            y - 5.5
        ));
        if let Some((low, high)) = ends {
            let ((low, _), (high, _)) = (self.at(low, 0.0), self.at(high, 0.0));
            self.push(format!(
                "<line class=\"whisker\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ));
        }
        self.push("</g>");
    }

    /// A point in row `row` of an axis of names.
    pub fn row_point(&mut self, row: usize, value: f64, shape: Shape, class: &str, title: &str) {
        self.point(Point { x: value, y: row as f64, ends: None, shift: 0.0 }, shape, class, title);
    }

    /// A number at the end of a row.
    pub fn row_text(&mut self, row: usize, value: f64, text: &str) {
        let (x, y) = self.at(value, row as f64);
        self.text(x + 5.0, y + 3.8, "start", "tick", text);
    }

    /// Labels right of points, moved apart where they would cover each other: x, y in units of the axes, text and class.
    pub fn labels(&mut self, labels: Vec<(f64, f64, String, String)>) {
        let mut placed: Vec<(f64, f64, String, String)> = (labels.into_iter())
            .map(|(x, y, text, class)| {
                let (x, y) = self.at(x, y);
                (x, y, text, class)
            })
            .collect();
        placed.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.total_cmp(&b.0)));
        let (mut lowest, floor) = (f64::NEG_INFINITY, self.height - self.margins[3]);
        for label in &mut placed {
            label.1 = label.1.max(lowest + LABEL_GAP);
            lowest = label.1;
        }
        let beyond = (lowest - floor).max(0.0);
        let mut ceiling = f64::INFINITY;
        for label in placed.iter_mut().rev() {
            if beyond > 0.0 {
                label.1 = label.1.min(ceiling).min(floor);
            }
            ceiling = label.1 - LABEL_GAP;
        }
        for (x, y, text, class) in placed {
            self.text(x + 8.0, y + 3.8, "start", &format!("label {class}"), &text);
        }
    }

    /// The picture; `description` is for those who do not see it.
    pub fn finish(self, description: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.height,
            escape(description),
            self.body
        )
    }
}

/// A form around a place.
pub fn shape_at(shape: Shape, x: f64, y: f64) -> String {
    match shape {
        Shape::Circle => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\"/>"),
        Shape::Ring => format!("<circle class=\"ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        Shape::Square => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"6.6\" height=\"6.6\"/>", x - 3.3, y - 3.3),
        Shape::Triangle => {
            format!("<path d=\"M{x:.1} {:.1}L{:.1} {:.1}H{:.1}Z\"/>", y - 4.6, x + 4.4, y + 3.4, x - 4.4)
        }
        Shape::Diamond => format!(
            "<path d=\"M{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}Z\"/>",
            y - 4.8,
            x + 4.8,
            y + 4.8,
            x - 4.8
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_cannot_break_out() {
        let axis = || Axis::Linear { low: 0.0, high: 1.0 };
        let mut plot = Plot::new(100.0, 20.0, 20.0, axis(), axis());
        plot.axes("<x>", "a & b");
        let point = Point { x: 0.5, y: 0.5, ends: Some((0.4, 0.6)), shift: 0.0 };
        plot.point(point, Shape::Triangle, "m", "\"</title><script>");
        plot.labels(vec![(0.5, 0.5, "<b>".into(), "m".into())]);
        let picture = plot.finish("a \" quote <");
        assert!(!picture.contains("<script") && !picture.contains("<b>") && !picture.contains("<x>"), "{picture}");
        assert!(
            picture.contains("&lt;x&gt;") && picture.contains("a &amp; b") && picture.contains("&quot;"),
            "{picture}"
        );
    }

    #[test]
    fn labels_keep_their_distance() {
        let axis = || Axis::Linear { low: 0.0, high: 1.0 };
        let mut plot = Plot::new(200.0, 20.0, 20.0, axis(), axis());
        let label = |y: f64| (0.5, y, "t".to_string(), String::new());
        plot.labels(vec![label(0.0), label(0.01), label(0.02)]);
        let picture = plot.finish("");
        let places: Vec<f64> =
            picture.split(" y=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
        assert_eq!(places.len(), 3);
        for pair in places.windows(2) {
            assert!(pair[1] - pair[0] >= LABEL_GAP - 0.11, "{places:?}");
        }
        assert!(places[2] <= 200.0 - 36.0 + 4.0, "{places:?}");
    }
}
