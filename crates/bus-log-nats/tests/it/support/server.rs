//! How the promises on faults get hold of a server.

use bus_testkit::Way;
use bus_testkit::faults::{Exchange, ServedLog};
use local_servers::Nats;

use super::Stream;

impl ServedLog for Stream {
    type Server = Nats;

    fn at(url: &str) -> Self {
        Self::at(url)
    }

    fn empty(&self) {
        self.delete();
    }

    /// A stream is all that it is.
    fn parts(&self) -> usize {
        let names = self.raw().call("STREAM.NAMES", "");
        usize::from(names.contains(self.name()))
    }

    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64 {
        let (to_server, to_client) = match exchange {
            Exchange::Append | Exchange::Settle => (401, 91),
            Exchange::Archive => (401, 301),
            Exchange::Erase => (301, 201),
            Exchange::Open => (301, 901),
            Exchange::Make => (1001, 901),
        };
        match way {
            Way::ToServer => to_server,
            Way::ToClient => to_client,
        }
    }

    /// It looks what became of a change before it says so.
    fn outlives_a_cut(&self, _: Exchange) -> bool {
        true
    }
}
