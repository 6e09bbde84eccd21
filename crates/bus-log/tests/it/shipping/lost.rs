//! The remote log loses what it had taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bus_log::{LogError, LogErrorKind, ReplicateError, Replication, SessionLog};
use bus_testkit::{Fault, FaultyLog, samples};

use super::{Memory, append, assert_level, flush, quick, shipping};
use crate::support::{Call, HookedLog, LONG, SwappedLog, block_on, key, wait_until};

fn last(log: &dyn SessionLog, name: &str) -> u64 {
    block_on(log.bounds(&key(name))).unwrap().last
}

#[test]
fn a_remote_log_that_comes_back_empty_is_given_all_again() {
    let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
    let log = shipping(&local, &remote, quick().with_look_every(LONG));
    append(&log, &key("s"), &samples::batch("b", 10)).unwrap();
    flush(&log);
    assert!(log.lag().is_level());
    remote.swap(Memory::default());
    flush(&log);
    assert_eq!(last(&*remote, "s"), 10, "a flush notices");
    let lag = log.lag();
    assert!(lag.is_level(), "{lag:?}");
    assert_eq!((lag.lost, lag.shipped), (10, 20));
    assert_level(&*local, &*remote);
}

#[test]
fn nothing_is_archived_that_the_remote_log_has_lost() {
    let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
    let away = Arc::new(FaultyLog::new(remote.clone()));
    let config = quick()
        .with_look_every(LONG)
        .with_patience(Duration::from_millis(500));
    let log = shipping(&local, &away, config);
    append(&log, &key("s"), &samples::batch("b", 10)).unwrap();
    flush(&log);
    remote.swap(Memory::default());
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    let refused = block_on(log.archive_before(&key("s"), 10)).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable);
    assert_eq!(block_on(local.bounds(&key("s"))).unwrap().watermark, 0);
    away.heal();
    let mut archived = None;
    wait_until("it is archived", || {
        archived = block_on(log.archive_before(&key("s"), 10)).ok();
        archived.is_some()
    });
    assert_eq!((archived, last(&*remote, "s")), (Some(10), 10));
}

#[test]
fn what_the_remote_log_lost_in_an_outage_is_shipped_again_before_the_lag_says_level() {
    let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
    let away = Arc::new(FaultyLog::new(remote.clone()));
    let log = shipping(&local, &away, quick().with_look_every(LONG));
    let batch = samples::batch("b", 10);
    for name in ["a", "b", "c"] {
        append(&log, &key(name), &batch).unwrap();
    }
    flush(&log);
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    append(&log, &key("other"), &batch).unwrap();
    wait_until("the outage is noticed", || log.lag().outage.is_some());
    // It comes back as it was a while ago.
    let older = Memory::default();
    append(&older, &key("a"), &batch).unwrap();
    append(&older, &key("b"), &batch[..4]).unwrap();
    remote.swap(older);
    away.heal();
    wait_until("it is level", || log.lag().is_level());
    assert_level(&*local, &*remote);
    assert_eq!(log.lag().lost, 16);
}

#[test]
fn what_the_remote_log_lost_unnoticed_is_found_now_and_then() {
    let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
    let config = quick().with_look_every(Duration::from_millis(10));
    let log = shipping(&local, &remote, config);
    append(&log, &key("s"), &samples::batch("b", 10)).unwrap();
    flush(&log);
    remote.swap(Memory::default());
    wait_until("it is shipped again", || last(&*remote, "s") == 10);
}

#[test]
fn what_was_given_back_and_is_lost_there_is_told() {
    let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
    let log = shipping(&local, &remote, quick().with_keep(Some(2)));
    let batch = samples::batch("b", 10);
    append(&log, &key("s"), &batch).unwrap();
    flush(&log);
    wait_until("it is given back", || {
        block_on(local.bounds(&key("s"))).unwrap().watermark == 8
    });
    let older = Memory::default();
    append(&older, &key("s"), &batch[..4]).unwrap();
    remote.swap(older);
    block_on(log.flush(Instant::now() + LONG)).unwrap_err();
    let lag = log.lag();
    let why = lag.stopped.first().map(|why| &**why);
    assert!(
        matches!(
            why,
            Some(ReplicateError::Gap {
                first: 5,
                last: 8,
                ..
            })
        ),
        "{why:?}"
    );
    assert_eq!(lag.lost, 6);

    // What is left there is the only copy: no mirror takes it.
    let mirror = Replication::new(local.clone(), remote.clone()).mirroring();
    let copied = block_on(mirror.thread(&key("s")));
    assert!(
        matches!(
            copied,
            Err(ReplicateError::Gap {
                first: 5,
                last: 8,
                ..
            })
        ),
        "{copied:?}"
    );
    assert_eq!(block_on(remote.load_since(&key("s"), 0)).unwrap().len(), 4);
    // Unless its keeper hides it there first.
    block_on(remote.archive_before(&key("s"), 4)).unwrap();
    assert_eq!(block_on(mirror.thread(&key("s"))).unwrap().last, 10);
}

#[test]
fn what_was_given_back_is_told_as_lost_where_the_remote_log_comes_back_empty() {
    for (keep, given_back) in [(2, 8), (0, 10)] {
        let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
        let log = shipping(&local, &remote, quick().with_keep(Some(keep)));
        append(&log, &key("s"), &samples::batch("b", 10)).unwrap();
        flush(&log);
        wait_until("it is given back", || {
            block_on(local.bounds(&key("s"))).unwrap().watermark == given_back
        });
        remote.swap(Memory::default());
        for _ in 0..2 {
            block_on(log.flush(Instant::now() + LONG)).unwrap_err();
            let lag = log.lag();
            let why = lag.stopped.first().map(|why| &**why);
            assert!(
                matches!(
                    why,
                    Some(ReplicateError::Gap { first: 1, last, .. }) if *last == given_back
                ),
                "{why:?}"
            );
            assert!(!lag.is_level());
            assert_eq!((lag.lost, last(&*remote, "s")), (10, 0));
        }
    }
}

#[test]
fn what_the_remote_log_never_had_it_can_not_lose() {
    let (local, remote) = (Memory::default(), Arc::new(SwappedLog::default()));
    append(&local, &key("s"), &samples::batch("b", 10)).unwrap();
    block_on(local.archive_before(&key("s"), 8)).unwrap();
    let log = shipping(&local, &remote, quick());
    flush(&log);
    remote.swap(Memory::default());
    flush(&log);
    assert_eq!(last(&*remote, "s"), 10);
    assert_level(&*local, &*remote);
}

#[test]
fn nothing_is_given_back_while_the_remote_log_is_away() {
    let (local, remote) = (Memory::default(), Memory::default());
    let (hooked, away) = (
        Arc::new(HookedLog::new(local.clone())),
        Arc::new(HookedLog::new(remote.clone())),
    );
    let pages = Arc::new(AtomicU64::new(0));
    // So that there is something to give back when the outage comes.
    let taken = pages.clone();
    hooked.hook(move |call| {
        let fails = matches!(call, Call::Archive) && taken.load(Ordering::SeqCst) == 0;
        Box::pin(async move {
            if fails {
                return Err(LogError::unavailable("not now"));
            }
            Ok(())
        })
    });
    let config = quick().with_look_every(LONG).with_keep(Some(0));
    let log = shipping(&hooked, &away, config);
    append(&log, &key("s"), &samples::batch("b", 2000)).unwrap();
    flush(&log);
    // Two pages, of which the first is taken; until it is healed the remote log can't be checked.
    away.hook(move |call| {
        let is_page = matches!(call, Call::Append(_));
        let fails = !is_page || pages.fetch_add(1, Ordering::SeqCst) > 0;
        Box::pin(async move {
            if fails {
                return Err(LogError::unavailable("gone"));
            }
            Ok(())
        })
    });
    let large: Vec<_> = (0..8).map(|n| samples::of_size((1 << 20) + n)).collect();
    append(&log, &key("s"), &large).unwrap();
    wait_until("the outage is noticed", || log.lag().outage.is_some());
    wait_until("it was tried again", || away.calls() > 20);
    assert_eq!(block_on(local.bounds(&key("s"))).unwrap().watermark, 0);
    away.heal();
    flush(&log);
    append(&log, &key("s"), &samples::batch("d", 1)).unwrap();
    wait_until("it is given back", || {
        block_on(local.bounds(&key("s"))).unwrap().watermark > 2000
    });
}

#[test]
fn a_thread_that_reaches_a_remote_one_that_was_ahead_does_not_go_on_over_somebody_elses_events() {
    let (local, remote) = (Memory::default(), Memory::default());
    append(&remote, &key("s"), &samples::batch("host a", 100)).unwrap();
    block_on(remote.archive_before(&key("s"), 100)).unwrap();
    let log = shipping(&local, &remote, quick().with_keep(Some(0)));
    append(&log, &key("s"), &samples::batch("host b", 50)).unwrap();
    block_on(log.flush(Instant::now() + LONG)).unwrap_err();
    assert!(matches!(
        log.lag().stopped.first().map(|why| &**why),
        Some(ReplicateError::Ahead { .. })
    ));
    append(&log, &key("s"), &samples::batch("host b", 51)).unwrap();
    for _ in 0..3 {
        block_on(log.flush(Instant::now() + LONG)).unwrap_err();
        let lag = log.lag();
        let why = lag.stopped.first().map(|why| &**why);
        assert!(
            matches!(
                why,
                Some(ReplicateError::Hidden {
                    first: 1,
                    last: 100,
                    ..
                })
            ),
            "{why:?}"
        );
    }
    assert_eq!(last(&*remote, "s"), 100);
    assert_eq!(block_on(local.bounds(&key("s"))).unwrap().readable(), 101);
}

#[test]
fn what_could_not_be_compared_is_shipped_and_not_given_back() {
    let (local, remote) = (Memory::default(), Memory::default());
    // A server may archive what it has: that is no reason to stop, and none to give up the only copy.
    append(&remote, &key("s"), &samples::batch("b", 20)).unwrap();
    block_on(remote.archive_before(&key("s"), 20)).unwrap();
    append(&local, &key("s"), &samples::batch("b", 20)).unwrap();
    append(&local, &key("t"), &samples::batch("b", 20)).unwrap();
    let log = shipping(&local, &remote, quick().with_keep(Some(0)));
    append(&log, &key("s"), &samples::batch("c", 5)).unwrap();
    flush(&log);
    assert_eq!(last(&*remote, "s"), 25);
    for _ in 0..2 {
        wait_until("the other is given back", || {
            block_on(local.bounds(&key("t"))).unwrap().readable() == 0
        });
        append(&log, &key("t"), &samples::batch("d", 1)).unwrap();
    }
    assert_eq!(block_on(local.bounds(&key("s"))).unwrap().readable(), 25);
    // Nor does who asks for it hide it.
    let refused = block_on(log.archive_before(&key("s"), 25)).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable);
    assert_eq!(block_on(local.bounds(&key("s"))).unwrap().readable(), 25);
}
