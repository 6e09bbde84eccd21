//! Lines whose events a log did not take that takes nothing any more.

use std::io;

use anyhow::Error;
use bus_log::NotDurable;

/// Lines in a row, and why: one complaint for all.
pub(super) struct Lost {
    first: u64,
    last: u64,
    lines: u64,
    /// Of some of them nobody knows.
    in_doubt: bool,
    error: io::Error,
}

impl Lost {
    /// The first one.
    pub(super) fn new(line: u64, error: io::Error) -> Self {
        Self {
            first: line,
            last: line,
            lines: 1,
            in_doubt: may_be_written(&error),
            error,
        }
    }

    /// One behind it.
    pub(super) fn add(&mut self, line: u64, error: io::Error) {
        self.last = line;
        self.lines += 1;
        if !self.in_doubt && may_be_written(&error) {
            self.in_doubt = true;
            self.error = error;
        }
    }

    /// All of them, with the cause of the first, or of the first that is in doubt.
    pub(super) fn into_error(self) -> Error {
        let (first, last) = (self.first, self.last);
        let which = match self.lines {
            1 => format!("line {first}"),
            n => format!("{n} events of lines {first} to {last}"),
        };
        let what = match (self.in_doubt, self.lines) {
            (true, _) => "may not be on disk",
            (false, 1) => "was not written",
            (false, _) => "were not written",
        };
        let context = format!("{which} {what}; the log takes no more, and recording ended there");
        Error::new(self.error).context(context)
    }
}

/// False if an event that failed so is not in the log and will not be.
pub(super) fn may_be_written(error: &io::Error) -> bool {
    let own = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<NotDurable>());
    own.is_none_or(NotDurable::may_be_written)
}
