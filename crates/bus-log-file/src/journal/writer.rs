//! Writing our own journal.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bus_log::{Result, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, SegmentId};
use super::scan::{Scan, segment_name};
use crate::fs::{self, DiskFile};
use crate::layout::{Layout, hex};
use crate::lock;

/// Who holds a lock: what its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The journal of the process.
    pub(crate) journal: String,
    pub(crate) pid: u32,
    pub(crate) host: String,
    pub(crate) since: String,
}

impl Owner {
    /// This process, with a journal of its own for every open log.
    fn new(id: &[u8; 16]) -> Self {
        Self {
            journal: hex(id),
            pid: std::process::id(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            since: Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process {} on {} since {}",
            self.pid, self.host, self.since
        )
    }
}

/// The journal of one open log.
#[derive(Debug)]
pub(crate) struct Journal {
    layout: Layout,
    id: [u8; 16],
    owner: Owner,
    dir: PathBuf,
    lock: DiskFile,
    /// The segment that is written.
    current: Option<Segment>,
    /// Numbers of the segments there are, the current one last.
    numbers: Vec<u64>,
    /// The number of the next segment.
    next: u64,
    /// Where the newest segment ends that is no longer written.
    sealed_end: u64,
    /// A frame, kept for its memory.
    frame: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    id: SegmentId,
    file: DiskFile,
    /// The byte after the last frame that was synced.
    end: u64,
}

impl Journal {
    /// Makes a journal, under the recovery lock, so that nobody takes it for a dead one meanwhile.
    pub(crate) fn create(layout: &Layout) -> Result<Self> {
        let guard = lock::recovery(layout)?;
        let id = random_id();
        let owner = Owner::new(&id);
        let dir = layout.journal(&owner.journal);
        layout.disk.create_dir(&dir)?;
        let lock = lock::hold(layout, &dir.join("lock"), &owner)?;
        layout.disk.sync_dir(&dir)?;
        layout.disk.sync_dir(&layout.journals())?;
        drop(guard);
        Ok(Self {
            layout: layout.clone(),
            id,
            owner,
            dir,
            lock,
            current: None,
            numbers: Vec::new(),
            next: 1,
            sealed_end: 0,
            frame: Vec::new(),
        })
    }

    pub(crate) const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Bytes in the current segment.
    pub(crate) fn bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |segment| segment.end)
    }

    /// True if there is a segment: something to check-point.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Writes one group and syncs it. After an error its bytes are never read again, whatever the
    /// disk has of them.
    pub(crate) fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> fs::Result<u64> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.resize(FRAME_HEADER, 0);
        fill(&mut frame);
        let written = self.write(&mut frame);
        // Memory that one large group took is given back.
        if frame.capacity() <= 1 << 20 {
            self.frame = frame;
        }
        if written.is_err() {
            self.seal();
        }
        written
    }

    fn write(&mut self, frame: &mut [u8]) -> fs::Result<u64> {
        let segment = match &mut self.current {
            Some(segment) => segment,
            None => {
                let segment = self.start_segment()?;
                self.current.insert(segment)
            }
        };
        // What is written into a segment that somebody removed is lost.
        if !segment.file.is_current_with(segment.end)? {
            return Err(fs::DiskError::missing("find", segment.file.path()));
        }
        let (header, payload) = frame.split_at_mut(FRAME_HEADER);
        header.copy_from_slice(
            &FrameHeader::new(segment.id, segment.end, payload).to_bytes(segment.id, segment.end),
        );
        segment.file.write_at(frame, segment.end)?;
        segment.file.sync()?;
        segment.end += frame.len() as u64;
        Ok(frame.len() as u64)
    }

    /// Makes the next segment, durable before anything stands in it: its header says where the one
    /// before it ends.
    fn start_segment(&mut self) -> fs::Result<Segment> {
        let id = SegmentId {
            journal: self.id,
            number: self.next,
        };
        let path = self.dir.join(segment_name(id.number));
        let file = self
            .layout
            .disk
            .create(&path)?
            .ok_or_else(|| fs::DiskError::missing("make segment in", &self.dir))?;
        if self.numbers.last() != Some(&id.number) {
            self.numbers.push(id.number);
        }
        let header = SegmentHeader {
            id,
            previous_end: self.sealed_end,
        };
        file.write_at(&header.to_bytes(), 0)?;
        file.sync()?;
        self.layout.disk.sync_dir(&self.dir)?;
        self.next += 1;
        Ok(Segment {
            id,
            file,
            end: SEGMENT_HEADER as u64,
        })
    }

    /// Ends the current segment, so that the next group begins a new one.
    pub(crate) fn seal(&mut self) {
        if let Some(segment) = self.current.take() {
            self.sealed_end = segment.end;
            // What stands behind the end is ignored by whoever reads the journal; cutting it only
            // gives its space back.
            let _ = segment.file.set_len(segment.end);
        }
    }

    /// Removes all segments, once what they hold is durable elsewhere.
    pub(crate) fn clear(&mut self) -> fs::Result<()> {
        self.seal();
        // From the first on, and the last one only when the others are gone for good: see the rule
        // about missing numbers in `scan`.
        let Some((last, others)) = self.numbers.split_last() else {
            return Ok(());
        };
        let (last, others) = (*last, others.to_vec());
        for number in &others {
            self.remove(*number)?;
        }
        if !others.is_empty() {
            self.layout.disk.sync_dir(&self.dir)?;
        }
        self.remove(last)?;
        self.sealed_end = 0;
        self.layout.disk.sync_dir(&self.dir)
    }

    fn remove(&mut self, number: u64) -> fs::Result<()> {
        self.layout
            .disk
            .remove(&self.dir.join(segment_name(number)))?;
        self.numbers.retain(|there| *there != number);
        Ok(())
    }

    /// What the segments hold, to be written again.
    pub(crate) fn scan(&mut self) -> Result<Scan> {
        self.seal();
        Scan::of(self.layout.disk, &self.dir, self.id)
    }

    /// Removes the journal, which must be empty.
    pub(crate) fn close(self) -> fs::Result<()> {
        self.layout.disk.remove(self.lock.path())?;
        self.layout.disk.remove_dir(&self.dir);
        self.layout.disk.sync_dir(&self.layout.journals())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

/// An id that no other journal has. It need not be secret.
fn random_id() -> [u8; 16] {
    let mut sha = Sha256::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    sha.update(now.unwrap_or_default().as_nanos().to_le_bytes());
    sha.update(std::process::id().to_le_bytes());
    // Seeded by the operating system.
    for salt in 0..2_u8 {
        sha.update(RandomState::new().hash_one(salt).to_le_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&sha.finalize()[..16]);
    id
}
