//! Somebody else removes, replaces or cuts files while a log writes them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs, is_kind};
use crate::reported;
use crate::support::{append, block_on, key, load, of_kind, scratch, session_file};

/// What is told of "three" after `meddle`, what a log opened later has, and what was reported before that.
fn after(
    meddle: impl FnOnce(&Path),
) -> (
    bus_log::Result<u64>,
    bus_log::Result<Vec<String>>,
    Vec<String>,
) {
    reported::listen();
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    append(&log, &key("a"), &["two"]).unwrap();
    meddle(dir.path());
    let told = append(&log, &key("a"), &["three"]);
    drop(log);
    let warnings = reported::warnings(dir.path());
    let later = FileSessionLog::open(dir.path()).and_then(|log| load(&log, &key("a")));
    (told, later, warnings)
}

/// That somebody meddled with a file of this kind was reported, naming it.
fn assert_reported(warnings: &[String], what: &str, kind: &str) {
    let found = warnings
        .iter()
        .any(|warning| warning.contains(what) && warning.contains(kind));
    assert!(found, "{what}, {kind}: {warnings:?}");
}

const MEDDLED: &str = "removed, replaced or cut";

fn replace_by(dir: &Path, bytes: &[u8]) {
    let path = session_file(dir);
    let aside = path.with_extension("other");
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, path).unwrap();
}

#[test]
fn a_session_file_that_was_removed_under_its_writer_is_put_back() {
    let (told, later, warnings) = after(|dir| fs::remove_file(session_file(dir)).unwrap());
    assert_reported(&warnings, MEDDLED, ".jsonl");
    assert_eq!(told.unwrap(), 3);
    assert_eq!(later.unwrap(), ["one", "two", "three"]);
}

#[test]
fn a_session_file_that_was_replaced_by_a_copy_is_written_on() {
    let (told, later, warnings) = after(|dir| {
        let bytes = fs::read(session_file(dir)).unwrap();
        replace_by(dir, &bytes);
    });
    assert_reported(&warnings, MEDDLED, ".jsonl");
    assert_eq!(told.unwrap(), 3);
    assert_eq!(later.unwrap(), ["one", "two", "three"]);
}

#[test]
fn a_session_file_that_was_cut_under_its_writer_is_made_whole_from_the_journal() {
    let (told, later, warnings) = after(|dir| {
        let file = fs::File::options().write(true).open(session_file(dir));
        file.unwrap().set_len(300).unwrap();
    });
    assert_reported(&warnings, MEDDLED, ".jsonl");
    assert_eq!(told.unwrap(), 3);
    assert_eq!(later.unwrap(), ["one", "two", "three"]);
}

#[test]
fn a_session_file_that_was_replaced_by_its_beginning_is_made_whole_from_the_journal() {
    for len in [0, 300] {
        let (told, later, warnings) = after(|dir| {
            let bytes = fs::read(session_file(dir)).unwrap();
            replace_by(dir, &bytes[..len]);
        });
        assert_reported(&warnings, MEDDLED, ".jsonl");
        assert_eq!(told.unwrap(), 3);
        assert_eq!(later.unwrap(), ["one", "two", "three"]);
    }
}

#[test]
fn nothing_is_acknowledged_into_other_content_that_a_session_file_was_replaced_by() {
    let replacements: [fn(Vec<u8>) -> Vec<u8>; 3] = [
        |_| b"somebody else's notes\n".to_vec(),
        |bytes| vec![b'x'; bytes.len() + 100],
        // Shorter, and no longer what it was.
        |bytes| bytes.iter().rev().take(300).copied().collect(),
    ];
    for (n, replacement) in replacements.into_iter().enumerate() {
        let (told, later, warnings) = after(|dir| {
            let bytes = fs::read(session_file(dir)).unwrap();
            replace_by(dir, &replacement(bytes));
        });
        assert_reported(&warnings, MEDDLED, ".jsonl");
        let told = told.unwrap_err();
        assert_eq!(told.kind(), LogErrorKind::Corrupt, "{n}: {told}");
        assert!(told.to_string().contains(".jsonl"), "{n}: {told}");
        let later = later.unwrap_err();
        assert_eq!(later.kind(), LogErrorKind::Corrupt, "{n}: {later}");
        assert!(later.to_string().contains(".jsonl"), "{n}: {later}");
    }
}

#[test]
fn what_was_written_is_not_lost_with_a_file_removed_before_the_log_is_closed() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    fs::remove_file(session_file(dir.path())).unwrap();
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["one"]);
}

#[test]
fn what_was_acknowledged_early_is_not_lost_with_a_file_removed_before_it_was_shown() {
    for durability in [Durability::Interval(Duration::MAX), Durability::Os] {
        let (dir, disk) = (scratch(), HookedFs::new());
        let log = FileSessionLog::open(dir.path()).unwrap();
        append(&log, &key("a"), &["1"]).unwrap();
        drop(log);
        let (session, removed) = (session_file(dir.path()), AtomicBool::new(false));
        disk.set(move |what, path| {
            let syncs = what == Asked::Sync && is_kind(path, "wal");
            match syncs && !removed.swap(true, Ordering::SeqCst) {
                true => fs::remove_file(&session),
                false => Ok(()),
            }
        });
        let config = FileLogConfig::default()
            .with_durability(durability)
            .with_file_system(disk.disk());
        let log = FileSessionLog::open_with(dir.path(), config).unwrap();
        assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
        drop(log);
        let log = FileSessionLog::open(dir.path()).unwrap();
        let all = load(&log, &key("a")).unwrap();
        assert_eq!(all, ["1", "2"], "{durability:?}");
    }
}

#[test]
fn nothing_is_acknowledged_into_a_file_that_the_journal_can_not_make_whole() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["two"]).unwrap();
    let file = fs::File::options()
        .write(true)
        .open(session_file(dir.path()));
    file.unwrap().set_len(200).unwrap();
    let error = append(&log, &key("a"), &["three"]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
    assert_eq!(append(&log, &key("b"), &["other"]).unwrap(), 1);
    // The way out that needs no knowledge of files.
    block_on(log.erase(&key("a"))).unwrap();
    assert_eq!(append(&log, &key("a"), &["new"]).unwrap(), 3);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["new"]);
    assert_eq!(load(&log, &key("b")).unwrap(), ["other"]);
}

#[test]
fn nothing_is_acknowledged_into_a_journal_that_was_removed() {
    let (told, later, warnings) = after(|dir| {
        let segment = of_kind(dir, "wal").remove(0);
        fs::remove_dir_all(segment.parent().unwrap()).unwrap();
    });
    assert_reported(&warnings, "failed", "journal");
    assert_eq!(told.unwrap_err().kind(), LogErrorKind::Unavailable);
    assert_eq!(later.unwrap(), ["one", "two"]);
}

#[test]
fn a_segment_removed_replaced_or_cut_under_its_writer_loses_nothing_acknowledged() {
    let meddlers: [fn(&Path); 3] = [
        |segment| fs::remove_file(segment).unwrap(),
        |segment| {
            let aside = segment.with_extension("other");
            fs::copy(segment, &aside).unwrap();
            fs::rename(aside, segment).unwrap();
        },
        |segment| {
            let file = fs::File::options().write(true).open(segment).unwrap();
            file.set_len(60).unwrap();
        },
    ];
    for (n, meddle) in meddlers.into_iter().enumerate() {
        let (told, later, _) = after(|dir| meddle(&of_kind(dir, "wal")[0]));
        let later = later.unwrap();
        match told {
            // What is in the session file needs no segment once the log is closed.
            Ok(last) => assert_eq!((last, later.len()), (3, 3), "meddler {n}"),
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    LogErrorKind::Unavailable,
                    "meddler {n}: {error}"
                );
                assert_eq!(later, ["one", "two"], "meddler {n}");
            }
        }
    }
}

#[test]
fn nothing_is_acknowledged_into_a_log_whose_folder_was_removed() {
    let dir = scratch();
    let root = dir.path().join("log");
    let log = FileSessionLog::open(&root).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    fs::remove_dir_all(&root).unwrap();
    append(&log, &key("a"), &["two"]).unwrap_err();
    append(&log, &key("b"), &["one"]).unwrap_err();
}
