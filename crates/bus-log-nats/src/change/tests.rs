use std::sync::{Arc, Mutex};

use bus_log::{Entry, Expect, SessionLog};
use bus_testkit::{block_on, eventually, samples};

use super::*;
use crate::NatsSessionLog;
use crate::scripted::{self, HANG_UP, Script, Shown, Thread, refused, subjects};
use crate::wire::{self, Chunk};

/// Long enough for what is not to wait.
const PATIENT: Duration = Duration::from_secs(20);

fn open(script: impl Script) -> NatsSessionLog {
    let config = scripted::server(script).with_call_timeout(PATIENT);
    block_on(NatsSessionLog::open_with(config)).unwrap()
}

/// A batch that takes several messages.
fn large() -> Vec<Entry> {
    (0..30)
        .map(|_| Entry::from(samples::text("x".repeat(100_000))))
        .collect()
}

/// Whether all chunks are there that the thread's messages list, and how many these are.
fn has_all_chunks(shown: &Shown, key: &ThreadKey) -> (bool, usize) {
    let chunks = subjects().chunks(key);
    let (mut has_all, mut count) = (true, 0);
    for (_, message) in shown.of(&subjects().thread(key)) {
        let (head, body) = wire::parse(message.clone()).unwrap().unwrap();
        if !matches!(head.change, Change::Append(append) if append.chunked) {
            continue;
        }
        for (part, chunk) in (0..).zip(Chunk::parse_all(body).unwrap()) {
            count += 1;
            has_all &= shown.of(&chunks).any(|(seq, message)| {
                seq == chunk.seq && wire::part_of(head.id, part, message.clone()).is_some()
            });
        }
    }
    (has_all, count)
}

#[test]
fn a_large_batch_whose_chunks_the_server_lost_is_not_acknowledged_without_them() {
    let key = samples::key("s");
    let mut shown = Shown::alone();
    shown.messages.push(Thread::new(&key).append(10));
    let shown = Arc::new(Mutex::new(shown));
    let (all, mut has_fallen) = (Arc::clone(&shown), false);
    let log = open(move |subject: &str, asked: &[u8]| {
        let mut all = all.lock().unwrap();
        if !has_fallen && subject == subjects().thread(&samples::key("s")) {
            has_fallen = true;
            // What it had not synced is gone when it is there again.
            let chunks = subjects().chunks(&samples::key("s"));
            all.messages.retain(|message| message.1 != chunks);
            return Some(HANG_UP);
        }
        all.take(subject, asked)
    });
    let appended = block_on(log.append_entries(&key, Expect::Any, &large()));
    let (has_all, count) = has_all_chunks(&shown.lock().unwrap(), &key);
    assert!(has_all, "{appended:?}");
    assert_eq!(appended.unwrap(), 31);
    assert!(count >= 3, "{count}");
}

#[test]
fn in_a_cluster_a_large_batch_whose_chunks_another_leader_lacks_is_composed_anew() {
    let key = samples::key("s");
    let mut shown = Shown::new();
    shown.messages.push(Thread::new(&key).append(10));
    let shown = Arc::new(Mutex::new(shown));
    let (all, mut has_lost) = (Arc::clone(&shown), false);
    let log = open(move |subject: &str, asked: &[u8]| {
        let mut all = all.lock().unwrap();
        let answer = all.take(subject, asked);
        let chunks = subjects().chunks(&samples::key("s"));
        let count = all.of(&chunks).count();
        if !has_lost && subject == chunks && count == 3 {
            // All but this one, which it says is stored.
            has_lost = true;
            let first = all.of(&chunks).map(|(seq, _)| seq).next();
            all.messages.retain(|message| Some(message.0) != first);
        }
        answer
    });
    let appended = block_on(log.append_entries(&key, Expect::Any, &large()));
    let (has_all, count) = has_all_chunks(&shown.lock().unwrap(), &key);
    assert!(has_all, "{appended:?}");
    assert!(count >= 3, "{count}");
}

#[test]
fn in_a_cluster_the_chunks_of_a_batch_that_was_refused_and_may_count_are_left() {
    let key = samples::key("s");
    let mut all = Shown::new();
    all.messages.push(Thread::new(&key).append(10));
    let deleted = Arc::new(Mutex::new(0));
    let deletes = Arc::clone(&deleted);
    let log = open(move |subject: &str, asked: &[u8]| {
        if subject.contains("STREAM.MSG.DELETE") {
            *deletes.lock().unwrap() += 1;
        }
        let answer = all.take(subject, asked);
        // The leader has no room; the others have.
        if subject == subjects().thread(&samples::key("s")) {
            return Some(refused(503, 10023));
        }
        answer
    });
    let error = block_on(log.append_entries(&key, Expect::Any, &large())).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert_eq!(*deleted.lock().unwrap(), 0);
    // They count for whoever looks.
    let page = block_on(log.read(&key, 1, 99)).unwrap();
    assert_eq!(page.events.len(), 30);
}

#[test]
fn a_writer_alone_notices_by_itself_that_several_servers_keep_the_stream_now() {
    let key = samples::key("s");
    let shown = Arc::new(Mutex::new(Shown::alone()));
    let (all, gets) = (Arc::clone(&shown), Arc::new(Mutex::new(0)));
    let counts = Arc::clone(&gets);
    let log = open(move |subject: &str, asked: &[u8]| {
        *counts.lock().unwrap() += u32::from(subject.contains("STREAM.MSG.GET"));
        all.lock().unwrap().take(subject, asked)
    });
    let is_read_back = || {
        let before = *gets.lock().unwrap();
        block_on(log.append_entries(&key, Expect::Any, &samples::batch("x", 1))).unwrap();
        *gets.lock().unwrap() > before
    };
    is_read_back();
    assert!(!is_read_back());
    shown.lock().unwrap().replicas = 3;
    assert!(eventually(PATIENT, is_read_back));
}

#[test]
fn a_limit_of_messages_that_was_lowered_is_kept_from_then_on() {
    let key = samples::key("s");
    let shown = Arc::new(Mutex::new(Shown::alone()));
    let all = Arc::clone(&shown);
    let log = open(move |subject: &str, asked: &[u8]| {
        let mut all = all.lock().unwrap();
        if subject.starts_with("bus_log.v1.")
            && all.max_message.is_some_and(|most| asked.len() > most)
        {
            return Some(refused(400, 10054));
        }
        all.take(subject, asked)
    });
    let append = |entries: &[Entry]| block_on(log.append_entries(&key, Expect::Any, entries));
    assert_eq!(append(&samples::batch("x", 1)).unwrap(), 1);
    shown.lock().unwrap().max_message = Some(64 << 10);
    let one = [Entry::from(samples::text("x".repeat(200_000)))];
    assert_eq!(append(&one).unwrap(), 2);
    // And also what is sent in chunks already.
    shown.lock().unwrap().max_message = Some(32 << 10);
    assert_eq!(append(&one).unwrap(), 3);
    assert_eq!(block_on(log.read(&key, 0, 9)).unwrap().events.len(), 3);
}
