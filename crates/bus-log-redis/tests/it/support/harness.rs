//! How the laws get hold of the log.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, FaultProxy, Harness, Profile};

use super::{Cluster, Log, open, url};

/// A log with a prefix of its own.
pub(crate) struct RedisHarness {
    log: Log,
    /// What failing logs are reached through, kept as long as they may be used, and what they made.
    failing: Mutex<Vec<(FaultProxy, Log)>>,
}

impl RedisHarness {
    pub(crate) fn new() -> Self {
        Self {
            log: Log::new(),
            failing: Mutex::default(),
        }
    }
}

impl Harness for RedisHarness {
    fn profile(&self) -> Profile {
        profile("redis")
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(open(self.log.config())?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    /// The network behind it has gone.
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let proxy = FaultProxy::new(address(&url())).unwrap();
        let made = Log::new();
        let log = open(made.config_at(&through(&url(), &proxy))).unwrap();
        proxy.refuse(true);
        proxy.cut_all();
        self.failing.lock().unwrap().push((proxy, made));
        Some(Arc::new(log))
    }
}

/// The same on a cluster of three nodes, which the tests of a process share as long as one needs it.
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

/// Where the server listens.
fn address(url: &str) -> SocketAddr {
    let (_, place) = url.rsplit_once('@').unwrap();
    let (host, _) = place.split_once('/').unwrap();
    host.parse().expect("the tests' URL names address and port")
}

/// The URL with the proxy in the server's place.
fn through(url: &str, proxy: &FaultProxy) -> String {
    url.replace(&address(url).to_string(), &proxy.address().to_string())
}
