//! Writing our own journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus_log::{Result, ThreadKey};

use super::ahead::Ahead;
use super::frame::{Ended, SEGMENT_HEADER, SegmentId};
use super::owner::{Owner, random_id};
use super::scan::{Scan, segment_name, segments};
use super::segment::{FIRST_FILLER, FRONT, Segment};
use crate::fs::{self, Disk, DiskError, DiskFile};
use crate::layout::Layout;
use crate::stats::{Counters, JournalCounters};
use crate::{format, lock};

/// Memory that is kept for the next frame. What one large group took beyond it is given back.
const KEPT: usize = 1 << 20;

/// How many segment files are kept ready at most: while one is written and the sessions of the one
/// before it are made durable, the next is ready.
const READY: usize = 2;

/// The journal of one open log.
///
/// A frame that [`write`](Self::write) took is durable after the next [`sync`](Self::sync). After a
/// failed sync nobody knows what the disk has: nothing that was written since the last good one is ever
/// read again, and the next frame begins a new segment.
#[derive(Debug)]
pub(crate) struct Journal {
    layout: Layout,
    id: [u8; 16],
    owner: Owner,
    dir: PathBuf,
    lock: DiskFile,
    counters: Arc<JournalCounters>,
    /// Bytes that a segment is made ready with once the journal is busy.
    full: u64,
    /// The segment that is written.
    current: Option<Segment>,
    /// The newest of those before it that count.
    previous: Ended,
    /// Where what the last good sync told of ends. What is behind it was told to nobody.
    told: Ended,
    /// Those before it that are not retired, oldest first.
    ended: Vec<EndedFile>,
    ahead: Ahead,
    /// Bytes that the next segment is made ready with.
    size: u64,
    /// The number of the newest segment that was begun.
    newest: u64,
    /// No segment has this number or a higher one.
    next: u64,
    /// Bytes written since the last roll.
    pub(super) bytes: u64,
    /// Frames were given up of which only the next sync can tell.
    lost: Option<DiskError>,
    /// Frames were given up that a power cut may still bring back.
    doubtful: bool,
    /// A frame, kept for its memory.
    buffer: Vec<u8>,
}

/// A segment that is no longer written.
#[derive(Clone, Copy, Debug)]
struct EndedFile {
    number: u64,
    /// False after an error: the file is not used again.
    sound: bool,
}

impl Journal {
    /// Makes a journal, under the recovery lock, so that nobody takes it for a dead one meanwhile. It is
    /// rolled at about `segment_bytes` by whoever writes it.
    ///
    /// # Errors
    ///
    /// `Unavailable` also while another process recovers.
    pub(crate) fn create(
        layout: &Layout,
        segment_bytes: u64,
        counters: Arc<JournalCounters>,
    ) -> Result<Self> {
        let guard = lock::recovery(layout, lock::WRITING)?;
        // A newer program may have taken the folder over while nobody wrote.
        format::recheck(layout)?;
        format::sync_own_names(layout)?;
        let id = random_id();
        let owner = Owner::new(&id);
        let dir = layout.journal(&owner.journal);
        let lock = match begin(layout, &dir, &owner) {
            Ok(lock) => lock,
            Err(error) => {
                // Nobody has a name for it, and the next try makes another one.
                let _ = layout.disk.remove(&dir.join("lock"));
                layout.disk.remove_dir(&dir);
                return Err(error);
            }
        };
        drop(guard);
        Ok(Self {
            layout: layout.clone(),
            id,
            owner,
            ahead: Ahead::new(layout.disk.clone(), dir.clone(), Arc::clone(&counters)),
            dir,
            lock,
            counters,
            // The last frame before a roll goes past the segment's size.
            full: segment_bytes.saturating_add(segment_bytes / 64),
            current: None,
            previous: Ended::default(),
            told: Ended::default(),
            ended: Vec::new(),
            size: 0,
            newest: 0,
            next: 1,
            bytes: 0,
            lost: None,
            doubtful: false,
            buffer: Vec::new(),
        })
    }

    /// Takes the journal's lock again if somebody removed its file: without it whoever opens the log takes the
    /// journal for that of a dead process.
    ///
    /// # Errors
    ///
    /// `Unavailable` while that one is at it, for longer than `patience`, or if the journal itself is gone.
    pub(crate) fn keep_lock(&mut self, patience: Duration) -> Result<()> {
        if self.lock.is_current()? {
            return Ok(());
        }
        let path = self.dir.join("lock");
        tracing::warn!(file = %path.display(), "a journal's lock was removed while it was held");
        let guard = lock::recovery(&self.layout, patience)?;
        if self.is_empty() {
            // It was brought home: there was nothing in it.
            self.layout.disk.create_dir(&self.dir)?;
        }
        self.lock = lock::hold(&self.layout, &path, &self.owner)?;
        self.layout.disk.sync_dir(&self.dir)?;
        self.layout.disk.sync_dir(&self.layout.journals())?;
        drop(guard);
        Ok(())
    }

    pub(crate) const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Bytes of frames since the last [`roll`](Self::roll): what the next check-point has to cover.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True if there is no segment that counts: nothing to check-point.
    pub(crate) const fn is_empty(&self) -> bool {
        self.current.is_none() && self.ended.is_empty()
    }

    /// True if frames were given up, as the next sync will tell.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// True if frames were given up after an error, and may be found again after a power cut: until
    /// [`clear`](Self::clear).
    pub(crate) const fn is_doubtful(&self) -> bool {
        self.doubtful || self.lost.is_some()
    }

    /// Writes one frame, whose payload `fill` adds to what it is given. Returns its length. It is
    /// durable after the next [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// The frame does not count, whatever the disk has of it; what becomes of those before it, the next
    /// sync tells. No more is taken before it told, once frames that were taken are lost: what follows them has no
    /// place without them.
    pub(crate) fn write(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> fs::Result<u64> {
        if let Some(lost) = &self.lost {
            return Err(lost.again());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.resize(FRONT, 0);
        fill(&mut buffer);
        let written = self.write_frame(&mut buffer);
        if buffer.capacity() <= KEPT {
            self.buffer = buffer;
        }
        written
    }

    /// Makes every frame durable that was written.
    ///
    /// # Errors
    ///
    /// None of the frames written since the last good sync counts, whatever the disk has of them.
    pub(crate) fn sync(&mut self) -> fs::Result<()> {
        if self.lost.is_none() {
            // Kept as lost, it is told here at once.
            let _ = self.sync_current();
        }
        if let Some(error) = self.lost.take() {
            self.end_segment(false);
            self.doubtful = true;
            // Also what became durable when a segment ended: whoever wrote it is told now that it
            // does not count.
            self.previous = self.told;
            return Err(error);
        }
        self.told = match &self.current {
            Some(segment) if segment.durable() > 0 => Ended {
                number: segment.number(),
                end: segment.durable(),
            },
            _ => self.previous,
        };
        Ok(())
    }

    /// Ends the current segment, so that the next frame begins another one. Returns the number of the
    /// newest segment that ended, 0 if there was none yet: all that was written so far is in it and those
    /// before it, and is durable. Still it counts for good only after the next good [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// What was written could not be made durable: the next sync fails too. The segment has ended all
    /// the same.
    pub(crate) fn roll(&mut self) -> fs::Result<u64> {
        let settled = self.sync_current();
        self.end_segment(true);
        self.bytes = 0;
        settled.map(|()| self.previous.number)
    }

    /// Gives up the segments up to number `up_to`, once what they hold is durable elsewhere. Their files
    /// are used again, or removed, by the journal's own thread. A power cut may bring them back as they
    /// were; only [`clear`](Self::clear) removes their bytes for good.
    pub(crate) fn retire(&mut self, up_to: u64) {
        let split = self.ended.partition_point(|file| file.number <= up_to);
        let retired: Vec<EndedFile> = self.ended.drain(..split).collect();
        // The newest are the largest as a rule.
        for file in retired.iter().rev() {
            if file.sound && self.ahead.count() < READY {
                self.prepare(Some(file.number));
            } else {
                self.ahead.remove(file.number);
            }
        }
        if self.is_empty() {
            self.previous = Ended::default();
            self.told = Ended::default();
        }
    }

    /// Removes all segments, once what they hold is durable elsewhere, and all files kept to be used
    /// again. No file has a byte left of what was written before.
    pub(crate) fn clear(&mut self) -> fs::Result<()> {
        self.ahead.stop();
        self.end_segment(false);
        self.bytes = 0;
        self.size = 0;
        remove_segments(&self.layout.disk, &self.dir, self.previous.number)?;
        self.ended.clear();
        self.previous = Ended::default();
        self.told = Ended::default();
        self.doubtful = false;
        Ok(())
    }

    /// As [`clear`](Self::clear), but for what it has of some sessions: that stays, alone.
    ///
    /// # Errors
    ///
    /// Those of [`carry`](Self::carry) and of removing files. Then more stays.
    pub(crate) fn clear_but(&mut self, keys: &[ThreadKey]) -> Result<()> {
        if keys.is_empty() {
            return Ok(self.clear()?);
        }
        self.roll()?;
        self.ahead.stop();
        let first = self.next;
        self.carry(keys)?;
        if self.current.is_none() {
            return Ok(self.clear()?);
        }
        // The newest leads to those before it as far as they are there.
        let disk = &self.layout.disk;
        let (old, kept): (Vec<_>, _) = segments(disk, &self.dir)?
            .into_iter()
            .partition(|(number, _)| *number < first);
        debug_assert!(!kept.is_empty());
        for (_, path) in &old {
            disk.remove(path)?;
        }
        disk.sync_dir(&self.dir)?;
        self.ended.retain(|file| file.number >= first);
        self.doubtful = false;
        Ok(())
    }

    /// What the segments hold that were not retired, as far as a sync told of it, to be written again.
    pub(crate) fn scan(&self) -> Result<Scan> {
        let (disk, dir) = (&self.layout.disk, &self.dir);
        let ended = self.ended.first().map(|file| file.number);
        match ended.or(self.current.as_ref().map(Segment::number)) {
            Some(oldest) => Scan::of_own(disk, dir, self.id, self.told, oldest),
            None => Ok(Scan::default()),
        }
    }

    /// Removes the journal, which must be empty.
    pub(crate) fn close(mut self) -> fs::Result<()> {
        self.clear()?;
        self.layout.disk.remove(self.lock.path())?;
        self.layout.disk.remove_dir(&self.dir);
        self.layout.disk.sync_dir(&self.layout.journals())
    }

    fn write_frame(&mut self, buffer: &mut [u8]) -> fs::Result<u64> {
        self.move_on((buffer.len() - SEGMENT_HEADER) as u64)?;
        let written = self.begin()?.write(buffer);
        match written {
            Ok(written) => {
                self.bytes += written;
                self.look_ahead();
                Ok(written)
            }
            Err(error) => {
                // What was written before may still be saved, and where not, the next sync tells.
                let _ = self.sync_current();
                self.end_segment(false);
                self.doubtful = true;
                Err(error)
            }
        }
    }

    /// Ends the current segment if `len` bytes more would lengthen its file and the next one is ready
    /// with room for them.
    fn move_on(&mut self, len: u64) -> fs::Result<()> {
        let Some(segment) = &self.current else {
            return Ok(());
        };
        let room = SEGMENT_HEADER as u64 + len;
        if segment.end() + len > segment.filled()
            && self.ahead.ready().is_some_and(|next| room <= next.filled)
        {
            self.sync_current()?;
            self.end_segment(true);
        }
        Ok(())
    }

    /// The segment that the next frame goes into.
    fn begin(&mut self) -> fs::Result<&mut Segment> {
        let segment = match self.current.take() {
            Some(segment) => segment,
            None => self.next_segment()?,
        };
        Ok(self.current.insert(segment))
    }

    fn next_segment(&mut self) -> fs::Result<Segment> {
        if let Some(ready) = self.ahead.take() {
            if ready.number > self.newest {
                Counters::add(&self.counters.segments, 1);
                self.newest = ready.number;
                return Ok(Segment::of(self.id, ready, self.previous));
            }
            // One that was begun before this was ready has a higher number.
            self.prepare(Some(ready.number));
        }
        let id = SegmentId {
            journal: self.id,
            number: self.next,
        };
        let path = self.dir.join(segment_name(id.number));
        let file = self.layout.disk.create(&path)?;
        let file = file.ok_or_else(|| DiskError::missing("make segment in", &self.dir))?;
        self.next += 1;
        self.newest = id.number;
        Counters::add(&self.counters.segments, 1);
        Counters::add(&self.counters.unprepared, 1);
        Ok(Segment::new(id, file, self.previous))
    }

    /// Has the next segment made ready when the current one is half full.
    fn look_ahead(&mut self) {
        let Some(segment) = &mut self.current else {
            return;
        };
        if segment.filled() == 0 {
            let filler = segment.fill(self.full.min(FIRST_FILLER));
            Counters::add(&self.counters.filler_bytes, filler);
        }
        let (end, filled) = (segment.end(), segment.filled());
        if end >= filled / 2 && self.ahead.count() == 0 && !self.ahead.is_paused() {
            // Twice as much each time: whoever writes little has little made ready.
            self.size = self.size.max(2 * end.max(filled)).min(self.full);
            self.prepare(None);
        }
    }

    /// Has a segment made ready.
    fn prepare(&mut self, spare: Option<u64>) {
        self.ahead.prepare(self.next, spare, self.size);
        self.next += 1;
    }

    /// Makes durable what was written. Where that fails, the segment ends, and the next sync fails too.
    fn sync_current(&mut self) -> fs::Result<()> {
        let Some(segment) = &mut self.current else {
            return Ok(());
        };
        let synced = segment.sync(&self.layout.disk, &self.dir);
        if let Err(error) = &synced {
            self.lost = Some(error.again());
            self.end_segment(false);
        }
        synced
    }

    /// Ends the current segment behind its last frame that is durable. A segment none of whose frames
    /// is does not count. One that is not `sound` is not used again, and leaves no file if it does not count.
    fn end_segment(&mut self, sound: bool) {
        let Some(segment) = self.current.take() else {
            return;
        };
        let number = segment.number();
        if !sound {
            let path = self.dir.join(segment_name(number));
            // On a disk that refuses each append may end one. Nothing ever leads to it.
            if segment.durable() == 0 && self.layout.disk.remove(&path).is_ok() {
                return;
            }
            segment.cut();
        }
        self.ended.push(EndedFile { number, sound });
        if segment.durable() > 0 {
            self.previous = Ended {
                number,
                end: segment.durable(),
            };
        }
    }

    /// Waits for the file that is made ready.
    #[cfg(test)]
    pub(super) fn wait_made(&mut self) {
        self.ahead.wait_made();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Whoever finds the lock free finds nobody at work.
        self.ahead.stop();
        self.lock.unlock();
    }
}

/// Makes a journal's folder and lock, both durable.
fn begin(layout: &Layout, dir: &Path, owner: &Owner) -> Result<DiskFile> {
    layout.disk.create_dir(dir)?;
    let lock = lock::hold(layout, &dir.join("lock"), owner)?;
    layout.disk.sync_dir(dir)?;
    layout.disk.sync_dir(&layout.journals())?;
    Ok(lock)
}

/// Removes the segment files in `dir`, for good. The newest that counts goes last, when the others are gone for
/// good: it says where they end.
pub(super) fn remove_segments(disk: &Disk, dir: &Path, newest: u64) -> fs::Result<()> {
    let found = segments(disk, dir)?;
    let (last, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(number, _)| *number == newest);
    for (_, path) in &others {
        disk.remove(path)?;
    }
    if !others.is_empty() {
        disk.sync_dir(dir)?;
    }
    for (_, path) in &last {
        disk.remove(path)?;
    }
    // Also if there was nothing left to remove: the journal's own thread syncs none of its removals.
    disk.sync_dir(dir)
}
