//! How the promises on faults get hold of a server.

use std::io;
use std::path::Path;

use bus_testkit::Way;
use bus_testkit::faults::{Deed, Exchange, OnServer};
use local_servers::ScratchPostgres;

use super::Schema;

/// A server that goes with the value.
pub(crate) fn own() -> ScratchPostgres {
    ScratchPostgres::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// A server of its own, and a log on it.
pub(crate) struct PostgresServer {
    schema: Schema,
    server: ScratchPostgres,
}

impl PostgresServer {
    pub(crate) fn start() -> Self {
        let server = own();
        let schema = Schema::at(&server.url());
        Self { schema, server }
    }

    /// What the statement counts, if it gives a row.
    fn count(&self, sql: &str) -> Option<u32> {
        let rows = self.schema.sql().run(sql);
        rows.first().map(|count| count.parse().unwrap())
    }
}

impl OnServer for PostgresServer {
    type Log = Schema;

    fn log(&self) -> &Schema {
        &self.schema
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
        self.schema.drop_it();
    }

    /// Its tables, functions and all else that its schema has, and the schema.
    fn parts(&self) -> usize {
        let count = format!(
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid) \
                  + (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid) + 1 \
               FROM pg_namespace n WHERE nspname = '{}'",
            self.schema.name()
        );
        self.count(&count).unwrap_or(0) as usize
    }

    fn end_connections(&self) -> u32 {
        let count = format!(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{}' AND random() < 0.5",
            self.schema.name()
        );
        self.count(&count).unwrap()
    }

    fn least_bytes(&self, exchange: Exchange, way: Way) -> u64 {
        let (to_server, to_client) = match exchange {
            Exchange::Append => (101, 51),
            Exchange::Archive | Exchange::Erase => (51, 31),
            Exchange::Open => (1001, 501),
            Exchange::Make => (8001, 501),
            Exchange::Settle => (601, 151),
        };
        match way {
            Way::ToServer => to_server,
            Way::ToClient => to_client,
        }
    }

    /// An archiving may be sent again.
    fn outlives_a_cut(&self, exchange: Exchange) -> bool {
        exchange == Exchange::Archive
    }
}
