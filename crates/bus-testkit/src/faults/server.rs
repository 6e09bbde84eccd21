//! How the promises get hold of a server, and of logs on it.

use std::env;
use std::path::Path;
use std::sync::Arc;

use bus_log::{Result, SessionLog};
use local_servers::{Deed, Kind, Scratch, Server};

use crate::{FaultProxy, Options, Remote, Way};

/// One log on a server of a test's own, to whose server anything may be done.
///
/// What it can't do its [`profile`](Remote::profile) says, with the reason; what is skipped for that is printed.
pub trait ServedLog: Remote {
    /// The server.
    type Server: Kind;

    /// A log on the server with that URL, of a name of its own, which nobody has made yet.
    fn at(url: &str) -> Self;

    /// Removes the log with all that is in it, behind its back, while the server runs.
    fn empty(&self);

    /// How many things a log that was made consists of, such as tables, keys and streams; 0 where there is none.
    fn parts(&self) -> usize;

    /// Has the server end some of the log's connections, and says how many it ended. Where it is never told to,
    /// [`Ability::EndConnections`](crate::Ability::EndConnections) is what the log lacks.
    fn end_connections(&self) -> u32 {
        0
    }

    /// So many bytes at least does an exchange have that way: where fewer could be cut, something else was tested. Of an
    /// [`Archive`](Exchange::Archive) they are those up to where it is hidden, and known to be: before them no cut can be
    /// survived.
    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64;

    /// Whether such a call may be `Ok` although its connection was cut, as the log finds out by itself what became of it.
    /// Where it may not, an `Ok` means that another connection was cut, such as that for news, or, behind an archiving,
    /// the deletion of what it hid, which is nobody's to wait for.
    fn outlives_a_cut(&self, exchange: Exchange) -> bool {
        let _ = exchange;
        false
    }
}

/// A server of a test's own, new, and one log on it, which nobody has made yet. Both end with the value.
#[derive(Debug)]
pub struct OnServer<L: ServedLog> {
    /// The log. It goes before its server does.
    pub log: L,
    /// The server.
    pub server: Scratch<L::Server>,
}

impl<L: ServedLog> OnServer<L> {
    /// Starts a server in a folder of its own below `parent`.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    #[must_use]
    pub fn start(parent: impl AsRef<Path>) -> Self {
        match Scratch::<L::Server>::start(parent.as_ref()) {
            Ok(server) => Self {
                log: L::at(&server.url()),
                server,
            },
            Err(error) => panic!("no {}: {error}", <L::Server as Kind>::NAME),
        }
    }
}

/// What a log and its server say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// An append of two small events.
    Append,
    /// An `archive_before`.
    Archive,
    /// An `erase`.
    Erase,
    /// Opening a log that is there, from the first connection on.
    Open,
    /// Opening one that is to be made.
    Make,
    /// An append of one small event after one whose answer was lost.
    Settle,
}

/// How often to do the worst: so many times, or as many as `BUS_TEST_ROUNDS` says where that is more.
///
/// # Panics
///
/// Panics if that is no number.
#[must_use]
pub fn rounds(few: u32) -> u32 {
    at_least(few, env::var("BUS_TEST_ROUNDS").ok().as_deref())
}

fn at_least(few: u32, said: Option<&str>) -> u32 {
    said.map_or(few, |said| {
        few.max(said.parse().expect("BUS_TEST_ROUNDS is a number"))
    })
}

/// How far apart the bytes are at which to cut, of many that are much like each other: one in so many, or each of them
/// where many rounds are asked for.
///
/// # Panics
///
/// As [`rounds`].
#[must_use]
pub fn stride(few: u64) -> u64 {
    if rounds(1) >= 100 { 1 } else { few }
}

/// A server, and a network to it that fails on demand.
pub(super) struct Proxied<L: ServedLog> {
    pub(super) server: OnServer<L>,
    pub(super) proxy: FaultProxy,
}

impl<L: ServedLog> Proxied<L> {
    pub(super) fn start(start: &impl Fn() -> OnServer<L>) -> Self {
        let server = start();
        let proxy = proxy_to(&server);
        Self { server, proxy }
    }

    /// Opens the log through the network.
    pub(super) fn open(&self, options: Options) -> Arc<dyn SessionLog> {
        open_at::<L>(&self.place(), options).expect("it can be opened")
    }

    /// The log's place behind the network.
    pub(super) fn place(&self) -> String {
        self.server.log.place(self.proxy.address())
    }
}

pub(super) fn proxy_to(server: &OnServer<impl ServedLog>) -> FaultProxy {
    FaultProxy::new(server.log.address()).expect("a port is free")
}

/// The log's place, without a proxy.
pub(super) fn place(server: &OnServer<impl ServedLog>) -> String {
    server.log.place(server.log.address())
}

pub(super) fn open_at<L: ServedLog>(place: &str, options: Options) -> Result<Arc<dyn SessionLog>> {
    L::open(place, options)
}

/// Opens the log directly.
pub(super) fn open<L: ServedLog>(server: &OnServer<L>, options: Options) -> Arc<dyn SessionLog> {
    open_at::<L>(&place(server), options).expect("it can be opened")
}

/// Does so to the server.
#[track_caller]
pub(super) fn undergo(server: &mut OnServer<impl ServedLog>, deeds: &[Deed]) {
    for deed in deeds {
        if let Err(error) = server.server.undergo(*deed) {
            panic!("{deed:?}: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
