//! A stream of its own for each test, on the server that the environment names.

mod harness;
mod raw;
mod server;

use std::sync::atomic::{AtomicU32, Ordering};

use bus_log::Result;
use bus_log_nats::{NatsConfig, NatsSessionLog};
use bus_testkit::block_on;

// Names that tests of this log use as theirs.
#[allow(
    unused_imports,
    reason = "not every one of them is needed at all times"
)]
pub(crate) use bus_testkit::faults::{append, append_for_sure, texts, until_done};
pub(crate) use harness::address;
pub(crate) use raw::Raw;
pub(crate) use server::{NatsServer, own};

const VARIABLE: &str = "BUS_TEST_NATS_URL";

/// The server's URL. Without one nothing here is tested, which must not pass for success.
pub(crate) fn url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} is not set: these tests need a NATS server; run them by `cargo xtask test`, or by `cargo xtask \
             services run -- cargo test -p bus-log-nats`"
        )
    })
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
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            url: url.into(),
            name: format!("test_{}_{count}", std::process::id()),
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
