//! `bus demo`: the first thing that people see.

use std::time::{Duration, Instant};

use crate::support::{Log, bus};

#[test]
fn without_arguments_it_plays_and_shows_a_session_in_under_5_seconds() {
    let temp = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let output = bus()
        .arg("demo")
        .env("TMPDIR", temp.path())
        .output()
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains(['\x1b', '\r']), "{text:?}");
    for part in [
        "hand-off",
        "rlm",
        "compaction",
        "tokens",
        "answer",
        "call",
        "recall",
        "intact",
        "fallback",
        "atlas-large",
        "run_tests",
        "0 lost",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let further = text.split_once("Look further").unwrap().1;
    let column = |about: &str| {
        let line = further.lines().find(|line| line.ends_with(about));
        line.unwrap().chars().count() - about.chars().count()
    };
    for about in ["whole texts", "for programs", "wait for more"] {
        assert_eq!(
            column(about),
            column("your own sessions, into your own log")
        );
    }
    assert!(further.contains(" rm -r "), "{further}");
    let place = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("The log lies in "));
    assert!(
        std::path::Path::new(place.unwrap()).starts_with(temp.path()),
        "{text}"
    );
}

#[test]
fn it_leaves_a_log_that_the_other_commands_read() {
    let log = Log::new();
    log.ok(&["demo", "--log", &log.url()]);
    let figures = &log.json(&["stats", "demo"])[0];
    assert_eq!(figures["tool_calls"], 4);
    assert_eq!(figures["tool_errors"], 1);
    assert_eq!(figures["compactions"], 1);
    assert_eq!(figures["user_messages"], 1);
    assert_eq!(log.json(&["ls"]).len(), 2);
    assert!(log.json(&["verify"]).iter().all(|line| line["ok"] == true));
}

#[test]
fn it_leaves_the_log_of_the_environment_alone() {
    let log = Log::new();
    let temp = tempfile::tempdir().unwrap();
    let output = log
        .command(&["demo"])
        .env("TMPDIR", temp.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!log.dir().exists());
}
