//! A batch that no single message holds: its records are cut into chunks, which stand on a subject of their own, and the
//! message that makes them count says where.

use bus_log::{LogError, Result};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Id;

const MAGIC: &[u8; 4] = b"BUC\x01";

/// Bytes of a chunk's message before the records' bytes.
pub(crate) const CHUNK_HEAD: usize = 4 + 16 + 4;

/// Where a chunk is, and what begins in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) seq: u64,
    /// The first record that begins in it, counted from the batch's first; the batch's count if none does.
    pub(crate) record: u32,
    /// Where in the chunk's bytes that is.
    pub(crate) offset: u32,
}

impl Chunk {
    /// Bytes of one, in the message that makes them count.
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn put_all(chunks: &[Self], bytes: &mut BytesMut) {
        // As many as a batch has, at most.
        bytes.put_u32(u32::try_from(chunks.len()).unwrap_or(u32::MAX));
        for chunk in chunks {
            bytes.put_u64(chunk.seq);
            bytes.put_u32(chunk.record);
            bytes.put_u32(chunk.offset);
        }
    }

    /// # Errors
    ///
    /// `Corrupt` if they are not all there.
    pub(crate) fn parse_all(mut bytes: Bytes) -> Result<Vec<Self>> {
        let damaged = || LogError::corrupt("list of a batch's chunks");
        let count = bytes.try_get_u32().map_err(|_| damaged())? as usize;
        if bytes.len() != count * Self::BYTES {
            return Err(damaged());
        }
        Ok((0..count)
            .map(|_| Self {
                seq: bytes.get_u64(),
                record: bytes.get_u32(),
                offset: bytes.get_u32(),
            })
            .collect())
    }
}

/// A chunk's message.
pub(crate) fn chunk(id: Id, part: u32, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(CHUNK_HEAD + bytes.len());
    message.put_slice(MAGIC);
    message.put_slice(&id.0);
    message.put_u32(part);
    message.put_slice(bytes);
    message.freeze()
}

/// The records' bytes of a chunk's message, if it is that part of that batch.
pub(crate) fn part_of(id: Id, part: u32, mut message: Bytes) -> Option<Bytes> {
    let is_it = message.len() >= CHUNK_HEAD
        && &message[..4] == MAGIC
        && message[4..20] == id.0
        && message[20..24] == part.to_be_bytes();
    is_it.then(|| message.split_off(CHUNK_HEAD))
}

/// Whether a message is a chunk of that batch.
pub(crate) fn is_part_of(id: Id, message: &[u8]) -> bool {
    message.len() >= CHUNK_HEAD && message[..4] == *MAGIC && message[4..20] == id.0
}
