use std::collections::BTreeMap;

use super::figures::{figure, note};
use super::*;
use crate::row::{Role, Unit};
use crate::runner::Ran;
use crate::verdict::{Judged, Verdict};

fn ran(name: &str, role: Role, median: f64) -> Ran {
    Ran {
        name: name.into(),
        role,
        settings: "a | b".into(),
        how: How::Measured {
            median,
            min: median * 0.9,
            max: median * 1.1,
            rounds: vec![median; 3],
            notes: BTreeMap::from([("p99 ns", 4200.0)]),
        },
    }
}

fn absent(name: &str) -> Ran {
    Ran {
        name: name.into(),
        role: Role::Peer,
        settings: String::new(),
        how: How::Absent {
            why: "not there yet".into(),
        },
    }
}

fn report() -> Report {
    let goal = |verdict| Judged {
        goal: "≥ 2× the baseline".into(),
        found: Some(1.5),
        range: Some((1.4, 1.6)),
        against: Some("plain".into()),
        verdict,
    };
    Report {
        command: "cargo xtask bench --quick".into(),
        effort: Effort::Quick,
        rounds: 3,
        facts: Facts::example(),
        sections: vec![Section {
            id: "emit",
            title: "One emit",
            method: "How.",
            rows: vec![Outcome {
                id: "emit/x".into(),
                title: "emit, x".into(),
                unit: Unit::PerSecond,
                contenders: vec![
                    ran("bus", Role::Ours, 3000.0),
                    ran("plain", Role::Seed, 2000.0),
                    ran("fast", Role::Peer, 6000.0),
                    absent("gone"),
                ],
                goals: vec![goal(Verdict::Missed), goal(Verdict::Noisy("spread".into()))],
                attempts: 1,
                others: Some(0.0),
            }],
        }],
    }
}

#[test]
fn figures_have_three_digits_and_a_unit() {
    assert_eq!(figure(Unit::Nanos, 23.456), "23.5 ns");
    assert_eq!(figure(Unit::Nanos, 1_234.0), "1.23 µs");
    assert_eq!(figure(Unit::Nanos, 123_456_789.0), "123 ms");
    assert_eq!(figure(Unit::PerSecond, 186_432.0), "186 k/s");
    assert_eq!(figure(Unit::PerSecond, 5_800_000.0), "5.80 M/s");
    assert_eq!(figure(Unit::Bytes, 800.0), "800 B");
    assert_eq!(figure(Unit::Bytes, 131_072.0), "128 KiB");
    assert_eq!(figure(Unit::Amplification, 2.345), "2.35×");
    assert_eq!(figure(Unit::Instructions, 512.0), "512 Ir");
    assert_eq!(note("p99 ns", 4200.0), "p99 4.20 µs");
    assert_eq!(note("lost %", 0.0), "lost 0 %");
    assert_eq!(note("events/s", 2e6), "2 M/s");
}

#[test]
fn the_page_says_by_which_command_it_was_written() {
    let page = markdown::page(&report());
    assert!(page.contains("<!-- Written by `cargo xtask bench --quick`. Do not edit. -->"));
    assert!(page.contains("quick run"));
}

#[test]
fn the_page_has_every_contender_also_those_that_could_not_run() {
    let page = markdown::page(&report());
    assert!(
        page.contains("| bus | 3000/s | 2700/s – 3300/s | p99 4.20 µs | a \\| b |"),
        "{page}"
    );
    assert!(
        page.contains("| gone | – |  | not there yet |  |"),
        "{page}"
    );
}

#[test]
fn the_page_tells_where_we_lose() {
    let page = markdown::page(&report());
    assert!(
        page.contains("- emit, x: the best peer (fast) has 6000/s, ours 3000/s: 0.50×"),
        "{page}"
    );
    assert!(!page.contains("the baseline (plain) has"), "there we win");
}

#[test]
fn the_page_tells_where_another_way_to_use_ours_loses() {
    let mut report = report();
    let contenders = &mut report.sections[0].rows[0].contenders;
    contenders.push(ran("bus, owned", Role::OursToo, 1000.0));
    contenders.push(ran("slow", Role::Beside, 1.0));
    let page = markdown::page(&report);
    for line in [
        "- emit, x: the baseline (plain) has 2000/s, ours (bus, owned) 1000/s: 0.50×",
        "- emit, x: the best peer (fast) has 6000/s, ours (bus, owned) 1000/s: 0.17×",
    ] {
        assert!(page.contains(line), "{page}");
    }
    assert!(
        !page.contains("ours (slow)"),
        "nobody is to choose that one"
    );
}

#[test]
fn goals_are_counted_by_verdict() {
    let line = markdown::counts(&report());
    assert_eq!(
        line,
        "2 goals: 0 met, 1 missed, 1 without a verdict for noise, 0 not to be measured yet."
    );
    let page = markdown::page(&report());
    assert!(
        page.contains(
            "| emit, x | ≥ 2× the baseline (plain) | 1.50× | 1.40× – 1.60× | **missed** |"
        ),
        "{page}"
    );
    assert!(page.contains("none: spread"));
}

#[test]
fn the_json_has_rounds_verdicts_and_reasons() {
    let json: serde_json::Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
    let row = &json["sections"][0]["rows"][0];
    assert_eq!(row["contenders"][0]["rounds"].as_array().unwrap().len(), 3);
    assert_eq!(row["contenders"][3]["outcome"], "absent");
    assert_eq!(row["goals"][0]["verdict"], "missed");
    assert_eq!(row["goals"][1]["why"], "spread");
    assert_eq!(json["facts"]["disk"]["file_system"], "ext4");
}

#[test]
fn who_failed_is_named() {
    let mut report = report();
    assert!(
        report.failed().is_empty(),
        "one who is absent has not failed"
    );
    report.sections[0].rows[0].contenders[1].how = How::Failed {
        why: "no disk".into(),
    };
    assert_eq!(report.failed(), ["plain in emit/x"]);
}
