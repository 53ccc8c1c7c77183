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
text.c0, text.c1 { stroke: none }
}
text.c0, text.c1 { stroke: none }
</style>
";

impl Bars<'_> {
    /// The whole document; the first bar stands out.
    pub(crate) fn to_svg(&self) -> String {
        const LEFT: f64 = 240.0;
        const RIGHT: f64 = WIDTH - 90.0;
        const STEP: f64 = 26.0;
        let scale = Scale::around(self.bars.iter().map(|(_, value, _)| *value), LEFT, RIGHT);
        let bottom = 50.0 + STEP * self.bars.len() as f64;
        let mut svg = head(self.title, bottom + 50.0);
        for mark in scale.marks() {
            let x = scale.at(mark);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"42\" y2=\"{bottom:.1}\"/>\
                 <text class=\"axis\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                bottom + 17.0,
                escape(&(self.mark)(mark)),
            );
        }
        for (at, (name, value, text)) in self.bars.iter().enumerate() {
            let y = 48.0 + STEP * at as f64;
            let end = scale.at(*value);
            let class = if at == 0 { "c0" } else { "other" };
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"18\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                LEFT - 8.0,
                y + 14.0,
                escape(name),
                (end - LEFT).max(1.0),
                end + 6.0,
                y + 14.0,
                escape(text),
            );
        }
        axis(&mut svg, (LEFT + RIGHT) / 2.0, bottom + 38.0, self.axis);
        svg + "</svg>\n"
    }
}

impl Lines<'_> {
    /// The whole document.
    pub(crate) fn to_svg(&self) -> String {
        const LEFT: f64 = 90.0;
        const RIGHT: f64 = WIDTH - 110.0;
        const TOP: f64 = 60.0;
        const BOTTOM: f64 = 340.0;
        let points = || self.lines.iter().flat_map(|(_, points)| points.iter());
        let across = Scale::around(points().map(|(x, _)| *x), LEFT, RIGHT);
        let up = Scale::around(points().map(|(_, y)| *y), BOTTOM, TOP);
        let mut svg = head(self.title, BOTTOM + 55.0);
        for mark in across.marks() {
            let x = across.at(mark);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
                 <text class=\"axis\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                BOTTOM + 18.0,
                escape(&(self.mark_x)(mark)),
            );
        }
        for mark in up.marks() {
            let y = up.at(mark);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8.0,
                y + 4.0,
                escape(&(self.mark_y)(mark)),
            );
        }
        for (at, (name, points)) in self.lines.iter().enumerate() {
            let place = |(x, y): &(f64, f64)| (across.at(*x), up.at(*y));
            let path: Vec<_> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = write!(
                svg,
                "<polyline class=\"line c{at}\" style=\"fill:none\" points=\"{}\"/>",
                path.join(" ")
            );
            for (x, y) in points.iter().map(place) {
                let _ = write!(svg, "<circle class=\"c{at}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
            }
            // A legend, for ends that meet would cover each other's names.
            let y = TOP + 8.0 + 20.0 * at as f64;
            let _ = write!(
                svg,
                "<rect class=\"c{at}\" x=\"{:.1}\" y=\"{:.1}\" width=\"12\" height=\"3\"/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>\n",
                RIGHT + 14.0,
                y - 6.0,
                RIGHT + 32.0,
                escape(name),
            );
        }
        axis(&mut svg, (LEFT + RIGHT) / 2.0, BOTTOM + 42.0, self.x);
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{LEFT}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            TOP - 12.0,
            escape(self.y)
        );
        svg + "</svg>\n"
    }
}

/// A logarithmic scale from one place to another.
struct Scale {
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale of whole powers of ten with all values on it.
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (least, greatest) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, f64::MIN), |(least, greatest), value| (least.min(value), greatest.max(value)));
        let (least, greatest) = if least > greatest { (1.0, 10.0) } else { (least, greatest) };
        let (least, greatest) = ((least * 0.999).log10().floor(), (greatest * 1.001).log10().ceil());
        Self { least, greatest: greatest.max(least + 1.0), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(f64::MIN_POSITIVE).log10() - self.least) / (self.greatest - self.least);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.least as i32..=self.greatest as i32).map(|power| 10_f64.powi(power))
    }
}

fn head(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\">\n<title>{0}</title>\n{STYLE}<text class=\"title\" x=\"12\" y=\"22\">{0}</text>\n",
        escape(title)
    )
}

fn axis(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = write!(
        svg,
        "<text class=\"axis\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>\n",
        escape(text)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_goes_from_power_to_power() {
        let scale = Scale::around([33.0, 85_000.0].into_iter(), 0.0, 100.0);
        assert_eq!(scale.marks().collect::<Vec<_>>(), [10.0, 100.0, 1e3, 1e4, 1e5]);
        assert!(scale.at(10.0).abs() < 1e-9);
        assert!((scale.at(1e3) - 50.0).abs() < 1e-9);
        assert!((scale.at(1e5) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn text_is_escaped() {
        let bars = vec![("a<b".to_owned(), 5.0, "5 & more".to_owned())];
        let svg = Bars { title: "t", axis: "ns", bars, mark: |v| v.to_string() }.to_svg();
        assert!(svg.contains("a&lt;b") && svg.contains("5 &amp; more"));
    }
}
