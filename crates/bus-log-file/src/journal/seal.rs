//! Headers made true, for the fuzzer: what they say stays, their sums are put right.

use super::frame::{Ended, FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, SegmentId};

/// Makes a segment's first bytes its header.
pub(crate) fn seal_header(bytes: &mut [u8], journal: [u8; 16], number: u64) {
    let Some(place) = bytes.first_chunk_mut::<SEGMENT_HEADER>() else {
        return;
    };
    let previous = Ended {
        number: number_at(place, 36),
        end: number_at(place, 44),
    };
    let id = SegmentId { journal, number };
    *place = SegmentHeader { id, previous }.to_bytes();
}

/// Makes a frame's header of what stands behind the segment's header and behind every frame. A length
/// past the end is left as it is: such a frame is torn.
pub(crate) fn seal_frames(bytes: &mut [u8], journal: [u8; 16], number: u64) {
    let id = SegmentId { journal, number };
    let mut at = SEGMENT_HEADER;
    while let Some((place, behind)) = bytes
        .get_mut(at..)
        .and_then(|rest| rest.split_first_chunk_mut::<FRAME_HEADER>())
    {
        let len = usize::try_from(number_at(place, 8)).unwrap_or(usize::MAX);
        let Some(payload) = behind.get(..len) else {
            return;
        };
        let position = at as u64;
        let header = FrameHeader::new(id, position, number_at(place, 24).min(position), payload);
        *place = header.to_bytes(id, position);
        at += FRAME_HEADER + len;
    }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|n| bytes[at + n]))
}
