//! A word with the server, without a driver.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::{PASSWORD, Redis};

/// How long it may take to say that it is there.
const SOON: Duration = Duration::from_secs(2);

impl Redis {
    /// Whether it takes calls, and has its data.
    pub(super) fn is_ready(&self) -> bool {
        self.ask("PING")
            .is_ok_and(|answer| answer.starts_with("+PONG"))
    }

    /// The first line of the answer.
    pub(super) fn ask(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port()))?;
        stream.set_read_timeout(Some(SOON))?;
        write!(stream, "AUTH {PASSWORD}\r\n{command}\r\n")?;
        let mut lines = BufReader::new(stream).lines();
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        lines.next().ok_or_else(ended)??;
        lines.next().ok_or_else(ended)?
    }
}
