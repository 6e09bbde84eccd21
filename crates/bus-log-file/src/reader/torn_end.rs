//! Session files that end too early.

use std::path::PathBuf;

use bus_log::{LogErrorKind, Result, ThreadKey};

use super::name_cache::thread_of;
use crate::layout::Layout;
use crate::session_file::{Snapshot, stable};

/// A session file that does not end with a whole batch: readers serve what is whole.
///
/// A line gets into a session file only after its journal has it. So where no journal is left, acknowledged
/// events may be missing: see [`FileLogReader::torn_ends`](crate::FileLogReader::torn_ends).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornEnd {
    /// The file.
    pub path: PathBuf,
    /// Its thread, if its header is whole.
    pub key: Option<ThreadKey>,
    /// The byte at which its last whole batch ends.
    pub byte: u64,
    /// How many bytes stand behind it; 0 if no batch ever stood there.
    pub bytes: u64,
    /// The last whole ordinal; 0 if there is none.
    pub last: u64,
    /// True if the session has an owner or an owner that died left it: a write may be under way, or what
    /// is missing be in the owner's journal.
    pub owned: bool,
}

pub(crate) fn ends(layout: &Layout) -> Result<Vec<TornEnd>> {
    let mut ends = Vec::new();
    for tenant in layout.disk.names(&layout.threads())? {
        let dir = layout.threads().join(tenant);
        for name in layout.disk.names(&dir)? {
            if thread_of(&name).is_some() {
                ends.extend(end(layout, dir.join(name))?);
            }
        }
    }
    ends.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(ends)
}

/// What is torn of a session file. Damage elsewhere in it is told by those who read it.
fn end(layout: &Layout, path: PathBuf) -> Result<Option<TornEnd>> {
    let Some(file) = layout.disk.open(&path)? else {
        return Ok(None);
    };
    let found = match stable(|| Ok((Snapshot::of(&file, None)?, file.len()?))) {
        Err(error) if error.kind() == LogErrorKind::Corrupt => return Ok(None),
        found => found?,
    };
    let (found, len) = found;
    let (key, byte, last) = match found {
        Some(found) => (Some(found.header.key), found.end, found.last),
        None => (None, 0, 0),
    };
    // Of a file that is complete and was removed meanwhile nothing is missing.
    if (len <= byte && last > 0) || !layout.disk.exists(&path)? {
        return Ok(None);
    }
    Ok(Some(TornEnd {
        key,
        byte,
        bytes: len.saturating_sub(byte),
        last,
        owned: layout.disk.exists(&path.with_extension("lock"))?,
        path,
    }))
}
