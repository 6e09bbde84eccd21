//! `bus record`: what is written, what is acknowledged, and what is complained of.

use std::io::Write;

use serde_json::Value;

use crate::support::{Lines, Log, json_lines, ordinals, spawn, wait};

const USAGE: &str = r#"{"type":"session.token_usage","data":{"source":"root","model":"m","prompt_tokens":5,"completion_tokens":1,"duration_ms":3}}"#;
const CHUNK: &str = r#"{"type":"session.text_chunk","data":"hi"}"#;
const TEXT: &str = r#"{"type":"session.text_complete","data":"hi there"}"#;
const CUSTOM: &str = r#"{"type":"acme.note","data":{"b":1,"a":2}}"#;

fn types(log: &Log, thread: &str) -> Vec<String> {
    let kind = |line: &Value| line["type"].as_str().unwrap().to_owned();
    log.json(&["show", thread]).iter().map(kind).collect()
}

#[test]
fn each_durability_writes_what_it_covers_and_acknowledges_just_that() {
    let log = Log::new();
    let input = [USAGE, CHUNK, TEXT, CUSTOM].join("\n");
    for (durability, expected) in [
        ("signals", &["session.token_usage", "acme.note"][..]),
        (
            "transcript",
            &["session.token_usage", "session.text_complete", "acme.note"],
        ),
        (
            "everything",
            &[
                "session.token_usage",
                "session.text_chunk",
                "session.text_complete",
                "acme.note",
            ],
        ),
    ] {
        let args = [
            "record",
            "--thread",
            durability,
            "--ack",
            "--durability",
            durability,
        ];
        let done = log.feed(&args, &input);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(types(&log, durability), expected);
        // Which events these are is told by their lines.
        if durability == "transcript" {
            assert!(done.stdout.contains(r#"{"ordinal":2,"line":3}"#));
        }
        let acks: Vec<u64> = (1..=expected.len() as u64).collect();
        assert_eq!(ordinals(&json_lines(&done.stdout)), acks);
    }
    let done = log.feed(&["record", "--thread", "default"], &input);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    assert_eq!(types(&log, "default"), ["session.token_usage", "acme.note"]);
}

#[test]
fn what_comes_in_goes_out_verbatim() {
    let log = Log::new();
    let input = r#"{"type":"acme.note","data":{"b":0.10, "a":1e400}}"#;
    assert_eq!(log.feed(&["record", "--thread", "t"], input).code, Some(0));
    let text = log.ok(&["show", "t", "--json"]);
    assert!(
        text.contains(r#""type":"acme.note","data":{"b":0.10, "a":1e400}}"#),
        "{text}"
    );
}

#[test]
fn bad_lines_are_named_by_number_and_cost_nothing_else() {
    let log = Log::new();
    let input = format!("{CUSTOM}\nnonsense\n\n{CUSTOM}\n[1]\n{{\"data\":1}}\n{CUSTOM}");
    let done = log.feed(&["record", "--thread", "t", "--ack"], &input);
    assert_eq!(done.code, Some(1));
    for number in [2, 5, 6] {
        let expected = format!("error: line {number} is no event\n");
        assert!(done.stderr.contains(&expected), "{}", done.stderr);
    }
    assert_eq!(done.stderr.matches("error:").count(), 3, "{}", done.stderr);
    assert_eq!(ordinals(&json_lines(&done.stdout)), [1, 2, 3]);
    assert_eq!(types(&log, "t").len(), 3);
}

#[test]
fn strict_stops_at_the_first_bad_line_and_keeps_what_came_before() {
    let log = Log::new();
    let input = format!("{CUSTOM}\nnonsense\n{CUSTOM}\nnonsense\n");
    let done = log.feed(&["record", "--thread", "t", "--ack", "--strict"], &input);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
    assert_eq!(ordinals(&json_lines(&done.stdout)), [1]);
    assert_eq!(types(&log, "t").len(), 1);
}

#[test]
fn every_event_of_a_long_input_is_there_once_in_order_and_acknowledged() {
    let log = Log::new();
    let n = 20_000;
    let line = |i| format!("{{\"type\":\"session.text_complete\",\"data\":\"event {i}\"}}\n");
    let input: String = (1..=n).map(line).collect();
    let args = [
        "record",
        "--thread",
        "t",
        "--ack",
        "--durability",
        "transcript",
    ];
    let done = log.feed(&args, &input);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        ordinals(&json_lines(&done.stdout)),
        (1..=n).collect::<Vec<_>>()
    );
    for (i, event) in (1..).zip(log.json(&["show", "t"])) {
        assert_eq!(
            (event["ordinal"].as_u64(), &event["data"]),
            (Some(i), &format!("event {i}").into())
        );
    }
}

#[test]
fn an_event_of_8_mib_goes_in_and_comes_out() {
    let log = Log::new();
    let text = "x".repeat(8 << 20);
    let input = format!("{CUSTOM}\n{{\"type\":\"acme.big\",\"data\":\"{text}\"}}\n{CUSTOM}\n");
    let done = log.feed(&["record", "--thread", "t", "--ack"], &input);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let events = log.json(&["show", "t"]);
    assert_eq!(events.len(), 3);
    assert_eq!(events[1]["data"].as_str().unwrap().len(), text.len());
}

#[test]
fn an_event_over_the_limit_is_named_and_costs_nothing_else() {
    let log = Log::new();
    let text = "x".repeat(20 << 20);
    let input = format!("{CUSTOM}\n{{\"type\":\"acme.big\",\"data\":\"{text}\"}}\n{CUSTOM}\n");
    let done = log.feed(&["record", "--thread", "t", "--ack"], &input);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("line 2"), "{}", done.stderr);
    assert_eq!(ordinals(&json_lines(&done.stdout)), [1, 2]);
}

#[test]
fn an_acknowledgement_comes_while_the_input_is_still_open() {
    let log = Log::new();
    let mut child = spawn(log.command(&["record", "--thread", "t", "--ack"]));
    let acks = Lines::of(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    for n in 1..=3 {
        writeln!(stdin, "{CUSTOM}").unwrap();
        assert_eq!(acks.next(), format!("{{\"ordinal\":{n},\"line\":{n}}}"));
        // It is on disk for every other process, too.
        assert_eq!(log.json(&["show", "t"]).len(), n);
    }
    drop(stdin);
    assert_eq!(wait(&mut child), Some(0));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_all_that_was_taken_on_disk() {
    use rustix::process::{Pid, Signal, kill_process};
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let log = Log::new();
        let mut child = spawn(log.command(&["record", "--thread", "t", "--ack"]));
        let acks = Lines::of(child.stdout.take().unwrap());
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{CUSTOM}").unwrap();
        assert_eq!(acks.next(), "{\"ordinal\":1,\"line\":1}");
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).unwrap();
        assert_eq!(wait(&mut child), Some(code));
        drop(stdin);
        assert_eq!(log.json(&["show", "t"]).len(), 1);
        assert_eq!(log.json(&["verify"])[0]["ok"], true);
    }
}

#[test]
fn a_closed_reader_of_acknowledgements_ends_it_quietly() {
    let log = Log::new();
    let mut child = spawn(log.command(&["record", "--thread", "t", "--ack"]));
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{CUSTOM}").unwrap();
    assert_eq!(wait(&mut child), Some(0));
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(stderr, "");
    assert_eq!(log.json(&["show", "t"]).len(), 1);
}

#[test]
fn what_a_thread_did_not_take_is_one_complaint_and_out_for_certain() {
    let log = Log::new();
    let mut holder = spawn(log.command(&["record", "--thread", "t", "--ack"]));
    let acks = Lines::of(holder.stdout.take().unwrap());
    let mut stdin = holder.stdin.take().unwrap();
    writeln!(stdin, "{CUSTOM}").unwrap();
    acks.next();
    let input = format!("{CUSTOM}\n").repeat(9000);
    let began = std::time::Instant::now();
    let done = log.feed(&["record", "--thread", "t", "--ack"], &input);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{done:?}");
    assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
    assert!(
        done.stderr.contains(" events of lines 1 to "),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("were not written"), "{}", done.stderr);
    assert!(!done.stderr.contains("may "), "{}", done.stderr);
    // What waits, waits together: not one retry after the other.
    assert!(began.elapsed().as_secs() < 30);
    drop(stdin);
    assert_eq!(wait(&mut holder), Some(0));
    assert_eq!(log.json(&["show", "t"]).len(), 1);
}

#[test]
fn an_event_that_only_looks_like_a_known_one_is_complained_of_and_refused_if_strict() {
    for odd in [
        r#"{"type":"session.tokn_usage","data":1}"#,
        r#"{"type":"session.token_usage","data":{"model":7}}"#,
        r#"{"type":"audit.nothing"}"#,
        r#"{"type":""}"#,
    ] {
        let log = Log::new();
        let input = format!("{CUSTOM}\n{odd}\n{odd}\n{CUSTOM}\n");
        let done = log.feed(&["record", "--thread", "t"], &input);
        assert_eq!(done.code, Some(0), "{done:?}");
        let named = done.stderr.matches("is no event of this version").count();
        assert_eq!(named, 1, "{done:?}");
        assert!(done.stderr.contains("line 2 "), "{done:?}");
        assert_eq!(types(&log, "t").len(), 4);
        let done = log.feed(&["record", "--thread", "strict", "--strict"], &input);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(
            done.stderr.contains("error: line 2 is no event"),
            "{done:?}"
        );
        assert_eq!(types(&log, "strict").len(), 1);
    }
}

#[test]
fn what_the_durability_leaves_out_is_counted() {
    let log = Log::new();
    let input = [USAGE, CHUNK, TEXT, CUSTOM].join("\n");
    let done = log.feed(&["record", "--thread", "t"], &input);
    assert_eq!(
        done.stderr,
        "2 events written, 2 events left out by --durability signals\n"
    );
    let all = ["record", "--thread", "t", "--durability", "everything"];
    assert_eq!(log.feed(&all, &input).stderr, "");
}

#[test]
fn nothing_is_acknowledged_that_ends_with_the_program() {
    let log = Log::new();
    let args = ["--log", "memory:", "record", "--thread", "t", "--ack"];
    let done = log.feed(&args, CUSTOM);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("ends with this program"), "{done:?}");
    let done = log.run(&["--log", "memory:", "import", "/"]);
    assert_eq!(done.code, Some(1), "{done:?}");
}
