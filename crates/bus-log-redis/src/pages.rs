//! Events as the pages that are stored, and back.
//!
//! A page is one element of the thread's stream: some events of one batch, one after the other. The server does
//! the same work for it whether it holds one event or hundreds, which is what makes a batch cheap; and it is text, for whoever
//! looks with `redis-cli`: `MICROSECONDS META_BYTES EVENT_BYTES ` before each event, a newline after it.

use std::io::Write;
use std::ops::Range;

use bus_log::{LogError, PAGE_BYTES, Page, Recorded, Result};
use bus_remote::{Batch, Reading, Stored};

/// A page takes no more events when it has reached so many bytes: whoever wants one event gets its whole page.
const FULL: usize = 64 << 10;

/// Some events of one batch.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) events: usize,
    pub(crate) text: Vec<u8>,
}

/// The batch as pages.
pub(crate) fn pack(batch: &Batch) -> Vec<Packed> {
    let events = batch.events();
    let mut pages: Vec<Packed> = Vec::new();
    for ((event, meta), at) in events.iter().zip(batch.metas()).zip(batch.times()) {
        let meta = meta.as_deref().unwrap_or_default();
        let bytes = event.len() + meta.len() + 48;
        let is_full = |page: &Packed| !page.text.is_empty() && page.text.len() + bytes > FULL;
        if pages.last().is_none_or(is_full) {
            let room = bytes.max(FULL.min(batch.bytes() + 48 * batch.len()));
            pages.push(Packed {
                events: 0,
                text: Vec::with_capacity(room),
            });
        }
        if let Some(page) = pages.last_mut() {
            // Writing to memory can't fail.
            let _ = write!(page.text, "{at} {} {} ", meta.len(), event.len());
            page.text.extend_from_slice(meta);
            page.text.extend_from_slice(event);
            page.text.push(b'\n');
            page.events += 1;
        }
    }
    pages
}

/// A stored page, and which ordinals it is said to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) text: &'a [u8],
}

/// What a thread's pages are read for.
pub(crate) struct Wanted {
    /// The first ordinal.
    pub(crate) from: u64,
    /// The thread's last ordinal.
    pub(crate) last: u64,
    /// The most events.
    pub(crate) limit: usize,
}

/// The page that is asked for, from stored ones.
///
/// # Errors
///
/// `Corrupt`, naming the ordinal, if what is stored is not what was written, or has a gap.
pub(crate) fn unpack(stored: &[Stretch<'_>], wanted: &Wanted, reading: Reading) -> Result<Page> {
    let mut events: Vec<Recorded> = Vec::new();
    let (mut next, mut bytes) = (wanted.from, 0);
    for Stretch { first, count, text } in stored {
        // The first stored page may begin before what is wanted.
        let mut ordinal = *first;
        if next > wanted.last {
            break;
        }
        if ordinal > next {
            return Err(missing(next));
        }
        for event in Events(text, 0..text.len()) {
            let event = event.ok_or_else(|| damaged(ordinal))?;
            if ordinal == next && ordinal <= wanted.last {
                if events.len() >= wanted.limit || bytes >= PAGE_BYTES {
                    return Ok(Page::new(events, true));
                }
                bytes += event.event.len() + event.meta.map_or(0, <[u8]>::len);
                events.push(Stored { ordinal, ..event }.read(reading)?);
                next += 1;
            }
            ordinal += 1;
        }
        if ordinal != first + count {
            return Err(damaged(ordinal));
        }
    }
    if events.is_empty() && wanted.from <= wanted.last {
        return Err(missing(wanted.from));
    }
    Ok(Page::new(events, next <= wanted.last))
}

fn damaged(ordinal: u64) -> LogError {
    LogError::corrupt(format!("stored page at ordinal {ordinal}"))
}

fn missing(ordinal: u64) -> LogError {
    LogError::corrupt(format!(
        "ordinal {ordinal} is gone though nobody archived it: evicted, or deleted by hand"
    ))
}

/// The events of one stored page, without their ordinals; `None` where it is damaged, and no more then.
struct Events<'a>(&'a [u8], Range<usize>);

impl<'a> Iterator for Events<'a> {
    type Item = Option<Stored<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.1.is_empty() {
            return None;
        }
        let event = self.event();
        if event.is_none() {
            self.1.start = self.1.end;
        }
        Some(event)
    }
}

impl<'a> Events<'a> {
    fn event(&mut self) -> Option<Stored<'a>> {
        let at = self.number()?;
        let meta = usize::try_from(self.number()?).ok()?;
        let event = usize::try_from(self.number()?).ok()?;
        let meta = self.take(meta)?;
        let event = self.take(event)?;
        (self.take(1)? == b"\n").then_some(Stored {
            ordinal: 0,
            at,
            meta: (!meta.is_empty()).then_some(meta),
            event,
        })
    }

    /// A number and the space after it.
    fn number(&mut self) -> Option<i64> {
        let rest = self.0.get(self.1.clone())?;
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        self.1.start += end + 1;
        Some(number)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.1.start.checked_add(count)?;
        let taken = self.0.get(self.1.start..end)?;
        self.1.start = end;
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
