//! The picture of a histogram: a row for each bucket, on a logarithmic scale. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::output::{self, BAR, QUIET};

/// How many rows there are between the open ones, if it can be.
const ROWS: usize = 16;
/// The longest bar; characters.
const WIDTH: usize = 32;
/// Eighths of a character.
const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// The bounds within a decade, in tenths, the finest first.
const SCALES: [&[u64]; 4] =
    [&[10, 12, 15, 20, 25, 30, 40, 50, 60, 80], &[10, 15, 20, 30, 50, 70], &[10, 20, 50], &[10]];
/// What is told apart; the few calls beyond share a row at each end.
const MOST: [f64; 2] = [0.001, 0.999];

/// A row for each bucket, with the marks that fall into it.
pub(super) fn draw(latencies: &Histogram<u64>, marks: &[(&str, u64)]) -> String {
    let bounds = bounds(MOST.map(|share| latencies.value_at_quantile(share)));
    let bucket = |nanos: u64| bounds.partition_point(|&bound| bound <= nanos);
    let mut counts = vec![0; bounds.len() + 1];
    for value in latencies.iter_recorded() {
        counts[bucket(value.value_iterated_to())] += value.count_since_last_iteration();
    }
    let highest = counts.iter().copied().max().unwrap_or(0);
    let mut rows = String::new();
    for (at, &count) in counts.iter().enumerate() {
        let open = at == 0 || at == bounds.len();
        if open && count == 0 {
            continue;
        }
        let label = label(at.checked_sub(1).map(|below| bounds[below]), bounds.get(at).copied());
        write!(rows, "  {QUIET}{label:>17}{QUIET:#}").expect("a string takes all that is written");
        if count > 0 {
            let bar = bar(count, highest);
            // What colours it would count for the width.
            let padding = " ".repeat(WIDTH.saturating_sub(bar.chars().count()));
            let share = share(count, latencies.len());
            write!(rows, " {BAR}{bar}{BAR:#}{padding} {share:>7}")
                .expect("a string takes all that is written");
        }
        for (at, (name, _)) in marks.iter().filter(|(_, nanos)| bucket(*nanos) == at).enumerate() {
            rows.push_str(if at == 0 { "  " } else { " " });
            rows.push_str(name);
        }
        rows.push('\n');
    }
    rows
}

/// The bounds of the buckets that all between the two are in, on the finest scale that has not too many.
fn bounds([least, greatest]: [u64; 2]) -> Vec<u64> {
    let on = |scale: &[u64]| {
        let decades = (0..=18).flat_map(|decade| {
            scale
                .iter()
                .filter_map(move |tenths| Some(10_u64.checked_pow(decade)?.checked_mul(*tenths)? / 10))
        });
        let mut bounds: Vec<u64> = decades.collect();
        bounds.dedup();
        let first = bounds.partition_point(|&bound| bound <= least).saturating_sub(1);
        let last = bounds.partition_point(|&bound| bound <= greatest).min(bounds.len() - 1);
        bounds[first..=last].to_vec()
    };
    let scales = SCALES.map(on);
    let [.., coarsest] = &scales;
    scales.iter().find(|bounds| bounds.len() <= ROWS + 1).unwrap_or(coarsest).clone()
}

fn label(from: Option<u64>, to: Option<u64>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("{} – {}", bound(from), bound(to)),
        (Some(from), None) => format!("over {}", bound(from)),
        (None, to) => format!("under {}", bound(to.unwrap_or_default())),
    }
}

/// A bound as it is read: without decimals that say nothing.
fn bound(nanos: u64) -> String {
    let text = output::time(Duration::from_nanos(nanos));
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// As long as its share of the highest; some for any.
fn bar(count: u64, highest: u64) -> String {
    let eighths = (count as f64 / highest as f64 * (WIDTH * 8) as f64).round().max(1.0) as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

fn share(count: u64, all: u64) -> String {
    let percent = count as f64 / all.max(1) as f64 * 100.0;
    match percent {
        ..0.01 => "<0.01%".into(),
        0.01..1.0 => format!("{percent:.2}%"),
        _ => format!("{percent:.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is without colours.
    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn picture(latencies: &[(u64, u64)], marks: &[(&str, u64)]) -> String {
        let mut histogram = Histogram::new(3).unwrap();
        for &(nanos, count) in latencies {
            histogram.record_n(nanos, count).unwrap();
        }
        plain(&draw(&histogram, marks))
    }

    #[test]
    fn a_picture() {
        let seen = picture(
            &[(2_100, 1), (5_200, 400), (6_500, 1000), (9_000, 50), (12_100, 3), (2_000_000, 1)],
            &[("p50", 6_500), ("p90", 6_500), ("p99", 9_000), ("p99.9", 12_100), ("max", 2_000_000)],
        );
        let wanted = "
         under 5 µs ▏                                  0.07%
        5 µs – 6 µs ████████████▊                      27.5%
        6 µs – 8 µs ████████████████████████████████   68.7%  p50 p90
       8 µs – 10 µs █▋                                  3.4%  p99
      10 µs – 12 µs
      12 µs – 15 µs ▏                                  0.21%  p99.9
         over 15 µs ▏                                  0.07%  max
";
        assert_eq!(format!("\n{seen}"), wanted);
    }

    #[test]
    fn whatever_was_recorded_is_in_some_row() {
        for nanos in [0, 1, 9, 10, 999, 1_000, 1_000_000_007, u64::MAX / 2] {
            let seen = picture(&[(nanos, 3)], &[("p50", nanos)]);
            assert_eq!(seen.lines().count(), 1, "{nanos}: {seen}");
            assert!(seen.contains("100.0%") && seen.trim_end().ends_with("p50"), "{nanos}: {seen}");
        }
        let wide = picture(&[(1, 1), (10_000_000_000, 1)], &[]);
        assert!(wide.lines().count() <= ROWS, "{wide}");
    }
}
