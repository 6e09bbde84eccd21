//! The laws of every session log, on this one: on a single server with `appendfsync always`, and on a cluster.

use crate::support::{ClusterHarness, RedisHarness};

bus_testkit::laws!(redis, RedisHarness::new);
bus_testkit::laws!(cluster, ClusterHarness::new);
