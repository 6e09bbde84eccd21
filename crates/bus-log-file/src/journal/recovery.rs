//! Bringing home what a dead process had journaled.

use std::collections::BTreeMap;
use std::path::Path;

use bus_log::{LogError, Result, ThreadKey};

use super::record::Record;
use super::scan::{FrameAt, Scan, segments};
use crate::fs::{DiskFile, Locked};
use crate::header::Header;
use crate::layout::{Layout, ThreadId, unhex};
use crate::line::{Line, peek_ordinal};
use crate::lock::{self, ThreadLock};
use crate::session_file::{LineReader, check_key, read_header, verify};

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

impl RecordAt {
    /// The byte after its bytes in the session file.
    const fn end(&self) -> u64 {
        self.position.saturating_add(self.bytes.len)
    }
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
        report.replayed_events += apply(&scan, &file, key, records)?;
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

/// Writes a session's records where they belong, syncs the file and checks what was written. Returns
/// how many events were not there before.
///
/// Nothing is cut off behind the last record: what stands there was written under another journal, or
/// is a torn end for the session's next writer to cut.
fn apply(scan: &Scan, file: &DiskFile, key: &ThreadKey, records: &[RecordAt]) -> Result<u64> {
    let header = header_of(scan, file, key, records)?;
    let settled = header.map_or(0, |header| header.synced);
    let id = ThreadId::new(key);
    let mut events = 0;
    let mut written = Vec::new();
    for record in records.iter().filter(|record| record.last > settled) {
        let bytes = scan.payload(record.bytes)?;
        let there = file.range(record.position, record.end())?;
        if there != bytes {
            if is_newer(file, record, &bytes, &id)? {
                continue;
            }
            events += record.last - record.first + 1;
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
        written.push(record);
    }
    file.sync()?;
    for record in written {
        let lines = match record.position {
            0 => match read_header(file, record.end())? {
                Some((_, header_len)) => header_len,
                None => return Err(LogError::internal("a journaled file without a header")),
            },
            position => position,
        };
        verify(file, &id, lines..record.end(), record.first)?;
    }
    Ok(events)
}

/// The session file's header; `None` if there is none yet, or the disk lost it before it was ever
/// synced, and the journal restores it.
fn header_of(
    scan: &Scan,
    file: &DiskFile,
    key: &ThreadKey,
    records: &[RecordAt],
) -> Result<Option<Header>> {
    match read_header(file, file.len()?) {
        Ok(Some((header, _))) => {
            check_key(file, &header, key)?;
            Ok(Some(header))
        }
        Ok(None) => Ok(None),
        Err(error) => match records.first() {
            Some(first) if first.position == 0 && is_lost(scan, file, first)? => Ok(None),
            _ => Err(error),
        },
    }
}

/// True if the file's header is the record's but for blocks that were never written, which read as
/// zeros. Anything else may be the damaged header of a file that replaced the record's.
fn is_lost(scan: &Scan, file: &DiskFile, first: &RecordAt) -> Result<bool> {
    let mut header = scan.payload(first.bytes)?;
    let end = memchr::memchr(b'\n', &header).map_or(header.len(), |end| end + 1);
    header.truncate(end);
    let there = file.range(0, header.len() as u64)?;
    Ok(there
        .iter()
        .zip(&header)
        .all(|(there, ours)| *there == 0 || there == ours))
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
