//! The laws of every session log, on this one: as the role that owns the tables, and is held back by
//! row-level security all the same.

use crate::support::PostgresHarness;

bus_testkit::laws!(postgres, PostgresHarness::new);
