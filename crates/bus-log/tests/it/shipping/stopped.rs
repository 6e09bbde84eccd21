//! Threads that can't be shipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus_log::{LogError, LogErrorKind, ReplicateError, SessionLog, TenantId, ThreadKey};
use bus_testkit::samples;
use futures_timer::Delay;

use super::{Memory, append, assert_level, flush, quick, shipping};
use crate::support::{Call, HookedLog, LONG, block_on, key, wait_until};

#[test]
fn a_remote_log_that_is_ahead_stops_that_thread_alone() {
    let (local, remote) = (Memory::default(), Memory::default());
    append(&remote, &key("s"), &samples::batch("another host", 4)).unwrap();
    let log = shipping(&local, &remote, quick());
    append(&log, &key("s"), &samples::batch("here", 2)).unwrap();
    append(&log, &key("t"), &samples::batch("here", 2)).unwrap();
    let refused = block_on(log.flush(Instant::now() + LONG)).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable);
    wait_until("the other thread is shipped", || {
        block_on(remote.bounds(&key("t"))).unwrap().last == 2
    });
    let lag = log.lag();
    assert_eq!(lag.stopped_threads, 1);
    let why = lag.stopped.first().map(|why| &**why);
    assert!(
        matches!(why, Some(ReplicateError::Ahead { key, source_last: 2, target_last: 4, .. }) if key.thread_id() == "s"),
        "{why:?}"
    );
    // It goes on here, and is left as it is there.
    assert_eq!(
        append(&log, &key("s"), &samples::batch("more", 1)).unwrap(),
        3
    );
    assert_eq!(block_on(remote.bounds(&key("s"))).unwrap().last, 4);
}

#[test]
fn a_long_thread_that_differs_at_its_end_is_told_and_holds_nobody_up() {
    let (local, remote) = (Memory::default(), Memory::default());
    for _ in 0..20 {
        let same = samples::batch("same", 1000);
        for log in [&local, &remote] {
            append(log, &key("s"), &same).unwrap();
        }
    }
    append(&local, &key("s"), &samples::batch("here", 1)).unwrap();
    append(&remote, &key("s"), &samples::batch("there", 1)).unwrap();
    let slow = Arc::new(HookedLog::new(remote.clone()));
    let reads = Arc::new(AtomicUsize::new(0));
    let count = reads.clone();
    slow.hook(move |call| {
        let takes = match call {
            Call::ReadRaw(_) => Duration::from_millis(20),
            _ => Duration::ZERO,
        };
        count.fetch_add(usize::from(!takes.is_zero()), Ordering::SeqCst);
        Box::pin(async move {
            Delay::new(takes).await;
            Ok(())
        })
    });
    let config = quick()
        .with_look_every(LONG)
        .with_answer_within(Duration::from_millis(250));
    let log = shipping(&local, &slow, config);
    append(&log, &key("t"), &samples::batch("other", 1)).unwrap();
    wait_until("the other thread is shipped", || {
        block_on(remote.bounds(&key("t"))).unwrap().last == 1
    });
    let stopped = || log.lag().stopped.first().map(|why| (**why).clone());
    wait_until("it is told", || {
        matches!(
            stopped(),
            Some(ReplicateError::Differs {
                ordinal: 20_001,
                ..
            })
        )
    });
    // Tried again, it is looked at there and not all over.
    let before = reads.load(Ordering::SeqCst);
    let flushed = block_on(log.flush(Instant::now() + LONG));
    assert_eq!(flushed.unwrap_err().kind(), LogErrorKind::Unavailable);
    let again = reads.load(Ordering::SeqCst) - before;
    assert!(again < 30, "{again} reads");
    assert!(matches!(
        stopped(),
        Some(ReplicateError::Differs {
            ordinal: 20_001,
            ..
        })
    ));
}

#[test]
fn a_flush_after_the_repair_waits_for_what_was_stopped_to_be_tried_again() {
    let (local, remote) = (Memory::default(), Memory::default());
    let hooked = Arc::new(HookedLog::new(remote.clone()));
    let log = shipping(&local, &hooked, quick().with_look_every(LONG));
    for round in 0..20 {
        hooked.hook(|call| {
            let refuses = matches!(call, Call::Append(key) if key.thread_id() == "s");
            Box::pin(async move {
                if refuses {
                    return Err(LogError::invalid("too many"));
                }
                Ok(())
            })
        });
        append(&log, &key("s"), &samples::batch("b", 2)).unwrap();
        wait_until("it is stopped, as another thread is taken", || {
            append(&log, &key("other"), &samples::batch("b", 1)).unwrap();
            log.lag().stopped_threads == 1
        });
        let _ = block_on(log.flush(Instant::now() + LONG)).unwrap_err();
        assert_eq!(log.lag().stopped_threads, 1);
        // As far away as a server.
        hooked.hook(|call| {
            let asks = matches!(call, Call::Bounds);
            Box::pin(async move {
                if asks {
                    Delay::new(Duration::from_millis(2)).await;
                }
                Ok(())
            })
        });
        let flushed = block_on(log.flush(Instant::now() + LONG));
        assert!(flushed.is_ok(), "round {round}: {flushed:?}");
    }
    let lag = log.lag();
    assert!(lag.is_level(), "{lag:?}");
    assert_level(&*local, &*remote);
}

#[test]
fn a_thread_that_is_refused_alone_is_named_and_a_flush_says_why() {
    let (local, remote) = (Memory::default(), Memory::default());
    let hooked = Arc::new(HookedLog::new(remote.clone()));
    hooked.hook(|call| {
        let refuses = matches!(call, Call::Append(key) if key.thread_id() == "refused");
        Box::pin(async move {
            if refuses {
                return Err(LogError::unavailable("not you"));
            }
            Ok(())
        })
    });
    let log = shipping(&local, &hooked, quick());
    append(&log, &key("refused"), &samples::batch("b", 2)).unwrap();
    wait_until("it is alone", || {
        // The others show that the remote log is there.
        append(&log, &key("served"), &samples::batch("b", 1)).unwrap();
        log.lag().troubled_threads == 1
    });
    let lag = log.lag();
    assert!(!lag.is_level());
    assert_eq!(
        lag.troubled.first().and_then(|why| why.key()),
        Some(&key("refused"))
    );
    let error = block_on(log.flush(Instant::now() + Duration::from_millis(20))).unwrap_err();
    let why = std::error::Error::source(&error).map(ToString::to_string);
    assert!(why.is_some(), "{error:?}");
    hooked.heal();
    flush(&log);
    assert_eq!(log.lag().troubled_threads, 0);
    assert_level(&*local, &*remote);
}

#[test]
fn a_local_log_that_can_not_name_all_its_threads_is_never_level() {
    let (local, remote) = (Memory::default(), Memory::default());
    for name in ["a", "b"] {
        let key = ThreadKey::new(TenantId::new(name), "s");
        append(&local, &key, &samples::batch("b", 3)).unwrap();
    }
    let hooked = Arc::new(HookedLog::new(local.clone()));
    hooked.hook(|call| {
        let is_damaged = matches!(call, Call::List(tenant) if tenant.as_str() == "a");
        Box::pin(async move {
            if is_damaged {
                return Err(LogError::corrupt("a folder that can't be read"));
            }
            Ok(())
        })
    });
    let log = shipping(&hooked, &remote, quick());
    let error = block_on(log.flush(Instant::now() + LONG)).unwrap_err();
    let why = std::error::Error::source(&error).map(ToString::to_string);
    assert!(why.is_some_and(|why| why.contains("listed")), "{error:?}");
    let other = ThreadKey::new(TenantId::new("b"), "s");
    assert_eq!(
        block_on(remote.bounds(&other)).unwrap().last,
        3,
        "it waits for the others"
    );
    let lag = log.lag();
    assert!(!lag.is_level() && lag.unnamed.is_some(), "{lag:?}");
    hooked.heal();
    flush(&log);
    let lag = log.lag();
    assert!(lag.is_level() && lag.unnamed.is_none(), "{lag:?}");
    assert_level(&*local, &*remote);
}

#[test]
fn what_was_archived_whole_before_it_was_shipped_is_told_as_a_gap() {
    let (local, remote) = (Memory::default(), Memory::default());
    let batch = samples::batch("b", 10);
    append(&local, &key("s"), &batch).unwrap();
    append(&remote, &key("s"), &batch[..4]).unwrap();
    block_on(local.archive_before(&key("s"), 10)).unwrap();
    let log = shipping(&local, &remote, quick());
    block_on(log.flush(Instant::now() + LONG)).unwrap_err();
    let lag = log.lag();
    let why = lag.stopped.first().map(|why| &**why);
    assert!(
        matches!(why, Some(ReplicateError::Gap { key, first: 5, last: 10, .. }) if key.thread_id() == "s"),
        "{why:?}"
    );
}
