//! Nothing of an erased thread is left.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::support::{append, block_on, files, image, key, load, scratch, session_file, wait_for};

const SECRET: &str = "the-launch-code-is-0000";

fn files_with_secret(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = files(dir);
    found.retain(|path| {
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes())
    });
    found
}

#[test]
fn no_file_holds_a_byte_of_an_erased_thread() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["plain", SECRET]).unwrap();
    append(&log, &key("b"), &["kept"]).unwrap();
    // The session file and the journal.
    assert_eq!(files_with_secret(dir.path()).len(), 2);
    block_on(log.erase(&key("a"))).unwrap();
    assert_eq!(
        files_with_secret(dir.path()),
        Vec::<std::path::PathBuf>::new()
    );
    let bounds = block_on(log.bounds(&key("a"))).unwrap();
    assert_eq!(
        (bounds.last, bounds.readable(), bounds.erased),
        (2, 0, true)
    );
    assert_eq!(append(&log, &key("a"), &["after"]).unwrap(), 3);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["after"]);
    assert_eq!(load(&log, &key("b")).unwrap(), ["kept"]);
    assert!(block_on(log.bounds(&key("a"))).unwrap().erased);
}

#[test]
fn another_process_that_wrote_the_thread_before_keeps_nothing_of_it() {
    let dir = scratch();
    let config = bus_log_file::FileLogConfig::default();
    let config = config.with_idle(std::time::Duration::from_millis(1));
    let first = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&first, &key("a"), &[SECRET]).unwrap();
    let second = FileSessionLog::open(dir.path()).unwrap();
    wait_for("the thread", || block_on(second.erase(&key("a"))).is_ok());
    assert_eq!(
        files_with_secret(dir.path()),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(append(&second, &key("a"), &["after"]).unwrap(), 2);
}

#[test]
fn a_journal_that_outlived_the_erasure_does_not_bring_it_back() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["plain", SECRET]).unwrap();
    let before = image(dir.path());
    block_on(log.erase(&key("a"))).unwrap();
    drop(log);
    // The removal of the journal did not reach the disk, the erased file did.
    for file in files(&before.path().join("journal")) {
        let target = dir.path().join(file.strip_prefix(before.path()).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(log.recovery().journals, 1);
    assert_eq!(log.recovery().replayed_events, 0);
    assert!(load(&log, &key("a")).unwrap().is_empty());
    assert_eq!(
        files_with_secret(dir.path()),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(append(&log, &key("a"), &["after"]).unwrap(), 3);
}

#[test]
fn erasing_twice_is_erasing_once() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &[SECRET]).unwrap();
    block_on(log.erase(&key("a"))).unwrap();
    block_on(log.erase(&key("a"))).unwrap();
    assert_eq!(block_on(log.bounds(&key("a"))).unwrap().last, 1);
    assert_eq!(
        block_on(log.list(key("a").tenant_id(), None, 9))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_thread_whose_last_line_is_damaged_can_be_erased_and_gives_no_ordinal_twice() {
    let config = || FileLogConfig::default().with_idle(Duration::from_millis(20));
    for lines in [10, 2] {
        let dir = scratch();
        let log = FileSessionLog::open(dir.path()).unwrap();
        for _ in 0..lines {
            append(&log, &key("a"), &[SECRET]).unwrap();
        }
        drop(log);
        let path = session_file(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        // The last two lines, with the line break between them.
        let start = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let start = start.map(|(at, _)| at).nth(lines - 2).unwrap() + 1;
        let end = bytes.len() - 1;
        bytes[start..end].fill(0);
        fs::write(&path, bytes).unwrap();

        let log = FileSessionLog::open_with(dir.path(), config()).unwrap();
        for _ in 0..2 {
            let error = append(&log, &key("a"), &["after"]).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
            let error = block_on(log.archive_before(&key("a"), 5)).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
        }
        block_on(log.erase(&key("a"))).unwrap();
        assert_eq!(
            files_with_secret(dir.path()),
            Vec::<std::path::PathBuf>::new()
        );
        let bounds = block_on(log.bounds(&key("a"))).unwrap();
        assert!(bounds.erased && bounds.readable() == 0, "{bounds:?}");
        assert!(bounds.last >= lines as u64, "{bounds:?}");
        // Who erased it does not keep it.
        let other = FileSessionLog::open(dir.path()).unwrap();
        let mut last = Ok(0);
        wait_for("the session", || {
            last = append(&other, &key("a"), &["after"]);
            last.is_ok()
        });
        assert_eq!(last.unwrap(), bounds.last + 1);
        drop((log, other));
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["after"]);
    }
}
