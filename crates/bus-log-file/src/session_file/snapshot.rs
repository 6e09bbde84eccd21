//! How far a session file reaches.

use bus_log::{Bounds, DateTime, LogError, LogErrorKind, Result, ThreadKey, Utc};

use super::lines::{LineReader, line_start};
use super::{damage, stable, verify};
use crate::format;
use crate::fs::DiskFile;
use crate::header::{Header, HeaderError};
use crate::layout::{Layout, ThreadId};
use crate::line::{Line, LineError, MAX_LINE, may_begin_with, peek_ordinal};

/// What a session file holds at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) header: Header,
    /// Bytes of the header's line.
    pub(crate) header_len: u64,
    /// Byte after the last complete batch.
    pub(crate) end: u64,
    /// Newest ordinal; 0 if the thread never had an event.
    pub(crate) last: u64,
    /// Time of the newest readable event.
    pub(crate) last_at: Option<DateTime<Utc>>,
}

impl Snapshot {
    /// Opens the session file of `key` to read it and looks at it; `None` for a thread that never
    /// had an event.
    pub(crate) fn open(layout: &Layout, key: &ThreadKey) -> Result<Option<(DiskFile, Self)>> {
        stable(|| {
            let Some(file) = layout.disk.open(&layout.thread(key).session)? else {
                return Ok(None);
            };
            let found = Self::of(&file, Some(key))?;
            Ok(found
                .filter(|snapshot| snapshot.last > 0)
                .map(|snapshot| (file, snapshot)))
        })
    }

    /// Looks at a session file, of the thread `key` if that is known; `None` if not even its header
    /// is complete.
    pub(crate) fn of(file: &DiskFile, key: Option<&ThreadKey>) -> Result<Option<Self>> {
        let len = file.len()?;
        let Some((header, header_len)) = read_header(file, len)? else {
            return Ok(None);
        };
        if let Some(key) = key {
            check_key(file, &header, key)?;
        }
        let end = End {
            file,
            id: ThreadId::new(&header.key),
            header_len,
        };
        let (end, last_line) = match end.find(len) {
            Ok(found) => found,
            Err(error) if error.kind() != LogErrorKind::Corrupt => return Err(error),
            Err(error) => return Err(first_damage(file, &header, header_len, len, error)),
        };
        let (last, last_at) = match last_line {
            Some((ordinal, at)) => (ordinal, Some(at)),
            None => (header.synced, None),
        };
        if last < header.synced || (last_line.is_some() && last <= header.watermark) {
            return Err(damage(
                file,
                end,
                last,
                format_args!("the file ends before ordinal {}", header.synced),
            ));
        }
        Ok(Some(Self {
            header,
            header_len,
            end,
            last,
            last_at,
        }))
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds::new(self.header.watermark, self.last, self.header.erased)
    }
}

/// A file whose name is the hash of one key and whose header says another was put there.
pub(crate) fn check_key(file: &DiskFile, header: &Header, key: &ThreadKey) -> Result<()> {
    if header.key == *key {
        return Ok(());
    }
    Err(LogError::corrupt(format!(
        "{}: line 1: header of another thread: {}",
        file.path().display(),
        header.key
    )))
}

/// The header and the length of its line; `None` if the file is just being made, or was left so.
pub(crate) fn read_header(file: &DiskFile, len: u64) -> Result<Option<(Header, u64)>> {
    let bad = |what: &str| LogError::corrupt(format!("{}: line 1: {what}", file.path().display()));
    let mut lines = LineReader::new(file, 0, len);
    let Some(line) = lines.next()? else {
        return Ok(None);
    };
    if line.terminated {
        return match Header::parse(line.bytes) {
            Ok(header) => Ok(Some((header, lines.position()))),
            Err(HeaderError::Version(found)) => {
                let place = format_args!("{}: line 1", file.path().display());
                Err(format::other_version(place, found))
            }
            Err(HeaderError::Form) => Err(bad("not the header of a session")),
        };
    }
    // A new file's header is written together with its first batch, from the start on: what is
    // there of it must be its beginning. A rewritten one is complete or not there.
    let [start @ .., _] = line.bytes else {
        return Ok(None);
    };
    if Header::parse(start).is_ok() || !Header::may_begin_with(line.bytes) {
        return Err(bad("damaged header"));
    }
    Ok(None)
}

/// The first line that is damaged: what was found from behind may be a consequence of it.
fn first_damage(
    file: &DiskFile,
    header: &Header,
    header_len: u64,
    len: u64,
    found: LogError,
) -> LogError {
    let id = ThreadId::new(&header.key);
    let first = header.watermark.saturating_add(1);
    verify(file, &id, header_len..len, first)
        .err()
        .unwrap_or(found)
}

/// Looks for the end of the last complete batch, from behind.
struct End<'f> {
    file: &'f DiskFile,
    id: ThreadId,
    header_len: u64,
}

/// Ordinal and time of a line.
type Last = (u64, DateTime<Utc>);

impl End<'_> {
    fn find(&self, len: u64) -> Result<(u64, Option<Last>)> {
        let end = self.cut_unterminated(len)?;
        if end == self.header_len {
            return Ok((end, None));
        }
        let (start, line) = self.line_before(end)?;
        if line.number == line.count {
            return Ok((end, Some((line.ordinal, line.at))));
        }
        self.before_batch(start, line)
    }

    /// Where the last line break is that ends a line.
    fn cut_unterminated(&self, len: u64) -> Result<u64> {
        if len == self.header_len || self.file.range(len - 1, len)? == b"\n" {
            return Ok(len);
        }
        let start = line_start(self.file, self.header_len, len)?;
        if len - start > MAX_LINE as u64 + 1 {
            return Err(self.bad(start, None, "a line without end"));
        }
        let bytes = self.file.range(start, len)?;
        // A write that was cut short leaves a beginning, never a whole line and a byte.
        let whole = bytes.split_last().map(|(_, line)| line).unwrap_or_default();
        if Line::parse(whole, &self.id).is_ok() {
            return Err(self.bad(start, peek_ordinal(&bytes), "damaged line break"));
        }
        if !may_begin_with(&bytes) {
            return Err(self.bad(start, peek_ordinal(&bytes), "not the beginning of a line"));
        }
        Ok(start)
    }

    /// The batch of `line`, the last one in the file, is incomplete: finds the one before it.
    fn before_batch(&self, mut start: u64, mut line: Brief) -> Result<(u64, Option<Last>)> {
        while line.number > 1 {
            let (before, previous) = self.line_before(start)?;
            if previous.ordinal.checked_add(1) != Some(line.ordinal)
                || previous.number + 1 != line.number
                || previous.count != line.count
            {
                return Err(self.bad(before, Some(previous.ordinal), "a broken batch"));
            }
            (start, line) = (before, previous);
        }
        if start == self.header_len {
            return Ok((start, None));
        }
        let (at, previous) = self.line_before(start)?;
        if previous.ordinal.checked_add(1) != Some(line.ordinal)
            || previous.number != previous.count
        {
            return Err(self.bad(at, Some(previous.ordinal), "a broken batch"));
        }
        Ok((start, Some((previous.ordinal, previous.at))))
    }

    fn line_before(&self, end: u64) -> Result<(u64, Brief)> {
        if end <= self.header_len {
            return Err(self.bad(end, None, "a batch without its beginning"));
        }
        let start = line_start(self.file, self.header_len, end)?;
        if end - start > MAX_LINE as u64 + 1 {
            return Err(self.bad(start, None, "a line that is too long"));
        }
        let bytes = self.file.range(start, end - 1)?;
        let brief = |line: Line<'_>| {
            Ok::<_, LineError>(Brief {
                ordinal: line.ordinal,
                number: line.number,
                count: line.count,
                at: line.at()?,
            })
        };
        match Line::parse(&bytes, &self.id).and_then(brief) {
            Ok(line) => Ok((start, line)),
            Err(error) => Err(self.bad(start, peek_ordinal(&bytes), error)),
        }
    }

    /// Damage of the line that starts at `position`. Its ordinal is the one its place says, where
    /// the line itself does not.
    fn bad(&self, position: u64, ordinal: Option<u64>, what: impl std::fmt::Display) -> LogError {
        let ordinal = match ordinal {
            Some(ordinal) => ordinal,
            None => match self.ordinal_by_place(position) {
                Ok(ordinal) => ordinal,
                Err(error) => return error,
            },
        };
        damage(self.file, position, ordinal, what)
    }

    fn ordinal_by_place(&self, position: u64) -> Result<u64> {
        let (header, _) = read_header(self.file, self.header_len)?
            .ok_or_else(|| LogError::internal("header vanished"))?;
        let before = super::line_number(self.file, position)?.saturating_sub(1);
        Ok(header.watermark.saturating_add(before))
    }
}

/// What the search keeps of a line.
struct Brief {
    ordinal: u64,
    number: u64,
    count: u64,
    at: DateTime<Utc>,
}
