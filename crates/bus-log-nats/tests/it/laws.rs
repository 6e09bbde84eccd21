//! The laws of every session log, on this one.

use crate::support::NatsHarness;

bus_testkit::laws!(nats, NatsHarness::new);
