//! A journal's segment, read and written by what `docs/file-format.md` says of it alone.

use std::path::Path;

use crc32c::{crc32c, crc32c_append};

const HEADER: usize = 56;
const FRAME: usize = 40;

/// A segment file.
pub(crate) struct Segment {
    journal: [u8; 16],
    number: u64,
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    durable: u64,
    payload: Vec<u8>,
}

/// A segment's header, but for what the file's place says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Before {
    number: u64,
    end: u64,
}

impl Segment {
    /// The newest segment that was begun in a journal's folder.
    pub(crate) fn newest(folder: &Path) -> Self {
        let id = folder.file_name().unwrap().to_str().unwrap();
        let journal = u128::from_str_radix(id, 16).unwrap().to_be_bytes();
        let mut numbers: Vec<u64> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.strip_suffix(".wal")?.parse().ok()
            })
            .collect();
        numbers.sort_unstable();
        numbers
            .into_iter()
            .rev()
            .map(|number| Self {
                journal,
                number,
                bytes: std::fs::read(folder.join(format!("{number:08}.wal"))).unwrap(),
            })
            .find(|segment| segment.before().is_some())
            .unwrap()
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) const fn journal(&self) -> [u8; 16] {
        self.journal
    }

    /// What its header says of the segment before it, if it has a valid one.
    pub(crate) fn before(&self) -> Option<Before> {
        let bytes = &self.bytes;
        let before = Before {
            number: number(bytes, 36)?,
            end: number(bytes, 44)?,
        };
        (bytes[..HEADER] == header(self.journal, self.number, before)).then_some(before)
    }

    /// Its valid frames.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut at = HEADER;
        while let Some(frame) = self.frame(at) {
            at += FRAME + frame.payload.len();
            frames.push(frame);
        }
        frames
    }

    fn frame(&self, at: usize) -> Option<Frame> {
        let bytes = self.bytes.get(at..)?;
        if !bytes.starts_with(b"BUSGROUP") || number(bytes, 16)? != at as u64 {
            return None;
        }
        let end = FRAME + usize::try_from(number(bytes, 8)?).ok()?;
        let frame = Frame {
            durable: number(bytes, 24)?,
            payload: bytes.get(FRAME..end)?.to_vec(),
        };
        (bytes[..end] == written(self.journal, self.number, at, &frame)).then_some(frame)
    }

    /// Where its last valid frame ends.
    pub(crate) fn end(&self) -> usize {
        let frames = self.frames();
        HEADER
            + frames
                .iter()
                .map(|frame| FRAME + frame.payload.len())
                .sum::<usize>()
    }

    /// Its bytes up to there.
    pub(crate) fn valid(&self) -> &[u8] {
        &self.bytes[..self.end()]
    }

    /// True if one of its frames holds these bytes.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        memchr::memmem::find(self.valid(), bytes).is_some()
    }

    /// What its last frame begins at.
    pub(crate) fn last_frame(&self) -> usize {
        let frames = self.frames();
        self.end() - FRAME - frames.last().unwrap().payload.len()
    }

    /// True if behind its last frame stand those of a segment that the file was before.
    pub(crate) fn is_recycled(&self) -> bool {
        memchr::memmem::find(&self.bytes[self.end()..], b"BUSGROUP").is_some() && self.number > 1
    }

    /// The same frames, as the journal `journal` would have written them.
    pub(crate) fn of_journal(&self, journal: [u8; 16]) -> Vec<u8> {
        let mut bytes = header(journal, self.number, self.before().unwrap()).to_vec();
        for frame in self.frames() {
            let at = bytes.len();
            bytes.extend(written(journal, self.number, at, &frame));
        }
        bytes
    }
}

fn header(journal: [u8; 16], number: u64, before: Before) -> [u8; HEADER] {
    let mut bytes = b"BUSWAL\0\0\x01\0\0\0".to_vec();
    bytes.extend(journal);
    for number in [number, before.number, before.end] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(crc32c_append(seed(journal, number, 0), &bytes).to_le_bytes());
    bytes.try_into().unwrap()
}

fn written(journal: [u8; 16], number: u64, at: usize, frame: &Frame) -> Vec<u8> {
    let seed = seed(journal, number, at);
    let mut bytes = b"BUSGROUP".to_vec();
    for number in [frame.payload.len() as u64, at as u64, frame.durable] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(crc32c_append(seed, &frame.payload).to_le_bytes());
    bytes.extend(crc32c_append(seed, &bytes).to_le_bytes());
    bytes.extend(&frame.payload);
    bytes
}

fn seed(journal: [u8; 16], number: u64, at: usize) -> u32 {
    let mut seed = journal.to_vec();
    seed.extend(number.to_le_bytes());
    seed.extend((at as u64).to_le_bytes());
    crc32c(&seed)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let (number, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u64::from_le_bytes(*number))
}
