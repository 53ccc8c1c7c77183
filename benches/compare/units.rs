//! Figures as people read them.

/// A time that is given in ns.
pub(crate) fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        ..1e6 => (ns / 1e3, "µs"),
        ..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", significant(value))
}

/// A size that is given in bytes.
pub(crate) fn size(bytes: f64) -> String {
    let (value, unit) = match bytes.abs() {
        ..1024.0 => (bytes, "B"),
        ..1_048_576.0 => (bytes / 1024.0, "KiB"),
        _ => (bytes / 1_048_576.0, "MiB"),
    };
    format!("{} {unit}", significant(value))
}

/// A rate per second.
pub(crate) fn rate(per_second: f64) -> String {
    let whole = format!("{per_second:.0}");
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A throughput in 10⁶ bytes per second.
pub(crate) fn megabytes(bytes_per_second: f64) -> String {
    format!("{} MB/s", rate(bytes_per_second / 1e6))
}

/// How many times.
pub(crate) fn times(ratio: f64) -> String {
    format!("{}×", significant(ratio))
}

/// Three significant digits where there is a fraction.
fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if value == value.trunc() && value.abs() < 100.0 { format!("{value:.0}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(time(33.0), "33 ns");
        assert_eq!(time(2810.0), "2.81 µs");
        assert_eq!(time(75_400.0), "75.4 µs");
        assert_eq!(time(185_584.0), "186 µs");
        assert_eq!(time(6_400_000.0), "6.40 ms");
        assert_eq!(size(4.0 * 1024.0 * 1024.0), "4 MiB");
        assert_eq!(size(1536.0), "1.50 KiB");
        assert_eq!(rate(250_000.4), "250,000");
        assert_eq!(rate(999.0), "999");
        assert_eq!(megabytes(1.5e9), "1,500 MB/s");
        assert_eq!(times(26.28), "26.3×");
    }
}
