//! A log of its own for each test, on the server that the environment names.

mod ask;
mod cluster;
mod harness;
mod relay;
mod server;

use std::path::Path;

use bus_log::Result;
use bus_log_redis::{RedisConfig, RedisSessionLog};
use bus_testkit::{block_on, unique_name};
use local_servers::ScratchRedis;

// Names that tests of this log use as theirs.
pub(crate) use ask::Ask;
pub(crate) use cluster::Cluster;
pub(crate) use harness::ClusterHarness;
pub(crate) use relay::Relay;

const VARIABLE: &str = "BUS_TEST_REDIS_URL";

/// The server's URL. Without one nothing here is tested, which must not pass for success.
pub(crate) fn url() -> String {
    bus_testkit::server_url(VARIABLE, "bus-log-redis")
}

/// A server that goes with the value.
pub(crate) fn own() -> ScratchRedis {
    ScratchRedis::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// A prefix whose keys go with the value.
#[derive(Debug)]
pub(crate) struct Log {
    url: String,
    prefix: String,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self::at(&url())
    }

    /// On another server.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.into(),
            prefix: unique_name(),
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn config(&self) -> RedisConfig {
        self.config_at(&self.url)
    }

    /// The same reached by another URL.
    pub(crate) fn config_at(&self, url: &str) -> RedisConfig {
        config_of(url, self.prefix())
    }

    pub(crate) fn open(&self) -> RedisSessionLog {
        open(self.config()).unwrap()
    }

    pub(crate) fn ask(&self) -> Ask {
        Ask::connect(&self.url)
    }

    /// The name of one of its keys.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{{0}}:{rest}", self.prefix)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A server of the test's own goes as a whole.
        if std::thread::panicking() || self.url != std::env::var(VARIABLE).unwrap_or_default() {
            return;
        }
        let mut ask = self.ask();
        let mut cursor = "0".to_owned();
        loop {
            let pattern = format!("{}:*", self.prefix);
            let (next, keys): (String, Vec<Vec<u8>>) =
                ask.run(&["SCAN", &cursor, "MATCH", &pattern, "COUNT", "1000"]);
            for key in keys {
                let key = String::from_utf8(key).unwrap();
                ask.run::<()>(&["UNLINK", &key]);
            }
            if next == "0" {
                return;
            }
            cursor = next;
        }
    }
}

fn config_of(url: &str, prefix: &str) -> RedisConfig {
    let config = RedisConfig::parse(url).unwrap();
    config.with_prefix(prefix).unwrap()
}

pub(crate) fn open(config: RedisConfig) -> Result<RedisSessionLog> {
    block_on(RedisSessionLog::open_with(config))
}
