//! A log of its own for each test, on the server that the environment names.

mod ask;
mod cluster;
mod harness;
mod relay;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus_log::{Entry, Expect, LogError, Result, SessionLog, ThreadKey};
use bus_log_redis::{RedisConfig, RedisSessionLog};
use bus_testkit::{block_on, samples};

pub(crate) use ask::Ask;
pub(crate) use cluster::Cluster;
pub(crate) use harness::{ClusterHarness, RedisHarness};
pub(crate) use relay::Relay;

const VARIABLE: &str = "BUS_TEST_REDIS_URL";

/// The server's URL. Without one nothing here is tested, which must not pass for success.
pub(crate) fn url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} is not set: these tests need a Redis server; run them by `cargo xtask \
             test`, or by `cargo xtask services run -- cargo test -p bus-log-redis`"
        )
    })
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
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            url: url.into(),
            prefix: format!("test_{}_{count}", std::process::id()),
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
        let config = RedisConfig::parse(url).unwrap();
        config.with_prefix(self.prefix()).unwrap()
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

pub(crate) fn open(config: RedisConfig) -> Result<RedisSessionLog> {
    block_on(RedisSessionLog::open_with(config))
}

pub(crate) fn append(
    log: &dyn SessionLog,
    key: &ThreadKey,
    name: &str,
    count: usize,
) -> Result<u64> {
    block_on(log.append_entries(key, Expect::Any, &samples::batch(name, count)))
}

/// Every text of the thread, in order.
pub(crate) fn texts(log: &dyn SessionLog, key: &ThreadKey) -> Vec<String> {
    let events = block_on(log.load_since(key, 0)).unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.ordinal).collect();
    let first = numbers.first().copied().unwrap_or(1);
    let whole: Vec<u64> = (first..first + numbers.len() as u64).collect();
    assert_eq!(numbers, whole, "ordinals are whole");
    let texts = events.iter().map(|event| samples::text_of(&event.event));
    texts.map(|text| text.unwrap().to_owned()).collect()
}

/// Appends by the recipe of law E1: after an outcome that nobody knows, read again, and if the batch
/// is not there, append it where it belongs.
pub(crate) fn append_for_sure(
    log: &Arc<RedisSessionLog>,
    key: &ThreadKey,
    entries: &[Entry],
    mut on_error: impl FnMut(&LogError),
) -> u64 {
    let mut last = until_done(&mut on_error, || block_on(log.bounds(key))).last;
    let mut expect = Expect::Any;
    loop {
        let error = match block_on(log.append_entries(key, expect, entries)) {
            Ok(end) => return end,
            Err(error) => error,
        };
        on_error(&error);
        let now = until_done(&mut on_error, || block_on(log.bounds(key))).last;
        if now == last + entries.len() as u64 {
            let landed = until_done(&mut on_error, || block_on(log.load_since(key, last)));
            let landed = landed.into_iter().map(Entry::from);
            assert!(
                landed.eq(entries.iter().cloned()),
                "another batch stands there"
            );
            return now;
        }
        assert_eq!(now, last, "part of a batch, or somebody else's");
        last = now;
        expect = Expect::Last(last);
    }
}

fn until_done<T>(on_error: &mut impl FnMut(&LogError), mut ask: impl FnMut() -> Result<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        match ask() {
            Ok(done) => return done,
            Err(error) => {
                on_error(&error);
                assert_eq!(
                    error.kind(),
                    bus_log::LogErrorKind::Unavailable,
                    "{error:?}"
                );
                assert!(begun.elapsed().as_secs() < 30, "{error:?}");
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        }
    }
}
