//! Numbering and expectations: A1, A2, A6.

use bus_log::{Bounds, Expect, LogErrorKind, Meta, SessionLog, ThreadKey, Utc, to_micros};

use crate::samples::{batch, key, text};
use crate::trial::{Trial, ordinals, run};
use crate::{Ability, Harness};

/// A1: ordinals are 1, 2, 3… per key; `append` returns the last one; an empty append returns it
/// and writes nothing.
pub fn a1_ordinals_count_from_one(harness: &dyn Harness) {
    run("A1", harness, async |t| {
        let log = t.open();
        let key = key("counted");
        for expect in [Expect::Any, Expect::Last(0), Expect::StartAt(7)] {
            let last = log.append_entries(&key, expect, &[]).await;
            let fact = "an empty append to an unknown thread returns 0";
            t.same(t.done(last, fact), 0, fact);
        }
        t.unknown(&*log, &key, "an empty append leaves no trace")
            .await;

        let mut written = Vec::new();
        for (n, size) in [1, 2, 1, 17, 3].into_iter().enumerate() {
            let entries = batch(&format!("batch {n}"), size);
            written.extend(entries.clone());
            let last = log.append_entries(&key, Expect::Any, &entries).await;
            let fact = format!("append returns the last ordinal of its batch of {size}");
            t.same(t.done(last, &fact), written.len() as u64, &fact);
            let last = log.append_entries(&key, Expect::Any, &[]).await;
            let fact = "an empty append returns the last ordinal";
            t.same(t.done(last, fact), written.len() as u64, fact);
        }
        let fact = "ordinals are 1, 2, 3…, and an empty append writes nothing";
        t.holds(&*log, &key, 1, &written, fact).await;

        let other = self::key("counted too");
        let last = log
            .append_entries(&other, Expect::Any, &batch("other", 2))
            .await;
        let fact = "every key counts for itself";
        t.same(t.done(last, fact), 2, fact);
        t.holds(&*log, &key, 1, &written, fact).await;

        append_is_an_entry_of_now(t, &*log).await;
    });
}

async fn append_is_an_entry_of_now(t: &Trial<'_>, log: &dyn SessionLog) {
    let key = key("now");
    let before = to_micros(Utc::now());
    let last = log.append(&key, &[text("a"), text("b")]).await;
    let after = Utc::now();
    t.same(
        t.done(last, "append works"),
        2,
        "append returns the last ordinal",
    );
    let got = t.contents(log, &key).await;
    t.same(ordinals(&got), [1, 2], "append numbers its events");
    for event in got {
        t.same(event.meta, Meta::default(), "append gives no meta");
        t.check(
            before <= event.at && event.at <= after,
            format_args!("append's events happen now, not at {}", event.at),
        );
    }
    let last = log.append(&key, &[]).await;
    let fact = "append of nothing returns the last ordinal";
    t.same(t.done(last, fact), 2, fact);
}

/// A2: an ordinal is never reused: not after archiving everything, not after reopen, not after
/// erase.
pub fn a2_an_ordinal_is_never_reused(harness: &dyn Harness) {
    run("A2", harness, async |t| {
        let mut log = t.open();
        for what in ["archive", "erase"] {
            let key = key(what);
            let mut last = 0;
            for round in 0..3 {
                continues(t, &*log, &key, last, &format!("round {round} of {what}")).await;
                last += 2;
                hide(t, &*log, &key, what).await;
                let bounds = t.bounds(&*log, &key).await;
                let fact = format!("after {what} the last ordinal is what it was");
                t.same((bounds.first, bounds.last), (last + 1, last), fact);
            }
            continues(t, &*log, &key, last, &format!("after {what}")).await;
        }
        if !t.able(Ability::Reopen) {
            return;
        }
        for what in ["nothing", "archive", "erase", "start at"] {
            let key = key(&format!("reopened after {what}"));
            let mut last = 0;
            if what == "start at" {
                let first = log
                    .append_entries(&key, Expect::StartAt(7), &batch("copy", 1))
                    .await;
                let fact = "a copy may start at 7";
                t.same(t.done(first, fact), 7, fact);
                last = 7;
            }
            for round in 0..2 {
                let fact = format!("reopened {round} times after {what}");
                continues(t, &*log, &key, last, &fact).await;
                last += 2;
                hide(t, &*log, &key, what).await;
                log = t.reopen(log);
                t.same(
                    t.bounds(&*log, &key).await.last,
                    last,
                    format_args!("the last ordinal is known when opened again after {what}"),
                );
            }
            continues(t, &*log, &key, last, &format!("opened again after {what}")).await;
        }
    });
}

async fn hide(t: &Trial<'_>, log: &dyn SessionLog, key: &ThreadKey, what: &str) {
    match what {
        "archive" => {
            t.done(
                log.archive_before(key, u64::MAX).await,
                "all can be archived",
            );
        }
        "erase" => t.done(log.erase(key).await, "a thread can be erased"),
        _ => {}
    }
}

/// Two more events get the next two ordinals.
async fn continues(t: &Trial<'_>, log: &dyn SessionLog, key: &ThreadKey, last: u64, when: &str) {
    let appended = log.append_entries(key, Expect::Any, &batch(when, 2)).await;
    let fact = format!("the next append continues at last + 1, {when}");
    t.same(t.done(appended, &fact), last + 2, &fact);
    let got = t.done(log.load_since(key, last).await, "the thread can be read");
    t.same(ordinals(&got), [last + 1, last + 2], &fact);
}

/// A6: `Last(n)`: `Conflict`, nothing written, and `actual()` says the last ordinal where it is not
/// n; `StartAt(n)` only on a thread that never had an event.
pub fn a6_expectations_hold_or_nothing_is_written(harness: &dyn Harness) {
    run("A6", harness, async |t| {
        let log = t.open();
        unknown_threads(t, &*log).await;
        started_later(t, &*log).await;

        let plain = key("plain");
        let written = batch("first", 3);
        let last = log.append_entries(&plain, Expect::Last(0), &written).await;
        let fact = "an unknown thread's last ordinal is 0";
        t.same(t.done(last, fact), 3, fact);
        conflicts(t, &*log, &plain, 3).await;
        t.holds(&*log, &plain, 1, &written, "a conflict writes nothing")
            .await;
        let last = log.append_expecting(&plain, 3, &[text("next")]).await;
        let fact = "append_expecting appends where the last ordinal is as expected";
        t.same(t.done(last, fact), 4, fact);

        for what in ["archive", "erase"] {
            let key = key(what);
            t.done(
                log.append_entries(&key, Expect::Any, &written).await,
                "append",
            );
            hide(t, &*log, &key, what).await;
            conflicts(t, &*log, &key, 3).await;
            let got = t.contents(&*log, &key).await;
            t.same(
                got,
                [],
                format_args!("a conflict after {what} writes nothing"),
            );
            let last = log.append_entries(&key, Expect::Last(3), &written).await;
            let fact = format!("after {what} the last ordinal is still what is expected");
            t.same(t.done(last, &fact), 6, &fact);
        }
    });
}

/// Every expectation that does not hold where the last ordinal is `last`, which is not 0.
async fn conflicts(t: &Trial<'_>, log: &dyn SessionLog, key: &ThreadKey, last: u64) {
    let wrong = [0, 1, last - 1, last + 1, u64::MAX].map(Expect::Last);
    let starts = [1, 5, last, last + 1, u64::MAX].map(Expect::StartAt);
    for expect in wrong.into_iter().chain(starts) {
        for size in [0, 1, 3] {
            let fact = format!("{expect:?} on last ordinal {last}, batch of {size}");
            let result = log
                .append_entries(key, expect, &batch("refused", size))
                .await;
            let error = t.refused(result, LogErrorKind::Conflict, &fact);
            let fact = format!("actual() says the last ordinal: {fact}");
            t.same(error.actual(), Some(last), fact);
        }
    }
    let result = log
        .append_expecting(key, last + 1, &[text("refused")])
        .await;
    let error = t.refused(result, LogErrorKind::Conflict, "append_expecting checks");
    t.same(
        error.actual(),
        Some(last),
        "append_expecting says the last ordinal",
    );
    let result = log
        .append_entries(key, Expect::StartAt(0), &batch("refused", 1))
        .await;
    t.refused(result, LogErrorKind::Invalid, "ordinals do not start at 0");
    let result = log.append_entries(key, Expect::Last(last), &[]).await;
    let fact = "an empty append passes an expectation that holds";
    t.same(t.done(result, fact), last, fact);
}

async fn unknown_threads(t: &Trial<'_>, log: &dyn SessionLog) {
    let key = key("never written");
    for n in [1, 2, u64::MAX] {
        for size in [0, 2] {
            let fact = format!("an unknown thread's last ordinal is not {n}, batch of {size}");
            let result = log
                .append_entries(&key, Expect::Last(n), &batch("no", size))
                .await;
            let error = t.refused(result, LogErrorKind::Conflict, &fact);
            t.same(error.actual(), Some(0), &fact);
        }
    }
    let result = log
        .append_entries(&key, Expect::StartAt(0), &batch("no", 1))
        .await;
    t.refused(result, LogErrorKind::Invalid, "ordinals do not start at 0");
    t.unknown(log, &key, "a refused append leaves no trace")
        .await;
}

async fn started_later(t: &Trial<'_>, log: &dyn SessionLog) {
    let key = key("started at 5");
    let mut written = batch("five", 2);
    let last = log.append_entries(&key, Expect::StartAt(5), &written).await;
    t.same(
        t.done(last, "a copy may start at 5"),
        6,
        "StartAt(5) numbers from 5",
    );
    t.same(
        t.bounds(log, &key).await,
        Bounds::new(4, 6, false),
        "what lies before StartAt(5) counts as archived",
    );
    conflicts(t, log, &key, 6).await;
    let hidden = t.done(log.archive_before(&key, 4).await, "archive");
    t.same(hidden, 0, "what never was can't be newly hidden");
    written.extend(batch("six", 1));
    let last = log
        .append_entries(&key, Expect::Last(6), &written[2..])
        .await;
    t.same(
        t.done(last, "append goes on"),
        7,
        "StartAt only sets where it starts",
    );
    t.holds(log, &key, 5, &written, "a thread that starts at 5")
        .await;

    let key = self::key("started at 1");
    let written = batch("one", 2);
    let last = log.append_entries(&key, Expect::StartAt(1), &written).await;
    t.same(
        t.done(last, "StartAt(1) is the plain start"),
        2,
        "StartAt(1) numbers from 1",
    );
    t.holds(log, &key, 1, &written, "a thread that starts at 1")
        .await;
}
