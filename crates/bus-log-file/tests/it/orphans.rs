//! What a process left in its journal when it died, met by one that had the folder open before.

use std::fs;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::FileSessionLog;
use tempfile::TempDir;

use crate::support::{
    append, block_on, files, image, key, load, lose_line, of_kind, scratch, session_file,
};

const SECRET: &str = "the-launch-code-is-0000";

/// A folder whose writer died with `a` and `new` acknowledged: of `a` the session file has the first of two
/// events, of `new` there is none. Another process has had it open since before.
fn orphaned() -> (TempDir, FileSessionLog) {
    let dir = scratch();
    let dead = FileSessionLog::open(dir.path()).unwrap();
    append(&dead, &key("a"), &["1"]).unwrap();
    append(&dead, &key("a"), &["2"]).unwrap();
    append(&dead, &key("new"), &[SECRET]).unwrap();
    let left = image(dir.path());
    for path in of_kind(left.path(), "jsonl") {
        let text = fs::read_to_string(&path).unwrap();
        if text.contains(SECRET) {
            fs::remove_file(&path).unwrap();
        } else {
            // The header and the first event.
            let lines: Vec<&str> = text.split_inclusive('\n').take(2).collect();
            fs::write(&path, lines.concat()).unwrap();
        }
    }
    // Its journal is moved aside, so that opening the folder does not bring it home.
    let (journal, aside) = (left.path().join("journal"), left.path().join("aside"));
    fs::rename(&journal, &aside).unwrap();
    fs::create_dir(&journal).unwrap();
    let log = FileSessionLog::open(left.path()).unwrap();
    fs::remove_dir(&journal).unwrap();
    fs::rename(&aside, &journal).unwrap();
    (left, log)
}

#[test]
fn erasing_a_thread_that_only_a_dead_process_s_journal_has_leaves_no_byte_of_it() {
    let (dir, log) = orphaned();
    block_on(log.erase(&key("new"))).unwrap();
    let mut left = files(dir.path());
    left.retain(|path| {
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes())
    });
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    let bounds = block_on(log.bounds(&key("new"))).unwrap();
    assert_eq!((bounds.last, bounds.erased), (1, true));
    let other = FileSessionLog::open(dir.path()).unwrap();
    assert!(load(&other, &key("new")).unwrap().is_empty());
    assert_eq!(load(&other, &key("a")).unwrap(), ["1", "2"]);
}

#[test]
fn archiving_a_thread_counts_what_a_dead_process_s_journal_has_of_it() {
    let (_dir, log) = orphaned();
    assert_eq!(block_on(log.archive_before(&key("new"), 9)).unwrap(), 1);
    assert_eq!(block_on(log.archive_before(&key("a"), 9)).unwrap(), 2);
}

#[test]
fn an_empty_append_tells_the_last_ordinal_that_a_dead_process_acknowledged() {
    for (thread, last) in [("a", 2), ("new", 1)] {
        let (_dir, log) = orphaned();
        let error = block_on(log.append_expecting(&key(thread), 0, &[])).unwrap_err();
        assert_eq!(
            (error.kind(), error.actual()),
            (LogErrorKind::Conflict, Some(last))
        );
    }
}

#[test]
fn damage_that_a_dead_process_s_journal_can_mend_hinders_neither_an_archive_nor_an_erasure() {
    let (dir, log) = orphaned();
    lose_line(&session_file(dir.path()), 2);
    assert_eq!(block_on(log.archive_before(&key("a"), 1)).unwrap(), 1);
    assert_eq!(load(&log, &key("a")).unwrap(), ["2"]);
    let (dir, log) = orphaned();
    lose_line(&session_file(dir.path()), 2);
    block_on(log.erase(&key("a"))).unwrap();
    assert_eq!(block_on(log.bounds(&key("a"))).unwrap().last, 2);
}
