use bus_log::{DateTime, Event, GraphEvent, Meta, Recorded, SessionEvent, Utc};

use super::Timeline;
use crate::output::tests::written;

const GOLDEN: &str = include_str!("../../../../bus-core/golden/events.jsonl");

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045 + seconds, 0).unwrap()
}

fn recorded(ordinal: u64, at: DateTime<Utc>, event: impl Into<Event>) -> Recorded {
    Recorded {
        ordinal,
        at,
        meta: Meta::default(),
        event: event.into(),
    }
}

fn timeline(full: bool, events: &[Recorded]) -> String {
    written(false, |out| {
        let mut timeline = Timeline::new(events.len() as u64, full);
        events
            .iter()
            .try_for_each(|event| timeline.event(out, event))?;
        timeline.pause(out)
    })
}

#[test]
fn every_kind_of_event_is_one_line_with_its_ordinal() {
    let events: Vec<Recorded> = (1..)
        .zip(GOLDEN.lines())
        .map(|(n, line)| recorded(n, at(0), Event::parse(line).unwrap()))
        .collect();
    let text = timeline(false, &events);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), events.len() + 1, "{text}");
    for (line, event) in lines[1..].iter().zip(&events) {
        assert!(
            line.trim_start()
                .starts_with(&format!("{}  03:04:05  ", event.ordinal)),
            "{line}"
        );
        // The last resort for a variant that this file does not describe.
        assert!(
            event.event.as_custom().is_some() || !line.contains("session."),
            "{line}"
        );
        assert!(
            event.event.as_custom().is_some() || !line.contains("audit."),
            "{line}"
        );
    }
    assert!(
        text.contains("answer") && text.contains("rlm_subcall"),
        "{text}"
    );
}

#[test]
fn a_new_day_has_a_line_of_its_own() {
    let events = [
        recorded(1, at(0), SessionEvent::Thinking),
        recorded(2, at(10), SessionEvent::Done),
        recorded(3, at(86_400), SessionEvent::Done),
    ];
    let text = timeline(false, &events);
    let days: Vec<&str> = text.lines().filter(|line| line.ends_with("UTC")).collect();
    assert_eq!(days, ["      2026-01-02 UTC", "      2026-01-03 UTC"]);
}

#[test]
fn a_long_text_is_cut_and_whole_with_full() {
    let long = "word ".repeat(100);
    let events = [recorded(1, at(0), SessionEvent::TextComplete(long.clone()))];
    let cut = timeline(false, &events);
    assert_eq!(cut.lines().count(), 2);
    assert!(cut.trim_end().ends_with('…'));
    let full = timeline(true, &events);
    assert_eq!(full.matches("word").count(), 100);
    assert!(full.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn an_event_without_text_leaves_no_space_at_the_end() {
    let events = [recorded(1, at(0), SessionEvent::Done)];
    for full in [true, false] {
        let text = timeline(full, &events);
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn texts_cannot_command_the_terminal() {
    let evil = GraphEvent::Warning {
        code: "\x1b[2J".into(),
        message: "\x07".into(),
        timestamp: at(0),
    };
    let custom = Event::parse("{\"type\":\"a\\u001b[31m\",\"data\":1}").unwrap();
    for full in [true, false] {
        let events = [
            recorded(1, at(0), evil.clone()),
            recorded(2, at(0), custom.clone()),
        ];
        let text = timeline(full, &events);
        assert!(!text.contains(['\x1b', '\x07']), "{text:?}");
    }
}

#[test]
fn what_an_import_skipped_is_one_line_and_whole_if_asked_for() {
    let skipped = || bus_log::CustomEvent::new(bus_import::SKIPPED, None).unwrap();
    let events = [
        recorded(1, at(0), skipped()),
        recorded(2, at(0), SessionEvent::Done),
        recorded(3, at(0), skipped()),
        recorded(4, at(0), skipped()),
    ];
    let text = timeline(false, &events);
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], "1  1 record of no use here");
    assert!(lines[2].starts_with("2  "), "{text}");
    assert_eq!(lines[3], "3–4  2 records of no use here");
    assert_eq!(
        timeline(true, &events).matches(bus_import::SKIPPED).count(),
        3
    );
}

/// What a session says, and what the audit makes of it, as lines of JSON.
fn told(full: bool, lines: &[&str]) -> String {
    let events: Vec<Recorded> = (1..)
        .zip(lines)
        .map(|(n, line)| recorded(n, at(0), Event::parse(line).unwrap()))
        .collect();
    timeline(full, &events)
}

const SAME: &str = "the same, for the audit";

#[test]
fn what_the_audit_says_otherwise_is_shown() {
    for (said, recorded, shown) in [
        (
            r#"{"type":"session.error","data":"no network"}"#,
            r#"{"type":"audit.error","data":{"class":"disk","message":"out of space","timestamp":"2026-01-01T00:00:00Z"}}"#,
            "out of space",
        ),
        (
            r#"{"type":"session.tool_call_start","data":{"name":"read","arguments":"{}"}}"#,
            r#"{"type":"audit.tool_call","data":{"id":"1","name":"rm","input":{"all":true},"timestamp":"2026-01-01T00:00:00Z"}}"#,
            "rm",
        ),
        (
            r#"{"type":"session.text_complete","data":"yes"}"#,
            r#"{"type":"audit.assistant_message","data":{"content":[{"text":"never"}],"timestamp":"2026-01-01T00:00:00Z"}}"#,
            "never",
        ),
        (
            r#"{"type":"session.tool_call_complete","data":{"name":"rm","output":"ok","success":true,"duration_ms":1}}"#,
            r#"{"type":"audit.tool_result","data":{"tool_use_id":"1","name":"rm","content":{"text":"ok"},"is_error":true,"timestamp":"2026-01-01T00:00:00Z"}}"#,
            "✗ result",
        ),
    ] {
        let text = told(false, &[said, recorded]);
        assert!(text.contains(shown) && !text.contains(SAME), "{text}");
    }
}

#[test]
fn what_the_audit_says_again_is_short_and_whole_if_asked_for() {
    let said =
        r#"{"type":"session.tool_call_start","data":{"name":"read","arguments":"{\"a\":1}"}}"#;
    let again = r#"{"type":"audit.tool_call","data":{"id":"1","name":"read","input":{"a":1},"timestamp":"2026-01-01T00:00:00Z"}}"#;
    assert_eq!(told(false, &[said, again]).matches(SAME).count(), 1);
    let full = told(true, &[said, again]);
    assert_eq!(full.matches(r#"read · {"a":1}"#).count(), 2, "{full}");
}
