mod carrying;
mod crash;
mod faulty;
mod frames;
mod scanning;
mod writing;

use super::frame::{Ended, FrameHeader, SegmentHeader, SegmentId};
use super::scan::{Scan, segment_name};
use super::writer::Journal;
use crate::fs::{self, Disk};

const JOURNAL: [u8; 16] = [7; 16];

impl Journal {
    /// Writes one frame and syncs it. Returns its length.
    fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> fs::Result<u64> {
        let written = self.write(fill)?;
        self.sync()?;
        Ok(written)
    }
}

fn segment(number: u64) -> SegmentId {
    SegmentId {
        journal: JOURNAL,
        number,
    }
}

/// The header of a frame that was written when everything before `durable` was synced.
fn frame_header(id: SegmentId, position: u64, durable: u64, payload: &[u8]) -> Vec<u8> {
    FrameHeader::new(id, position, durable, payload)
        .to_bytes(id, position)
        .to_vec()
}

/// A segment with these payloads, and where each of its frames ends. Those of one group were written
/// under one sync.
fn build(number: u64, previous: Ended, groups: &[&[&[u8]]]) -> (Vec<u8>, Vec<usize>) {
    let id = segment(number);
    let mut bytes = SegmentHeader { id, previous }.to_bytes().to_vec();
    let mut ends = Vec::new();
    let mut durable = 0;
    for group in groups {
        for payload in *group {
            bytes.extend(frame_header(id, bytes.len() as u64, durable, payload));
            bytes.extend(*payload);
            ends.push(bytes.len());
        }
        durable = bytes.len() as u64;
    }
    (bytes, ends)
}

/// The first segment, each of its frames synced before the next.
fn first(payloads: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let groups: Vec<&[&[u8]]> = payloads.iter().map(std::slice::from_ref).collect();
    build(1, Ended::default(), &groups)
}

fn after(number: u64, end: usize) -> Ended {
    Ended {
        number,
        end: end as u64,
    }
}

fn scan(segments: &[(u64, &[u8])]) -> bus_log::Result<Scan> {
    let dir = tempfile::tempdir().unwrap();
    for (number, bytes) in segments {
        std::fs::write(dir.path().join(segment_name(*number)), bytes).unwrap();
    }
    Scan::of(&Disk::default(), dir.path(), JOURNAL)
}

fn payloads(scan: &Scan) -> Vec<Vec<u8>> {
    let payload = |frame: &super::scan::FrameAt| {
        let end = frame.payload + frame.len;
        scan.bytes(frame.segment, frame.payload, end).unwrap()
    };
    scan.frames.iter().map(payload).collect()
}
