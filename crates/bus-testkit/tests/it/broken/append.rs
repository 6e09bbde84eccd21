//! Wrong numbers and expectations: A1, A2, A6.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bus_log::{Expect, LogError, SessionLog, ThreadKey};
use bus_testkit::{Harness, laws};

use super::{Tamper, caught};

const A1: (&str, fn(&dyn Harness)) = ("A1", laws::a1_ordinals_count_from_one);
const A2: (&str, fn(&dyn Harness)) = ("A2", laws::a2_an_ordinal_is_never_reused);
const A6: (&str, fn(&dyn Harness)) = ("A6", laws::a6_expectations_hold_or_nothing_is_written);

#[test]
fn a1_catches_an_empty_append_that_takes_an_ordinal() {
    caught(A1, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                if entries.is_empty() && log.bounds(key).await?.last > 0 {
                    return log.append(key, &[bus_testkit::samples::text("")]).await;
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a1_catches_an_empty_append_that_leaves_a_trace() {
    caught(A1, || {
        Tamper::with(Mutex::<BTreeSet<ThreadKey>>::default())
            .on_append(|seen, log, key, expect, entries| {
                seen.lock().unwrap().insert(key.clone());
                log.append_entries(key, expect, entries)
            })
            .on_list(|seen, log, tenant, after, limit| {
                Box::pin(async move {
                    let mut listed = log.list(tenant, after, limit).await?;
                    let seen: Vec<_> = seen.lock().unwrap().iter().cloned().collect();
                    for key in seen {
                        if listed.iter().all(|summary| summary.key != key) {
                            let bounds = bus_log::Bounds::default();
                            listed.push(bus_log::ThreadSummary::new(key, bounds));
                        }
                    }
                    Ok(listed)
                })
            })
    });
}

#[test]
fn a1_catches_ordinals_that_count_from_zero() {
    caught(A1, || {
        Tamper::new().on_the_way_out(|event| event.ordinal -= 1)
    });
}

#[test]
fn a1_catches_append_returning_its_first_ordinal() {
    caught(A1, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let last = log.append_entries(key, expect, entries).await?;
                Ok(last + 1 - (entries.len() as u64).max(1))
            })
        })
    });
}

#[test]
fn a1_catches_a_gap_in_the_ordinals() {
    caught(A1, || {
        Tamper::new().on_the_way_out(|event| {
            if event.ordinal > 3 {
                event.ordinal += 1;
            }
        })
    });
}

#[test]
fn a1_catches_a_count_shared_by_all_keys() {
    caught(A1, || {
        Tamper::with(Mutex::<u64>::default()).on_append(|total, log, key, expect, entries| {
            Box::pin(async move {
                let first = *total.lock().unwrap() + 1;
                let unknown = !log.bounds(key).await?.is_known();
                let expect = if unknown {
                    Expect::StartAt(first)
                } else {
                    expect
                };
                *total.lock().unwrap() += entries.len() as u64;
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a1_catches_a_time_that_append_did_not_take_from_the_clock() {
    caught(A1, || {
        Tamper::new().on_the_way_out(|event| event.at = Default::default())
    });
}

/// Keys under new names, which begin anew: what a log does that forgets a thread.
#[derive(Default)]
struct Forgetful {
    generations: Arc<Mutex<BTreeMap<ThreadKey, u32>>>,
    touched: Mutex<BTreeSet<ThreadKey>>,
}

impl Forgetful {
    fn name(&self, key: &ThreadKey) -> ThreadKey {
        let generation = self
            .generations
            .lock()
            .unwrap()
            .get(key)
            .copied()
            .unwrap_or(0);
        let thread = format!("{} {generation}", key.thread_id());
        ThreadKey::new(key.tenant_id().clone(), thread)
    }

    fn forget(&self, key: &ThreadKey) {
        *self
            .generations
            .lock()
            .unwrap()
            .entry(key.clone())
            .or_default() += 1;
    }

    /// On the first touch since it was opened: forgets a thread of which nothing is readable.
    async fn touch(&self, log: &dyn SessionLog, key: &ThreadKey) -> bus_log::Result<()> {
        let first = self.touched.lock().unwrap().insert(key.clone());
        let bounds = log.bounds(&self.name(key)).await?;
        if first && bounds.is_known() && bounds.readable() == 0 {
            self.forget(key);
        }
        Ok(())
    }

    fn tamper(self) -> Tamper<Self> {
        Tamper::with(self)
            .on_append(|names, log, key, expect, entries| {
                Box::pin(async move { log.append_entries(&names.name(key), expect, entries).await })
            })
            .on_read(|names, log, key, cursor, limit| {
                Box::pin(async move { log.read(&names.name(key), cursor, limit).await })
            })
            .on_bounds(|names, log, key| {
                Box::pin(async move { log.bounds(&names.name(key)).await })
            })
            .on_archive(|names, log, key, watermark| {
                Box::pin(async move { log.archive_before(&names.name(key), watermark).await })
            })
            .on_erase(|names, log, key| Box::pin(async move { log.erase(&names.name(key)).await }))
    }
}

#[test]
fn a2_catches_an_ordinal_reused_after_archiving_everything() {
    caught(A2, || {
        Forgetful::default()
            .tamper()
            .on_archive(|names, log, key, watermark| {
                Box::pin(async move {
                    let hidden = log.archive_before(&names.name(key), watermark).await?;
                    names.forget(key);
                    Ok(hidden)
                })
            })
    });
}

#[test]
fn a2_catches_an_ordinal_reused_after_erase() {
    caught(A2, || {
        Forgetful::default().tamper().on_erase(|names, log, key| {
            Box::pin(async move {
                log.erase(&names.name(key)).await?;
                names.forget(key);
                Ok(())
            })
        })
    });
}

#[test]
fn a2_catches_an_ordinal_reused_after_reopen() {
    let generations = Arc::default();
    caught(A2, move || {
        let names = Forgetful {
            generations: Arc::clone(&generations),
            ..Forgetful::default()
        };
        names
            .tamper()
            .on_append(|names, log, key, expect, entries| {
                Box::pin(async move {
                    names.touch(log, key).await?;
                    log.append_entries(&names.name(key), expect, entries).await
                })
            })
            .on_bounds(|names, log, key| {
                Box::pin(async move {
                    names.touch(log, key).await?;
                    log.bounds(&names.name(key)).await
                })
            })
    });
}

#[test]
fn a2_catches_an_ordinal_left_out_after_archiving() {
    caught(A2, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                if bounds.is_known() && bounds.readable() == 0 {
                    log.append(key, &[bus_testkit::samples::text("filler")])
                        .await?;
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a6_catches_an_expectation_that_is_ignored() {
    caught(A6, || {
        Tamper::new()
            .on_append(|_, log, key, _, entries| log.append_entries(key, Expect::Any, entries))
    });
}

#[test]
fn a6_catches_a_batch_half_written_on_conflict() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let result = log.append_entries(key, expect, entries).await;
                if let (Err(_), [first, _, ..]) = (&result, entries) {
                    let first = std::slice::from_ref(first);
                    log.append_entries(key, Expect::Any, first).await?;
                }
                result
            })
        })
    });
}

#[test]
fn a6_catches_a_conflict_that_names_the_expected_ordinal_as_the_actual_one() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let result = log.append_entries(key, expect, entries).await;
                match (result, expect) {
                    (Err(_), Expect::Last(expected)) => Err(LogError::conflict(expected)),
                    (result, _) => result,
                }
            })
        })
    });
}

#[test]
fn a6_catches_a_start_on_a_thread_that_has_events() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let known = log.bounds(key).await?.is_known();
                let expect = match expect {
                    Expect::StartAt(first) if known && first > 0 => Expect::Any,
                    expect => expect,
                };
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a6_catches_a_start_on_a_thread_that_had_events() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                let seems_new = bounds.is_known() && bounds.readable() == 0;
                let expect = match expect {
                    Expect::StartAt(first) if seems_new && first > 0 => Expect::Any,
                    expect => expect,
                };
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a6_catches_a_start_at_five_that_starts_at_one() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            let expect = match expect {
                Expect::StartAt(first) if first > 1 => Expect::StartAt(1),
                expect => expect,
            };
            log.append_entries(key, expect, entries)
        })
    });
}

#[test]
fn a6_catches_a_start_at_zero() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            let expect = match expect {
                Expect::StartAt(0) => Expect::Any,
                expect => expect,
            };
            log.append_entries(key, expect, entries)
        })
    });
}

#[test]
fn a6_catches_an_expectation_unchecked_for_an_empty_batch() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            let expect = if entries.is_empty() {
                Expect::Any
            } else {
                expect
            };
            log.append_entries(key, expect, entries)
        })
    });
}

#[test]
fn a6_catches_an_expectation_counted_from_what_is_readable() {
    caught(A6, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let bounds = log.bounds(key).await?;
                let expect = match expect {
                    Expect::Last(n) if n == bounds.readable() => Expect::Last(bounds.last),
                    expect => expect,
                };
                log.append_entries(key, expect, entries).await
            })
        })
    });
}
