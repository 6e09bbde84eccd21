//! A schema of its own for each test, on the server that the environment names.

mod harness;
mod server;
mod sql;

use std::sync::atomic::{AtomicU32, Ordering};

use bus_log::Result;
use bus_log_postgres::{PostgresConfig, PostgresSessionLog};
use bus_testkit::block_on;

// Names that tests of this log use as theirs.
#[allow(
    unused_imports,
    reason = "not every one of them is needed at all times"
)]
pub(crate) use bus_testkit::faults::{append, append_for_sure, texts, until_done};
pub(crate) use harness::address;
pub(crate) use server::{PostgresServer, own};
pub(crate) use sql::Sql;

const VARIABLE: &str = "BUS_TEST_POSTGRES_URL";

/// The server's URL. Without one nothing here is tested, which must not pass for success.
pub(crate) fn url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} is not set: these tests need a PostgreSQL server; run them by `cargo xtask \
             test`, or by `cargo xtask services run -- cargo test -p bus-log-postgres`"
        )
    })
}

/// A schema that goes with the value.
#[derive(Debug)]
pub(crate) struct Schema {
    url: String,
    name: String,
}

impl Schema {
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

    pub(crate) fn config(&self) -> PostgresConfig {
        self.config_at(&self.url)
    }

    /// The same reached by another URL.
    pub(crate) fn config_at(&self, url: &str) -> PostgresConfig {
        config_of(url, self.name())
    }

    pub(crate) fn open(&self) -> PostgresSessionLog {
        open(self.config()).unwrap()
    }

    pub(crate) fn sql(&self) -> Sql {
        Sql::connect(&self.url)
    }

    /// Drops the schema, if it is there.
    pub(crate) fn drop_it(&self) {
        let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.name);
        self.sql().run(&sql);
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.drop_it();
        }
    }
}

fn config_of(url: &str, schema: &str) -> PostgresConfig {
    let option = if url.contains('?') { '&' } else { '?' };
    let named = format!("{url}{option}application_name={schema}");
    let config = PostgresConfig::parse(&named).unwrap();
    // Many tests at once share one server.
    config.with_schema(schema).unwrap().with_max_connections(4)
}

pub(crate) fn open(config: PostgresConfig) -> Result<PostgresSessionLog> {
    block_on(PostgresSessionLog::open_with(config))
}
