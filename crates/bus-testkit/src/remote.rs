//! Logs that are reached over a network.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus_log::{Result, SessionLog};

use crate::{FaultProxy, Harness, Profile};

/// How long a log whose network has gone may look for it.
const GIVE_UP: Duration = Duration::from_secs(3);

/// One log on a server, which nobody has made yet; it may go with the value.
pub trait Remote: Send + Sync + Sized {
    /// What the log says of itself.
    fn profile(&self) -> Profile;

    /// Where the server listens.
    fn address(&self) -> SocketAddr;

    /// All that it takes to open the log, also in another process, with the server reached at `address`: it may be that
    /// of a proxy.
    fn place(&self, address: SocketAddr) -> String;

    /// Opens the log at a [`place`](Self::place), and makes it where there is none.
    ///
    /// # Errors
    ///
    /// Whatever the log's own `open` gives.
    fn open(place: &str, options: Options) -> Result<Arc<dyn SessionLog>>;
}

/// How a log is opened; by default as it is without options.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How long a call may take.
    pub call: Option<Duration>,
    /// How long connecting may take.
    pub connect: Option<Duration>,
    /// How long who waits for news waits until it looks by itself.
    pub poll: Option<Duration>,
    /// With a single connection for calls, where there would be several.
    pub one_connection: bool,
    /// To be read only.
    pub read_only: bool,
}

/// The laws' harness of a log on a server. One that fails is one whose network has gone.
#[derive(Debug)]
pub struct RemoteHarness<R> {
    new: fn() -> R,
    log: R,
    /// What failing logs are reached through, kept as long as they may be used, and what they made.
    failing: Mutex<Vec<(FaultProxy, R)>>,
}

impl<R: Remote> RemoteHarness<R> {
    /// With a log of its own, which `new` gives: another one each time.
    #[must_use]
    pub fn new(new: fn() -> R) -> Self {
        Self {
            new,
            log: new(),
            failing: Mutex::default(),
        }
    }
}

impl<R: Remote> Harness for RemoteHarness<R> {
    fn profile(&self) -> Profile {
        self.log.profile()
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        R::open(&self.log.place(self.log.address()), Options::default())
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let made = (self.new)();
        let proxy = FaultProxy::new(made.address()).expect("a port is free");
        let options = Options {
            call: Some(GIVE_UP),
            ..Options::default()
        };
        let log = R::open(&made.place(proxy.address()), options).expect("it can be opened");
        proxy.refuse(true);
        proxy.cut_all();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.push((proxy, made));
        Some(log)
    }
}
