//! Damage costs what it hits and nothing else.

use std::sync::Arc;

use bus_core::{Event, GraphEvent};
use bus_import::{Format, Imported, MALFORMED_LINE};
use chrono::{DateTime, Utc};

use crate::prefix::Random;
use crate::shared;

type Said = Vec<(Arc<str>, DateTime<Utc>, Event)>;

/// What was said, wherever it stands, and how many lines were damaged.
fn said(name: &str, format: Format, bytes: &[u8]) -> (Said, u64) {
    let (events, figures) = shared::import(name, format, bytes);
    let is_warning = |item: &Imported| matches!(&item.event, Event::Audit(GraphEvent::Warning { code, .. }) if code == MALFORMED_LINE);
    let said = events
        .into_iter()
        .filter(|item| !is_warning(item))
        .map(|item| (item.thread, item.at, item.event))
        .collect();
    (
        said,
        figures.iter().map(|figures| figures.malformed_lines).sum(),
    )
}

/// Files whose events do not depend on how many events are before them.
const FILES: [&str; 5] = [
    "codex/codex-0.125.0-part2-aborted.jsonl",
    "codex/codex-0.139.0-exec-b.jsonl",
    "codex/codex-legacy-20250825-short.jsonl",
    "claude/claude-2.1.159-api-error.jsonl",
    "claude/claude-2.1.199-part2.jsonl",
];

/// Damages a line of each file in many ways; `damage` gives what stands in its place, line break
/// included, and `lost` how many lines that counts for.
fn costs_only_the_line(damage: impl Fn(&[u8], &mut Random) -> Vec<u8>, lost: u64) {
    if !shared::are_there() {
        return;
    }
    let mut random = Random(0xdead);
    for name in FILES {
        // Damage is counted, and what is behind a cut record looked at, once its line has ended.
        let whole = [shared::bytes(name).as_slice(), b"\n"].concat();
        let format = shared::detect(&whole).unwrap();
        let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        for _ in 0..6 {
            let hit = 1 + random.below(lines.len() - 2);
            let (before, after) = (lines[..hit].concat(), lines[hit + 1..].concat());
            let damaged = [
                before.clone(),
                damage(lines[hit], &mut random),
                after.clone(),
            ]
            .concat();
            let (ours, malformed) = said(name, format, &damaged);
            let (expected, _) = said(name, format, &[before, after].concat());
            assert_eq!(ours.len(), expected.len(), "{name}, line {}", hit + 1);
            assert_eq!(ours, expected, "{name}, line {}", hit + 1);
            assert_eq!(malformed, lost, "{name}, line {}", hit + 1);
        }
    }
}

#[test]
fn a_cut_record_with_the_next_one_on_its_line_costs_only_itself() {
    let cut = |line: &[u8], random: &mut Random| line[..1 + random.below(line.len() - 2)].to_vec();
    costs_only_the_line(cut, 1);
}

#[test]
fn a_record_without_its_last_brace_costs_only_itself() {
    let cut = |line: &[u8], _: &mut Random| line[..line.len() - "}\n".len()].to_vec();
    costs_only_the_line(cut, 1);
}

#[test]
fn a_cut_record_with_a_line_break_costs_only_itself() {
    let cut = |line: &[u8], random: &mut Random| {
        let mut cut = line[..1 + random.below(line.len() - 2)].to_vec();
        cut.push(b'\n');
        cut
    };
    costs_only_the_line(cut, 1);
}

#[test]
fn a_run_of_zeros_before_a_record_costs_nothing_else() {
    costs_only_the_line(|line, _| vec![0; line.len()], 1);
}

#[test]
fn a_run_of_zeros_in_place_of_a_record_costs_only_it() {
    let zeros = |line: &[u8], _: &mut Random| {
        let mut zeros = vec![0; line.len()];
        zeros.push(b'\n');
        zeros
    };
    costs_only_the_line(zeros, 1);
}

#[test]
fn blank_lines_cost_nothing() {
    costs_only_the_line(|_, _| b" \r\n\n".to_vec(), 0);
}
