//! Threads and logs that refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus_log::{
    InMemorySessionLog, LogError, LogErrorKind, ReplicateError, ReplicateProgress, Replication,
    SessionLog, TenantId, ThreadKey,
};
use bus_testkit::{Fault, FaultyLog, samples};

use super::{append, assert_equal, logs};

use crate::support::{Call, HookedLog, PickyLog, block_on, key};

#[test]
fn a_target_that_comes_back_in_time_is_tried_again() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 10));
    let faulty = Arc::new(FaultyLog::new(to.clone()));
    faulty.next(Fault::Refuse(LogErrorKind::Unavailable));
    faulty.next(Fault::WriteThenFail);
    let retries = Arc::new(AtomicU64::new(0));
    let counted = retries.clone();
    let copying = Replication::new(from.clone(), faulty.clone())
        .with_retry_for(Duration::from_secs(60))
        .with_progress(move |progress| {
            if let ReplicateProgress::Retrying { .. } = progress {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
    block_on(copying.thread(&key("s"))).unwrap();
    assert_eq!(retries.load(Ordering::SeqCst), 2);
    // The one whose answer was lost is recognised, and not written again.
    assert_eq!(faulty.tried(), [10, 10]);
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn an_outage_ends_the_call_and_one_refused_thread_does_not() {
    let (from, to) = logs();
    for name in ["a", "b", "c"] {
        append(&from, &key(name), &samples::batch("b", 2));
    }
    let faulty = Arc::new(FaultyLog::new(to.clone()));
    let copying = Replication::new(from.clone(), faulty.clone()).with_threads_at_once(1);
    faulty.always(Fault::Refuse(LogErrorKind::Unavailable));
    let error = block_on(copying.all()).unwrap_err();
    assert!(error.is_outage(), "{error:?}");
    assert_eq!(faulty.tried().len(), 1);

    faulty.heal();
    faulty.next(Fault::Refuse(LogErrorKind::Invalid));
    let copied = block_on(copying.all()).unwrap();
    assert_eq!(
        (copied.threads, copied.events, copied.failed.len()),
        (3, 4, 1)
    );
    assert_eq!(copied.failed[0].key(), Some(&key("a")));
}

#[test]
fn a_thread_that_a_log_refuses_as_if_it_were_away_is_named_and_the_others_are_copied() {
    let (from, to) = logs();
    let names: Vec<String> = (0..40).map(|n| format!("t{n:02}")).collect();
    for name in &names {
        append(&from, &key(name), &samples::batch("b", 2));
    }
    let shut = |name: &str| Arc::new(PickyLog::new(from.clone(), &[name]));
    let copied = block_on(Replication::new(shut("t03"), to.clone()).all()).unwrap();
    assert_eq!(
        (copied.threads, copied.events, copied.failed.len()),
        (40, 78, 1)
    );
    assert_eq!(copied.failed[0].key(), Some(&key("t03")));
    assert!(copied.failed[0].is_outage());
    // A tenant whose threads can't be listed is as much.
    append(
        &from,
        &ThreadKey::new(TenantId::new("zeta"), "s"),
        &samples::batch("b", 3),
    );
    let copied = block_on(Replication::new(shut("acme"), to.clone()).all()).unwrap();
    assert_eq!((copied.events, copied.failed.len()), (3, 1));

    // A target that takes the others.
    let (_, to) = logs();
    let picky = Arc::new(PickyLog::new(to.clone(), &["t39"]));
    let copied = block_on(Replication::new(from.clone(), picky).all()).unwrap();
    assert_eq!((copied.events, copied.failed.len()), (81, 1));
    // Many in a row are the whole log.
    let (_, to) = logs();
    let names: Vec<&str> = names[10..].iter().map(String::as_str).collect();
    let picky = Arc::new(PickyLog::new(from.clone(), &names));
    let error = block_on(Replication::new(picky, to.clone()).tenant(&TenantId::new("acme")));
    assert!(error.unwrap_err().is_outage());
    assert_eq!(
        block_on(to.list(&TenantId::new("acme"), None, 99))
            .unwrap()
            .len(),
        10
    );
}

#[test]
fn a_thread_that_the_source_can_not_read_stops_no_other_and_a_source_that_is_away_stops_all() {
    for at_once in [1, 8] {
        let (from, to) = logs();
        for name in ["a", "b", "c"] {
            append(&from, &key(name), &samples::batch("b", 2));
        }
        let hooked = Arc::new(HookedLog::new(from.clone()));
        let copying = Replication::new(hooked.clone(), to.clone()).with_threads_at_once(at_once);
        hooked.hook(|call| {
            let fails = matches!(call, Call::ReadRaw(key) if key.thread_id() == "b");
            Box::pin(async move {
                if fails {
                    return Err(LogError::unavailable("a sector that can't be read"));
                }
                Ok(())
            })
        });
        let copied = block_on(copying.all()).unwrap();
        assert_eq!((copied.threads, copied.events), (3, 4));
        assert_eq!(copied.failed.len(), 1);
        assert_eq!(copied.failed[0].key(), Some(&key("b")));

        hooked.hook(|call| {
            let names = matches!(call, Call::List(_));
            Box::pin(async move {
                if names {
                    return Ok(());
                }
                Err(LogError::unavailable("gone"))
            })
        });
        let error = block_on(copying.tenant(key("b").tenant_id())).unwrap_err();
        assert!(error.is_outage(), "{error:?}");
    }
}

/// A log in front of this one, and how often it was read.
fn counted(log: &Arc<InMemorySessionLog>) -> (Arc<HookedLog>, Arc<AtomicU64>) {
    let (hooked, reads) = (HookedLog::new(log.clone()), Arc::new(AtomicU64::new(0)));
    let count = reads.clone();
    hooked.hook(move |call| {
        count.fetch_add(
            u64::from(matches!(call, Call::ReadRaw(_))),
            Ordering::SeqCst,
        );
        Box::pin(async { Ok(()) })
    });
    (Arc::new(hooked), reads)
}

#[test]
fn who_comes_again_leaves_a_thread_that_differs_alone_for_a_while_and_looks_where_it_did() {
    let (from, to) = logs();
    for log in [&from, &to] {
        append(log, &key("s"), &samples::batch("same", 20_000));
    }
    append(&from, &key("s"), &samples::batch("here", 3));
    append(&to, &key("s"), &samples::batch("there", 1));
    let (hooked, reads) = counted(&to);
    let copying = Replication::new(from.clone(), hooked).remembering();
    let differs = |copied: bus_log::Copied| match &copied.failed[..] {
        [ReplicateError::Differs { ordinal, .. }] => *ordinal,
        other => panic!("{other:?}"),
    };
    assert_eq!(differs(block_on(copying.all()).unwrap()), 20_001);
    let whole = reads.swap(0, Ordering::SeqCst);
    assert!(whole > 30, "{whole} reads");
    for n in 0..50 {
        append(&from, &key("other"), &samples::batch("b", 1));
        let copied = block_on(copying.all()).unwrap();
        assert_eq!((copied.threads, copied.events), (2, 1), "round {n}");
        assert_eq!(differs(copied), 20_001);
        assert!(block_on(copying.thread(&key("s"))).is_err());
    }
    // The other thread is compared, too. Two reads are a try.
    let again = reads.load(Ordering::SeqCst);
    assert!(again < 100, "{again} reads");
}

#[test]
fn a_thread_that_is_busy_holds_up_nobody_who_comes_again() {
    let (from, to) = logs();
    for name in ["busy", "free"] {
        append(&from, &key(name), &samples::batch("b", 2));
    }
    let hooked = Arc::new(HookedLog::new(to.clone()));
    hooked.hook(|call| {
        let holds = matches!(call, Call::Append(key) if key.thread_id() == "busy");
        Box::pin(async move {
            if holds {
                return Err(LogError::busy("somebody"));
            }
            Ok(())
        })
    });
    let copying = Replication::new(from.clone(), hooked.clone())
        .with_retry_for(Duration::from_secs(3600))
        .remembering();
    for n in 0..20 {
        let copied = block_on(copying.all()).unwrap();
        assert_eq!((copied.threads, copied.failed.len()), (2, 1), "round {n}");
        append(&from, &key("free"), &samples::batch("c", 1));
    }
    hooked.heal();
    let copied = bus_testkit::eventually(Duration::from_secs(60), || {
        block_on(copying.all()).unwrap().failed.is_empty()
    });
    assert!(copied);
    assert_equal(&from, &to, &key("busy"));
}

#[test]
fn what_a_list_takes_is_no_time_of_the_copies_under_way() {
    let (from, to) = logs();
    let other = ThreadKey::new(TenantId::new("zeta"), "s");
    append(&from, &key("s"), &samples::batch("b", 10));
    append(&from, &other, &samples::batch("b", 3));
    let hooked = Arc::new(HookedLog::new(from.clone()));
    let (reads, target) = (AtomicU64::new(0), to.clone());
    hooked.hook(move |call| {
        let fails = match call {
            // Until the first tenant's thread is copied.
            Call::List(tenant) if tenant.as_str() == "zeta" => {
                block_on(target.bounds(&key("s"))).unwrap().last < 10
            }
            Call::ReadRaw(thread) if *thread == key("s") => {
                reads.fetch_add(1, Ordering::SeqCst) == 0
            }
            _ => false,
        };
        Box::pin(async move {
            if fails {
                return Err(LogError::unavailable("not now"));
            }
            Ok(())
        })
    });
    let copying = Replication::new(hooked, to.clone()).with_retry_for(Duration::from_secs(2));
    let copied = block_on(copying.all()).unwrap();
    assert!(copied.failed.is_empty(), "{:?}", copied.failed);
    assert_equal(&from, &to, &key("s"));
    assert_equal(&from, &to, &other);
}
