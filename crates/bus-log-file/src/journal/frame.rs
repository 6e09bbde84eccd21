//! What a segment is made of: one header, then one frame per group.

use crc32c::{crc32c, crc32c_append};

/// Identifies a segment: no block of another one, or of another place in it, passes for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentId {
    pub(crate) journal: [u8; 16],
    pub(crate) number: u64,
}

impl SegmentId {
    /// The sum that everything at `position` is seeded with.
    fn seed(&self, position: u64) -> u32 {
        let sum = crc32c(&self.journal);
        let sum = crc32c_append(sum, &self.number.to_le_bytes());
        crc32c_append(sum, &position.to_le_bytes())
    }
}

const SEGMENT_MAGIC: &[u8; 8] = b"BUSWAL\0\0";
/// Begins every frame.
pub(crate) const FRAME_MAGIC: &[u8; 8] = b"BUSGROUP";

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 48;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 32;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: SegmentId,
    /// Where the segment before it ends; 0 if there is none that counts.
    pub(crate) previous_end: u64,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&crate::VERSION.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.id.journal);
        bytes[28..36].copy_from_slice(&self.id.number.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.previous_end.to_le_bytes());
        let sum = crc32c_append(self.id.seed(0), &bytes[..44]);
        bytes[44..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment `id`.
    pub(crate) fn parse(bytes: &[u8], id: SegmentId) -> Option<Self> {
        let previous_end = u64::from_le_bytes(bytes.get(36..44)?.try_into().ok()?);
        let header = Self { id, previous_end };
        (bytes.get(..SEGMENT_HEADER)? == header.to_bytes()).then_some(header)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_len: u64,
    payload_sum: u32,
}

impl FrameHeader {
    /// The header of a frame that stands at `position` and holds `payload`.
    pub(crate) fn new(id: SegmentId, position: u64, payload: &[u8]) -> Self {
        Self {
            payload_len: payload.len() as u64,
            payload_sum: crc32c_append(id.seed(position), payload),
        }
    }

    pub(crate) fn to_bytes(self, id: SegmentId, position: u64) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[..8].copy_from_slice(FRAME_MAGIC);
        bytes[8..16].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[16..24].copy_from_slice(&position.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.payload_sum.to_le_bytes());
        let sum = crc32c_append(id.seed(position), &bytes[..28]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of a frame that stands at `position`.
    pub(crate) fn parse(bytes: &[u8], id: SegmentId, position: u64) -> Option<Self> {
        let header = Self {
            payload_len: u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?),
            payload_sum: u32::from_le_bytes(bytes.get(24..28)?.try_into().ok()?),
        };
        (bytes.get(..FRAME_HEADER)? == header.to_bytes(id, position)).then_some(header)
    }

    pub(crate) fn vouches_for(&self, payload: &[u8], id: SegmentId, position: u64) -> bool {
        Self::new(id, position, payload) == *self
    }
}
