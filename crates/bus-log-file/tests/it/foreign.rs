//! Somebody else removes, replaces or cuts files while a log writes them.

use std::fs;
use std::path::Path;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::FileSessionLog;

use crate::support::{append, block_on, key, load, of_kind, scratch, session_file};

/// What is told of "three" after `meddle`, and what a log opened later has.
fn after(meddle: impl FnOnce(&Path)) -> (bus_log::Result<u64>, bus_log::Result<Vec<String>>) {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    append(&log, &key("a"), &["two"]).unwrap();
    meddle(dir.path());
    let told = append(&log, &key("a"), &["three"]);
    drop(log);
    let later = FileSessionLog::open(dir.path()).and_then(|log| load(&log, &key("a")));
    (told, later)
}

fn replace_by(dir: &Path, bytes: &[u8]) {
    let path = session_file(dir);
    let aside = path.with_extension("other");
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, path).unwrap();
}

#[test]
fn a_session_file_that_was_removed_under_its_writer_is_put_back() {
    let (told, later) = after(|dir| fs::remove_file(session_file(dir)).unwrap());
    assert_eq!(told.unwrap(), 3);
    assert_eq!(later.unwrap(), ["one", "two", "three"]);
}

#[test]
fn a_session_file_that_was_replaced_by_a_copy_is_written_on() {
    let (told, later) = after(|dir| {
        let bytes = fs::read(session_file(dir)).unwrap();
        replace_by(dir, &bytes);
    });
    assert_eq!(told.unwrap(), 3);
    assert_eq!(later.unwrap(), ["one", "two", "three"]);
}

#[test]
fn a_session_file_that_was_cut_under_its_writer_is_made_whole_from_the_journal() {
    let (told, later) = after(|dir| {
        let file = fs::File::options().write(true).open(session_file(dir));
        file.unwrap().set_len(300).unwrap();
    });
    assert_eq!(told.unwrap(), 3);
    assert_eq!(later.unwrap(), ["one", "two", "three"]);
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
    let (told, later) = after(|dir| {
        let segment = of_kind(dir, "wal").remove(0);
        fs::remove_dir_all(segment.parent().unwrap()).unwrap();
    });
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
        let (told, later) = after(|dir| meddle(&of_kind(dir, "wal")[0]));
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
