//! Damage that is no torn end is named, never passed over.

use std::fs;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::FileSessionLog;

use crate::support::{
    append, block_on, key, load, lose_line, numbers, of_kind, scratch, session_file, texts,
};

fn closed_log() -> tempfile::TempDir {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    append(&log, &key("a"), &["two", "three"]).unwrap();
    append(&log, &key("a"), &["four"]).unwrap();
    drop(log);
    dir
}

fn assert_corrupt(log: &FileSessionLog, place: &str) {
    let error = load(log, &key("a")).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt);
    let message = error.to_string();
    assert!(message.contains(place), "{message}, not {place}");
    assert!(message.contains(".jsonl: "), "{message}");
}

#[test]
fn any_damaged_byte_of_a_settled_session_is_named() {
    let dir = closed_log();
    let path = session_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    for at in 0..whole.len() {
        for damage in [whole[at] ^ 1, b'\n', 0] {
            let mut bytes = whole.clone();
            if bytes[at] == damage {
                continue;
            }
            bytes[at] = damage;
            fs::write(&path, &bytes).unwrap();
            let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            if line == 1 {
                assert_corrupt(&log, "line 1");
            } else {
                assert_corrupt(&log, &format!("line {line}, ordinal {}:", line - 1));
            }
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap().len(), 4);
}

#[test]
fn bytes_behind_the_last_line_that_no_write_begins_with_are_damage() {
    let dir = closed_log();
    let path = session_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    for tail in [
        &b"x"[..],
        b"\0",
        &[0; 5000],
        b"{\"ordinal\":\0",
        b"{}",
        b"\n",
        b"{\"ordinal\": \n",
    ] {
        fs::write(&path, [&whole, tail].concat()).unwrap();
        assert_corrupt(&log, "line 6, ordinal 5");
    }
}

#[test]
fn a_rewritten_file_cut_in_its_header_is_damage_once_the_header_says_that_it_is_one() {
    let dir = closed_log();
    let log = FileSessionLog::open(dir.path()).unwrap();
    block_on(log.archive_before(&key("a"), 2)).unwrap();
    drop(log);
    let path = session_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let synced = memchr::memmem::find(&whole, br#""synced":"#).unwrap() + 9;
    let log = FileSessionLog::open(dir.path()).unwrap();
    for cut in synced + 1..=header {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_corrupt(&log, "line 1");
        let error = append(&log, &key("a"), &["new"]).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt);
    }
    // Before that, nothing tells it from a new file whose first write was cut short.
    fs::write(&path, &whole[..synced]).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), [""; 0]);
}

/// Changes the session file line by line.
fn edit(dir: &tempfile::TempDir, edit: impl FnOnce(&mut Vec<String>)) {
    let path = session_file(dir.path());
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines().map(str::to_owned).collect();
    edit(&mut lines);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn swapped_repeated_and_missing_lines_are_named() {
    type Change = fn(&mut Vec<String>);
    let cases: [(Change, &str); 4] = [
        (|lines| lines.swap(1, 2), "line 2, ordinal 1"),
        (
            |lines| lines.insert(2, lines[1].clone()),
            "line 3, ordinal 2",
        ),
        (|lines| drop(lines.remove(2)), "line 3, ordinal 2"),
        (|lines| drop(lines.remove(1)), "line 2, ordinal 1"),
    ];
    for (change, place) in cases {
        let dir = closed_log();
        edit(&dir, change);
        assert_corrupt(&FileSessionLog::open(dir.path()).unwrap(), place);
    }
}

#[test]
fn a_line_of_another_thread_does_not_pass() {
    let dir = closed_log();
    let other = closed_log();
    fs::remove_file(session_file(other.path())).unwrap();
    let log = FileSessionLog::open(other.path()).unwrap();
    append(&log, &key("b"), &["one"]).unwrap();
    append(&log, &key("b"), &["two", "three"]).unwrap();
    drop(log);
    let text = fs::read_to_string(session_file(other.path())).unwrap();
    let foreign = text.lines().nth(2).unwrap().to_owned();
    edit(&dir, |lines| lines[2] = foreign);
    assert_corrupt(
        &FileSessionLog::open(dir.path()).unwrap(),
        "line 3, ordinal 2",
    );
}

#[test]
fn a_file_of_another_thread_does_not_pass() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one"]).unwrap();
    append(&log, &key("b"), &["one"]).unwrap();
    drop(log);
    let files = of_kind(dir.path(), "jsonl");
    fs::copy(&files[1], &files[0]).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let results = [load(&log, &key("a")), load(&log, &key("b"))];
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].kind(), LogErrorKind::Corrupt);
    assert!(errors[0].to_string().contains("header of another thread"));
}

#[test]
fn a_damaged_end_is_not_written_over() {
    let dir = closed_log();
    let path = session_file(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let error = append(&log, &key("a"), &["five"]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt);
    assert!(error.to_string().contains("line 5, ordinal 4"), "{error}");
    assert_eq!(
        append(&log, &key("b"), &["other sessions go on"]).unwrap(),
        1
    );
    drop(log);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_is_not_damaged_is_read_past_the_damage() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let long = "x".repeat(2000);
    for _ in 0..300 {
        append(&log, &key("a"), &[&long]).unwrap();
    }
    drop(log);
    let path = session_file(dir.path());
    let text = fs::read_to_string(&path).unwrap();
    // Line 151 is ordinal 150, right in the middle of a binary search.
    let damaged: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(n, line)| {
            if n == 150 {
                line.replace("ordinal", "0rdinal")
            } else {
                line.to_owned()
            }
        })
        .collect();
    fs::write(&path, damaged.join("\n") + "\n").unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(
        block_on(log.read(&key("a"), 0, 149)).unwrap().events.len(),
        149
    );
    let error = block_on(log.read(&key("a"), 0, 150)).unwrap_err();
    assert!(
        error.to_string().contains("line 151, ordinal 150"),
        "{error}"
    );
    assert_eq!(
        block_on(log.read(&key("a"), 200, 100))
            .unwrap()
            .events
            .len(),
        100
    );
}

#[test]
fn a_line_that_shows_no_ordinal_or_another_one_is_read_and_archived_past() {
    type Lose = fn(&std::path::Path);
    let losers: [Lose; 2] = [
        |path| lose_line(path, 6),
        // Ordinal 5 shows 9, and 2 shows 8.
        |path| {
            let text = fs::read_to_string(path).unwrap();
            let text = text.replace("  5,\"sum\"", "  9,\"sum\"");
            fs::write(path, text.replace("  2,\"sum\"", "  8,\"sum\"")).unwrap();
        },
    ];
    for lose in losers {
        let dir = scratch();
        let log = FileSessionLog::open(dir.path()).unwrap();
        for text in numbers(1..=10) {
            append(&log, &key("a"), &[&text]).unwrap();
        }
        drop(log);
        lose(&session_file(dir.path()));
        let log = FileSessionLog::open(dir.path()).unwrap();
        let behind = block_on(log.read(&key("a"), 5, 100)).unwrap();
        assert_eq!(texts(&behind.events), numbers(6..=10));
        for cursor in [7, 8] {
            let behind = block_on(log.read(&key("a"), cursor, 100)).unwrap();
            assert_eq!(texts(&behind.events), numbers(cursor + 1..=10));
        }
        // What is damaged itself is named.
        let error = block_on(log.read(&key("a"), 4, 100)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
        assert_eq!(block_on(log.archive_before(&key("a"), 5)).unwrap(), 5);
        assert_eq!(load(&log, &key("a")).unwrap(), numbers(6..=10));
    }
}

#[test]
fn damage_of_one_session_hides_no_other_from_the_lists() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    for name in ["a", "b", "c", "d"] {
        append(&log, &key(name), &["one", "two"]).unwrap();
    }
    drop(log);
    for path in of_kind(dir.path(), "jsonl") {
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match &name[..2] {
            // Its name can't be read.
            "b-" => bytes[30] ^= 1,
            // Its last ordinal can't be read.
            "c-" => bytes[end - 5] ^= 1,
            _ => continue,
        }
        fs::write(&path, bytes).unwrap();
    }

    let log = FileSessionLog::open(dir.path()).unwrap();
    let tenant = key("a").tenant_id().clone();
    let list = |after: Option<&str>, limit| block_on(log.list(&tenant, after, limit));
    let listed = list(None, 10).unwrap();
    let names: Vec<(&str, bool)> = listed
        .iter()
        .map(|summary| (summary.key.thread_id(), summary.damaged))
        .collect();
    assert_eq!(names, [("a", false), ("c", true), ("d", false)]);
    let error = list(Some("d"), 10).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt);
    let message = error.to_string();
    assert!(
        message.contains("/b-") && message.contains("line 1"),
        "{message}"
    );
    assert!(list(Some("d"), 0).unwrap().is_empty());

    assert_eq!(
        block_on(log.tenants(None, 10)).unwrap(),
        std::slice::from_ref(&tenant)
    );
    assert!(block_on(log.tenants(Some(&tenant), 10)).unwrap().is_empty());
}
