//! The segment that is written.

use std::path::Path;

use super::ahead::Prepared;
use super::frame::{Ended, FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, SegmentId};
use crate::fs::{self, Disk, DiskFile};

/// What stands in a buffer in front of a frame's payload: room for both headers.
pub(super) const FRONT: usize = SEGMENT_HEADER + FRAME_HEADER;

/// Bytes of filler that a segment gets with its first frame if nobody made it ready: one write more,
/// but no sync, and the next hundred small frames are synced without a change of the file's length.
pub(super) const FIRST_FILLER: u64 = 64 << 10;

/// A segment file, and how far it is written.
#[derive(Debug)]
pub(super) struct Segment {
    id: SegmentId,
    file: DiskFile,
    previous: Ended,
    /// The byte after the last frame; 0 until there is one.
    end: u64,
    /// The byte up to which everything was synced.
    durable: u64,
    /// The byte up to which the file holds something, so that a sync there changes no length.
    filled: u64,
    /// False while the file's name may be lost in a power cut.
    named: bool,
}

impl Segment {
    /// Takes a segment file that was made ready.
    pub(super) fn of(journal: [u8; 16], prepared: Prepared, previous: Ended) -> Self {
        let number = prepared.number;
        Self {
            id: SegmentId { journal, number },
            file: prepared.file,
            previous,
            end: 0,
            durable: 0,
            filled: prepared.filled,
            named: true,
        }
    }

    /// Takes a new file.
    pub(super) fn new(id: SegmentId, file: DiskFile, previous: Ended) -> Self {
        Self {
            id,
            file,
            previous,
            end: 0,
            durable: 0,
            filled: 0,
            named: false,
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.id.number
    }

    /// The byte after the last frame.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// The byte up to which everything was synced.
    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    /// The byte up to which frames are written over something.
    pub(super) const fn filled(&self) -> u64 {
        self.filled
    }

    /// Writes a frame: the payload stands in `buffer` behind [`FRONT`] bytes. Returns its length.
    /// Nothing counts as written after an error.
    pub(super) fn write(&mut self, buffer: &mut [u8]) -> fs::Result<u64> {
        let position = self.end.max(SEGMENT_HEADER as u64);
        let (front, payload) = buffer.split_at_mut(FRONT);
        let header = FrameHeader::new(self.id, position, self.durable, payload);
        let (segment_header, frame_header) = front.split_at_mut(SEGMENT_HEADER);
        frame_header.copy_from_slice(&header.to_bytes(self.id, position));
        let bytes = if self.end == 0 {
            segment_header.copy_from_slice(&self.header().to_bytes());
            &buffer[..]
        } else {
            &buffer[SEGMENT_HEADER..]
        };
        self.file.write_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok((buffer.len() - SEGMENT_HEADER) as u64)
    }

    const fn header(&self) -> SegmentHeader {
        SegmentHeader {
            id: self.id,
            previous: self.previous,
        }
    }

    /// Fills a new file up to `size` bytes behind what is written. Returns the bytes of it: none where
    /// the disk refuses, for nothing depends on them.
    pub(super) fn fill(&mut self, size: u64) -> u64 {
        let filler = size.saturating_sub(self.end);
        let zeros = vec![0; usize::try_from(filler).unwrap_or(0)];
        let written = filler > 0 && self.file.write_at(&zeros, self.end).is_ok();
        let filler = if written { filler } else { 0 };
        self.filled = self.end + filler;
        filler
    }

    /// Makes every frame durable that was written.
    ///
    /// # Errors
    ///
    /// Also if the file is not any more what its name stands for: what is in it is lost.
    pub(super) fn sync(&mut self, disk: &Disk, dir: &Path) -> fs::Result<()> {
        if self.durable == self.end {
            return Ok(());
        }
        self.file.sync()?;
        if !self.named {
            disk.sync_dir(dir)?;
            self.named = true;
        }
        if !self.file.is_current_with(self.end)? {
            return Err(fs::DiskError::missing("find", self.file.path()));
        }
        self.durable = self.end;
        Ok(())
    }

    /// Gives back the space of what stands behind the last frame that counts. Whoever reads the
    /// journal ignores it in any case.
    pub(super) fn cut(&self) {
        let _ = self.file.set_len(self.durable);
    }
}
