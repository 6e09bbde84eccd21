//! What is stored: large batches, long threads, many threads, and what deletion leaves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bus_log::{Entry, Expect, SessionLog, TenantId, ThreadKey};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, samples};

use crate::support::Stream;

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
fn a_batch_that_the_server_lost_takes_no_chunks_of_its_neighbours_along() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    let append_large = |name| {
        let batch = large(name, 20, 100_000);
        block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap()
    };
    append_large("a");
    assert_eq!(append_large("d"), 40);
    let raw = stream.raw();
    let last = "{\"last_by_subj\":\"*.*.*.t.>\"}";
    let commit = raw.call(&format!("STREAM.MSG.GET.{}", stream.name()), last);
    let commit: serde_json::Value = serde_json::from_str(&commit).unwrap();
    let commit = format!("{{\"seq\":{}}}", commit["message"]["seq"]);
    append(&log, &key, "e", 1).unwrap();
    let deleted = raw.call(&format!("STREAM.MSG.DELETE.{}", stream.name()), &commit);
    assert!(deleted.contains("\"success\":true"), "{deleted}");
    assert_eq!(block_on(log.archive_before(&key, 5)).unwrap(), 5);
    let page = block_on(stream.open().read(&key, 5, 15)).unwrap();
    let ordinals = page.events.iter().map(|event| event.ordinal);
    assert!(ordinals.eq(6..=20));
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
    let subject = only_thread(&stream);
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

#[test]
fn archiving_the_first_batch_of_a_log_leaves_its_chunks_readable() {
    for watermark in [0, 1] {
        let stream = Stream::new();
        let (log, key) = (stream.open(), samples::key("s"));
        // The very first message of the stream is one of its chunks, or comes right before.
        let batch = large("large", 40, 100_000);
        block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
        let hidden = block_on(log.archive_before(&key, watermark)).unwrap();
        assert_eq!(hidden as u64, watermark);
        let page = block_on(stream.open().load_since(&key, watermark.max(1))).unwrap();
        let ordinals = page.iter().map(|event| event.ordinal);
        assert!(ordinals.eq(2..=40), "archived up to {watermark}");
    }
}

#[test]
fn an_erasure_takes_along_also_the_chunks_of_a_batch_that_was_refused() {
    let stream = Stream::new();
    let (log, other, key) = (stream.open(), stream.open(), samples::key("s"));
    let batch = large("large", 30, 100_000);
    block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
    for n in 0..3 {
        // What the other knows of it is old by now: it stores chunks, and then is refused.
        let last = block_on(other.bounds(&key)).unwrap().last;
        append(&log, &key, "x", 1).unwrap();
        let refused = block_on(other.append_entries(&key, Expect::Last(last), &batch));
        assert_eq!(refused.unwrap_err().actual(), Some(31 + n));
    }
    block_on(log.erase(&key)).unwrap();
    // A word that says nothing is left, so that a subject never goes away.
    assert_eq!(messages(&stream, "*.*.*.c.>"), [1]);
}

/// The subject of the only thread that the stream has.
fn only_thread(stream: &Stream) -> String {
    let asked = "{\"subjects_filter\":\"*.*.*.t.>\"}";
    let info = stream
        .raw()
        .call(&format!("STREAM.INFO.{}", stream.name()), asked);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let subjects = info["state"]["subjects"].as_object().unwrap();
    subjects.keys().next().unwrap().clone()
}

/// The bytes of the subject's last message.
fn last_message(stream: &Stream, subject: &str) -> Vec<u8> {
    let got = stream.raw().call(
        &format!("STREAM.MSG.GET.{}", stream.name()),
        &format!("{{\"last_by_subj\":\"{subject}\"}}"),
    );
    let got: serde_json::Value = serde_json::from_str(&got).unwrap();
    let data = got["message"]["data"].as_str().unwrap();
    STANDARD.decode(data).unwrap()
}

#[test]
fn a_message_that_lands_again_counts_once_whenever_that_is() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "before", 2).unwrap();
    append(&log, &key, "copied", 3).unwrap();
    let subject = only_thread(&stream);
    let copied = last_message(&stream, &subject);
    // The server is told nothing of what is expected, nor who the message is.
    let again = || {
        let stored = stream.raw().publish(&subject, &copied);
        assert!(stored.contains("seq"), "{stored}");
    };
    let shows = |last: u64, readable: usize| {
        for log in [&log, &stream.open()] {
            assert_eq!(texts(log, &key).len(), readable);
            assert_eq!(block_on(log.bounds(&key)).unwrap().last, last);
            let listed = block_on(log.list(key.tenant_id(), None, 9)).unwrap();
            assert_eq!(listed[0].bounds.last, last);
        }
    };
    again();
    shows(5, 5);
    assert_eq!(append(&log, &key, "next", 1).unwrap(), 6);
    again();
    shows(6, 6);
    assert_eq!(block_on(log.archive_before(&key, 5)).unwrap(), 5);
    again();
    shows(6, 1);
    assert_eq!(append(&stream.open(), &key, "next", 1).unwrap(), 7);
    block_on(log.erase(&key)).unwrap();
    again();
    shows(7, 0);
    // It came after the erasure, and is read by nobody; erasing again takes it away.
    assert_eq!(messages(&stream, "*.*.*.t.>"), [2]);
    block_on(log.erase(&key)).unwrap();
    assert_eq!(messages(&stream, "*.*.*.t.>"), [1]);
    shows(7, 0);
    assert_eq!(append(&stream.open(), &key, "next", 1).unwrap(), 8);
    shows(8, 1);
}

#[test]
fn a_mirror_of_the_stream_does_not_speak_for_it() {
    let stream = Stream::new();
    let log = stream.open();
    let mirror = format!("{}_mirror", stream.name());
    let made = stream.raw().call(
        &format!("STREAM.CREATE.{mirror}"),
        &format!(
            "{{\"name\":\"{mirror}\",\"retention\":\"limits\",\"storage\":\"file\",\"discard\":\"old\",\"num_replicas\":1,\
             \"allow_direct\":true,\"mirror_direct\":true,\"max_msgs_per_subject\":1,\"mirror\":{{\"name\":\"{}\"}}}}",
            stream.name()
        ),
    );
    assert!(!made.contains("\"error\""), "{made}");
    let second = stream.open();
    let key = samples::key("s");
    for n in 1..=1000 {
        assert_eq!(append(&log, &key, "x", 1).unwrap(), n);
        assert_eq!(block_on(second.bounds(&key)).unwrap().last, n);
        let page = block_on(second.read(&key, n - 1, 10)).unwrap();
        assert_eq!(page.events.len(), 1, "{n}");
    }
    for n in 0..50 {
        let key = samples::key(&format!("erased {n}"));
        append(&log, &key, "x", 2).unwrap();
        block_on(stream.open().erase(&key)).unwrap();
        assert!(block_on(log.bounds(&key)).unwrap().erased, "{n}");
    }
    // It was set to keep the last message of each thread alone.
    for _ in 0..10 {
        assert_eq!(texts(&stream.open(), &key).len(), 1000);
    }
    stream.raw().call(&format!("STREAM.DELETE.{mirror}"), "");
}

/// A message with another place in its thread: `BUS`, version, kind and flags, the id, the base (sequence, id, last ordinal,
/// more of it), the first ordinal.
fn moved(message: &[u8], id: u8, base: (u64, &[u8], u64), first: u64) -> Vec<u8> {
    let mut message = message.to_vec();
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(6, &[id; 16]);
    put(22, &base.0.to_be_bytes());
    put(30, base.1);
    put(46, &base.2.to_be_bytes());
    put(79, &first.to_be_bytes());
    message
}

fn sequence(stored: &str) -> u64 {
    let stored: serde_json::Value = serde_json::from_str(stored).unwrap();
    stored["seq"].as_u64().unwrap()
}

#[test]
fn what_was_built_on_a_lost_message_gives_no_ordinal_twice() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "b", 1).unwrap();
    let subject = only_thread(&stream);
    let b = last_message(&stream, &subject);
    let place = stream.raw().call(
        &format!("STREAM.MSG.GET.{}", stream.name()),
        &format!("{{\"last_by_subj\":\"{subject}\"}}"),
    );
    let place: serde_json::Value = serde_json::from_str(&place).unwrap();
    let place = place["message"]["seq"].as_u64().unwrap();
    // Batches of other sizes, from a thread that is not listed with it.
    let other = Stream::new();
    let of = |count| {
        append(&other.open(), &key, "y", count).unwrap();
        last_message(&other, &only_thread(&other))
    };
    let (one, three) = (of(1), of(3));
    let publish = |message: &[u8]| sequence(&stream.raw().publish(&subject, message));
    // Y stands in the place of X, which was lost, and on which Z was built, and W on that.
    let y = publish(&moved(&three, 2, (place, &b[6..22], 1), 2));
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 4);
    let z = publish(&moved(&one, 3, (y, &[9; 16], 2), 3));
    publish(&moved(&three, 4, (z, &[3; 16], 3), 4));
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 4);
    assert_eq!(texts(&log, &key).len(), 4);
    for log in [&log, &stream.open()] {
        for cursor in 0..4 {
            match block_on(log.load_since(&key, cursor)) {
                Ok(events) => {
                    let ordinals = events.iter().map(|event| event.ordinal);
                    assert!(ordinals.eq(cursor + 1..=4), "from {cursor}");
                }
                // Who knew nothing of it before finds what can't be.
                Err(error) => assert_eq!(error.kind(), bus_log::LogErrorKind::Corrupt),
            }
        }
    }
}
