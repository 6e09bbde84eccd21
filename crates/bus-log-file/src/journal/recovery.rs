//! Bringing home what a dead process had journaled.

use std::collections::BTreeMap;
use std::path::Path;

use bus_log::{LogError, LogErrorKind, Result, ThreadKey};

use super::record::Record;
use super::scan::{FrameAt, Scan, segments};
use crate::fs::{DiskFile, Locked};
use crate::header::Header;
use crate::layout::{Layout, ThreadId, unhex};
use crate::line::{Line, peek_ordinal};
use crate::lock::{self, ThreadLock};
use crate::session_file::{LineReader, Snapshot, read_header, verify};

/// What was repaired, since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Journals of dead processes that were brought home.
    pub journals: u64,
    /// Events that stood in a journal and not yet, or not whole, in their session file.
    pub replayed_events: u64,
    /// Bytes of torn journal ends: of groups that nobody was told about.
    pub torn_journal_bytes: u64,
    /// Bytes cut off the ends of session files: of batches that nobody was told about.
    pub torn_session_bytes: u64,
}

impl RecoveryReport {
    /// True if there was nothing to repair.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.journals += other.journals;
        self.replayed_events += other.replayed_events;
        self.torn_journal_bytes += other.torn_journal_bytes;
        self.torn_session_bytes += other.torn_session_bytes;
    }
}

/// Where a record's bytes are, and where they belong.
#[derive(Clone, Copy, Debug)]
struct RecordAt {
    bytes: FrameAt,
    first: u64,
    last: u64,
    position: u64,
}

type Index = BTreeMap<ThreadKey, Vec<RecordAt>>;

/// Brings home the journals of all dead processes.
pub(crate) fn recover(layout: &Layout) -> Result<RecoveryReport> {
    let mut report = RecoveryReport::default();
    if layout.disk.names(&layout.journals())?.is_empty() {
        return Ok(report);
    }
    let guard = lock::recovery(layout)?;
    let mut names = layout.disk.names(&layout.journals())?;
    names.sort();
    for name in &names {
        let Some((name, id)) = name.to_str().and_then(|name| Some((name, unhex(name)?))) else {
            continue;
        };
        let dir = layout.journal(name);
        let Some(lock) = layout.disk.create(&dir.join("lock"))? else {
            continue;
        };
        if lock.try_lock()? == Locked::Held {
            // Its process lives.
            continue;
        }
        let one = bring_home(layout, &dir, name, id)?;
        remove(layout, &dir, lock)?;
        tracing::warn!(
            journal = name,
            replayed_events = one.replayed_events,
            torn_journal_bytes = one.torn_journal_bytes,
            torn_session_bytes = one.torn_session_bytes,
            "recovered the journal of a dead process"
        );
        report.add(one);
    }
    drop(guard);
    Ok(report)
}

fn bring_home(layout: &Layout, dir: &Path, name: &str, id: [u8; 16]) -> Result<RecoveryReport> {
    let scan = Scan::of(layout.disk, dir, id)?;
    // What is shown from now on must be durable, and the process may have died before its sync.
    scan.sync()?;
    let mut report = RecoveryReport {
        journals: 1,
        torn_journal_bytes: scan.torn,
        ..RecoveryReport::default()
    };
    for (key, records) in &index(&scan, None)? {
        let paths = layout.thread(key);
        let Some(lock) = ThreadLock::inherit(layout, &paths, name)? else {
            continue;
        };
        layout.disk.remove(&paths.aside)?;
        let existed = layout.disk.exists(&paths.session)?;
        let file = layout
            .disk
            .create(&paths.session)?
            .ok_or_else(|| LogError::unavailable(format!("{} is gone", paths.dir.display())))?;
        let applied = apply(&scan, &file, key, records)?;
        report.replayed_events += applied.events;
        report.torn_session_bytes += applied.torn;
        if !existed || records.first().is_some_and(|record| record.position == 0) {
            layout.disk.sync_dir(&paths.dir)?;
            layout.disk.sync_dir(&layout.threads())?;
        }
        lock.release(layout);
    }
    Ok(report)
}

fn remove(layout: &Layout, dir: &Path, lock: DiskFile) -> Result<()> {
    for (_, path) in segments(layout.disk, dir)? {
        layout.disk.remove(&path)?;
    }
    layout.disk.remove(lock.path())?;
    layout.disk.remove_dir(dir);
    layout.disk.sync_dir(&layout.journals())?;
    Ok(())
}

/// Writes what our own journal holds of one session into its file again, after a sync of the file
/// failed.
pub(crate) fn rewrite(scan: &Scan, file: &DiskFile, key: &ThreadKey) -> Result<()> {
    let index = index(scan, Some(key))?;
    match index.get(key) {
        Some(records) => apply(scan, file, key, records).map(drop),
        None => Ok(()),
    }
}

/// All records by session, in the order in which they were written.
fn index(scan: &Scan, only: Option<&ThreadKey>) -> Result<Index> {
    let mut index = Index::new();
    for frame in &scan.frames {
        let payload = scan.payload(*frame)?;
        let mut rest = payload.as_slice();
        while !rest.is_empty() {
            let record = Record::parse(&mut rest)
                .ok_or_else(|| scan.damage(*frame, "a record that can't be read"))?;
            if only.is_some_and(|key| *key != record.key) {
                continue;
            }
            let end = frame.payload + (payload.len() - rest.len()) as u64;
            let at = RecordAt {
                bytes: FrameAt {
                    payload: end - record.bytes.len() as u64,
                    len: record.bytes.len() as u64,
                    ..*frame
                },
                first: record.first,
                last: record.last,
                position: record.position,
            };
            index.entry(record.key).or_default().push(at);
        }
    }
    Ok(index)
}

#[derive(Debug, Default)]
struct Applied {
    events: u64,
    torn: u64,
}

/// Writes a session's records where they belong, and syncs and checks the file.
fn apply(scan: &Scan, file: &DiskFile, key: &ThreadKey, records: &[RecordAt]) -> Result<Applied> {
    let header = header_of(file, key, records)?;
    let settled = header.map_or(0, |header| header.synced);
    let id = ThreadId::new(key);
    let mut applied = Applied::default();
    let mut begin = None;
    let mut end = None;
    for record in records.iter().filter(|record| record.last > settled) {
        let bytes = scan.payload(record.bytes)?;
        let record_end = record.position + bytes.len() as u64;
        let there = file.range(record.position, record_end)?;
        if there != bytes {
            if is_newer(file, record, &bytes, &id)? {
                end = None;
                continue;
            }
            applied.events += record.last - record.first + 1;
        }
        let len = file.len()?;
        if record.position > len {
            return Err(LogError::corrupt(format!(
                "{}: {len} bytes, but its journal goes on at byte {}, ordinal {}",
                file.path().display(),
                record.position,
                record.first
            )));
        }
        file.write_at(&bytes, record.position)?;
        begin.get_or_insert((record.position, record.first));
        end = Some(record_end);
    }
    if let Some(end) = end {
        let len = file.len()?;
        if len > end {
            applied.torn = len - end;
            file.set_len(end)?;
        }
    }
    file.sync()?;
    if let Some((position, first)) = begin {
        let snapshot = Snapshot::of(file, Some(key))?
            .ok_or_else(|| LogError::internal("a recovered session without a header"))?;
        verify(file, &snapshot, position.max(snapshot.header_len), first)?;
    }
    Ok(applied)
}

/// The session file's header, if it is there and can be read or the journal can't restore it.
fn header_of(file: &DiskFile, key: &ThreadKey, records: &[RecordAt]) -> Result<Option<Header>> {
    let header = match read_header(file, file.len()?) {
        Ok(found) => found.map(|(header, _)| header),
        Err(error)
            if error.kind() == LogErrorKind::Corrupt
                && records.first().is_some_and(|record| record.position == 0) =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    match header {
        Some(header) if header.key != *key => Err(LogError::corrupt(format!(
            "{}: line 1: header of another thread: {}",
            file.path().display(),
            header.key
        ))),
        header => Ok(header),
    }
}

/// True if the file holds, where the record belongs, another valid line than the record's: it was
/// written later, by a group that replaced this one.
fn is_newer(file: &DiskFile, record: &RecordAt, bytes: &[u8], id: &ThreadId) -> Result<bool> {
    let mut there = LineReader::new(file, record.position, file.len()?);
    for ours in bytes.split_inclusive(|byte| *byte == b'\n').take(2) {
        let Some(line) = there.next()? else {
            return Ok(false);
        };
        let valid = match peek_ordinal(ours) {
            Some(ordinal) => Line::parse(line.bytes, id).is_ok_and(|line| line.ordinal == ordinal),
            None => Header::parse(line.bytes).is_some(),
        };
        if !valid || !line.terminated {
            return Ok(false);
        }
        if Some(line.bytes) != ours.strip_suffix(b"\n") {
            return Ok(true);
        }
        if peek_ordinal(ours).is_some() {
            return Ok(false);
        }
    }
    Ok(false)
}
