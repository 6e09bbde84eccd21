//! The first line of a session file: whose it is.

use std::borrow::Cow;

use bus_log::ThreadKey;
use crc32c::crc32c;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "bus-log-file";
const BEFORE_SUM: &str = r#","sum":""#;

const SYNCED: &[u8] = br#","synced":"#;
/// How a first header goes on from there.
const FIRST_END: &[u8] = br#","synced":0,"erased":false,"sum":""#;

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

/// What every version's header says.
#[derive(Deserialize)]
struct Probe<'a> {
    format: Cow<'a, str>,
    version: u32,
}

/// Why a line is not a header that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Form,
    /// It is whole, but of this version.
    Version(u32),
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
    pub(crate) fn parse(line: &[u8]) -> Result<Self, HeaderError> {
        let members = members(line).ok_or(HeaderError::Form)?;
        match serde_json::from_slice(&members) {
            Ok(Probe { format, version }) if format == FORMAT => match version {
                crate::VERSION => Self::parse_members(&members).ok_or(HeaderError::Form),
                other => Err(HeaderError::Version(other)),
            },
            _ => Err(HeaderError::Form),
        }
    }

    fn parse_members(members: &[u8]) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_slice(members).ok()?;
        let tenant = bus_log::TenantId::try_new(wire.tenant).ok()?;
        Some(Self {
            key: ThreadKey::try_new(tenant, wire.thread).ok()?,
            watermark: wire.watermark,
            synced: wire.synced,
            erased: wire.erased,
        })
    }

    /// True if `bytes` may be the beginning of a thread's first header, which is being written. Any other
    /// one is whole before its file has its name.
    pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
        let start = format!(r#"{{"format":"{FORMAT}","#);
        // It stands in no name: there its quotes are escaped.
        let end = memchr::memmem::find(bytes, SYNCED).map_or(&b""[..], |at| &bytes[at..]);
        agree(start.as_bytes(), bytes)
            && agree(FIRST_END, end)
            && bytes.iter().all(|byte| *byte >= b' ')
    }
}

/// The line's members but for its sum, if that holds.
fn members(line: &[u8]) -> Option<Vec<u8>> {
    let (body, tail) = line.split_at_checked(line.len().checked_sub(18)?)?;
    let sum = format!("{BEFORE_SUM}{:08x}\"}}", crc32c(body));
    (tail == sum.as_bytes()).then(|| [body, b"}"].concat())
}

/// True if one of them begins with the other.
fn agree(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests;
