//! Erased, but not gone: X1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use bus_log::{Bounds, Page, ThreadKey, ThreadSummary};
use bus_testkit::{Ability, Harness, laws};

use super::{Store, Tamper, caught, caught_in};

const X1: (&str, fn(&dyn Harness)) = ("X1", laws::x1_erased_events_are_gone);

/// Caught by what can be read, where no bytes can be searched.
fn caught_reading<S: Send + Sync + 'static>(
    tamper: impl Fn() -> Tamper<S> + Send + Sync + 'static,
) {
    caught_in(X1, Store::broken(tamper).cannot(Ability::ByteSearch));
}

#[test]
fn x1_catches_an_erase_that_leaves_events_readable() {
    caught_reading(|| {
        Tamper::with(Mutex::<BTreeSet<ThreadKey>>::default())
            .on_erase(|erased, _, key| {
                erased.lock().unwrap().insert(key.clone());
                Box::pin(async { Ok(()) })
            })
            .on_bounds(|erased, log, key| {
                Box::pin(async move {
                    let bounds = log.bounds(key).await?;
                    let erased = bounds.is_known() && erased.lock().unwrap().contains(key);
                    let watermark = if erased {
                        bounds.last
                    } else {
                        bounds.watermark
                    };
                    Ok(Bounds::new(watermark, bounds.last, erased))
                })
            })
    });
}

#[test]
fn x1_catches_an_erase_that_only_archives() {
    caught_reading(|| {
        Tamper::new().on_erase(|_, log, key| {
            Box::pin(async move { log.archive_before(key, u64::MAX).await.map(|_| ()) })
        })
    });
}

#[test]
fn x1_catches_bytes_left_in_a_file() {
    caught_in(X1, Store::broken(Tamper::new).with_a_forgotten_journal());
}

#[test]
fn x1_catches_erased_events_that_read_raw_still_gives() {
    caught(X1, || {
        Tamper::with(Mutex::<BTreeMap<ThreadKey, Page>>::default())
            .on_erase(|kept, log, key| {
                Box::pin(async move {
                    let before = log.read_raw(key, 0, usize::MAX).await?;
                    kept.lock().unwrap().entry(key.clone()).or_insert(before);
                    log.erase(key).await
                })
            })
            .on_read_raw(|kept, log, key, cursor, limit| {
                Box::pin(async move {
                    let cached = kept.lock().unwrap().get(key).cloned();
                    match cached {
                        Some(page) if cursor == 0 => Ok(page),
                        _ => log.read_raw(key, cursor, limit).await,
                    }
                })
            })
    });
}

#[test]
fn x1_catches_an_erased_key_that_is_forgotten() {
    caught(X1, || {
        Tamper::new().on_list(|_, log, tenant, after, limit| {
            Box::pin(async move {
                let mut listed = log.list(tenant, after, limit).await?;
                listed.retain(|summary| !summary.bounds.erased);
                Ok(listed)
            })
        })
    });
}

#[test]
fn x1_catches_erasing_that_resets_the_ordinals() {
    caught(X1, || {
        Tamper::new().on_bounds(|_, log, key| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                if bounds.erased {
                    return Ok(Bounds::new(0, bounds.readable(), true));
                }
                Ok(bounds)
            })
        })
    });
}

#[test]
fn x1_catches_a_thread_that_a_new_append_makes_unerased() {
    caught(X1, || {
        Tamper::new().on_bounds(|_, log, key| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                let erased = bounds.erased && bounds.readable() == 0;
                Ok(Bounds::new(bounds.watermark, bounds.last, erased))
            })
        })
    });
}

#[test]
fn x1_catches_erasing_an_unknown_thread_that_leaves_a_trace() {
    caught(X1, || {
        Tamper::with(Mutex::<BTreeSet<ThreadKey>>::default())
            .on_erase(|erased, log, key| {
                erased.lock().unwrap().insert(key.clone());
                log.erase(key)
            })
            .on_list(|erased, log, tenant, after, limit| {
                Box::pin(async move {
                    let mut listed = log.list(tenant, after, limit).await?;
                    for key in erased.lock().unwrap().iter() {
                        if listed.iter().all(|summary| summary.key != *key) {
                            listed.push(ThreadSummary::new(key.clone(), Bounds::new(0, 0, true)));
                        }
                    }
                    Ok(listed)
                })
            })
    });
}

#[test]
fn x1_catches_an_erased_flag_lost_at_reopen() {
    caught(X1, || {
        Tamper::with(Mutex::<BTreeSet<ThreadKey>>::default())
            .on_erase(|erased, log, key| {
                erased.lock().unwrap().insert(key.clone());
                log.erase(key)
            })
            .on_bounds(|erased, log, key| {
                Box::pin(async move {
                    let bounds = log.bounds(key).await?;
                    let erased = bounds.is_known() && erased.lock().unwrap().contains(key);
                    Ok(Bounds::new(bounds.watermark, bounds.last, erased))
                })
            })
    });
}

#[test]
fn x1_catches_the_time_of_an_erased_event_in_a_list() {
    caught(X1, || {
        Tamper::new().on_list(|_, log, tenant, after, limit| {
            Box::pin(async move {
                let mut listed = log.list(tenant, after, limit).await?;
                for summary in &mut listed {
                    summary.last_at = Some(summary.last_at.unwrap_or_default());
                }
                Ok(listed)
            })
        })
    });
}

#[test]
fn x1_catches_erasing_that_touches_another_thread() {
    caught(X1, || {
        Tamper::new().on_erase(|_, log, key| {
            Box::pin(async move {
                for summary in log.list(key.tenant_id(), None, usize::MAX).await? {
                    log.erase(&summary.key).await?;
                }
                Ok(())
            })
        })
    });
}
