//! A word with the server, without a driver.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long it may take over a word.
const SOON: Duration = Duration::from_secs(1);

/// What it says first.
pub(super) fn greeting(at: SocketAddr) -> io::Result<String> {
    let mut greeting = String::new();
    connect(at)?.read_line(&mut greeting)?;
    Ok(greeting)
}

/// Asks it, and returns the answer's text.
pub(super) fn ask(at: SocketAddr, subject: &str) -> io::Result<String> {
    let mut server = connect(at)?;
    server.read_line(&mut String::new())?;
    let words =
        format!("CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer 0\r\n\r\n");
    server.get_mut().write_all(words.as_bytes())?;
    loop {
        let mut line = String::new();
        if server.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.starts_with("MSG") {
            let size = line.split_whitespace().last().unwrap_or_default();
            let size: u64 = size.parse().map_err(io::Error::other)?;
            let mut answer = String::new();
            server.take(size).read_to_string(&mut answer)?;
            return Ok(answer);
        }
    }
}

fn connect(at: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&at, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    Ok(BufReader::new(stream))
}
