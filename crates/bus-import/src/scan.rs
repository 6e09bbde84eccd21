//! Records out of bytes: one JSON object at a time, whatever the damage between them.
//!
//! What comes out depends on the bytes read so far and on nothing else, not even on whether the file
//! ends there: that is what makes an import prefix-stable. So an object counts as soon as its last
//! brace has been read, with or without a line break after it; and what follows a torn record on its
//! line is looked at once the line has ended, because only then is it clear what it is.

mod recover;

use std::collections::VecDeque;
use std::io::{self, BufRead};

use serde_json::value::RawValue;

/// The largest record that is read, in bytes. A longer one counts as a damaged line.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// One thing found in a transcript.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A complete JSON object, without white space around it.
    Record {
        /// 1-based number of its line.
        line: u64,
        /// The object.
        text: String,
    },
    /// A line has ended from which bytes are lost.
    Damaged {
        /// 1-based number of the line.
        line: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between objects: nothing is kept.
    Between,
    /// Inside an object that begins the buffer.
    Object {
        depth: usize,
        in_string: bool,
        escaped: bool,
    },
    /// After damage: all is kept until the line ends.
    Damaged,
    /// After more than fits: nothing is kept until the line ends.
    Discard,
}

/// What has happened to a line so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    None,
    /// Bytes are lost, and none of them belong to what follows: zeros, or invalid UTF-8 in a record.
    Lost,
    /// What follows can be a part of what was lost.
    Torn,
}

const OBJECT: State = State::Object {
    depth: 0,
    in_string: false,
    escaped: false,
};

/// Says whether an object found after damage is a record and not a part of one.
type IsRecord = fn(&str) -> bool;

#[derive(Debug)]
pub(crate) struct Scanner<R> {
    reader: R,
    is_record: IsRecord,
    limit: usize,
    buffer: Vec<u8>,
    state: State,
    damage: Damage,
    line: u64,
    bytes: u64,
    ready: VecDeque<Piece>,
}

impl<R: BufRead> Scanner<R> {
    pub(crate) fn new(reader: R, is_record: IsRecord) -> Self {
        Self {
            reader,
            is_record,
            limit: MAX_RECORD_BYTES,
            buffer: Vec::new(),
            state: State::Between,
            damage: Damage::None,
            line: 1,
            bytes: 0,
            ready: VecDeque::new(),
        }
    }

    pub(crate) fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Bytes read.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True if no bytes are lost from the line that is being read.
    pub(crate) fn is_undamaged(&self) -> bool {
        self.damage == Damage::None
    }

    /// The next piece; `None` at the end of what is written.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let chunk = match self.reader.fill_buf() {
                Ok([]) => return Ok(None),
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // The chunk borrows the reader, so the rest of `self` is handed over piece by piece.
            let mut feed = Feed {
                is_record: self.is_record,
                limit: self.limit,
                buffer: &mut self.buffer,
                state: &mut self.state,
                damage: &mut self.damage,
                line: &mut self.line,
                first: self.bytes == 0,
                ready: &mut self.ready,
            };
            let used = feed.feed(chunk);
            self.reader.consume(used);
            self.bytes += used as u64;
        }
    }
}

struct Feed<'a> {
    is_record: IsRecord,
    limit: usize,
    buffer: &'a mut Vec<u8>,
    state: &'a mut State,
    damage: &'a mut Damage,
    line: &'a mut u64,
    first: bool,
    ready: &'a mut VecDeque<Piece>,
}

impl Feed<'_> {
    /// Takes bytes until a piece is ready or the chunk is used up; returns how many.
    fn feed(&mut self, chunk: &[u8]) -> usize {
        let mut at = 0;
        if self.first && chunk.starts_with(b"\xef\xbb\xbf") {
            at = 3;
        }
        while at < chunk.len() && self.ready.is_empty() {
            at += match *self.state {
                State::Between => self.between(chunk[at]),
                State::Object { .. } => self.object(&chunk[at..]),
                State::Damaged => self.until_line_end(&chunk[at..], true),
                State::Discard => self.until_line_end(&chunk[at..], false),
            };
        }
        at
    }

    fn between(&mut self, byte: u8) -> usize {
        match byte {
            b'\n' => self.end_line(),
            b' ' | b'\t' | b'\r' => {}
            b'{' => {
                // The brace itself is read in the next state.
                *self.state = match self.damage {
                    Damage::Torn => State::Damaged,
                    Damage::None | Damage::Lost => OBJECT,
                };
                return 0;
            }
            0 => self.hurt(Damage::Lost),
            _ => self.hurt(Damage::Torn),
        }
        1
    }

    fn object(&mut self, chunk: &[u8]) -> usize {
        let (used, end) = scan_object(self.state, chunk);
        if !self.keep(&chunk[..used]) {
            return used;
        }
        match end {
            End::Open => {}
            End::LineBreak => {
                self.hurt(Damage::Torn);
                // The line break itself is read in the next state.
                *self.state = State::Damaged;
            }
            End::Closed => match self.take_record() {
                Some(text) => {
                    let line = *self.line;
                    self.ready.push_back(Piece::Record { line, text });
                    *self.state = State::Between;
                }
                None => {
                    self.hurt(Damage::Torn);
                    *self.state = State::Damaged;
                }
            },
        }
        used
    }

    /// The buffer as a record, if it is JSON.
    fn take_record(&mut self) -> Option<String> {
        let (text, lossy) = match String::from_utf8(std::mem::take(self.buffer)) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        if serde_json::from_str::<&RawValue>(&text).is_ok() {
            if lossy {
                self.hurt(Damage::Lost);
            }
            Some(text)
        } else {
            *self.buffer = text.into_bytes();
            None
        }
    }

    fn until_line_end(&mut self, chunk: &[u8], keep: bool) -> usize {
        let line_break = memchr::memchr(b'\n', chunk);
        let used = line_break.unwrap_or(chunk.len());
        if keep && !self.keep(&chunk[..used]) {
            return used;
        }
        if line_break.is_none() {
            return used;
        }
        if keep {
            let region = std::mem::take(self.buffer);
            recover::records(&region, self.is_record, |text| {
                let line = *self.line;
                self.ready.push_back(Piece::Record { line, text });
            });
        }
        self.end_line();
        used + 1
    }

    /// Adds to the buffer; `false` if that is more than fits and the rest of the line is given up.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        if self.buffer.len() + bytes.len() > self.limit {
            *self.buffer = Vec::new();
            self.hurt(Damage::Torn);
            *self.state = State::Discard;
            return false;
        }
        self.buffer.extend_from_slice(bytes);
        true
    }

    fn hurt(&mut self, damage: Damage) {
        *self.damage = damage.max(*self.damage);
    }

    fn end_line(&mut self) {
        if std::mem::replace(self.damage, Damage::None) != Damage::None {
            self.ready.push_back(Piece::Damaged { line: *self.line });
        }
        *self.line += 1;
        *self.state = State::Between;
    }
}

enum End {
    Open,
    Closed,
    LineBreak,
}

/// Finds the end of the object that `state` is in: after its last brace, or before a line break.
fn scan_object(state: &mut State, chunk: &[u8]) -> (usize, End) {
    let State::Object {
        depth,
        in_string,
        escaped,
    } = state
    else {
        return (0, End::Open);
    };
    let mut at = 0;
    while at < chunk.len() {
        if *escaped && chunk[at] != b'\n' {
            *escaped = false;
            at += 1;
            continue;
        }
        if *in_string {
            let Some(next) = memchr::memchr3(b'"', b'\\', b'\n', &chunk[at..]) else {
                return (chunk.len(), End::Open);
            };
            at += next;
        }
        match chunk[at] {
            b'\n' => return (at, End::LineBreak),
            b'"' => *in_string = !*in_string,
            b'\\' if *in_string => *escaped = true,
            b'{' if !*in_string => *depth += 1,
            b'}' if !*in_string => {
                *depth -= 1;
                if *depth == 0 {
                    return (at + 1, End::Closed);
                }
            }
            _ => {}
        }
        at += 1;
    }
    (at, End::Open)
}

#[cfg(test)]
mod tests;
