//! How the promises on faults get hold of a server.

use std::io;
use std::path::Path;

use bus_testkit::Way;
use bus_testkit::faults::{Deed, Exchange, OnServer};
use local_servers::ScratchNats;

use super::Stream;

/// A server that goes with the value.
pub(crate) fn own() -> ScratchNats {
    ScratchNats::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// A server of its own, and a log on it.
pub(crate) struct NatsServer {
    stream: Stream,
    server: ScratchNats,
}

impl NatsServer {
    pub(crate) fn start() -> Self {
        let server = own();
        let stream = Stream::at(&server.url());
        Self { stream, server }
    }
}

impl OnServer for NatsServer {
    type Log = Stream;

    fn log(&self) -> &Stream {
        &self.stream
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
        self.stream.delete();
    }

    /// A stream is all that it is.
    fn parts(&self) -> usize {
        let names = self.stream.raw().call("STREAM.NAMES", "");
        usize::from(names.contains(self.stream.name()))
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
