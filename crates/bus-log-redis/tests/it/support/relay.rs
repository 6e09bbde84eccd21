//! A way to a server on which answers wait: from a certain question on, or each a little.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes bytes on. Once a connection has asked what it is to look out for, no answer comes back on that connection until
/// it is released; the questions arrive.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    word: Mutex<Option<Vec<u8>>>,
    has_held: AtomicBool,
    /// How long each answer takes.
    slowness: Duration,
}

impl Relay {
    pub(crate) fn to(port: u16) -> Self {
        Self::slow(port, Duration::ZERO)
    }

    /// With answers that take so much longer.
    pub(crate) fn slow(port: u16, slowness: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            slowness,
            ..Shared::default()
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for client in listener.incoming() {
                    let (Ok(client), Ok(server)) =
                        (client, TcpStream::connect(("127.0.0.1", port)))
                    else {
                        continue;
                    };
                    shared.pass(&client, &server);
                }
            }
        });
        Self { port: own, shared }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub(crate) fn hold_answers_from(&self, word: &str) {
        *self.shared.word.lock().unwrap() = Some(word.into());
    }

    /// Whether it was asked.
    pub(crate) fn has_held(&self) -> bool {
        self.shared.has_held.load(Ordering::SeqCst)
    }

    pub(crate) fn release(&self) {
        *self.shared.word.lock().unwrap() = None;
    }
}

impl Shared {
    fn pass(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        for stream in [client, server] {
            stream.set_nodelay(true).unwrap();
        }
        let held = Arc::new(AtomicBool::new(false));
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (shared, holds) = (Arc::clone(self), Arc::clone(&held));
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let asks =
                    |word: &Vec<u8>| bytes[..count].windows(word.len()).any(|part| part == word);
                if shared.word.lock().unwrap().as_ref().is_some_and(asks) {
                    holds.store(true, Ordering::SeqCst);
                    shared.has_held.store(true, Ordering::SeqCst);
                }
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let shared = Arc::clone(self);
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                while held.load(Ordering::SeqCst) && shared.word.lock().unwrap().is_some() {
                    thread::park_timeout(Duration::from_millis(1));
                }
                if !shared.slowness.is_zero() {
                    thread::park_timeout(shared.slowness);
                }
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}
