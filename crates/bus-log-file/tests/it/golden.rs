//! Logs as version 1 of the format wrote them: they must stay readable for good.
//!
//! `golden/README.md` says what is in them and how they came about. A test that fails here says that a
//! log on somebody's disk can't be read any more, or not by who wrote it. The golden files are then
//! right and the code is wrong.

mod content;
mod script;
mod segment;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use bus_log::{Event, LogErrorKind, SessionEvent, SessionLog};
use bus_log_file::{FileLogReader, FileSessionLog};
use tempfile::TempDir;

use crate::support::{block_on, copy_into, files, of_kind, scratch};
use content::Content;

const CASES: [&str; 2] = ["settled", "crashed"];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/v1")
        .join(name)
}

fn expected(case: &str) -> Content {
    let text = fs::read_to_string(golden(case).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A copy of the golden log that may be written.
fn copy(case: &str) -> TempDir {
    let copy = scratch();
    copy_into(&golden(case).join("log"), copy.path());
    // The one folder that may be empty, which a repository does not keep.
    let _ = fs::create_dir(copy.path().join("journal"));
    copy
}

#[test]
fn a_golden_log_is_recovered_to_exactly_what_was_written() {
    for case in CASES {
        let dir = copy(case);
        let expected = expected(case);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(Content::of(&log, log.recovery()), expected, "{case}");
        // It goes on behind what is there.
        let event: Event = SessionEvent::Done.into();
        for thread in &expected.threads {
            let key = thread.key();
            let next = block_on(log.append(&key, std::slice::from_ref(&event))).unwrap();
            assert_eq!(next, thread.last + 1, "{case}: {key}");
        }
        drop(log);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert!(log.recovery().is_clean(), "{case}: {:?}", log.recovery());
        for thread in &expected.threads {
            let key = thread.key();
            let events = block_on(log.load_since(&key, thread.last)).unwrap();
            assert_eq!(events.len(), 1, "{case}: {key}");
            assert_eq!(events[0].event, event);
        }
    }
}

#[test]
fn a_golden_log_is_read_without_a_lock_and_left_as_it_is() {
    let dir = copy("settled");
    let before = contents(dir.path());
    let reader = FileLogReader::open(dir.path()).unwrap();
    assert_eq!(reader.journals().unwrap(), 0);
    let found = Content::of(&reader, bus_log_file::RecoveryReport::default());
    assert_eq!(found, expected("settled"));
    assert_eq!(contents(dir.path()), before);
}

/// Every file below `dir`, by its place.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let place = |path: &PathBuf| path.strip_prefix(dir).unwrap().to_owned();
    let found = files(dir);
    let mut all: Vec<_> = found
        .iter()
        .map(|path| (place(path), fs::read(path).unwrap()))
        .collect();
    all.retain(|(place, _)| !place.ends_with("recovery.lock"));
    all
}

#[test]
fn what_is_written_today_is_what_was_written_then_byte_for_byte() {
    let [settled, crashed] = [scratch(), scratch()];
    script::settled(&FileSessionLog::open(settled.path()).unwrap());
    script::crashed(&FileSessionLog::open(crashed.path()).unwrap());
    script::go_on(&FileSessionLog::open(crashed.path()).unwrap());
    for (case, ours) in CASES.into_iter().zip([settled, crashed]) {
        let theirs = copy(case);
        // What stands in the golden journals comes into the files that it belongs to, and an end that was
        // cut short is cut off.
        let log = FileSessionLog::open(theirs.path()).unwrap();
        if case == "crashed" {
            script::go_on(&log);
        }
        drop(log);
        for path in of_kind(ours.path(), "jsonl") {
            let place = path.strip_prefix(ours.path()).unwrap();
            let [ours, theirs] = [&path, &theirs.path().join(place)]
                .map(|path| String::from_utf8(fs::read(path).unwrap()).unwrap());
            assert!(ours == theirs, "{case}: {place:?}:\n{ours}\nnot\n{theirs}");
        }
        let [ours, theirs] = [ours.path(), theirs.path()].map(contents);
        // What was cut off an end is kept beside it.
        let is_kept = |(place, _): &&(PathBuf, Vec<u8>)| place.extension() != Some("torn".as_ref());
        let places = |all: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
            let kept = all.iter().filter(is_kept);
            kept.map(|(place, _)| place.clone()).collect()
        };
        assert_eq!(places(&ours), places(&theirs), "{case}");
        assert_eq!(ours[0], theirs[0], "{case}: the marker");
    }
}

#[test]
fn a_journal_is_written_today_as_it_was_then() {
    let dir = scratch();
    let log = FileSessionLog::open_with(dir.path(), write::quiet()).unwrap();
    script::second(&log);
    let image = crate::support::image(dir.path());
    drop(log);
    let theirs = write::journals(&golden("crashed").join("log"));
    let theirs = theirs.iter().find(|journal| journal.number() == 1).unwrap();
    let ours = &write::journals(image.path())[0];
    // The golden one goes on, with a frame that was torn.
    assert_eq!(ours.frames(), theirs.frames());
    assert!(ours.of_journal(theirs.journal()) == theirs.valid());
}

#[test]
fn the_golden_journals_are_what_the_document_says() {
    let journals = write::journals(&golden("crashed").join("log"));
    assert_eq!(journals.len(), 2);
    let recycled = journals.iter().filter(|journal| journal.is_recycled());
    assert_eq!(recycled.count(), 1);
    for journal in &journals {
        assert!(!journal.frames().is_empty());
        assert_eq!(journal.of_journal(journal.journal()), journal.valid());
    }
}

/// Run with the name of a new folder in `BUS_LOG_FILE_GOLDEN` it leaves them there.
#[test]
fn what_the_script_writes_today_is_read_back_as_it_was_then() {
    let dir = scratch();
    let kept = std::env::var_os("BUS_LOG_FILE_GOLDEN").map(PathBuf::from);
    let dir = kept.as_deref().unwrap_or(dir.path());
    write::all(dir, kept.is_some());
    if kept.is_some() {
        return;
    }
    for case in CASES {
        let log = FileSessionLog::open(dir.join(case).join("log")).unwrap();
        let mut found = Content::of(&log, log.recovery());
        let expected = expected(case);
        // How much of it was still to be brought home depends on when the segments were ready.
        found.recovery = expected.recovery;
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn another_version_is_refused_with_both_named_and_nothing_is_changed() {
    for (version, why) in [(0, "never settled"), (2, "newer"), (u32::MAX, "newer")] {
        let dir = copy("crashed");
        let marker = format!(r#"{{"format":"bus-log-file","version":{version}}}"#);
        fs::write(dir.path().join("format"), marker).unwrap();
        let before = contents(dir.path());
        for error in [
            FileSessionLog::open(dir.path()).unwrap_err(),
            FileLogReader::open(dir.path()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), LogErrorKind::Unsupported);
            let text = error.to_string();
            assert!(text.contains(&format!("version {version},")), "{text}");
            assert!(text.contains("reads version 1:"), "{text}");
            assert!(text.contains(why), "{text}");
        }
        assert_eq!(contents(dir.path()), before);
    }
}

#[test]
fn a_log_that_is_open_does_not_write_into_a_folder_of_a_newer_version() {
    let dir = copy("settled");
    let log = FileSessionLog::open(dir.path()).unwrap();
    let marker = r#"{"format":"bus-log-file","version":2}"#;
    fs::write(dir.path().join("format"), marker).unwrap();
    let before = contents(dir.path());
    let event: Event = SessionEvent::Done.into();
    let error = block_on(log.append(&script::plain(), &[event])).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    let error = block_on(log.erase(&script::plain())).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_session_file_of_another_version_is_refused_alone() {
    for version in [0, 2] {
        let dir = copy("settled");
        let key = script::plain();
        let path = write::session_of(dir.path(), &key);
        let text = fs::read_to_string(&path).unwrap();
        let (header, lines) = text.split_once('\n').unwrap();
        let (members, _) = header.split_once(r#","sum""#).unwrap();
        let members = members.replace(r#""version":1"#, &format!(r#""version":{version}"#));
        let sum = crc32c::crc32c(members.as_bytes());
        fs::write(&path, format!("{members},\"sum\":\"{sum:08x}\"}}\n{lines}")).unwrap();
        let log = FileSessionLog::open(dir.path()).unwrap();
        let event: Event = SessionEvent::Done.into();
        for error in [
            block_on(log.load_since(&key, 0)).unwrap_err(),
            block_on(log.append(&key, &[event])).unwrap_err(),
        ] {
            assert_eq!(error.kind(), LogErrorKind::Unsupported);
            let text = error.to_string();
            assert!(text.contains(&format!("version {version},")), "{text}");
            assert!(text.contains(".jsonl: line 1: "), "{text}");
        }
        // The others are there, and it is named among them.
        let found = block_on(log.list(key.tenant_id(), None, 1000)).unwrap();
        let others = expected("settled").threads;
        let others = others.iter().filter(|thread| thread.key() != key);
        for thread in others.filter(|thread| thread.key().tenant_id() == key.tenant_id()) {
            assert!(found.iter().any(|found| found.key == thread.key()));
        }
    }
}
