//! Events inside of messages.

use bus_log::{LogError, Recorded, Result};
use bus_remote::{Batch, Reading, Stored};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of a record before its meta and event.
pub(crate) const RECORD: usize = 16;

/// Writes a batch's records. Where each begins, from the first, goes to `begins`.
pub(crate) fn put(bytes: &mut BytesMut, batch: &Batch, mut begins: impl FnMut(usize)) {
    let from = bytes.len();
    let records = batch.times().iter().zip(batch.metas()).zip(batch.events());
    for ((at, meta), event) in records {
        begins(bytes.len() - from);
        let meta = meta.as_deref().unwrap_or_default();
        bytes.put_i64(*at);
        // Both within the limit of an event.
        bytes.put_u32(u32::try_from(meta.len()).unwrap_or(u32::MAX));
        bytes.put_u32(u32::try_from(event.len()).unwrap_or(u32::MAX));
        bytes.put_slice(meta);
        bytes.put_slice(event);
    }
}

/// Bytes that a batch's records take.
pub(crate) fn size(batch: &Batch) -> usize {
    batch.len() * RECORD + batch.bytes()
}

/// An event as it stands in the stream.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) ordinal: u64,
    at: i64,
    meta: Bytes,
    event: Bytes,
}

impl Found {
    /// Bytes of meta and event.
    pub(crate) fn bytes(&self) -> usize {
        self.meta.len() + self.event.len()
    }

    pub(crate) fn read(&self, reading: Reading) -> Result<Recorded> {
        Stored {
            ordinal: self.ordinal,
            at: self.at,
            meta: (!self.meta.is_empty()).then_some(&self.meta[..]),
            event: &self.event,
        }
        .read(reading)
    }
}

/// Reads records from bytes that come in parts.
#[derive(Debug)]
pub(crate) struct Records {
    bytes: BytesMut,
    next: u64,
}

impl Records {
    /// Records from the ordinal `next` on.
    pub(crate) fn from(next: u64) -> Self {
        Self {
            bytes: BytesMut::new(),
            next,
        }
    }

    pub(crate) fn add(&mut self, part: Bytes) {
        if self.bytes.is_empty() {
            // No copy where nobody else has it.
            self.bytes = part
                .try_into_mut()
                .unwrap_or_else(|part| BytesMut::from(&part[..]));
        } else {
            self.bytes.extend_from_slice(&part);
        }
    }

    /// The next record that is whole.
    pub(crate) fn next(&mut self) -> Option<Found> {
        let mut head = self.bytes.get(..RECORD)?;
        let (at, meta, event) = (head.get_i64(), head.get_u32(), head.get_u32());
        let (meta, event) = (meta as usize, event as usize);
        if self.bytes.len() < RECORD + meta + event {
            return None;
        }
        self.bytes.advance(RECORD);
        let ordinal = self.next;
        // Behind the last of all there is none.
        self.next = self.next.wrapping_add(1);
        Some(Found {
            ordinal,
            at,
            meta: self.bytes.split_to(meta).freeze(),
            event: self.bytes.split_to(event).freeze(),
        })
    }

    /// # Errors
    ///
    /// `Corrupt` if something is left over: the records ended in the middle of one.
    pub(crate) fn end(&self) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(LogError::corrupt(format!(
            "record of ordinal {}",
            self.next
        )))
    }
}
