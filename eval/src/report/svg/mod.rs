//! Pictures by hand: axes, lines, points with error bars, bars, labels.
//!
//! A plot is 360 units wide, so that its letters have the size of text on a telephone; colours are classes, which the
//! page defines for light and dark.

mod axis;

pub use axis::{Axis, Start};

use super::markup::escape;

/// Width of every plot.
pub const WIDTH: f64 = 360.0;

/// Width of a letter of a label, about.
const LETTER: f64 = 5.9;

/// Where a label may stand: its anchor and its distance from the point, the best place first.
const PLACES: [(&str, f64, f64); 12] = [
    ("start", 8.0, 3.8),
    ("start", 8.0, -7.0),
    ("start", 8.0, 14.0),
    ("end", -8.0, 3.8),
    ("middle", 0.0, -9.0),
    ("middle", 0.0, 16.0),
    ("end", -8.0, -7.0),
    ("end", -8.0, 14.0),
    ("start", 10.0, 26.0),
    ("start", 10.0, -19.0),
    ("end", -10.0, 26.0),
    ("end", -10.0, -19.0),
];

/// What a text or a point covers.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn around((x, y): (f64, f64)) -> Self {
        Self { left: x - 4.0, right: x + 4.0, top: y - 4.0, bottom: y + 4.0 }
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

/// A plot that is being drawn.
pub struct Plot {
    height: f64,
    /// Room at the left, right, top and bottom.
    margins: [f64; 4],
    x: Axis,
    y: Axis,
    body: String,
    /// Where points are.
    points: Vec<(f64, f64)>,
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
        Self { height, margins: [left, right, 24.0, 36.0], x, y, body: String::new(), points: Vec::new() }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, right, top, bottom] = self.margins;
        let across = left + self.x.place(x) * (WIDTH - left - right);
        let down = self.height - bottom - self.y.place(y) * (self.height - top - bottom);
        (across, down)
    }

    /// Whether a height lies between the ends of its axis.
    pub fn holds(&self, y: f64) -> bool {
        self.y.holds(y)
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
        self.points.push((x, y));
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

    /// Labels beside points, where they cover neither each other nor points; one without such a place is left out: x, y
    /// in units of the axes, text and class.
    pub fn labels(&mut self, labels: Vec<(f64, f64, String, String)>) {
        let mut taken: Vec<Frame> = Vec::new();
        for (x, y, text, class) in labels {
            let (x, y) = self.at(x, y);
            let width = text.chars().count() as f64 * LETTER;
            let free = PLACES.iter().find_map(|&(anchor, right, down)| {
                let left = match anchor {
                    "start" => x + right,
                    "end" => x + right - width,
                    _ => x - width / 2.0,
                };
                let frame = Frame { left, right: left + width, top: y + down - 9.0, bottom: y + down + 2.0 };
                let is_inside = frame.left >= self.margins[0]
                    && frame.right <= WIDTH
                    && frame.top >= 14.0
                    && frame.bottom <= self.height - self.margins[3];
                let is_free = !taken.iter().any(|other| frame.meets(other))
                    && !self.points.iter().any(|point| frame.meets(&Frame::around(*point)));
                (is_inside && is_free).then_some((anchor, x + right, y + down, frame))
            });
            if let Some((anchor, x, y, frame)) = free {
                taken.push(frame);
                self.text(x, y, anchor, &format!("label {class}"), &text);
            }
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
    fn labels_cover_nothing() {
        let axis = || Axis::Linear { low: 0.0, high: 1.0 };
        let mut plot = Plot::new(200.0, 20.0, 20.0, axis(), axis());
        let label = |y: f64| (0.5, y, "text".to_string(), String::new());
        plot.labels((0..40).map(|index| label(0.5 + 0.001 * f64::from(index))).collect());
        let picture = plot.finish("");
        let number = |rest: &str| rest.split('"').next().unwrap().parse::<f64>().unwrap();
        let of = |name: &str| picture.split(name).skip(1).map(number).collect::<Vec<f64>>();
        let (x, y) = (of(" x=\""), of(" y=\""));
        // Those without a place of their own are left out.
        assert!((4..=12).contains(&x.len()), "{}", x.len());
        for (index, first) in y.iter().enumerate() {
            for (other, second) in y.iter().enumerate().skip(index + 1) {
                assert!((first - second).abs() >= 10.0 || (x[index] - x[other]).abs() >= 8.0, "{picture}");
            }
        }
    }
}
