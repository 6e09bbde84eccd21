//! Whoever waits commits, whoever is told is told in order, and nobody waits for himself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bus_log::{DurableSink, SessionEvent, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs, is_kind};
use crate::gate::{Gate, SyncOutcome};
use crate::support::{append, block_on, key, load, scratch, text, wait_for, within};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_thread_that_waits_commits_by_itself() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    let here = thread::current().id();
    // Told by whoever commits: the callback in front of the ticket that this thread waits for.
    let led = (0..1000).any(|_| {
        let (told, by) = mpsc::channel();
        let first = sink.submit(text("1"));
        let second = sink.submit(text("2"));
        let helper = first.on_ready_helping(move |_| told.send(thread::current().id()).unwrap());
        second.wait().unwrap();
        helper.help();
        by.recv_timeout(LONG).unwrap() == here
    });
    assert!(led);
}

#[test]
fn a_ticket_that_nobody_asks_is_committed_all_the_same() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    for n in 1..=3 {
        let kept = sink.submit(text("kept"));
        wait_for("the event", || {
            block_on(log.bounds(&key("a"))).unwrap().last == n
        });
        assert!(kept.is_told());
        std::mem::forget(kept);
    }
}

#[test]
fn threads_and_tasks_share_groups_and_lose_nothing() {
    let dir = scratch();
    let log = Arc::new(FileSessionLog::open(dir.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let log = Arc::clone(&log);
            runtime.spawn(async move {
                let key = key(&(n % 3).to_string());
                for _ in 0..50 {
                    log.append(&key, &[text("task"), text("task")])
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        for n in 0..6 {
            let sink = log.durable_sink(key(&(n % 3).to_string()));
            scope.spawn(move || {
                for _ in 0..50 {
                    let event = SessionEvent::TextComplete("thread".into());
                    sink.write(&event).unwrap();
                }
            });
        }
    });
    for task in tasks {
        block_on(task).unwrap();
    }
    let found: usize = (0..3)
        .map(|n| load(&log, &key(&n.to_string())).unwrap().len())
        .sum();
    assert_eq!(found, 20 * 50 * 2 + 6 * 50);
    let stats = log.stats();
    assert!(stats.syncs <= stats.batches);
}

#[test]
fn tickets_are_told_in_the_order_of_their_ordinals_whoever_tells() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    // Nothing is told before all have their callbacks: one that comes late is called at once.
    let gate = stuck(&sink);
    let told = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let told = Arc::clone(&told);
                    sink.submit(text("2"))
                        .on_ready(move |outcome| told.lock().unwrap().push(outcome.unwrap()));
                }
            });
        }
    });
    gate.wait();
    sink.submit(text("3")).wait().unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 400);
    assert!(told.is_sorted(), "{told:?}");
}

/// Has the thread that tells wait in a callback, until the barrier is reached.
fn stuck(sink: &Arc<dyn DurableSink>) -> Arc<Barrier> {
    let gate = Arc::new(Barrier::new(2));
    let (reached, is_reached) = mpsc::channel();
    loop {
        let (held, reached) = (Arc::clone(&gate), reached.clone());
        let here = thread::current().id();
        sink.submit(text("1")).on_ready(move |_| {
            // Told before it had a callback, it is called here.
            let stuck = thread::current().id() != here;
            reached.send(stuck).unwrap();
            if stuck {
                held.wait();
            }
        });
        if is_reached.recv_timeout(LONG).unwrap() {
            return gate;
        }
    }
}

#[test]
fn a_callback_may_wait_for_another_ticket_of_its_log() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    let (done, told) = mpsc::channel();
    for _ in 0..20 {
        let (own, done) = (Arc::clone(&sink), done.clone());
        let behind = sink.submit(text("1"));
        sink.submit(text("2")).on_ready(move |_| {
            let nested = own.submit(text("3"));
            let deeper = Arc::clone(&own);
            nested.on_ready(move |_| done.send(deeper.submit(text("4")).wait()).unwrap());
            own.submit(text("5")).wait().unwrap();
        });
        behind.wait().unwrap();
    }
    for _ in 0..20 {
        told.recv_timeout(LONG).unwrap().unwrap();
    }
    assert_eq!(load(&log, &key("a")).unwrap().len(), 100);
}

#[test]
fn callbacks_that_wait_are_called_one_after_another_however_many_they_are() {
    const MANY: u64 = 3000;
    let dir = scratch();
    let gate = Gate::new("wal");
    let config = FileLogConfig::default().with_file_system(gate.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let sink = log.durable_sink(key("a"));
    gate.set(SyncOutcome::Waits);
    let called = Arc::new(Mutex::new(Vec::new()));
    let within = Arc::new(AtomicUsize::new(0));
    for _ in 0..MANY {
        let (own, called, within) = (sink.clone(), Arc::clone(&called), Arc::clone(&within));
        sink.submit(text("2")).on_ready(move |outcome| {
            assert_eq!(within.fetch_add(1, Ordering::SeqCst), 0);
            own.write(&SessionEvent::Done).unwrap();
            called.lock().unwrap().push(outcome.unwrap());
            within.fetch_sub(1, Ordering::SeqCst);
        });
    }
    gate.set(SyncOutcome::Passes);
    wait_for("all callbacks", || {
        called.lock().unwrap().len() as u64 == MANY
    });
    let expected: Vec<_> = (2..MANY + 2).map(Some).collect();
    assert_eq!(*called.lock().unwrap(), expected);
}

#[test]
fn a_callback_may_wait_by_polling() {
    for durability in [Durability::Sync, Durability::Os] {
        let dir = scratch();
        let config = FileLogConfig::default()
            .with_durability(durability)
            .with_queue_bytes(1);
        let log = Arc::new(FileSessionLog::open_with(dir.path(), config).unwrap());
        let sink = log.durable_sink(key("a"));
        for _ in 0..20 {
            let (own, (done, told)) = (Arc::clone(&log), mpsc::channel());
            let behind = sink.submit(text("1"));
            sink.submit(text("2")).on_ready(move |_| {
                let before = block_on(behind).unwrap();
                let appended = append(&own, &key("a"), &["3"]).unwrap();
                let read = load(&own, &key("a")).unwrap().len() as u64;
                done.send((before, appended, read)).unwrap();
            });
            let (before, appended, read) = told.recv_timeout(LONG).unwrap();
            assert_eq!((Some(appended), read), (before.map(|n| n + 2), appended));
        }
    }
}

#[test]
fn a_callback_may_wait_by_polling_for_one_that_is_told_behind_it() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    let gate = stuck(&sink);
    let last = block_on(log.bounds(&key("a"))).unwrap().last;
    let (done, told) = mpsc::channel();
    let (give, take) = mpsc::channel();
    sink.submit(text("2")).on_ready(move |_| {
        let behind: bus_log::Ticket = take.recv().unwrap();
        done.send(block_on(behind).unwrap()).unwrap();
    });
    give.send(sink.submit(text("3"))).unwrap();
    // Both are only to be told.
    wait_for("both", || {
        block_on(log.bounds(&key("a"))).unwrap().last == last + 2
    });
    gate.wait();
    assert_eq!(told.recv_timeout(LONG).unwrap(), Some(last + 2));
}

#[test]
fn a_callback_that_is_stuck_keeps_no_event_from_the_disk() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    let gate = stuck(&sink);
    let before = block_on(log.bounds(&key("a"))).unwrap().last;
    let tickets: Vec<_> = (0..100).map(|_| sink.submit(text("2"))).collect();
    wait_for("the others", || {
        block_on(log.bounds(&key("a"))).unwrap().last == before + 100
    });
    // They are told in their turn.
    assert!(tickets.iter().all(|ticket| !ticket.is_told()));
    gate.wait();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
}

#[test]
fn a_log_dropped_by_a_thread_that_tells_is_closed_by_its_own_threads() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let sink = log.durable_sink(key("a"));
    drop(log);
    let own = Mutex::new(Some(Arc::clone(&sink)));
    let first = sink.submit(text("1"));
    let helper = first.on_ready_helping(move |_| drop(own.lock().unwrap().take()));
    let second = sink.submit(text("2"));
    drop(sink);
    helper.help();
    second.wait().unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    wait_for("the lock", || append(&log, &key("a"), &["3"]).is_ok());
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
}

#[test]
fn appends_go_on_while_session_files_are_made_durable_and_wait_in_the_end() {
    let dir = scratch();
    let gate = Gate::new("jsonl");
    let config = FileLogConfig::default()
        .with_segment_bytes(2000)
        .with_file_system(gate.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    gate.set(SyncOutcome::Waits);
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200 {
                append(&log, &key(&(n % 3).to_string()), &[&"x".repeat(200)]).unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        wait_for("the keeper", || gate.waiting() == 1);
        // Four segments of some five events each may wait for it, and no more.
        wait_for("more segments", || done.load(Ordering::SeqCst) > 12);
        assert_eq!(gate.waiting(), 1);
        assert!(done.load(Ordering::SeqCst) < 100);
        assert_eq!(log.stats().checkpoints, 0);
        gate.set(SyncOutcome::Passes);
    });
    assert!(log.stats().checkpoints > 0);
}

#[test]
fn a_checkpoint_that_fails_loses_nothing_and_is_made_up_for() {
    let dir = scratch();
    let gate = Gate::new("jsonl");
    let config = FileLogConfig::default()
        .with_segment_bytes(2000)
        .with_file_system(gate.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    // How many were acknowledged: a session whose file can't be made whole takes nothing meanwhile.
    let append_some = |log: &FileSessionLog| {
        let told = (0..100).map(|n| append(log, &key(&(n % 3).to_string()), &[&"x".repeat(200)]));
        told.filter(Result::is_ok).count()
    };
    gate.set(SyncOutcome::Fails);
    let before = append_some(&log);
    assert!(before > 0);
    assert_eq!(log.stats().checkpoints, 0);
    let crashed = crate::support::image(dir.path());
    gate.set(SyncOutcome::Passes);
    // The file of a session may be given up just now, and its next event be refused.
    let after = append_some(&log);
    assert!(before + after > 100);
    // It is made by a thread of the log, in its own time.
    wait_for("a checkpoint", || log.stats().checkpoints > 0);
    drop(log);
    let found = |dir: &std::path::Path| {
        let log = FileSessionLog::open(dir).unwrap();
        (0..3)
            .map(|n| load(&log, &key(&n.to_string())).unwrap().len())
            .sum::<usize>()
    };
    assert_eq!(found(dir.path()), before + after);
    assert_eq!(found(crashed.path()), before);
}

#[test]
fn a_panic_of_the_disk_is_told_to_a_callback_that_waits_for_another_ticket() {
    let dir = scratch();
    let disk = HookedFs::new();
    // Each group ends the segment, and is shown before anybody else commits.
    let config = FileLogConfig::default()
        .with_segment_bytes(1)
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    disk.set(|what, path| {
        assert!(
            what != Asked::Write || !is_kind(path, "jsonl"),
            "on purpose"
        );
        Ok(())
    });
    let failed = within(move || {
        let sink = log.durable_sink(key("a"));
        let [first, second] = [(); 2].map(|()| sink.submit(text("2")));
        let (done, told) = mpsc::channel();
        first.on_ready(move |outcome| {
            done.send([outcome.is_err(), second.wait().is_err()])
                .unwrap();
        });
        told.recv().unwrap()
    });
    assert_eq!(failed, [true; 2]);
}
