//! What a fuzzer calls: the readers of what may have been damaged, on bytes. No part of the API.
//!
//! Checksums stand in a fuzzer's way. So a line is read from behind its sum on, a search has a true
//! header and a true last line around it, and of segments and searches with an odd first byte all sums
//! are put right. The rest is reached from a corpus of real files. A whole folder is fuzzed through
//! [`FileSystem`](crate::fs::FileSystem).

mod memory;
mod seal;
mod segment;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bus_log::{DateTime, Event, Meta, SessionEvent, TenantId, ThreadKey};

use self::memory::Memory;
pub use self::segment::segment;
use crate::fs::{Disk, DiskFile};
use crate::header::Header;
use crate::layout::ThreadId;
use crate::line::Lines;
use crate::line::{Line, peek_ordinal};
use crate::session_file::{Snapshot, find, visit};

/// At most so many ordinals of a file are looked for.
const LOOKED_FOR: usize = 300;

/// The session that is fuzzed.
fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), "a")
}

/// A line of ordinal 7 from behind its sum on: whatever it is, it is refused, or can be read and
/// survives being written anew.
///
/// # Panics
///
/// If it reads differently then.
pub fn line(rest: &[u8]) {
    let _ = peek_ordinal(rest);
    let Some(line) = Line::parse_rest(7, rest) else {
        return;
    };
    let _ = line.leading_type();
    for read in [line.typed(), line.raw()] {
        let Ok(recorded) = read else { continue };
        let mut lines = Lines::default();
        let pushed = lines.push(1, 1, recorded.at, &recorded.meta, &recorded.event);
        if pushed.is_err() {
            // JSON may break lines between its tokens; ours never does.
            assert!(rest.contains(&b'\n') || rest.len() > bus_log::MAX_EVENT_BYTES);
            continue;
        }
        let id = ThreadId::new(&key());
        lines.stamp(&id, 7);
        let bytes = lines.as_bytes().trim_ascii_end();
        let again = Line::parse(bytes, &id).expect("what was just written is a line");
        let again = match recorded.event {
            Event::Custom(_) => again.raw(),
            _ => again.typed(),
        };
        let again = again.expect("what was read once is read again");
        assert_eq!(again.event, recorded.event);
        assert_eq!(again.meta, recorded.meta);
    }
}

/// A session file: whatever it is, it is refused, or every ordinal that it should have is found, or
/// named as damaged.
///
/// # Panics
///
/// If an ordinal is found where another one stands, if two readings differ, or if something is served
/// that does not stand in the file.
pub fn session_file(bytes: &[u8]) {
    let memory = Memory::default();
    memory.put("session", bytes);
    let disk = Disk::new(Arc::new(memory));
    let Ok(Some(file)) = disk.open(Path::new("session")) else {
        return;
    };
    let Ok(Some(snapshot)) = Snapshot::of(&file, None) else {
        return;
    };
    let bounds = snapshot.bounds();
    for ordinal in (bounds.first..=bounds.last).take(LOOKED_FOR) {
        let found = find(&file, &snapshot, ordinal).ok();
        assert_eq!(found, find(&file, &snapshot, ordinal).ok());
        if let Some(position) = found {
            let line = usize::try_from(position)
                .ok()
                .and_then(|at| bytes.get(at..));
            assert_eq!(line.and_then(peek_ordinal), Some(ordinal));
        }
    }
    let (whole, served) = served(&file, &snapshot, bytes);
    assert_eq!(
        (whole, &served),
        (whole, &self::served(&file, &snapshot, bytes).1)
    );
    assert!(!whole || served.len() as u64 == bounds.readable());
}

/// What the lines behind the search for an ordinal hold: any bytes, between a true header and a true last
/// line, whose ordinal the second byte of `bytes` is. If the first is odd, the lines between have true
/// sums too.
///
/// # Panics
///
/// As [`session_file`].
pub fn session_search(bytes: &[u8]) {
    let Some((&[odd, last], between)) = bytes.split_first_chunk() else {
        return;
    };
    let mut file = Header::first(key(), 0).to_line();
    file.extend_from_slice(between);
    if between.last().is_some_and(|byte| *byte != b'\n') {
        file.push(b'\n');
    }
    if odd & 1 == 1 {
        seal::lines(&mut file);
    }
    file.extend(written(u64::from(last) + 1, "the last"));
    session_file(&file);
}

/// Whether all lines were served, and those that were, with their ordinals.
fn served(file: &DiskFile, snapshot: &Snapshot, within: &[u8]) -> (bool, Vec<(u64, String)>) {
    let mut served = Vec::new();
    let done = visit(file, snapshot, snapshot.header.watermark, |line| {
        let _ = (line.typed(), line.raw());
        let text = line.event_text()?;
        assert!(memchr::memmem::find(within, text.as_bytes()).is_some());
        served.push((line.ordinal, text.to_owned()));
        Ok(ControlFlow::Continue(()))
    });
    let first = snapshot.header.watermark.saturating_add(1);
    assert!(
        (first..=u64::MAX)
            .zip(&served)
            .all(|(n, (ordinal, _))| n == *ordinal)
    );
    (done.is_ok(), served)
}

/// A line of the fuzzed session, always the same.
fn written(ordinal: u64, text: &str) -> Vec<u8> {
    let mut lines = Lines::default();
    let event = Event::from(SessionEvent::TextComplete(text.to_owned()));
    lines
        .push(1, 1, DateTime::UNIX_EPOCH, &Meta::default(), &event)
        .expect("a short text is a line");
    lines.stamp(&ThreadId::new(&key()), ordinal);
    lines.into_bytes()
}

#[cfg(test)]
mod tests;
