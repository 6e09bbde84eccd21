//! What a crash leaves: torn ends, lost tails.

use std::fs;
use std::path::Path;

use bus_log::SessionLog;
use bus_log_file::FileSessionLog;

use crate::support::{append, block_on, files, image, key, load, of_kind, scratch, session_file};

const BATCHES: [&[&str]; 3] = [&["1"], &["2", "3"], &["4", "5", "6"]];

/// How many events the first `batches` batches have.
fn events(batches: usize) -> usize {
    BATCHES[..batches].iter().map(|batch| batch.len()).sum()
}

fn expect(dir: &Path, events: usize) -> FileSessionLog {
    let log = FileSessionLog::open(dir).unwrap();
    let all: Vec<String> = (1..=events).map(|n| n.to_string()).collect();
    assert_eq!(load(&log, &key("a")).unwrap(), all);
    assert_eq!(block_on(log.bounds(&key("a"))).unwrap().last, events as u64);
    log
}

fn write_all(log: &FileSessionLog) {
    for batch in BATCHES {
        append(log, &key("a"), batch).unwrap();
    }
}

/// The byte after the header and after each line.
fn line_ends(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).collect()
}

#[test]
fn a_session_file_cut_at_any_byte_keeps_its_whole_batches() {
    let dir = scratch();
    write_all(&FileSessionLog::open(dir.path()).unwrap());
    let path = session_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let ends = line_ends(&whole);
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = ends
            .iter()
            .filter(|end| **end <= cut)
            .count()
            .saturating_sub(1);
        let batches = (0..=3).rfind(|n| events(*n) <= lines).unwrap();
        let kept = events(batches);
        let log = expect(dir.path(), kept);
        assert_eq!(append(&log, &key("a"), &["next"]).unwrap(), kept as u64 + 1);
        let begin = if batches == 0 { 0 } else { ends[kept] };
        assert_eq!(log.recovery().torn_session_bytes, (cut - begin) as u64);
        assert_eq!(load(&log, &key("a")).unwrap().len(), kept + 1);
        drop(log);
        assert_eq!(line_ends(&fs::read(&path).unwrap()).len(), kept + 2);
    }
}

#[test]
fn a_torn_journal_gives_the_groups_before_the_tear() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let template = image(dir.path());
    let wal = of_kind(template.path(), "wal").remove(0);
    let mut whole = fs::read(&wal).unwrap();
    // Without the filler, which has no frame to cut.
    while whole.pop_if(|byte| *byte == 0).is_some() {}
    let filled = whole.len() + 1000;
    let mut seen = Vec::new();
    for cut in 0..=whole.len() {
        let crashed = image(template.path());
        fs::remove_file(session_file(crashed.path())).unwrap();
        let mut torn = whole[..cut].to_vec();
        if cut % 2 == 0 {
            torn.resize(filled, 0);
        }
        fs::write(of_kind(crashed.path(), "wal").remove(0), torn).unwrap();
        let log = FileSessionLog::open(crashed.path()).unwrap();
        let found = load(&log, &key("a")).unwrap().len();
        assert!(
            (0..=3).any(|n| events(n) == found),
            "{found} events at {cut}"
        );
        assert_eq!(log.recovery().replayed_events, found as u64);
        drop(expect(crashed.path(), found));
        seen.push(found);
    }
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&6));
}

#[test]
fn what_the_session_file_lost_comes_back_from_the_journal() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let template = image(dir.path());
    let whole = fs::read(session_file(template.path())).unwrap();
    for cut in 0..=whole.len() {
        let crashed = image(template.path());
        // A disk that had made the file long, but not written its blocks.
        let mut left = whole[..cut].to_vec();
        if cut % 2 == 0 {
            left.resize(whole.len(), 0);
        }
        fs::write(session_file(crashed.path()), &left).unwrap();
        let log = expect(crashed.path(), 6);
        assert_eq!(log.recovery().journals, 1);
        assert_eq!(append(&log, &key("a"), &["7"]).unwrap(), 7);
        drop(log);
        assert!(expect(crashed.path(), 7).recovery().is_clean());
    }
}

#[test]
fn blocks_lost_in_the_middle_come_back_from_the_journal() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let crashed = image(dir.path());
    let path = session_file(crashed.path());
    let mut bytes = fs::read(&path).unwrap();
    let ends = line_ends(&bytes);
    bytes[ends[1]..ends[3]].fill(0);
    fs::write(&path, bytes).unwrap();
    let log = expect(crashed.path(), 6);
    assert_eq!(log.recovery().replayed_events, 2);
}

#[test]
fn recovery_that_has_nothing_to_do_changes_nothing() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let crashed = image(dir.path());
    let before = fs::read(session_file(crashed.path())).unwrap();
    let log = expect(crashed.path(), 6);
    assert_eq!(log.recovery().replayed_events, 0);
    assert_eq!(fs::read(session_file(crashed.path())).unwrap(), before);
    assert_eq!(of_kind(crashed.path(), "wal").len(), 0);
}

#[test]
fn a_journal_that_died_is_recovered_after_an_archive_moved_the_lines() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    assert_eq!(block_on(log.archive_before(&key("a"), 2)).unwrap(), 2);
    append(&log, &key("a"), &["7", "8"]).unwrap();
    let template = image(dir.path());
    let whole = fs::read(session_file(template.path())).unwrap();
    let ends = line_ends(&whole);
    // The archive was synced with its four lines; what was written since may be lost.
    for cut in ends[4]..=whole.len() {
        let crashed = image(template.path());
        fs::write(session_file(crashed.path()), &whole[..cut]).unwrap();
        let log = FileSessionLog::open(crashed.path()).unwrap();
        assert_eq!(
            load(&log, &key("a")).unwrap(),
            ["3", "4", "5", "6", "7", "8"]
        );
    }
}

#[test]
fn an_archive_that_was_cut_short_leaves_the_old_file() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let crashed = image(dir.path());
    let aside = session_file(crashed.path()).with_extension("tmp");
    fs::write(&aside, "half of a new f").unwrap();
    let log = expect(crashed.path(), 6);
    assert!(!aside.exists());
    drop(log);
}

#[test]
fn a_damaged_journal_stops_the_opening_and_changes_nothing() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let crashed = image(dir.path());
    let wal = of_kind(crashed.path(), "wal").remove(0);
    let mut bytes = fs::read(&wal).unwrap();
    // In the first frame.
    bytes[200] ^= 1;
    fs::write(&wal, bytes).unwrap();
    fs::remove_file(session_file(crashed.path())).unwrap();
    for _ in 0..2 {
        let error = FileSessionLog::open(crashed.path()).unwrap_err();
        assert_eq!(error.kind(), bus_log::LogErrorKind::Corrupt);
        assert!(error.to_string().contains("00000001.wal: byte "), "{error}");
    }
    // What the message proposes.
    fs::remove_dir_all(wal.parent().unwrap()).unwrap();
    drop(expect(crashed.path(), 0));
}

#[test]
fn a_damaged_header_is_not_replaced_by_an_older_one() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    block_on(log.archive_before(&key("a"), 6)).unwrap();
    let crashed = image(dir.path());
    let path = session_file(crashed.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = FileSessionLog::open(crashed.path()).unwrap_err();
    assert_eq!(error.kind(), bus_log::LogErrorKind::Corrupt);
    assert!(error.to_string().contains("line 1"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_journal_that_came_back_from_the_dead_disturbs_no_later_one() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1", "2"]).unwrap();
    let old = image(dir.path());
    drop(log);
    let settled = fs::metadata(session_file(dir.path())).unwrap().len();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["3"]).unwrap();
    for signed in [true, false] {
        let crashed = image(dir.path());
        // The removal of the first journal was lost, and so was the newest line.
        for file in files(&old.path().join("journal")) {
            let target = crashed.path().join(file.strip_prefix(old.path()).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&file, target).unwrap();
        }
        let session = session_file(crashed.path());
        fs::File::options()
            .write(true)
            .open(&session)
            .unwrap()
            .set_len(settled)
            .unwrap();
        if !signed {
            fs::remove_file(session.with_extension("lock")).unwrap();
        }
        let log = expect(crashed.path(), 3);
        assert_eq!(log.recovery().journals, 2);
        assert_eq!(append(&log, &key("a"), &["4"]).unwrap(), 4);
    }
}

#[test]
fn an_old_name_on_a_lock_hides_no_journal() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    write_all(&log);
    let crashed = image(dir.path());
    let session = session_file(crashed.path());
    // The power cut brought back the lock file of an earlier owner, long recovered.
    let old = r#"{"journal":"00112233445566778899aabbccddeeff","pid":1,"host":"h","since":"then"}"#;
    fs::write(session.with_extension("lock"), old).unwrap();
    fs::remove_file(session).unwrap();
    drop(expect(crashed.path(), 6));
}
