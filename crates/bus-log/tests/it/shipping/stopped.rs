//! Threads that can't be shipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, ReplicateError, SessionLog};
use bus_testkit::samples;
use futures_timer::Delay;

use super::{Memory, append, quick, shipping};
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
        matches!(why, Some(ReplicateError::Ahead { key, source_last: 2, target_last: 4 }) if key.thread_id() == "s"),
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
