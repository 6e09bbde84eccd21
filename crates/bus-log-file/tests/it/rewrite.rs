//! Archiving rewrites the session file.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bus_log::SessionLog;
use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs};
use crate::reported;
use crate::support::{
    Signal, append, block_on, is_file_of, key, load, lose_line, numbers, scratch, session_file,
    wait_for,
};

#[test]
fn archiving_gives_the_space_back_and_keeps_the_rest() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let long = "x".repeat(100_000);
    append(&log, &key("a"), &[&long, &long, "3"]).unwrap();
    append(&log, &key("a"), &["4"]).unwrap();
    assert_eq!(block_on(log.archive_before(&key("a"), 2)).unwrap(), 2);
    assert!(fs::metadata(session_file(dir.path())).unwrap().len() < 2000);
    assert_eq!(load(&log, &key("a")).unwrap(), ["3", "4"]);
    assert_eq!(block_on(log.archive_before(&key("a"), 1)).unwrap(), 0);
    assert_eq!(append(&log, &key("a"), &["5"]).unwrap(), 5);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["3", "4", "5"]);
    assert!(log.recovery().is_clean());
}

#[test]
fn a_thread_archived_to_its_end_goes_on_after_it() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1", "2"]).unwrap();
    assert_eq!(
        block_on(log.archive_before(&key("a"), u64::MAX)).unwrap(),
        2
    );
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    let bounds = block_on(log.bounds(&key("a"))).unwrap();
    assert_eq!((bounds.first, bounds.last, bounds.watermark), (3, 2, 2));
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["3"]);
}

#[test]
fn a_reader_is_not_disturbed_by_an_archive() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=150_u64 {
                append(&log, &key("a"), &[&n.to_string(), "second"]).unwrap();
                block_on(log.archive_before(&key("a"), n)).unwrap();
            }
        });
        let reader = FileSessionLog::open(dir.path()).unwrap();
        let mut last = 0;
        while last < 300 {
            let page = block_on(reader.read(&key("a"), 0, 1000)).unwrap();
            let ordinals: Vec<u64> = page.events.iter().map(|event| event.ordinal).collect();
            assert!(ordinals.windows(2).all(|pair| pair[0] + 1 == pair[1]));
            let newest = ordinals.last().copied().unwrap_or(last);
            assert!(
                newest >= last && newest % 2 == 0,
                "half a batch, or a step back"
            );
            last = newest;
        }
    });
}

/// A log of which a segment is ended by `end`: its session files are made durable in the background.
fn open(dir: &Path, disk: &HookedFs) -> FileSessionLog {
    let config = FileLogConfig::default()
        .with_segment_bytes(4096)
        .with_file_system(disk.disk());
    FileSessionLog::open_with(dir, config).unwrap()
}

fn end(log: &FileSessionLog) {
    append(log, &key("b"), &[&"x".repeat(5000)]).unwrap();
}

fn append_ten(log: &FileSessionLog) {
    for text in numbers(1..=10) {
        append(log, &key("a"), &[&text]).unwrap();
    }
}

#[test]
fn an_archive_copies_nothing_that_a_failed_sync_lost() {
    let dir = scratch();
    let disk = HookedFs::new();
    let log = open(dir.path(), &disk);
    append_ten(&log);
    let (copying, lost) = (Signal::default(), Signal::default());
    let failed = AtomicBool::new(false);
    disk.set(move |what, path| {
        if what == Asked::Open && is_file_of(path, "a", "tmp") {
            copying.give();
            lost.wait();
        }
        let syncs = what == Asked::Sync && is_file_of(path, "a", "jsonl");
        if syncs && !failed.swap(true, Ordering::SeqCst) {
            copying.wait();
            lose_line(path, 6);
            lost.give();
            return Err(io::Error::other("on purpose"));
        }
        Ok(())
    });
    end(&log);
    assert_eq!(block_on(log.archive_before(&key("a"), 2)).unwrap(), 2);
    assert_eq!(load(&log, &key("a")).unwrap(), numbers(3..=10));
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), numbers(3..=10));
}

#[test]
fn an_archive_while_the_old_file_is_synced_is_not_taken_for_somebody_else_s_doing() {
    reported::listen();
    let (dir, disk) = (scratch(), HookedFs::new());
    let log = open(dir.path(), &disk);
    append_ten(&log);
    let [syncs, archived] = [(); 2].map(|()| Arc::<Signal>::default());
    let (sync, archive) = (Arc::clone(&syncs), Arc::clone(&archived));
    let first = AtomicBool::new(true);
    disk.set(move |what, path| {
        let of_a = what == Asked::Sync && is_file_of(path, "a", "jsonl");
        if of_a && first.swap(false, Ordering::SeqCst) {
            sync.give();
            archive.wait();
        }
        Ok(())
    });
    end(&log);
    syncs.wait();
    assert_eq!(block_on(log.archive_before(&key("a"), 2)).unwrap(), 2);
    archived.give();
    assert_eq!(append(&log, &key("a"), &["11"]).unwrap(), 11);
    drop(log);
    let warnings = reported::warnings(dir.path());
    assert!(warnings.is_empty(), "{warnings:?}");
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), numbers(3..=11));
}

#[test]
fn an_archive_of_what_the_journal_can_not_mend_leaves_the_file_as_it_is() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append_ten(&log);
    drop(log);
    let path = session_file(dir.path());
    lose_line(&path, 6);
    let before = fs::read(&path).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    for _ in 0..2 {
        let error = block_on(log.archive_before(&key("a"), 2)).unwrap_err();
        assert_eq!(error.kind(), bus_log::LogErrorKind::Corrupt);
        assert!(error.to_string().contains("line 6, ordinal 5"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!path.with_extension("tmp").exists());
    // What keeps none of it can be done.
    let all = block_on(log.archive_before(&key("a"), u64::MAX));
    assert_eq!(all.unwrap(), 10);
    assert_eq!(append(&log, &key("a"), &["11"]).unwrap(), 11);
    assert_eq!(load(&log, &key("a")).unwrap(), ["11"]);
}

#[test]
fn an_archive_first_mends_what_a_failed_sync_lost() {
    let dir = scratch();
    let disk = HookedFs::new();
    let log = open(dir.path(), &disk);
    append_ten(&log);
    let refused = Arc::new(AtomicUsize::new(0));
    let (own, failed) = (Arc::clone(&refused), AtomicBool::new(false));
    disk.set(move |what, path| {
        let fails = match what {
            Asked::Sync if is_file_of(path, "a", "jsonl") => {
                let first = !failed.swap(true, Ordering::SeqCst);
                if first {
                    lose_line(path, 11);
                }
                first
            }
            // The first time that it is to be mended.
            Asked::Write if is_file_of(path, "a", "jsonl") => {
                own.fetch_add(1, Ordering::SeqCst) == 0
            }
            _ => false,
        };
        match fails {
            true => Err(io::Error::other("on purpose")),
            false => Ok(()),
        }
    });
    end(&log);
    wait_for("the first try to mend it", || {
        refused.load(Ordering::SeqCst) > 0
    });
    assert_eq!(block_on(log.archive_before(&key("a"), 2)).unwrap(), 2);
    assert_eq!(load(&log, &key("a")).unwrap(), numbers(3..=10));
}

#[test]
fn a_removed_file_is_put_back_with_what_the_journal_has_in_place_of_what_was_lost() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append_ten(&log);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["11"]).unwrap();
    append(&log, &key("a"), &["12"]).unwrap();
    let path = session_file(dir.path());
    lose_line(&path, 12);
    fs::remove_file(&path).unwrap();
    assert_eq!(append(&log, &key("a"), &["13"]).unwrap(), 13);
    assert_eq!(load(&log, &key("a")).unwrap(), numbers(1..=13));
}
