//! Group commit, queue, order, futures.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{
    ContentPart, Event, LogErrorKind, Message, Role, Session, SessionEvent, SessionLog, TrySubmit,
    Utc,
};
use bus_log_file::{FileLogConfig, FileSessionLog};
use tempfile::TempDir;

use crate::disk::{Asked, HookedFs};
use crate::gate::{Gate, SyncOutcome};
use crate::support::{append, block_on, key, load, of_kind, scratch, text, wait_for};

/// A log that owns the session `a`, and whoever commits for it waits for the disk: of two events, one
/// is committed and one is about to be.
fn held_up(config: FileLogConfig) -> (TempDir, FileSessionLog, Arc<Gate>) {
    let dir = scratch();
    let gate = Gate::new("wal");
    let config = config.with_file_system(gate.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["first"]).unwrap();
    gate.set(SyncOutcome::Waits);
    let written = log.stats().journal_bytes;
    drop(log.durable_sink(key("a")).submit(text("second")));
    // A segment that is made ready comes to the gate too: what is written can have no more company.
    wait_for("the sync", || {
        log.stats().journal_bytes > written && gate.waiting() > 0
    });
    (dir, log, gate)
}

#[test]
fn events_that_wait_together_share_a_sync() {
    let (_dir, log, gate) = held_up(FileLogConfig::default());
    let sinks: Vec<_> = (0..4)
        .map(|n| log.durable_sink(key(&n.to_string())))
        .collect();
    let tickets: Vec<_> = (0..400)
        .map(|n| sinks[n % 4].submit(text(&n.to_string())))
        .collect();
    gate.set(SyncOutcome::Passes);
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    let stats = log.stats();
    assert_eq!((stats.events, stats.batches), (402, 402));
    assert_eq!((stats.syncs, stats.groups), (3, 3));
}

#[test]
fn a_session_s_file_is_looked_at_twice_for_a_group_however_many_batches_it_has() {
    let (_dir, log, gate) = held_up(FileLogConfig::default());
    let sink = log.durable_sink(key("a"));
    let tickets: Vec<_> = (0..400)
        .map(|n| sink.submit(text(&n.to_string())))
        .collect();
    let looks = gate.looks();
    gate.set(SyncOutcome::Passes);
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    // The group that was held up has one of its two before it.
    assert_eq!(gate.looks() - looks, 3);
}

#[test]
fn the_order_of_submits_is_the_order_of_ordinals() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    let tickets: Vec<_> = (0..500)
        .map(|n| sink.submit(text(&n.to_string())))
        .collect();
    for (n, ticket) in (1..).zip(tickets) {
        assert_eq!(ticket.wait().unwrap(), Some(n));
    }
    let expected: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(load(&log, &key("a")).unwrap(), expected);
}

#[test]
fn concurrent_batches_stay_whole() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    thread::scope(|scope| {
        for writer in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..20 {
                    let name = format!("{writer}:{n}");
                    append(log, &key("a"), &[&name, &name, &name]).unwrap();
                }
            });
        }
    });
    let all = load(&log, &key("a")).unwrap();
    assert_eq!(all.len(), 8 * 20 * 3);
    assert!(
        all.chunks(3)
            .all(|batch| batch[0] == batch[1] && batch[1] == batch[2])
    );
    let mut firsts: Vec<_> = all.chunks(3).map(|batch| batch[0].clone()).collect();
    firsts.sort();
    firsts.dedup();
    assert_eq!(firsts.len(), 8 * 20);
}

#[test]
fn dropping_the_log_writes_what_was_submitted() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    for n in 0..300 {
        // Nobody waits for them.
        drop(sink.submit(text(&n.to_string())));
    }
    drop(log);
    // The sink kept the log open.
    sink.write(&SessionEvent::TextComplete("last".into()))
        .unwrap();
    drop(sink);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap().len(), 301);
    assert!(log.recovery().is_clean());
    assert_eq!(append(&log, &key("a"), &["the lock is free"]).unwrap(), 302);
}

#[test]
fn a_full_queue_makes_submit_wait_and_append_pend() {
    let (_dir, log, gate) = held_up(FileLogConfig::default().with_queue_bytes(1000));
    let sink = log.durable_sink(key("a"));
    // This fills the queue.
    let filler = sink.submit(text(&"x".repeat(2000)));
    let a = key("a");
    let events = [text("given up")];
    {
        let mut given_up = pin!(log.append(&a, &events));
        let polled = given_up
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    let submitted = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let ticket = sink.submit(text("blocked"));
            submitted.store(true, Ordering::SeqCst);
            ticket.wait().unwrap();
        });
        let awaited = scope.spawn(|| append(&log, &key("a"), &["awaited"]));
        assert!(!submitted.load(Ordering::SeqCst));
        gate.set(SyncOutcome::Passes);
        awaited.join().unwrap().unwrap();
    });
    filler.wait().unwrap();
    let mut all = load(&log, &key("a")).unwrap();
    assert_eq!(all.drain(..2).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(all.remove(0).len(), 2000);
    all.sort();
    assert_eq!(all, ["awaited", "blocked"]);
}

#[test]
fn try_submit_finds_a_full_queue_and_is_woken_when_there_is_room() {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (_dir, log, gate) = held_up(FileLogConfig::default().with_queue_bytes(1000));
    let sink = log.durable_sink(key("a"));
    let TrySubmit::Taken(filler) = sink.try_submit(&text(&"x".repeat(2000)), Waker::noop()) else {
        panic!("there is room");
    };
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let room = Waker::from(woken.clone());
    assert!(matches!(
        sink.try_submit(&text("later"), &room),
        TrySubmit::Full
    ));
    assert!(!woken.0.load(Ordering::SeqCst));
    gate.set(SyncOutcome::Passes);
    filler.wait().unwrap();
    wait_for("room", || woken.0.load(Ordering::SeqCst));
    let TrySubmit::Taken(ticket) = sink.try_submit(&text("later"), &room) else {
        panic!("there is room again");
    };
    assert!(ticket.wait().unwrap().is_some());
}

#[test]
fn a_batch_larger_than_the_queue_is_taken_alone() {
    let dir = scratch();
    let config = FileLogConfig::default().with_queue_bytes(1000);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let long = "x".repeat(5000);
    assert_eq!(append(&log, &key("a"), &[&long, &long]).unwrap(), 2);
}

#[test]
fn a_batch_larger_than_the_queue_is_taken_also_behind_an_erasure() {
    for blocking in [false, true] {
        let (_dir, log, gate) = held_up(FileLogConfig::default().with_queue_bytes(1000));
        let log = Arc::new(log);
        let b = key("b");
        let mut erases = pin!(log.erase(&b));
        let polled = erases
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let (done, ended) = mpsc::channel();
        let (own, begun) = (Arc::clone(&log), Arc::new(AtomicBool::new(false)));
        let begins = Arc::clone(&begun);
        thread::spawn(move || {
            let long = "x".repeat(5000);
            begins.store(true, Ordering::SeqCst);
            let appended = if blocking {
                own.durable_sink(key("a")).submit(text(&long)).wait()
            } else {
                Ok(append(&own, &key("a"), &[&long]).ok())
            };
            done.send(appended.unwrap()).unwrap();
        });
        wait_for("the thread", || begun.load(Ordering::SeqCst));
        // It comes to the queue while the erasure is in it, unless the machine is very slow.
        let _ = ended.recv_timeout(Duration::from_millis(50));
        gate.set(SyncOutcome::Passes);
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(Some(3)));
        block_on(erases).unwrap();
    }
}

#[test]
fn an_append_dropped_after_any_number_of_polls_is_whole_or_absent() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let a = key("a");
    let events = [text("x"), text("y"), text("z")];
    let mut polled = 0;
    for polls in 0..60 {
        let mut future = pin!(log.append(&a, &events));
        for _ in 0..polls % 4 {
            if future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
            {
                break;
            }
        }
        polled += u64::from(polls % 4 > 0);
    }
    // An append that is awaited comes after all that were given up.
    let last = append(&log, &key("a"), &["end"]).unwrap();
    assert_eq!(last, polled * 3 + 1);
    let all = load(&log, &key("a")).unwrap();
    assert!(
        all[..all.len() - 1]
            .chunks(3)
            .all(|batch| batch == ["x", "y", "z"])
    );
}

#[test]
fn a_callback_that_panics_hurts_nobody_else() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    let panicked = Arc::new(AtomicBool::new(false));
    while !panicked.load(Ordering::SeqCst) {
        let (told, first) = mpsc::channel();
        let own = Arc::clone(&panicked);
        let here = thread::current().id();
        sink.submit(text("1")).on_ready(move |_| {
            told.send(()).unwrap();
            // One that is told already runs here.
            if thread::current().id() != here {
                own.store(true, Ordering::SeqCst);
                panic!("on purpose");
            }
        });
        first.recv().unwrap();
    }
    sink.submit(text("2")).wait().unwrap();
}

#[test]
fn a_callback_may_submit_and_drop_the_last_handle() {
    let dir = scratch();
    let config = FileLogConfig::default().with_queue_bytes(1);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let sink = log.durable_sink(key("a"));
    drop(log);
    let (done, told) = std::sync::mpsc::channel();
    let own = Arc::clone(&sink);
    let ticket = sink.submit(text("1"));
    drop(sink);
    ticket.on_ready(move |_| {
        drop(own.submit(text("2")));
        drop(own.submit(text("3")));
        drop(own);
        done.send(()).unwrap();
    });
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    crate::support::wait_for("the rest", || {
        load(&log, &key("a")).is_ok_and(|all| all == ["1", "2", "3"])
    });
}

#[test]
fn a_snapshot_is_logged_without_its_messages() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let mut session = Session::new("s-1", "agent", Utc::now());
    session.messages.push(Message::new(
        Role::User,
        vec![ContentPart::text("a secret")],
    ));
    let event = SessionEvent::SessionSync(Box::new(session));
    let sink = log.durable_sink(key("a"));
    sink.write(&event).unwrap();
    sink.submit(event.clone().into()).wait().unwrap();
    for recorded in block_on(log.load_since(&key("a"), 0)).unwrap() {
        assert_eq!(
            recorded.event,
            Event::from(event.clone().without_messages())
        );
    }
}

#[test]
fn changed_is_woken_by_the_append_and_returns_at_its_deadline() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let now = Instant::now();
    assert_eq!(block_on(log.changed(&key("a"), 0, now)).unwrap(), 0);
    thread::scope(|scope| {
        let hour = Instant::now() + Duration::from_secs(3600);
        let other = FileSessionLog::open(dir.path()).unwrap();
        let log = &log;
        let here = scope.spawn(move || block_on(log.changed(&key("a"), 0, hour)));
        let there = scope.spawn(move || block_on(other.changed(&key("a"), 0, hour)));
        append(log, &key("a"), &["1"]).unwrap();
        assert_eq!(here.join().unwrap().unwrap(), 1);
        assert_eq!(there.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn the_log_outlives_the_runtime_it_was_opened_in() {
    let dir = scratch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let log = runtime.block_on(async {
        let log = FileSessionLog::open(dir.path()).unwrap();
        log.append(&key("a"), &[text("1")]).await.unwrap();
        log
    });
    drop(runtime);
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
    let error = block_on(log.append_expecting(&key("a"), 1, &[text("x")])).unwrap_err();
    assert_eq!(
        (error.kind(), error.actual()),
        (LogErrorKind::Conflict, Some(2))
    );
}

#[test]
fn a_full_segment_is_checkpointed_and_used_again() {
    let dir = scratch();
    let config = FileLogConfig::default().with_segment_bytes(4096);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    for n in 0..200_u64 {
        append(&log, &key(&(n % 3).to_string()), &[&n.to_string()]).unwrap();
        // One that is written, four that wait for their session files, and two that are ready; each
        // goes over by what its last group holds. What was given up is removed by another thread.
        wait_for("what was given up to be removed", || {
            let wals = crate::support::of_kind(dir.path(), "wal");
            // One may be removed meanwhile.
            let sizes = wals
                .iter()
                .filter_map(|wal| Some(wal.metadata().ok()?.len()));
            sizes.sum::<u64>() < 7 * (4096 + 512)
        });
    }
    let stats = log.stats();
    assert!(stats.checkpoints > 3);
    assert!(stats.journal_segments > 3);
    assert!(stats.journal_segments_recycled > 0);
    // What is used again is filled no more.
    assert!(stats.journal_filler_bytes < stats.journal_segments * 4096);
    let crashed = crate::support::image(dir.path());
    let log = FileSessionLog::open(crashed.path()).unwrap();
    let found: usize = (0..3)
        .map(|n| load(&log, &key(&n.to_string())).unwrap().len())
        .sum();
    assert_eq!(found, 200);
}

#[test]
fn new_sessions_are_told_though_nearly_all_that_may_be_owned_are_behind() {
    let dir = scratch();
    let disk = HookedFs::new();
    let config = FileLogConfig::default()
        .with_file_system(disk.disk())
        .with_open_threads(8);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let old: Vec<_> = (0..7).map(|n| key(&n.to_string())).collect();
    for key in &old {
        append(&log, key, &["1"]).unwrap();
    }
    let refused = of_kind(dir.path(), "jsonl");
    disk.set(move |asked, path| match asked {
        Asked::Write if refused.iter().any(|refused| refused == path) => {
            Err(std::io::Error::other("on purpose"))
        }
        _ => Ok(()),
    });
    for key in &old {
        append(&log, key, &["2"]).unwrap_err();
    }
    for round in 1..=4 {
        // None is begun before the other waits too.
        let new = ["a", "b"].map(|name| log.durable_sink(key(name)).submit(text("1")));
        let (told, all) = mpsc::channel();
        thread::spawn(move || {
            let all = new.map(|ticket| ticket.wait().ok().flatten());
            let _ = told.send(all);
        });
        let all = all.recv_timeout(Duration::from_secs(60));
        assert_eq!(all, Ok([Some(round), Some(round)]));
    }
    disk.set(|_, _| Ok(()));
}
