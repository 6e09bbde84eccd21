//! What a log takes on the disk.

use std::path::Path;

use bus_log::Result;

use crate::layout::Layout;

/// Bytes that a log's files take on the disk, whole blocks counted. Folders are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Of session files, those that are just being rewritten and torn ends put aside included.
    pub sessions: u64,
    /// Of journals: segments in use and spare ones.
    pub journals: u64,
    /// Of locks and the marker.
    pub other: u64,
}

impl DiskUsage {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.sessions
            .saturating_add(self.journals)
            .saturating_add(self.other)
    }
}

pub(crate) fn of(layout: &Layout) -> Result<DiskUsage> {
    let mut usage = DiskUsage::default();
    for name in layout.disk.names(&layout.threads())? {
        let dir = layout.threads().join(name);
        for name in layout.disk.names(&dir)? {
            let path = dir.join(name);
            let kind = path.extension().and_then(|kind| kind.to_str());
            let session = matches!(kind, Some("jsonl" | "tmp" | "torn"));
            let bytes = allocated(layout, &path)?;
            if session {
                usage.sessions += bytes;
            } else {
                usage.other += bytes;
            }
        }
    }
    for name in layout.disk.names(&layout.journals())? {
        let dir = layout.journals().join(name);
        for name in layout.disk.names(&dir)? {
            let bytes = allocated(layout, &dir.join(&name))?;
            if name == "lock" {
                usage.other += bytes;
            } else {
                usage.journals += bytes;
            }
        }
    }
    usage.other += allocated(layout, &layout.format())?;
    usage.other += allocated(layout, &layout.recovery_lock())?;
    Ok(usage)
}

/// 0 for what somebody removed meanwhile.
fn allocated(layout: &Layout, path: &Path) -> Result<u64> {
    Ok(layout.disk.look(path)?.map_or(0, |found| found.allocated))
}
