//! Lines of the input, on a thread of their own.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, bail};
use tokio::sync::mpsc;

/// The longest line. An event of [`bus_log::MAX_EVENT_BYTES`] fits, also with every character spelt
/// as an escape of six.
const LONGEST: usize = 100 << 20;

/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// A line that is not blank.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its text, or why it can't be one.
    pub(super) text: anyhow::Result<String>,
}

/// Reads lines until the end of the input, as they come: a batch holds those that are there without
/// waiting for more.
///
/// The thread is left alone in the end: nothing wakes it from waiting for input.
pub(super) fn read(input: impl Read + Send + 'static) -> mpsc::Receiver<Vec<Line>> {
    let (batches, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut lines = Lines {
            input: BufReader::with_capacity(BUFFER, input),
            number: 0,
        };
        loop {
            let (batch, more) = lines.batch();
            if (!batch.is_empty() && batches.blocking_send(batch).is_err()) || !more {
                return;
            }
        }
    });
    receiver
}

struct Lines<R> {
    input: BufReader<R>,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// The next line and those behind it that were read with it; false if there are no more.
    fn batch(&mut self) -> (Vec<Line>, bool) {
        let mut batch = Vec::new();
        loop {
            let more = match self.line() {
                Ok(None) => false,
                Ok(Some(text)) => {
                    if !text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty()) {
                        let number = self.number;
                        batch.push(Line { number, text });
                    }
                    true
                }
                Err(error) => {
                    let number = self.number;
                    let text = Err(error).context("can't read the rest of the input");
                    batch.push(Line { number, text });
                    false
                }
            };
            if !more || !self.input.buffer().contains(&b'\n') {
                return (batch, more);
            }
        }
    }

    /// The next line. One that is too long is passed over without being held.
    fn line(&mut self) -> std::io::Result<Option<anyhow::Result<String>>> {
        self.number += 1;
        let mut bytes = Vec::new();
        let limit = LONGEST as u64 + 1;
        let read = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if bytes.len() > LONGEST && bytes.last() != Some(&b'\n') {
            self.input.skip_until(b'\n')?;
            return Ok(Some(too_long()));
        }
        Ok(Some(String::from_utf8(bytes).context("not UTF-8")))
    }
}

fn too_long() -> anyhow::Result<String> {
    bail!("longer than {LONGEST} bytes")
}

#[cfg(test)]
mod tests;
