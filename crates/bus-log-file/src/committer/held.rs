//! A session that this process owns.

use std::sync::Arc;
use std::time::Instant;

use bus_log::{LogError, Result, ThreadKey};

use super::plan::View;
use super::rewrite::put_back;
use crate::fs::{self, DiskFile};
use crate::header::Header;
use crate::journal::Durable;
use crate::layout::{Layout, ThreadPaths};
use crate::lock::ThreadLock;
use crate::session_file::{Snapshot, check_key, last_at_most, read_header};

/// A session that this process owns.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: ThreadKey,
    pub(super) paths: ThreadPaths,
    lock: ThreadLock,
    pub(super) file: Option<Arc<DiskFile>>,
    view: Arc<View>,
    /// None while the thread has no event.
    pub(super) header: Option<Header>,
    /// Newest durable ordinal.
    pub(super) last: u64,
    /// Bytes of the session file, all of them whole batches.
    pub(super) len: u64,
    /// What is durable and could not be written into the session file, and where it belongs.
    pub(super) pending: Option<(u64, Vec<u8>)>,
    /// The file was written since its last sync.
    pub(super) dirty: bool,
    /// All that the journal has of it was written into the file again and synced, and nothing else written since.
    mended: bool,
    /// It was written into the file again and not synced since: no segment goes before that.
    pub(super) unsynced: bool,
    /// A sync of the file failed, or it is not the one that was written: what the journal holds of it is
    /// to be written again.
    pub(super) suspect: bool,
    /// The file's name may not be durable, though its records in the journal would make it again.
    pub(super) new_name: bool,
    /// Somebody removed the lock's file: another process may write the session. Until we have the lock again
    /// nothing is done to the file.
    stray: bool,
    /// The file was replaced and its name may not be durable: nothing may be journaled.
    pub(super) replaced: bool,
    pub(super) used: Instant,
    /// Counts uses over all sessions: the lowest is the longest idle.
    pub(super) turn: u64,
}

impl Held {
    /// Looks how far the session file reaches, whose lock we have, and cuts its torn end off; says how
    /// many bytes that took.
    pub(super) fn open(
        layout: &Layout,
        key: &ThreadKey,
        paths: ThreadPaths,
        lock: ThreadLock,
    ) -> Result<(Self, u64)> {
        let mut held = Self::new(key, paths, lock);
        match held.look(layout) {
            Ok(torn) => Ok((held, torn)),
            Err(error) => {
                // Where that fails too, it is ours again with the next attempt.
                let _ = held.lock.release(layout);
                Err(error)
            }
        }
    }

    /// Takes a session, whose lock we have, as it is: damaged in a place that says how far it reaches. It is to be replaced,
    /// and takes nothing before.
    pub(super) fn open_unread(
        layout: &Layout,
        key: &ThreadKey,
        paths: ThreadPaths,
        lock: ThreadLock,
    ) -> Result<Self> {
        let mut held = Self::new(key, paths, lock);
        match held.look_unread(layout) {
            Ok(()) => Ok(held),
            Err(error) => {
                let _ = held.lock.release(layout);
                Err(error)
            }
        }
    }

    fn look_unread(&mut self, layout: &Layout) -> Result<()> {
        let file = layout.disk.open_rw(&self.paths.session)?;
        let file = file.ok_or_else(|| fs::DiskError::missing("find", &self.paths.session))?;
        self.len = file.len()?;
        let (header, header_len) = read_header(&file, self.len)?
            .ok_or_else(|| LogError::internal("a damaged session without a header"))?;
        check_key(&file, &header, &self.key)?;
        self.last = last_at_most(&file, &header, header_len..self.len)?;
        self.header = Some(header);
        self.file = Some(Arc::new(file));
        Ok(())
    }

    fn new(key: &ThreadKey, paths: ThreadPaths, lock: ThreadLock) -> Self {
        Self {
            key: key.clone(),
            paths,
            lock,
            file: None,
            view: Arc::default(),
            header: None,
            last: 0,
            len: 0,
            pending: None,
            dirty: false,
            mended: false,
            unsynced: false,
            suspect: false,
            new_name: false,
            stray: false,
            replaced: false,
            used: Instant::now(),
            turn: 0,
        }
    }

    fn look(&mut self, layout: &Layout) -> Result<u64> {
        layout.disk.remove(&self.paths.aside)?;
        let Some(file) = layout.disk.open_rw(&self.paths.session)? else {
            return Ok(0);
        };
        match Snapshot::of(&file, Some(&self.key))?.filter(|found| found.last > 0) {
            Some(found) => {
                self.last = found.last;
                self.len = found.end;
                self.header = Some(found.header);
            }
            // Its first batch never got there.
            None => self.new_name = true,
        }
        let torn = file.len()?.saturating_sub(self.len);
        if torn > 0 {
            tracing::warn!(
                file = %self.paths.session.display(),
                bytes = torn,
                aside = %self.paths.torn.display(),
                "put the torn end of a session file aside: acknowledged events may have been lost"
            );
            self.put_torn_aside(layout, &file)?;
            cut(&file, self.len)?;
        }
        self.file = Some(Arc::new(file));
        self.renew_view();
        Ok(torn)
    }

    /// The open file of the lock, for those who plan.
    pub(super) fn lock_file(&self) -> Arc<DiskFile> {
        Arc::clone(self.lock.file())
    }

    /// Looks whether the lock still keeps others out. It does not once somebody removed its file.
    pub(super) fn is_stray(&mut self) -> Result<bool> {
        if !self.stray && !self.lock.is_current()? {
            let file = self.paths.lock.display();
            tracing::warn!(%file, "a lock was removed while it was held");
            self.stray = true;
            self.view.distrust();
        }
        Ok(self.stray)
    }

    /// Goes on with a lock in place of the one that was removed. What another process wrote meanwhile is
    /// taken over, unless it stands where something of ours belongs: the journal tells that.
    pub(super) fn regain(&mut self, layout: &Layout, lock: ThreadLock) -> Result<()> {
        let there = match &self.file {
            Some(file) => file.is_current()? && file.len()? == self.len,
            None => !layout.disk.exists(&self.paths.session)?,
        };
        if there || self.suspect || self.pending.is_some() {
            self.lock = lock;
            self.stray = false;
            if !there {
                self.suspect();
            }
            self.renew_view();
            return Ok(());
        }
        let (mut now, _) = Self::open(layout, &self.key, self.paths.clone(), lock)?;
        // What was written before, here or there, may be durable in neither the file nor our journal.
        (now.dirty, now.new_name) = (true, true);
        if now.last < self.last {
            std::mem::swap(&mut self.lock, &mut now.lock);
            self.stray = false;
            self.file = None;
            self.suspect();
        } else {
            *self = now;
        }
        Ok(())
    }

    /// Keeps what is about to be cut off `file`, behind what was kept before: it can be all that is left of
    /// an acknowledged event.
    fn put_torn_aside(&self, layout: &Layout, file: &DiskFile) -> Result<()> {
        let kept = layout
            .disk
            .create(&self.paths.torn)?
            .ok_or_else(|| fs::DiskError::missing("write in", &self.paths.dir))?;
        let (mut position, mut end) = (self.len, kept.len()?);
        loop {
            let bytes = file.range(position, file.len()?.min(position + (1 << 20)))?;
            if bytes.is_empty() {
                break;
            }
            kept.write_at(&bytes, end)?;
            position += bytes.len() as u64;
            end += bytes.len() as u64;
        }
        kept.sync()?;
        layout.disk.sync_dir(&self.paths.dir)?;
        Ok(())
    }

    /// What those who plan see of the file.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Shows those who plan the file there is now: they look after the session once more.
    pub(super) fn renew_view(&mut self) {
        self.view.distrust();
        self.view = Arc::default();
        if let Some(file) = &self.file {
            self.view.shows(file, self.len);
        }
    }

    /// Something is wrong with the file: it is to be made whole before anything else is written.
    pub(super) fn suspect(&mut self) {
        self.suspect = true;
        self.mended = false;
        self.view.distrust();
    }

    /// True if the journal may have what is damaged in the file.
    pub(super) const fn may_mend(&self) -> bool {
        self.suspect || !self.mended
    }

    /// True if the file has less than is durable, as far as is known: it is not to be let go, and what the journal has
    /// of it must stay.
    pub(super) const fn is_behind(&self) -> bool {
        self.suspect || self.pending.is_some()
    }

    /// True while the thread has no event.
    pub(super) const fn is_new(&self) -> bool {
        self.header.is_none()
    }

    /// Writes durable bytes into the session file, or keeps them until that works.
    pub(super) fn show(
        &mut self,
        layout: &Layout,
        position: u64,
        bytes: Vec<u8>,
    ) -> fs::Result<()> {
        let shown = match &mut self.pending {
            Some((_, waiting)) => {
                waiting.extend_from_slice(&bytes);
                self.flush(layout)
            }
            None => {
                let shown = self
                    .look_before(position)
                    .and_then(|()| self.write(layout, position, &bytes));
                if shown.is_err() {
                    self.pending = Some((position, bytes));
                }
                shown
            }
        };
        if shown.is_err() {
            self.view.distrust();
        }
        shown
    }

    /// Nothing is written into a file that is not the one that was written before.
    fn look_before(&mut self, position: u64) -> fs::Result<()> {
        let mut named = true;
        if let Some(file) = &self.file
            && !self.suspect
            && !self.stray
            && position > 0
        {
            let (links, len) = file.links_and_len()?;
            named = links > 0;
            if len != position {
                self.suspect();
            }
        }
        if self.suspect || self.stray || !named {
            return Err(fs::DiskError::missing("find", &self.paths.session));
        }
        Ok(())
    }

    fn write(&mut self, layout: &Layout, position: u64, bytes: &[u8]) -> fs::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let made = layout.disk.create(&self.paths.session)?;
                let made =
                    made.ok_or_else(|| fs::DiskError::missing("write in", &self.paths.dir))?;
                self.new_name = true;
                self.file.insert(Arc::new(made))
            }
        };
        self.dirty = true;
        self.mended = false;
        file.write_at(bytes, position)?;
        self.len = position + bytes.len() as u64;
        self.view.shows(file, self.len);
        Ok(())
    }

    /// Looks whether the session file is still the one that is written: what is written into a file that
    /// somebody removed, replaced or cut is lost. A removed one is put back; else it is to be made whole
    /// from the journal.
    pub(super) fn look_again(&mut self, layout: &Layout) -> Result<()> {
        if self.is_stray()? || self.suspect || self.header.is_none() {
            return Ok(());
        }
        let whole = match &self.file {
            Some(file) => file.is_current_with(self.len)?,
            // It was replaced by us and could not be opened, or never made.
            None => self.pending.is_some(),
        };
        if whole {
            return Ok(());
        }
        let file = self.paths.session.display();
        tracing::warn!(%file, "a session file was removed, replaced or cut while it was written");
        let removed = !layout.disk.exists(&self.paths.session)?;
        if removed
            && self
                .file
                .as_ref()
                .is_some_and(|old| old.len().is_ok_and(|len| len >= self.len))
        {
            return put_back(layout, self);
        }
        self.file = None;
        self.suspect();
        Ok(())
    }

    /// Takes the file that has the session's name now, made whole by `repair`, which is `durable` then or not, if it holds
    /// just what it should.
    pub(super) fn adopt(
        &mut self,
        layout: &Layout,
        durable: Durable,
        repair: impl FnOnce(&DiskFile) -> Result<()>,
    ) -> Result<()> {
        if self.is_stray()? {
            let who = "whoever may have taken the session since somebody removed its lock";
            return Err(LogError::busy(who));
        }
        let path = &self.paths.session;
        let existed = layout.disk.exists(path)?;
        let file = layout
            .disk
            .create(path)?
            .ok_or_else(|| fs::DiskError::missing("write in", &self.paths.dir))?;
        let found = repair(&file).and_then(|()| Snapshot::of(&file, Some(&self.key)));
        if !existed && file.len()? == 0 {
            layout.disk.remove(path)?;
        }
        let end = match &self.pending {
            Some((position, bytes)) => position + bytes.len() as u64,
            None => self.len,
        };
        let same = found?.is_some_and(|found| {
            found.last == self.last && found.end == end && self.header == Some(found.header)
        });
        if !same {
            return Err(LogError::corrupt(format!(
                "{}: it was removed, replaced or cut while it was written, and its journal does not \
                 have all up to ordinal {}",
                path.display(),
                self.last
            )));
        }
        let known = match &self.file {
            Some(old) => old.is_current()?,
            None => false,
        };
        // The open one may have lost its name since, or never have been looked at.
        self.file = Some(Arc::new(file));
        self.new_name |= !known;
        // What stood in it before may not be durable.
        self.dirty = true;
        self.len = end;
        self.pending = None;
        self.suspect = false;
        self.mended = durable == Durable::Now;
        self.unsynced = !self.mended;
        self.renew_view();
        Ok(())
    }

    /// Brings the session file up to what is durable.
    pub(super) fn flush(&mut self, layout: &Layout) -> fs::Result<()> {
        if (self.suspect || self.stray) && self.pending.is_some() {
            return Err(fs::DiskError::missing("find", &self.paths.session));
        }
        if let Some((position, bytes)) = self.pending.take()
            && let Err(error) = self.write(layout, position, &bytes)
        {
            self.pending = Some((position, bytes));
            return Err(error);
        }
        if self.replaced {
            self.sync_name(layout)?;
        }
        Ok(())
    }

    /// Makes the name of a file that replaced another one durable: only then is anything journaled that belongs
    /// in it.
    pub(super) fn sync_name(&mut self, layout: &Layout) -> fs::Result<()> {
        layout.sync_names([&self.paths.dir], self.new_name)?;
        self.new_name = false;
        self.replaced = false;
        Ok(())
    }

    /// Gives the session up, which must be settled, in its file and in the journal: others may have it once
    /// this is dropped.
    ///
    /// # Errors
    ///
    /// It is still ours: nobody else could have it as long as our name stands on its lock.
    pub(super) fn release(&mut self, layout: &Layout) -> fs::Result<()> {
        let unknown = self.is_new() && self.lock.is_current().unwrap_or(false);
        if unknown && self.file.take().is_some() {
            // All that was there was torn. An empty file that stays says nothing either.
            let _ = layout.disk.remove(&self.paths.session);
            self.renew_view();
        }
        self.lock.release(layout)?;
        if unknown {
            // It stays where it is not empty.
            layout.disk.remove_dir(&self.paths.dir);
        }
        Ok(())
    }
}

/// Cuts a file's end off, durably. Where that fails the end is put back, so that the next one who looks
/// cuts it again: after a sync that failed, the next one is not about this cut.
fn cut(file: &DiskFile, len: u64) -> fs::Result<()> {
    let end = file.range(len, file.len()?)?;
    file.set_len(len)?;
    let synced = file.sync();
    if synced.is_err() {
        let _ = file.write_at(&end, len);
    }
    synced
}
