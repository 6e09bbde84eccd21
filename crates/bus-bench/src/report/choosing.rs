//! The table of `docs/choosing.md`: what an append to each log costs, from the figures of a run.

use anyhow::{Context, Result};
use serde_json::Value;

/// What stands around the table on the page.
const BEGIN: &str =
    "<!-- Written by `cargo xtask bench --full`. Do not edit up to the next such line. -->\n";
const END: &str = "<!-- Edit again. -->\n";

/// What is appended, and the row in which each log does so.
const LINES: [(&str, [&str; 4]); 5] = [
    (
        "one event at a time, one session",
        [
            "durable/threads/1",
            "postgres/append/1x1",
            "redis/append/always/1x1x1",
            "nats/append/1x1x1",
        ],
    ),
    (
        "one at a time, 8 sessions",
        [
            "durable/threads/8",
            "postgres/append/8x1",
            "redis/append/always/8x1x1",
            "nats/append/8x1x1",
        ],
    ),
    (
        "batches of 64, one session",
        [
            "durable/batches/64x1",
            "postgres/append/1x64",
            "redis/append/always/1x64x1",
            "nats/append/1x64x1",
        ],
    ),
    (
        "batches of 64, 8 sessions",
        [
            "durable/batches/64x8",
            "postgres/append/8x64",
            "redis/append/always/8x64x1",
            "nats/append/8x64x1",
        ],
    ),
    (
        "batches of 1024, one session",
        [
            "durable/batches/1024x1",
            "postgres/append/1x1024",
            "redis/append/always/1x1024x1",
            "nats/append/1x1024x1",
        ],
    ),
];

/// Puts the table of a run, as [`json`](super::json) tells it, into the page.
///
/// # Errors
///
/// If the page has no place for it.
pub(crate) fn update(page: &str, run: &Value) -> Result<String> {
    let missing = "docs/choosing.md has lost the lines around its table";
    let (before, rest) = page.split_once(BEGIN).context(missing)?;
    let (_, after) = rest.split_once(END).context(missing)?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table(run)))
}

fn table(run: &Value) -> String {
    let mut table = format!(
        "\nOf commit {}, on {}.\n\n| events/s | file | PostgreSQL | Redis, `always` | NATS, alone: not past `fsync` |\n|---|---|---|---|---|\n",
        text(&run["facts"]["commit"]),
        text(&run["facts"]["cpu"]),
    );
    for (what, rows) in LINES {
        let cells = rows.map(|row| ours(run, row).map_or_else(|| "–".into(), rate));
        table += &format!("| {what} | {} |\n", cells.join(" | "));
    }
    table + "\n"
}

/// A rate to three digits, its thousands apart: in one table all figures look alike.
fn rate(value: f64) -> String {
    let whole = value.round() as u64;
    let step = 10_u64.pow(
        whole
            .checked_ilog10()
            .map_or(0, |log| log.saturating_sub(2)),
    );
    let digits = ((whole + step / 2) / step * step).to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The median of ours in a row.
fn ours(run: &Value, row: &str) -> Option<f64> {
    let rows = run["sections"].as_array()?.iter();
    let mut rows = rows.flat_map(|section| section["rows"].as_array().into_iter().flatten());
    let row = rows.find(|found| found["id"] == row)?;
    let mut contenders = row["contenders"].as_array()?.iter();
    contenders.find(|one| one["role"] == "ours")?["median"].as_f64()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

#[cfg(test)]
mod tests;
