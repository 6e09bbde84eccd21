//! One session's part of a group: bytes, and where they belong.

use bus_log::{TenantId, ThreadKey};

/// A positional write into a session file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) key: &'a ThreadKey,
    /// The first ordinal of its lines.
    pub(crate) first: u64,
    /// The last ordinal of its lines.
    pub(crate) last: u64,
    /// Where in the session file the bytes begin; 0 for those of a new file.
    pub(crate) position: u64,
    /// Whole lines; at position 0 the header's first.
    pub(crate) bytes: &'a [u8],
}

impl Record<'_> {
    /// Adds the record to a frame's payload.
    pub(crate) fn write(&self, payload: &mut Vec<u8>) {
        for number in [self.first, self.last, self.position] {
            payload.extend_from_slice(&number.to_le_bytes());
        }
        let tenant = self.key.tenant_id().as_str().as_bytes();
        for part in [tenant, self.key.thread_id().as_bytes(), self.bytes] {
            payload.extend_from_slice(&(part.len() as u64).to_le_bytes());
            payload.extend_from_slice(part);
        }
    }
}

/// The key in the form in which a record holds it.
pub(crate) fn encode_key(key: &ThreadKey) -> Vec<u8> {
    let parts = [key.tenant_id().as_str(), key.thread_id()];
    let mut encoded = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        encoded.extend_from_slice(&(part.len() as u64).to_le_bytes());
        encoded.extend_from_slice(part.as_bytes());
    }
    encoded
}

/// The key of a form that [`encode_key`] gave.
pub(crate) fn decode_key(mut encoded: &[u8]) -> Option<ThreadKey> {
    let tenant = TenantId::try_new(text(&mut encoded)?).ok()?;
    let key = ThreadKey::try_new(tenant, text(&mut encoded)?).ok()?;
    encoded.is_empty().then_some(key)
}

fn text<'a>(encoded: &mut &'a [u8]) -> Option<&'a str> {
    let (len, rest) = encoded.split_first_chunk()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    let (text, rest) = rest.split_at_checked(len)?;
    *encoded = rest;
    std::str::from_utf8(text).ok()
}
