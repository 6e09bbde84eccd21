//! A network that fails on demand: a TCP proxy in front of a server, for the tests of whatever talks
//! to one.

mod link;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use link::{Link, Pipe};

/// Stands between clients and a server, passes bytes on, and cuts, holds or refuses as it is told.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use bus_testkit::{FaultProxy, Way};
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let proxy = FaultProxy::new(server.local_addr()?)?;
/// proxy.cut_after(Way::ToServer, 3);
/// let mut client = TcpStream::connect(proxy.address())?;
/// let (mut served, _) = server.accept()?;
/// client.write_all(b"abcdef")?;
/// let mut got = Vec::new();
/// // The cut may reach the server as an end or as a broken connection.
/// let _ = served.read_to_end(&mut got);
/// assert_eq!((got.as_slice(), proxy.has_cut()), (&b"abc"[..], true));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

/// The way that bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From a client to the server.
    ToServer,
    /// From the server to a client.
    ToClient,
}

#[derive(Debug)]
pub(crate) struct Shared {
    server: SocketAddr,
    faults: Mutex<Faults>,
    refuses: AtomicBool,
    refused: AtomicU64,
    closed: AtomicBool,
    links: Mutex<Vec<Arc<Link>>>,
}

/// What is to be cut.
#[derive(Debug, Default)]
struct Faults {
    /// The way, and how many bytes of one connection may pass.
    cut: Option<(Way, u64)>,
    /// How many have passed that way since then, by connection.
    passed: HashMap<u64, u64>,
    has_cut: bool,
}

impl FaultProxy {
    /// A proxy in front of `server`, on a free port of this machine, without faults yet.
    ///
    /// # Errors
    ///
    /// If no port is to be had.
    pub fn new(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            faults: Mutex::default(),
            refuses: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            links: Mutex::default(),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Ok(Self {
            shared,
            address,
            acceptor: Some(acceptor),
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many more bytes pass that way, counted from now for each connection by itself, then
    /// cuts the first connection that has more, both ways. Replaces what was to be cut before.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        let mut faults = self.shared.faults();
        *faults = Faults {
            cut: Some((way, bytes)),
            ..Faults::default()
        };
    }

    /// Whether what was to be cut has been.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.faults().has_cut
    }

    /// Nothing is to be cut any more.
    pub fn heal(&self) {
        self.shared.faults().cut = None;
    }

    /// Cuts all connections that there are.
    pub fn cut_all(&self) {
        self.shared.cut_all();
    }

    /// Cuts every new connection at once, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How many connections were cut for that.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Holds back what goes that way on the connections that there are now, new ones are not touched.
    /// What is held arrives after [`release`](Self::release), also when the client has gone meanwhile.
    pub fn hold(&self, way: Way) {
        for link in self.shared.links().iter() {
            link.hold(way);
        }
    }

    /// Lets go of what is held.
    pub fn release(&self) {
        for link in self.shared.links().iter() {
            link.release();
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which closes what there is.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // It has nothing that panics.
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut pipes = Vec::new();
        for (number, client) in (0..).zip(listener.incoming()) {
            if self.closed.load(Ordering::SeqCst) {
                break;
            }
            let Ok(client) = client else { continue };
            // Dropped, it is cut.
            if self.refuses.load(Ordering::SeqCst) {
                self.refused.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let Ok(server) = TcpStream::connect(self.server) else {
                continue;
            };
            let Ok(link) = Link::new(number, client, server) else {
                continue;
            };
            let link = Arc::new(link);
            for way in [Way::ToServer, Way::ToClient] {
                if let Ok(pipe) = Pipe::new(&link, way) {
                    let shared = Arc::clone(self);
                    pipes.push(thread::spawn(move || pipe.run(&shared)));
                }
            }
            let mut links = self.links();
            links.retain(|link| !link.is_cut());
            links.push(link);
        }
        self.cut_all();
        for pipe in pipes {
            // It has nothing that panics.
            let _ = pipe.join();
        }
    }

    /// How many of `bytes` may pass on the connection, and whether it is cut after them.
    pub(crate) fn allow(&self, link: u64, way: Way, bytes: usize) -> (usize, bool) {
        let mut faults = self.faults();
        let Some((_, limit)) = faults.cut.filter(|(cut, _)| *cut == way) else {
            return (bytes, false);
        };
        let passed = faults.passed.entry(link).or_default();
        let left = limit - *passed;
        if bytes as u64 <= left {
            *passed += bytes as u64;
            return (bytes, false);
        }
        faults.cut = None;
        faults.has_cut = true;
        (usize::try_from(left).unwrap_or(bytes), true)
    }

    fn cut_all(&self) {
        for link in self.links().drain(..) {
            link.cut();
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
