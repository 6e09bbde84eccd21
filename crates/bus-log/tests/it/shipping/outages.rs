//! The remote log fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{
    Expect, InMemorySessionLog, LogError, LogErrorKind, SessionLog, ShippingConfig, Utc,
    encoded_bytes,
};
use bus_testkit::{Fault, FaultyLog, Gate, samples};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Memory, append, assert_level, flush, quick, shipping};
use crate::support::{Call, HookedLog, RoughLog, block_on, key, roughness, wait_until};

#[test]
fn an_outage_is_invisible_to_who_appends_and_over_when_the_remote_log_is_back() {
    let (local, remote) = (Memory::default(), Memory::default());
    let away = Arc::new(FaultyLog::new(remote.clone()));
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    let log = shipping(&local, &away, quick());
    for n in 0..100 {
        append(&log, &key("s"), &samples::batch(&n.to_string(), 3)).unwrap();
    }
    wait_until("the outage is noticed", || log.lag().outage.is_some());
    let lag = log.lag();
    assert_eq!((lag.events, lag.threads, lag.shipped), (300, 1, 0));
    assert!(lag.bytes > 0 && lag.behind > Duration::ZERO, "{lag:?}");
    let error = block_on(log.flush(Instant::now())).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    away.heal();
    flush(&log);
    let lag = log.lag();
    assert!(lag.is_level() && lag.outage.is_none(), "{lag:?}");
    assert_level(&local, &remote);
}

#[test]
fn a_remote_log_that_does_not_answer_counts_as_away() {
    let (local, remote) = (Memory::default(), Memory::default());
    let hanging = Arc::new(FaultyLog::new(remote.clone()));
    hanging.always(Fault::Wait(Gate::closed()));
    let config = quick().with_answer_within(Duration::from_millis(10));
    let log = shipping(&local, &hanging, config);
    append(&log, &key("s"), &samples::batch("b", 3)).unwrap();
    wait_until("it is told", || log.lag().outage.is_some());
    hanging.heal();
    flush(&log);
    assert!(hanging.tried().len() > 1);
    assert_level(&local, &remote);
}

#[test]
fn past_the_budget_appends_fail_with_nothing_written_and_nothing_acknowledged_is_lost() {
    let (local, remote) = (Memory::default(), Memory::default());
    let away = Arc::new(FaultyLog::new(remote.clone()));
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    let batch = samples::batch("b", 10);
    let bytes: usize = batch.iter().map(encoded_bytes).sum();
    let budget = 5 * bytes as u64;
    let log = shipping(&local, &away, quick().with_budget(Some(budget)));
    let mut written = 0;
    let refused = loop {
        match append(&log, &key("s"), &batch) {
            Ok(last) => written = last,
            Err(error) => break error,
        }
        assert!(written <= 50, "the budget lets {written} events in");
    };
    assert_eq!(refused.kind(), LogErrorKind::Unavailable);
    assert!(refused.to_string().contains("budget"), "{refused}");
    assert_eq!(written, 50);
    // Also of other threads, and also after a while.
    assert!(append(&log, &key("t"), &batch).is_err());
    let local_last = block_on(log.bounds(&key("s"))).unwrap().last;
    assert_eq!(
        local_last, written,
        "a refused append has written something"
    );
    assert_eq!(block_on(log.load_since(&key("s"), 0)).unwrap().len(), 50);
    assert!(log.lag().refused >= 2);

    away.heal();
    flush(&log);
    append(&log, &key("s"), &batch).unwrap();
    flush(&log);
    assert_level(&local, &remote);
    assert_eq!(block_on(remote.bounds(&key("s"))).unwrap().last, 60);
}

#[test]
fn archiving_waits_for_what_it_hides_to_be_shipped() {
    let (local, remote) = (Memory::default(), Memory::default());
    let away = Arc::new(FaultyLog::new(remote.clone()));
    let log = shipping(
        &local,
        &away,
        quick().with_patience(Duration::from_millis(50)),
    );
    append(&log, &key("s"), &samples::batch("b", 10)).unwrap();
    flush(&log);
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    append(&log, &key("s"), &samples::batch("c", 10)).unwrap();
    // Nothing may go that the remote log can't be asked about: it may come back without it.
    for watermark in [10, 15] {
        let refused = block_on(log.archive_before(&key("s"), watermark)).unwrap_err();
        assert_eq!(refused.kind(), LogErrorKind::Unavailable);
        assert_eq!(block_on(local.bounds(&key("s"))).unwrap().watermark, 0);
    }
    away.heal();
    flush(&log);
    assert_eq!(block_on(log.archive_before(&key("s"), 15)).unwrap(), 15);
    assert_eq!(block_on(remote.bounds(&key("s"))).unwrap().watermark, 0);
}

#[test]
fn a_call_that_fails_at_any_place_costs_nothing_but_time() {
    use crate::support::Roughness::{DoneThenFailed, Panics, Refused, Smooth};
    for place in 0..24 {
        for what in [Refused, DoneThenFailed, Panics] {
            let (local, remote) = (Memory::default(), Memory::default());
            let rough = Arc::new(RoughLog::new(remote.clone()));
            let smooth = std::iter::repeat_n(Smooth, place);
            rough.script(smooth.chain([what]));
            let log = shipping(&local, &rough, quick());
            for n in 0..4 {
                let name = ["a", "b"][n % 2];
                append(&log, &key(name), &samples::batch(&n.to_string(), 7)).unwrap();
            }
            // A thread that a panic stopped is tried again when the local log is looked through.
            wait_until("all is shipped", || log.lag().is_level());
            assert_level(&local, &remote);
        }
    }
}

/// What is done to the log meanwhile.
#[derive(Clone, Debug)]
enum Deed {
    Append { thread: usize, count: usize },
    Erase { thread: usize },
    Archive { thread: usize, watermark: u64 },
    Reopen,
}

fn deed() -> impl Strategy<Value = Deed> {
    let thread = || 0..3_usize;
    prop_oneof![
        8 => (thread(), 1..9_usize).prop_map(|(thread, count)| Deed::Append { thread, count }),
        1 => thread().prop_map(|thread| Deed::Erase { thread }),
        2 => (thread(), 0..40_u64)
            .prop_map(|(thread, watermark)| Deed::Archive { thread, watermark }),
        1 => Just(Deed::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_the_remote_log_is_behind_or_level_and_never_something_else(
        faults in vec(roughness(), 0..60),
        local_faults in vec(roughness(), 0..20),
        deeds in vec(deed(), 1..30),
    ) {
        let (local, remote) = (Memory::default(), Memory::default());
        let rough = Arc::new(RoughLog::<InMemorySessionLog>::new(remote.clone()));
        rough.script(faults);
        let config = || -> ShippingConfig {
            quick().with_patience(Duration::from_millis(20)).with_keep(Some(5))
        };
        let mut log = shipping(&local, &rough, config());
        let keys = ["a", "b", "c"].map(key);
        for (n, deed) in deeds.iter().enumerate() {
            match *deed {
                Deed::Append { thread, count } => {
                    let batch = samples::batch(&n.to_string(), count);
                    let appended = log.append_entries(&keys[thread], Expect::Any, &batch);
                    block_on(appended).unwrap();
                }
                Deed::Erase { thread } => {
                    let known = block_on(local.bounds(&keys[thread])).unwrap().is_known();
                    let erased = block_on(log.erase(&keys[thread]));
                    // Only the remote log can say whether there is something to erase of what is unknown here.
                    prop_assert!(erased.is_ok() || !known, "{erased:?}");
                }
                // What is not shipped in time is refused.
                Deed::Archive { thread, watermark } => {
                    let _ = block_on(log.archive_before(&keys[thread], watermark));
                }
                Deed::Reopen => {
                    drop(log);
                    // Its own faults, too, while it is opened.
                    let shaky = Arc::new(RoughLog::new(local.clone()));
                    shaky.script(local_faults.iter().copied());
                    drop(shipping(&shaky, &rough, config()));
                    log = shipping(&local, &rough, config());
                }
            }
            for key in &keys {
                let there = block_on(remote.bounds(key)).unwrap().last;
                let here = block_on(local.bounds(key)).unwrap().last;
                prop_assert!(there <= here, "{key}: {there} shipped of {here}");
            }
        }
        rough.script([]);
        let level = bus_testkit::eventually(Duration::from_secs(20), || log.lag().is_level());
        prop_assert!(level, "{:?}", log.lag());
        drop(log);
        assert_level(&local, &remote);
    }
}

#[test]
fn appends_that_the_local_log_refuses_use_up_no_budget() {
    for refusal in [
        LogError::unavailable("no room"),
        LogError::internal("broken"),
        LogError::corrupt("damaged"),
    ] {
        let (local, remote) = (Memory::default(), Memory::default());
        let full = Arc::new(HookedLog::new(local.clone()));
        full.hook(move |call| {
            let refused = matches!(call, Call::Append(_)).then(|| refusal.clone());
            Box::pin(async { refused.map_or(Ok(()), Err) })
        });
        let away = Arc::new(FaultyLog::new(remote.clone()));
        away.always(Fault::Refuse(LogErrorKind::Unavailable));
        let batch = samples::batch("b", 1);
        let bytes: usize = batch.iter().map(encoded_bytes).sum();
        let log = shipping(&full, &away, quick().with_budget(Some(10 * bytes as u64)));
        for _ in 0..1000 {
            let refused = append(&log, &key("s"), &batch).unwrap_err();
            assert!(!refused.to_string().contains("budget"), "{refused}");
        }
        // There is room again, though the remote log is still away.
        full.heal();
        append(&log, &key("s"), &batch).unwrap();
        away.heal();
        flush(&log);
        let lag = log.lag();
        assert_eq!((lag.refused, lag.bytes), (0, 0), "{lag:?}");
        assert_level(&*local, &*remote);
    }
}

#[test]
fn a_host_that_starts_again_and_again_during_an_outage_stays_within_the_budget() {
    let (local, remote) = (Memory::default(), Memory::default());
    let away = Arc::new(HookedLog::new(remote.clone()));
    away.hook(|_| Box::pin(async { Err(LogError::unavailable("gone")) }));
    let batch = samples::batch("b", 10);
    let bytes: usize = batch.iter().map(encoded_bytes).sum();
    let config = quick()
        .with_budget(Some(20 * bytes as u64))
        .with_keep(Some(0));
    for start in 0..10 {
        let log = shipping(&local, &away, config.clone());
        wait_until("the outage is noticed", || {
            let lag = log.lag();
            lag.looked_through && (lag.outage.is_some() || start == 0)
        });
        for _ in 0..5 {
            // The first start's first ones come before the outage.
            let _ = append(&log, &key("s"), &batch);
        }
        wait_until("it knows of the outage", || log.lag().outage.is_some());
    }
    let last = block_on(local.bounds(&key("s"))).unwrap().last;
    assert!((190..=260).contains(&last), "{last} events");
    away.heal();
    let log = shipping(&local, &away, config);
    flush(&log);
    append(&log, &key("s"), &batch).unwrap();
    flush(&log);
    let lag = log.lag();
    assert_eq!((lag.bytes, lag.refused), (0, 0));
    assert_eq!(block_on(remote.bounds(&key("s"))).unwrap().last, last + 10);
}

#[test]
fn what_waits_from_before_the_start_has_waited_since_it_happened() {
    let (local, remote) = (Memory::default(), Memory::default());
    let mut old = samples::batch("b", 10);
    for entry in &mut old {
        entry.at = Utc::now() - chrono::Duration::hours(2);
    }
    append(&*local, &key("s"), &old).unwrap();
    let away = Arc::new(FaultyLog::new(remote.clone()));
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    let log = shipping(&local, &away, quick());
    wait_until("it was tried", || log.lag().events == 10);
    let lag = log.lag();
    assert!(lag.behind >= Duration::from_secs(7199), "{lag:?}");
    append(&log, &key("t"), &samples::batch("b", 1)).unwrap();
    away.heal();
    flush(&log);
    assert_eq!(log.lag().behind, Duration::ZERO);
    assert_level(&*local, &*remote);
}

/// Ticks of the processor that the shipper of this process has had, of which a second has a hundred.
#[cfg(target_os = "linux")]
fn shipper_ticks() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let shippers = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, fields) = stat.split_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        name.ends_with("(bus-log-shipper")
            .then(|| ticks(11).zip(ticks(12)))?
            .map(|(own, system)| own + system)
    });
    shippers.sum()
}

#[cfg(target_os = "linux")]
#[test]
fn a_shipper_that_gives_back_as_an_outage_comes_waits_without_working() {
    let test = concat!(
        module_path!(),
        "::a_shipper_that_gives_back_as_an_outage_comes_waits_without_working"
    );
    // Other shippers of the process would count.
    bus_testkit::alone(test, waits_without_working);
}

#[cfg(target_os = "linux")]
fn waits_without_working() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (local, remote) = (Memory::default(), Memory::default());
    let hanging = Arc::new(HookedLog::new(local.clone()));
    let hangs = Arc::new(AtomicBool::new(false));
    let arrived = Arc::new(AtomicBool::new(false));
    let (is_hanging, arrives) = (hangs.clone(), arrived.clone());
    hanging.hook(move |call| {
        let archives = matches!(call, Call::Archive);
        let hangs = archives && is_hanging.load(Ordering::SeqCst);
        if hangs {
            arrives.store(true, Ordering::SeqCst);
        }
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            if archives {
                return Err(LogError::unavailable("not now"));
            }
            Ok(())
        })
    });
    let away = Arc::new(HookedLog::new(remote.clone()));
    let config = quick()
        .with_look_every(Duration::from_secs(600))
        .with_keep(Some(1))
        .with_longest_pause(Duration::from_secs(1))
        .with_threads_at_once(2)
        // Longer than it is watched.
        .with_answer_within(Duration::from_secs(6));
    let log = shipping(&hanging, &away, config);
    append(&log, &key("s"), &samples::batch("b", 2000)).unwrap();
    flush(&log);
    hangs.store(true, Ordering::SeqCst);
    append(&log, &key("s"), &samples::batch("c", 1)).unwrap();
    wait_until("it gives back", || arrived.load(Ordering::SeqCst));
    away.hook(|_| Box::pin(async { Err(LogError::unavailable("gone")) }));
    append(&log, &key("t"), &samples::batch("b", 1)).unwrap();
    wait_until("the remote log is away", || log.lag().outage.is_some());
    let before = shipper_ticks();
    let works = bus_testkit::eventually(Duration::from_secs(2), || shipper_ticks() > before + 20);
    assert!(!works, "it works on while it waits");
}
