//! A stream of its own for each test, on the server that the environment names.

mod harness;
mod raw;
mod server;

use std::path::Path;

use bus_log::Result;
use bus_log_nats::{NatsConfig, NatsSessionLog};
use bus_testkit::{block_on, unique_name};
use local_servers::ScratchNats;

// Names that tests of this log use as theirs.
pub(crate) use harness::address;
pub(crate) use raw::Raw;

const VARIABLE: &str = "BUS_TEST_NATS_URL";

/// The server's URL. Without one nothing here is tested, which must not pass for success.
pub(crate) fn url() -> String {
    bus_testkit::server_url(VARIABLE, "bus-log-nats")
}

/// A server that goes with the value.
pub(crate) fn own() -> ScratchNats {
    ScratchNats::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// A stream that goes with the value.
#[derive(Debug)]
pub(crate) struct Stream {
    url: String,
    name: String,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self::at(&url())
    }

    /// On another server.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.into(),
            name: unique_name(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn config(&self) -> NatsConfig {
        self.config_at(&self.url)
    }

    /// The same reached by another URL.
    pub(crate) fn config_at(&self, url: &str) -> NatsConfig {
        config_of(url, self.name())
    }

    pub(crate) fn open(&self) -> NatsSessionLog {
        open(self.config()).unwrap()
    }

    pub(crate) fn raw(&self) -> Raw {
        Raw::connect(&self.url)
    }

    /// Deletes the stream, if it is there.
    pub(crate) fn delete(&self) {
        self.raw().call(&format!("STREAM.DELETE.{}", self.name), "");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !std::thread::panicking() && std::env::var(VARIABLE).as_ref() == Ok(&self.url) {
            self.delete();
        }
    }
}

fn config_of(url: &str, stream: &str) -> NatsConfig {
    let config = NatsConfig::parse(url).unwrap();
    config.with_stream(stream).unwrap()
}

pub(crate) fn open(config: NatsConfig) -> Result<NatsSessionLog> {
    block_on(NatsSessionLog::open_with(config))
}
