//! One connection through the proxy, and its two ways.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Shared, Way};

/// How long between two looks at whether what is held may go.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A client's connection and the one to the server.
#[derive(Debug)]
pub(super) struct Link {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    holds_to_server: AtomicBool,
    holds_to_client: AtomicBool,
    cut: AtomicBool,
}

impl Link {
    pub(super) fn new(number: u64, client: TcpStream, server: TcpStream) -> io::Result<Self> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        Ok(Self {
            number,
            client,
            server,
            holds_to_server: AtomicBool::new(false),
            holds_to_client: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        })
    }

    /// Breaks it both ways. What is held is lost.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.server] {
            // It may be broken already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    pub(super) fn hold(&self, way: Way) {
        self.held(way).store(true, Ordering::SeqCst);
    }

    pub(super) fn release(&self) {
        for way in [Way::ToServer, Way::ToClient] {
            self.held(way).store(false, Ordering::SeqCst);
        }
    }

    fn held(&self, way: Way) -> &AtomicBool {
        match way {
            Way::ToServer => &self.holds_to_server,
            Way::ToClient => &self.holds_to_client,
        }
    }
}

/// One way of a connection.
pub(super) struct Pipe {
    link: Arc<Link>,
    way: Way,
    from: TcpStream,
    to: TcpStream,
}

impl Pipe {
    pub(super) fn new(link: &Arc<Link>, way: Way) -> io::Result<Self> {
        let (from, to) = match way {
            Way::ToServer => (&link.client, &link.server),
            Way::ToClient => (&link.server, &link.client),
        };
        Ok(Self {
            link: Arc::clone(link),
            way,
            from: from.try_clone()?,
            to: to.try_clone()?,
        })
    }

    /// Passes bytes on until one side ends or the connection is cut.
    pub(super) fn run(mut self, shared: &Shared) {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(count) = self.from.read(&mut bytes) {
            while self.link.held(self.way).load(Ordering::SeqCst) && !self.link.is_cut() {
                thread::park_timeout(LOOK_AGAIN);
            }
            if count == 0 {
                break;
            }
            let (allowed, cut) = shared.allow(self.link.number, self.way, count);
            let passed = self.to.write_all(&bytes[..allowed]);
            if cut {
                self.link.cut();
            }
            if cut || passed.is_err() {
                return;
            }
        }
        // The other way may go on: what it holds is still to arrive.
        let _ = self.to.shutdown(Shutdown::Write);
    }
}
