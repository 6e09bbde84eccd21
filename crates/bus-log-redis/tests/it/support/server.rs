//! How the promises on faults get hold of a server.

use std::io;
use std::path::Path;

use bus_testkit::Way;
use bus_testkit::faults::{Deed, Exchange, OnServer};
use local_servers::ScratchRedis;

use super::Log;

/// A server that goes with the value.
pub(crate) fn own() -> ScratchRedis {
    ScratchRedis::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// A server of its own, and a log on it.
pub(crate) struct RedisServer {
    made: Log,
    server: ScratchRedis,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let server = own();
        let made = Log::at(&server.url());
        Self { made, server }
    }
}

impl OnServer for RedisServer {
    type Log = Log;

    fn log(&self) -> &Log {
        &self.made
    }

    fn undergo(&mut self, deed: Deed) -> io::Result<()> {
        match deed {
            Deed::Kill => self.server.kill(),
            Deed::Stop => self.server.stop(),
            Deed::Start => self.server.start(),
            Deed::Pause => self.server.pause(),
            Deed::Resume => self.server.resume(),
            Deed::Wipe => self.server.wipe(),
        }
    }

    fn empty(&self) {
        self.made.ask().run::<()>(&["FLUSHALL"]);
    }

    /// Its keys.
    fn parts(&self) -> usize {
        self.made.ask().run(&["DBSIZE"])
    }

    /// All but the one that asks.
    fn end_connections(&self) -> u32 {
        let mut ask = self.made.ask();
        let mut end = |kind| ask.run::<u32>(&["CLIENT", "KILL", "TYPE", kind]);
        end("normal") + end("pubsub")
    }

    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64 {
        let (to_server, to_client) = match exchange {
            Exchange::Append | Exchange::Settle => (501, 16),
            Exchange::Archive => (301, 4),
            Exchange::Erase => (301, 15),
            // It tells the server its scripts.
            Exchange::Open | Exchange::Make => (15_001, 4001),
        };
        match way {
            Way::ToServer => to_server,
            Way::ToClient => to_client,
        }
    }

    /// An archiving may be sent again.
    fn outlives_a_cut(&self, exchange: Exchange) -> bool {
        exchange == Exchange::Archive
    }
}
