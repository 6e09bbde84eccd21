//! One session's part of a group: bytes, and where they belong.

use bus_log::{TenantId, ThreadKey};

/// A positional write into a session file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) key: ThreadKey,
    /// The first ordinal of its lines.
    pub(crate) first: u64,
    /// The last ordinal of its lines.
    pub(crate) last: u64,
    /// Where in the session file the bytes begin; 0 for those of a new file.
    pub(crate) position: u64,
    /// Whole lines; at position 0 the header's first.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Record<'a> {
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

    /// Takes the next record off a payload.
    pub(crate) fn parse(payload: &mut &'a [u8]) -> Option<Self> {
        let first = number(payload)?;
        let last = number(payload)?;
        let position = number(payload)?;
        let tenant = TenantId::try_new(text(payload)?).ok()?;
        let key = ThreadKey::try_new(tenant, text(payload)?).ok()?;
        let bytes = part(payload)?;
        (1 <= first && first <= last).then_some(Self {
            key,
            first,
            last,
            position,
            bytes,
        })
    }
}

fn number(payload: &mut &[u8]) -> Option<u64> {
    let (number, rest) = payload.split_first_chunk()?;
    *payload = rest;
    Some(u64::from_le_bytes(*number))
}

fn part<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(number(payload)?).ok()?;
    let (part, rest) = payload.split_at_checked(len)?;
    *payload = rest;
    Some(part)
}

fn text<'a>(payload: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(part(payload)?).ok()
}
