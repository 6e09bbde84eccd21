//! A dead process's journal, brought home.

use std::path::Path;
use std::sync::Arc;

use super::memory::Memory;
use super::{seal, served};
use crate::fs::Disk;
use crate::journal::recover;
use crate::layout::{Layout, hex};
use crate::session_file::Snapshot;

/// The journal and the number of the fuzzed segment.
pub(super) const JOURNAL: [u8; 16] = [0x5a; 16];
pub(super) const NUMBER: u64 = 1;

/// The session files that came of a recovery: how far they can be read, or why they can't.
type Home = Vec<(String, Result<Vec<(u64, String)>, String>)>;

/// A journal of one segment, whose bytes stand behind the first of `bytes`. If that is odd, all sums
/// in it are put right. Whatever it is, it is refused, or brought home.
///
/// # Panics
///
/// If recovering it twice gives two different things, if there is something left to recover
/// afterwards, or if an event is served that is not in it.
pub fn segment(bytes: &[u8]) {
    let Some((odd, bytes)) = bytes.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if odd & 1 == 1 {
        seal::segment(&mut bytes, JOURNAL, NUMBER);
    }
    assert_eq!(home(&bytes), home(&bytes));
}

pub(super) fn home(bytes: &[u8]) -> Result<Home, String> {
    let memory = Memory::default();
    let dir = Path::new("/log/journal").join(hex(&JOURNAL));
    memory.put(dir.join("lock"), b"");
    memory.put(dir.join(format!("{NUMBER:08}.wal")), bytes);
    let layout = Layout::new(Path::new("/log"), Disk::new(Arc::new(memory.clone())));
    recover(&layout, crate::lock::OPENING).map_err(|error| error.to_string())?;
    let again = recover(&layout, crate::lock::OPENING).expect("what was recovered is not damaged");
    assert!(again.is_clean(), "{again:?}");
    let files = memory.files().into_iter();
    let files = files.filter(|path| path.extension() == Some("jsonl".as_ref()));
    Ok(files
        .map(|path| (path.display().to_string(), read(&layout.disk, &path, bytes)))
        .collect())
}

fn read(disk: &Disk, path: &Path, within: &[u8]) -> Result<Vec<(u64, String)>, String> {
    let file = disk.open(path).map_err(|error| error.to_string())?;
    let file = file.ok_or("gone")?;
    let snapshot = Snapshot::of(&file, None).map_err(|error| error.to_string())?;
    let snapshot = snapshot.ok_or("no header")?;
    Ok(served(&file, &snapshot, within).1)
}
