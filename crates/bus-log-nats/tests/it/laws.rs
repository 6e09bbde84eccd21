//! The laws of every session log, on this one.

use bus_testkit::RemoteHarness;

use crate::support::Stream;

bus_testkit::laws!(nats, || RemoteHarness::new(Stream::new));
