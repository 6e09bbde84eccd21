//! Writing a session's records into its file.

use std::ops::Range;

use bus_log::{LogError, Result, ThreadKey};

use super::index::RecordAt;
use super::scan::Scan;
use super::window::{WINDOW, Window};
use crate::fs::DiskFile;
use crate::header::Header;
use crate::layout::ThreadId;
use crate::line::{Line, peek_ordinal};
use crate::session_file::{LineReader, check_key, read_header, verify};

/// Bytes between two records of a session that are read from the journal with them rather than skipped.
const NEAR: u64 = 4096;

/// What came of a session's records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Applied {
    /// Events that were not there before.
    pub(super) events: u64,
    /// Records in whose place the file has something newer.
    pub(super) passed_over: u64,
}

/// When what is written into a session file is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    Now,
    /// By whoever syncs the file next.
    Later,
}

/// Writes a session's records where they belong, has the file synced and checks what was written.
///
/// Nothing is cut off behind the last record: what stands there was written under another journal, or
/// is a torn end for the session's next writer to cut.
pub(super) fn apply(
    scan: &Scan,
    file: &DiskFile,
    key: &ThreadKey,
    mut records: Vec<RecordAt>,
    durable: Durable,
) -> Result<Applied> {
    let settled = match header_of(scan, file, &records)? {
        Some((header, _)) => {
            check_key(file, &header, key)?;
            header.synced
        }
        None => 0,
    };
    records.retain(|record| record.last > settled);
    let mut writer = Writer::new(file, ThreadId::new(key))?;
    for near in records.chunk_by(is_near) {
        let mut rest = near;
        while let Some(first) = rest.first() {
            let limit = first.payload + WINDOW as u64;
            let fit = rest.partition_point(|record| record.payload_end() <= limit);
            let (part, others) = rest.split_at(fit.max(1));
            rest = others;
            let end = part[part.len() - 1].payload_end();
            let bytes = scan.bytes(first.segment, first.payload, end)?;
            for record in part {
                let from = usize::try_from(record.payload - first.payload).unwrap_or(usize::MAX);
                let bytes = usize::try_from(record.len)
                    .ok()
                    .and_then(|len| bytes.get(from..from.checked_add(len)?))
                    .ok_or_else(|| {
                        LogError::internal("a journal that changed while it was read")
                    })?;
                writer.put(record, bytes)?;
            }
        }
    }
    writer.finish(durable)
}

/// True if `next` is read together with `one`.
fn is_near(one: &RecordAt, next: &RecordAt) -> bool {
    let gap = next.payload.checked_sub(one.payload_end());
    one.segment == next.segment && gap.is_some_and(|gap| gap <= NEAR)
}

/// Lines that were written, without a gap.
struct Run {
    bytes: Range<u64>,
    first: u64,
    last: u64,
}

/// Writes into a session file what belongs there, many records at once.
struct Writer<'f> {
    file: &'f DiskFile,
    id: ThreadId,
    /// What stood in the file.
    there: Window<'f>,
    /// The file's length, with what waits.
    len: u64,
    /// Bytes that wait to be written at `at`.
    waiting: Vec<u8>,
    at: u64,
    runs: Vec<Run>,
    applied: Applied,
}

impl<'f> Writer<'f> {
    fn new(file: &'f DiskFile, id: ThreadId) -> Result<Self> {
        Ok(Self {
            file,
            id,
            there: Window::new(file),
            len: file.len()?,
            waiting: Vec::new(),
            at: 0,
            runs: Vec::new(),
            applied: Applied::default(),
        })
    }

    /// Writes a record's bytes, also if they are there already: after a failed sync, reading them proves
    /// nothing. Leaves them out if the file is newer.
    fn put(&mut self, record: &RecordAt, bytes: &[u8]) -> Result<()> {
        let continues = self.at + self.waiting.len() as u64 == record.position;
        if !continues || self.waiting.len() >= WINDOW {
            self.flush()?;
            self.at = record.position;
        }
        if !continues {
            // It may belong where another one was just written.
            self.there.forget();
        }
        let there = self.there.get(record.position, bytes.len())?;
        if there != bytes {
            if is_newer(self.file, record, there, bytes, &self.id)? {
                self.flush()?;
                self.at = record.end();
                self.applied.passed_over += 1;
                return Ok(());
            }
            let events = (record.last - record.first).saturating_add(1);
            self.applied.events = self.applied.events.saturating_add(events);
        }
        if record.position > self.len {
            return Err(LogError::corrupt(format!(
                "{}: {} bytes, but its journal goes on at byte {}, ordinal {}",
                self.file.path().display(),
                self.len,
                record.position,
                record.first
            )));
        }
        self.check_place(record)?;
        self.waiting.extend_from_slice(bytes);
        self.len = self.len.max(record.end());
        match self.runs.last_mut() {
            Some(run)
                if run.bytes.end == record.position
                    && run.last.checked_add(1) == Some(record.first) =>
            {
                run.bytes.end = record.end();
                run.last = record.last;
            }
            _ => self.runs.push(Run {
                bytes: record.position..record.end(),
                first: record.first,
                last: record.last,
            }),
        }
        Ok(())
    }

    /// Checks that a line may begin where a record belongs: over the middle of one it would destroy two.
    fn check_place(&self, record: &RecordAt) -> Result<()> {
        let before = match (self.waiting.last(), record.position.checked_sub(1)) {
            (_, None) => return Ok(()),
            (Some(last), _) => Some(*last),
            (None, Some(at)) => self.file.range(at, record.position)?.first().copied(),
        };
        if before == Some(b'\n') {
            return Ok(());
        }
        Err(LogError::corrupt(format!(
            "{}: no line begins at byte {}, where its journal has ordinal {}",
            self.file.path().display(),
            record.position,
            record.first
        )))
    }

    fn flush(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.file.write_at(&self.waiting, self.at)?;
            self.at += self.waiting.len() as u64;
            self.waiting.clear();
        }
        Ok(())
    }

    /// Writes the rest, makes all of it durable if that is to be done here, and checks it.
    fn finish(mut self, durable: Durable) -> Result<Applied> {
        self.flush()?;
        if durable == Durable::Now {
            self.file.sync()?;
        }
        for run in &self.runs {
            let lines = match run.bytes.start {
                0 => match read_header(self.file, run.bytes.end)? {
                    Some((_, header_len)) => header_len,
                    None => return Err(LogError::internal("a journaled file without a header")),
                },
                position => position,
            };
            verify(self.file, &self.id, lines..run.bytes.end, run.first)?;
        }
        Ok(self.applied)
    }
}

/// The session file's header and the length of its line; `None` if there is none yet, or the disk lost it before it was
/// ever synced, and the journal restores it.
pub(super) fn header_of(
    scan: &Scan,
    file: &DiskFile,
    records: &[RecordAt],
) -> Result<Option<(Header, u64)>> {
    match read_header(file, file.len()?) {
        Ok(found) => Ok(found),
        Err(error) => match records.first() {
            Some(first) if first.position == 0 && is_lost(scan, file, first)? => Ok(None),
            _ => Err(error),
        },
    }
}

/// True if the file's header is the record's but for blocks that were never written, which read as
/// zeros. Anything else may be the damaged header of a file that replaced the record's.
fn is_lost(scan: &Scan, file: &DiskFile, first: &RecordAt) -> Result<bool> {
    let mut header = scan.bytes(first.segment, first.payload, first.payload_end())?;
    let end = memchr::memchr(b'\n', &header).map_or(header.len(), |end| end + 1);
    header.truncate(end);
    let there = file.range(0, header.len() as u64)?;
    Ok(there
        .iter()
        .zip(&header)
        .all(|(there, ours)| *there == 0 || there == ours))
}

/// True if the file holds, where the record belongs, another valid line than the record's: it was
/// written later, by a group that replaced this one. `there` are the file's bytes in the record's place.
fn is_newer(
    file: &DiskFile,
    record: &RecordAt,
    there: &[u8],
    bytes: &[u8],
    id: &ThreadId,
) -> Result<bool> {
    // A look at the ordinal spares the reading of lines where there are none.
    if record.position > 0 && peek_ordinal(there) != Some(record.first) {
        return Ok(false);
    }
    let mut there = LineReader::new(file, record.position, file.len()?);
    for ours in bytes.split_inclusive(|byte| *byte == b'\n').take(2) {
        let Some(line) = there.next()? else {
            return Ok(false);
        };
        let valid = match peek_ordinal(ours) {
            Some(ordinal) => Line::parse(line.bytes, id).is_ok_and(|line| line.ordinal == ordinal),
            None => Header::parse(line.bytes).is_ok(),
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
