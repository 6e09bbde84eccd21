//! Whether damage of a session file may still be mended, by whoever writes the session.

use std::path::Path;

use bus_log::{LogError, LogErrorKind, Result};

use super::apply::header_of;
use super::index::{RecordAt, records_with_id};
use super::scan::Scan;
use crate::fs::DiskFile;
use crate::layout::{Layout, ThreadId, unhex};
use crate::lock;
use crate::session_file::{stable, verify};

/// Whether all that is damaged in the file `session` of a session stands in the journal of its writer, living or dead.
/// Nothing is locked, and nothing changed: a writer that goes on meanwhile may have mended it already where this says no.
pub(crate) fn may_mend(layout: &Layout, id: &ThreadId, session: &Path) -> Result<bool> {
    let found = stable(|| match layout.disk.open(session)? {
        Some(file) => has_damaged(layout, id, &file),
        None => Ok(false),
    });
    match found {
        // The journal is damaged too, and mends nothing.
        Err(error) if is_corrupt(&error) => Ok(false),
        found => found,
    }
}

fn is_corrupt(error: &LogError) -> bool {
    error.kind() == LogErrorKind::Corrupt
}

/// Whether a journal has what is damaged in a session's file: the one that the session's lock names. A power cut may have left
/// nothing of that name, or an older one: where it leads nowhere, any other.
fn has_damaged(layout: &Layout, id: &ThreadId, file: &DiskFile) -> Result<bool> {
    let lock = file.path().with_extension("lock");
    let named = lock::name_on(layout, &lock)?.map(|owner| owner.journal);
    if let Some(name) = &named
        && let Some(found) = journal_has_damaged(layout, name, id, file)?
    {
        return Ok(found);
    }
    for name in layout.disk.names(&layout.journals())? {
        if let Some(name) = name.to_str()
            && named.as_deref() != Some(name)
            && journal_has_damaged(layout, name, id, file)? == Some(true)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether all that is damaged in a session's file stands in this journal; `None` if it has nothing of the session.
fn journal_has_damaged(
    layout: &Layout,
    journal: &str,
    id: &ThreadId,
    file: &DiskFile,
) -> Result<Option<bool>> {
    let Some(number) = unhex(journal) else {
        return Ok(None);
    };
    let scan = Scan::to_read(&layout.disk, &layout.journal(journal), number)?;
    let records = records_with_id(&scan, id)?;
    if records.is_empty() {
        return Ok(None);
    }
    is_whole_before(&scan, file, &records, id).map(Some)
}

/// Whether nothing is damaged that stands before all records that count.
fn is_whole_before(
    scan: &Scan,
    file: &DiskFile,
    records: &[RecordAt],
    id: &ThreadId,
) -> Result<bool> {
    let (header, header_len) = match header_of(scan, file, records) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(records.first().is_some_and(|first| first.position == 0)),
        Err(error) if is_corrupt(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    if ThreadId::new(&header.key) != *id {
        return Ok(false);
    }
    let count = records.iter().filter(|record| record.last > header.synced);
    let Some(from) = count.map(|record| record.position).min() else {
        return Ok(false);
    };
    let first = header.watermark.saturating_add(1);
    match verify(file, id, header_len..from, first) {
        Err(error) if is_corrupt(&error) => Ok(false),
        checked => checked.map(|()| true),
    }
}
