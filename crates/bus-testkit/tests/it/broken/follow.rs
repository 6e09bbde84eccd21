//! Followers misled: F1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use bus_log::{Bounds, ThreadKey};
use bus_testkit::{Harness, laws};

use super::{Tamper, caught};

const F1: (&str, fn(&dyn Harness)) = ("F1", laws::f1_follow_gives_every_event_once_and_in_order);

#[test]
fn f1_catches_a_changed_that_lies_about_news() {
    caught(F1, || {
        Tamper::new().on_changed(|_, log, key, after, deadline| {
            Box::pin(async move {
                if deadline <= Instant::now() {
                    return log.changed(key, after, deadline).await;
                }
                Ok(after + 1)
            })
        })
    });
}

#[test]
fn f1_catches_a_changed_that_never_wakes() {
    caught(F1, || {
        Tamper::new().on_changed(|_, log, key, _, deadline| log.changed(key, u64::MAX, deadline))
    });
}

#[test]
fn f1_catches_a_changed_that_does_not_wait() {
    caught(F1, || {
        Tamper::new().on_changed(|_, log, key, after, _| log.changed(key, after, Instant::now()))
    });
}

#[test]
fn f1_catches_a_changed_that_forgets_its_deadline() {
    caught(F1, || {
        Tamper::new().on_changed(|_, log, key, after, deadline| {
            let much_later = deadline + std::time::Duration::from_secs(60);
            log.changed(key, after, much_later)
        })
    });
}

#[test]
fn f1_catches_a_changed_that_returns_the_first_ordinal() {
    caught(F1, || {
        Tamper::new().on_changed(|_, log, key, after, deadline| {
            Box::pin(async move {
                log.changed(key, after, deadline).await?;
                Ok(log.bounds(key).await?.first.min(after + 1))
            })
        })
    });
}

#[test]
fn f1_catches_an_event_followed_twice() {
    caught(F1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            // The page begins where the last one ended.
            let again = if cursor > 5 { cursor - 1 } else { cursor };
            log.read(key, again, limit)
        })
    });
}

#[test]
fn f1_catches_an_event_left_out_of_a_later_page() {
    caught(F1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read(key, cursor, limit).await?;
                if cursor > 0 && page.events.len() > 1 {
                    page.events.remove(0);
                }
                Ok(page)
            })
        })
    });
}

/// What this handle knew of a thread when it first looked, unless it wrote it itself.
type Known = Mutex<BTreeMap<ThreadKey, Bounds>>;

#[test]
fn f1_catches_a_handle_that_does_not_see_what_another_one_writes() {
    caught(F1, || {
        Tamper::with(Known::default())
            .on_append(|known, log, key, expect, entries| {
                Box::pin(async move {
                    let last = log.append_entries(key, expect, entries).await?;
                    let bounds = log.bounds(key).await?;
                    known.lock().unwrap().insert(key.clone(), bounds);
                    Ok(last)
                })
            })
            .on_changed(|known, log, key, after, deadline| {
                Box::pin(async move {
                    let elsewhere = key.thread_id().contains("elsewhere");
                    let seen = known.lock().unwrap().contains_key(key);
                    if elsewhere && !seen {
                        return log.changed(key, u64::MAX, deadline).await;
                    }
                    log.changed(key, after, deadline).await
                })
            })
            .on_read(|known, log, key, cursor, limit| {
                Box::pin(async move {
                    let mut page = log.read(key, cursor, limit).await?;
                    let elsewhere = key.thread_id().contains("elsewhere");
                    if elsewhere && !known.lock().unwrap().contains_key(key) {
                        page.events.clear();
                    }
                    Ok(page)
                })
            })
    });
}

/// Ordinals that nobody is shown yet: their append is not done.
type Unseen = Mutex<BTreeSet<(ThreadKey, u64)>>;

#[test]
fn f1_catches_an_ordinal_that_shows_before_a_lower_one() {
    caught(F1, || {
        Tamper::with(Unseen::default())
            .on_append(|unseen, log, key, expect, entries| {
                Box::pin(async move {
                    let last = log.append_entries(key, expect, entries).await?;
                    // As if a transaction that took its ordinals early were committed late.
                    let ordinals = last + 1 - entries.len() as u64..=last;
                    let ordinals = ordinals.map(|ordinal| (key.clone(), ordinal));
                    if last.is_multiple_of(3) {
                        unseen.lock().unwrap().extend(ordinals.clone());
                        for _ in 0..200 {
                            tokio::task::yield_now().await;
                        }
                        let mut unseen = unseen.lock().unwrap();
                        unseen.retain(|one| !ordinals.clone().any(|done| done == *one));
                    }
                    Ok(last)
                })
            })
            .on_read(|unseen, log, key, cursor, limit| {
                Box::pin(async move {
                    let mut page = log.read(key, cursor, limit).await?;
                    let unseen = unseen.lock().unwrap();
                    let is_seen = |ordinal| !unseen.contains(&(key.clone(), ordinal));
                    // One writer alone sees nothing wrong.
                    let ordinals = page.events.iter().map(|event| event.ordinal);
                    let highest = ordinals.filter(|ordinal| is_seen(*ordinal)).max();
                    page.events.retain(|event| {
                        is_seen(event.ordinal) || highest.is_none_or(|seen| seen < event.ordinal)
                    });
                    Ok(page)
                })
            })
    });
}
