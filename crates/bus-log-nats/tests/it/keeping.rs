//! What is stored: large batches, long threads, many threads, and what deletion leaves.

use bus_log::{Entry, Expect, SessionLog, TenantId, ThreadKey};
use bus_testkit::{block_on, samples};

use crate::support::{Stream, append, texts};

/// A batch that takes several messages.
fn large(name: &str, count: usize, bytes: usize) -> Vec<Entry> {
    let text = |n| samples::text(format!("{name} {n} {}", "x".repeat(bytes)));
    (0..count).map(|n| Entry::from(text(n))).collect()
}

fn messages(stream: &Stream, subjects: &str) -> Vec<u64> {
    let asked = format!("{{\"subjects_filter\":\"{subjects}\"}}");
    let info = stream
        .raw()
        .call(&format!("STREAM.INFO.{}", stream.name()), &asked);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let subjects = info["state"]["subjects"].as_object();
    subjects.map_or_else(Vec::new, |found| {
        found
            .values()
            .map(|count| count.as_u64().unwrap())
            .collect()
    })
}

#[test]
fn a_batch_above_the_server_s_largest_message_is_one_batch_and_read_from_any_ordinal() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "before", 2).unwrap();
    let batch = large("large", 40, 100_000);
    assert_eq!(
        block_on(log.append_entries(&key, Expect::Last(2), &batch)).unwrap(),
        42
    );
    append(&log, &key, "after", 2).unwrap();
    assert!(messages(&stream, "*.*.*.c.>")[0] >= 4, "chunks");
    assert_eq!(messages(&stream, "*.*.*.t.>"), [3]);
    for log in [&log, &stream.open()] {
        let all = texts(log, &key);
        assert_eq!(all.len(), 44);
        for cursor in [0, 1, 2, 3, 13, 30, 41, 42, 43] {
            let page = block_on(log.read(&key, cursor, 3)).unwrap();
            let read: Vec<&str> = page
                .events
                .iter()
                .map(|event| samples::text_of(&event.event).unwrap())
                .collect();
            let from = usize::try_from(cursor).unwrap();
            assert_eq!(read, &all[from..44.min(from + 3)], "{cursor}");
            assert_eq!(page.more, cursor + 3 < 44);
        }
    }
}

#[test]
fn chunks_go_with_what_is_archived_and_erased_and_those_of_others_stay() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    for n in 0..3 {
        let batch = large(&n.to_string(), 20, 100_000);
        block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
    }
    let before = messages(&stream, "*.*.*.c.>")[0];
    assert_eq!(block_on(log.archive_before(&key, 25)).unwrap(), 25);
    assert_eq!(texts(&log, &key).len(), 35);
    assert_eq!(messages(&stream, "*.*.*.c.>"), [before / 3 * 2]);
    assert_eq!(block_on(log.archive_before(&key, 45)).unwrap(), 20);
    assert_eq!(texts(&stream.open(), &key).len(), 15);
    assert_eq!(messages(&stream, "*.*.*.c.>"), [before / 3]);
    block_on(log.erase(&key)).unwrap();
    // A word that says nothing is left, so that a subject never goes away.
    assert_eq!(messages(&stream, "*.*.*.c.>"), [1]);
    assert_eq!(messages(&stream, "*.*.*.t.>"), [1]);
    assert!(texts(&log, &key).is_empty());
    let batch = large("new", 20, 100_000);
    assert_eq!(
        block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap(),
        80
    );
    assert_eq!(texts(&stream.open(), &key).len(), 20);
}

#[test]
fn the_middle_of_a_long_thread_among_others_is_found_without_reading_all() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("long"));
    for n in 0..1500 {
        append(&log, &key, &n.to_string(), 1).unwrap();
        if n % 3 == 0 {
            append(&log, &samples::key(&format!("other {}", n % 7)), "x", 1).unwrap();
        }
    }
    let cold = stream.open();
    for cursor in [0, 1, 749, 1498, 1499, 1500, 3] {
        let page = block_on(cold.read(&key, cursor, 5)).unwrap();
        let ordinals: Vec<u64> = page.events.iter().map(|event| event.ordinal).collect();
        assert!(
            ordinals.into_iter().eq(cursor + 1..=1500.min(cursor + 5)),
            "{cursor}"
        );
    }
    let all: Vec<String> = (0..1500).map(|n| format!("{n} 0")).collect();
    assert_eq!(texts(&cold, &key), all);
}

#[test]
fn many_threads_are_listed_in_order_page_by_page_also_those_that_come_meanwhile() {
    let stream = Stream::new();
    let log = stream.open();
    let tenant = TenantId::new("many");
    let add = |n: usize| {
        append(
            &log,
            &ThreadKey::new(tenant.clone(), format!("{n:04}")),
            "x",
            1,
        )
        .unwrap()
    };
    (0..300).map(|n| n * 2).for_each(|n| {
        add(n);
    });
    let list = |after: Option<&str>, limit| -> Vec<String> {
        let found = block_on(log.list(&tenant, after, limit)).unwrap();
        found
            .into_iter()
            .map(|summary| summary.key.thread_id().to_owned())
            .collect()
    };
    assert_eq!(list(None, 3), ["0000", "0002", "0004"]);
    assert_eq!(list(Some("0004"), 2), ["0006", "0008"]);
    add(7);
    assert_eq!(list(Some("0006"), 2), ["0007", "0008"]);
    assert_eq!(list(None, 1000).len(), 301);
    assert_eq!(
        block_on(log.tenants(None, 10)).unwrap(),
        std::slice::from_ref(&tenant)
    );
}

#[test]
fn a_message_of_nobody_s_on_a_thread_s_subject_is_passed_over() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "a", 2).unwrap();
    let asked = "{\"subjects_filter\":\"*.*.*.t.>\"}";
    let info = stream
        .raw()
        .call(&format!("STREAM.INFO.{}", stream.name()), asked);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let subject = info["state"]["subjects"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    for bytes in [&b""[..], b"garbage", b"BU"] {
        stream.raw().publish(&subject, bytes);
        append(&log, &key, "b", 1).unwrap();
        stream.raw().publish(&subject, bytes);
    }
    for log in [&log, &stream.open()] {
        assert_eq!(texts(log, &key).len(), 5);
    }
    // What begins like one of ours and is none is damage, and is said.
    stream.raw().publish(&subject, b"BUS\x01");
    let error = block_on(stream.open().load_since(&key, 0)).unwrap_err();
    assert_eq!(error.kind(), bus_log::LogErrorKind::Corrupt, "{error:?}");
}
