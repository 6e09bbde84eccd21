//! How the laws get hold of the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, FaultProxy, Harness, Profile};

use super::{Stream, open, url};

/// A log in a stream of its own.
pub(crate) struct NatsHarness {
    stream: Stream,
    /// What failing logs are reached through, kept as long as they may be used, and their streams.
    failing: Mutex<Vec<(FaultProxy, Stream)>>,
}

impl NatsHarness {
    pub(crate) fn new() -> Self {
        Self {
            stream: Stream::new(),
            failing: Mutex::default(),
        }
    }
}

impl Harness for NatsHarness {
    fn profile(&self) -> Profile {
        Profile::new(
            "nats",
            "is stored by the stream's leader and a majority of its replicas, past fsync only with `sync_interval: always`",
        )
        .cannot(
            Ability::ByteSearch,
            "its bytes are the server's: deleted messages stay in its files until these are compacted",
        )
        .with_model_cases(24)
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(open(self.stream.config())?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    /// The network behind it has gone.
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let proxy = FaultProxy::new(address(&url())).unwrap();
        let stream = Stream::new();
        let config = stream
            .config_at(&through(&proxy))
            .with_timeout(Duration::from_secs(1));
        let log = open(config).unwrap();
        proxy.refuse(true);
        proxy.cut_all();
        self.failing.lock().unwrap().push((proxy, stream));
        Some(Arc::new(log))
    }
}

/// Where the server listens.
pub(crate) fn address(url: &str) -> std::net::SocketAddr {
    let hosts = url.split_once("://").unwrap().1;
    let host = hosts.split(['/', ',', '?']).next().unwrap();
    host.parse().expect("the tests' URL names address and port")
}

/// The URL of the proxy.
pub(crate) fn through(proxy: &FaultProxy) -> String {
    format!("nats://{}", proxy.address())
}
