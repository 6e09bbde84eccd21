//! Whether damage of a session file may still be mended, by whoever writes the session.

use bus_log::{LogErrorKind, Result, ThreadKey};

use super::index::{RecordAt, records_of};
use super::scan::Scan;
use crate::fs::DiskFile;
use crate::layout::{Layout, ThreadId, unhex};
use crate::lock;
use crate::session_file::{read_header, stable, verify};

/// Whether all that is damaged in the file of a session stands in the journal of its writer, living or dead. Nothing
/// is locked, and nothing changed: a writer that goes on meanwhile may have mended it already where this says no.
pub(crate) fn may_mend(layout: &Layout, key: &ThreadKey) -> Result<bool> {
    let found = stable(|| {
        let Some(records) = records(layout, key)? else {
            return Ok(false);
        };
        match layout.disk.open(&layout.thread(key).session)? {
            Some(file) => is_whole_before(&file, &records, key),
            None => Ok(false),
        }
    });
    match found {
        // The journal is damaged too, and mends nothing.
        Err(error) if error.kind() == LogErrorKind::Corrupt => Ok(false),
        found => found,
    }
}

/// What the journal of its writer has of a session; `None` if it has none.
fn records(layout: &Layout, key: &ThreadKey) -> Result<Option<Vec<RecordAt>>> {
    let Some(owner) = lock::name_on(layout, &layout.thread(key))? else {
        return Ok(None);
    };
    let Some(id) = unhex(&owner.journal) else {
        return Ok(None);
    };
    let scan = Scan::to_read(&layout.disk, &layout.journal(&owner.journal), id)?;
    let records = records_of(&scan, std::slice::from_ref(key))?.pop();
    Ok(records.filter(|records| !records.is_empty()))
}

/// Whether nothing is damaged that stands before all records that count.
fn is_whole_before(file: &DiskFile, records: &[RecordAt], key: &ThreadKey) -> Result<bool> {
    let corrupt = |error: &bus_log::LogError| error.kind() == LogErrorKind::Corrupt;
    let (header, header_len) = match read_header(file, file.len()?) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(true),
        Err(error) if corrupt(&error) => {
            return Ok(records.iter().any(|record| record.position == 0));
        }
        Err(error) => return Err(error),
    };
    let count = records.iter().filter(|record| record.last > header.synced);
    let Some(from) = count.map(|record| record.position).min() else {
        return Ok(false);
    };
    let first = header.watermark.saturating_add(1);
    match verify(file, &ThreadId::new(key), header_len..from, first) {
        Err(error) if corrupt(&error) => Ok(false),
        checked => checked.map(|()| true),
    }
}
