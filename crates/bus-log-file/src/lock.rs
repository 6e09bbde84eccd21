//! Locks that die with their process.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogError, Result};

use crate::fs::{self, DiskFile, Locked};
use crate::journal::Owner;
use crate::layout::{Layout, ThreadPaths, unhex};

/// How long to wait, when a log is opened, for another process that recovers or makes a journal.
pub(crate) const OPENING: Duration = Duration::from_secs(60);

/// How long to wait for it when a log is to be written for the first time: nothing else can be written before.
pub(crate) const WRITING: Duration = Duration::from_secs(2);

/// How long to wait for it when all who write the log wait too, who may have nothing to do with it: long enough for those who
/// only ask whether anybody has the lock. What is refused is asked for again.
pub(crate) const MOMENT: Duration = Duration::from_millis(10);

/// How long to wait for a lock that is held without a name: whoever has it lets it go at once.
const PASSING: Duration = Duration::from_secs(2);

const STEP: Duration = Duration::from_millis(2);

/// How often a lock that somebody has signed and holds is looked at before it is taken for that one's.
const LOOKS: u32 = 3;

/// How long whoever was found to live is taken to live still.
const LIVES: Duration = Duration::from_secs(1);

/// The journals whose owners were found to live a short time ago. What they hold is theirs at the first look: all who write the
/// log wait for the others.
#[derive(Debug, Default)]
pub(crate) struct Alive(Vec<(String, Instant)>);

impl Alive {
    fn has(&self, journal: &str) -> bool {
        let mut found = self.0.iter();
        found.any(|(alive, at)| alive == journal && at.elapsed() < LIVES)
    }

    fn add(&mut self, journal: &str) {
        self.0
            .retain(|(alive, at)| alive != journal && at.elapsed() < LIVES);
        self.0.push((journal.to_owned(), Instant::now()));
    }
}

/// The lock under which journals are made and recovered. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct RecoveryGuard(DiskFile);

impl Drop for RecoveryGuard {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

/// Takes the recovery lock, waiting so long for whoever has it.
pub(crate) fn recovery(layout: &Layout, patience: Duration) -> Result<RecoveryGuard> {
    let path = layout.recovery_lock();
    let file = layout
        .disk
        .create(&path)?
        .ok_or_else(|| LogError::unavailable(format!("{} is gone", layout.root().display())))?;
    let deadline = Instant::now() + patience;
    while file.try_lock()? == Locked::Held {
        if Instant::now() > deadline {
            return Err(recovered_by_another(&path));
        }
        thread::sleep(STEP);
    }
    Ok(RecoveryGuard(file))
}

/// Whether somebody recovers now, or makes a journal.
fn is_recovering(layout: &Layout) -> Result<bool> {
    let Some(file) = layout.disk.open_rw(&layout.recovery_lock())? else {
        return Ok(false);
    };
    let held = file.try_lock()? == Locked::Held;
    file.unlock();
    Ok(held)
}

fn recovered_by_another(lock: &Path) -> LogError {
    let lock = lock.display();
    LogError::unavailable(format!("another process is recovering: {lock}"))
}

/// Makes a lock file that nobody else knows yet, and holds it.
pub(crate) fn hold(layout: &Layout, path: &Path, owner: &Owner) -> Result<DiskFile> {
    let file = layout.disk.create(path)?;
    let file =
        file.ok_or_else(|| LogError::unavailable(format!("no folder for {}", path.display())))?;
    if file.try_lock()? == Locked::Held {
        return Err(LogError::internal(format!("{} is taken", path.display())));
    }
    sign(&file, owner)?;
    Ok(file)
}

/// The lock of a session.
#[derive(Debug)]
pub(crate) struct ThreadLock {
    file: Arc<DiskFile>,
    /// The name on it is that of another dead process, whose journal is still to be recovered.
    keep_name: bool,
}

/// What came of an attempt to take a session's lock.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is ours, and our name stands on it.
    Taken(ThreadLock),
    /// It was free, but whoever had it died and left this journal. It is free again.
    Left(String),
}

/// What came of an attempt to take the lock of a session that a dead process had.
#[derive(Debug)]
pub(crate) enum Estate {
    Taken(ThreadLock),
    /// Somebody holds it in another name: the dead had let it go in order.
    Another,
    /// It is held in the name of the dead, or without one. Its owner may live, and have lost its journal's lock only.
    Held,
}

impl ThreadLock {
    /// Takes the session's lock in the name of `owner`.
    ///
    /// # Errors
    ///
    /// `Busy` with the holder's name. `Unavailable` if that may be the name of a dead process, whose journal is being brought
    /// home by another one: that is not waited for where the locks that all appends need are held. Finding out whose it is
    /// takes a few milliseconds, unless that one is known to be `alive`.
    pub(crate) fn take(
        layout: &Layout,
        paths: &ThreadPaths,
        owner: &Owner,
        alive: &mut Alive,
    ) -> Result<Attempt> {
        let deadline = Instant::now() + PASSING;
        let (mut looks, mut recovering) = (0, 0);
        loop {
            let file = open(layout, paths, deadline)?;
            let locked = file.try_lock()?;
            let signed = read(&file)?;
            if locked == Locked::Held {
                looks += 1;
                let known = signed.as_ref().is_some_and(|by| alive.has(&by.journal));
                if signed.is_some() && !known {
                    // Asked first: once nobody recovers any more, the journal of the dead is gone.
                    recovering += u32::from(is_recovering(layout)?);
                }
                match signed {
                    // Whoever has it may be finding out that it is a dead one's.
                    Some(_) if looks < LOOKS && !known => thread::sleep(STEP),
                    // Whoever only asks for that lock, as we do, has it for a moment.
                    Some(_) if recovering == looks => {
                        return Err(recovered_by_another(&layout.recovery_lock()));
                    }
                    Some(holder) if layout.disk.exists(&layout.journal(&holder.journal))? => {
                        if recovering == 0 && !known {
                            alive.add(&holder.journal);
                        }
                        return Err(LogError::busy(holder.to_string()));
                    }
                    _ if Instant::now() > deadline => {
                        return Err(LogError::busy(
                            "an unidentified process (the lock file is empty)",
                        ));
                    }
                    _ => thread::sleep(STEP),
                }
                continue;
            }
            if !file.is_current()? {
                // Its last holder removed it on letting go.
                continue;
            }
            if let Some(dead) = signed
                && dead.journal != owner.journal
                && layout.disk.exists(&layout.journal(&dead.journal))?
            {
                file.unlock();
                return Ok(Attempt::Left(dead.journal));
            }
            sign(&file, owner)?;
            return Ok(Attempt::Taken(Self {
                file: Arc::new(file),
                keep_name: false,
            }));
        }
    }

    /// Takes the lock of a session of which the journal `dead` has records.
    ///
    /// A name on a free lock decides nothing: after a power cut it may be missing or an older one.
    pub(crate) fn inherit(layout: &Layout, paths: &ThreadPaths, dead: &str) -> Result<Estate> {
        let deadline = Instant::now() + PASSING;
        let mut looks = 0;
        loop {
            let file = open(layout, paths, deadline)?;
            let locked = file.try_lock()?;
            let other = read(&file)?.filter(|signed| signed.journal != dead);
            if locked == Locked::Taken {
                if !file.is_current()? {
                    continue;
                }
                let keep_name = match &other {
                    Some(other) => layout.disk.exists(&layout.journal(&other.journal))?,
                    None => false,
                };
                let file = Arc::new(file);
                return Ok(Estate::Taken(Self { file, keep_name }));
            }
            if other.is_some() {
                return Ok(Estate::Another);
            }
            // Somebody may just be finding out that the owner died.
            looks += 1;
            if looks >= LOOKS {
                return Ok(Estate::Held);
            }
            thread::sleep(STEP);
        }
    }

    /// The lock's open file, for who wants to look whether it is still the one of that name.
    pub(crate) const fn file(&self) -> &Arc<DiskFile> {
        &self.file
    }

    /// Whether the lock keeps others out: not once somebody removed its file.
    pub(crate) fn is_current(&self) -> Result<bool> {
        Ok(self.file.is_current()?)
    }

    /// Takes our name off the lock, which is let go in order when it is dropped then: the session must be
    /// settled. Dropped without this, it keeps its owner's name, and the next one recovers the owner's
    /// journal first.
    ///
    /// # Errors
    ///
    /// Our name still stands on it. Dropped now, it is nobody's for as long as this process lives.
    pub(crate) fn release(&self, layout: &Layout) -> fs::Result<()> {
        // What has the name of a lock that somebody removed is another's.
        if self.keep_name || !self.file.is_current().unwrap_or(false) {
            return Ok(());
        }
        // Removed while it is held: whoever opened it before notices that it is not current.
        let removed = layout.disk.remove(self.file.path());
        // Without a name it is as free as a missing one.
        removed.or_else(|error| self.file.set_len(0).map_err(|_| error))
    }
}

impl Drop for ThreadLock {
    fn drop(&mut self) {
        self.file.unlock();
    }
}

/// Opens a session's lock file, making it and its folder where they are missing.
fn open(layout: &Layout, paths: &ThreadPaths, deadline: Instant) -> Result<DiskFile> {
    loop {
        if let Some(file) = layout.disk.create(&paths.lock)? {
            return Ok(file);
        }
        if Instant::now() > deadline {
            let what = format!("can't make the lock {}", paths.lock.display());
            return Err(LogError::unavailable(what));
        }
        // Made here, or removed as empty by whoever just left it.
        layout.disk.create_dir(&paths.dir)?;
    }
}

/// Who has the session's lock, or had it when it died: whose name stands on it. It is not locked for this.
pub(crate) fn name_on(layout: &Layout, lock: &Path) -> Result<Option<Owner>> {
    match layout.disk.open(lock)? {
        Some(file) => read(&file),
        None => Ok(None),
    }
}

fn read(file: &DiskFile) -> Result<Option<Owner>> {
    let text = file.range(0, file.len()?.min(4096))?;
    let owner: Option<Owner> = serde_json::from_slice(&text).ok();
    // It becomes part of a path.
    Ok(owner.filter(|owner| unhex(&owner.journal).is_some()))
}

fn sign(file: &DiskFile, owner: &Owner) -> Result<()> {
    // Texts and a number always have a JSON form.
    let mut text = serde_json::to_vec(owner).unwrap_or_default();
    text.push(b'\n');
    file.set_len(0)?;
    file.write_at(&text, 0)?;
    Ok(())
}
