//! Bars and lines as SVG, readable on a light page and on a dark one.

use std::fmt::Write;

/// A chart of horizontal bars on a logarithmic scale.
pub(crate) struct Bars<'a> {
    pub(crate) title: &'a str,
    /// What the scale is of, with its unit.
    pub(crate) axis: &'a str,
    /// Name, value, and what is written at its end.
    pub(crate) bars: Vec<(String, f64, String)>,
    /// How a mark of the scale is written.
    pub(crate) mark: fn(f64) -> String,
}

/// A chart of lines, both scales logarithmic.
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) lines: Vec<(&'a str, Vec<(f64, f64)>)>,
    /// The marks of the x scale are powers of this.
    pub(crate) base_x: f64,
    pub(crate) mark_x: fn(f64) -> String,
    pub(crate) mark_y: fn(f64) -> String,
}

const WIDTH: f64 = 760.0;
const STYLE: &str = "\
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.axis { fill: #57606a }
.grid { stroke: #8c959f; stroke-opacity: .35 }
.c0 { fill: #0969da; stroke: #0969da } .c1 { fill: #bc4c00; stroke: #bc4c00 }
.other { fill: #8c959f } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .axis { fill: #9da7b3 }
.c0 { fill: #58a6ff; stroke: #58a6ff } .c1 { fill: #f0883e; stroke: #f0883e } .other { fill: #6e7681 }
}
</style>
";

impl Bars<'_> {
    /// The whole document; the first bar stands out.
    pub(crate) fn to_svg(&self) -> String {
        const LEFT: f64 = 240.0;
        const RIGHT: f64 = WIDTH - 90.0;
        const STEP: f64 = 26.0;
        let scale = Scale::around(self.bars.iter().map(|(_, value, _)| *value), 10.0, LEFT, RIGHT);
        let bottom = 50.0 + STEP * self.bars.len() as f64;
        let mut drawing = Drawing::new(self.title, bottom + 50.0);
        for mark in scale.marks() {
            let x = scale.at(mark);
            drawing.rule((x, 42.0), (x, bottom));
            drawing.text("axis", Anchor::Middle, x, bottom + 17.0, &(self.mark)(mark));
        }
        for (at, (name, value, text)) in self.bars.iter().enumerate() {
            let (y, end) = (48.0 + STEP * at as f64, scale.at(*value));
            drawing.text("", Anchor::End, LEFT - 8.0, y + 14.0, name);
            drawing.bar(if at == 0 { "c0" } else { "other" }, (LEFT, y), ((end - LEFT).max(1.0), 18.0));
            drawing.text("", Anchor::Start, end + 6.0, y + 14.0, text);
        }
        drawing.text("axis", Anchor::Middle, (LEFT + RIGHT) / 2.0, bottom + 38.0, self.axis);
        drawing.finish()
    }
}

impl Lines<'_> {
    /// The whole document.
    pub(crate) fn to_svg(&self) -> String {
        const LEFT: f64 = 90.0;
        const RIGHT: f64 = WIDTH - 110.0;
        const TOP: f64 = 66.0;
        const BOTTOM: f64 = 340.0;
        let points = || self.lines.iter().flat_map(|(_, points)| points.iter());
        let across = Scale::around(points().map(|(x, _)| *x), self.base_x, LEFT, RIGHT);
        let up = Scale::around(points().map(|(_, y)| *y), 10.0, BOTTOM, TOP);
        let mut drawing = Drawing::new(self.title, BOTTOM + 55.0);
        for mark in across.marks() {
            let x = across.at(mark);
            drawing.rule((x, TOP), (x, BOTTOM));
            drawing.text("axis", Anchor::Middle, x, BOTTOM + 18.0, &(self.mark_x)(mark));
        }
        for mark in up.marks() {
            let y = up.at(mark);
            drawing.rule((LEFT, y), (RIGHT, y));
            drawing.text("axis", Anchor::End, LEFT - 8.0, y + 4.0, &(self.mark_y)(mark));
        }
        for (at, (name, points)) in self.lines.iter().enumerate() {
            let class = format!("c{at}");
            let points: Vec<_> = points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect();
            drawing.line(&class, &points);
            // A legend: lines that meet at their ends would cover each other's names.
            let y = TOP + 8.0 + 20.0 * at as f64;
            drawing.bar(&class, (RIGHT + 14.0, y - 6.0), (12.0, 3.0));
            drawing.text("", Anchor::Start, RIGHT + 32.0, y, name);
        }
        drawing.text("axis", Anchor::Middle, (LEFT + RIGHT) / 2.0, BOTTOM + 42.0, self.x);
        drawing.text("axis", Anchor::Start, 12.0, TOP - 18.0, self.y);
        drawing.finish()
    }
}

/// A document under way. Writing to a string cannot fail.
struct Drawing(String);

#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

type Place = (f64, f64);

impl Drawing {
    fn new(title: &str, height: f64) -> Self {
        let title = escape(title);
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\">\n<title>{title}</title>\n{STYLE}\
             <text class=\"title\" x=\"12\" y=\"22\">{title}</text>\n",
        ))
    }

    fn text(&mut self, class: &str, anchor: Anchor, x: f64, y: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        let _infallible = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn rule(&mut self, (x1, y1): Place, (x2, y2): Place) {
        let _infallible = writeln!(
            self.0,
            "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn bar(&mut self, class: &str, (x, y): Place, (width, height): Place) {
        let _infallible = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    fn line(&mut self, class: &str, points: &[Place]) {
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _infallible =
            writeln!(self.0, "<polyline class=\"line {class}\" style=\"fill:none\" points=\"{path}\"/>");
        for (x, y) in points {
            let _infallible =
                writeln!(self.0, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
    }

    fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

/// A logarithmic scale from one place to another.
struct Scale {
    base: f64,
    /// The powers at its ends.
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale of whole powers of the base with all values on it.
    fn around(values: impl Iterator<Item = f64>, base: f64, from: f64, to: f64) -> Self {
        let (least, greatest) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, f64::MIN), |(least, greatest), value| (least.min(value), greatest.max(value)));
        let (least, greatest) = if least > greatest { (1.0, 10.0) } else { (least, greatest) };
        let (least, greatest) = ((least * 1.001).log(base).floor(), (greatest * 0.999).log(base).ceil());
        Self { base, least, greatest: greatest.max(least + 1.0), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(f64::MIN_POSITIVE).log(self.base) - self.least) / (self.greatest - self.least);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.least as i32..=self.greatest as i32).map(|power| self.base.powi(power))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_goes_from_power_to_power() {
        let scale = Scale::around([33.0, 85_000.0].into_iter(), 10.0, 0.0, 100.0);
        assert_eq!(scale.marks().collect::<Vec<_>>(), [10.0, 100.0, 1e3, 1e4, 1e5]);
        assert!(scale.at(10.0).abs() < 1e-9);
        assert!((scale.at(1e3) - 50.0).abs() < 1e-9);
        assert!((scale.at(1e5) - 100.0).abs() < 1e-9);
        let exact = Scale::around([1.0, 1000.0].into_iter(), 10.0, 0.0, 100.0);
        assert_eq!(exact.marks().collect::<Vec<_>>(), [1.0, 10.0, 100.0, 1e3]);
    }

    #[test]
    fn text_is_escaped() {
        let bars = vec![("a<b".to_owned(), 5.0, "5 & more".to_owned())];
        let svg = Bars { title: "t", axis: "ns", bars, mark: |v| v.to_string() }.to_svg();
        assert!(svg.contains("a&lt;b") && svg.contains("5 &amp; more"));
    }
}
