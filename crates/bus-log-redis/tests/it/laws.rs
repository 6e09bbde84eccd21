//! The laws of every session log, on this one: on a single server with `appendfsync always`, and on a cluster.

use bus_testkit::RemoteHarness;

use crate::support::{ClusterHarness, Log};

bus_testkit::laws!(redis, || RemoteHarness::new(Log::new));
bus_testkit::laws!(cluster, ClusterHarness::new);
