//! Where an ordinal stands.

use std::ops::Range;

use bus_log::Result;

use super::damage;
use super::lines::{LineReader, RawLine};
use super::snapshot::Snapshot;
use crate::fs::DiskFile;
use crate::header::Header;
use crate::layout::ThreadId;
use crate::line::{Line, PEEK, PREFIX, peek_ordinal};

/// Once so few bytes are left, the lines are read one by one.
const NEAR: u64 = 8 << 10;

/// The position of the line `ordinal`, which must lie within the snapshot.
///
/// A search over byte positions, since every line begins with its ordinal: it looks where the line
/// would be if all were of one length, and in the middle where that guess did not halve what is
/// left. So lines of one length take a few reads however long they are, and no lines take more than
/// twice the reads of a binary search.
///
/// It trusts no ordinal it meets, for sums are not checked on the way: the lines after the best
/// one are read one by one, and whoever reads on checks them. A line that shows no ordinal, or one that is not its own, hides
/// no other: it is passed over, and where it led the search astray all lines are read.
pub(crate) fn find(file: &DiskFile, snapshot: &Snapshot, ordinal: u64) -> Result<u64> {
    let mut span = Span {
        low: snapshot.header_len,
        low_ordinal: snapshot.header.watermark.saturating_add(1),
        high: snapshot.end,
        high_ordinal: snapshot.last.saturating_add(1),
    };
    let mut guess = true;
    while span.low_ordinal < ordinal && span.len() > NEAR {
        let before = span.len();
        let middle = span.low + before / 2;
        let position = if guess { span.guess(ordinal) } else { middle };
        match line_after(file, position, span.high)? {
            Some((start, found)) if found <= ordinal => {
                (span.low, span.low_ordinal) = (start, found);
            }
            // No line that is wanted begins in what was skipped.
            Some((_, found)) => (span.high, span.high_ordinal) = (position, found),
            None => span.high = position,
        }
        guess = span.len() <= before / 2;
    }
    let mut found = line_of(file, snapshot, span.low, ordinal)?;
    if !matches!(found, Some(Found::Whole(_))) && span.low > snapshot.header_len {
        // A damaged line that shows it may be another one, and the search have been led there by it.
        found = line_of(file, snapshot, snapshot.header_len, ordinal)?.or(found);
    }
    match found {
        Some(Found::Whole(position) | Found::Damaged(position)) => Ok(position),
        None => Err(first_damage(file, snapshot, ordinal)),
    }
}

/// Where a line begins that shows the ordinal which is looked for.
enum Found {
    Whole(u64),
    /// It is that line, or another one.
    Damaged(u64),
}

/// The line from `low` on that shows `ordinal`: a whole one, or else the first; none behind a whole line of a higher one.
fn line_of(file: &DiskFile, snapshot: &Snapshot, low: u64, ordinal: u64) -> Result<Option<Found>> {
    let id = ThreadId::new(&snapshot.header.key);
    let mut lines = LineReader::new(file, low, snapshot.end);
    let mut damaged = None;
    loop {
        let position = lines.position();
        let more = match peek_ordinal(lines.peek(PEEK)?) {
            Some(found) if found >= ordinal => match lines.next()? {
                Some(line) if line.terminated && Line::parse(line.bytes, &id).is_err() => {
                    damaged = damaged.or((found == ordinal).then_some(position));
                    true
                }
                Some(_) if found == ordinal => return Ok(Some(Found::Whole(position))),
                _ => false,
            },
            _ => lines.skip()?,
        };
        if !more {
            return Ok(damaged.map(Found::Damaged));
        }
    }
}

/// Where the line that is looked for begins: not before `low`, where a line begins, and before `high`.
struct Span {
    low: u64,
    low_ordinal: u64,
    high: u64,
    /// The ordinal that comes next from `high` on, as far as one was seen.
    high_ordinal: u64,
}

impl Span {
    const fn len(&self) -> u64 {
        self.high.saturating_sub(self.low)
    }

    /// Half a line before `ordinal`, if lines are of one length: what is looked at is the next one.
    fn guess(&self, ordinal: u64) -> u64 {
        let lines = self.high_ordinal.saturating_sub(self.low_ordinal).max(1);
        let before = ordinal.saturating_sub(self.low_ordinal);
        let halves = u128::from(before) * 2 - u128::from(before > 0);
        let bytes = u128::from(self.len()) * halves / (u128::from(lines) * 2);
        let most = self.len().saturating_sub(1);
        self.low + u64::try_from(bytes).unwrap_or(most).min(most)
    }
}

/// The first line that is not what it should be.
fn first_damage(file: &DiskFile, snapshot: &Snapshot, ordinal: u64) -> bus_log::LogError {
    let id = ThreadId::new(&snapshot.header.key);
    let first = snapshot.header.watermark.saturating_add(1);
    match verify(file, &id, snapshot.header_len..snapshot.end, first) {
        Ok(()) => damage(file, snapshot.end, ordinal, "the line is not in its place"),
        Err(error) => error,
    }
}

/// Checks every line that begins within `bytes`, the first of which has the ordinal `ordinal`.
pub(crate) fn verify(
    file: &DiskFile,
    id: &ThreadId,
    bytes: Range<u64>,
    mut ordinal: u64,
) -> Result<()> {
    let mut lines = LineReader::new(file, bytes.start, bytes.end);
    loop {
        let Some(raw) = lines.next()? else {
            return Ok(());
        };
        check(file, &raw, id, ordinal)?;
        ordinal = ordinal.saturating_add(1);
    }
}

/// Checks a line's sum, and that it is the one of this ordinal.
fn check(file: &DiskFile, raw: &RawLine<'_>, id: &ThreadId, ordinal: u64) -> Result<()> {
    match Line::parse(raw.bytes, id) {
        Ok(line) if line.ordinal == ordinal => Ok(()),
        Ok(line) => {
            let what = format_args!("the line has ordinal {}", line.ordinal);
            Err(damage(file, raw.start, ordinal, what))
        }
        Err(error) => Err(damage(file, raw.start, ordinal, error)),
    }
}

/// As [`verify`], of one line, which is to be whole with its line break.
pub(crate) fn check_line(
    file: &DiskFile,
    raw: &RawLine<'_>,
    id: &ThreadId,
    ordinal: u64,
) -> Result<()> {
    check(file, raw, id, ordinal)?;
    match raw.terminated {
        true => Ok(()),
        false => Err(damage(file, raw.start, ordinal, "no line break")),
    }
}

/// An ordinal that no event is behind which the lines within `bytes` hold or held. What is damaged at their end may have
/// been as many lines as there is room for.
pub(crate) fn last_at_most(file: &DiskFile, header: &Header, bytes: Range<u64>) -> Result<u64> {
    let id = ThreadId::new(&header.key);
    let (mut last, mut whole) = (header.watermark, header.watermark);
    let mut lines = LineReader::new(file, bytes.start, bytes.end);
    loop {
        // A damaged part is not held whole, however long it is.
        let next = match lines.next()? {
            Some(raw) => Line::parse(raw.bytes, &id).map_err(|_| raw.bytes.len() as u64 + 1),
            None => return Ok(last.max(header.synced)),
        };
        last = match next.map(|line| line.ordinal) {
            Ok(ordinal) => {
                whole = whole.max(ordinal);
                whole
            }
            Err(len) => last.saturating_add(len.div_ceil(PREFIX as u64)),
        };
    }
}

/// The first line that begins after `position` and before `high` and shows an ordinal, and that.
fn line_after(file: &DiskFile, position: u64, high: u64) -> Result<Option<(u64, u64)>> {
    let mut lines = LineReader::new(file, position, high.saturating_add(PEEK as u64));
    // The line that `position` lies in, and any that shows none.
    while lines.skip()? && lines.position() < high {
        let start = lines.position();
        if let Some(found) = peek_ordinal(lines.peek(PEEK)?) {
            return Ok(Some((start, found)));
        }
    }
    Ok(None)
}
