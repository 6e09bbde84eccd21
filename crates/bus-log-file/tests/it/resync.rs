//! A sync that failed is not made good by one that passes: what is to count is written again.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bus_log::SessionLog;
use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs, is_kind};
use crate::support::{append, block_on, image, key, load, scratch, session_file};

/// Has the first sync of each file of one kind fail. Returns what is asked of them.
fn fail_first(disk: &HookedFs, kind: &'static str) -> Arc<Mutex<Vec<Asked>>> {
    let asked = Arc::<Mutex<Vec<Asked>>>::default();
    let own = Arc::clone(&asked);
    disk.set(move |what, path| {
        if !is_kind(path, kind) {
            return Ok(());
        }
        let mut asked = own.lock().unwrap();
        asked.push(what);
        match asked.iter().filter(|what| **what == Asked::Sync).count() {
            1 if what == Asked::Sync => Err(io::Error::other("on purpose")),
            _ => Ok(()),
        }
    });
    asked
}

fn open(dir: &Path, disk: &HookedFs) -> bus_log::Result<FileSessionLog> {
    let config = FileLogConfig::default().with_file_system(disk.disk());
    FileSessionLog::open_with(dir, config)
}

/// Before every good sync the file was changed since the one that failed.
fn assert_done_again(asked: &[Asked], by: Asked) {
    let failed = asked.iter().position(|what| *what == Asked::Sync).unwrap();
    let good = asked[failed + 1..]
        .iter()
        .position(|what| *what == Asked::Sync);
    let between = &asked[failed + 1..][..good.expect("a good sync")];
    assert!(between.contains(&by), "{asked:?}");
}

#[test]
fn a_journal_whose_sync_failed_in_a_recovery_is_written_again_by_the_next_one() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    append(&log, &key("a"), &["2"]).unwrap();
    let dead = image(dir.path());
    let disk = HookedFs::new();
    let asked = fail_first(&disk, "wal");
    open(dead.path(), &disk).unwrap_err();
    let log = open(dead.path(), &disk).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2"]);
    assert_done_again(&asked.lock().unwrap(), Asked::Write);
}

#[test]
fn a_torn_end_whose_cut_could_not_be_synced_is_cut_again() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    append(&log, &key("a"), &["2"]).unwrap();
    drop(log);
    let path = session_file(dir.path());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let disk = HookedFs::new();
    let asked = fail_first(&disk, "jsonl");
    let log = open(dir.path(), &disk).unwrap();
    append(&log, &key("a"), &["refused"]).unwrap_err();
    assert_eq!(append(&log, &key("a"), &["2 again"]).unwrap(), 2);
    drop(log);
    assert_done_again(&asked.lock().unwrap(), Asked::SetLen);
    assert!(
        asked
            .lock()
            .unwrap()
            .iter()
            .filter(|what| **what == Asked::SetLen)
            .count()
            == 2
    );
}

#[test]
fn however_many_files_are_written_again_the_journal_is_looked_through_once() {
    const MANY: usize = 20;
    let dir = scratch();
    let disk = HookedFs::new();
    let log = open(dir.path(), &disk).unwrap();
    for n in 0..MANY {
        append(&log, &key(&n.to_string()), &["1"]).unwrap();
    }
    append(&log, &key("z"), &["1"]).unwrap();
    disk.set(|what, path| match what {
        Asked::Sync if is_kind(path, "jsonl") => Err(io::Error::other("on purpose")),
        _ => Ok(()),
    });
    block_on(log.erase(&key("z"))).unwrap_err();
    let reads = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&reads);
    disk.set(move |what, path| {
        let read = what == Asked::Read && is_kind(path, "wal");
        own.fetch_add(usize::from(read), Ordering::SeqCst);
        Ok(())
    });
    block_on(log.erase(&key("z"))).unwrap();
    let reads = reads.load(Ordering::SeqCst);
    // Each one's own records are read besides.
    assert!((MANY..2 * MANY).contains(&reads), "{reads}");
    for n in 0..MANY {
        assert_eq!(load(&log, &key(&n.to_string())).unwrap(), ["1"]);
    }
}
