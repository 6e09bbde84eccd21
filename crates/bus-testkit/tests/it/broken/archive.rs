//! Wrong watermarks: W1, W2, W3.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use bus_log::{Bounds, LogError, Page, ThreadKey, ThreadSummary};
use bus_testkit::{Harness, laws};

use super::{Tamper, caught};

const W1: (&str, fn(&dyn Harness)) = ("W1", laws::w1_archiving_hides_and_counts);
const W2: (&str, fn(&dyn Harness)) = ("W2", laws::w2_a_watermark_past_the_end_is_clamped);
const W3: (&str, fn(&dyn Harness)) = ("W3", laws::w3_watermark_and_last_ordinal_survive);

#[test]
fn w1_catches_a_count_of_all_that_is_hidden() {
    caught(W1, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                log.archive_before(key, watermark).await?;
                Ok(log.bounds(key).await?.watermark as usize)
            })
        })
    });
}

#[test]
fn w1_catches_a_watermark_that_is_exclusive() {
    caught(W1, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            log.archive_before(key, watermark.saturating_sub(1))
        })
    });
}

#[test]
fn w1_catches_a_watermark_that_hides_too_much() {
    caught(W1, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                let hidden = log.archive_before(key, watermark).await?;
                if hidden > 3 {
                    log.archive_before(key, watermark.saturating_add(1)).await?;
                }
                Ok(hidden)
            })
        })
    });
}

#[test]
fn w1_catches_a_lower_watermark_that_is_an_error() {
    caught(W1, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                if watermark < log.bounds(key).await?.watermark {
                    return Err(LogError::invalid("watermarks only rise"));
                }
                log.archive_before(key, watermark).await
            })
        })
    });
}

#[test]
fn w1_catches_archiving_an_unknown_thread_that_leaves_a_trace() {
    caught(W1, || {
        Tamper::with(Mutex::<BTreeSet<ThreadKey>>::default())
            .on_archive(|seen, log, key, watermark| {
                seen.lock().unwrap().insert(key.clone());
                log.archive_before(key, watermark)
            })
            .on_list(|seen, log, tenant, after, limit| {
                Box::pin(async move {
                    let mut listed = log.list(tenant, after, limit).await?;
                    let seen: Vec<_> = seen.lock().unwrap().iter().cloned().collect();
                    listed.extend(
                        seen.into_iter()
                            .map(|key| ThreadSummary::new(key, Bounds::default())),
                    );
                    Ok(listed)
                })
            })
    });
}

#[test]
fn w1_catches_hidden_events_that_read_raw_still_gives() {
    caught(W1, || {
        Tamper::with(Mutex::<BTreeMap<ThreadKey, Page>>::default())
            .on_archive(|kept, log, key, watermark| {
                Box::pin(async move {
                    let before = log.read_raw(key, 0, usize::MAX).await?;
                    if !before.events.is_empty() {
                        kept.lock().unwrap().entry(key.clone()).or_insert(before);
                    }
                    log.archive_before(key, watermark).await
                })
            })
            .on_read_raw(|kept, log, key, cursor, limit| {
                Box::pin(async move {
                    if !kept.lock().unwrap().contains_key(key) {
                        return log.read_raw(key, cursor, limit).await;
                    }
                    let mut page = kept.lock().unwrap().get(key).cloned().unwrap_or_default();
                    page.events.retain(|event| event.ordinal > cursor);
                    page.events.truncate(limit);
                    Ok(page)
                })
            })
    });
}

#[test]
fn w1_catches_archiving_that_touches_the_thread_beside() {
    caught(W1, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                for summary in log.list(key.tenant_id(), None, 100).await? {
                    if summary.key != *key {
                        log.archive_before(&summary.key, watermark.min(1)).await?;
                    }
                }
                log.archive_before(key, watermark).await
            })
        })
    });
}

#[test]
fn w2_catches_a_watermark_past_the_end_that_is_an_error() {
    caught(W2, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                if watermark > log.bounds(key).await?.last {
                    return Err(LogError::invalid("past the end"));
                }
                log.archive_before(key, watermark).await
            })
        })
    });
}

#[test]
fn w2_catches_a_watermark_that_hides_what_is_still_to_come() {
    caught(W2, || {
        Tamper::with(Mutex::<BTreeMap<ThreadKey, u64>>::default())
            .on_archive(|marks, log, key, watermark| {
                marks.lock().unwrap().insert(key.clone(), watermark);
                log.archive_before(key, watermark)
            })
            .on_append(|marks, log, key, expect, entries| {
                Box::pin(async move {
                    let last = log.append_entries(key, expect, entries).await?;
                    let mark = marks.lock().unwrap().get(key).copied();
                    if let Some(mark) = mark {
                        log.archive_before(key, mark).await?;
                    }
                    Ok(last)
                })
            })
    });
}

#[test]
fn w2_catches_the_greatest_watermark_taken_for_none() {
    caught(W2, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            log.archive_before(key, if watermark == u64::MAX { 0 } else { watermark })
        })
    });
}

#[test]
fn w2_catches_a_count_up_to_the_watermark_that_was_asked_for() {
    caught(W2, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                let before = log.bounds(key).await?.watermark;
                log.archive_before(key, watermark).await?;
                Ok(usize::try_from(watermark.saturating_sub(before)).unwrap_or(usize::MAX))
            })
        })
    });
}

/// A watermark that each handle keeps for itself.
pub(super) fn forgetful() -> Tamper<Mutex<BTreeMap<ThreadKey, u64>>> {
    Tamper::with(Mutex::<BTreeMap<ThreadKey, u64>>::default())
        .on_archive(|marks, log, key, watermark| {
            Box::pin(async move {
                let last = log.bounds(key).await?.last;
                let mut marks = marks.lock().unwrap();
                let mark = marks.entry(key.clone()).or_default();
                let watermark = watermark.clamp(*mark, last);
                let hidden = watermark - *mark;
                *mark = watermark;
                if last == 0 {
                    marks.remove(key);
                }
                Ok(hidden as usize)
            })
        })
        .on_bounds(|marks, log, key| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                let mark = marks.lock().unwrap().get(key).copied().unwrap_or(0);
                Ok(Bounds::new(
                    mark.max(bounds.watermark),
                    bounds.last,
                    bounds.erased,
                ))
            })
        })
        .on_read(|marks, log, key, cursor, limit| {
            Box::pin(async move {
                let mark = marks.lock().unwrap().get(key).copied().unwrap_or(0);
                log.read(key, cursor.max(mark), limit).await
            })
        })
}

#[test]
fn w3_catches_a_watermark_lost_at_reopen() {
    caught(W3, forgetful);
}

#[test]
fn w3_catches_a_count_that_misses_a_racing_append() {
    // What raced is what was appended since the last look, whoever runs when.
    caught(W3, || {
        Tamper::with(Mutex::new(Bounds::default())).on_archive(|seen, log, key, watermark| {
            Box::pin(async move {
                let now = log.bounds(key).await?;
                log.archive_before(key, watermark).await?;
                let mut seen = seen.lock().unwrap();
                let before = std::mem::replace(&mut *seen, now);
                let hidden = watermark.min(before.last).saturating_sub(now.watermark);
                Ok(hidden as usize)
            })
        })
    });
}

#[test]
fn w3_catches_an_append_lost_in_a_race_with_an_archive() {
    caught(W3, || {
        Tamper::with(std::sync::atomic::AtomicBool::default())
            .on_archive(|archived, log, key, watermark| {
                archived.store(true, std::sync::atomic::Ordering::Release);
                log.archive_before(key, watermark)
            })
            .on_append(|archived, log, key, expect, entries| {
                Box::pin(async move {
                    let raced = archived.swap(false, std::sync::atomic::Ordering::AcqRel);
                    if raced && entries.len() > 2 {
                        return Ok(log.bounds(key).await?.last + entries.len() as u64);
                    }
                    log.append_entries(key, expect, entries).await
                })
            })
    });
}
