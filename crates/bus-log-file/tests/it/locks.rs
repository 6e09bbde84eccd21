//! One writer per session, any number of processes per folder.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionEvent, SessionLog};
use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::disk::{Asked, FileSystem, HookedFs, Locked, OpenMode, OsFileSystem};
use crate::gate::{Gate, SyncOutcome};
use crate::support::{
    Signal, append, block_on, copy_into, files, image, is_file_of, key, load, of_kind, scratch,
    session_file, text, wait_for,
};

#[test]
fn a_second_writer_of_a_session_is_busy_and_others_are_not() {
    let dir = scratch();
    let first = FileSessionLog::open(dir.path()).unwrap();
    let second = FileSessionLog::open(dir.path()).unwrap();
    append(&first, &key("a"), &["1"]).unwrap();
    append(&second, &key("b"), &["1"]).unwrap();
    for result in [
        append(&second, &key("a"), &["2"]),
        append(&first, &key("b"), &["2"]),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Busy);
        let holder = format!("process {} on ", std::process::id());
        assert!(error.to_string().contains(&holder), "{error}");
    }
    let error = block_on(second.archive_before(&key("a"), 1)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Busy);
    let error = block_on(second.erase(&key("a"))).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Busy);
    assert_eq!(load(&second, &key("a")).unwrap(), ["1"]);
}

#[test]
fn a_session_is_free_when_its_writer_is_dropped() {
    let dir = scratch();
    let first = FileSessionLog::open(dir.path()).unwrap();
    let second = FileSessionLog::open(dir.path()).unwrap();
    append(&first, &key("a"), &["1"]).unwrap();
    drop(first);
    assert_eq!(append(&second, &key("a"), &["2"]).unwrap(), 2);
    assert!(second.recovery().is_clean());
}

#[test]
fn a_session_is_free_when_its_writer_idles_though_its_first_event_took_long() {
    let dir = scratch();
    let disk = HookedFs::new();
    // Making a journal syncs folders. The log's threads, which had nothing to look for so long, are asleep then.
    let (_never, slow) = mpsc::channel::<()>();
    let slow = Mutex::new(slow);
    disk.set(move |asked, _| {
        if asked == Asked::SyncDir {
            let _ = slow.lock().unwrap().recv_timeout(Duration::from_millis(20));
        }
        Ok(())
    });
    let config = FileLogConfig::default()
        .with_file_system(disk.disk())
        .with_idle(Duration::from_millis(10));
    let first = FileSessionLog::open_with(dir.path(), config).unwrap();
    let second = FileSessionLog::open(dir.path()).unwrap();
    let event = SessionEvent::TextComplete("1".into());
    first.durable_sink(key("a")).write(&event).unwrap();
    wait_for("the lock", || append(&second, &key("a"), &["2"]).is_ok());
}

#[test]
fn a_session_is_free_when_its_writer_idles() {
    let dir = scratch();
    let config = FileLogConfig::default().with_idle(Duration::from_millis(1));
    let first = FileSessionLog::open_with(dir.path(), config).unwrap();
    let second = FileSessionLog::open(dir.path()).unwrap();
    append(&first, &key("a"), &["1"]).unwrap();
    wait_for("the lock", || append(&second, &key("a"), &["2"]).is_ok());
    // What it had journaled went with the session.
    assert_eq!(of_kind(dir.path(), "wal").len(), 1);
    assert_eq!(load(&first, &key("a")).unwrap(), ["1", "2"]);
}

#[test]
fn more_sessions_than_may_be_open_take_turns() {
    let dir = scratch();
    let config = FileLogConfig::default().with_open_threads(8);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    for round in 1..=3 {
        for n in 0..20 {
            assert_eq!(append(&log, &key(&n.to_string()), &["x"]).unwrap(), round);
            assert!(of_kind(&dir.path().join("threads"), "lock").len() <= 8);
        }
    }
    let other = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(append(&other, &key("0"), &["let go"]).unwrap(), 4);
}

#[test]
fn many_sessions_submitted_at_once_take_turns_too() {
    let dir = scratch();
    let config = FileLogConfig::default().with_open_threads(8);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let tickets: Vec<_> = (0..100)
        .map(|n| {
            log.durable_sink(key(&n.to_string()))
                .submit(crate::support::text("x"))
        })
        .collect();
    for ticket in tickets {
        assert_eq!(ticket.wait().unwrap(), Some(1));
    }
}

/// A folder whose writer died: a copy of one that is being written.
pub(crate) fn orphan(events: &[&str]) -> tempfile::TempDir {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), events).unwrap();
    image(dir.path())
}

#[test]
fn a_session_whose_writer_died_later_is_recovered_when_it_is_taken() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let dead = orphan(&["1", "2"]);
    // The dead one's session and journal, of which only the journal has all.
    for file in files(dead.path()) {
        let target = dir.path().join(file.strip_prefix(dead.path()).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, &target).unwrap();
        if target.extension().is_some_and(|kind| kind == "jsonl") {
            fs::File::options()
                .write(true)
                .open(&target)
                .unwrap()
                .set_len(10)
                .unwrap();
        }
    }
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
    assert_eq!(log.recovery().replayed_events, 2);
}

#[test]
fn a_lock_left_behind_without_a_journal_is_just_taken() {
    let dead = orphan(&["1"]);
    drop(FileSessionLog::open(dead.path()).unwrap());
    let session = crate::support::session_file(dead.path());
    let text =
        r#"{"journal":"00112233445566778899aabbccddeeff","pid":1,"host":"h","since":"then"}"#;
    fs::write(session.with_extension("lock"), text).unwrap();
    let log = FileSessionLog::open(dead.path()).unwrap();
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
}

#[test]
fn a_dead_writers_session_is_taken_over_though_its_pid_lives_again() {
    let dead = orphan(&["1", "2"]);
    let lock = of_kind(&dead.path().join("threads"), "lock").remove(0);
    let signed = fs::read_to_string(&lock).unwrap();
    let own = format!("\"pid\":{},", std::process::id());
    assert!(signed.contains(&own), "{signed}");
    // The number of a process that lives as long as the machine does: it holds nothing here.
    fs::write(&lock, signed.replace(&own, "\"pid\":1,")).unwrap();
    let log = FileSessionLog::open(dead.path()).unwrap();
    assert_eq!(log.recovery().journals, 1);
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
}

#[test]
fn a_conflict_on_an_unknown_session_leaves_no_trace() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let event = [crate::support::text("x")];
    let error = block_on(log.append_expecting(&key("a"), 5, &event)).unwrap_err();
    assert_eq!(error.actual(), Some(0));
    assert_eq!(block_on(log.archive_before(&key("a"), 9)).unwrap(), 0);
    block_on(log.erase(&key("a"))).unwrap();
    assert!(block_on(log.tenants(None, 9)).unwrap().is_empty());
    drop(log);
    assert_eq!(fs::read_dir(dir.path().join("threads")).unwrap().count(), 0);
}

#[test]
fn a_lock_that_can_not_be_made_stops_nobody_for_good() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    drop(log);
    let lock = session_file(dir.path()).with_extension("lock");
    std::os::unix::fs::symlink("/nonexistent/lock", lock).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let error = append(&log, &key("a"), &["two"]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert_eq!(append(&log, &key("b"), &["one"]).unwrap(), 1);
}

#[test]
fn many_may_make_the_log_at_once() {
    for _ in 0..100 {
        let dir = scratch();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                FileSessionLog::open(dir.path()).map(drop)
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
    }
}

/// Lock files below `part` of the folder.
fn remove_locks(dir: &std::path::Path, part: &str) {
    let mut found = files(&dir.join(part));
    found.retain(|path| path.to_string_lossy().ends_with("lock"));
    assert_eq!(found.len(), 1);
    fs::remove_file(&found[0]).unwrap();
}

/// Longer than between two looks at a path.
fn wait_for_the_next_look() {
    let start = std::time::Instant::now();
    wait_for("the next look", || {
        start.elapsed() > Duration::from_millis(200)
    });
}

#[test]
fn a_session_whose_lock_file_was_removed_still_has_one_writer() {
    let dir = scratch();
    let first = FileSessionLog::open(dir.path()).unwrap();
    append(&first, &key("a"), &["1"]).unwrap();
    remove_locks(dir.path(), "threads");
    let second = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(append(&second, &key("a"), &["2"]).unwrap(), 2);
    wait_for_the_next_look();
    for _ in 0..3 {
        let error = append(&first, &key("a"), &["x"]).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Busy);
    }
    let error = block_on(first.erase(&key("a"))).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Busy);
    assert_eq!(append(&first, &key("b"), &["1"]).unwrap(), 1);
    assert_eq!(append(&second, &key("a"), &["3"]).unwrap(), 3);
    drop(second);
    // What the other one wrote is known here now.
    assert_eq!(append(&first, &key("a"), &["4"]).unwrap(), 4);
    drop(first);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert!(log.recovery().is_clean());
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3", "4"]);
}

#[test]
fn nothing_is_planned_for_a_session_that_there_was_no_time_to_look_at() {
    let (dir, gate) = (scratch(), Gate::new("wal"));
    // A group has two sessions at most.
    let config = FileLogConfig::default()
        .with_open_threads(8)
        .with_file_system(gate.disk());
    let first = FileSessionLog::open_with(dir.path(), config).unwrap();
    for thread in ["a", "b", "c"] {
        append(&first, &key(thread), &["1"]).unwrap();
    }
    let locks = files(&dir.path().join("threads"));
    let lock = locks.iter().find(|path| is_file_of(path, "c", "lock"));
    fs::remove_file(lock.unwrap()).unwrap();
    let second = FileSessionLog::open(dir.path()).unwrap();
    let wrong = [text("no").into()];
    let asked = |log: &FileSessionLog, thread: &str| {
        block_on(log.append_entries(&key(thread), Expect::Last(99), &wrong))
    };
    assert_eq!(
        asked(&second, "c").unwrap_err().kind(),
        LogErrorKind::Conflict
    );
    wait_for_the_next_look();
    gate.set(SyncOutcome::Waits);
    std::thread::scope(|scope| {
        scope.spawn(|| append(&first, &key("a"), &["2"]).unwrap());
        wait_for("the sync", || gate.waiting() > 0);
        let (of_a, of_b, of_c) = (key("a"), key("b"), key("c"));
        // In this order, and in one group: neither conflict adds a session to it.
        let mut a = pin!(first.append_entries(&of_a, Expect::Last(99), &wrong));
        let mut b = pin!(first.append_entries(&of_b, Expect::Last(99), &wrong));
        let mut c = pin!(first.append_entries(&of_c, Expect::Any, &wrong));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(a.as_mut().poll(&mut cx).is_pending());
        assert!(b.as_mut().poll(&mut cx).is_pending());
        assert!(c.as_mut().poll(&mut cx).is_pending());
        gate.set(SyncOutcome::Passes);
        assert_eq!(block_on(a).unwrap_err().kind(), LogErrorKind::Conflict);
        assert_eq!(block_on(b).unwrap_err().kind(), LogErrorKind::Conflict);
        assert_eq!(block_on(c).unwrap_err().kind(), LogErrorKind::Busy);
    });
    assert_eq!(append(&second, &key("c"), &["2"]).unwrap(), 2);
}

#[test]
fn what_two_writers_of_a_session_without_a_lock_acknowledged_is_not_lost() {
    let dir = scratch();
    let first = FileSessionLog::open(dir.path()).unwrap();
    append(&first, &key("a"), &["1"]).unwrap();
    remove_locks(dir.path(), "threads");
    let second = FileSessionLog::open(dir.path()).unwrap();
    // The same place, the same length, before anybody looked.
    assert_eq!(append(&second, &key("a"), &["2 there"]).unwrap(), 2);
    for _ in 0..3 {
        append(&first, &key("a"), &["2 here!"]).unwrap_err();
    }
    drop(second);
    wait_for_the_next_look();
    append(&first, &key("a"), &["3 here!"]).unwrap_err();
    drop(first);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2 there"]);
}

#[test]
fn a_lock_file_that_was_removed_is_made_again() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    remove_locks(dir.path(), "threads");
    wait_for_the_next_look();
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
    let other = FileSessionLog::open(dir.path()).unwrap();
    let error = append(&other, &key("a"), &["x"]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Busy);
}

#[test]
fn a_journal_whose_lock_file_was_removed_stops_others_for_a_moment_only() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    remove_locks(dir.path(), "journal");
    // The log looks after its lock meanwhile: whoever waits for it has nothing that it needs.
    let other = FileSessionLog::open(dir.path()).unwrap();
    assert!(other.recovery().is_clean());
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
    assert_eq!(append(&log, &key("b"), &["1"]).unwrap(), 1);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert!(log.recovery().is_clean());
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2"]);
}

#[test]
fn a_process_that_recovers_for_long_keeps_no_writer_waiting_for_long() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let path = dir.path().join("recovery.lock");
    let recovers = OsFileSystem.open(&path, OpenMode::Create).unwrap();
    assert_eq!(recovers.try_lock().unwrap(), Locked::Taken);
    let begun = Instant::now();
    let error = append(&log, &key("a"), &["1"]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(30));
    drop(recovers);
    assert_eq!(append(&log, &key("a"), &["1"]).unwrap(), 1);
}

#[test]
fn the_names_of_a_dead_process_s_segments_are_durable_before_sessions_are_written_from_them() {
    let dir = orphan(&["1", "2"]);
    let disk = HookedFs::new();
    let asked = Arc::<Mutex<Vec<Asked>>>::default();
    let own = Arc::clone(&asked);
    disk.set(move |what, path| {
        let of_journal = path.parent().is_some_and(|up| up.ends_with("journal"));
        let of_session = is_file_of(path, "a", "jsonl");
        if what == Asked::SyncDir && of_journal || what == Asked::Write && of_session {
            own.lock().unwrap().push(what);
        }
        Ok(())
    });
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    assert_eq!(log.recovery().journals, 1);
    let asked = asked.lock().unwrap();
    let written = asked.iter().position(|what| *what == Asked::Write);
    let synced = asked.iter().position(|what| *what == Asked::SyncDir);
    assert!(written.is_some() && synced < written, "{asked:?}");
    assert!(synced.is_some(), "{asked:?}");
}

#[test]
fn a_session_that_another_process_recovers_is_not_busy_in_the_name_of_the_dead() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("b"), &["1"]).unwrap();
    copy_into(orphan(&["1", "2"]).path(), dir.path());
    let (recovers, goes_on) = (Arc::<Signal>::default(), Arc::<Signal>::default());
    let (recover, go_on) = (Arc::clone(&recovers), Arc::clone(&goes_on));
    let disk = HookedFs::new();
    disk.set(move |what, path| {
        // It has the session's lock.
        if what == Asked::Open && is_file_of(path, "a", "jsonl") {
            recover.give();
            go_on.wait();
        }
        Ok(())
    });
    let config = FileLogConfig::default().with_file_system(disk.disk());
    std::thread::scope(|scope| {
        let other = scope.spawn(|| FileSessionLog::open_with(dir.path(), config).unwrap());
        recovers.wait();
        // Nobody is kept waiting: the locks that all appends need are held meanwhile.
        let asked = Instant::now();
        let told = [(); 4].map(|()| append(&log, &key("a"), &["3"]));
        let took = asked.elapsed();
        goes_on.give();
        for told in told {
            let error = told.unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
        }
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(other.join().unwrap().recovery().journals, 1);
    });
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
}

#[test]
fn a_log_that_is_just_closed_in_order_is_not_taken_for_a_dead_one() {
    let dir = scratch();
    let disk = HookedFs::new();
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let (root, looked) = (dir.path().to_owned(), Arc::<AtomicBool>::default());
    let own = Arc::clone(&looked);
    disk.set(move |what, path| {
        if what == Asked::RemoveDir && path.parent().unwrap().ends_with("journal") {
            let other = FileSessionLog::open(&root).unwrap();
            assert!(other.recovery().is_clean(), "{:?}", other.recovery());
            own.store(true, Ordering::SeqCst);
        }
        Ok(())
    });
    drop(log);
    assert!(looked.load(Ordering::SeqCst));
}

#[test]
fn a_log_that_is_closed_in_order_once_its_lock_was_opened_is_not_taken_for_a_dead_one() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let closes = Mutex::new(Some(log));
    let disk = HookedFs::new();
    disk.set(move |what, path| {
        if what == Asked::Lock && path.ends_with("lock") {
            drop(closes.lock().unwrap().take());
        }
        Ok(())
    });
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let other = FileSessionLog::open_with(dir.path(), config).unwrap();
    assert!(other.recovery().is_clean(), "{:?}", other.recovery());
    assert!(of_kind(dir.path(), "wal").is_empty());
}
