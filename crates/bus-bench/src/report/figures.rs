//! Figures as people read them: three digits, and a unit.

use crate::row::Unit;

/// A figure of a row.
pub(super) fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanos => nanos(value),
        Unit::PerSecond => format!("{}/s", scaled(value)),
        Unit::Bytes => bytes(value),
        Unit::Amplification => format!("{}×", digits(value)),
        Unit::Instructions => format!("{} Ir", digits(value)),
    }
}

/// A note, whose unit stands in its name.
pub(super) fn note(name: &str, value: f64) -> String {
    if let Some(what) = name.strip_suffix(" ns") {
        return format!("{what} {}", nanos(value));
    }
    if let Some(what) = name.strip_suffix("events/s") {
        return format!("{what}{}/s", scaled(value));
    }
    if let Some(what) = name.strip_suffix(" %") {
        return format!("{what} {} %", digits(value));
    }
    format!("{name} {}", scaled(value))
}

pub(super) fn ratio(value: f64) -> String {
    format!("{}×", digits(value))
}

fn nanos(value: f64) -> String {
    match value {
        v if v < 1e3 => format!("{} ns", digits(v)),
        v if v < 1e6 => format!("{} µs", digits(v / 1e3)),
        v if v < 1e9 => format!("{} ms", digits(v / 1e6)),
        v => format!("{} s", digits(v / 1e9)),
    }
}

fn scaled(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{} G", digits(value / 1e9)),
        v if v >= 1e6 => format!("{} M", digits(value / 1e6)),
        v if v >= 1e4 => format!("{} k", digits(value / 1e3)),
        _ => digits(value),
    }
}

fn bytes(value: f64) -> String {
    match value {
        v if v >= 1024.0 * 1024.0 => format!("{} MiB", digits(v / 1024.0 / 1024.0)),
        v if v >= 10.0 * 1024.0 => format!("{} KiB", digits(v / 1024.0)),
        v => format!("{} B", digits(v)),
    }
}

/// Three significant digits, whole numbers whole.
fn digits(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
