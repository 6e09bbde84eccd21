//! Erasing: X1.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bus_log::{Bounds, Entry, Event, Expect, SessionEvent, SessionLog, ThreadKey, follow};
use futures_util::StreamExt;

use crate::samples::{batch, custom, entry, key, meta, text};
use crate::trial::{Trial, recorded, run};
use crate::{Ability, Harness};

/// In every event that is to be erased, and nowhere else.
const MARKER: &str = "marker-b1f7c3e95d2a48";

/// X1: after `erase(key)` nothing of the thread can be read through the log; where there are files
/// a search of the directory's bytes finds none of it when `erase` returns; the key stays known as
/// erased.
pub fn x1_erased_events_are_gone(harness: &dyn Harness) {
    run("X1", harness, async |t| {
        let mut log = t.open();
        let (key, beside) = (key("erased"), key("beside"));
        let kept = batch("kept", 6);
        let unknown = self::key("unknown");
        t.done(log.erase(&unknown).await, "an unknown thread can be erased");
        t.unknown(&*log, &unknown, "erasing an unknown thread leaves no trace")
            .await;

        let searched = t.able(Ability::ByteSearch).then(|| t.directory());
        for (n, entry) in kept.iter().enumerate() {
            // Between the others, so that they share whatever the log shares between threads.
            let marked = &marked()[n % 3..];
            t.done(
                log.append_entries(&key, Expect::Any, marked).await,
                "append",
            );
            let one = std::slice::from_ref(entry);
            t.done(
                log.append_entries(&beside, Expect::Any, one).await,
                "append",
            );
        }
        let last = t.bounds(&*log, &key).await.last;
        t.done(log.archive_before(&key, 3).await, "archive");
        if let Some(directory) = &searched {
            t.check(
                found(directory) > 0,
                "the search would find an event that is there (if its bytes are written in \
                 another form, the profile must disclaim the search)",
            );
        }

        t.done(log.erase(&key).await, "a thread can be erased");
        if let Some(directory) = &searched {
            let files = found(directory);
            t.same(
                files,
                0,
                "when erase returns, files that hold something of the thread",
            );
        }
        gone(t, &log, &key, last).await;
        t.holds(&*log, &beside, 1, &kept, "erasing touches no other thread")
            .await;
        if t.able(Ability::Reopen) {
            log = t.reopen(log);
            gone(t, &log, &key, last).await;
            t.holds(&*log, &beside, 1, &kept, "erasing touches no other thread")
                .await;
            if let Some(directory) = &searched {
                t.same(
                    found(directory),
                    0,
                    "opened again, files that hold something of it",
                );
            }
        }
        life_goes_on(t, &log, &key, last).await;
    });
}

/// The marker in every place where an event can have text.
fn marked() -> Vec<Entry> {
    let call = SessionEvent::ToolCallStart {
        name: MARKER.into(),
        arguments: format!(r#"{{"secret":"{MARKER}"}}"#),
    };
    let raw = format!(r#"{{"type":"acme.{MARKER}","data":["{MARKER}"]}}"#);
    let in_meta = Entry {
        meta: meta(&format!(r#"{{"id":"{MARKER}"}}"#)),
        ..entry(SessionEvent::Done)
    };
    vec![
        entry(text(format!("{MARKER}{}", "x".repeat(100 << 10)))),
        entry(call),
        in_meta,
        entry(custom(&raw)),
    ]
}

/// Nothing can be read, by any method, and the key is known as erased.
async fn gone(t: &Trial<'_>, log: &Arc<dyn SessionLog>, key: &ThreadKey, last: u64) {
    let fact = "an erased thread's bounds say so, and keep the last ordinal";
    t.same(
        t.bounds(&**log, key).await,
        Bounds::new(last, last, true),
        fact,
    );
    t.same(
        t.contents(&**log, key).await,
        [],
        "load_since gives nothing of it",
    );
    for cursor in [0, 1, 3, last - 1, last] {
        let page = t.done(log.read(key, cursor, 100).await, "read");
        t.same(page, bus_log::Page::default(), "read gives nothing of it");
        let page = t.done(log.read_raw(key, cursor, 100).await, "read_raw");
        t.same(
            page,
            bus_log::Page::default(),
            "read_raw gives nothing of it",
        );
    }
    let listed = t.done(log.list(key.tenant_id(), None, 100).await, "list");
    let summary = listed.iter().find(|summary| summary.key == *key);
    let Some(summary) = summary else {
        t.broken("an erased thread's key stays known");
    };
    t.check(summary.bounds.erased, "it is listed as erased");
    t.same(
        summary.last_at,
        None,
        "of an erased thread no event's time is listed",
    );
    let hidden = t.done(log.archive_before(key, u64::MAX).await, "archive");
    t.same(hidden, 0, "there is nothing left to hide");
}

/// Appends continue, are followed from the start, and can be erased again.
async fn life_goes_on(t: &Trial<'_>, log: &Arc<dyn SessionLog>, key: &ThreadKey, last: u64) {
    let result = log
        .append_entries(key, Expect::StartAt(1), &batch("anew", 1))
        .await;
    let error = t.refused(result, bus_log::LogErrorKind::Conflict, "it had events");
    t.same(
        error.actual(),
        Some(last),
        "StartAt is only for threads that never had an event",
    );

    let new = batch("new", 2);
    let appended = log.append_entries(key, Expect::Last(last), &new).await;
    let fact = "after erase the next append continues at last + 1";
    t.same(t.done(appended, fact), last + 2, fact);
    t.holds(&**log, key, last + 1, &new, fact).await;
    let bounds = t.bounds(&**log, key).await;
    let fact = "an erased thread stays known as erased, also with new events";
    t.same(bounds, Bounds::new(last, last + 2, true), fact);

    let fact = "who follows an erased thread sees only what is new";
    let events = follow(log.clone(), key.clone(), 0).take(2);
    let followed = t.soon(events.collect::<Vec<_>>(), fact).await;
    let followed: Vec<_> = followed
        .into_iter()
        .map(|event| t.done(event, fact))
        .collect();
    t.same(followed, recorded(last + 1, &new), fact);

    t.done(log.erase(key).await, "it can be erased again");
    gone(t, log, key, last + 2).await;
    let one: Event = text("once more");
    let appended = log.append(key, &[one]).await;
    t.same(t.done(appended, fact), last + 3, "and continues again");
}

/// How many files below the directory hold the marker.
fn found(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .map(|path| {
            if path.is_dir() {
                return found(&path);
            }
            let bytes = fs::read(&path).unwrap_or_default();
            let name = path.as_os_str().as_encoded_bytes();
            usize::from(holds(&bytes, MARKER) || holds(name, MARKER))
        })
        .sum()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == text[0]) {
        rest = &rest[at..];
        if rest.starts_with(text) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
