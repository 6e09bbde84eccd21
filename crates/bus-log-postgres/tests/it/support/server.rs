//! How the promises on faults get hold of a server.

use bus_testkit::Way;
use bus_testkit::faults::{Exchange, ServedLog};
use local_servers::Postgres;

use super::Schema;

impl ServedLog for Schema {
    type Server = Postgres;

    fn at(url: &str) -> Self {
        Self::at(url)
    }

    fn empty(&self) {
        self.drop_it();
    }

    /// Its tables, functions and all else that its schema has, and the schema.
    fn parts(&self) -> usize {
        let count = format!(
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid) \
                  + (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid) + 1 \
               FROM pg_namespace n WHERE nspname = '{}'",
            self.name()
        );
        self.count(&count).unwrap_or(0) as usize
    }

    fn end_connections(&self) -> u32 {
        let count = format!(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{}' AND random() < 0.5",
            self.name()
        );
        self.count(&count).unwrap()
    }

    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64 {
        let (to_server, to_client) = match exchange {
            Exchange::Append => (101, 51),
            Exchange::Archive => (110, 90),
            Exchange::Erase => (51, 31),
            Exchange::Open => (1001, 501),
            Exchange::Make => (8001, 501),
            Exchange::Settle => (601, 151),
        };
        match way {
            Way::ToServer => to_server,
            Way::ToClient => to_client,
        }
    }
}

impl Schema {
    /// What the statement counts, if it gives a row.
    fn count(&self, sql: &str) -> Option<u32> {
        let rows = self.sql().run(sql);
        rows.first().map(|count| count.parse().unwrap())
    }
}
