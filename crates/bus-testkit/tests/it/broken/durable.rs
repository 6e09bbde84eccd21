//! Torn, mixed and lost batches: A3, A4, A5.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus_log::{Entry, Expect, LogError, Page, Recorded, SessionLog, ThreadKey};
use bus_testkit::{Ability, Harness, laws};

use super::{Store, Tamper, caught, caught_in};

const A3: (&str, fn(&dyn Harness)) = ("A3", laws::a3_a_batch_is_atomic);
const A4: (&str, fn(&dyn Harness)) = ("A4", laws::a4_concurrent_appends_keep_every_batch_whole);
const A5: (&str, fn(&dyn Harness)) = ("A5", laws::a5_what_was_acknowledged_or_seen_is_kept);

/// Gives others the chance to look, until one has or it has taken long enough.
async fn until_seen(looks: &AtomicUsize) {
    let before = looks.load(Ordering::Acquire);
    let deadline = Instant::now() + Duration::from_millis(200);
    while looks.load(Ordering::Acquire) < before + 2 && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a3_catches_a_torn_batch_in_sight_of_a_concurrent_reader() {
    caught(A3, || {
        Tamper::with(AtomicUsize::default())
            .on_append(|looks, log, key, expect, entries| {
                Box::pin(async move {
                    let (part, rest) = entries.split_at(entries.len() / 2);
                    log.append_entries(key, expect, part).await?;
                    until_seen(looks).await;
                    log.append_entries(key, Expect::Any, rest).await
                })
            })
            .on_read(|looks, log, key, cursor, limit| {
                looks.fetch_add(1, Ordering::AcqRel);
                log.read(key, cursor, limit)
            })
    });
}

#[test]
fn a3_catches_bounds_in_the_middle_of_a_batch() {
    caught(A3, || {
        Tamper::new().on_bounds(|_, log, key| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                let last = if bounds.last > 3 {
                    bounds.last - 1
                } else {
                    bounds.last
                };
                Ok(bus_log::Bounds::new(bounds.watermark, last, bounds.erased))
            })
        })
    });
}

#[test]
fn a3_catches_a_reorder_inside_a_batch() {
    caught(A3, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let reversed: Vec<Entry> = entries.iter().rev().cloned().collect();
                log.append_entries(key, expect, &reversed).await
            })
        })
    });
}

#[test]
fn a3_catches_a_batch_that_loses_its_last_event() {
    caught(A3, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            let kept = entries.len().min(12);
            log.append_entries(key, expect, &entries[..kept])
        })
    });
}

#[test]
fn a4_catches_batches_mixed_with_each_other() {
    caught(A4, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let mut last = log.append_entries(key, expect, &[]).await?;
                for entry in entries {
                    let one = std::slice::from_ref(entry);
                    last = log.append_entries(key, Expect::Any, one).await?;
                    tokio::task::yield_now().await;
                }
                Ok(last)
            })
        })
    });
}

/// Does `work` while other appends are under way, if any come in time.
async fn contended(under_way: &AtomicUsize) -> bool {
    under_way.fetch_add(1, Ordering::AcqRel);
    let mut contended = false;
    let deadline = Instant::now() + Duration::from_millis(20);
    while !contended && Instant::now() < deadline {
        contended = under_way.load(Ordering::Acquire) > 1;
        tokio::task::yield_now().await;
    }
    under_way.fetch_sub(1, Ordering::AcqRel);
    contended
}

#[test]
fn a4_catches_an_event_lost_under_contention() {
    caught(A4, || {
        Tamper::with(AtomicUsize::default()).on_append(|under_way, log, key, expect, entries| {
            Box::pin(async move {
                if contended(under_way).await && entries.len() > 4 {
                    return log.append_entries(key, expect, &entries[1..]).await;
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a4_catches_a_batch_written_twice_under_contention() {
    caught(A4, || {
        Tamper::with(AtomicUsize::default()).on_append(|under_way, log, key, expect, entries| {
            Box::pin(async move {
                if contended(under_way).await && entries.len() > 4 {
                    log.append_entries(key, expect, entries).await?;
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a4_catches_a_last_ordinal_of_somebody_elses_batch() {
    caught(A4, || {
        Tamper::with(AtomicUsize::default()).on_append(|under_way, log, key, expect, entries| {
            Box::pin(async move {
                log.append_entries(key, expect, entries).await?;
                contended(under_way).await;
                Ok(log.bounds(key).await?.last)
            })
        })
    });
}

/// A batch that was acknowledged and is kept back until the same handle is used again.
type KeptBack = Mutex<Option<(ThreadKey, Vec<Entry>)>>;

async fn written(kept_back: &KeptBack, log: &dyn SessionLog) -> bus_log::Result<()> {
    let batch = kept_back.lock().unwrap().take();
    if let Some((key, entries)) = batch {
        log.append_entries(&key, Expect::Any, &entries).await?;
    }
    Ok(())
}

/// Acknowledges before it writes.
fn hasty() -> Tamper<KeptBack> {
    Tamper::with(KeptBack::default())
        .on_append(|kept_back, log, key, _, entries| {
            Box::pin(async move {
                written(kept_back, log).await?;
                *kept_back.lock().unwrap() = Some((key.clone(), entries.to_vec()));
                Ok(log.bounds(key).await?.last + entries.len() as u64)
            })
        })
        .on_read(|kept_back, log, key, cursor, limit| {
            Box::pin(async move {
                written(kept_back, log).await?;
                log.read(key, cursor, limit).await
            })
        })
        .on_bounds(|kept_back, log, key| {
            Box::pin(async move {
                written(kept_back, log).await?;
                log.bounds(key).await
            })
        })
}

#[test]
fn a5_catches_an_acknowledged_batch_that_a_second_handle_does_not_see() {
    caught(A5, hasty);
}

#[test]
fn a5_catches_an_acknowledged_batch_lost_at_reopen() {
    caught_in(A5, Store::broken(hasty).cannot(Ability::SecondHandle));
}

#[derive(Default)]
struct Phantom {
    looks: AtomicUsize,
    batch: Mutex<Vec<Entry>>,
}

#[test]
fn a5_catches_an_event_seen_before_it_was_kept() {
    caught(A5, || {
        Tamper::with(Phantom::default())
            .on_append(|phantom, log, key, expect, entries| {
                Box::pin(async move {
                    if key.thread_id() != "seen" {
                        return log.append_entries(key, expect, entries).await;
                    }
                    *phantom.batch.lock().unwrap() = entries.to_vec();
                    until_seen(&phantom.looks).await;
                    phantom.batch.lock().unwrap().clear();
                    Err(LogError::unavailable("the disk refused after all"))
                })
            })
            .on_read(|phantom, log, key, cursor, limit| {
                Box::pin(async move {
                    phantom.looks.fetch_add(1, Ordering::AcqRel);
                    if key.thread_id() != "seen" {
                        return log.read(key, cursor, limit).await;
                    }
                    let batch = phantom.batch.lock().unwrap().clone();
                    let events = (1..).zip(batch).filter(|(ordinal, _)| *ordinal > cursor);
                    let events = events.map(|(ordinal, entry)| Recorded {
                        ordinal,
                        at: entry.at,
                        meta: entry.meta,
                        event: entry.event,
                    });
                    Ok(Page::new(events.collect(), false))
                })
            })
    });
}
