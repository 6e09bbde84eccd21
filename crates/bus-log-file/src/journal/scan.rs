//! Reading a journal that nobody writes any more: what is valid, what is torn, what is damaged.

use std::path::{Path, PathBuf};

use bus_log::{LogError, Result};
use crc32c::crc32c_append;

use super::frame::{
    Ended, FRAME_HEADER, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER, SegmentHeader, SegmentId,
};
use super::window::{WINDOW, Window};
use crate::format::other_version;
use crate::fs::{Disk, DiskFile};

/// A frame that is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameAt {
    /// Which of the segments.
    pub(crate) segment: usize,
    /// Where its payload begins.
    pub(crate) payload: u64,
    pub(crate) len: u64,
}

/// A segment file that counts.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    id: SegmentId,
    file: DiskFile,
    /// Where it ends, as its successor says.
    end: Option<u64>,
}

/// How the segments are opened.
type Open = fn(&Disk, &Path) -> crate::fs::Result<Option<DiskFile>>;

/// A journal's valid frames.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Oldest first.
    segments: Vec<SegmentFile>,
    pub(crate) frames: Vec<FrameAt>,
    /// Bytes of frames that were torn.
    pub(crate) torn: u64,
    /// Nothing is said of what is not valid: it only ends what is read. A writer may go on meanwhile, so that what was read
    /// before fits nothing that is read behind it.
    collects: bool,
}

/// The segment's file name.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:08}.wal")
}

/// The segment files in a journal's folder, by number.
pub(crate) fn segments(disk: &Disk, dir: &Path) -> crate::fs::Result<Vec<(u64, PathBuf)>> {
    let mut found: Vec<(u64, PathBuf)> = disk
        .names(dir)?
        .iter()
        .filter_map(|name| {
            let number = name.to_str()?.strip_suffix(".wal")?.parse().ok()?;
            Some((number, dir.join(name)))
        })
        .collect();
    found.sort();
    Ok(found)
}

impl Scan {
    /// Scans the journal `journal` in `dir`. Nothing is changed.
    pub(crate) fn of(disk: &Disk, dir: &Path, journal: [u8; 16]) -> Result<Self> {
        Self::default().by(Disk::open_rw, disk, dir, journal)
    }

    /// The valid frames of a journal whose writer may live, for who can't write there, or must not.
    pub(super) fn to_read(disk: &Disk, dir: &Path, journal: [u8; 16]) -> Result<Self> {
        let scan = Self {
            collects: true,
            ..Self::default()
        };
        scan.by(Disk::open, disk, dir, journal)
    }

    fn by(mut self, open: Open, disk: &Disk, dir: &Path, journal: [u8; 16]) -> Result<Self> {
        for (number, path) in segments(disk, dir)?.into_iter().rev() {
            let Some(file) = open(disk, &path)? else {
                continue;
            };
            let id = SegmentId { journal, number };
            let segment = SegmentFile {
                id,
                file,
                end: None,
            };
            // The newest that was begun leads to all that count.
            if let Some(header) = segment.header()? {
                self.segments.push(segment);
                let open = |path: &Path| open(disk, path);
                self.follow(open, dir, journal, header.previous, 1)?;
                break;
            }
            if !self.collects {
                self.torn += segment.not_begun()?;
            }
        }
        self.run()
    }

    /// Scans our own journal, of which we know how far it counts, from the segment `oldest` on: those before it
    /// were given up, and their files may be used again while they are read.
    pub(super) fn of_own(
        disk: &Disk,
        dir: &Path,
        journal: [u8; 16],
        newest: Ended,
        oldest: u64,
    ) -> Result<Self> {
        let mut scan = Self::default();
        let open = |path: &Path| disk.open_rw(path);
        scan.follow(open, dir, journal, newest, oldest)?;
        scan.run()
    }

    /// Adds the segment `previous` and those that it leads to, down to number `oldest`. Where one is missing, it
    /// and those before it were given up: all they held was durable elsewhere.
    fn follow(
        &mut self,
        open: impl Fn(&Path) -> crate::fs::Result<Option<DiskFile>>,
        dir: &Path,
        journal: [u8; 16],
        mut previous: Ended,
        oldest: u64,
    ) -> Result<()> {
        while previous.number >= oldest {
            let number = previous.number;
            let Some(file) = open(&dir.join(segment_name(number)))? else {
                break;
            };
            let segment = SegmentFile {
                id: SegmentId { journal, number },
                file,
                end: Some(previous.end),
            };
            previous = match segment.header()? {
                Some(header) if header.previous.number < number => header.previous,
                _ if self.collects => break,
                _ => return Err(segment.damage(0, "damaged header")),
            };
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Finds the frames of the segments, which stand newest first.
    fn run(mut self) -> Result<Self> {
        self.segments.reverse();
        for (index, segment) in self.segments.iter().enumerate() {
            let invalid = segment.frames(|payload, len| {
                self.frames.push(FrameAt {
                    segment: index,
                    payload,
                    len,
                });
            })?;
            if let Some(position) = invalid
                && !self.collects
            {
                self.torn += segment.torn_at(position)?;
            }
        }
        Ok(self)
    }

    /// A window on a segment.
    pub(super) fn window(&self, segment: usize) -> Window<'_> {
        Window::new(&self.segments[segment].file)
    }

    /// Bytes of a segment, within a frame or several that were found valid.
    pub(super) fn bytes(&self, segment: usize, position: u64, end: u64) -> Result<Vec<u8>> {
        Ok(self.segments[segment].file.range(position, end)?)
    }

    /// Where a frame is, for people.
    pub(super) fn damage(&self, frame: FrameAt, what: &str) -> LogError {
        self.segments[frame.segment].damage(frame.payload, what)
    }

    /// Makes durable what a process that was killed may have written without a sync. It is written again
    /// first: if a sync of it failed, then or in an earlier recovery, the next one proves nothing.
    pub(super) fn sync(&self) -> Result<()> {
        if let Some((newest, segment)) = self.segments.iter().enumerate().next_back() {
            let last = self.frames.last().filter(|last| last.segment == newest);
            segment.write_again(last)?;
        }
        for segment in &self.segments {
            segment.file.sync()?;
        }
        Ok(())
    }

    /// The number of the newest segment that counts, 0 if none does.
    pub(super) fn newest(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.id.number)
    }
}

impl SegmentFile {
    fn header(&self) -> Result<Option<SegmentHeader>> {
        let bytes = self.file.range(0, SEGMENT_HEADER as u64)?;
        match SegmentHeader::other_version(&bytes, self.id) {
            // Passed over as not begun, it would be removed.
            Some(found) => Err(other_version(self.file.path().display(), found)),
            None => Ok(SegmentHeader::parse(&bytes, self.id)),
        }
    }

    /// Checks that a segment without a valid header was only being made, or made ready: nothing in it
    /// was ever synced. Returns the bytes of frames in it.
    fn not_begun(&self) -> Result<u64> {
        let bytes = self.file.range(0, SEGMENT_HEADER as u64)?;
        if SegmentHeader::parse_earlier(&bytes, self.id).is_some() {
            // It was to be used again, and never was: beginning it writes the header first of all.
            return Ok(0);
        }
        self.torn_behind(0, "damaged header")
    }

    /// Tells `found` where each frame's payload stands and how long it is, up to the end that is known, or up to where
    /// no valid frame is: then that is returned.
    fn frames(&self, mut found: impl FnMut(u64, u64)) -> Result<Option<u64>> {
        let end = match self.end {
            Some(end) => end,
            None => self.file.len()?,
        };
        let mut window = Window::new(&self.file);
        let mut position = SEGMENT_HEADER as u64;
        while position < end {
            let Some(len) = self.frame_at(&mut window, position, end)? else {
                return Ok(Some(position));
            };
            let payload = position + FRAME_HEADER as u64;
            found(payload, len);
            position = payload + len;
        }
        Ok(None)
    }

    /// Checks that the first frame that is not valid, at `position`, is a torn end. Returns the bytes of frames in that.
    fn torn_at(&self, position: u64) -> Result<u64> {
        match self.end {
            Some(_) => Err(self.damage(position, "a damaged frame within the stated end")),
            None => self.torn_behind(position, "a damaged frame before one written later"),
        }
    }

    /// Writes again what counts and nothing says that it was synced: all behind the byte that the `last` frame
    /// names, if the segment has any.
    fn write_again(&self, last: Option<&FrameAt>) -> Result<()> {
        if self.end.is_some() {
            // The segment after it was begun when all of it had been synced.
            return Ok(());
        }
        let (mut position, end) = match last {
            Some(frame) => {
                let at = frame.payload - FRAME_HEADER as u64;
                let header = self.file.range(at, frame.payload)?;
                let header = FrameHeader::parse(&header, self.id, at);
                let durable = header.map_or(0, |header| header.durable);
                (durable, frame.payload + frame.len)
            }
            None => (0, SEGMENT_HEADER as u64),
        };
        while position < end {
            let bytes = self
                .file
                .range(position, end.min(position + WINDOW as u64))?;
            if bytes.is_empty() {
                return Err(self.damage(position, "it became shorter while it was read"));
            }
            self.file.write_at(&bytes, position)?;
            position += bytes.len() as u64;
        }
        Ok(())
    }

    /// The payload length of the valid frame at `position`, if there is one before `end`.
    fn frame_at(&self, window: &mut Window<'_>, position: u64, end: u64) -> Result<Option<u64>> {
        let bytes = window.get(position, FRAME_HEADER)?;
        let Some(header) = FrameHeader::parse(bytes, self.id, position) else {
            return Ok(None);
        };
        let Some(frame_end) = header.end(position).filter(|frame| *frame <= end) else {
            return Ok(None);
        };
        let mut sum = FrameHeader::payload_seed(self.id, position);
        let mut at = position + FRAME_HEADER as u64;
        while at < frame_end {
            let left = usize::try_from(frame_end - at).unwrap_or(usize::MAX);
            let bytes = window.get(at, left.min(WINDOW))?;
            if bytes.is_empty() {
                return Ok(None);
            }
            sum = crc32c_append(sum, bytes);
            at += bytes.len() as u64;
        }
        Ok(header.vouches_for(sum).then_some(header.payload_len))
    }

    /// Checks that nothing behind `position`, where no valid frame is, was written after what should
    /// stand there had been synced. Returns how far valid frame headers show that frames reach.
    fn torn_behind(&self, position: u64, what: &str) -> Result<u64> {
        let finder = memchr::memmem::Finder::new(FRAME_MAGIC);
        let len = self.file.len()?;
        let mut end = position;
        let mut start = position;
        while start < len {
            // Whatever begins in the window has its header in it.
            let next = start + WINDOW as u64;
            let bytes = self.file.range(start, next + FRAME_HEADER as u64)?;
            for found in finder.find_iter(&bytes) {
                let at = start + found as u64;
                let Some(header) = FrameHeader::parse(&bytes[found..], self.id, at) else {
                    continue;
                };
                if header.durable > position {
                    return Err(self.damage(position, what));
                }
                end = end.max(header.end(at).unwrap_or(len).min(len));
            }
            start = next;
        }
        Ok(end - position)
    }

    fn damage(&self, position: u64, what: &str) -> LogError {
        LogError::corrupt(format!(
            "{}: byte {position}: {what}; move its folder out of the log to go on without it",
            self.file.path().display()
        ))
    }
}
