//! How the promises get hold of a server, and of logs on it.

use std::env;
use std::io;
use std::sync::Arc;

use bus_log::{Result, SessionLog};

use crate::{FaultProxy, Options, Remote, Way};

/// A server of a test's own, new, and one log on it, which nobody has made yet. It ends with the value.
///
/// What it can't do its log's [`profile`](Remote::profile) says, with the reason; what is skipped for that is printed.
pub trait OnServer: Send + Sync + Sized {
    /// How to get hold of the log.
    type Log: Remote;

    /// The log.
    fn log(&self) -> &Self::Log;

    /// Does that to the server, and returns when it is done: a server that was started takes connections, at the same
    /// address.
    ///
    /// # Errors
    ///
    /// If it can't be done.
    fn undergo(&mut self, deed: Deed) -> io::Result<()>;

    /// Removes the log with all that is in it, behind its back, while the server runs.
    fn empty(&self);

    /// How many things a log that was made consists of, such as tables, keys and streams; 0 where there is none.
    fn parts(&self) -> usize;

    /// Has the server end some of the log's connections, and says how many it ended. Where it is never told to,
    /// [`Ability::EndConnections`](crate::Ability::EndConnections) is what the log lacks.
    fn end_connections(&self) -> u32 {
        0
    }

    /// So many bytes at least does an exchange have that way: where fewer could be cut, something else was tested.
    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64;

    /// Whether such a call may be `Ok` although its connection was cut, as the log sends it again, or finds out by itself
    /// what became of it. Where it may not, an `Ok` means that another connection was cut, such as that for news.
    fn outlives_a_cut(&self, exchange: Exchange) -> bool {
        let _ = exchange;
        false
    }
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// It is killed, as by a crash.
    Kill,
    /// It is stopped in good order.
    Stop,
    /// It is started again, with the data that it has.
    Start,
    /// It stands still until it is resumed.
    Pause,
    /// It goes on.
    Resume,
    /// Its data folder is emptied; it does not run then.
    Wipe,
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

/// How often to do the worst: a few times, or as many as `BUS_TEST_ROUNDS` says.
///
/// # Panics
///
/// Panics if that is no number.
#[must_use]
pub fn rounds(few: u32) -> u32 {
    let said = env::var("BUS_TEST_ROUNDS").ok();
    said.map_or(few, |said| {
        said.parse().expect("BUS_TEST_ROUNDS is a number")
    })
}

/// How far apart the bytes are at which to cut, of many that are much like each other: one in so many, or each of them
/// where many rounds are asked for.
pub(super) fn stride(few: u64) -> u64 {
    if rounds(1) >= 100 { 1 } else { few }
}

/// A server, and a network to it that fails on demand.
pub(super) struct Proxied<S> {
    pub(super) server: S,
    pub(super) proxy: FaultProxy,
}

impl<S: OnServer> Proxied<S> {
    pub(super) fn start(start: &impl Fn() -> S) -> Self {
        let server = start();
        let proxy = proxy_to(&server);
        Self { server, proxy }
    }

    /// Opens the log through the network.
    pub(super) fn open(&self, options: Options) -> Arc<dyn SessionLog> {
        let place = self.server.log().place(self.proxy.address());
        open_at::<S>(&place, options).expect("it can be opened")
    }
}

pub(super) fn proxy_to(server: &impl OnServer) -> FaultProxy {
    FaultProxy::new(server.log().address()).expect("a port is free")
}

/// The log's place, without a proxy.
pub(super) fn place(server: &impl OnServer) -> String {
    server.log().place(server.log().address())
}

pub(super) fn open_at<S: OnServer>(place: &str, options: Options) -> Result<Arc<dyn SessionLog>> {
    <S::Log as Remote>::open(place, options)
}

/// Opens the log directly.
pub(super) fn open<S: OnServer>(server: &S, options: Options) -> Arc<dyn SessionLog> {
    open_at::<S>(&place(server), options).expect("it can be opened")
}

/// Does so to the server.
#[track_caller]
pub(super) fn undergo(server: &mut impl OnServer, deeds: &[Deed]) {
    for deed in deeds {
        if let Err(error) = server.undergo(*deed) {
            panic!("{deed:?}: {error}");
        }
    }
}
