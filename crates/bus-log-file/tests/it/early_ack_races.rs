//! What is acknowledged before it is durable, while other things happen.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use crate::disk::{Asked, FileSystem, HookedFs, is_kind};
use crate::gate::{Gate, SyncOutcome};
use crate::support::{
    append, block_on, image, key, load, numbers, of_kind, scratch, text, wait_for,
};

/// Nothing is flushed by the clock.
const NEVER: Durability = Durability::Interval(Duration::MAX);

fn config(durability: Durability, disk: Arc<dyn FileSystem>) -> FileLogConfig {
    FileLogConfig::default()
        .with_durability(durability)
        .with_file_system(disk)
}

fn open(dir: &Path, durability: Durability, disk: Arc<dyn FileSystem>) -> FileSessionLog {
    FileSessionLog::open_with(dir, config(durability, disk)).unwrap()
}

#[test]
fn a_window_without_end_is_flushed_for_readers_and_at_the_end() {
    let dir = scratch();
    let log = open(dir.path(), NEVER, Gate::new("wal").disk());
    assert_eq!(append(&log, &key("a"), &["1"]).unwrap(), 1);
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2"]);
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
}

#[test]
fn what_is_acknowledged_while_a_session_is_rewritten_is_kept() {
    for erases in [false, true] {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), NEVER, gate.disk());
        for n in 1..=10 {
            append(&log, &key("a"), &[&n.to_string()]).unwrap();
        }
        assert_eq!(load(&log, &key("a")).unwrap(), numbers(1..=10));
        assert_eq!(append(&log, &key("a"), &["11"]).unwrap(), 11);
        gate.set(SyncOutcome::Waits);
        thread::scope(|scope| {
            let rewrites = scope.spawn(|| {
                if erases {
                    block_on(log.erase(&key("a")))
                } else {
                    block_on(log.archive_before(&key("a"), 5)).map(|hidden| assert_eq!(hidden, 5))
                }
            });
            wait_for("the sync", || gate.waiting() > 0);
            assert_eq!(append(&log, &key("a"), &["12"]).unwrap(), 12);
            gate.set(SyncOutcome::Passes);
            rewrites.join().unwrap().unwrap();
        });
        let mut left = if erases { vec![] } else { numbers(6..=12) };
        assert_eq!(load(&log, &key("a")).unwrap(), left);
        assert_eq!(append(&log, &key("a"), &["13"]).unwrap(), 13);
        assert_eq!(append(&log, &key("b"), &["1"]).unwrap(), 1);
        left.push("13".to_owned());
        assert_eq!(load(&log, &key("a")).unwrap(), left);
        drop(log);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), left);
    }
}

#[test]
fn what_is_acknowledged_while_idle_sessions_are_let_go_is_kept() {
    let dir = scratch();
    let gate = Gate::new("wal");
    let idle = Duration::from_millis(1500);
    let config = config(NEVER, gate.disk()).with_idle(idle);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    append(&log, &key("b"), &["1"]).unwrap();
    load(&log, &key("a")).unwrap();
    // So that the look for idle sessions has something to flush.
    append(&log, &key("b"), &["2"]).unwrap();
    gate.set(SyncOutcome::Waits);
    let start = Instant::now();
    wait_for("the sync", || gate.waiting() > 0);
    wait_for("idle time", || start.elapsed() > idle);
    thread::scope(|scope| {
        let appends = scope.spawn(|| append(&log, &key("a"), &["2"]));
        // It waits if the machine was so slow that the session was let go before.
        wait_for("it", || appends.is_finished() || start.elapsed() > 4 * idle);
        gate.set(SyncOutcome::Passes);
        assert_eq!(appends.join().unwrap().unwrap(), 2);
    });
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2"]);
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
}

#[test]
fn an_append_does_not_block_while_a_session_file_is_copied() {
    let dir = scratch();
    let hooks = HookedFs::new();
    let log = open(dir.path(), NEVER, hooks.disk());
    append(&log, &key("a"), &["1", "2"]).unwrap();
    load(&log, &key("a")).unwrap();
    let (copies, copying) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    hooks.set(move |asked, path| {
        if asked == Asked::Sync && is_kind(path, "tmp") {
            copies.send(()).unwrap();
            let _ = goes.lock().unwrap().recv();
        }
        Ok(())
    });
    thread::scope(|scope| {
        let archives = scope.spawn(|| block_on(log.archive_before(&key("a"), 1)));
        copying.recv().unwrap();
        let (sent, appended) = mpsc::channel();
        let own = &log;
        scope.spawn(move || {
            let (own_key, events) = (key("a"), [text("3")]);
            let mut append = pin!(own.append(&own_key, &events));
            let polled = append
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            sent.send(polled.is_pending()).unwrap();
            assert_eq!(block_on(append).unwrap(), 3);
        });
        let pending = appended.recv_timeout(Duration::from_secs(30));
        drop(go);
        assert_eq!(pending, Ok(true), "it blocked its thread");
        assert_eq!(archives.join().unwrap().unwrap(), 1);
    });
    assert_eq!(load(&log, &key("a")).unwrap(), ["2", "3"]);
}

#[test]
fn ordinals_are_given_once_though_a_file_goes_between_two_looks() {
    for goes_at in 1..=4 {
        let dir = scratch();
        let hooks = HookedFs::new();
        let log = open(dir.path(), Durability::Os, hooks.disk());
        for n in 1..=10 {
            append(&log, &key("a"), &[&n.to_string()]).unwrap();
        }
        load(&log, &key("a")).unwrap();
        assert_eq!(append(&log, &key("a"), &["11"]).unwrap(), 11);
        let looks = AtomicUsize::new(0);
        hooks.set(move |asked, path| {
            let looks_at = asked == Asked::Metadata && is_kind(path, "jsonl");
            if looks_at && looks.fetch_add(1, Ordering::SeqCst) + 1 == goes_at {
                std::fs::remove_file(path)?;
            }
            Ok(())
        });
        assert_eq!(append(&log, &key("a"), &["12"]).unwrap(), 12);
        hooks.set(|_, _| Ok(()));
        wait_for("the file", || load(&log, &key("a")).is_ok());
        assert_eq!(load(&log, &key("a")).unwrap(), numbers(1..=12));
        assert_eq!(append(&log, &key("a"), &["13"]).unwrap(), 13);
        assert_eq!(load(&log, &key("a")).unwrap(), numbers(1..=13));
        drop(log);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), numbers(1..=13));
    }
}

#[test]
fn nothing_is_acknowledged_behind_frames_that_a_failed_sync_took() {
    for failing_syncs in [1, 2, 100] {
        let dir = scratch();
        let hooks = HookedFs::new();
        let log = open(dir.path(), Durability::Os, hooks.disk());
        append(&log, &key("a"), &["1"]).unwrap();
        load(&log, &key("a")).unwrap();
        // As a rule not yet synced when the next write fails.
        append(&log, &key("a"), &["2"]).unwrap();
        let mut told = numbers(1..=2);
        let (failed, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        hooks.set(move |asked, path| {
            let fails = is_kind(path, "wal")
                && match asked {
                    Asked::Write => !failed.swap(true, Ordering::SeqCst),
                    Asked::Sync if failed.load(Ordering::SeqCst) => {
                        refused.fetch_add(1, Ordering::SeqCst) < failing_syncs
                    }
                    _ => false,
                };
            if fails {
                return Err(io::Error::other("on purpose"));
            }
            Ok(())
        });
        for text in ["3", "3 again", "and again"] {
            if append(&log, &key("a"), &[text]).is_ok() {
                told.push(text.to_owned());
            }
        }
        let killed = image(dir.path());
        hooks.set(|_, _| Ok(()));
        let left = FileSessionLog::open(killed.path()).unwrap();
        let left = load(&left, &key("a")).unwrap();
        assert!(told.starts_with(&left), "{left:?} of {told:?}");
        wait_for("the disk", || append(&log, &key("a"), &["last"]).is_ok());
        told.push("last".to_owned());
        assert_eq!(load(&log, &key("a")).unwrap(), told);
        drop(log);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), told);
    }
}

#[test]
fn a_log_whose_writer_panicked_acknowledges_nothing_and_keeps_no_reader_waiting() {
    let dir = scratch();
    let hooks = HookedFs::new();
    let window = Durability::Interval(Duration::from_millis(10));
    let log = Arc::new(open(dir.path(), window, hooks.disk()));
    append(&log, &key("a"), &["1"]).unwrap();
    load(&log, &key("a")).unwrap();
    let panicked = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&panicked);
    hooks.set(move |asked, path| {
        let first = asked == Asked::Sync && is_kind(path, "wal") && !own.load(Ordering::SeqCst);
        if first {
            own.store(true, Ordering::SeqCst);
            panic!("on purpose");
        }
        Ok(())
    });
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
    wait_for("the panic", || panicked.load(Ordering::SeqCst));
    let closed = |error: bus_log::LogError| error.kind() == LogErrorKind::Closed;
    wait_for("the end", || {
        append(&log, &key("a"), &["3"]).is_err_and(closed)
    });
    wait_for("the count", || log.stats().lost_events > 0);
    assert!(append(&log, &key("a"), &["4"]).is_err_and(closed));
    let (sent, read) = mpsc::channel();
    let own = Arc::clone(&log);
    thread::spawn(move || sent.send(load(&own, &key("a"))));
    let read = read.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(read.is_err_and(closed));
}

/// A session of which the journal has only the last event, and whose file somebody cut before that. The bytes are
/// what the file was before the journal.
fn cut(log: &FileSessionLog, dir: &Path, gate: &Gate, durability: Durability) -> Vec<u8> {
    append(log, &key("bad"), &["4"]).unwrap();
    load(log, &key("bad")).unwrap();
    let path = of_kind(dir, "jsonl")
        .into_iter()
        .find(|path| path.to_string_lossy().contains("bad-"))
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let before = lines[..4].concat();
    if durability != Durability::Sync {
        // One that is acknowledged, and can't be shown.
        gate.set(SyncOutcome::Waits);
        assert_eq!(append(log, &key("bad"), &["5"]).unwrap(), 5);
    }
    let file = std::fs::OpenOptions::new().write(true).open(&path);
    file.unwrap().set_len(200).unwrap();
    gate.set(SyncOutcome::Passes);
    before
}

#[test]
fn a_session_that_can_not_be_made_whole_stops_no_other_and_can_be_erased() {
    for durability in [Durability::Sync, Durability::Os, NEVER] {
        for restores in [false, true] {
            let dir = scratch();
            let gate = Gate::new("wal");
            let config = config(durability, gate.disk())
                .with_open_threads(8)
                .with_segment_bytes(4096)
                .with_idle(Duration::from_secs(3600));
            let log = FileSessionLog::open_with(dir.path(), config.clone()).unwrap();
            append(&log, &key("bad"), &["1", "2", "3"]).unwrap();
            drop(log);
            let log = FileSessionLog::open_with(dir.path(), config.clone()).unwrap();
            let before = cut(&log, dir.path(), &gate, durability);
            let early = durability != Durability::Sync;
            if early {
                let refused = load(&log, &key("bad")).unwrap_err();
                assert_eq!(refused.kind(), LogErrorKind::Unavailable, "{durability:?}");
            }
            let refused = append(&log, &key("bad"), &["no"]).unwrap_err();
            assert_eq!(refused.kind(), LogErrorKind::Corrupt, "{durability:?}");

            // More than are held at once, and more than a segment holds.
            let long = "x".repeat(500);
            for n in 0..14 {
                let other = key(&format!("other{n}"));
                assert_eq!(append(&log, &other, &[&long]).unwrap(), 1, "{durability:?}");
                assert_eq!(load(&log, &other).unwrap(), [long.as_str()]);
            }
            block_on(log.erase(&key("other0"))).unwrap();
            assert_eq!(append(&log, &key("other0"), &["2"]).unwrap(), 2);
            assert_eq!(load(&log, &key("other0")).unwrap(), ["2"]);

            let mut left = Vec::new();
            if restores {
                // As from a backup: the journal still has what came after it.
                let path = of_kind(dir.path(), "jsonl").into_iter();
                let mut path = path.filter(|path| path.to_string_lossy().contains("bad-"));
                std::fs::write(path.next().unwrap(), before).unwrap();
                left = numbers(1..=if early { 5 } else { 4 });
            } else {
                block_on(log.erase(&key("bad"))).unwrap();
            }
            let next = if early { 6 } else { 5 };
            assert_eq!(append(&log, &key("bad"), &["next"]).unwrap(), next);
            left.push("next".to_owned());
            assert_eq!(load(&log, &key("bad")).unwrap(), left, "{durability:?}");
            assert_eq!(log.stats().lost_events, 0);
            drop(log);
            let log = FileSessionLog::open(dir.path()).unwrap();
            assert!(log.recovery().is_clean());
            assert_eq!(load(&log, &key("bad")).unwrap(), left, "{durability:?}");
            assert_eq!(load(&log, &key("other13")).unwrap(), [long.as_str()]);
        }
    }
}

#[test]
fn what_can_not_be_made_whole_is_in_the_journal_when_the_log_is_closed() {
    for durability in [Durability::Sync, Durability::Os] {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, gate.disk());
        append(&log, &key("bad"), &["1", "2", "3"]).unwrap();
        drop(log);
        let log = open(dir.path(), durability, gate.disk());
        let before = cut(&log, dir.path(), &gate, durability);
        append(&log, &key("other"), &["1"]).unwrap();
        drop(log);
        let path = of_kind(dir.path(), "jsonl").into_iter();
        let mut path = path.filter(|path| path.to_string_lossy().contains("bad-"));
        std::fs::write(path.next().unwrap(), before).unwrap();
        let log = FileSessionLog::open(dir.path()).unwrap();
        let last = if durability == Durability::Sync { 4 } else { 5 };
        assert_eq!(load(&log, &key("bad")).unwrap(), numbers(1..=last));
        assert_eq!(load(&log, &key("other")).unwrap(), ["1"]);
    }
}
