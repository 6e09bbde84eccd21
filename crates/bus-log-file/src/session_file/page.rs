//! Pages of events.

use std::ops::ControlFlow;

use bus_log::{PAGE_BYTES, Page, Recorded, Result};

use super::lines::LineReader;
use super::snapshot::Snapshot;
use super::{damage, find};
use crate::fs::DiskFile;
use crate::layout::ThreadId;
use crate::line::{Line, LineError, PREFIX};

/// At most `limit` events after `cursor`, as many as a page holds, each made by `make`.
pub(crate) fn read_page(
    file: &DiskFile,
    snapshot: &Snapshot,
    cursor: u64,
    limit: usize,
    make: impl Fn(&Line<'_>) -> Result<Recorded, LineError>,
) -> Result<Page> {
    let limit = limit.max(1);
    let mut events = Vec::with_capacity(events_after(snapshot, cursor).min(limit).min(4096));
    let mut bytes = 0;
    visit(file, snapshot, cursor, |line| {
        bytes += line.size();
        if bytes > PAGE_BYTES && !events.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        events.push(make(line)?);
        Ok(match events.len() < limit {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    let more = events
        .last()
        .is_some_and(|last| last.ordinal < snapshot.last);
    Ok(Page::new(events, more))
}

/// All events after `cursor`, in memory that is taken once: page by page each would be moved, and take
/// new memory.
pub(crate) fn read_all(file: &DiskFile, snapshot: &Snapshot, cursor: u64) -> Result<Vec<Recorded>> {
    let mut events = Vec::with_capacity(events_after(snapshot, cursor));
    visit(file, snapshot, cursor, |line| {
        events.push(line.typed()?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(events)
}

/// How many events there are after `cursor`; no more than the file has room for, whatever it says.
fn events_after(snapshot: &Snapshot, cursor: u64) -> usize {
    let shown = cursor.max(snapshot.header.watermark);
    let bytes = snapshot.end.saturating_sub(snapshot.header_len);
    let left = snapshot
        .last
        .saturating_sub(shown)
        .min(bytes / PREFIX as u64);
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// Shows every line after `cursor` to `see`, in order, until it breaks. Sums are checked, and that no
/// ordinal is missing.
pub(crate) fn visit(
    file: &DiskFile,
    snapshot: &Snapshot,
    cursor: u64,
    mut see: impl FnMut(&Line<'_>) -> Result<ControlFlow<()>, LineError>,
) -> Result<()> {
    let cursor = cursor.max(snapshot.header.watermark);
    if cursor >= snapshot.last {
        return Ok(());
    }
    let id = ThreadId::new(&snapshot.header.key);
    let start = find(file, snapshot, cursor + 1)?;
    let mut lines = LineReader::new(file, start, snapshot.end);
    for ordinal in cursor + 1..=snapshot.last {
        let position = lines.position();
        let bad = |what: &dyn std::fmt::Display| damage(file, position, ordinal, what);
        let Some(raw) = lines.next()? else {
            return Err(bad(&"the line is missing"));
        };
        let line = Line::parse(raw.bytes, &id).map_err(|error| bad(&error))?;
        if line.ordinal != ordinal || !raw.terminated {
            return Err(bad(&format_args!("the line has ordinal {}", line.ordinal)));
        }
        match see(&line) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return Ok(()),
            Err(error) => return Err(bad(&error).with_source(error)),
        }
    }
    Ok(())
}
