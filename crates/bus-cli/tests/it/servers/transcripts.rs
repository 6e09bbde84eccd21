//! The real transcripts by way of a server: from a file log into PostgreSQL, and from there into another
//! file log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bus_open::{LogUrl, SessionLog, ThreadKey};
use serde_json::Value;
use tokio::runtime::Builder;

use super::Server;
use crate::support::{Log, spawn};
use crate::transcripts::{are_there, path};

/// Ordinal, time, and the bytes of meta and event.
type Record = (u64, String, String, String);

/// A log's records, by thread.
type Records = BTreeMap<String, Vec<Record>>;

/// Every record, as a log reads it raw.
fn raw(url: &str) -> Records {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let url: LogUrl = url.parse().unwrap();
        let log = url.open_read_only().await.unwrap().log;
        let mut records = Records::new();
        for tenant in log.tenants(None, usize::MAX).await.unwrap() {
            for thread in log.list(&tenant, None, usize::MAX).await.unwrap() {
                let texts = raw_texts(&*log, &thread.key).await;
                records.insert(thread.key.to_string(), texts);
            }
        }
        records
    })
}

async fn raw_texts(log: &dyn SessionLog, key: &ThreadKey) -> Vec<Record> {
    let mut texts: Vec<Record> = Vec::new();
    loop {
        let cursor = texts.last().map_or(0, |(ordinal, ..)| *ordinal);
        let page = log.read_raw(key, cursor, 1000).await.unwrap();
        texts.extend(page.events.iter().map(|event| {
            (
                event.ordinal,
                event.at.to_rfc3339(),
                event.meta.as_str().to_owned(),
                event.event.to_json().as_str().to_owned(),
            )
        }));
        if !page.more {
            return texts;
        }
    }
}

/// Every session file's lines as they are on the disk, from the time on: ordinal, and the bytes of time, meta
/// and event. What stands between, the batch and the sum over it, is how they were appended.
fn lines(folder: &Path) -> BTreeMap<PathBuf, Vec<(String, String)>> {
    let mut files = BTreeMap::new();
    for tenant in fs::read_dir(folder.join("threads")).unwrap().flatten() {
        for file in fs::read_dir(tenant.path()).unwrap().flatten() {
            let path = file.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                let text = fs::read_to_string(&path).unwrap();
                let records = text.lines().skip(1).map(|line| {
                    let (before, record) = line.split_once(r#","at":"#).unwrap();
                    let (ordinal, _) = before.split_once(r#","sum":"#).unwrap();
                    (ordinal.to_owned(), record.to_owned())
                });
                let name = path.strip_prefix(folder).unwrap();
                files.insert(name.to_owned(), records.collect());
            }
        }
    }
    files
}

/// Threads are told of as they are done.
pub(super) fn by_thread(mut lines: Vec<Value>) -> Vec<Value> {
    lines.sort_by_key(|line| line["thread"].as_str().unwrap().to_owned());
    lines
}

pub(super) fn sum(lines: &[Value], key: &str) -> u64 {
    lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
}

#[test]
fn the_real_transcripts_come_back_from_a_server_as_they_went_to_the_byte() {
    if !are_there() {
        return;
    }
    let server = Server::postgres();
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
        let args = ["--log", &urls[one], "verify", "--against", &urls[other]];
        let same = first.json(&args);
        assert_eq!(same.len(), there.len());
        assert!(same.iter().all(|line| line["ok"] == true), "{same:?}");
        assert_eq!(sum(&same, "same"), events);
    }
    for log in [&first, &last] {
        log.ok(&["verify"]);
    }
    server.ok(&["verify"]);

    let [first_raw, server_raw, last_raw] = urls.map(|url| raw(&url));
    let count: usize = first_raw.values().map(Vec::len).sum();
    assert_eq!(count as u64, events);
    assert!(first_raw == server_raw, "the server keeps other bytes");
    assert!(first_raw == last_raw, "other bytes came back");
    let (first_lines, last_lines) = (lines(&first.dir()), lines(&last.dir()));
    let count: usize = first_lines.values().map(Vec::len).sum();
    assert_eq!(count as u64, events);
    assert!(first_lines == last_lines, "the files hold other records");
    println!(
        "{} threads, {events} events, {} bytes: file → postgres → file, the same",
        there.len(),
        sum(&there, "bytes")
    );
}

#[test]
fn a_copy_by_way_of_a_server_is_as_much_when_it_is_killed_on_the_way() {
    if !are_there() {
        return;
    }
    let server = Server::postgres();
    let [first, last] = [(); 2].map(|()| Log::new());
    first.ok(&["import", &path("codex"), &path("claude")]);
    let (there, back) = (server.url(), last.url());
    let mut cut = 0;
    for args in [
        ["copy", "--from", &first.url(), "--to", &there],
        ["copy", "--from", &there, "--to", &back],
    ] {
        for round in 1..=8_u32 {
            let mut child = spawn(first.command(&args));
            let until = Instant::now() + Duration::from_millis(60) * round;
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            cut += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        first.ok(&args);
    }
    assert!(cut >= 4, "only {cut} of 16 were killed on the way");
    assert!(raw(&first.url()) == raw(&back), "other bytes came back");
    assert!(lines(&first.dir()) == lines(&last.dir()));
}
