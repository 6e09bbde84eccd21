//! A disk that refuses: here by the limit of a file's size, which a process can set for itself.

use std::env;
use std::process::Command;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::FileSessionLog;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{append, block_on, key, load, scratch};

const CHILD: &str = "BUS_LOG_FILE_TEST_FULL";

fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = bytes.or(maximum);
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

/// Runs one of the tests below in a process that survives the signal of the limit.
fn in_child(name: &str) {
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, name)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn is_child(name: &str) -> bool {
    env::var(CHILD).is_ok_and(|child| child == name)
}

#[test]
fn a_journal_that_is_refused_fails_the_append_and_recording_goes_on_by_itself() {
    let name = "full::a_journal_that_is_refused_fails_the_append_and_recording_goes_on_by_itself";
    if !is_child(name) {
        return in_child(name);
    }
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let long = "x".repeat(100_000);
    limit(Some(20_000));
    for _ in 0..3 {
        let error = append(&log, &key("a"), &["lost", &long]).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
    }
    // What is small enough still fits.
    assert_eq!(append(&log, &key("a"), &["2"]).unwrap(), 2);
    limit(None);
    assert_eq!(append(&log, &key("a"), &["3", &long]).unwrap(), 4);
    let crashed = crate::support::image(dir.path());
    for dir in [dir.path(), crashed.path()] {
        if dir == crashed.path() {
            std::fs::remove_file(crate::support::session_file(dir)).unwrap();
        }
        let log = FileSessionLog::open(dir).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3", &long]);
    }
}

#[test]
fn a_session_file_that_is_refused_catches_up_by_itself() {
    let name = "full::a_session_file_that_is_refused_catches_up_by_itself";
    if !is_child(name) {
        return in_child(name);
    }
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let long = "x".repeat(100_000);
    append(&log, &key("a"), &[&long]).unwrap();
    drop(log);
    // The journal is new and short, the session file at its limit.
    let log = FileSessionLog::open(dir.path()).unwrap();
    limit(Some(100_600));
    let error = append(&log, &key("a"), &["2", &"y".repeat(1000)]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert_eq!(block_on(log.bounds(&key("a"))).unwrap().last, 1);
    let error = append(&log, &key("a"), &["refused"]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert_eq!(append(&log, &key("b"), &["others go on"]).unwrap(), 1);
    limit(None);
    let crashed = crate::support::image(dir.path());
    // What the retry of the caller meets: its events are there.
    let error = block_on(log.append_expecting(&key("a"), 1, &[])).unwrap_err();
    assert_eq!(
        (error.kind(), error.actual()),
        (LogErrorKind::Conflict, Some(3))
    );
    assert_eq!(load(&log, &key("a")).unwrap()[1], "2");
    assert_eq!(append(&log, &key("a"), &["4"]).unwrap(), 4);
    // Had the process died instead, the journal has them.
    let log = FileSessionLog::open(crashed.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap().len(), 3);
}

#[test]
fn a_log_closed_on_a_full_disk_is_recovered_when_it_is_opened() {
    let name = "full::a_log_closed_on_a_full_disk_is_recovered_when_it_is_opened";
    if !is_child(name) {
        return in_child(name);
    }
    let dir = scratch();
    let long = "x".repeat(100_000);
    append(
        &FileSessionLog::open(dir.path()).unwrap(),
        &key("a"),
        &[&long],
    )
    .unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    limit(Some(100_600));
    append(&log, &key("a"), &["2", &"y".repeat(1000)]).unwrap_err();
    drop(log);
    let error = FileSessionLog::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    limit(None);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(log.recovery().replayed_events, 2);
    assert_eq!(append(&log, &key("a"), &["4"]).unwrap(), 4);
}
