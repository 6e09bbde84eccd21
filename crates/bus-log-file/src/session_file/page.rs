//! Pages of events.

use bus_log::{PAGE_BYTES, Page, Recorded, Result};

use super::lines::LineReader;
use super::snapshot::Snapshot;
use super::{damage, find};
use crate::fs::DiskFile;
use crate::layout::ThreadId;
use crate::line::{Line, LineError};

/// At most `limit` events after `cursor`, as many as a page holds, each made by `make`.
pub(crate) fn read_page(
    file: &DiskFile,
    snapshot: &Snapshot,
    cursor: u64,
    limit: usize,
    make: impl Fn(&Line<'_>) -> Result<Recorded, LineError>,
) -> Result<Page> {
    let cursor = cursor.max(snapshot.header.watermark);
    if cursor >= snapshot.last {
        return Ok(Page::default());
    }
    let id = ThreadId::new(&snapshot.header.key);
    let start = find(file, snapshot, cursor + 1)?;
    let mut lines = LineReader::new(file, start, snapshot.end);
    let mut events = Vec::new();
    let mut bytes = 0;
    let mut ordinal = cursor;
    while ordinal < snapshot.last && events.len() < limit.max(1) {
        ordinal += 1;
        let position = lines.position();
        let bad = |what: &dyn std::fmt::Display| damage(file, position, ordinal, what);
        let Some(raw) = lines.next()? else {
            return Err(bad(&"the line is missing"));
        };
        let line = Line::parse(raw.bytes, &id).map_err(|error| bad(&error))?;
        if line.ordinal != ordinal || !raw.terminated {
            return Err(bad(&format_args!("the line has ordinal {}", line.ordinal)));
        }
        bytes += line.size();
        if bytes > PAGE_BYTES && !events.is_empty() {
            return Ok(Page::new(events, true));
        }
        events.push(make(&line).map_err(|error| bad(&error).with_source(error))?);
    }
    Ok(Page::new(events, ordinal < snapshot.last))
}
