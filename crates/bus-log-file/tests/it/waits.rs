//! What other processes have, or are about to do, keeps nobody waiting whom it does not concern.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use bus_log::{DurableSink, LogErrorKind, SessionLog, Ticket};
use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::disk::{Asked, FileSystem, HookedFs, Locked, OpenMode, OsFileSystem};
use crate::locks::orphan;
use crate::support::{append, block_on, copy_into, is_file_of, key, load, scratch, text};

/// A log on this disk, and beside it another one that has these sessions.
fn beside(dir: &Path, disk: &HookedFs, had: &[&str]) -> (FileSessionLog, FileSessionLog) {
    let other = FileSessionLog::open(dir).unwrap();
    for thread in had {
        append(&other, &key(thread), &["1"]).unwrap();
    }
    let config = FileLogConfig::default()
        .with_open_threads(8)
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir, config).unwrap();
    // It has a journal from here on.
    append(&log, &key("own"), &["1"]).unwrap();
    (log, other)
}

fn refused(log: &FileSessionLog, thread: &str) -> LogErrorKind {
    append(log, &key(thread), &["x"]).unwrap_err().kind()
}

#[test]
fn a_process_that_was_just_found_alive_is_not_looked_at_again_and_again() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let (log, _other) = beside(dir.path(), &disk, &["a", "b"]);
    let looks = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&looks);
    disk.set(move |what, path| {
        if what == Asked::Open && ["a", "b"].iter().any(|of| is_file_of(path, of, "lock")) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    assert_eq!(refused(&log, "a"), LogErrorKind::Busy);
    assert!(looks.load(Ordering::SeqCst) > 1, "it might be a dead one's");
    // A machine may have no time for us for so long that it is asked once more whether that one lives.
    let once = (0..20).any(|_| {
        looks.store(0, Ordering::SeqCst);
        assert_eq!(refused(&log, "b"), LogErrorKind::Busy);
        looks.load(Ordering::SeqCst) == 1
    });
    assert!(once);
}

#[test]
fn a_session_is_busy_though_others_ask_just_then_whether_anybody_recovers() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let (log, _other) = beside(dir.path(), &disk, &["a"]);
    let (asked, asks) = (AtomicUsize::new(0), Mutex::new(None));
    disk.set(move |what, path| {
        if what == Asked::Lock && path.ends_with("recovery.lock") {
            let mut asks = asks.lock().unwrap();
            *asks = None;
            if asked.fetch_add(1, Ordering::SeqCst) == 2 {
                let file = OsFileSystem.open(path, OpenMode::Create)?;
                assert_eq!(file.try_lock()?, Locked::Taken);
                *asks = Some(file);
            }
        }
        Ok(())
    });
    assert_eq!(refused(&log, "a"), LogErrorKind::Busy);
}

#[test]
fn a_group_looks_at_no_more_sessions_of_others_than_it_may_have_of_its_own() {
    const LONG: Duration = Duration::from_secs(10);
    let (dir, disk) = (scratch(), HookedFs::new());
    let had = ["0", "1", "2", "3", "4", "5"];
    let (log, _other) = beside(dir.path(), &disk, &had);
    let ((submitted, all), (told, first)) = (mpsc::channel(), mpsc::channel());
    let (all, first) = (Mutex::new(all), Mutex::new(first));
    let (is_told, looked) = (Arc::<AtomicBool>::default(), AtomicBool::new(false));
    let in_time = Arc::clone(&is_told);
    disk.set(move |what, path| {
        if what == Asked::Open && is_file_of(path, "before", "lock") {
            // The others are one group.
            let _: Result<(), _> = all.lock().unwrap().recv_timeout(LONG);
        }
        let last = what == Asked::Open && is_file_of(path, "5", "lock");
        if last && !looked.swap(true, Ordering::SeqCst) {
            let told: Result<(), _> = first.lock().unwrap().recv_timeout(LONG);
            in_time.store(told.is_ok(), Ordering::SeqCst);
        }
        Ok(())
    });
    let submit = |thread: &str| log.durable_sink(key(thread)).submit(text("x"));
    let before = submit("before");
    let mut tickets = had.map(submit).into_iter();
    submitted.send(()).unwrap();
    let is_busy = |ticket: Ticket| {
        let error = ticket.wait().unwrap_err();
        assert!(error.to_string().contains("process"), "{error}");
    };
    tickets.next().into_iter().for_each(is_busy);
    told.send(()).unwrap();
    tickets.for_each(is_busy);
    before.wait().unwrap();
    assert!(is_told.load(Ordering::SeqCst));
}

#[test]
fn a_dead_process_s_session_holds_up_no_other_while_somebody_recovers() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("b"), &["1"]).unwrap();
    copy_into(orphan(&["1", "2"]).path(), dir.path());
    let path = dir.path().join("recovery.lock");
    let recovers = OsFileSystem.open(&path, OpenMode::Create).unwrap();
    assert_eq!(recovers.try_lock().unwrap(), Locked::Taken);
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(refused(&log, "a"), LogErrorKind::Unavailable);
    }
    // Nobody died with a session that never was.
    assert_eq!(block_on(log.archive_before(&key("never"), 1)).unwrap(), 0);
    // Two seconds each, once, for all who write.
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(append(&log, &key("b"), &["2"]).unwrap(), 2);
    drop(recovers);
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3"]);
}
