//! Messages as bytes. All numbers are big-endian.
//!
//! ```text
//! "BUS" 1 │ kind │ flags │ id 16 │ base │ a 8 │ b 8 │ c 8 │ body
//! base:    seq 8 │ id 16 │ last 8 │ watermark 8 │ at 8 │ chunked 8 │ flags
//! append:  a first ordinal │ b count │ c time of the last event; body: records, or where the chunks are
//! hide:    a watermark; no body
//! record:  time 8 │ bytes of meta 4 │ bytes of event 4 │ meta │ event
//! chunks:  count 4 │ { seq 8 │ first record that begins in it 4 │ where 4 }…
//! chunk:   "BUC" 1 │ id 16 │ part 4 │ bytes
//! ```

mod chunks;
mod records;

use bus_log::{LogError, Result};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::fold::State;
pub(crate) use chunks::{CHUNK_HEAD, Chunk, chunk, is_part_of, part_of};
pub(crate) use records::{Found, RECORD, Records, put, size};

const MAGIC: &[u8; 3] = b"BUS";
const VERSION: u8 = 1;

/// Bytes before the body.
pub(crate) const HEAD: usize = 4 + 2 + 16 + 57 + 24;

const APPEND: u8 = 1;
const HIDE: u8 = 2;

const START: u8 = 1;
const CHUNKED: u8 = 2;
const ERASE: u8 = 4;

/// Who a message is: the same on every try of one change.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) [u8; 16]);

impl Id {
    pub(crate) fn new() -> Self {
        Self(random())
    }
}

/// Bytes that nobody draws twice: the system's, for what a process draws by itself is the same in all copies of a machine
/// that was stopped and copied.
pub(crate) fn random() -> [u8; 16] {
    // A UUID has a few bits that are always the same.
    (Uuid::new_v4().as_u128() ^ fastrand::u128(..)).to_be_bytes()
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A message without its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: Id,
    pub(crate) base: State,
    pub(crate) change: Change,
}

/// What a message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Append(Append),
    /// Hides ordinals up to the watermark.
    Hide {
        watermark: u64,
        erase: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Append {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) at: i64,
    /// The thread begins here: what would lie before counts as archived.
    pub(crate) start: bool,
    /// The events stand in chunks, and the body says where.
    pub(crate) chunked: bool,
}

/// A message that begins with its head; the body is put behind it.
pub(crate) fn message(head: &Head, body: usize) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(HEAD + body);
    bytes.put_slice(MAGIC);
    bytes.put_u8(VERSION);
    let (kind, flags, [a, b, c]) = match head.change {
        Change::Append(append) => {
            let start = if append.start { START } else { 0 };
            let chunked = if append.chunked { CHUNKED } else { 0 };
            let numbers = [
                append.first,
                u64::from(append.count),
                append.at.cast_unsigned(),
            ];
            (APPEND, start | chunked, numbers)
        }
        Change::Hide { watermark, erase } => {
            (HIDE, if erase { ERASE } else { 0 }, [watermark, 0, 0])
        }
    };
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_slice(&head.id.0);
    let base = &head.base;
    bytes.put_u64(base.seq);
    bytes.put_slice(&base.id.0);
    bytes.put_u64(base.last);
    bytes.put_u64(base.watermark);
    bytes.put_i64(base.at);
    bytes.put_u64(base.chunked);
    bytes.put_u8(u8::from(base.erased));
    [a, b, c]
        .into_iter()
        .for_each(|number| bytes.put_u64(number));
    bytes
}

/// The head and the body of a message. `None` if it is nobody's of ours: then it is void like one that came too late.
///
/// # Errors
///
/// `Unsupported` if a newer program wrote it; `Corrupt` if it ends too early or says what no version says.
pub(crate) fn parse(mut bytes: Bytes) -> Result<Option<(Head, Bytes)>> {
    if bytes.len() < 4 || &bytes[..3] != MAGIC {
        return Ok(None);
    }
    if bytes[3] != VERSION {
        return Err(LogError::unsupported(format!(
            "message of version {}, known is {VERSION}",
            bytes[3]
        )));
    }
    if bytes.len() < HEAD {
        return Err(LogError::corrupt(format!(
            "message of {} bytes",
            bytes.len()
        )));
    }
    bytes.advance(4);
    let (kind, flags, id) = (bytes.get_u8(), bytes.get_u8(), id(&mut bytes));
    let base = State {
        seq: bytes.get_u64(),
        id: self::id(&mut bytes),
        last: bytes.get_u64(),
        watermark: bytes.get_u64(),
        at: bytes.get_i64(),
        chunked: bytes.get_u64(),
        erased: bytes.get_u8() != 0,
    };
    let [a, b, c] = [bytes.get_u64(), bytes.get_u64(), bytes.get_u64()];
    let change = match (kind, u32::try_from(b)) {
        (APPEND, Ok(count)) => Change::Append(Append {
            first: a,
            count,
            at: c.cast_signed(),
            start: flags & START != 0,
            chunked: flags & CHUNKED != 0,
        }),
        (HIDE, _) => Change::Hide {
            watermark: a,
            erase: flags & ERASE != 0,
        },
        _ => return Err(LogError::corrupt(format!("message of kind {kind}"))),
    };
    Ok(Some((Head { id, base, change }, bytes)))
}

fn id(bytes: &mut Bytes) -> Id {
    let mut id = Id::default();
    bytes.copy_to_slice(&mut id.0);
    id
}

#[cfg(test)]
mod tests;
