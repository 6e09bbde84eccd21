//! What the kernel saw: an event is acknowledged only after the sync that follows its own write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Lines, Log, spawn};

const EVENTS: usize = 60;

/// A call that the kernel served, by the places in the trace at which it began and ended.
struct Call {
    began: usize,
    ended: usize,
    text: String,
}

#[test]
fn an_event_is_acknowledged_only_after_the_sync_that_follows_its_own_write() {
    if !can_trace() {
        return;
    }
    // All at once, where many share a sync, and one by one, where each waits for its own.
    for pipelined in [true, false] {
        let log = Log::new();
        let trace = log.beside().join("trace");
        record(&log, &trace, pipelined);
        check(&calls(&trace));
    }
}

/// The test needs a tool that a machine may lack. The gate installs it, and does without nothing.
fn can_trace() -> bool {
    let traced = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    let can = traced.is_ok_and(|status| status.success());
    assert!(
        can || std::env::var_os("CI").is_none(),
        "strace is missing, or may not trace here"
    );
    if !can {
        eprintln!("skipped: strace is missing, or may not trace here");
    }
    can
}

/// Records numbered events under strace, and reads an acknowledgement for each.
fn record(log: &Log, trace: &Path, pipelined: bool) {
    let program = log.command(&["record", "--thread", "t", "--ack"]);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-y", "-s", "10000000", "-e"])
        .arg("trace=write,pwrite64,writev,pwritev,pwritev2,fdatasync,fsync")
        .arg("-o")
        .arg(trace)
        .arg(program.get_program())
        .args(program.get_args())
        .env("BUS_LOG", log.url());
    let mut child = spawn(traced);
    let mut stdin = child.stdin.take().unwrap();
    let acks = Lines::of(child.stdout.take().unwrap());
    let mut told = Vec::new();
    for n in 1..=EVENTS {
        let data = format!(
            r#"{{"source":"root","model":"marker-{n:04}-x","prompt_tokens":1,"completion_tokens":1,"duration_ms":0}}"#
        );
        writeln!(stdin, r#"{{"type":"session.token_usage","data":{data}}}"#).unwrap();
        if !pipelined {
            told.push(acks.next());
        }
    }
    drop(stdin);
    told.extend(acks.rest());
    assert!(child.wait().unwrap().success());
    let expected: Vec<String> = (1..=EVENTS)
        .map(|n| format!("{{\"ordinal\":{n},\"line\":{n}}}"))
        .collect();
    assert_eq!(told, expected);
}

/// The calls of a trace, with those that were interrupted by others' lines put together again.
fn calls(trace: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished = BTreeMap::new();
    let lines = BufReader::new(std::fs::File::open(trace).unwrap()).lines();
    for (place, line) in lines.enumerate() {
        let line = line.unwrap();
        let (pid, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if let Some(begun) = text.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid.to_owned(), (place, begun.to_owned()));
        } else if let Some((_, rest)) = text.split_once(" resumed>") {
            if let Some((began, begun)) = unfinished.remove(pid) {
                let text = begun + rest;
                calls.push(Call {
                    began,
                    ended: place,
                    text,
                });
            }
        } else {
            let text = text.to_owned();
            calls.push(Call {
                began: place,
                ended: place,
                text,
            });
        }
    }
    calls
}

fn check(calls: &[Call]) {
    let is_write = |call: &&Call| call.text.starts_with("write") || call.text.starts_with("pwrite");
    let is_stdout = |call: &Call| {
        call.text
            .split_once('(')
            .is_some_and(|(_, rest)| rest.starts_with("1<"))
    };
    let (acks, writes): (Vec<&Call>, Vec<&Call>) = calls
        .iter()
        .filter(is_write)
        .partition(|call| is_stdout(call));
    let syncs: Vec<&Call> = calls
        .iter()
        .filter(|call| call.text.starts_with("fdatasync") || call.text.starts_with("fsync"))
        .filter(|call| call.text.ends_with("= 0"))
        .collect();
    let mut wrong = String::new();
    for n in 1..=EVENTS {
        let marker = format!("marker-{n:04}-x");
        let ordinal = format!(r#"{{\"ordinal\":{n},\"line\""#);
        let written = writes
            .iter()
            .find(|call| call.text.contains(&marker))
            .unwrap();
        let acked = acks
            .iter()
            .find(|call| call.text.contains(&ordinal))
            .unwrap();
        if !syncs
            .iter()
            .any(|sync| sync.began > written.ended && sync.ended < acked.began)
        {
            writeln!(
                wrong,
                "event {n}: written by line {}, acknowledged in line {}",
                written.ended, acked.began
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "no sync in between:\n{wrong}");
}
