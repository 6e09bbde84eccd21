//! How the laws, and the promises on faults, get hold of the log.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, Harness, Options, Profile, Remote};

use super::{Cluster, Log, config_of, open};

impl Remote for Log {
    fn profile(&self) -> Profile {
        profile("redis")
    }

    fn address(&self) -> SocketAddr {
        let (_, place) = self.url.rsplit_once('@').unwrap();
        let (host, _) = place.split_once('/').unwrap();
        host.parse().expect("the tests' URL names address and port")
    }

    fn place(&self, address: SocketAddr) -> String {
        let [server, other] = [self.address(), address].map(|address| address.to_string());
        format!("{} {}", self.url.replace(&server, &other), self.prefix())
    }

    fn open(place: &str, options: Options) -> Result<Arc<dyn SessionLog>> {
        let (url, prefix) = place.split_once(' ').unwrap();
        let mut config = config_of(url, prefix);
        // All calls share a connection as it is, but for large ones.
        if let Some(limit) = options.call {
            config = config.with_call_timeout(limit);
        }
        if let Some(limit) = options.connect {
            config = config.with_connect_timeout(limit);
        }
        if let Some(interval) = options.poll {
            config = config.with_poll_interval(interval);
        }
        if options.read_only {
            config = config.read_only();
        }
        Ok(Arc::new(open(config)?))
    }
}

/// On a cluster of three nodes, which the tests of a process share as long as one needs it.
pub(crate) struct ClusterHarness {
    log: Log,
    _cluster: Arc<Cluster>,
}

impl ClusterHarness {
    pub(crate) fn new() -> Self {
        let cluster = cluster();
        Self {
            log: Log::at(&cluster.url()),
            _cluster: cluster,
        }
    }
}

impl Harness for ClusterHarness {
    fn profile(&self) -> Profile {
        profile("redis cluster").cannot(
            Ability::Failing,
            "a cluster's nodes name each other's addresses, past any proxy",
        )
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(open(self.log.config())?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }
}

fn profile(name: &'static str) -> Profile {
    Profile::new(
        name,
        "is past the fsync of the server's append-only file",
    )
    .cannot(
        Ability::ByteSearch,
        "its bytes are the server's: erased events stay in the append-only file until it is rewritten",
    )
    .with_model_cases(24)
}

fn cluster() -> Arc<Cluster> {
    static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut shared = CLUSTER.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::start(3));
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}
