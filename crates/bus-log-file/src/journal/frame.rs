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
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&self.journal);
        seed[16..24].copy_from_slice(&self.number.to_le_bytes());
        seed[24..].copy_from_slice(&position.to_le_bytes());
        crc32c(&seed)
    }
}

const SEGMENT_MAGIC: &[u8; 8] = b"BUSWAL\0\0";
/// Begins every frame.
pub(crate) const FRAME_MAGIC: &[u8; 8] = b"BUSGROUP";

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 56;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 40;

/// A segment that is no longer written, and where it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// 0 if there is none that counts.
    pub(crate) number: u64,
    /// The byte after its last frame that was synced.
    pub(crate) end: u64,
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: SegmentId,
    /// The segment that was written before it.
    pub(crate) previous: Ended,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        self.to_bytes_of(crate::VERSION)
    }

    fn to_bytes_of(self, version: u32) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.id.journal);
        bytes[28..36].copy_from_slice(&self.id.number.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.previous.number.to_le_bytes());
        bytes[44..52].copy_from_slice(&self.previous.end.to_le_bytes());
        let sum = crc32c_append(self.id.seed(0), &bytes[..52]);
        bytes[52..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment `id`.
    pub(crate) fn parse(bytes: &[u8], id: SegmentId) -> Option<Self> {
        let (header, version) = Self::parse_any(bytes, id)?;
        (version == crate::VERSION).then_some(header)
    }

    /// The version of the segment `id`, if that is not ours and its header is valid but for it.
    pub(crate) fn other_version(bytes: &[u8], id: SegmentId) -> Option<u32> {
        let (_, version) = Self::parse_any(bytes, id)?;
        (version != crate::VERSION).then_some(version)
    }

    fn parse_any(bytes: &[u8], id: SegmentId) -> Option<(Self, u32)> {
        let (version, _) = bytes.get(8..)?.split_first_chunk()?;
        let version = u32::from_le_bytes(*version);
        let previous = Ended {
            number: number_at(bytes, 36)?,
            end: number_at(bytes, 44)?,
        };
        let header = Self { id, previous };
        let whole = bytes.get(..SEGMENT_HEADER)? == header.to_bytes_of(version);
        whole.then_some((header, version))
    }

    /// The number of the segment that a file was before it was taken for the segment `id`, if its
    /// header of that time still stands there.
    pub(crate) fn parse_earlier(bytes: &[u8], id: SegmentId) -> Option<u64> {
        let number = number_at(bytes, 28)?;
        let earlier = SegmentId { number, ..id };
        (number < id.number && Self::parse(bytes, earlier).is_some()).then_some(number)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_len: u64,
    /// Everything in the segment before this byte was synced when the frame was written.
    pub(crate) durable: u64,
    payload_sum: u32,
}

impl FrameHeader {
    /// The header of a frame that stands at `position` and holds `payload`.
    pub(crate) fn new(id: SegmentId, position: u64, durable: u64, payload: &[u8]) -> Self {
        Self {
            payload_len: payload.len() as u64,
            durable,
            payload_sum: crc32c_append(id.seed(position), payload),
        }
    }

    pub(crate) fn to_bytes(self, id: SegmentId, position: u64) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[..8].copy_from_slice(FRAME_MAGIC);
        bytes[8..16].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[16..24].copy_from_slice(&position.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.durable.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.payload_sum.to_le_bytes());
        let sum = crc32c_append(id.seed(position), &bytes[..36]);
        bytes[36..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of a frame that stands at `position`.
    pub(crate) fn parse(bytes: &[u8], id: SegmentId, position: u64) -> Option<Self> {
        // What stood here before the segment was recycled looks the same but for the sum: a look at
        // the position first spares the sum for everything else.
        if number_at(bytes, 16)? != position {
            return None;
        }
        let header = Self {
            payload_len: number_at(bytes, 8)?,
            durable: number_at(bytes, 24)?,
            payload_sum: u32::from_le_bytes(bytes.get(32..36)?.try_into().ok()?),
        };
        let whole = bytes.get(..FRAME_HEADER)? == header.to_bytes(id, position);
        (whole && header.durable <= position).then_some(header)
    }

    /// The byte after the frame, which stands at `position`; `None` if there is no such byte.
    pub(crate) fn end(&self, position: u64) -> Option<u64> {
        position
            .checked_add(FRAME_HEADER as u64)?
            .checked_add(self.payload_len)
    }

    /// What the payload's sum is counted on from, part by part.
    pub(crate) fn payload_seed(id: SegmentId, position: u64) -> u32 {
        id.seed(position)
    }

    /// True if `sum`, counted from the seed over the whole payload, is the one it was written with.
    pub(crate) const fn vouches_for(&self, sum: u32) -> bool {
        self.payload_sum == sum
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let (number, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u64::from_le_bytes(*number))
}
