//! What is read while it is archived, erased, or comes to nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bus_log::{Entry, Expect, LogErrorKind, SessionLog, ThreadKey};
use bus_log_nats::NatsSessionLog;
use bus_testkit::faults::append;
use bus_testkit::{block_on, samples};

use crate::support::Stream;

/// A batch that takes several messages.
fn large() -> Vec<Entry> {
    (0..30)
        .map(|_| Entry::from(samples::text("x".repeat(100_000))))
        .collect()
}

#[test]
fn a_large_batch_that_is_archived_or_erased_while_it_is_read_is_no_damage() {
    let stream = Stream::new();
    let log = stream.open();
    let readers = [stream.open(), stream.open(), stream.open()];
    let key = samples::key("s");
    let over = AtomicBool::new(false);
    let over = &over;
    let read = |log: &NatsSessionLog| {
        let mut pages = 0;
        while !over.load(Ordering::SeqCst) {
            let events = block_on(log.load_since(&key, 0)).unwrap();
            for pair in events.windows(2) {
                assert_eq!(pair[0].ordinal + 1, pair[1].ordinal);
            }
            pages += usize::from(!events.is_empty());
        }
        pages
    };
    thread::scope(|scope| {
        let reading: Vec<_> = readers
            .iter()
            .map(|log| scope.spawn(|| read(log)))
            .collect();
        for round in 0..60_u64 {
            let last = block_on(log.append_entries(&key, Expect::Any, &large())).unwrap();
            // At some place of it, of which the readers know nothing.
            thread::park_timeout(Duration::from_micros(fastrand::u64(0..6_000)));
            if round % 2 == 0 {
                block_on(log.archive_before(&key, last)).unwrap();
            } else {
                block_on(log.erase(&key)).unwrap();
            }
        }
        over.store(true, Ordering::SeqCst);
        let pages = reading.into_iter().map(|reading| reading.join().unwrap());
        println!(
            "{} reads saw events of a batch that went away",
            pages.sum::<usize>()
        );
    });
}

/// Deletes the first chunk of the stream's only large batch.
fn lose_a_chunk(stream: &Stream) {
    let raw = stream.raw();
    let got = raw.call(
        &format!("STREAM.MSG.GET.{}", stream.name()),
        "{\"seq\":1,\"next_by_subj\":\"*.*.*.c.>\"}",
    );
    let got: serde_json::Value = serde_json::from_str(&got).unwrap();
    let question = format!("{{\"seq\":{}}}", got["message"]["seq"]);
    raw.call(&format!("STREAM.MSG.DELETE.{}", stream.name()), &question);
}

#[test]
fn a_chunk_that_is_missing_is_damage_only_if_its_batch_is_not_hidden_soon() {
    let stream = Stream::new();
    let (log, reader) = (stream.open(), stream.open());
    let key = samples::key("s");
    block_on(log.append_entries(&key, Expect::Any, &large())).unwrap();
    lose_a_chunk(&stream);
    let error = block_on(reader.load_since(&key, 0)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error:?}");
    assert!(error.to_string().contains("ordinals 1 to 30"), "{error}");
    let hidden = thread::scope(|scope| {
        let reading = scope.spawn(|| block_on(reader.load_since(&key, 0)));
        // It has met the hole by then, and looks again.
        thread::park_timeout(Duration::from_millis(60));
        block_on(log.archive_before(&key, 30)).unwrap();
        reading.join().unwrap()
    });
    match hidden {
        Ok(events) => assert!(events.is_empty()),
        // On a machine that stood still it was hidden too late.
        Err(error) => assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error:?}"),
    }
    assert!(block_on(reader.load_since(&key, 0)).unwrap().is_empty());
}

#[test]
fn a_thread_is_listed_also_where_the_chunks_of_another_have_come_to_nothing() {
    let stream = Stream::new();
    let (log, other) = (stream.open(), stream.open());
    append(&log, &samples::key("first"), "x", 1).unwrap();
    let is_listed = |key: &ThreadKey| {
        let listed = block_on(log.list(key.tenant_id(), None, 1000)).unwrap();
        listed.iter().any(|summary| summary.key == *key)
    };
    for round in 0..25 {
        let key = samples::key(&format!("large {round}"));
        append(&log, &key, "x", 1).unwrap();
        // What the other knows of it is old by now: it stores chunks, and then is refused.
        assert_eq!(block_on(other.bounds(&key)).unwrap().last, 1);
        append(&log, &key, "x", 1).unwrap();
        thread::scope(|scope| {
            let refused = scope.spawn(|| {
                let expect = Expect::Last(1);
                block_on(other.append_entries(&key, expect, &large())).unwrap_err()
            });
            thread::park_timeout(Duration::from_micros(fastrand::u64(0..30_000)));
            assert!(is_listed(&key));
            let error = refused.join().unwrap();
            assert_eq!(error.kind(), LogErrorKind::Conflict, "{error:?}");
        });
        let new = samples::key(&format!("new {round}"));
        append(&other, &new, "x", 1).unwrap();
        assert!(is_listed(&new), "{round}");
    }
}
