//! Archiving and erasing: a session file is written anew.

use std::sync::Arc;

use bus_log::{LogError, LogErrorKind, Result};

use super::held::Held;
use super::whole::Whole;
use crate::fs::{DiskError, DiskFile};
use crate::header::Header;
use crate::layout::{Layout, ThreadId};
use crate::name::Name;
use crate::session_file::{LineReader, Snapshot, check_line, damage, find};

/// Bytes written at once, and a line more.
const CHUNK: usize = 1 << 20;

impl Whole<'_> {
    /// Hides ordinals up to `watermark` and gives their space back; returns how many it hid.
    pub(super) fn archive(&mut self, name: &Name, watermark: u64) -> Result<u64> {
        let (key, id) = (&name.key, name.id);
        // One that we have may have to be made whole before it can be looked at.
        if !self.holds(&id)
            && self
                .look_up(name)?
                .is_none_or(|found| watermark <= found.header.watermark)
        {
            return Ok(0);
        }
        let held = self.hold_whole(key, id)?;
        let Some(old) = &held.header else {
            return Ok(0);
        };
        let watermark = watermark.min(held.last);
        let newly = watermark.saturating_sub(old.watermark);
        if newly == 0 {
            return Ok(0);
        }
        self.plan.sessions.remove(&id);
        self.clear_doubtful()?;
        match self.keep_after(name, watermark) {
            Err(damage) if damage.kind() == LogErrorKind::Corrupt => {
                // A sync of the old file may have failed of which nobody has told us yet, or ever will.
                tracing::warn!(%damage, "a session file is made whole before it is archived");
                self.hold(key, id)?.suspect();
                self.keep_after(name, watermark)?;
            }
            done => done?,
        }
        Ok(newly)
    }

    /// Replaces a session's file by one without the lines up to `watermark`.
    fn keep_after(&mut self, name: &Name, watermark: u64) -> Result<()> {
        let layout = self.shared.layout.clone();
        let held = self.hold_whole(&name.key, name.id)?;
        let header = Header {
            key: name.key.clone(),
            watermark,
            synced: held.last,
            erased: held.header.as_ref().is_some_and(|old| old.erased),
        };
        let from = first_kept(held, watermark)?;
        replace(&layout, held, header, from, Found::Refused)
    }

    /// Removes every byte of the thread's events from the log's folder.
    pub(super) fn erase(&mut self, name: &Name) -> Result<()> {
        let layout = self.shared.layout.clone();
        let (key, id) = (&name.key, name.id);
        let paths = layout.thread(key);
        let unread = match self.holds(&id) {
            true => false,
            // What is nowhere to be seen may still stand in a journal, of which no lock is left.
            false => match self.look_up(name).and_then(|found| match found {
                None => self.look_up_in_journals(name),
                found => Ok(found),
            }) {
                Err(damage) if damage.kind() == LogErrorKind::Corrupt => true,
                // A file that says nothing may hold the beginning of a batch: its next owner cuts it off.
                found => {
                    if found?.is_none()
                        && !layout.disk.exists(&paths.session)?
                        && !layout.disk.exists(&paths.torn)?
                    {
                        return Ok(());
                    }
                    false
                }
            },
        };
        self.plan.sessions.remove(&id);
        if let Err(error) = self.clear_doubtful()
            && !self.files.held.get(&id).is_some_and(|held| held.suspect)
        {
            return Err(error);
        }
        // What is wrong with its file does not matter any more, nor what waits to be written into it.
        let wrong = self.files.held.get_mut(&id).map(|held| {
            let pending = held.pending.take();
            (std::mem::take(&mut held.suspect), pending)
        });
        let emptied = match unread {
            true => self.hold_unread(name, empty).map(|()| true),
            false => self.empty(name),
        };
        if emptied.is_err()
            && let Some((suspect, pending)) = wrong
            && (suspect || pending.is_some())
            && let Some(held) = self.files.held.get_mut(&id)
            && !held.replaced
        {
            // It does, for the file is still the one it was.
            held.pending = pending;
            held.suspect();
        }
        if !emptied? {
            return Ok(());
        }
        // Our own journal has them too. That of another live process has not: it let go of the
        // session before we took it.
        self.checkpoint()?;
        self.bring_home()
    }

    /// Removes frames from the journal of which nobody was told, and which a power cut may bring back: they
    /// belong at the end of a session file as it is now, and nowhere in one that replaces it.
    fn clear_doubtful(&mut self) -> Result<()> {
        match &self.writer.journal {
            Some(journal) if journal.is_doubtful() => self.checkpoint(),
            _ => Ok(()),
        }
    }

    /// Replaces the session file by one without events; false if there is none.
    fn empty(&mut self, name: &Name) -> Result<bool> {
        let layout = self.shared.layout.clone();
        let held = self.hold(&name.key, name.id)?;
        empty(&layout, held)?;
        Ok(held.header.is_some())
    }
}

/// Replaces the file of a session that has one with events, and removes what was cut off it.
fn empty(layout: &Layout, held: &mut Held) -> Result<()> {
    if layout.disk.exists(&held.paths.torn)? {
        layout.disk.remove(&held.paths.torn)?;
        layout.disk.sync_dir(&held.paths.dir)?;
    }
    if held.header.is_none() {
        return Ok(());
    }
    let header = Header {
        key: held.key.clone(),
        watermark: held.last,
        synced: held.last,
        erased: true,
    };
    let end = held.len;
    replace(layout, held, header, end, Found::Refused)
}

/// Where the first line stands that is not hidden.
fn first_kept(held: &Held, watermark: u64) -> Result<u64> {
    if watermark == held.last {
        return Ok(held.len);
    }
    let file = open(held)?;
    let snapshot = Snapshot::of(file, Some(&held.key))?
        .ok_or_else(|| LogError::internal("an owned session without a header"))?;
    find(file, &snapshot, watermark + 1)
}

fn open(held: &Held) -> Result<&DiskFile> {
    held.file
        .as_deref()
        .ok_or_else(|| LogError::internal("an owned session without a file"))
}

/// What becomes of damage that is found in lines while they are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The old file stays as it is.
    Refused,
    /// It is copied with all the others, of which there is no other copy.
    Kept,
}

/// Replaces the session file by one with this header and the lines from `from` on, all of it
/// durable.
fn replace(
    layout: &Layout,
    held: &mut Held,
    header: Header,
    from: u64,
    found: Found,
) -> Result<()> {
    let made = write_aside(layout, held, &header, from).and_then(|copy| {
        if let (Some(damage), Found::Refused) = (&copy.damage, found) {
            return Err(damage.clone());
        }
        // The keeper may just be syncing the old one. Where others did something to that, it is to say so.
        if found == Found::Refused {
            say_replaced(held, true);
        }
        let renamed = layout.disk.rename(&held.paths.aside, &held.paths.session);
        match renamed {
            // A disk may do what it is asked and still answer with an error.
            Err(error) if layout.disk.exists(&held.paths.aside)? => Err(error.into()),
            _ => Ok(copy),
        }
    });
    let copy = match made {
        Ok(copy) => copy,
        Err(error) => {
            say_replaced(held, false);
            // The next one to own the session removes it where this fails.
            let _ = layout.disk.remove(&held.paths.aside);
            return Err(error);
        }
    };
    held.header = Some(header);
    held.len = copy.len;
    held.dirty = false;
    held.unsynced = false;
    held.suspect = false;
    held.replaced = true;
    // The old file has no name any more: nothing may be written into it, also if this fails.
    held.file = None;
    held.renew_view();
    held.file = layout.disk.open_rw(&held.paths.session)?.map(Arc::new);
    held.renew_view();
    if let Some(damage) = copy.damage {
        tracing::warn!(%damage, "a session file was put back with damage that its journal may mend");
        held.suspect();
    }
    held.sync_name(layout)?;
    Ok(())
}

fn say_replaced(held: &Held, replaced: bool) {
    if let Some(old) = &held.file {
        old.set_replaced(replaced);
    }
}

/// Makes a session file again that somebody removed while we have it open.
pub(super) fn put_back(layout: &Layout, held: &mut Held) -> Result<()> {
    held.flush(layout)?;
    let Some(old) = &held.header else {
        return Ok(());
    };
    // Just as it was: what the journal has of it belongs where it did.
    let (header, from) = (old.clone(), old.to_line().len() as u64);
    replace(layout, held, header, from, Found::Kept)
}

/// A session file that was written aside.
struct Copy {
    len: u64,
    /// What is wrong with the lines that were copied. The new header says that they are settled, so that no journal
    /// would mend them any more.
    damage: Option<LogError>,
}

/// Copies the lines from `from` on, each looked at on its way: no sync of the old file tells whether the disk still
/// has all that was written into it.
fn write_aside(layout: &Layout, held: &Held, header: &Header, from: u64) -> Result<Copy> {
    let new = layout
        .disk
        .create(&held.paths.aside)?
        .ok_or_else(|| DiskError::missing("write in", &held.paths.dir))?;
    new.set_len(0)?;
    let mut bytes = header.to_line();
    let (mut written, mut ordinal) = (0, header.watermark);
    let mut wrong = None;
    if from < held.len {
        let old = open(held)?;
        let id = ThreadId::new(&held.key);
        let mut lines = LineReader::new(old, from, held.len);
        while let Some(line) = lines.next()? {
            if wrong.is_none() {
                ordinal += 1;
                wrong = check_line(old, &line, &id, ordinal).err();
            }
            bytes.extend_from_slice(line.bytes);
            bytes.extend(line.terminated.then_some(b'\n'));
            if bytes.len() >= CHUNK {
                new.write_at(&bytes, written)?;
                written += bytes.len() as u64;
                bytes.clear();
            }
        }
        let end = lines.position();
        if end < held.len {
            return Err(LogError::corrupt(format!(
                "{}: it ends at byte {end}, not {}",
                old.path().display(),
                held.len
            )));
        }
        if wrong.is_none() && ordinal != held.last {
            let what = format_args!("the last line has ordinal {ordinal}");
            wrong = Some(damage(old, end, held.last, what));
        }
    }
    new.write_at(&bytes, written)?;
    new.sync()?;
    let len = written + bytes.len() as u64;
    let damage = wrong;
    Ok(Copy { len, damage })
}
