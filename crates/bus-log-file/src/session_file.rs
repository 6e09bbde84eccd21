//! Session files, read without a lock while others may write them.

mod lines;
mod page;
mod search;
mod snapshot;

use std::fmt::Display;

use bus_log::{LogError, Result};

pub(crate) use lines::LineReader;
pub(crate) use page::{read_all, read_page, visit};
pub(crate) use search::{check_line, find, last_at_most, verify};
pub(crate) use snapshot::{Snapshot, check_key, read_header};

use crate::fs::DiskFile;

/// What is wrong with a line, as an error that names the place. Lines are counted only now.
pub(crate) fn damage(file: &DiskFile, position: u64, ordinal: u64, what: impl Display) -> LogError {
    let line = match line_number(file, position) {
        Ok(line) => line,
        Err(error) => return error.into(),
    };
    LogError::corrupt(format!(
        "{}: line {line}, ordinal {ordinal}: {what}",
        file.path().display()
    ))
}

/// The 1-based number of the line that starts at `position`.
fn line_number(file: &DiskFile, position: u64) -> crate::fs::Result<u64> {
    let mut line = 1;
    let mut at = 0;
    while at < position {
        let chunk = file.range(at, position.min(at + (1 << 20)))?;
        if chunk.is_empty() {
            break;
        }
        line += memchr::memchr_iter(b'\n', &chunk).count() as u64;
        at += chunk.len() as u64;
    }
    Ok(line)
}

/// Runs a read again that found damage: a writer that repairs a torn end under a reader can look like
/// it. Real damage is still there.
pub(crate) fn stable<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..3 {
        match read() {
            Err(error) if error.kind() == bus_log::LogErrorKind::Corrupt => {
                std::thread::yield_now();
            }
            done => return done,
        }
    }
    read()
}

#[cfg(test)]
mod tests;
