//! The real transcripts by way of a server: from a file log into Redis, and from there into another file log.

use serde_json::Value;

use super::Server;
use crate::support::Log;
use crate::transcripts::path;

/// Threads are told of as they are done.
fn by_thread(mut lines: Vec<Value>) -> Vec<Value> {
    lines.sort_by_key(|line| line["thread"].as_str().unwrap().to_owned());
    lines
}

fn sum(lines: &[Value], key: &str) -> u64 {
    lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
}

#[test]
fn the_real_transcripts_come_back_from_redis_as_they_went_to_the_byte() {
    let server = Server::start();
    let [first, last] = [(); 2].map(|()| Log::new());
    first.ok(&["import", &path("codex"), &path("claude")]);
    let there = by_thread(first.json(&["copy", "--to", &server.url()]));
    let back = by_thread(server.json(&["copy", "--to", &last.url()]));
    let events = sum(&there, "events");
    assert!(there.len() >= 36, "only {} threads", there.len());
    assert!(events > 10_000, "only {events} events");
    assert_eq!(
        there, back,
        "each thread once, with the same events and bytes"
    );

    let urls = [first.url(), server.url(), last.url()];
    for (one, other) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
        // Byte for byte of every record.
        let args = ["--log", &urls[one], "verify", "--against", &urls[other]];
        let same = first.json(&args);
        assert_eq!(same.len(), there.len());
        assert!(same.iter().all(|line| line["ok"] == true), "{same:?}");
        assert_eq!(sum(&same, "same"), events);
    }
    server.ok(&["verify"]);
    let bytes = sum(&there, "bytes");
    println!(
        "{} threads, {events} events, {bytes} bytes: file → redis → file, the same",
        there.len()
    );
}
