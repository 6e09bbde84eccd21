//! What the program writes, and how.

pub(crate) mod diagnostics;
pub(crate) mod json;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod timeline;

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;

use style::Styles;

/// Columns where the output is no terminal.
const PLAIN_WIDTH: usize = 120;

/// Standard output, or what stands for it in a test.
pub(crate) struct Out {
    writer: Box<dyn Write>,
    json: bool,
    pub(crate) styles: Styles,
    /// Columns of a line.
    pub(crate) width: usize,
    /// True if a person looks at it as it is written.
    pub(crate) live: bool,
}

impl Out {
    /// Standard output, with colours where it is a terminal that wants them.
    pub(crate) fn stdout(json: bool) -> Self {
        let stdout = io::stdout();
        let live = stdout.is_terminal();
        Self {
            styles: Styles::of(&stdout),
            width: if live { columns() } else { PLAIN_WIDTH },
            live,
            json,
            writer: Box::new(BufWriter::with_capacity(1 << 16, stdout)),
        }
    }

    /// Plain output into `writer`.
    #[cfg(test)]
    pub(crate) fn plain(writer: impl Write + 'static, json: bool) -> Self {
        Self {
            styles: Styles::plain(),
            width: PLAIN_WIDTH,
            live: false,
            json,
            writer: Box::new(writer),
        }
    }

    /// True if programs read it.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line for people.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> anyhow::Result<()> {
        writeln!(self.writer, "{line}").map_err(closed)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.writer, value).map_err(|error| closed(error.into()))?;
        self.writer.write_all(b"\n").map_err(closed)
    }

    /// Hands on what was written so far.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.writer.flush().map_err(closed)
    }
}

/// Columns of the terminal; 0 columns, which some report, are taken as not known.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    match size.map(|size| usize::from(size.ws_col)) {
        Ok(0) | Err(_) => PLAIN_WIDTH,
        Ok(columns) => columns,
    }
}

/// Nobody reads the output any more.
#[derive(Debug)]
struct ClosedPipe;

impl fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for ClosedPipe {}

/// Tells a closed pipe of our output from every other error, such as a sink's broken pipe.
pub(crate) fn closed(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ClosedPipe.into(),
        _ => anyhow::Error::new(error).context("can't write the output"),
    }
}

/// True if the program was ended by its reader, which is no failure.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.is::<ClosedPipe>()
}

/// Ends when nobody reads standard output any more, which a program that writes nothing for long
/// would not notice.
pub(crate) async fn reader_gone() -> anyhow::Error {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    /// How often to look.
    const EVERY: std::time::Duration = std::time::Duration::from_millis(500);
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        let stdout = rustix::stdio::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        // The system tells of errors and hang-ups unasked.
        if poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0) {
            return ClosedPipe.into();
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
pub(crate) mod tests;
