//! Reading a journal that nobody writes any more: what is valid, what is torn, what is damaged.

use std::path::{Path, PathBuf};

use bus_log::{LogError, Result};

use super::frame::{
    FRAME_HEADER, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER, SegmentHeader, SegmentId,
};
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

/// A segment file.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    id: SegmentId,
    file: DiskFile,
}

/// A journal's valid frames.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) segments: Vec<SegmentFile>,
    pub(crate) frames: Vec<FrameAt>,
    /// Bytes of a torn end.
    pub(crate) torn: u64,
}

/// The segment's file name.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:08}.wal")
}

/// The segment files in a journal's folder, by number.
pub(crate) fn segments(disk: Disk, dir: &Path) -> crate::fs::Result<Vec<(u64, PathBuf)>> {
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
    pub(crate) fn of(disk: Disk, dir: &Path, journal: [u8; 16]) -> Result<Self> {
        let mut scan = Self::default();
        let found = segments(disk, dir)?;
        // Segments are removed from the first one on. Where a number is missing, what is before it
        // was to be removed too.
        let gap = found
            .windows(2)
            .rposition(|pair| pair[0].0.checked_add(1) != Some(pair[1].0));
        for (number, path) in &found[gap.map_or(0, |gap| gap + 1)..] {
            let id = SegmentId {
                journal,
                number: *number,
            };
            if let Some(file) = disk.open_rw(path)? {
                scan.segments.push(SegmentFile { id, file });
            }
        }
        scan.run()?;
        Ok(scan)
    }

    fn run(&mut self) -> Result<()> {
        let headers = self.headers()?;
        for index in 0..self.segments.len() {
            let Some(Some(_)) = headers.get(index) else {
                break;
            };
            let stated = headers
                .get(index + 1)
                .and_then(|next| next.map(|next| next.previous_end));
            self.frames_of(index, stated)?;
        }
        Ok(())
    }

    /// The segments' headers. Only the last may be missing: it was being made.
    fn headers(&mut self) -> Result<Vec<Option<SegmentHeader>>> {
        let mut headers = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let bytes = segment.file.range(0, SEGMENT_HEADER as u64)?;
            let header = SegmentHeader::parse(&bytes, segment.id);
            if header.is_none() {
                let len = segment.file.len()?;
                if index + 1 < self.segments.len() || segment.frame_after(0, len)? {
                    return Err(segment.damage(0, "damaged header"));
                }
                self.torn += len;
            }
            headers.push(header);
        }
        Ok(headers)
    }

    /// The frames of one segment: up to the end its successor states, or up to a torn end.
    fn frames_of(&mut self, index: usize, stated: Option<u64>) -> Result<()> {
        let segment = &self.segments[index];
        let len = segment.file.len()?;
        let end = stated.unwrap_or(len);
        let mut position = SEGMENT_HEADER as u64;
        while position < end {
            match segment.frame_at(position, end)? {
                Some(payload_len) => {
                    self.frames.push(FrameAt {
                        segment: index,
                        payload: position + FRAME_HEADER as u64,
                        len: payload_len,
                    });
                    position += FRAME_HEADER as u64 + payload_len;
                }
                None if stated.is_some() => {
                    return Err(segment.damage(position, "a damaged frame within the stated end"));
                }
                // Every frame was synced before the next one was written.
                None if segment.frame_after(position + 1, len)? => {
                    return Err(segment.damage(position, "a damaged frame before a valid one"));
                }
                None => {
                    self.torn += len - position;
                    break;
                }
            }
        }
        Ok(())
    }

    /// The payload of a frame that was found valid.
    pub(crate) fn payload(&self, frame: FrameAt) -> Result<Vec<u8>> {
        let segment = &self.segments[frame.segment];
        Ok(segment
            .file
            .range(frame.payload, frame.payload + frame.len)?)
    }

    /// Where a frame is, for people.
    pub(crate) fn damage(&self, frame: FrameAt, what: &str) -> LogError {
        self.segments[frame.segment].damage(frame.payload, what)
    }

    /// Makes durable what a process that was killed may have written without a sync.
    pub(crate) fn sync(&self) -> Result<()> {
        for segment in &self.segments {
            segment.file.sync()?;
        }
        Ok(())
    }
}

impl SegmentFile {
    /// The payload length of the valid frame at `position`, if there is one before `end`.
    fn frame_at(&self, position: u64, end: u64) -> Result<Option<u64>> {
        let payload = position + FRAME_HEADER as u64;
        let bytes = self.file.range(position, payload)?;
        let Some(header) = FrameHeader::parse(&bytes, self.id, position) else {
            return Ok(None);
        };
        if header.payload_len > end.saturating_sub(payload) {
            return Ok(None);
        }
        let bytes = self.file.range(payload, payload + header.payload_len)?;
        Ok(header
            .vouches_for(&bytes, self.id, position)
            .then_some(header.payload_len))
    }

    /// True if a valid frame header begins at `position` or later.
    fn frame_after(&self, mut position: u64, len: u64) -> Result<bool> {
        let finder = memchr::memmem::Finder::new(FRAME_MAGIC);
        while position < len {
            let bytes = self.file.range(position, len.min(position + (1 << 20)))?;
            for found in finder.find_iter(&bytes) {
                let at = position + found as u64;
                let header = self.file.range(at, at + FRAME_HEADER as u64)?;
                if FrameHeader::parse(&header, self.id, at).is_some() {
                    return Ok(true);
                }
            }
            if bytes.len() < FRAME_MAGIC.len() {
                break;
            }
            position += (bytes.len() - FRAME_MAGIC.len() + 1) as u64;
        }
        Ok(false)
    }

    fn damage(&self, position: u64, what: &str) -> LogError {
        LogError::corrupt(format!(
            "{}: byte {position}: {what}; move its folder out of the log to go on without it",
            self.file.path().display()
        ))
    }
}
