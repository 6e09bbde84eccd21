//! A sync of a session file fails, and takes lines with it: while the journal has them, they are not lost.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog, follow};
use bus_log_file::{FileLogConfig, FileLogReader, FileSessionLog};
use futures_util::StreamExt;

use crate::disk::{Asked, HookedFs, is_kind};
use crate::losing::{Losing, end};
use crate::support::{
    Signal, append, block_on, image, is_file_of, key, load, lose_line, numbers, of_kind,
    read_alone, scratch, session_file, texts, wait_for,
};

type Read = fn(&FileSessionLog) -> bus_log::Result<Vec<String>>;

/// Every way to read ten events of `a`.
const READS: [Read; 8] = [
    |log| load(log, &key("a")),
    |log| Ok(texts(&block_on(log.read(&key("a"), 0, 100))?.events)),
    |log| {
        let page = block_on(log.read_raw(&key("a"), 0, 100))?;
        Ok(numbers(1..=page.events.len() as u64))
    },
    |log| Ok(numbers(1..=block_on(log.bounds(&key("a")))?.last)),
    |log| {
        let soon = Instant::now() + Duration::from_secs(60);
        let last = block_on(log.changed(&key("a"), 0, soon))?;
        Ok(numbers(1..=last))
    },
    |log| {
        let key = key("a");
        let all = block_on(log.list(key.tenant_id(), None, 10))?;
        let one = all.iter().find(|one| one.key == key);
        Ok(numbers(1..=one.map_or(0, |one| one.bounds.last)))
    },
    |log| {
        let mut seen = Vec::new();
        log.reader().scan(&key("a"), 0, |event| {
            seen.push(event.decode()?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(texts(&seen))
    },
    |log| Ok(texts(&block_on(log.reader().load_since(&key("a"), 0))?)),
];

#[test]
fn a_reader_is_not_told_of_damage_that_the_journal_can_mend() {
    // Also the header, and the last line, by which it is known how far a session reaches.
    for line in [1, 6, 11] {
        for (n, read) in READS.iter().enumerate() {
            let losing = Losing::line(line);
            let seen = read(&losing.log);
            // What lists and bounds do not look at they do not miss.
            assert_eq!(seen.unwrap(), numbers(1..=10), "line {line}, read {n}");
            // Nor is anything lost when the failure is told at last.
            losing.told.give();
            assert_eq!(append(&losing.log, &key("a"), &["11"]).unwrap(), 11);
            assert_eq!(load(&losing.log, &key("a")).unwrap(), numbers(1..=11));
        }
    }
}

#[test]
fn damage_that_can_not_be_mended_now_is_unavailable_and_a_follower_goes_on() {
    let losing = Losing::line(6);
    losing.ill.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let error = load(&losing.log, &key("a")).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("line 6, ordinal 5"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    // A list does not fail for one of them.
    let listed = block_on(losing.log.list(key("a").tenant_id(), None, 10)).unwrap();
    assert_eq!(listed.len(), 2);
    let log: Arc<dyn SessionLog> = losing.log.clone();
    let mut events = pin!(follow(log, key("a"), 0));
    let error = block_on(events.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    losing.told.give();
    losing.ill.store(false, Ordering::SeqCst);
    let mut seen = Vec::new();
    append(&losing.log, &key("a"), &["11"]).unwrap();
    while seen.len() < 11 {
        match block_on(events.next()).expect("it goes on") {
            Ok(event) => seen.push(event),
            Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}"),
        }
    }
    assert_eq!(texts(&seen), numbers(1..=11));
}

#[test]
fn a_reader_does_not_wait_for_good_for_a_disk_that_hangs() {
    let losing = Losing::line(6);
    let hangs = Arc::new(Signal::default());
    let own = Arc::clone(&hangs);
    losing.disk.set(move |what, path| {
        if what == Asked::Write && is_file_of(path, "a", "jsonl") {
            own.wait();
        }
        Ok(())
    });
    let error = load(&losing.log, &key("a")).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
    hangs.give();
    wait_for("the mended file", || load(&losing.log, &key("a")).is_ok());
}

#[test]
fn nothing_is_acknowledged_behind_a_sync_that_is_known_to_have_failed() {
    let dir = scratch();
    let disk = HookedFs::new();
    let config = FileLogConfig::default()
        .with_segment_bytes(4096)
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    for text in numbers(1..=10) {
        append(&log, &key("a"), &[&text]).unwrap();
    }
    let (lost, goes_on) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
    let (lose, go_on) = (Arc::clone(&lost), Arc::clone(&goes_on));
    let failed = AtomicBool::new(false);
    disk.set(move |what, path| {
        let of_a = is_file_of(path, "a", "jsonl");
        if what == Asked::Sync && of_a && !failed.swap(true, Ordering::SeqCst) {
            lose_line(path, 6);
            return Err(io::Error::other("on purpose"));
        }
        // Comes after those of all files: the job is not done before.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if what == Asked::SyncDir && name.starts_with("acme-") {
            lose.give();
            go_on.wait();
        }
        Ok(())
    });
    end(&log);
    lost.wait();
    assert_eq!(append(&log, &key("a"), &["11"]).unwrap(), 11);
    assert_eq!(read_alone(dir.path(), "a").unwrap(), numbers(1..=11));
    goes_on.give();
}

#[test]
fn what_was_refused_is_made_whole_while_another_file_s_sync_hangs() {
    let losing = Losing::line(6);
    let refused = AtomicUsize::new(0);
    losing.disk.set(move |what, path| {
        let first = what == Asked::Write && is_file_of(path, "c", "jsonl");
        match first && refused.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Err(io::Error::other("once")),
            false => Ok(()),
        }
    });
    append(&losing.log, &key("c"), &["1"]).unwrap_err();
    // Nobody writes it, and nobody else waits.
    wait_for("the refused event", || {
        append(&losing.log, &key("d"), &["x"]).unwrap();
        read_alone(losing.dir.path(), "c").is_ok_and(|events| events == ["1"])
    });
}

/// A log in which a line is damaged that no journal has, and one behind it that its journal has.
fn settled() -> (tempfile::TempDir, HookedFs, FileSessionLog) {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    for text in numbers(1..=10) {
        append(&log, &key("a"), &[&text]).unwrap();
    }
    drop(log);
    let disk = HookedFs::new();
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["11"]).unwrap();
    append(&log, &key("a"), &["12"]).unwrap();
    lose_line(&session_file(dir.path()), 6);
    (dir, disk, log)
}

#[test]
fn damage_that_the_journal_does_not_have_is_named_and_the_journal_is_read_once_for_it() {
    let (dir, disk, log) = settled();
    lose_line(&session_file(dir.path()), 12);
    let reads = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&reads);
    disk.set(move |what, path| {
        let read = what == Asked::Read && is_kind(path, "wal");
        own.fetch_add(usize::from(read), Ordering::SeqCst);
        Ok(())
    });
    let mut so_far = 0;
    for n in 0..3_u64 {
        let error = load(&log, &key("a")).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("line 6, ordinal 5"), "{error}");
        let now = reads.load(Ordering::SeqCst);
        assert_eq!(now > so_far, n == 0, "{now} reads after {n} more");
        so_far = now;
        // Somebody who writes it does not make each look a new one.
        let text = (13 + n).to_string();
        assert_eq!(append(&log, &key("a"), &[&text]).unwrap(), 13 + n);
        block_on(log.bounds(&key("a"))).unwrap();
        so_far = so_far.max(reads.load(Ordering::SeqCst));
    }
    // What it has is mended.
    let file = std::fs::read_to_string(session_file(dir.path())).unwrap();
    assert!(file.lines().nth(11).unwrap().contains("\"11\""), "{file}");
    assert_eq!(append(&log, &key("a"), &["16"]).unwrap(), 16);
}

#[test]
fn the_journal_is_read_once_for_each_damage_though_readers_meet_them_in_turns() {
    let (dir, disk, log) = settled();
    lose_line(&session_file(dir.path()), 10);
    let reads = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&reads);
    disk.set(move |what, path| {
        let read = what == Asked::Read && is_kind(path, "wal");
        own.fetch_add(usize::from(read), Ordering::SeqCst);
        Ok(())
    });
    let mut after = Vec::new();
    for n in 0..3_u64 {
        for (cursor, place) in [(0, "line 6, ordinal 5"), (6, "line 10, ordinal 9")] {
            let error = block_on(log.load_since(&key("a"), cursor)).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains(place), "{error}");
            let text = (13 + after.len()).to_string();
            append(&log, &key("a"), &[&text]).unwrap();
            after.push(reads.load(Ordering::SeqCst));
        }
        assert_eq!(after.last(), after.get(1), "{after:?}, round {n}");
    }
    assert!(after[0] > 0, "{after:?}");
}

#[test]
fn a_reader_in_another_process_tells_what_can_be_mended_from_what_is_lost() {
    let losing = Losing::line(6);
    let reader = FileLogReader::open(losing.dir.path()).unwrap();
    let loaded = || block_on(reader.load_since(&key("a"), 0));
    let error = loaded().unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("line 6, ordinal 5"), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("damaged"), "{source}");
    // A copy has the journal too, of a process that is as good as dead.
    assert_eq!(
        read_alone(image(losing.dir.path()).path(), "a")
            .unwrap_err()
            .kind(),
        LogErrorKind::Unavailable
    );
    losing.told.give();
    wait_for("the mended file", || loaded().is_ok());

    let (dir, _disk, log) = settled();
    let told = |dir: &Path| read_alone(dir, "a").unwrap_err();
    for _ in 0..2 {
        let error = told(dir.path());
        assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("line 6, ordinal 5"), "{error}");
    }
    drop(log);
    assert_eq!(told(dir.path()).kind(), LogErrorKind::Corrupt);
}

#[test]
fn what_a_dead_process_s_journal_has_is_not_lost_whatever_its_lock_says() {
    let losing = Losing::line(6);
    let whole = image(losing.dir.path());
    let lock = of_kind(whole.path(), "lock");
    let lock = lock.iter().find(|path| is_file_of(path, "a", "lock"));
    let text = fs::read_to_string(lock.unwrap()).unwrap();
    // A power cut leaves nothing of it, or the name of whoever had the session before.
    let journal = text.split('"').nth(3).unwrap();
    let older = text.replace(journal, &"0".repeat(32));
    for left in ["", &older] {
        fs::write(lock.unwrap(), left).unwrap();
        let error = read_alone(whole.path(), "a").unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{left:?}: {error}");
    }
}

#[test]
fn a_reader_is_not_told_that_a_busy_writer_s_journal_is_damaged() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    for text in numbers(1..=10) {
        append(&log, &key("a"), &[&text]).unwrap();
    }
    lose_line(&session_file(dir.path()), 6);
    let disk = HookedFs::new();
    disk.set(move |what, path| {
        if what == Asked::Read && is_kind(path, "wal") {
            for _ in 0..2 {
                append(&log, &key("b"), &["x"]).unwrap();
            }
        }
        Ok(())
    });
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let reader = FileLogReader::open_with(dir.path(), config).unwrap();
    let error = block_on(reader.load_since(&key("a"), 0)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
}

/// What is told of the threads that a list can't name.
fn nameless(log: &dyn SessionLog) -> bus_log::LogError {
    let tenant = key("a").tenant_id().clone();
    let listed = block_on(log.list(&tenant, None, 10)).unwrap();
    assert_eq!(listed.len(), 1);
    block_on(log.list(&tenant, Some("b"), 10)).unwrap_err()
}

#[test]
fn a_list_does_not_say_of_what_may_pass_that_it_is_damaged() {
    let losing = Losing::line(1);
    let reader = FileLogReader::open(losing.dir.path()).unwrap();
    losing.ill.store(true, Ordering::SeqCst);
    for log in [&*losing.log as &dyn SessionLog, &reader] {
        let error = nameless(log);
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
        let place = error.to_string();
        assert!(place.contains("/a-") && place.contains("line 1"), "{place}");
    }
    losing.ill.store(false, Ordering::SeqCst);
    let tenant = key("a").tenant_id().clone();
    let listed = || block_on(losing.log.list(&tenant, None, 10)).unwrap();
    assert_eq!(listed().len(), 2);

    let (dir, _disk, log) = settled();
    append(&log, &key("b"), &["x"]).unwrap();
    lose_line(&of_kind(dir.path(), "jsonl")[0], 1);
    let reader = FileLogReader::open(dir.path()).unwrap();
    for log in [&log as &dyn SessionLog, &reader] {
        assert_eq!(nameless(log).kind(), LogErrorKind::Corrupt);
    }
}

#[test]
fn one_session_that_can_not_be_mended_now_keeps_no_other_out_of_a_list() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    for thread in ["a", "b"] {
        append(&log, &key(thread), &["1"]).unwrap();
    }
    for path in of_kind(dir.path(), "jsonl") {
        lose_line(&path, 2);
    }
    disk.set(
        |what, path| match what == Asked::Write && is_file_of(path, "a", "jsonl") {
            true => Err(io::Error::other("on purpose")),
            false => Ok(()),
        },
    );
    let listed = block_on(log.list(key("a").tenant_id(), None, 10)).unwrap();
    let damaged: Vec<bool> = listed.iter().map(|one| one.damaged).collect();
    assert_eq!(damaged, [true, false]);
    disk.set(|_, _| Ok(()));
}

#[test]
fn a_header_that_its_journal_may_not_replace_is_damaged_for_every_reader() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let path = session_file(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    // No block that was never written reads like this.
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    for told in [read_alone(dir.path(), "a"), load(&log, &key("a"))] {
        let error = told.unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error}");
    }
}
