//! The first line of a session file: whose it is.

use std::borrow::Cow;

use bus_log::ThreadKey;
use crc32c::crc32c;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "bus-log-file";
const BEFORE_SUM: &str = r#","sum":""#;

/// What a session file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key: ThreadKey,
    /// The highest hidden ordinal; the first line after the header has the next one.
    pub(crate) watermark: u64,
    /// Up to this ordinal all was settled when the file was last rewritten; 0 in a file that never was.
    pub(crate) synced: u64,
    pub(crate) erased: bool,
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    format: Cow<'a, str>,
    version: u32,
    tenant: Cow<'a, str>,
    thread: Cow<'a, str>,
    watermark: u64,
    synced: u64,
    erased: bool,
}

impl Header {
    /// The header of a thread's first file.
    pub(crate) const fn first(key: ThreadKey, watermark: u64) -> Self {
        Self {
            key,
            watermark,
            synced: 0,
            erased: false,
        }
    }

    /// The line, with its line break.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let wire = Wire {
            format: FORMAT.into(),
            version: crate::VERSION,
            tenant: self.key.tenant_id().as_str().into(),
            thread: self.key.thread_id().into(),
            watermark: self.watermark,
            synced: self.synced,
            erased: self.erased,
        };
        // A struct of texts and numbers always has a JSON form.
        let mut line = serde_json::to_vec(&wire).unwrap_or_default();
        line.pop();
        let sum = crc32c(&line);
        line.extend_from_slice(format!("{BEFORE_SUM}{sum:08x}\"}}\n").as_bytes());
        line
    }

    /// Reads a line, without its line break.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (body, tail) = line.split_at_checked(line.len().checked_sub(18)?)?;
        if tail != format!("{BEFORE_SUM}{:08x}\"}}", crc32c(body)).as_bytes() {
            return None;
        }
        let wire: Wire<'_> = serde_json::from_slice(&[body, b"}"].concat()).ok()?;
        if wire.format != FORMAT || wire.version != crate::VERSION {
            return None;
        }
        let tenant = bus_log::TenantId::try_new(wire.tenant).ok()?;
        Some(Self {
            key: ThreadKey::try_new(tenant, wire.thread).ok()?,
            watermark: wire.watermark,
            synced: wire.synced,
            erased: wire.erased,
        })
    }

    /// True if `bytes` may be the beginning of a header that is being written.
    pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
        let start = format!(r#"{{"format":"{FORMAT}","#);
        let common = start.len().min(bytes.len());
        start.as_bytes()[..common] == bytes[..common] && bytes.iter().all(|byte| *byte >= b' ')
    }
}

#[cfg(test)]
mod tests;
