//! Whole batches that stay: A3, A4, A5.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bus_log::{Entry, Expect, Recorded, SessionLog, ThreadKey};
use tokio::task::JoinHandle;

use crate::samples::{batch, key};
use crate::trial::{Claim, Trial, joined, let_work, ordinals, recorded, run};
use crate::{Ability, Harness};

/// A3: a batch is atomic: all or nothing, contiguous, also to a concurrent reader.
///
/// A crash in the middle is for a backend's own tests, which can cause one.
pub fn a3_a_batch_is_atomic(harness: &dyn Harness) {
    run("A3", harness, async |t| {
        let log = t.open();
        watched(t, &log, &log, &key("watched")).await;
        if t.able(Ability::SecondHandle) {
            let second = t.open_second();
            watched(t, &log, &second, &key("watched from elsewhere")).await;
        }
    });
}

/// Appends through `writer` while readers of `reader` look for a part of a batch.
async fn watched(
    t: &Trial<'_>,
    writer: &Arc<dyn SessionLog>,
    reader: &Arc<dyn SessionLog>,
    key: &ThreadKey,
) {
    let sizes = (0..40).map(|n| 1 + (n * 7) % 13);
    let batches: Vec<_> = sizes
        .enumerate()
        .map(|(n, size)| batch(&format!("batch {n}"), size))
        .collect();
    let all = Arc::new(recorded(1, &batches.concat()));
    let ends: Arc<Vec<u64>> = Arc::new(
        std::iter::once(0)
            .chain(batches.iter().scan(0, |end, batch| {
                *end += batch.len() as u64;
                Some(*end)
            }))
            .collect(),
    );
    let over = Arc::new(AtomicBool::new(false));
    let looks = Arc::new(AtomicUsize::new(0));
    let readers: Vec<JoinHandle<()>> = (0..2)
        .map(|_| {
            let watch = Watch {
                claim: t.claim(),
                log: reader.clone(),
                key: key.clone(),
                all: all.clone(),
                ends: ends.clone(),
            };
            let (over, looks) = (over.clone(), looks.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Acquire) {
                    watch.look().await;
                    looks.fetch_add(1, Ordering::AcqRel);
                    tokio::task::yield_now().await;
                }
                watch.look().await;
            })
        })
        .collect();
    for entries in &batches {
        t.done(
            writer.append_entries(key, Expect::Any, entries).await,
            "append",
        );
        let_work(&looks).await;
    }
    over.store(true, Ordering::Release);
    for reader in readers {
        joined(reader).await;
    }
    t.same(
        &t.contents(&**writer, key).await,
        &*all,
        "in the end all is there",
    );
}

struct Watch {
    claim: Claim,
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    all: Arc<Vec<Recorded>>,
    ends: Arc<Vec<u64>>,
}

impl Watch {
    async fn look(&self) {
        let t = self.claim;
        let last = t.bounds(&*self.log, &self.key).await.last;
        t.check(
            self.ends.contains(&last),
            format_args!("a concurrent reader's last ordinal {last} is in the middle of a batch"),
        );
        for (cursor, limit) in [(0, usize::MAX), (last, usize::MAX), (last / 2, 5)] {
            let page = t.done(self.log.read(&self.key, cursor, limit).await, "read");
            let expected = self
                .all
                .iter()
                .skip(cursor as usize)
                .take(page.events.len());
            t.check(
                page.events.iter().eq(expected),
                format_args!(
                    "a concurrent reader gets other than the batches from cursor {cursor}: {:?}",
                    ordinals(&page.events)
                ),
            );
            let end = page.last().unwrap_or(cursor);
            t.check(
                page.more || self.ends.contains(&end),
                format_args!("a concurrent reader sees part of a batch, up to {end}"),
            );
        }
    }
}

/// Batches, each with the ordinal that its append returned.
type Written = Vec<(u64, Vec<Entry>)>;

/// A4: concurrent appends to one key: every event exactly once, each batch unbroken.
pub fn a4_concurrent_appends_keep_every_batch_whole(harness: &dyn Harness) {
    run("A4", harness, async |t| {
        let log = t.open();
        let key = key("contended");
        let appenders: Vec<JoinHandle<Written>> = (0..8)
            .map(|appender| {
                let (claim, log, key) = (t.claim(), log.clone(), key.clone());
                tokio::spawn(async move {
                    let mut written = Vec::new();
                    for n in 0..10 {
                        let entries = batch(&format!("{appender}.{n}"), 1 + (n + appender) % 5);
                        let last = log.append_entries(&key, Expect::Any, &entries).await;
                        written.push((claim.done(last, "concurrent append"), entries));
                        tokio::task::yield_now().await;
                    }
                    written
                })
            })
            .collect();
        let mut by_last = BTreeMap::new();
        for appender in appenders {
            let mut before = 0;
            for (last, entries) in joined(appender).await {
                let fact = "one appender's batches are in its own order";
                t.check(last > before, fact);
                before = last;
                let twice = by_last.insert(last, entries);
                t.same(twice, None, "no two appends return the same last ordinal");
            }
        }
        let mut written = Vec::new();
        for (last, entries) in by_last {
            written.extend(entries);
            let fact = "each batch ends at the ordinal that its append returned";
            t.same(written.len() as u64, last, fact);
        }
        let fact = "every event is there exactly once, each batch unbroken";
        t.holds(&*log, &key, 1, &written, fact).await;
    });
}

/// A5: `Ok` means durable as the profile states, and no reader sees an event before it is durable:
/// what was acknowledged, and what anybody saw, is there when the log is opened again.
///
/// That `Ok` comes after the disk has it is for a backend's own tests, which can watch the disk.
pub fn a5_what_was_acknowledged_or_seen_is_kept(harness: &dyn Harness) {
    run("A5", harness, async |t| {
        let means = t.profile().ok_means;
        let log = t.open();
        let key = key("kept");
        let mut written = Vec::new();
        let second = t.able(Ability::SecondHandle).then(|| t.open_second());
        for n in 0..10 {
            let entries = batch(&format!("batch {n}"), 1 + n % 3);
            let last = log.append_entries(&key, Expect::Any, &entries).await;
            written.extend(entries);
            t.same(t.done(last, "append"), written.len() as u64, "append");
            let handles = std::iter::once(&log).chain(second.as_ref());
            for (handle, log) in ["its own", "a second"].into_iter().zip(handles) {
                let fact = format!(
                    "a batch can be read through {handle} handle as soon as append returned: \
                     it {means}"
                );
                t.holds(&**log, &key, 1, &written, fact).await;
            }
        }
        drop(second);
        if !t.able(Ability::Reopen) {
            return;
        }
        let mut log = log;
        for n in 0..3 {
            let entries = batch(&format!("round {n}"), 2);
            t.done(
                log.append_entries(&key, Expect::Any, &entries).await,
                "append",
            );
            written.extend(entries);
            log = t.reopen(log);
            let fact = format!("what was acknowledged is there when opened again: it {means}");
            t.holds(&*log, &key, 1, &written, fact).await;
        }
        seen_is_kept(t, log).await;
    });
}

/// Whatever a reader saw while it was being appended is there, and the same, after reopen.
async fn seen_is_kept(t: &Trial<'_>, log: Arc<dyn SessionLog>) {
    let key = key("seen");
    let over = Arc::new(AtomicBool::new(false));
    let looks = Arc::new(AtomicUsize::new(0));
    let reader = tokio::spawn({
        let (claim, log, key) = (t.claim(), log.clone(), key.clone());
        let (over, looks) = (over.clone(), looks.clone());
        async move {
            let mut seen: BTreeMap<u64, Recorded> = BTreeMap::new();
            while !over.load(Ordering::Acquire) {
                let cursor = seen.keys().next_back().copied().unwrap_or(0);
                let page = claim.done(log.read(&key, cursor, 1000).await, "read");
                seen.extend(page.events.into_iter().map(|event| (event.ordinal, event)));
                looks.fetch_add(1, Ordering::AcqRel);
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    for n in 0..20 {
        let entries = batch(&format!("batch {n}"), 2);
        // Whether an append that fails has happened is another law's; what was seen must stay.
        let _ = log.append_entries(&key, Expect::Any, &entries).await;
        let_work(&looks).await;
    }
    over.store(true, Ordering::Release);
    let seen = joined(reader).await;
    let log = t.reopen(log);
    let kept = t.contents(&*log, &key).await;
    for event in seen.values() {
        t.check(
            kept.get(event.ordinal as usize - 1) == Some(event),
            format_args!("ordinal {} was seen, then lost", event.ordinal),
        );
    }
}
