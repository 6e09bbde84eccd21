//! Hiding the oldest events: W1, W2, W3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bus_log::{Bounds, Expect, SessionLog, ThreadKey};

use crate::samples::{batch, key};
use crate::trial::{Trial, joined, let_work, ordinals, run};
use crate::{Ability, Harness};

/// W1: `archive_before(w)` hides ordinals ≤ w and returns how many are newly hidden; a lower or
/// equal w changes nothing and returns 0.
pub fn w1_archiving_hides_and_counts(harness: &dyn Harness) {
    run("W1", harness, async |t| {
        let log = t.open();
        let key = key("archived");
        for watermark in [0, 1, u64::MAX] {
            archives(t, &*log, &key, watermark, 0).await;
            t.unknown(&*log, &key, "archiving an unknown thread leaves no trace")
                .await;
        }
        let written = batch("event", 10);
        t.done(
            log.append_entries(&key, Expect::Any, &written).await,
            "append",
        );
        let beside = self::key("beside");
        t.done(
            log.append_entries(&beside, Expect::Any, &written).await,
            "append",
        );

        let steps = [
            (0, 0, 0),
            (4, 4, 4),
            (4, 0, 4),
            (3, 0, 4),
            (0, 0, 4),
            (5, 1, 5),
            (9, 4, 9),
        ];
        for (watermark, newly, expected) in steps {
            archives(t, &*log, &key, watermark, newly).await;
            let fact = format!("after archive_before({watermark}) the watermark is {expected}");
            t.same(
                t.bounds(&*log, &key).await,
                Bounds::new(expected, 10, false),
                &fact,
            );
            let readable = &written[expected as usize..];
            t.holds(&*log, &key, expected + 1, readable, &fact).await;
            hidden_from_every_read(t, &*log, &key, expected).await;
        }
        let fact = "archiving touches no other thread";
        t.holds(&*log, &beside, 1, &written, fact).await;
    });
}

async fn archives(
    t: &Trial<'_>,
    log: &dyn SessionLog,
    key: &ThreadKey,
    watermark: u64,
    newly: usize,
) {
    let fact = format!("archive_before({watermark}) returns how many it newly hides");
    let hidden = t.done(log.archive_before(key, watermark).await, &fact);
    t.same(hidden, newly, fact);
}

async fn hidden_from_every_read(t: &Trial<'_>, log: &dyn SessionLog, key: &ThreadKey, mark: u64) {
    for cursor in [0, 1, mark] {
        for limit in [1, 3, usize::MAX] {
            let fact = format!("nothing up to {mark} is read from cursor {cursor}");
            let page = t.done(log.read(key, cursor, limit).await, "read");
            let raw = t.done(log.read_raw(key, cursor, limit).await, "read_raw");
            let first = cursor.max(mark) + 1;
            for page in [page, raw] {
                t.same(ordinals(&page.events).first(), Some(&first), &fact);
            }
        }
    }
}

/// W2: a watermark past the last ordinal is clamped to it; `u64::MAX` is fine; the next append
/// continues at last + 1.
pub fn w2_a_watermark_past_the_end_is_clamped(harness: &dyn Harness) {
    run("W2", harness, async |t| {
        let log = t.open();
        for watermark in [6, 7, u64::MAX - 1, u64::MAX] {
            let key = key(&format!("to {watermark}"));
            t.done(
                log.append_entries(&key, Expect::Any, &batch("old", 6))
                    .await,
                "append",
            );
            archives(t, &*log, &key, 2, 2).await;
            archives(t, &*log, &key, watermark, 4).await;
            archives(t, &*log, &key, watermark, 0).await;
            t.same(
                t.bounds(&*log, &key).await,
                Bounds::new(6, 6, false),
                format_args!("a watermark of {watermark} is clamped to the last ordinal"),
            );
            t.same(t.contents(&*log, &key).await, [], "all is hidden");
            let new = batch("new", 2);
            let last = log.append_entries(&key, Expect::Last(6), &new).await;
            let fact = format!("the next append after archive_before({watermark}) is readable");
            t.same(t.done(last, &fact), 8, &fact);
            t.holds(&*log, &key, 7, &new, &fact).await;
        }
    });
}

/// W3: the watermark and the last ordinal survive reopen, and a race of appends with archives.
pub fn w3_watermark_and_last_ordinal_survive(harness: &dyn Harness) {
    run("W3", harness, async |t| {
        let mut log = t.open();
        race(t, &log, &key("raced")).await;
        if !t.able(Ability::Reopen) {
            return;
        }
        let cases = [("none", 0), ("some", 3), ("all", 5)];
        let written = batch("kept", 5);
        for (name, watermark) in cases {
            let key = key(name);
            t.done(
                log.append_entries(&key, Expect::Any, &written).await,
                "append",
            );
            t.done(log.archive_before(&key, watermark).await, "archive");
        }
        let raced = t.bounds(&*log, &key("raced")).await;
        for round in 0..2 {
            log = t.reopen(log);
            for (name, watermark) in cases {
                let fact = format!("the watermark {watermark} survives reopen {round}");
                let key = key(name);
                t.same(
                    t.bounds(&*log, &key).await,
                    Bounds::new(watermark, 5, false),
                    &fact,
                );
                let readable = &written[watermark as usize..];
                t.holds(&*log, &key, watermark + 1, readable, &fact).await;
            }
            let fact = "bounds after a race survive reopen";
            t.same(t.bounds(&*log, &key("raced")).await, raced, fact);
        }
        for (name, watermark) in cases {
            let fact = "after reopen the next append continues";
            let last = log
                .append_entries(&key(name), Expect::Last(5), &batch("new", 1))
                .await;
            t.same(t.done(last, fact), 6, fact);
            let first = t.bounds(&*log, &key(name)).await.first;
            t.same(first, watermark + 1, "appending hides and shows nothing");
        }
    });
}

/// Appends and archives the same thread at once.
async fn race(t: &Trial<'_>, log: &Arc<dyn SessionLog>, key: &ThreadKey) {
    const BATCHES: usize = 30;
    let over = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicUsize::new(0));
    let archiver = tokio::spawn({
        let (claim, log, key) = (t.claim(), log.clone(), key.clone());
        let (over, rounds) = (over.clone(), rounds.clone());
        async move {
            let mut hidden = 0;
            while !over.load(Ordering::Acquire) {
                let last = claim.bounds(&*log, &key).await.last;
                let watermark = if hidden % 2 == 0 { u64::MAX } else { last / 2 };
                let result = log.archive_before(&key, watermark).await;
                hidden += claim.done(result, "archiving while appending");
                rounds.fetch_add(1, Ordering::AcqRel);
                tokio::task::yield_now().await;
            }
            hidden
        }
    });
    let mut written = Vec::new();
    for n in 0..BATCHES {
        let entries = batch(&format!("batch {n}"), 1 + n % 3);
        let result = log.append_entries(key, Expect::Any, &entries).await;
        written.extend(entries);
        let last = t.done(result, "appending while archiving");
        let fact = "archives at the same time do not disturb the numbering";
        t.same(last, written.len() as u64, fact);
        let_work(&rounds).await;
    }
    over.store(true, Ordering::Release);
    let hidden = joined(archiver).await;
    let bounds = t.bounds(&**log, key).await;
    let fact = "the last ordinal survives a race with archives";
    t.same(bounds.last, written.len() as u64, fact);
    let fact = "what archives say they hid adds up to the watermark";
    t.same(bounds.watermark, hidden as u64, fact);
    let fact = "after a race all above the watermark is there";
    t.holds(&**log, key, bounds.first, &written[hidden..], fact)
        .await;
}
