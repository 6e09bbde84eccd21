//! How the promises on faults get hold of a server.

use bus_testkit::Way;
use bus_testkit::faults::{Exchange, ServedLog};
use local_servers::Redis;

use super::Log;

impl ServedLog for Log {
    type Server = Redis;

    fn at(url: &str) -> Self {
        Self::at(url)
    }

    fn empty(&self) {
        self.ask().run::<()>(&["FLUSHALL"]);
    }

    /// Its keys.
    fn parts(&self) -> usize {
        self.ask().run(&["DBSIZE"])
    }

    /// All but the one that asks.
    fn end_connections(&self) -> u32 {
        let mut ask = self.ask();
        let mut end = |kind| ask.run::<u32>(&["CLIENT", "KILL", "TYPE", kind]);
        end("normal") + end("pubsub")
    }

    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64 {
        let (to_server, to_client) = match exchange {
            Exchange::Append | Exchange::Settle => (501, 16),
            Exchange::Archive => (330, 15),
            Exchange::Erase => (301, 15),
            // It tells the server its scripts.
            Exchange::Open | Exchange::Make => (15_001, 4001),
        };
        match way {
            Way::ToServer => to_server,
            Way::ToClient => to_client,
        }
    }
}
