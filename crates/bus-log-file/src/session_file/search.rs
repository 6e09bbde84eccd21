//! Where an ordinal stands.

use std::ops::Range;

use bus_log::Result;

use super::damage;
use super::lines::LineReader;
use super::snapshot::Snapshot;
use crate::fs::DiskFile;
use crate::layout::ThreadId;
use crate::line::{Line, peek_ordinal};

/// Once so few bytes are left, the lines are read one by one.
const NEAR: u64 = 64 << 10;

/// The position of the line `ordinal`, which must lie within the snapshot: binary search over bytes,
/// since every line begins with its ordinal.
///
/// It trusts no ordinal it meets, for sums are not checked on the way: the lines after the best
/// one are read one by one, and whoever reads on checks them.
pub(crate) fn find(file: &DiskFile, snapshot: &Snapshot, ordinal: u64) -> Result<u64> {
    let mut low = snapshot.header_len;
    let mut high = snapshot.end;
    if ordinal == snapshot.header.watermark.saturating_add(1) {
        return Ok(low);
    }
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        match line_after(file, middle, high)? {
            Some((start, found)) if found <= ordinal => low = start,
            // No line that is wanted begins in what was skipped.
            Some(_) | None => high = middle,
        }
    }
    let mut lines = LineReader::new(file, low, snapshot.end);
    loop {
        let position = lines.position();
        match lines.next()?.and_then(|line| peek_ordinal(line.bytes)) {
            Some(found) if found < ordinal => {}
            Some(found) if found == ordinal => return Ok(position),
            _ => return Err(first_damage(file, snapshot, position, ordinal)),
        }
    }
}

/// The first line that is not what it should be, which is what led the search astray.
fn first_damage(
    file: &DiskFile,
    snapshot: &Snapshot,
    position: u64,
    ordinal: u64,
) -> bus_log::LogError {
    let id = ThreadId::new(&snapshot.header.key);
    let first = snapshot.header.watermark.saturating_add(1);
    match verify(file, &id, snapshot.header_len..snapshot.end, first) {
        Ok(()) => damage(file, position, ordinal, "the line is not in its place"),
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
        let position = lines.position();
        let Some(raw) = lines.next()? else {
            return Ok(());
        };
        match Line::parse(raw.bytes, id) {
            Ok(line) if line.ordinal == ordinal => ordinal = ordinal.saturating_add(1),
            Ok(line) => {
                let what = format_args!("the line has ordinal {}", line.ordinal);
                return Err(damage(file, position, ordinal, what));
            }
            Err(error) => return Err(damage(file, position, ordinal, error)),
        }
    }
}

/// The first line that begins after `position` and before `high` and shows an ordinal, and that.
fn line_after(file: &DiskFile, position: u64, high: u64) -> Result<Option<(u64, u64)>> {
    let mut lines = LineReader::new(file, position, high);
    // The line that `position` lies in.
    if lines.next()?.is_none() {
        return Ok(None);
    }
    while let Some(line) = lines.next()? {
        let start = line.start;
        if let Some(found) = peek_ordinal(line.bytes) {
            return Ok(Some((start, found)));
        }
    }
    Ok(None)
}
