//! A log that is shipped to another one.

mod lost;
mod outages;
mod stopped;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus_log::{
    Bounds, Entry, Expect, InMemorySessionLog, Result, SessionLog, ShippingConfig, ShippingLog,
    ThreadKey,
};
use bus_testkit::{Ability, Gate, Harness, Profile, samples};

use crate::support::{Call, HookedLog, LONG, RoughLog, Roughness, block_on, key, wait_until};

type Memory = Arc<InMemorySessionLog>;

/// Two logs in memory, one shipped to the other.
#[derive(Default)]
pub(crate) struct Shipped {
    local: Memory,
    remote: Memory,
    shaky: bool,
}

impl Shipped {
    /// Of eleven calls of the remote log, two fail.
    pub(crate) fn to_a_shaky_log() -> Self {
        let mut shipped = Self::default();
        shipped.shaky = true;
        shipped
    }
}

impl Harness for Shipped {
    fn profile(&self) -> Profile {
        Profile::new("a shipping log", "is in the local log")
            .cannot(Ability::SecondHandle, "no other process can see it")
            .cannot(Ability::SecondWriter, "no other process can see it")
            .cannot(Ability::ByteSearch, "its local log has no directory")
            .cannot(Ability::Failing, "its local log has no medium")
            // What fails is tried again after a pause.
            .with_model_cases(if self.shaky { 24 } else { 128 })
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        let remote: Arc<dyn SessionLog> = if self.shaky {
            let shaky = RoughLog::new(self.remote.clone());
            // Long enough in between for what takes five calls.
            let smooth = |calls| std::iter::repeat_n(Roughness::Smooth, calls);
            let refused = smooth(6).chain([Roughness::Refused]);
            let failed = smooth(3).chain([Roughness::DoneThenFailed]);
            let script: Vec<_> = refused.chain(failed).collect();
            shaky.script(script.into_iter().cycle().take(1 << 16));
            Arc::new(shaky)
        } else {
            self.remote.clone()
        };
        let log = ShippingLog::with_config(self.local.clone(), remote, quick())?;
        Ok(Arc::new(log))
    }
}

impl Drop for Shipped {
    /// Whatever a law did, it is in the remote log in the end.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let shipping = shipping(&self.local, &self.remote, quick());
        flush(&shipping);
        assert_level(&self.local, &self.remote);
    }
}

/// As is right for tests: what failed is tried again soon.
fn quick() -> ShippingConfig {
    ShippingConfig::default()
        .with_longest_pause(Duration::from_millis(20))
        .with_look_every(Duration::from_millis(50))
}

fn shipping(
    local: &Arc<impl SessionLog>,
    remote: &Arc<impl SessionLog>,
    config: ShippingConfig,
) -> ShippingLog {
    ShippingLog::with_config(local.clone(), remote.clone(), config).unwrap()
}

fn append(log: &impl SessionLog, key: &ThreadKey, entries: &[Entry]) -> Result<u64> {
    block_on(log.append_entries(key, Expect::Any, entries))
}

#[track_caller]
fn flush(log: &ShippingLog) {
    let flushed = block_on(log.flush(Instant::now() + LONG));
    assert!(flushed.is_ok(), "{flushed:?}, {:?}", log.lag());
}

/// Whatever the local log can read, the remote one has, at the same ordinals and as the same bytes; and
/// it reads nothing of what was erased.
#[track_caller]
fn assert_level(local: &dyn SessionLog, remote: &dyn SessionLog) {
    let tenants = block_on(local.tenants(None, usize::MAX)).unwrap();
    for tenant in tenants {
        for summary in block_on(local.list(&tenant, None, usize::MAX)).unwrap() {
            let (key, here) = (&summary.key, summary.bounds);
            let there = block_on(remote.bounds(key)).unwrap();
            if here.readable() == 0 && there.last == 0 {
                continue;
            }
            assert_eq!(here.last, there.last, "{key}: {here:?} {there:?}");
            if here.erased {
                assert!(there.watermark >= here.watermark, "{key}: {there:?}");
                // What is archived there may still be on its disk.
                assert!(there.erased || here.readable() > 0, "{key}: {there:?}");
            }
            let after = |log: &dyn SessionLog| {
                block_on(log.read_raw(key, here.watermark, usize::MAX)).unwrap()
            };
            assert_eq!(after(local), after(remote), "{key}");
        }
    }
}

#[test]
fn what_is_appended_is_shipped_and_the_lag_says_so() {
    let (local, remote) = (Memory::default(), Memory::default());
    let log = shipping(&local, &remote, ShippingConfig::default());
    for n in 1..=50 {
        let name = ["a", "b", "c"][n % 3];
        append(&log, &key(name), &samples::batch(&format!("b{n}"), n)).unwrap();
    }
    flush(&log);
    let lag = log.lag();
    assert!(lag.is_level(), "{lag:?}");
    assert_eq!(
        (lag.shipped, lag.bytes, lag.behind),
        (1275, 0, Duration::ZERO)
    );
    assert_level(&local, &remote);
}

#[test]
fn what_was_there_before_is_shipped_too_and_what_others_write_later() {
    let (local, remote) = (Memory::default(), Memory::default());
    append(&local, &key("before"), &samples::batch("b", 5000)).unwrap();
    block_on(local.archive_before(&key("before"), 100)).unwrap();
    let log = shipping(&local, &remote, quick());
    flush(&log);
    assert_eq!(
        block_on(remote.bounds(&key("before"))).unwrap(),
        Bounds::new(100, 5000, false)
    );
    append(&local, &key("past it"), &samples::batch("b", 3)).unwrap();
    append(&local, &key("before"), &samples::batch("b", 3)).unwrap();
    wait_until("others' events are found", || {
        block_on(remote.bounds(&key("past it"))).unwrap().last == 3
            && block_on(remote.bounds(&key("before"))).unwrap().last == 5003
    });
    flush(&log);
    assert_level(&local, &remote);
}

#[test]
fn a_flush_ships_also_what_others_wrote_since_the_last_look() {
    let (local, remote) = (Memory::default(), Memory::default());
    let config = ShippingConfig::default().with_look_every(LONG * 100);
    let log = ShippingLog::with_config(local.clone(), remote.clone(), config).unwrap();
    flush(&log);
    append(&*local, &key("s"), &samples::batch("b", 3)).unwrap();
    flush(&log);
    assert_level(&*local, &*remote);
}

#[test]
fn an_erasure_reaches_the_remote_log_also_of_what_was_never_shipped() {
    let (local, remote) = (Memory::default(), Memory::default());
    let log = shipping(&local, &remote, quick());
    append(&log, &key("s"), &samples::batch("secret", 3)).unwrap();
    flush(&log);
    block_on(log.erase(&key("s"))).unwrap();
    flush(&log);
    assert_eq!(
        block_on(remote.bounds(&key("s"))).unwrap(),
        Bounds::new(3, 3, true)
    );
    // A second time, with events that were never shipped.
    drop(log);
    append(&local, &key("s"), &samples::batch("secret too", 4)).unwrap();
    block_on(local.erase(&key("s"))).unwrap();
    append(&local, &key("s"), &samples::batch("after", 2)).unwrap();
    let log = shipping(&local, &remote, quick());
    flush(&log);
    assert_eq!(
        block_on(remote.bounds(&key("s"))).unwrap(),
        Bounds::new(7, 9, true)
    );
    assert_level(&local, &remote);
}

#[test]
fn an_erasure_of_a_thread_that_only_the_remote_log_knows_is_done_there_or_fails() {
    let (local, remote) = (Memory::default(), Memory::default());
    append(&remote, &key("s"), &samples::batch("of a lost host", 3)).unwrap();
    let away = Arc::new(HookedLog::new(remote.clone()));
    away.hook(|_| Box::pin(async { Err(bus_log::LogError::unavailable("gone")) }));
    let config = quick().with_patience(Duration::from_millis(200));
    let log = shipping(&local, &away, config);
    let error = block_on(log.erase(&key("s"))).unwrap_err();
    assert_eq!(error.kind(), bus_log::LogErrorKind::Unavailable);
    assert_eq!(block_on(remote.bounds(&key("s"))).unwrap().watermark, 0);
    away.heal();
    block_on(log.erase(&key("s"))).unwrap();
    assert_eq!(
        block_on(remote.bounds(&key("s"))).unwrap(),
        Bounds::new(3, 3, true)
    );
}

#[test]
fn what_the_server_has_archived_and_the_local_log_erases_is_erased_there() {
    let (local, remote) = (Memory::default(), Memory::default());
    let log = shipping(&local, &remote, quick());
    append(&log, &key("s"), &samples::batch("secret", 3)).unwrap();
    flush(&log);
    block_on(remote.archive_before(&key("s"), 3)).unwrap();
    block_on(log.erase(&key("s"))).unwrap();
    flush(&log);
    assert_eq!(
        block_on(remote.bounds(&key("s"))).unwrap(),
        Bounds::new(3, 3, true)
    );
    assert_level(&*local, &*remote);
}

#[test]
fn an_erased_gap_is_filled_page_by_page_and_is_no_outage() {
    let (local, remote) = (Memory::default(), Memory::default());
    let batch = samples::batch("b", 8000);
    append(&local, &key("s"), &batch).unwrap();
    append(&remote, &key("s"), &batch[..2]).unwrap();
    block_on(local.erase(&key("s"))).unwrap();
    let slow = Arc::new(HookedLog::new(remote.clone()));
    let appends = Arc::new(AtomicUsize::new(0));
    let count = appends.clone();
    slow.hook(move |call| {
        let takes = matches!(call, Call::Append(_));
        count.fetch_add(usize::from(takes), Ordering::SeqCst);
        Box::pin(async move {
            if takes {
                futures_timer::Delay::new(Duration::from_millis(600)).await;
            }
            Ok(())
        })
    });
    let config = quick().with_answer_within(Duration::from_secs(4));
    let log = shipping(&local, &slow, config);
    flush(&log);
    assert_level(&*local, &*remote);
    // One that took too long would have been given up, and tried again.
    assert_eq!(appends.load(Ordering::SeqCst), 8);
}

#[test]
fn what_is_done_to_an_unknown_thread_leaves_no_trace() {
    let (local, remote) = (Memory::default(), Memory::default());
    let log = shipping(&local, &remote, quick());
    flush(&log);
    block_on(log.erase(&key("nowhere"))).unwrap();
    assert_eq!(block_on(log.archive_before(&key("nowhere"), 5)).unwrap(), 0);
    assert_eq!(append(&log, &key("nowhere"), &[]).unwrap(), 0);
    assert!(log.lag().is_level(), "{:?}", log.lag());
    assert_eq!(block_on(remote.tenants(None, 9)).unwrap(), []);
}

#[test]
fn shipped_events_past_those_kept_are_given_back_and_the_remote_log_keeps_them() {
    let (local, remote) = (Memory::default(), Memory::default());
    let log = shipping(&local, &remote, quick().with_keep(Some(10)));
    for n in 0..40 {
        append(&log, &key("long"), &samples::batch(&n.to_string(), 100)).unwrap();
    }
    append(&log, &key("short"), &samples::batch("s", 30)).unwrap();
    flush(&log);
    wait_until("all but the last ten are given back", || {
        let first = |name| block_on(local.bounds(&key(name))).unwrap().first;
        first("long") == 3991 && first("short") == 21
    });
    assert_eq!(
        block_on(remote.bounds(&key("long"))).unwrap(),
        Bounds::new(0, 4000, false)
    );
    append(&log, &key("short"), &samples::batch("more", 1)).unwrap();
    flush(&log);
    assert_eq!(block_on(remote.bounds(&key("short"))).unwrap().last, 31);
}

#[test]
fn a_local_log_that_panics_where_it_is_given_back_disturbs_no_other_thread() {
    let (local, remote) = (Memory::default(), Memory::default());
    let spoilt = Arc::new(HookedLog::new(local.clone()));
    let tried = Arc::new(AtomicUsize::new(0));
    let archives = tried.clone();
    spoilt.hook(move |call| {
        if !matches!(call, Call::Archive) {
            return Box::pin(async { Ok(()) });
        }
        archives.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { std::panic::resume_unwind(Box::new("by the test's script")) })
    });
    let gate = Arc::new(tokio::sync::watch::Sender::new(false));
    let held = Arc::new(HookedLog::new(remote.clone()));
    let (is_open, arrived) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let arrivals = arrived.clone();
    held.hook(move |call| {
        let waits = matches!(call, Call::Append(key) if key.thread_id() == "held");
        arrivals.fetch_add(usize::from(waits), Ordering::SeqCst);
        let mut gate = is_open.subscribe();
        Box::pin(async move {
            if waits {
                gate.wait_for(|open| *open).await.unwrap();
            }
            Ok(())
        })
    });
    let config = ShippingConfig::default()
        .with_look_every(LONG)
        .with_keep(Some(1));
    let log = shipping(&spoilt, &held, config.with_threads_at_once(3));
    append(&log, &key("held"), &samples::batch("b", 1)).unwrap();
    wait_until("one is held", || arrived.load(Ordering::SeqCst) == 1);
    for n in 0..3 {
        let before = tried.load(Ordering::SeqCst);
        append(&log, &key("s"), &samples::batch("b", 2000)).unwrap();
        wait_until("it is shipped, and to be given back", || {
            tried.load(Ordering::SeqCst) > before
                && block_on(remote.bounds(&key("s"))).unwrap().last == 2000 * (n + 1)
        });
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 1, "the other was given up");
    gate.send_replace(true);
    flush(&log);
    assert_level(&*local, &*remote);
}

#[test]
fn a_local_log_that_hangs_where_it_is_given_back_holds_a_place_for_a_while_only() {
    let (local, remote) = (Memory::default(), Memory::default());
    let hanging = Arc::new(HookedLog::new(local.clone()));
    hanging.hook(|call| {
        let hangs = matches!(call, Call::Archive);
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let config = quick().with_keep(Some(1)).with_threads_at_once(1);
    let config = config.with_answer_within(Duration::from_millis(200));
    let log = shipping(&hanging, &remote, config);
    for name in ["a", "b", "c"] {
        append(&log, &key(name), &samples::batch("b", 2000)).unwrap();
    }
    flush(&log);
    assert_level(&*local, &*remote);
}

#[test]
fn a_panic_that_nothing_catches_costs_a_second_and_not_the_shipper() {
    struct Spoilt;
    impl Drop for Spoilt {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("by the test's script"));
        }
    }
    let (local, remote) = (Memory::default(), Memory::default());
    let spoilt = Arc::new(HookedLog::new(remote.clone()));
    let spoils = AtomicBool::new(true);
    spoilt.hook(move |call| {
        // Dropped, when it has taken too long, it panics.
        let is_spoilt = matches!(call, Call::Append(_)) && spoils.swap(false, Ordering::SeqCst);
        Box::pin(async move {
            if is_spoilt {
                let _spoilt = Spoilt;
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let config = quick().with_answer_within(Duration::from_millis(200));
    let log = shipping(&local, &spoilt, config);
    append(&log, &key("s"), &samples::batch("b", 3)).unwrap();
    flush(&log);
    assert_level(&*local, &*remote);
}

#[test]
fn dropping_it_ends_at_once_and_opening_it_again_ships_the_rest() {
    let (local, remote) = (Memory::default(), Memory::default());
    let gate = Gate::closed();
    let hanging = Arc::new(bus_testkit::FaultyLog::new(remote.clone()));
    hanging.always(bus_testkit::Fault::Wait(gate));
    let log = shipping(&local, &hanging, quick());
    append(&log, &key("s"), &samples::batch("b", 10)).unwrap();
    wait_until("the shipper hangs", || !hanging.tried().is_empty());
    let begun = Instant::now();
    drop(log);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let log = shipping(&local, &remote, quick());
    flush(&log);
    assert_level(&local, &remote);
}

#[test]
fn dropping_it_ends_at_once_also_with_much_to_ship_to_a_log_that_never_waits() {
    let (local, remote) = (Memory::default(), Memory::default());
    let batch = samples::batch("b", 1000);
    for _ in 0..200 {
        append(&local, &key("s"), &batch).unwrap();
    }
    let remote = Arc::new(bus_testkit::FaultyLog::new(remote));
    let log = shipping(&local, &remote, quick());
    wait_until("the shipper is at work", || !remote.tried().is_empty());
    drop(log);
    let shipped = block_on(remote.bounds(&key("s"))).unwrap().last;
    assert!(shipped < 200_000, "it was dropped once all was shipped");
    let log = shipping(&local, &remote, quick());
    flush(&log);
    assert_level(&local, &remote);
}

#[test]
fn a_sink_over_it_is_as_over_any_log() {
    use bus_log::{DurableSink, LogSink, SessionEvent};
    let (local, remote) = (Memory::default(), Memory::default());
    let log = Arc::new(shipping(&local, &remote, quick()));
    let sink = LogSink::new(log.clone(), key("s"));
    let tickets: Vec<_> = (0..100)
        .map(|_| sink.submit(SessionEvent::Thinking.into()))
        .collect();
    for (n, ticket) in (1..).zip(tickets) {
        assert_eq!(ticket.wait().unwrap(), Some(n));
    }
    flush(&log);
    assert_level(&local, &remote);
}
