//! The laws of every session log, on this one: on a single server, and in a stream that three keep.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, Harness, Profile, Remote, RemoteHarness, eventually};
use local_servers::NatsCluster;

use crate::faults::{LONG, keeps_what_it_took};
use crate::support::{Stream, open};

bus_testkit::laws!(nats, || RemoteHarness::new(Stream::new));
bus_testkit::laws!(nats_cluster, ClusterHarness::new);

/// On three servers, which the tests of a process share as long as one needs them.
struct ClusterHarness {
    stream: Stream,
    cluster: Arc<NatsCluster>,
}

impl ClusterHarness {
    fn new() -> Self {
        let cluster = cluster();
        Self {
            stream: Stream::at(&cluster.url()),
            cluster,
        }
    }
}

impl Harness for ClusterHarness {
    fn profile(&self) -> Profile {
        let profile = self.stream.profile().named("nats cluster").cannot(
            Ability::Failing,
            "its servers name each other's addresses, past any proxy",
        );
        let version = self.cluster.nodes()[0].version().unwrap();
        if keeps_what_it_took(version) {
            return profile;
        }
        LAWS.iter().fold(profile, |profile, law| {
            profile.without_law(
                law,
                "NATS before 2.10 may lose in a cluster what it had acknowledged",
            )
        })
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        let config = self.stream.config().with_replicas(3).unwrap();
        Ok(Arc::new(open(config)?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }
}

/// All of them, and the model check.
const LAWS: [&str; 22] = [
    "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "L1", "L2", "W1", "W2", "W3", "I1", "I2", "F1",
    "R1", "R2", "C1", "E1", "X1", "model",
];

thread_local! {
    /// The model check makes a harness after the other: the servers stay as long as the test's thread.
    static HELD: Cell<Option<Arc<NatsCluster>>> = const { Cell::new(None) };
}

fn cluster() -> Arc<NatsCluster> {
    static CLUSTER: Mutex<Weak<NatsCluster>> = Mutex::new(Weak::new());
    let mut shared = CLUSTER.lock().unwrap();
    let cluster = shared.upgrade().unwrap_or_else(|| {
        let cluster = NatsCluster::start(Path::new(env!("CARGO_TARGET_TMPDIR")), 3).unwrap();
        let cluster = Arc::new(cluster);
        // Whether they keep streams yet.
        let probe = Stream::at(&cluster.url());
        let config = probe.config().with_call_timeout(Duration::from_secs(1));
        let is_up = || open(config.clone().with_replicas(3).unwrap()).is_ok();
        assert!(eventually(LONG, is_up), "it comes up");
        *shared = Arc::downgrade(&cluster);
        cluster
    });
    HELD.set(Some(Arc::clone(&cluster)));
    cluster
}
