//! A schema of its own for each test, on the server that the environment names.

mod harness;
mod server;
mod sql;

use std::path::Path;

use bus_log::Result;
use bus_log_postgres::{PostgresConfig, PostgresSessionLog};
use bus_testkit::{block_on, unique_name};
use local_servers::ScratchPostgres;

// Names that tests of this log use as theirs.
pub(crate) use harness::address;
pub(crate) use sql::Sql;

const VARIABLE: &str = "BUS_TEST_POSTGRES_URL";

/// The server's URL. Without one nothing here is tested, which must not pass for success.
pub(crate) fn url() -> String {
    bus_testkit::server_url(VARIABLE, "bus-log-postgres")
}

/// A server that goes with the value.
pub(crate) fn own() -> ScratchPostgres {
    ScratchPostgres::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
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
        Self {
            url: url.into(),
            name: unique_name(),
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
