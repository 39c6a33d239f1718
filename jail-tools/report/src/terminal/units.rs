//! Numbers as a person reads them.

use record::verdict::Estimate;

/// What stands where there is no figure. Never 0.
pub(super) const MISSING: &str = "–";

/// A scale of time: nanoseconds in one of it, and its name.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    ns: f64,
    name: &'static str,
}

const SCALES: [Scale; 4] = [
    Scale {
        ns: 1.0,
        name: "ns",
    },
    Scale {
        ns: 1e3,
        name: "µs",
    },
    Scale {
        ns: 1e6,
        name: "ms",
    },
    Scale { ns: 1e9, name: "s" },
];

/// The largest scale in which the value is at least 1 when it is rounded to three digits.
fn scale(ns: f64) -> Scale {
    let fits = |s: &&Scale| ns.abs() / s.ns >= 0.9995;
    *SCALES.iter().rev().find(fits).unwrap_or(&SCALES[0])
}

/// Decimals that leave three significant digits.
fn decimals(value: f64) -> usize {
    match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    }
}

/// `812 ns`, `1.02 µs`.
pub(super) fn time(ns: f64) -> String {
    let Scale { ns: unit, name } = scale(ns);
    let value = ns / unit;
    format!("{value:.*} {name}", decimals(value))
}

/// A time that may be missing.
pub(super) fn time_or_missing(ns: Option<f64>) -> String {
    ns.map_or_else(|| MISSING.into(), time)
}

/// `[801–830]`, in the unit and with the decimals of the estimate; `?` for an end that the data
/// cannot bound.
pub(super) fn time_interval(e: &Estimate) -> String {
    let unit = scale(e.value).ns;
    let digits = decimals(e.value / unit);
    let end = |v: Option<f64>| v.map_or_else(|| "?".into(), |v| format!("{:.digits$}", v / unit));
    format!("[{}–{}]", end(e.low), end(e.high))
}

/// `12.3 [11.9–12.8]`, for a figure without a unit; shares of one keep four decimals.
pub(super) fn plain(e: &Estimate) -> String {
    let digits = if e.value.abs() <= 1.0 {
        4
    } else {
        decimals(e.value)
    };
    let end = |v: Option<f64>| v.map_or_else(|| "?".into(), |v| format!("{v:.digits$}"));
    format!("{:.digits$} [{}–{}]", e.value, end(e.low), end(e.high))
}

/// `60,000`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A ratio that should be near all or nothing, as a percentage with two decimals there. What is
/// not all is never rounded to 100, and what is there never to 0.
pub(super) fn ratio(share: f64) -> String {
    match share * 100.0 {
        p if share >= 1.0 || share <= 0.0 => format!("{p:.0} %"),
        p if p > 99.994 => ">99.99 %".into(),
        p if p < 0.005 => "<0.01 %".into(),
        p if !(0.1..=99.0).contains(&p) => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

/// A share of a whole, as a percentage with one decimal; it may be negative.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        100.0 => "100 %".into(),
        p if p > 0.0 && p < 0.05 => "<0.1 %".into(),
        p if p < 0.0 && p > -0.05 => ">-0.1 %".into(),
        p if (99.95..100.0).contains(&p) => ">99.9 %".into(),
        p => format!("{p:.1} %"),
    }
}

/// A share that may be missing.
pub(super) fn percent_or_missing(share: Option<f64>) -> String {
    share.map_or_else(|| MISSING.into(), percent)
}

/// A number of events: whole when large, with decimals when small.
pub(super) fn events(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => count(value.round() as u64),
        0.0 => "0".into(),
        v if v < 0.001 => format!("{value:.1e}"),
        v if v < 1.0 => format!("{value:.4}"),
        v => format!("{value:.*}", decimals(v)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_the_unit_that_fits() {
        let shown = [0.0, 1.4, 81.2, 812.4, 999.6, 1020.0, 93_100.0, 1.2e6, 2.5e9].map(time);
        assert_eq!(
            shown,
            [
                "0.00 ns", "1.40 ns", "81.2 ns", "812 ns", "1.00 µs", "1.02 µs", "93.1 µs",
                "1.20 ms", "2.50 s"
            ]
        );
    }

    #[test]
    fn an_interval_has_the_unit_of_its_estimate_and_shows_an_open_end() {
        let e = Estimate {
            value: 1020.0,
            low: Some(990.0),
            high: None,
        };
        assert_eq!(time_interval(&e), "[0.99–?]");
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        let shown = [1.0, 0.999_99, 0.9995, 0.5, 0.0004, 0.000_001, 0.0].map(ratio);
        assert_eq!(
            shown,
            [
                "100 %", ">99.99 %", "99.95 %", "50.0 %", "0.04 %", "<0.01 %", "0 %"
            ]
        );
    }

    #[test]
    fn a_negative_residual_keeps_its_sign() {
        let shown = [-0.031, -0.0001, 0.0001, 0.9999, 0.186].map(percent);
        assert_eq!(shown, ["-3.1 %", ">-0.1 %", "<0.1 %", ">99.9 %", "18.6 %"]);
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(
            [7, 999, 1000, 1_234_567].map(count),
            ["7", "999", "1,000", "1,234,567"]
        );
    }
}
