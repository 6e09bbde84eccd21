//! Bringing home what a dead process had journaled.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogError, Result, ThreadKey};

use super::apply::{Durable, apply};
use super::index::{RecordAt, index, records_of};
use super::scan::{Scan, segments};
use super::writer::remove_segments;
use crate::fs::{DiskFile, Locked};
use crate::layout::{Layout, unhex};
use crate::lock::{self, Estate, ThreadLock};

/// How long to wait for a session that somebody holds in the name of the dead: at first, and in the end.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What was repaired, since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Journals of dead processes that were brought home.
    pub journals: u64,
    /// Events that stood in a journal and not yet, or not whole, in their session file.
    pub replayed_events: u64,
    /// Bytes of torn journal ends: of groups that nobody was told about. A group of which the disk has
    /// not even the beginning is not counted.
    pub torn_journal_bytes: u64,
    /// Bytes cut off the ends of session files: of batches that nobody was told about.
    pub torn_session_bytes: u64,
}

impl RecoveryReport {
    /// True if there was nothing to repair.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.journals += other.journals;
        self.replayed_events += other.replayed_events;
        self.torn_journal_bytes += other.torn_journal_bytes;
        self.torn_session_bytes += other.torn_session_bytes;
    }
}

/// Brings home the journals of all dead processes. Waits for so long while another process does, and while somebody holds a
/// session of a journal that looks dead: an owner that lives takes its journal's lock again, for which it needs what is let go
/// of meanwhile.
pub(crate) fn recover(layout: &Layout, patience: Duration) -> Result<RecoveryReport> {
    let mut report = RecoveryReport::default();
    if layout.disk.names(&layout.journals())?.is_empty() {
        return Ok(report);
    }
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let guard = lock::recovery(layout, left)?;
        let held = recover_free(layout, &mut report)?;
        drop(guard);
        let Some(held) = held else {
            return Ok(report);
        };
        if Instant::now() + pause > deadline {
            return Err(LogError::unavailable(format!(
                "a dead process's lock is held: {}",
                held.display()
            )));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Brings them home under the recovery lock. Returns the lock of a session that somebody holds in the name of a dead process, if
/// there is one: the rest is left then.
fn recover_free(layout: &Layout, report: &mut RecoveryReport) -> Result<Option<PathBuf>> {
    let mut names = layout.disk.names(&layout.journals())?;
    names.sort();
    for name in &names {
        let Some((name, id)) = name.to_str().and_then(|name| Some((name, unhex(name)?))) else {
            continue;
        };
        let dir = layout.journal(name);
        let Some(lock) = lock_of(layout, &dir)? else {
            continue;
        };
        if lock.try_lock()? == Locked::Held {
            // Its process lives.
            continue;
        }
        if !lock.is_current()? {
            // It was closed in order just now.
            continue;
        }
        // Its locks say where it had sessions, and are removed with the last of them.
        sync_replaced(layout)?;
        let scan = Scan::of(&layout.disk, &dir, id)?;
        // The process may have made a segment, and not have come to syncing its name: session files are written from it.
        layout.disk.sync_dir(&dir)?;
        let mut one = RecoveryReport::default();
        let held = bring_home(layout, name, &scan, &mut one)?;
        if held.is_some() {
            report.add(one);
            // Its owner may be about to take it.
            lock.unlock();
            return Ok(held);
        }
        one.journals = 1;
        one.torn_journal_bytes = scan.torn;
        remove(layout, &dir, scan.newest(), lock)?;
        tracing::warn!(
            journal = name,
            replayed_events = one.replayed_events,
            torn_journal_bytes = one.torn_journal_bytes,
            "recovered the journal of a dead process"
        );
        report.add(one);
    }
    Ok(None)
}

/// The open lock of a journal, made where somebody removed it; `None` if there is no journal any more. Whoever closes one in
/// order removes the lock when all else is gone, and the folder after it.
fn lock_of(layout: &Layout, dir: &Path) -> Result<Option<DiskFile>> {
    let path = dir.join("lock");
    if let Some(lock) = layout.disk.open_rw(&path)? {
        return Ok(Some(lock));
    }
    if segments(&layout.disk, dir)?.is_empty() {
        layout.disk.remove_dir(dir);
        return Ok(None);
    }
    Ok(layout.disk.create(&path)?)
}

/// Writes what a journal has into session files. Returns the lock of a session that somebody holds in its name: what comes
/// after it is left.
fn bring_home(
    layout: &Layout,
    name: &str,
    scan: &Scan,
    report: &mut RecoveryReport,
) -> Result<Option<PathBuf>> {
    // What is shown from now on must be durable, and the process may have died before its sync.
    scan.sync()?;
    for (key, records) in index(scan)? {
        let paths = layout.thread(&key);
        let lock = match ThreadLock::inherit(layout, &paths, name)? {
            Estate::Taken(lock) => lock,
            Estate::Another => continue,
            Estate::Held => return Ok(Some(paths.lock)),
        };
        layout.disk.remove(&paths.aside)?;
        let existed = layout.disk.exists(&paths.session)?;
        let file = layout
            .disk
            .create(&paths.session)?
            .ok_or_else(|| LogError::unavailable(format!("{} is gone", paths.dir.display())))?;
        let begins = records.first().is_some_and(|record| record.position == 0);
        let applied = apply(scan, &file, &key, records, Durable::Now)?;
        report.replayed_events = report.replayed_events.saturating_add(applied.events);
        if !existed || begins {
            layout.sync_names([&paths.dir], true)?;
        }
        // A name that stays is soon that of a journal which is gone.
        let _ = lock.release(layout);
    }
    Ok(None)
}

/// Makes the names of session files durable where a process that died had sessions: it may have replaced
/// a file, and not have come to syncing its folder. What is appended to the new one would be lost with it.
fn sync_replaced(layout: &Layout) -> Result<()> {
    let threads = layout.threads();
    for tenant in layout.disk.names(&threads)? {
        let dir = threads.join(tenant);
        let names = layout.disk.names(&dir)?;
        if names
            .iter()
            .any(|name| Path::new(name).extension() == Some("lock".as_ref()))
        {
            layout.sync_names([&dir], false)?;
        }
    }
    Ok(())
}

fn remove(layout: &Layout, dir: &Path, newest: u64, lock: DiskFile) -> Result<()> {
    remove_segments(&layout.disk, dir, newest)?;
    layout.disk.remove(lock.path())?;
    layout.disk.remove_dir(dir);
    layout.disk.sync_dir(&layout.journals())?;
    Ok(())
}

/// What our own journal holds of sessions whose files are to be written again, after a sync of them failed:
/// looked for once, however many they are.
#[derive(Debug)]
pub(crate) struct Rewrite {
    scan: Scan,
    records: Vec<Vec<RecordAt>>,
}

impl Rewrite {
    /// Looks for the records of the sessions `keys`.
    pub(crate) fn of(scan: Scan, keys: &[ThreadKey]) -> Result<Self> {
        let records = records_of(&scan, keys)?;
        Ok(Self { scan, records })
    }

    /// Writes those of one of them, the `index`th, into its file, and syncs that now or leaves it to others.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the file has something else in a record's place: nobody but us may have written it.
    pub(crate) fn write(
        &self,
        index: usize,
        key: &ThreadKey,
        file: &DiskFile,
        durable: Durable,
    ) -> Result<()> {
        let Some(records) = self.records.get(index).filter(|all| !all.is_empty()) else {
            return Ok(());
        };
        let applied = apply(&self.scan, file, key, records.clone(), durable)?;
        if applied.passed_over > 0 {
            return Err(LogError::corrupt(format!(
                "{}: somebody else wrote what does not agree with its journal",
                file.path().display()
            )));
        }
        Ok(())
    }
}
