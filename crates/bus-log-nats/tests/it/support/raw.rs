//! The protocol beside the log, as an operator's tools speak it.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection of the test's own.
pub(crate) struct Raw(RefCell<BufReader<TcpStream>>);

impl Raw {
    pub(crate) fn connect(url: &str) -> Self {
        let stream = TcpStream::connect(super::address(url)).unwrap();
        // On a machine that is busy a server takes long to answer.
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream);
        reader.read_line(&mut String::new()).unwrap();
        let hello = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB answer 1\r\n";
        reader.get_mut().write_all(hello.as_bytes()).unwrap();
        Self(RefCell::new(reader))
    }

    /// Asks JetStream, and returns what it answers.
    pub(crate) fn call(&self, what: &str, question: &str) -> String {
        self.publish(&format!("$JS.API.{what}"), question.as_bytes())
    }

    /// The same of servers that may have no leader just now, and then say nothing: `None` if there is no answer so soon.
    pub(crate) fn try_call(self, what: &str, question: &str, limit: Duration) -> Option<String> {
        let stream = self.0.borrow().get_ref().set_read_timeout(Some(limit));
        stream.unwrap();
        self.ask(&format!("$JS.API.{what}"), question.as_bytes())
            .ok()
    }

    /// Publishes a message, and returns the answer to it.
    pub(crate) fn publish(&self, subject: &str, payload: &[u8]) -> String {
        self.ask(subject, payload).unwrap()
    }

    fn ask(&self, subject: &str, payload: &[u8]) -> io::Result<String> {
        let mut reader = self.0.borrow_mut();
        let line = format!("PUB {subject} answer {}\r\n", payload.len());
        let message = [line.as_bytes(), payload, b"\r\n"].concat();
        reader.get_mut().write_all(&message)?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::Error::other("connection closed"));
            }
            if line.starts_with("PING") {
                reader.get_mut().write_all(b"PONG\r\n")?;
            } else if line.starts_with("MSG") || line.starts_with("HMSG") {
                let size: usize = line.split_whitespace().last().unwrap().parse().unwrap();
                let mut answer = vec![0; size + 2];
                reader.read_exact(&mut answer)?;
                return Ok(String::from_utf8_lossy(&answer[..size]).into_owned());
            }
        }
    }
}
