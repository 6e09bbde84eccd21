//! The laws of every session log, on this one: as the role that owns the tables, and is held back by
//! row-level security all the same.

use bus_testkit::RemoteHarness;

use crate::support::Schema;

bus_testkit::laws!(postgres, || RemoteHarness::new(Schema::new));
