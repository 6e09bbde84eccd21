//! What reading costs, and that every way of reading gives the same.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus_log::{Entry, Event, Expect, LogErrorKind, Meta, SessionLog};
use bus_log_file::fs::{File, FileSystem, Locked, Metadata, OpenMode, OsFileSystem};
use bus_log_file::{FileLogConfig, FileLogReader, FileSessionLog};
use proptest::prelude::*;

use crate::support::{append, block_on, key, load, of_kind, scratch, session_file, text, texts};

/// A disk that is only read: it counts how often and how much, and refuses everything else.
#[derive(Debug, Default)]
struct ReadOnly {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn take(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.reads), take(&self.bytes))
    }
}

#[derive(Debug)]
struct ReadOnlyFile {
    file: Box<dyn File>,
    counts: Arc<Counts>,
}

fn refuse<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl FileSystem for ReadOnly {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        if mode != OpenMode::Read {
            return refuse();
        }
        Ok(Box::new(ReadOnlyFile {
            file: OsFileSystem.open(path, mode)?,
            counts: Arc::clone(&self.counts),
        }))
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        OsFileSystem.metadata(path)
    }
    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        OsFileSystem.names(path)
    }
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        refuse()
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refuse()
    }
    fn remove_file(&self, _: &Path) -> io::Result<()> {
        refuse()
    }
    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        refuse()
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refuse()
    }
}

impl File for ReadOnlyFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        let read = self.file.read_at(buf, position)?;
        self.counts.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        refuse()
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        refuse()
    }
    fn sync(&self) -> io::Result<()> {
        refuse()
    }
    fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
    fn try_lock(&self) -> io::Result<Locked> {
        refuse()
    }
    fn unlock(&self) -> io::Result<()> {
        refuse()
    }
}

fn reader(dir: &Path) -> (FileLogReader, Arc<Counts>) {
    let disk = ReadOnly::default();
    let counts = Arc::clone(&disk.counts);
    let config = FileLogConfig::default().with_file_system(Arc::new(disk));
    (FileLogReader::open_with(dir, config).unwrap(), counts)
}

/// Lengths of texts, cut and mixed so that no two neighbours are alike.
fn length(n: u64) -> usize {
    match n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 {
        0 => 4000,
        1..4 => 300,
        _ => 30,
    }
}

#[test]
fn an_ordinal_is_found_in_a_few_reads_however_many_there_are() {
    let dir = scratch();
    let mut most = Vec::new();
    for (name, events) in [("small", 1_000_u64), ("large", 64_000)] {
        let log = FileSessionLog::open(dir.path()).unwrap();
        for first in (1..=events).step_by(1000) {
            let batch: Vec<Event> = (first..first + 1000)
                .map(|n| text(&format!("{n} {}", "x".repeat(length(n)))))
                .collect();
            block_on(log.append(&key(name), &batch)).unwrap();
        }
        drop(log);
        let (reader, counts) = reader(dir.path());
        let mut reads = 0;
        for n in 0..200 {
            let cursor = events * n / 200;
            counts.take();
            let page = block_on(reader.read(&key(name), cursor, 1)).unwrap();
            let (now, bytes) = counts.take();
            assert_eq!(page.events[0].ordinal, cursor + 1);
            assert!(bytes < 256 << 10, "{bytes} bytes for one event");
            reads = reads.max(now);
        }
        most.push(reads);
    }
    // 64 times the events are 6 more halvings, of at most two looks each.
    assert!(most[1] <= most[0] + 12, "{most:?}");
    assert!(most[1] <= 40, "{most:?}");
}

#[test]
fn a_huge_event_is_found_without_reading_many_of_its_kind() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let huge = "x".repeat(1 << 20);
    for _ in 0..16 {
        append(&log, &key("a"), &[&huge, &huge, &huge, &huge]).unwrap();
    }
    drop(log);
    let (reader, counts) = reader(dir.path());
    for cursor in [0, 7, 20, 31, 50, 63] {
        counts.take();
        let page = block_on(reader.read(&key("a"), cursor, 1)).unwrap();
        assert_eq!(page.events[0].ordinal, cursor + 1);
        let (_, bytes) = counts.take();
        assert!(bytes < 7 << 20, "{bytes} bytes for an event of 1 MiB");
    }
}

#[test]
fn a_reader_reads_where_nothing_can_be_written_and_changes_nothing() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one", "two"]).unwrap();
    append(&log, &key("b"), &["three"]).unwrap();
    // A writer is at work all the time.
    let (reader, _) = reader(dir.path());
    assert_eq!(reader.journals().unwrap(), 1);
    let all = block_on(reader.load_since(&key("a"), 0)).unwrap();
    assert_eq!(texts(&all), ["one", "two"]);
    let tenant = key("a").tenant_id().clone();
    assert_eq!(block_on(reader.list(&tenant, None, 10)).unwrap().len(), 2);
    assert_eq!(block_on(reader.tenants(None, 10)).unwrap(), [tenant]);
    assert_eq!(block_on(reader.bounds(&key("b"))).unwrap().last, 1);
    let refused = [
        block_on(reader.append(&key("a"), &[text("no")])).map(drop),
        block_on(reader.archive_before(&key("a"), 1)).map(drop),
        block_on(reader.erase(&key("a"))),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), LogErrorKind::Unsupported);
    }
    append(&log, &key("a"), &["four"]).unwrap();
    assert_eq!(block_on(reader.bounds(&key("a"))).unwrap().last, 3);
    drop(log);
    assert_eq!(reader.journals().unwrap(), 0);
}

#[test]
fn what_is_no_log_is_not_read_as_one() {
    let dir = scratch();
    let kind = |dir: &Path| FileLogReader::open(dir).unwrap_err().kind();
    assert_eq!(kind(dir.path()), LogErrorKind::Invalid);
    assert_eq!(kind(&dir.path().join("missing")), LogErrorKind::Invalid);
    fs::write(
        dir.path().join("format"),
        r#"{"format":"bus-log-file","version":99}"#,
    )
    .unwrap();
    assert_eq!(kind(dir.path()), LogErrorKind::Unsupported);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_scan_stops_where_it_is_told_and_says_where_to_go_on() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one", "two", "three"]).unwrap();
    let reader = log.reader();
    let mut seen = Vec::new();
    let cursor = reader.scan(&key("a"), 0, |event| {
        seen.push((event.ordinal(), event.event_type()?.into_owned()));
        Ok(match event.ordinal() {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    });
    assert_eq!(cursor.unwrap(), 2);
    let kind = "session.text_complete".to_owned();
    assert_eq!(seen, [(1, kind.clone()), (2, kind)]);
    let none = |_: bus_log_file::RawEvent<'_>| Ok(ControlFlow::Continue(()));
    assert_eq!(reader.scan(&key("a"), 2, none).unwrap(), 3);
    assert_eq!(reader.scan(&key("a"), 3, none).unwrap(), 3);
    assert_eq!(reader.scan(&key("unknown"), 7, none).unwrap(), 7);
    let stopped = reader.scan(&key("a"), 0, |_| Err(bus_log::LogError::internal("mine")));
    assert_eq!(stopped.unwrap_err().kind(), LogErrorKind::Internal);
}

#[test]
fn a_scan_shows_what_stands_before_damage_once_and_then_names_it() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["one", "two", "damaged", "four"]).unwrap();
    let path = session_file(dir.path());
    // Before that its journal would have what is damaged.
    drop(log);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.replace("damaged", "dAmaged")).unwrap();
    let reader = FileLogReader::open(dir.path()).unwrap();
    let mut seen = Vec::new();
    let scanned = reader.scan(&key("a"), 0, |event| {
        seen.push(event.ordinal());
        Ok(ControlFlow::Continue(()))
    });
    let error = scanned.unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt);
    assert!(error.to_string().contains("line 4, ordinal 3"), "{error}");
    assert_eq!(seen, [1, 2]);
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let json = prop_oneof![
        any::<String>().prop_map(|text| format!(
            r#"{{"type":"session.text_chunk","data":{}}}"#,
            serde_json::Value::from(text)
        )),
        any::<(u64, u64)>().prop_map(|(a, b)| format!(
            r#"{{"type":"session.token_usage","data":{{"source":"root","model":"m","prompt_tokens":{a},"completion_tokens":{b},"duration_ms":1}}}}"#
        )),
        ("[a-z.\\\\u0-9\"]{0,12}", any::<String>()).prop_map(|(kind, text)| format!(
            r#"{{ "type" : {} ,"data":[{}, 0.10 , 1e400], "more": {{"type":"x"}}}}"#,
            serde_json::Value::from(kind),
            serde_json::Value::from(text)
        )),
        any::<String>().prop_map(|text| format!(
            r#"{{"data":{},"type":"audit.\u0063ancelled"}}"#,
            serde_json::Value::from(text)
        )),
        Just(r#"{"type":"a","data":1,"type":"b"}"#.to_owned()),
    ];
    let meta = any::<Option<(String, String)>>().prop_map(|pair| match pair {
        Some((name, value)) => Meta::default().with(&name, &value).unwrap(),
        None => Meta::default(),
    });
    let at = (-62_167_219_200_000_000_i64..253_402_300_800_000_000)
        .prop_map(|at| bus_log::DateTime::from_timestamp_micros(at).unwrap());
    (json, meta, at).prop_map(|(json, meta, at)| Entry {
        at,
        meta,
        event: Event::parse(&json).unwrap(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_way_of_reading_gives_what_was_written(
        entries in prop::collection::vec(any_entry(), 1..40),
        cursor in 0..40_u64,
    ) {
        let dir = scratch();
        let log = FileSessionLog::open(dir.path()).unwrap();
        block_on(log.append_entries(&key("a"), Expect::Any, &entries)).unwrap();
        let cursor = cursor.min(entries.len() as u64);
        let left = &entries[cursor as usize..];
        let typed = block_on(log.load_since(&key("a"), cursor)).unwrap();
        let typed: Vec<Entry> = typed.into_iter().map(Entry::from).collect();
        prop_assert_eq!(&typed[..], left);
        let raw = block_on(log.read_raw(&key("a"), cursor, 100)).unwrap();
        let mut scanned = 0;
        log.reader().scan(&key("a"), cursor, |event| {
            let entry = &left[scanned];
            let raw = &raw.events[scanned];
            assert_eq!(event.ordinal(), raw.ordinal);
            assert_eq!(event.at()?, entry.at);
            assert_eq!(event.event_type()?, entry.event.event_type());
            let json = entry.event.to_json();
            assert_eq!(event.event_json()?, json.as_str());
            assert_eq!(raw.event.to_json(), json);
            let meta = (!entry.meta.is_empty()).then(|| entry.meta.as_str());
            assert_eq!(event.meta_json()?, meta);
            assert_eq!(event.decode()?.event, entry.event);
            scanned += 1;
            Ok(ControlFlow::Continue(()))
        }).unwrap();
        prop_assert_eq!(scanned, left.len());
    }
}

/// Bytes that the folder's files take on the disk, and what the log says of it.
fn on_disk(dir: &Path, log: &FileSessionLog) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let files = crate::support::files(dir);
    let blocks = |path| fs::metadata(path).map_or(0, |found| found.blocks());
    let all: u64 = files.iter().map(blocks).sum();
    (all * 512, log.reader().usage().unwrap().total())
}

#[test]
fn archiving_and_erasing_free_the_disk() {
    // On the disk itself: memory has blocks of another kind.
    let dir = tempfile::tempdir().unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let long = "x".repeat(10_000);
    let batch = vec![long.as_str(); 100];
    for name in ["a", "b"] {
        for _ in 0..10 {
            append(&log, &key(name), &batch).unwrap();
        }
    }
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    let (full, told) = on_disk(dir.path(), &log);
    assert_eq!(full, told);
    assert!(full > 19 << 20, "{full}");
    assert_eq!(block_on(log.archive_before(&key("a"), 900)).unwrap(), 900);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    let (archived, told) = on_disk(dir.path(), &log);
    assert_eq!(archived, told);
    assert!(archived < full - (8 << 20), "{archived} of {full}");
    block_on(log.erase(&key("b"))).unwrap();
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    let (erased, told) = on_disk(dir.path(), &log);
    assert_eq!(erased, told);
    assert!(erased < archived - (9 << 20), "{erased} of {archived}");
    assert_eq!(load(&log, &key("a")).unwrap().len(), 100);
    let bytes: u64 = block_on(log.list(key("a").tenant_id(), None, 10))
        .unwrap()
        .iter()
        .filter_map(|summary| summary.bytes)
        .sum();
    let lens = of_kind(dir.path(), "jsonl");
    let lens: u64 = lens
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!(bytes, lens);
}
